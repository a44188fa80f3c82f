// Run a Python script in CPython 3.14: node python.mjs '{"/mounted/at": "folder", ...}' script.py [argument...]
import { loadPyodide } from "pyodide";

const [folders, ...argv] = process.argv.slice(2);
const python = await loadPyodide({ env: { HOME: "/home/pyodide" } });
for (const [mountedAt, folder] of Object.entries(JSON.parse(folders))) {
  python.mountNodeFS(mountedAt, folder);
}
const argvInPython = python.toPy(argv);
python.globals.set("argv", argvInPython);
process.exitCode = python.runPython(`
import runpy, sys
# What one run compiles, the next one imports.
sys.dont_write_bytecode, sys.pycache_prefix = False, "/wasm/bytecode"
sys.argv = argv
try:
    runpy.run_path(argv[0], run_name="__main__")
    code = 0
except SystemExit as exit:
    code = exit.code or 0
code
`);
