"""What a run is made of: the accounts in scope, what is to be done in each, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from root_access.state import Feature

from .report import Item, ItemType, Outcome, RootCredentials, Task

if TYPE_CHECKING:
    from datetime import datetime

FEATURE = {
    Task.AUDIT: Feature.ROOT_CREDENTIALS_MANAGEMENT,
    Task.DELETE_CREDENTIALS: Feature.ROOT_CREDENTIALS_MANAGEMENT,
    Task.ALLOW_PASSWORD_RECOVERY: Feature.ROOT_CREDENTIALS_MANAGEMENT,
    Task.UNLOCK_BUCKET_POLICY: Feature.ROOT_SESSIONS,
    Task.UNLOCK_QUEUE_POLICY: Feature.ROOT_SESSIONS,
}


class Mode(StrEnum):
    """What a run is for."""

    AUDIT = "audit"
    PLAN = "plan"
    EXECUTE = "execute"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing that a task acts on in an account.

    Attributes:
        type: what it is.
        id: the access key's id, the device's serial number, the certificate's id, the bucket's name, the
            queue's ARN; "" for the password.
        region: where the bucket or the queue is; "" before that was looked up.
        policy_sha256: of the policy that was there when it was planned; None where there was none, or
            where nobody can read it.
        without_backup: whether a policy that nobody can read may be removed.
        put_back: the reference of the backup to put back; "" where a policy is to be removed.
        policy: the text to put; "" where a policy is to be removed.
    """

    type: ItemType
    id: str = ""
    region: str = ""
    policy_sha256: str | None = None
    without_backup: bool = False
    put_back: str = ""
    policy: str = ""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What is to be done in one account; without targets: whatever is found there."""

    account_id: str
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run that executes it will act on: exactly these accounts, exactly these targets."""

    run_id: str
    task: Task
    assignments: tuple[Assignment, ...]


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account in a run's scope.

    Attributes:
        account_id: 12 digits.
        name: its name; for the report only.
        email: the address of its root user; for the report only.
        skipped: why the task is not performed in it; "" where it is.
    """

    account_id: str
    name: str
    email: str
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run as it was selected: what its report needs besides the results.

    Attributes:
        run_id: the name of the execution.
        execution_arn: the execution; two executions never share a run.
        task: the task.
        mode: what the run is for.
        executed_plan: the run id of the plan that it executes, or None.
        full: whether it is an audit of every account of the organization.
        organization_id: the organization.
        management_account_id: its management account.
        account_id: the account that the run is made from.
        started_at: when the execution began.
        accounts: every account in scope.
        batches: the account ids of each batch.
    """

    run_id: str
    execution_arn: str
    task: Task
    mode: Mode
    executed_plan: str | None
    full: bool
    organization_id: str
    management_account_id: str
    account_id: str
    started_at: datetime
    accounts: tuple[Account, ...]
    batches: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the batches of a run have to do. No names: it is what the functions that act get to see."""

    run_id: str
    task: Task
    mode: Mode
    batches: tuple[tuple[Assignment, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What came of a task in one account.

    Attributes:
        account_id: the account.
        outcome: how it ended.
        reason: why it failed or could not look; else "".
        hint: what may be behind it; else "".
        credentials: what the root user has, where that was looked at.
        items: what came of each target.
        planned: what a run that executes this one will act on.
    """

    account_id: str
    outcome: Outcome
    reason: str = ""
    hint: str = ""
    credentials: RootCredentials | None = None
    items: tuple[Item, ...] = ()
    planned: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What a batch leaves in S3."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A policy that a run removed."""

    run_id: str
    account_id: str
    type: ItemType
    id: str
    region: str
    policy: str
