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

TABLE, JSON, CSV = "table", "json", "csv"
_PROGRAM = "centralized-root-access"


class AccountId(click.ParamType):  # type: ignore[type-arg]  # older releases are not generic
    """The ID of an AWS account.

    Args:
        all_accounts: Whether `all` is accepted, too.
    """

    name = "account"

    def __init__(self, *, all_accounts: bool = False) -> None:
        self._all_accounts = all_accounts

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the account ID."""
        if self._all_accounts and value == "all":
            return "all"
        if not re.fullmatch(r"[0-9]{12}", value):
            self.fail(f"{printable(repr(value))} is not a 12-digit account ID.", param, ctx)
        return str(value)


class RunId(click.ParamType):  # type: ignore[type-arg]
    """The name of a run."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        from root_tasks.model.run import RUN_ID

        if not RUN_ID.fullmatch(value):
            self.fail(f"{printable(repr(value))} is not the name of a run; `runs` lists them.", param, ctx)
        return str(value)


class ReportPath(click.ParamType):  # type: ignore[type-arg]
    """Where to save a report: a file whose suffix says what it is, or a folder."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        if not value:
            # A script's variable without a value: all three files would be saved where the command runs.
            self.fail("it is empty.", param, ctx)
        path = Path(value)
        folder = path if path.is_dir() else path.parent
        if not folder.is_dir():
            self.fail(f"{printable(str(folder))} is not a folder.", param, ctx)
        if not os.access(folder, os.W_OK | os.X_OK):
            # Said before the run: afterwards its report would have nowhere to go.
            self.fail(f"{printable(str(folder))} is not writable.", param, ctx)
        if folder != path and path.suffix.lower() not in (".html", ".json", ".csv"):
            self.fail("the file must end in .html, .json or .csv, or be a folder for all three.", param, ctx)
        return path


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Where a command works.

    Attributes:
        profile: The profile; None for the SDK's own choice.
        region: The Region; None for the profile's own.
        stack: The stack; None for the only one.
    """

    profile: str | None = None
    region: str | None = None
    stack: str | None = None

    def command(self, *words: str) -> str:
        """Return a command line that works in the same place, to be pasted into a shell."""
        options = {"--profile": self.profile, "--region": self.region, "--stack": self.stack}
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return shlex.join([_PROGRAM, *words, *given])

    def find_runs(self, *, environment: Environment) -> Runs:
        """Return the runs of the deployment that a command works with, and show that it is looked for.

        Raises:
            CommandError: There is no such deployment, or more than one.
            CallError: It cannot be looked for.
        """
        with waiting_line("Looking for RootTasks ..."):
            # Not at the top: the SDK takes a second to import.
            from .runs import Runs

            return Runs.find(self, environment=environment)


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command shows a report.

    Attributes:
        format: table, json or csv.
        open: Whether to open the page in the browser.
        path: Where to save it; None to save nothing.
    """

    format: str = TABLE
    open: bool = False
    path: Path | None = None


def caller_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --profile and --region, as parameters `profile` and `region`."""
    for option in (
        click.option("--region", metavar="REGION", help="The Region. Default: the profile's."),
        click.option("--profile", metavar="PROFILE", help="The profile of the credentials."),
    ):
        function = option(function)
    return function


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --profile, --region and --stack, as the parameter `target`."""

    @caller_options
    @click.option(
        "--stack",
        metavar="STACK",
        envvar="CENTRALIZED_ROOT_ACCESS_STACK",
        show_envvar=True,
        help="The stack of RootTasks, or STACK:CONSTRUCT. Default: the only one in the Region.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, profile: str | None, region: str | None, stack: str | None, **kwargs: Any) -> Any:
        return function(*args, target=TargetOptions(profile=profile, region=region, stack=stack), **kwargs)

    return wrapper


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --format, --open and --output, as the parameter `output`."""

    @format_option(TABLE, JSON, CSV)
    @click.option("--open", "open_", is_flag=True, help="Open the report's page in the browser.")
    @click.option(
        "--output",
        "path",
        type=ReportPath(),
        metavar="FILE",
        help="Save the report: .html, .json or .csv; all three in a folder.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, format_: str, open_: bool, path: Path | None, **kwargs: Any) -> Any:
        return function(*args, output=Output(format=format_, open=open_, path=path), **kwargs)

    return wrapper


def format_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --format, as the parameter `format_`."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats),
        default=TABLE,
        show_default=True,
        help="How to show it. Nothing else is on stdout.",
    )


def account_options(*, all_accounts: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --account and --organizational-unit, as `accounts` and `organizational_units`."""
    what = "An account, by its 12 digits" + ("; or `all`" if all_accounts else "")

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        function = click.option(
            "--organizational-unit",
            "organizational_units",
            multiple=True,
            metavar="OU",
            help="The accounts of an organizational unit and the units in it, by its ID, or by its names "
            "as in Root/Production. Repeatable.",
        )(function)
        return click.option(
            "--account",
            "accounts",
            multiple=True,
            type=AccountId(all_accounts=all_accounts),
            metavar="ACCOUNT",
            help=f"{what}. Repeatable.",
        )(function)

    return add


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
