"""The pages of the documentation: their code blocks, and the commands that a reader types."""

import os
import re
import shlex
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

_BLOCK_FLAGS = re.MULTILINE | re.DOTALL
_BLOCK = re.compile(
    r"(?:^ *<!-- test: (?P<name>.*?) -->\n+)?^(?P<indent> *)```(?P<language>\w*)\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    _BLOCK_FLAGS,
)
# What a block without a language begins with, if it is typed. Others are printed, or queries.
_PROGRAMS = (
    "alias|aws|brew|cat|cd|cdk|centralized-root-access|cp|curl|docker|echo|export|for|gh|git|jq"
    "|local-aws|make|node|npm|npx|pip|pip3|python|python3|sh|source|terraform|uv"
)
_TYPED = re.compile(rf"(?:\w+=\$\()?(?:{_PROGRAMS}) (?!.*[│┐])", re.DOTALL)


# What differs in each organization, in each run and at each time.
_VARIES = re.compile(
    r"\b[a-z][a-z-]*-\d{8}-\d{4}-\w{4}\b|\bp-[0-9a-z]{8}\b|\bo-[0-9a-z]{10}\b|\b[0-9a-f]{64}\b"
    r"|arn:aws:(?:iam|sts)::\d{12}:[\w/-]+|\b\d{4}-\d\d-\d\d(?:T[\d:]+Z| \d\d:\d\d UTC)?"
    r"|\((?:today|\d+ days ago)\)"
)


@dataclass(frozen=True, kw_only=True)
class CodeBlock:
    """A block of code on a page.

    Attributes:
        page: The page's file.
        line: The line of the page where it begins.
        text: The code.
        language: The language that the page gives it; empty if it gives none.
        name: The name that a comment above it gives it for a test; empty if there is none.
    """

    page: Path
    line: int
    text: str
    language: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def code_blocks(*languages: str) -> Iterator[CodeBlock]:
    """Yield the blocks of all pages in these languages."""
    for page in PAGES:
        content = page.read_text()
        for found in _BLOCK.finditer(content):
            if found["language"] in languages:
                yield CodeBlock(
                    page=page,
                    line=content.count("\n", 0, found.start("indent")) + 1,
                    text=textwrap.dedent(found["text"]),
                    language=found["language"],
                    name=found["name"] or "",
                )


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command on a page.

    Attributes:
        block: The block that it is in.
        command: The command, with all of its lines.
        shown: The lines that the page shows after it.
    """

    block: CodeBlock
    command: str
    shown: Sequence[str] = ()

    @property
    def program(self) -> str:
        """The program that it starts first, such as "aws"; empty if it starts none."""
        first = re.match(r"(?:\w+=\$\()?([\w./-]+)(?!=)\b", self.command)
        return first[1] if first else ""

    def __str__(self) -> str:
        return f"{self.block}: {self.command}"


def steps(block: CodeBlock) -> Iterator[Step]:
    """Yield the commands of a block, with what it shows of their output."""
    if block.language == "console" or block.text.startswith("$ "):
        for typed in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command = re.findall(r"\A(?:.*\\\n)*.*", typed)[0]
            shown = typed.removeprefix(command).splitlines()[1:]
            yield Step(block=block, command=command, shown=shown)
    elif block.language == "sh" or (not block.language and _TYPED.match(block.text)):
        command = ""
        for line in block.text.splitlines():
            command += line
            if _is_whole(command):
                yield Step(block=block, command=command)
                command = ""
            else:
                command += "\n"
        assert not command, block


def _is_whole(command: str) -> bool:
    """Return whether a command ends with its last line: no backslash, loop or quote is open."""
    if command.endswith("\\") or (command.startswith("for ") and not command.endswith("done")):
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def lines_not_printed(step: Step, printed: str) -> list[str]:
    """Return the lines that the page shows after a command, and the command did not print.

    An ellipsis stands for anything, and what differs from run to run is not compared. After a
    question the page shows what the reader types.
    """
    # No one types a line's end after a question.
    lines = [without_what_varies(line) for line in re.split(r"\n|(?<=\[y/N\]:) ", printed)]
    missing = []
    for line in step.shown:
        parts = re.split(r"\.\.\.|…", line.removesuffix(" y"))
        pattern = ".*".join(re.escape(without_what_varies(part)) for part in parts)
        if not any(re.match(pattern, each) for each in lines):
            missing.append(line)
    return missing


def without_what_varies(line: str) -> str:
    """Return a line that is printed with a sign for each ID and each time."""
    return _VARIES.sub("#", line)


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
    """Run a script with stubs of its programs, and return how it called each: name and arguments.

    Args:
        text: The script.
        programs: The programs. A stub prints "placeholder", which the script may use.
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


def sentences(page: Path) -> Iterator[str]:
    """Yield the sentences of a page as a reader sees them: without code, headings, links and marks.

    Each item of a list and each cell of a table ends a sentence.
    """
    # Take out blocks of code, comments and headings, and leave of a link its text.
    text = re.sub(r"^ *```.*?^ *```$|<!--.*?-->", "\n\n", page.read_text(), flags=_BLOCK_FLAGS)
    text = re.sub(r"^#+ .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()]*\)", r"\1", text)
    # A paragraph ends before an item of a list, an empty line or another cell; a sentence at its
    # punctuation, which may be in parentheses or in bold, before a capital, a digit or a command.
    for paragraph in re.split(r"\n\s*(?:[->]+|\d+\.) |\n\s*\n|\|", text):
        words = " ".join(paragraph.split())
        for sentence in re.split(
            r"(?:(?<=[.?!])|(?<=[.?!]\)))\*{0,2} (?=\*{0,2}\(?[A-Z0-9`])", words
        ):
            yield re.sub(r"\*\*|`", "", sentence)
