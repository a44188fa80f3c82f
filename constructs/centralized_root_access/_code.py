"""The code that runs in Lambda: where it is, and which of it a function needs."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent


def lambda_root() -> Path:
    """Return the folder that holds the functions' packages, in a checkout or in the wheel."""
    packaged = _HERE / "_lambda"
    return packaged if packaged.is_dir() else _HERE.parents[1] / "lambda"


def exclude_patterns(root: Path, module: str) -> list[str]:
    """Return the asset's exclude patterns: everything but the files that a handler's module needs.

    Other files in the folder, for example bytecode, must not change the function.

    Args:
        root: The folder that holds the functions' packages.
        module: The handler's module.
    """
    files = package_files(root, module)
    folders = {folder for file in files for folder in Path(file).parents if folder.name}
    return ["*", *(f"!{path}" for path in sorted({*(folder.as_posix() for folder in folders), *files}))]


@functools.cache
def package_files(root: Path, module: str) -> frozenset[str]:
    """Return the files that a module needs, relative to the folder.

    They are the modules that it imports, directly or not, also inside functions, with their packages, and
    the data files that one of these modules names and that lie next to it.

    Args:
        root: The folder that holds the functions' packages.
        module: The module.
    """
    found: set[Path] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _source(root, name)
        if file is None:
            continue
        source = file.read_text(encoding="utf-8")
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        found |= {file, *_data_files(source, folder=file.parent)}
        waiting += [package, package.rpartition(".")[0], *_imports(ast.parse(source), package=package)]
    return frozenset(file.relative_to(root).as_posix() for file in found)


def _source(root: Path, module: str) -> Path | None:
    """Return the file of a module; None if it is not one of the functions' own."""
    path = root.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file if module and file.is_file() else None


def _imports(tree: ast.Module, *, package: str) -> Iterator[str]:
    """Yield the names that code imports when it runs: modules, and what may be a module of a package."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        match waiting.pop():
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=statements):
                waiting += statements
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*parents, *filter(None, [module])])
                yield base
                yield from (f"{base}.{name.name}" for name in names)
            case ast.expr():
                # Expressions, most of a tree, import nothing.
                pass
            case node:
                waiting += ast.iter_child_nodes(node)


def _data_files(source: str, *, folder: Path) -> Iterator[Path]:
    """Yield the files of the folder that the code names in a string, other than modules."""
    for path in folder.iterdir():
        if path.suffix != ".py" and f'"{path.name}"' in source and path.is_file():
            yield path
