"""Allowing the recovery of a root password: AWS resets it by e-mail, so no secret is returned."""

from __future__ import annotations

import functools

from root_access.state import Feature

from ..messages import HAS_PASSWORD
from ..model.report_schema import ItemType, Outcome, Task
from ..model.run_documents import Finding, Target
from .credentials import password_created_at
from .outcomes import account_finding, change_target, report_item
from .task_definition import AccountTask, TaskDefinition, TaskWords
from .task_input import ACCOUNTS, UNTIL, parse_recovery

_PASSWORD = Target(type=ItemType.PASSWORD)


def plan(task: AccountTask) -> Finding:
    """Plan to allow recovery where there is no password.

    Raises:
        CallError: Whether there is a password could not be read.
    """
    account_id = task.session.account_id
    if password_created_at(task.session) is not None:
        return account_finding(
            account_id, [report_item(_PASSWORD, Outcome.NOTHING_TO_DO, HAS_PASSWORD)]
        )
    return account_finding(
        account_id, [report_item(_PASSWORD, Outcome.PLANNED)], planned=[_PASSWORD]
    )


def execute(task: AccountTask) -> Finding:
    """Allow recovery.

    In a root session CreateLoginProfile sets no password: it lets the mailbox's owner set one.
    """
    item = change_target(
        _PASSWORD,
        functools.partial(task.session.call, "iam:CreateLoginProfile"),
        already_done_code="EntityAlreadyExists",
        message=HAS_PASSWORD,
    )
    return account_finding(task.session.account_id, [item])


DEFINITION = TaskDefinition(
    words=TaskWords(
        title="Allow root password recovery",
        planned="recovery to be allowed",
        done="recovery allowed",
        warning="A policy that denies root users, such as RootUserGuardrail's, denies this one as "
        "well, unless it exempts the account.",
    ),
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=(ACCOUNTS, UNTIL),
    parse=parse_recovery,
    plan=plan,
    execute=execute,
    plans_in_sessions_of=Task.AUDIT,
)
