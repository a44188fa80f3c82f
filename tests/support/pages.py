"""The pages that people read: their code blocks, and the commands in them."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from centralized_root_access.cli.main import main

from .apps import REPOSITORY
from .processes import run_successfully

PAGES = (
    *(
        REPOSITORY / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
    ),
    REPOSITORY / "examples" / "README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
)

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class CodeBlock:
    """A block of code on a page.

    Attributes:
        page: The page's file.
        line: The line of the page where it begins.
        text: The code.
    """

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def code_blocks(*languages: str) -> Iterator[CodeBlock]:
    """Yield the blocks of all pages in these languages."""
    for page in PAGES:
        content = page.read_text()
        for found in _BLOCK.finditer(content):
            _, language, text = found.groups()
            if language in languages:
                line = content.count("\n", 0, found.start()) + 1
                yield CodeBlock(page=page, line=line, text=textwrap.dedent(text))


def commands_in_block(block: CodeBlock, programs: Sequence[str]) -> str:
    """Return what a reader would type of a block; nothing where it has output or a picture alone.

    Args:
        block: A block without a language, or of a console.
        programs: The programs that a reader has.
    """
    if re.search(r"^\$ ", block.text, re.MULTILINE):
        typed = re.findall(r"^\$ ((?:.*\\\n)*.*)$", block.text, re.MULTILINE)
        return "\n".join(typed)
    first = re.match(r"(?:\w+=\$\()?([\w./-]+) ", block.text)
    return block.text if first and first[1] in programs else ""


def parse_command_line(arguments: Sequence[str]) -> None:
    """Parse a command line as `centralized-root-access` does; what it does not know fails."""
    command: click.Command = main
    context = main.make_context("centralized-root-access", list(arguments))
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, context._protected_args + context.args)
        assert found is not None, name
        command = found
        context = command.make_context(name, rest, parent=context)


def run_with_stubs(text: str, *, programs: Sequence[str], folder: Path) -> list[list[str]]:
    """Run a script with programs that only note how they are called, and return their arguments.

    Args:
        text: The script.
        programs: The programs.
        folder: An empty folder.
    """
    calls = folder / "calls"
    calls.touch()
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for program in programs:
        stub = bin_folder / program
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(
            "#!/bin/sh\n"
            f'printf \'%s\\0\' "{program}" "$@" >>"{calls}"\nprintf \'\\n\' >>"{calls}"\necho '
            "placeholder\n"
        )
        stub.chmod(0o755)
    environment = os.environ | {"PATH": f"{bin_folder}:/usr/bin:/bin"}
    run_successfully("sh", "-e", "-c", text, cwd=folder, env=environment)
    return [call.decode().split("\0")[:-1] for call in calls.read_bytes().splitlines()]
