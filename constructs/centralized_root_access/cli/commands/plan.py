"""The plan commands: what deleting, recovering, unlocking and restoring would do."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aws_calls.text import printable

from ..errors import CommandError, failures_as
from ..options import JSON, AccountId, account_input, account_options, output_options, target_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import ExitCode
    from ..options import Output, TargetOptions
    from ..terminal import Environment

# The input's names, by those of the option: a blank would have to be quoted.
CREDENTIAL_TYPES = {
    "password": "password",
    "access-key": "access key",
    "signing-certificate": "signing certificate",
    "mfa-device": "MFA device",
}


class BucketOfAccount(click.ParamType):  # type: ignore[type-arg]
    """A bucket with its account, as ACCOUNT:NAME."""

    name = "bucket"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the account and the name."""
        account_id, colon, name = value.partition(":")
        if not colon or not name or not re.fullmatch(r"[0-9]{12}", account_id):
            self.fail(f"{printable(repr(value))} is not ACCOUNT:NAME.", param, ctx)
        return account_id, name


def _planning(function: Callable[..., tuple[str, dict[str, object]]]) -> Callable[..., Any]:
    """Add the options of every plan command, and plan what the function returns.

    Args:
        function: Returns what the run's name begins with, and its input; without a task where it restores
            the policies of `backups`, for their run says which one it was.
    """

    @functools.wraps(function)
    @output_options
    @target_options
    @click.pass_obj
    def wrapper(
        environment: Environment, /, *, output: Output, target: TargetOptions, **options: Any
    ) -> ExitCode:
        with failures_as("Unable to plan", as_json=output.format == JSON):
            name, input_ = function(**options)
            runs = target.find_runs(environment=environment)
            if "backups" in options:
                input_["task"] = runs.task_of_backups(options["backups"])
            state_machine_arn = runs.deployment.audit_state_machine_arn
            execution = runs.run(f"plan-{name}", input_, state_machine_arn=state_machine_arn)
        return runs.show_result(execution, output=output)

    return wrapper


@click.group(short_help="Plan a root task. A plan changes nothing.")
def plan() -> None:
    """Plan a root task in member accounts. A plan changes nothing: `execute` does exactly what it lists.

    Exit code: 0 planned, or nothing to plan; 1 something cannot be planned; 2 no plan, or not every account
    could be read.
    """


@plan.command(short_help="Delete the root credentials of accounts.")
@account_options(all_accounts=True)
@click.option(
    "--unused-for-days",
    type=click.IntRange(0, 3650),
    metavar="N",
    help="Leave out what was used in the last N days. Default: 90.",
)
@click.option("--include-in-use", is_flag=True, help="Plan credentials that are in use, too.")
@click.option(
    "--credential-type",
    "credential_types",
    multiple=True,
    type=click.Choice(list(CREDENTIAL_TYPES)),
    help="Plan this type only. Repeatable. Default: all types.",
)
@_planning
def delete(
    *,
    accounts: tuple[str, ...],
    organizational_units: tuple[str, ...],
    unused_for_days: int | None,
    include_in_use: bool,
    credential_types: tuple[str, ...],
) -> tuple[str, dict[str, object]]:
    """Plan to delete the root credentials of accounts. Deleting cannot be undone."""
    input_ = account_input(accounts, organizational_units)
    if not input_:
        raise click.UsageError("Name the accounts: --account, --organizational-unit, or --account all.")
    input_["task"] = "IAMDeleteRootUserCredentials"
    if unused_for_days is not None:
        input_["unusedForDays"] = unused_for_days
    if include_in_use:
        input_["includeInUse"] = True
    if credential_types:
        input_["credentialTypes"] = [CREDENTIAL_TYPES[type_] for type_ in credential_types]
    return "delete", input_


@plan.command(short_help="Allow the root user of an account to reset its password.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    required=True,
    type=AccountId(),
    metavar="ACCOUNT",
    help="The account, by its 12 digits. Repeatable.",
)
@_planning
def recover(*, accounts: tuple[str, ...]) -> tuple[str, dict[str, object]]:
    """Plan to allow the root user to reset its password by e-mail."""
    return "recover", {"task": "IAMCreateRootUserPassword", **account_input(accounts, ())}


@plan.command(short_help="Remove the policy of a bucket that locks everybody out.")
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    required=True,
    type=BucketOfAccount(),
    metavar="ACCOUNT:NAME",
    help="The bucket, with its account. Repeatable.",
)
@_planning
def unlock_bucket(*, buckets: tuple[tuple[str, str], ...]) -> tuple[str, dict[str, object]]:
    """Plan to remove the policy of a bucket. It is backed up, and can be restored."""
    by_account: dict[str, list[str]] = {}
    for account_id, name in buckets:
        by_account.setdefault(account_id, []).append(name)
    return "unlock", {"task": "S3UnlockBucketPolicy", "buckets": by_account}


@plan.command(short_help="Remove the policy of a queue that locks everybody out.")
@click.option(
    "--queue", "queues", multiple=True, required=True, metavar="ARN", help="The queue's ARN. Repeatable."
)
@click.option(
    "--skip-backup", is_flag=True, help="Remove the policy even if nobody can read it, so without a backup."
)
@_planning
def unlock_queue(*, queues: tuple[str, ...], skip_backup: bool) -> tuple[str, dict[str, object]]:
    """Plan to remove the policy of a queue. It is backed up, and can be restored."""
    input_: dict[str, object] = {"task": "SQSUnlockQueuePolicy", "queues": list(queues)}
    if skip_backup:
        input_["skipBackup"] = True
    return "unlock", input_


@plan.command(short_help="Restore policies that an execution removed.")
@click.option(
    "--backup",
    "backups",
    multiple=True,
    required=True,
    metavar="KEY",
    help="The backup, from the report of the execution that removed the policy. Repeatable.",
)
@click.option(
    "--policy-override",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A corrected policy to attach instead; needs RootTasks(allow_policy_override=True).",
)
@_planning
def restore(*, backups: tuple[str, ...], policy_override: Path | None) -> tuple[str, dict[str, object]]:
    """Plan to restore policies that an execution removed. It never overwrites one attached since."""
    input_: dict[str, object] = {"restore": list(backups)}
    if policy_override is not None:
        try:
            # Editors on Windows put a mark before the text.
            input_["policyOverride"] = policy_override.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise CommandError(f"{policy_override} is not UTF-8 text. Save the policy as UTF-8.") from error
    return "restore", input_
