"""The options that commands share, and their types. It imports nothing that is slow."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from common.clock import Clock
from common.untrusted import ACCOUNT_ID, printable
from root_tasks.model.outcome import Outcome

from .command_errors import CommandError
from .terminal import CSV, JSON, MARKDOWN, PROGRAM, TABLE

# What click makes a command of, and what adds options to it.
CommandFunction = Callable[..., Any]
Decorator = Callable[[CommandFunction], CommandFunction]

_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")
_COMMENT = re.compile(r"^\s*#.*|\s#(\s.*)?$")


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """The target of a command: the time, and profile, Region and stack, if they are given."""

    clock: Clock
    profile: str | None
    region: str | None
    stack: str | None

    def command(self, *words: str) -> str:
        """Return a command line that works in the same place, to be pasted into a shell."""
        return self.with_options(shlex.join([PROGRAM, *words]))

    def with_options(self, command: str) -> str:
        """Return a command line with the options that make it work in the same place."""
        options = {"--profile": self.profile, "--region": self.region, "--stack": self.stack}
        given = [
            word for name, value in options.items() if value is not None for word in (name, value)
        ]
        return f"{command} {shlex.join(given)}".rstrip()


def example(command: str) -> str:
    """Return the end of a command's help: a command line to begin with."""
    # After \b, click keeps the lines as they are.
    return f"\b\nExample:\n  {PROGRAM} {command}"


def account_ids(value: str) -> tuple[str, ...]:
    """Return the IDs of AWS accounts: one, several with commas, or those of a file, @FILE."""
    return _entries(value, ACCOUNT_ID, what="a 12-digit account ID")


def account_ids_or_all(value: str) -> tuple[str, ...]:
    """Return the IDs of AWS accounts, or `all`."""
    if value == "all":
        return ("all",)
    return account_ids(value)


def entries(value: str) -> tuple[str, ...]:
    """Return accounts or units: with commas, or those of a file, without its comments.

    For example, `222222222222,Root/Prod` and `@wave-1.txt` are values of an option.
    """
    return _entries(value, _PRINTABLE, what="an account or a unit")


def _entries(value: str, pattern: re.Pattern[str], *, what: str) -> tuple[str, ...]:
    """Return the entries of an option's value, each of which must match a pattern.

    Args:
        value: The value.
        pattern: The pattern.
        what: What each entry is, for the refusal.
    """
    if value == "@":
        raise click.BadParameter("write the name of a file after @.")
    is_file = value.startswith("@")
    lines = [value]
    if is_file:
        # A comment is a line of its own or follows a blank: the name of a unit may have a `#`.
        lines = [_COMMENT.sub("", line) for line in read_text(Path(value[1:])).splitlines()]
    names: list[str] = []
    for number, line in enumerate(lines, start=1):
        for name in filter(None, map(str.strip, line.split(","))):
            if not pattern.fullmatch(name):
                # A file may be another one than was meant, so its text is not repeated.
                given = f"line {number} of {value[1:]}" if is_file else repr(name)
                raise click.BadParameter(f"{printable(given)} is not {what}.")
            names.append(name)
    if not names:
        raise click.BadParameter(f"{printable(repr(value))} names nothing.")
    return tuple(names)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        CommandError: It cannot be read.
    """
    try:
        # Editors on Windows put a mark before the text.
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CommandError(f"{path} cannot be read: {why}.") from error


def flatten(
    _: click.Context, __: click.Parameter, values: tuple[tuple[str, ...], ...]
) -> tuple[str, ...]:
    """Return the entries of all uses of an option, each once: a callback of click."""
    return tuple(dict.fromkeys(entry for value in values for entry in value))


def run_id(value: str) -> str:
    """Return the name of a run, or refuse what is not one."""
    from root_tasks.model.run_documents import RUN_ID

    if not RUN_ID.fullmatch(value):
        raise click.BadParameter(
            f"{printable(repr(value))} is not the name of a run; `runs` lists the latest runs."
        )
    return value


def run_id_or_key(value: str) -> str:
    """Return the name of a run, or its folder in the bucket: runs/NAME or executions/NAME."""
    folder, _, name = value.rpartition("/")
    if folder in ("runs", "executions"):
        return f"{folder}/{run_id(name)}"
    return run_id(value)


def sha256_of_report(value: str) -> str:
    """Return the SHA-256 of a report.json, which is given itself or by the file."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        # Some tools write capital letters.
        return value.lower()
    try:
        body = Path(value).read_bytes()
    except OSError as error:
        raise click.BadParameter(
            f"{printable(repr(value))} is neither a SHA-256 nor a file that can be read: "
            f"{error.strerror}."
        ) from error
    if not body.startswith(b"{"):
        # The page, for example.
        raise click.BadParameter(
            f"{printable(repr(value))} is not a report.json. The page shows the SHA-256 of its "
            "report.json."
        )
    return hashlib.sha256(body).hexdigest()


def report_path(value: str) -> Path:
    """Return where to save a report: a file whose suffix says what it is, or a folder."""
    if not value:
        # A script's variable without a value: all three files would be saved where the command
        # runs.
        raise click.BadParameter("it is empty.")
    path = Path(value)
    is_folder = path.is_dir()
    folder = path if is_folder else path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        # A person learns it before the run: afterwards its report would have nowhere to go.
        raise click.BadParameter(f"{printable(str(folder))} is not a folder, or not writable.")
    # A path without a suffix is a folder that the command makes.
    if not is_folder and path.suffix.lower() not in ("", ".html", ".json", ".csv"):
        raise click.BadParameter(
            f"{printable(value)} ends in neither .html, .json nor .csv. For all three, name a "
            "folder."
        )
    return path


@dataclass(frozen=True, kw_only=True)
class Output:
    """The form in which a command shows a report.

    Attributes:
        format: table, json, csv or markdown.
        open: Whether to open the page in the browser.
        path: Where to save it; None to save nothing.
        show_clean: Whether a table lists every account.
    """

    format: str
    open: bool
    path: Path | None
    show_clean: bool


def caller_options(function: CommandFunction) -> CommandFunction:
    """Add --profile and --region, as the parameter `target`."""

    @click.option("--profile", metavar="PROFILE", help="The profile of the credentials.")
    @click.option("--region", metavar="REGION", help="The Region. Default: the profile's.")
    @click.pass_obj
    @functools.wraps(function)
    def wrapper(clock: Clock, /, **options: Any) -> Any:
        # A command without target_options has no stack.
        given = {name: options.pop(name, None) for name in ("profile", "region", "stack")}
        return function(target=TargetOptions(clock=clock, **given), **options)

    return wrapper


def target_options(function: CommandFunction) -> CommandFunction:
    """Add --profile, --region and --stack, as the parameter `target`."""
    stack = click.option(
        "--stack",
        metavar="STACK",
        envvar="CENTRALIZED_ROOT_ACCESS_STACK",
        show_envvar=True,
        help="The stack of RootTasks, its ARN, or STACK:CONSTRUCT. Default: the only one in the "
        "Region.",
    )
    return caller_options(stack(function))


def output_options(function: CommandFunction) -> CommandFunction:
    """Add --format, --show-clean, --open and --output, as the parameter `output`."""

    @format_option(TABLE, JSON, CSV, MARKDOWN)
    @click.option(
        "--show-clean",
        is_flag=True,
        help="List every account in the table, also those that are clean or have nothing to do.",
    )
    @click.option("--open", "open_", is_flag=True, help="Open the report's page in the browser.")
    @click.option(
        "--output",
        "path",
        type=report_path,
        metavar="FILE",
        help="Save the report: .html, .json or .csv; otherwise all three, in a folder.",
    )
    @functools.wraps(function)
    def wrapper(
        *, format_: str, show_clean: bool, open_: bool, path: Path | None, **options: Any
    ) -> Any:
        output = Output(format=format_, show_clean=show_clean, open=open_, path=path)
        return function(output=output, **options)

    return wrapper


def format_option(*formats: str) -> Decorator:
    """Add --format, as the parameter `format_`."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats),
        default=TABLE,
        show_default=True,
        help="How to show it. Nothing else is on stdout.",
    )


def repeatable_option(name: str, **attributes: Any) -> Decorator:
    """Add an option that may be given more than once, as the plural of its name.

    For example, `credential-type` adds --credential-type, as the parameter `credential_types`.
    """
    return click.option(f"--{name}", f"{name.replace('-', '_')}s", multiple=True, **attributes)


reason_option = click.option(
    "--reason",
    metavar="TEXT",
    help="Why, for example a ticket: the report, the question and `runs` show it.",
)


def account_option(*, all_accounts: bool = False, **attributes: Any) -> Decorator:
    """Add --account, as `accounts`."""
    which = "Accounts, by their 12 digits, with commas; @FILE for those in a file"
    if all_accounts:
        which += "; or `all`"
    return repeatable_option(
        "account",
        type=account_ids_or_all if all_accounts else account_ids,
        callback=flatten,
        metavar="ACCOUNT",
        help=f"{which}. Repeatable.",
        **attributes,
    )


def account_options(*, all_accounts: bool) -> Decorator:
    """Add --account and --organizational-unit, as `accounts` and `organizational_units`."""
    account = account_option(all_accounts=all_accounts)
    organizational_unit = repeatable_option(
        "organizational-unit",
        metavar="OU",
        help="The accounts of an organizational unit and the units in it, by its ID, or by its "
        "names as in Root/Production. Repeatable.",
    )
    return lambda function: account(organizational_unit(function))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The accounts that a run is about.

    Attributes:
        input: The accounts as the input of an execution has them, without those of another run.
        from_report: The run whose accounts with one of the outcomes are meant; None for no such
            run.
        outcomes: The outcomes, as the option has them.
    """

    input: dict[str, object]
    from_report: str | None
    outcomes: tuple[str, ...]


def selection_options(*, all_accounts: bool, default_outcomes: tuple[str, ...]) -> Decorator:
    """Add the options that select accounts, as the parameter `selection`.

    Args:
        all_accounts: Whether `all` is accepted.
        default_outcomes: The outcomes that --from-report takes if --outcome is not given.
    """

    def decorate(function: CommandFunction) -> CommandFunction:
        @account_options(all_accounts=all_accounts)
        @repeatable_option(
            "exclude",
            type=entries,
            callback=flatten,
            metavar="ACCOUNT|OU",
            help="Leave out accounts or organizational units: IDs or names, with commas; @FILE "
            "for those in a file. Repeatable.",
        )
        @click.option(
            "--from-report",
            type=run_id_or_key,
            metavar="RUN",
            help="The accounts with these outcomes in another run's report: "
            f"{', '.join(default_outcomes)}.",
        )
        @repeatable_option(
            "outcome",
            type=click.Choice([outcome.option for outcome in Outcome]),
            metavar="OUTCOME",
            help="Take accounts of --from-report with this outcome instead, such as `in-use`. "
            "Repeatable.",
        )
        # A repeatable option has the plural of its name as its parameter.
        @functools.wraps(function)
        def wrapper(
            *,
            accounts: tuple[str, ...],
            organizational_units: tuple[str, ...],
            excludes: tuple[str, ...],
            from_report: str | None,
            outcomes: tuple[str, ...],
            **options: Any,
        ) -> Any:
            # A person learns of a contradiction before anything is called.
            if outcomes and from_report is None:
                raise click.UsageError("--outcome needs --from-report.")
            if from_report is not None and (accounts or organizational_units):
                raise click.UsageError(
                    "--from-report takes its accounts from a report, so --account and "
                    "--organizational-unit cannot be added. For a part of them, add --exclude. "
                    "For a unit, use --organizational-unit by itself: accounts without "
                    "credentials have nothing to do."
                )
            # An input has no empty lists.
            named = {
                "accounts": list(accounts),
                "organizationalUnits": list(organizational_units),
                "exclude": list(excludes),
            }
            selection = Selection(
                input={key: value for key, value in named.items() if value},
                from_report=from_report,
                outcomes=outcomes or default_outcomes,
            )
            return function(selection=selection, **options)

        return wrapper

    return decorate
