"""Import the functions' modules and run tests in WebAssembly, which has one thread.

Its argument is a request in JSON: `root`, the project; `path`, the folders to import from;
`pytest`, the arguments of pytest. Its last line of output is JSON: `python`, `boto3`, `modules`,
and `outcomes` by test.
"""

import concurrent.futures
import importlib
import json
import os
import platform
import sys
import threading
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pkgutil import walk_packages
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

# Native packages that moto and the tests' support import. No test here needs them, and PyPI has no
# WebAssembly for them.
_ABSENT = frozenset({"cryptography", "psutil"})


class _EmptyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        """Return something for any name, so that the import of the name succeeds."""
        return MagicMock(name=name)


class _EmptyModules(MetaPathFinder, Loader):
    """Finds the absent packages, with any name in them."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Return an empty module in place of an absent package, or of a module in one."""
        is_absent = fullname.partition(".")[0] in _ABSENT
        return spec_from_loader(fullname, self, is_package=True) if is_absent else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a module that has any name."""
        return _EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is complete."""


class _Executor(concurrent.futures.Executor):
    """Runs each task when it is submitted, on the one thread."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Run a task now, and return its result or its error as a future that is done."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class _Thread(threading.Thread):
    """Runs when it is started."""

    def start(self) -> None:
        """Run to the end."""
        self.run()

    def join(self, timeout: float | None = None) -> None:
        """Do nothing: the thread has ended."""


class _Outcomes:
    """A plugin of pytest that collects the outcome of each test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note the outcome of a test, of which pytest reports three phases."""
        # The first phase that did not pass decides.
        if self.outcomes.get(report.nodeid, "passed") == "passed":
            self.outcomes[report.nodeid] = report.outcome


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks for, and return the results."""
    os.chdir(request["root"])
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path[:0] = request["path"]
    sys.meta_path.insert(0, _EmptyModules())
    concurrent.futures.ThreadPoolExecutor = _Executor  # type: ignore[assignment,misc]
    threading.Thread = _Thread  # type: ignore[misc]
    # The functions' packages are in the first folder.
    modules = sorted(module.name for module in walk_packages(request["path"][:1]))
    for module in modules:
        importlib.import_module(module)

    import boto3
    import pytest

    plugin = _Outcomes()
    pytest.main(["-p", "no:cacheprovider", *request["pytest"]], plugins=[plugin])
    return {
        "python": platform.python_version(),
        "boto3": boto3.__version__,
        "modules": modules,
        "outcomes": plugin.outcomes,
    }


print(json.dumps(main(json.loads(sys.argv[1]))))
