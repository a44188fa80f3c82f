"""The plan commands: what deleting, recovering, unlocking and restoring would do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import CommandError
from .failures import failures_as
from .options import (
    JSON,
    AccountId,
    account_input,
    account_options,
    output_options,
    target_options,
)
from .text import printable
from .waiting import find_runs

if TYPE_CHECKING:
    from .environment import Environment
    from .executions import Execution
    from .exit_code import ExitCode
    from .flow import Runs
    from .options import Output, Target

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
@output_options
@target_options
@click.pass_obj
def delete(
    environment: Environment,
    *,
    accounts: tuple[str, ...],
    organizational_units: tuple[str, ...],
    unused_for_days: int | None,
    include_in_use: bool,
    credential_types: tuple[str, ...],
    output: Output,
    target: Target,
) -> ExitCode:
    """Plan to delete the root credentials of accounts. Deleting cannot be undone."""
    input_ = account_input(accounts, organizational_units)
    if not input_:
        raise click.UsageError("Name the accounts: --account, --organizational-unit, or --account all.")
    if unused_for_days is not None:
        input_["unusedForDays"] = unused_for_days
    if include_in_use:
        input_["includeInUse"] = True
    if credential_types:
        input_["credentialTypes"] = [CREDENTIAL_TYPES[each] for each in credential_types]
    return _plan(
        "delete", "DELETE_CREDENTIALS", input_, output=output, target=target, environment=environment
    )


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
@output_options
@target_options
@click.pass_obj
def recover(
    environment: Environment, *, accounts: tuple[str, ...], output: Output, target: Target
) -> ExitCode:
    """Plan to allow the root user to reset its password by e-mail."""
    input_ = account_input(accounts, ())
    return _plan(
        "recover", "ALLOW_PASSWORD_RECOVERY", input_, output=output, target=target, environment=environment
    )


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
@output_options
@target_options
@click.pass_obj
def unlock_bucket(
    environment: Environment, *, buckets: tuple[tuple[str, str], ...], output: Output, target: Target
) -> ExitCode:
    """Plan to remove the policy of a bucket. It is backed up, and can be restored."""
    by_account: dict[str, list[str]] = {}
    for account_id, name in buckets:
        by_account.setdefault(account_id, []).append(name)
    return _plan(
        "unlock",
        "UNLOCK_BUCKET_POLICY",
        {"buckets": by_account},
        output=output,
        target=target,
        environment=environment,
    )


@plan.command(short_help="Remove the policy of a queue that locks everybody out.")
@click.option(
    "--queue", "queues", multiple=True, required=True, metavar="ARN", help="The queue's ARN. Repeatable."
)
@click.option(
    "--skip-backup", is_flag=True, help="Remove the policy even if nobody can read it, so without a backup."
)
@output_options
@target_options
@click.pass_obj
def unlock_queue(
    environment: Environment, *, queues: tuple[str, ...], skip_backup: bool, output: Output, target: Target
) -> ExitCode:
    """Plan to remove the policy of a queue. It is backed up, and can be restored."""
    input_: dict[str, object] = {"queues": list(queues)}
    if skip_backup:
        input_["skipBackup"] = True
    return _plan(
        "unlock", "UNLOCK_QUEUE_POLICY", input_, output=output, target=target, environment=environment
    )


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
@output_options
@target_options
@click.pass_obj
def restore(
    environment: Environment,
    *,
    backups: tuple[str, ...],
    policy_override: Path | None,
    output: Output,
    target: Target,
) -> ExitCode:
    """Plan to restore policies that an execution removed. It never overwrites one attached since."""
    with failures_as("Unable to plan", as_json=output.format == JSON):
        input_: dict[str, object] = {"restore": list(backups)}
        if policy_override is not None:
            input_["policyOverride"] = _policy_text(policy_override)
        runs = find_runs(target, environment=environment)
        from .backups import task_of_backups

        execution = _run(runs, "restore", task_of_backups(runs, backups).name, input_)
    return _show(runs, execution, output=output)


def _policy_text(path: Path) -> str:
    """Return the text of a policy's file, without the mark that editors on Windows put before it."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text. Save the policy as UTF-8.") from error


def _plan(
    what: str,
    task: str,
    input_: dict[str, object],
    *,
    output: Output,
    target: Target,
    environment: Environment,
) -> ExitCode:
    with failures_as("Unable to plan", as_json=output.format == JSON):
        runs = find_runs(target, environment=environment)
        execution = _run(runs, what, task, input_)
    return _show(runs, execution, output=output)


def _run(runs: Runs, what: str, task: str, input_: dict[str, object]) -> Execution:
    from root_tasks.model.report import Task

    return runs.run(
        f"plan-{what}",
        {"task": Task[task], **input_},
        state_machine_arn=runs.deployment.audit_state_machine_arn,
    )


def _show(runs: Runs, execution: Execution, *, output: Output) -> ExitCode:
    # Not at the top: the SDK takes a second to import.
    from .flow import show_result_of

    return show_result_of(runs, execution, output=output)
