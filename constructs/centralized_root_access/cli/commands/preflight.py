"""The preflight command: which root tasks the organization's policies deny, and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from root_tasks.model.task import Task

from ..base.command_errors import CommandError, ExitCode, failures_as
from ..base.options import (
    TargetOptions,
    account_options,
    example,
    format_option,
    read_text,
    repeatable_option,
    run_id_or_key,
    target_options,
)
from ..base.terminal import JSON, TABLE, print_note, progress_bar

if TYPE_CHECKING:
    from ...preflight.organization_verdict import OrganizationVerdict
    from ..base.caller import Caller

# Two documents a second, of which an organization can have thousands.
_MAX_SECONDS = 1800.0


def role_arn(value: str) -> str:
    """Return the ARN of a role, or refuse what is not one."""
    if re.fullmatch(r"arn:[a-z-]+:iam::\d{12}:role/.+", value) is None:
        raise click.BadParameter("write the ARN of a role, with its path.")
    return value


@click.command(
    short_help="Show which root tasks policies deny, and what would allow them.",
    epilog=example("preflight --task delete --account 222222222222"),
)
@repeatable_option(
    "task",
    type=click.Choice([task.value for task in Task]),
    help="Check this task. Repeatable. Default: every task.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Show what this new policy would deny that is not denied today.",
)
@repeatable_option(
    "target",
    metavar="TARGET",
    help="With --policy: the root, unit (ID or name) or account to attach it to. Repeatable.",
)
@click.option(
    "--replaces",
    metavar="POLICY",
    help="With --policy: the policy that FILE is to replace.",
)
@click.option(
    "--session-role",
    type=role_arn,
    metavar="ARN",
    help="The role that opens root sessions. Default: the roles of the one RootTasks in this "
    "account and Region, if there is one.",
)
@click.option(
    "--from-report",
    type=run_id_or_key,
    metavar="PLAN",
    help="Check the task of this plan, in the accounts in which something is planned.",
)
@account_options(all_accounts=False)
@format_option(TABLE, JSON)
@target_options
def preflight(
    *,
    tasks: tuple[str, ...],
    policy_file: Path | None,
    targets: tuple[str, ...],
    replaces: str | None,
    session_role: str | None,
    from_report: str | None,
    accounts: tuple[str, ...],
    organizational_units: tuple[str, ...],
    format_: str,
    target: TargetOptions,
) -> ExitCode:
    """Show which root tasks service control policies and resource control policies deny.

    It needs no deployment, opens no root session, and changes nothing. The credentials must be of
    the management account, or of a delegated administrator. Use --region for the Region that
    RootTasks is in, or will be: policies may name it. With --from-report it shows what policies
    deny of a plan, before you execute the plan.

    Exit code: 0 nothing is denied; 1 a task is denied, or a part of one; 2 nothing is, but a policy
    could not be read, an account that was named was skipped, none was checked, or a delegated
    administrator for IAM was not judged.
    """
    if policy_file is None:
        if targets or replaces:
            raise click.UsageError("--target and --replaces need --policy.")
    # Exactly one of them: a new policy has targets, and a new document those of the old one.
    elif bool(targets) is bool(replaces):
        raise click.UsageError("--policy needs --target or --replaces: where it would be.")
    if from_report is not None and (tasks or accounts or organizational_units):
        raise click.UsageError(
            "--from-report takes its task and accounts from a report: leave out --task, --account "
            "and --organizational-unit."
        )
    with failures_as("Unable to check the policies"):
        from ...preflight.organization_verdict import judge_organization
        from ...preflight.policy_change import parse_change
        from ..base.caller import find_caller
        from ..show.preflight_output import show_table, to_json

        # Find out what to check.
        change = None
        if policy_file is not None:
            change = parse_change(
                read_text(policy_file), file=policy_file, target_ids=targets, replaced_id=replaces
            )
        selected_tasks = tuple(task for task in Task if not tasks or task in tasks)
        if from_report is not None:
            selected_tasks, accounts = _task_and_accounts_of_plan(target, from_report)

        # Find out who opens the sessions.
        caller = find_caller(target)
        if session_role is not None:
            session_roles: tuple[str, ...] = (session_role,)
        else:
            session_roles = _session_roles(caller, stack=target.stack)

        with progress_bar("preflight", of="policies") as update:
            verdict = judge_organization(
                caller.aws(seconds=_MAX_SECONDS),
                tasks=selected_tasks,
                organizational_units=organizational_units,
                account_ids=frozenset(accounts),
                change=change,
                session_roles=session_roles,
                show=update,
            )
        if format_ == JSON:
            click.echo(to_json(verdict))
        else:
            show_table(verdict)
        for note in _notes(verdict, has_roles=bool(session_roles)):
            print_note(note)
        return _exit_code(verdict)


def _session_roles(caller: Caller, *, stack: str | None) -> tuple[str, ...]:
    """Return the ARNs of the roles that open root sessions for the caller's RootTasks.

    There are none if the account has no RootTasks, several, or one that the caller may not see. Of
    several, none is trusted: whoever can create a stack can name any role in its outputs.

    Raises:
        CallError: The stacks cannot be read.
        CommandError: The stack that was named is not one of RootTasks.
    """
    from aws_calls.failures import CallError, FailureKind

    from ..runs.deployment import find_deployment

    try:
        deployment = find_deployment(caller, stack=stack)
    except CommandError:
        if stack is not None:
            raise
        return ()
    except CallError as error:
        if stack is not None or error.failure.kind is not FailureKind.ACCESS_DENIED:
            raise
        return ()
    # An output can name a role of another account, which opens no session for this RootTasks.
    role_of_account = re.compile(rf"arn:[a-z-]+:iam::{deployment.account_id}:role/.+")
    roles = tuple(arn for arn in deployment.session_role_arns if role_of_account.fullmatch(arn))
    if roles:
        print_note(f"The session roles are those of stack {deployment.stack} in {caller.region}.")
    return roles


def _notes(verdict: OrganizationVerdict, *, has_roles: bool) -> Iterator[str]:
    """Yield what keeps the result from being complete."""
    from ...preflight.evaluate import Decision

    for account_id, reason in verdict.skipped.items():
        yield f"Account {account_id} was skipped. {reason}"
    if verdict.unjudged_delegates:
        delegates = ", ".join(verdict.unjudged_delegates)
        yield (
            f"The policy also applies to {delegates}, delegated for IAM: whether "
            "that account could still open root sessions is unknown without --session-role."
        )
    if verdict.has_unread_policies:
        yield "Not every policy could be read."
    if not has_roles and any(account.session is Decision.UNKNOWN for account in verdict.accounts):
        yield "Policies ask for the role that opens root sessions. Name it: --session-role ARN."


def _exit_code(verdict: OrganizationVerdict) -> ExitCode:
    """Return how the command ends, as its help says."""
    from ...preflight.verdicts import TaskResult

    if verdict.count(TaskResult.DENIED) or verdict.count(TaskResult.PARTLY):
        return ExitCode.NOT_AS_WANTED
    # The verdict on a change leaves out an account in which every task is denied today already. If
    # that leaves none, the change denies nothing more.
    was_checked = bool(verdict.accounts or verdict.change)
    was_left_out = bool(
        verdict.skipped or verdict.unjudged_delegates or verdict.has_unread_policies
    )
    if was_checked and not was_left_out:
        return ExitCode.AS_WANTED
    return ExitCode.NO_RESULT


def _task_and_accounts_of_plan(
    target: TargetOptions, run: str
) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Return the one task of a plan, and the accounts in which something is planned."""
    from root_tasks.model.report_schema import Outcome

    from ..runs.deployed_runs import Runs
    from ..runs.report_output import print_doubt
    from ..runs.reports import report_of_run

    stored = report_of_run(Runs.find(target), run)
    print_doubt(stored)
    report = stored.report
    account_ids = tuple(
        result.account_id for result in report.results if result.outcome is Outcome.PLANNED
    )
    if not account_ids:
        raise CommandError(f"Run {report.run_id} plans nothing.")
    return (report.task,), account_ids
