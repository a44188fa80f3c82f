"""The tree of exceptions that `common.errors` draws."""

import importlib
import re

from common import errors
from support.apps import REPOSITORY


def test_the_tree_has_each_exception_of_the_functions_with_its_parent_and_its_module() -> None:
    functions = REPOSITORY / "lambda"
    defined = set()
    for path in functions.rglob("*.py"):
        name = ".".join(path.relative_to(functions).with_suffix("").parts).removesuffix(".__init__")
        for member in vars(importlib.import_module(name)).values():
            if (
                isinstance(member, type)
                and issubclass(member, Exception)
                and member.__module__ == name
            ):
                defined.add((member.__bases__[0].__name__, member.__name__, name))
    drawn, parents = set(), {}
    for indent, error, module in re.findall(
        r"^( +)(\w+) +([a-z_.]+)$", errors.__doc__ or "", re.MULTILINE
    ):
        # An exception is drawn below its parent, with four spaces more.
        parents[len(indent)] = error
        drawn.add((parents.get(len(indent) - 4, "Exception"), error, module))
    assert drawn == defined
