"""The options that commands share, and their types. It imports nothing that is slow."""

from __future__ import annotations

import functools
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aws_calls.text import printable

from .terminal import waiting_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from .runs import Runs
    from .terminal import Environment

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

TABLE, JSON, CSV = "table", "json", "csv"
PROGRAM = "centralized-root-access"


def account_id(value: str) -> str:
    """Return the ID of an AWS account, or refuse what is not one."""
    if not re.fullmatch(r"[0-9]{12}", value):
        raise click.BadParameter(f"{printable(repr(value))} is not a 12-digit account ID.")
    return value


def account_id_or_all(value: str) -> str:
    """Return the ID of an AWS account, or `all`."""
    return value if value == "all" else account_id(value)


def run_id(value: str) -> str:
    """Return the name of a run, or refuse what is not one."""
    from root_tasks.model.run import RUN_ID

    if not RUN_ID.fullmatch(value):
        raise click.BadParameter(f"{printable(repr(value))} is not the name of a run; `runs` lists them.")
    return value


def run_id_or_key(value: str) -> str:
    """Return the name of a run, or its folder in the bucket: runs/NAME or executions/NAME."""
    folder, _, name = value.rpartition("/")
    return f"{folder}/{run_id(name)}" if folder in ("runs", "executions") else run_id(value)


def report_path(value: str) -> Path:
    """Return where to save a report: a file whose suffix says what it is, or a folder."""
    if not value:
        # A script's variable without a value: all three files would be saved where the command runs.
        raise click.BadParameter("it is empty.")
    path = Path(value)
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise click.BadParameter(f"{printable(str(folder))} is not a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        # Said before the run: afterwards its report would have nowhere to go.
        raise click.BadParameter(f"{printable(str(folder))} is not writable.")
    if folder != path and path.suffix.lower() not in (".html", ".json", ".csv"):
        raise click.BadParameter("the file must end in .html, .json or .csv, or be a folder for all three.")
    return path


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Where a command works.

    Attributes:
        environment: The time and chance.
        profile: The profile; None for the SDK's own choice.
        region: The Region; None for the profile's own.
        stack: The stack; None for the only one.
    """

    environment: Environment
    profile: str | None
    region: str | None
    stack: str | None

    def command(self, *words: str) -> str:
        """Return a command line that works in the same place, to be pasted into a shell."""
        options = {"--profile": self.profile, "--region": self.region, "--stack": self.stack}
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return shlex.join([PROGRAM, *words, *given])

    def find_runs(self) -> Runs:
        """Return the runs of the deployment that a command works with, and show that it is looked for.

        Raises:
            CommandError: There is no such deployment, or more than one.
            CallError: It cannot be looked for.
        """
        with waiting_line("Looking for RootTasks ..."):
            # Not at the top: the SDK takes a second to import.
            from .runs import Runs

            return Runs.find(self)


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command shows a report.

    Attributes:
        format: table, json or csv.
        open: Whether to open the page in the browser.
        path: Where to save it; None to save nothing.
        all: Whether a table lists every account.
    """

    format: str
    open: bool
    path: Path | None
    all: bool


def caller_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --profile and --region, as the parameter `target`."""

    @click.option("--profile", metavar="PROFILE", help="The profile of the credentials.")
    @click.option("--region", metavar="REGION", help="The Region. Default: the profile's.")
    @click.pass_obj
    @functools.wraps(function)
    def wrapper(environment: Environment, /, **options: Any) -> Any:
        where = {name: options.pop(name, None) for name in ("profile", "region", "stack")}
        return function(target=TargetOptions(environment=environment, **where), **options)

    return wrapper


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --profile, --region and --stack, as the parameter `target`."""
    stack = click.option(
        "--stack",
        metavar="STACK",
        envvar="CENTRALIZED_ROOT_ACCESS_STACK",
        show_envvar=True,
        help="The stack of RootTasks, or STACK:CONSTRUCT. Default: the only one in the Region.",
    )
    return caller_options(stack(function))


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --format, --all, --open and --output, as the parameter `output`."""

    @format_option(TABLE, JSON, CSV)
    @click.option(
        "--all",
        "all_",
        is_flag=True,
        help="List every account in the table, also those that are clean or have nothing to do.",
    )
    @click.option("--open", "open_", is_flag=True, help="Open the report's page in the browser.")
    @click.option(
        "--output",
        "path",
        type=report_path,
        metavar="FILE",
        help="Save the report: .html, .json or .csv; all three in a folder.",
    )
    @functools.wraps(function)
    def wrapper(*, format_: str, all_: bool, open_: bool, path: Path | None, **options: Any) -> Any:
        return function(output=Output(format=format_, all=all_, open=open_, path=path), **options)

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
    """Add an option that may be given more than once, as the plural of its name."""
    return click.option(f"--{name}", f"{name.replace('-', '_')}s", multiple=True, **attributes)


def account_options(*, all_accounts: bool) -> Decorator:
    """Add --account and --organizational-unit, as `accounts` and `organizational_units`."""
    account = repeatable_option(
        "account",
        type=account_id_or_all if all_accounts else account_id,
        metavar="ACCOUNT",
        help=f"An account, by its 12 digits{'; or `all`' if all_accounts else ''}. Repeatable.",
    )
    organizational_unit = repeatable_option(
        "organizational-unit",
        metavar="OU",
        help="The accounts of an organizational unit and the units in it, by its ID, or by its names "
        "as in Root/Production. Repeatable.",
    )
    return lambda function: account(organizational_unit(function))


def account_input(accounts: tuple[str, ...], organizational_units: tuple[str, ...]) -> dict[str, object]:
    """Return the accounts as the input of an execution has them.

    Raises:
        click.UsageError: Both all accounts and some of them are asked for.
    """
    input_: dict[str, object] = {}
    if "all" in accounts and set(accounts) != {"all"}:
        raise click.UsageError("--account is both all and an account ID. Use one of the two.")
    if accounts:
        input_["accounts"] = "all" if "all" in accounts else list(accounts)
    if organizational_units:
        input_["organizationalUnits"] = list(organizational_units)
    return input_
