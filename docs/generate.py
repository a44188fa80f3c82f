"""Write api.md, the API reference, from the library's docstrings and signatures, without importing it."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "api.md"
PACKAGE = "centralized_root_access"

_TITLE = f"""\
# API reference

Generated from the docstrings by `make docs`; do not edit. All names are imported from `{PACKAGE}`.
"""


def reference() -> str:
    """Return the reference of everything that the package exports."""
    package = griffe.load(PACKAGE, search_paths=[ROOT / "constructs"], docstring_parser="google")
    exported = [package[str(name)] for name in package.exports or []]
    sections = [_TITLE]
    for item in exported:
        documented = item.final_target if isinstance(item, griffe.Alias) else item
        if not isinstance(documented, griffe.Class):
            raise TypeError(
                f"{documented.path} is exported, but is not a class. Add its kind to reference()."
            )
        sections += _class(documented)
    return "\n".join(sections)


def _class(item: griffe.Class) -> Iterator[str]:
    yield f"## {item.name}\n"
    sections = item.docstring.parsed if item.docstring else []
    constructor = item.members.get("__init__")
    # A class whose docstring has no arguments is not instantiated by users.
    if isinstance(constructor, griffe.Function) and any(
        section.kind is griffe.DocstringSectionKind.parameters for section in sections
    ):
        yield _code(_signature(item.name, constructor))
    yield from _docstring(item)
    public = [it for it in item.members.values() if it.is_public and it.docstring]
    attributes = [it for it in public if isinstance(it, griffe.Attribute)]
    if attributes:
        yield from _table(
            "attribute", [(f"`{it.name}`", f"`{it.annotation or it.value}`", _text(it)) for it in attributes]
        )
    for method in public:
        if isinstance(method, griffe.Function) and not method.name.startswith("__"):
            yield f"### {item.name}.{method.name}\n"
            yield _code(_signature(method.name, method))
            yield from _docstring(method)


def _signature(name: str, function: griffe.Function) -> str:
    arguments = []
    for it in function.parameters:
        if it.name == "self":
            continue
        if it.kind is griffe.ParameterKind.keyword_only and "*" not in arguments:
            arguments.append("*")
        default = f" = {it.default}" if it.default is not None else ""
        arguments.append(f"{it.name}: {it.annotation}{default}")
    returns = "" if function.name == "__init__" else f" -> {function.returns}"
    return "\n".join([f"{name}(", *(f"    {it}," for it in arguments), f"){returns}"])


def _docstring(item: griffe.Object) -> Iterator[str]:
    for section in item.docstring.parsed if item.docstring else []:
        match section:
            case griffe.DocstringSectionText():
                yield _markdown(section.value)
            case griffe.DocstringSectionParameters():
                yield from _table("argument", [(f"`{it.name}`", it.description) for it in section.value])
            case griffe.DocstringSectionAttributes():
                yield from _table("attribute", [(f"`{it.name}`", it.description) for it in section.value])
            case griffe.DocstringSectionRaises():
                yield from _table("raises", [(f"`{it.annotation}`", it.description) for it in section.value])
            case griffe.DocstringSectionReturns():
                yield f"Returns: {_line(' '.join(it.description for it in section.value))}\n"
            case _:
                raise TypeError(
                    f"{item.path} has a section of kind {section.kind}. Add the kind to _docstring()."
                )


def _table(head: str, rows: list[tuple[str, ...]]) -> Iterator[str]:
    columns = len(rows[0])
    lines = [[head, *[""] * (columns - 1)], ["---"] * columns, *(map(_line, row) for row in rows)]
    yield "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(item: griffe.Object) -> str:
    return item.docstring.value if item.docstring else ""


def _line(text: str) -> str:
    return " ".join(_inline(text).split())


def _markdown(text: str) -> str:
    """Return a docstring's text as Markdown. The indented block after "Example::" is code."""
    prose, *blocks = re.split(r"^Example::\n\n((?:    .*\n|\n)*)", text + "\n", flags=re.MULTILINE)
    parts = [_inline(prose).strip()]
    for code, after in zip(blocks[::2], blocks[1::2], strict=True):
        parts += [_code(textwrap.dedent(code).strip()).strip(), _inline(after).strip()]
    return "\n\n".join(it for it in parts if it) + "\n"


def _inline(text: str) -> str:
    return re.sub(r":\w+:`([^`]+)`", r"`\1`", text).replace("``", "`")


def _code(code: str) -> str:
    return f"```python\n{code}\n```\n"


if __name__ == "__main__":
    REFERENCE.write_text(reference())
