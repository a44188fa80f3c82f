"""The plan commands: the changes that deleting, recovering and unlocking would make."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from common.untrusted import printable
from root_tasks.model.task import Task

from ...base.enums import CredentialType
from ..base.command_errors import ExitCode, failures_as
from ..base.options import (
    Decorator,
    Output,
    Selection,
    TargetOptions,
    account_option,
    example,
    output_options,
    read_text,
    reason_option,
    repeatable_option,
    selection_options,
    target_options,
)

CREDENTIAL_TYPES = {type_.lower().replace("_", "-"): type_.value for type_ in CredentialType}


def bucket_of_account(value: str) -> tuple[str, str]:
    """Return the account and the name of a bucket that is given as ACCOUNT:NAME."""
    match = re.fullmatch(r"([0-9]{12}):(.+)", value, re.DOTALL)
    if match is None:
        raise click.BadParameter(f"{printable(repr(value))} is not ACCOUNT:NAME.")
    return match[1], match[2]


def _planning(task: Task) -> Decorator:
    """Make a command that plans a task.

    It has the options of every plan command. The function that is decorated gets its own options,
    and returns the rest of the execution's input.

    Args:
        task: The task.
    """

    def decorate(function: Callable[..., dict[str, object]]) -> Callable[..., ExitCode]:
        @reason_option
        @output_options
        @target_options
        @functools.wraps(function)
        def wrapper(
            *, reason: str | None, output: Output, target: TargetOptions, **options: Any
        ) -> ExitCode:
            with failures_as("Unable to plan", starts_run=True):
                from ..runs.deployed_runs import Runs
                from ..runs.report_output import show_result
                from ..runs.selected_accounts import accounts_of_report

                # An option that was not given is None, and no key of the input.
                values = {"task": task, **function(**options), "reason": reason}
                input_ = {key: value for key, value in values.items() if value is not None}

                runs = Runs.find(target)
                # Only deletions select their accounts by a report. A plan would only skip those
                # that are protected.
                selection = options.get("selection")
                if selection is not None:
                    input_ |= accounts_of_report(runs, selection, with_protected=False)
                execution = runs.run(f"plan-{task}", input_)
            return show_result(runs, execution, output=output)

        return wrapper

    return decorate


@click.group(
    short_help="Plan a root task. A plan changes nothing.",
    epilog=example("plan delete --account 222222222222"),
)
def plan() -> None:
    """Plan a root task in member accounts.

    A plan changes nothing: `execute` does what it lists, and nothing else.

    Exit code: 0 planned, or there is nothing to do in any account that was not skipped; 2 nothing
    is planned for another reason. The report says what was left out, and why.
    """


@plan.command(
    short_help="Delete the root credentials of accounts.",
    epilog=example("plan delete --account 222222222222 --include-in-use"),
)
@selection_options(all_accounts=True, default_outcomes=("has-credentials",))
@click.option(
    "--unused-for-days",
    type=click.IntRange(0, 3650),
    metavar="N",
    help="Leave out credentials that were used or created in the last N days. Default: 90.",
)
@click.option("--include-in-use", is_flag=True, help="Also plan credentials that are in use.")
@repeatable_option(
    "credential-type",
    type=click.Choice(list(CREDENTIAL_TYPES)),
    help="Plan this type only. Repeatable. Default: all types.",
)
@_planning(Task.DELETE)
def delete(
    *,
    selection: Selection,
    unused_for_days: int | None,
    include_in_use: bool,
    credential_types: tuple[str, ...],
) -> dict[str, object]:
    """Plan to delete the root credentials of accounts. Deleting cannot be undone.

    Name accounts, units or a report; for every account of the organization, --account all.
    """
    selected = selection.input
    if (
        not {"accounts", "organizationalUnits"}.intersection(selected)
        and selection.from_report is None
    ):
        raise click.UsageError(
            "Name the accounts: --account, --organizational-unit, --from-report, or --account all."
        )
    # None: the option was not given, and the input gets no such key.
    return selected | {
        "unusedForDays": unused_for_days,
        "includeInUse": include_in_use or None,
        "credentialTypes": [CREDENTIAL_TYPES[type_] for type_ in credential_types] or None,
    }


@plan.command(
    short_help="Allow the root user of an account to reset its password.",
    epilog=example("plan recover --account 222222222222"),
)
@account_option(required=True)
@click.option(
    "--until",
    metavar="TIME",
    default="1d",
    show_default=True,
    help="By when you delete the credentials again, which ends the recovery: hours or days after "
    "the start of its execution, such as 8h or 3d, or a date. Until then, audits accept the "
    "password.",
)
@_planning(Task.RECOVER)
def recover(*, accounts: tuple[str, ...], until: str) -> dict[str, object]:
    """Plan to allow the root user to reset its password by e-mail."""
    return {"accounts": list(accounts), "until": until}


def policy_input(value: str) -> dict[str, str]:
    """Return the part of the input that is about a policy: that of a backup, or of a file."""
    from root_tasks.aws.backup_store import BACKUP_REFERENCE

    if BACKUP_REFERENCE.fullmatch(value):
        return {"backup": value}
    path = Path(value)
    if not path.is_file():
        raise click.BadParameter(f"{printable(repr(value))} is neither a file nor a backup's key.")
    return {"policyOverride": read_text(path)}


_policy_option = click.option(
    "--policy",
    type=policy_input,
    metavar="FILE|BACKUP",
    help="Set this policy by one call, instead of removing the attached one: a backup, by its key "
    "in a report, or a file, which needs RootTasks(allow_policy_override=True).",
)


@plan.command(
    short_help="Remove or set the policy of a bucket that locks everyone out.",
    epilog=example("plan unlock-bucket --bucket 222222222222:reports"),
)
@repeatable_option(
    "bucket",
    required=True,
    type=bucket_of_account,
    metavar="ACCOUNT:NAME",
    help="The bucket, with its account. Repeatable.",
)
@_policy_option
@_planning(Task.UNLOCK_BUCKET)
def unlock_bucket(
    *, buckets: tuple[tuple[str, str], ...], policy: dict[str, str] | None
) -> dict[str, object]:
    """Plan to remove or set the policy of a bucket. Its present policy is backed up."""
    by_account: dict[str, list[str]] = {}
    for account, name in buckets:
        by_account.setdefault(account, []).append(name)
    return {"buckets": by_account} | (policy or {})


@plan.command(
    short_help="Remove or set the policy of a queue that locks everyone out.",
    epilog=example("plan unlock-queue --queue arn:aws:sqs:us-east-1:222222222222:orders"),
)
@repeatable_option("queue", required=True, metavar="ARN", help="The queue's ARN. Repeatable.")
@click.option(
    "--skip-backup",
    is_flag=True,
    help="Remove the policy even if it cannot be read, so without a backup.",
)
@_policy_option
@_planning(Task.UNLOCK_QUEUE)
def unlock_queue(
    *, queues: tuple[str, ...], skip_backup: bool, policy: dict[str, str] | None
) -> dict[str, object]:
    """Plan to remove or set the policy of a queue. Its present policy is backed up."""
    if skip_backup and policy:
        raise click.UsageError("--skip-backup only removes policies: use it without --policy.")
    # None: the option was not given, and the input gets no such key.
    return {"queues": list(queues), "skipBackup": skip_backup or None} | (policy or {})
