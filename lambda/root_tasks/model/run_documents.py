"""The documents of a run: the accounts in scope, the work in each, its results, plan and backups.

An audit stores its run and its work, then a result for each batch of accounts, then its report. A
plan stores its plan as well, and the execution of that plan is a run of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from .codec import Document
from .report_schema import ItemType, PlanSelection, Result, RunDetails, Task

# A run's name is a part of S3 keys, of its execution's ARN, and of commands: Step Functions also
# allows "..", which is another folder once the bucket is copied to a disk, and "--all", which is an
# option.
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")

# A plan can be executed for this long.
PLAN_LIFETIME = timedelta(hours=24)


class Mode(StrEnum):
    """The purpose of a run."""

    AUDIT = "audit"
    PLAN = "plan"
    EXECUTE = "execute"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One thing that a task acts on: a credential, or the policy of a bucket or queue.

    For example, the access key AKIAIOSFODNN7EXAMPLE, which a plan has listed for deletion.

    Attributes:
        type: What it is.
        id: The access key's ID, the device's serial number, the certificate's ID, the bucket's name
            or the queue's ARN; None for the password.
        region: The Region of the bucket or queue; None for a credential, and for a bucket until its
            Region is known.
        policy_sha256: The SHA-256 of the policy that it had when it was planned; None if it had
            none, or if that cannot be read.
        skip_backup: Whether to remove a policy that cannot be read.
        new_policy: The policy that it gets; None if its policy is removed.
        backup: The reference of the backup that has this policy; None if the input has it.
        created_at: When the password was created, or the MFA device was enabled: at another time,
            it is another one.
        inactive: Whether the access key or the certificate was inactive when it was planned: one
            that is active again is needed.
    """

    type: ItemType
    id: str | None = None
    region: str | None = None
    policy_sha256: str | None = None
    skip_backup: bool = False
    new_policy: str | None = None
    backup: str | None = None
    created_at: datetime | None = None
    # It may change, and it is the same credential.
    inactive: bool = field(default=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class CredentialSelection:
    """The credentials that a plan may list.

    Attributes:
        types: Their types; all types where it is empty.
        in_use_since: A credential that was used or created at this moment or later is in use, and
            left out; None to list it all the same.
        overdue: The accounts whose recovery is overdue, so that no use keeps its password and its
            MFA devices.
    """

    types: tuple[ItemType, ...] = ()
    in_use_since: datetime | None = None
    overdue: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """The work in one account.

    For example, the deletion of the password and of one access key of account 222222222222. Without
    targets it is all that the task finds there.
    """

    account_id: str
    targets: tuple[Target, ...] = ()

    @property
    def sets_policy(self) -> bool:
        """True if a bucket or a queue gets a policy, instead of losing the one that it has."""
        return any(target.new_policy is not None for target in self.targets)

    @property
    def overrides_policy(self) -> bool:
        """True if a bucket or a queue gets a policy that no run has backed up."""
        return self.sets_policy and all(target.backup is None for target in self.targets)


@dataclass(frozen=True, kw_only=True, slots=True)
class RootAddress:
    """The e-mail address of an account's root user, to which AWS sends the password reset."""

    account_id: str
    email: str | None


@dataclass(frozen=True, kw_only=True)
class Plan(Document):
    """The accounts and targets that the execution of this plan acts on, exactly these.

    Attributes:
        run_id: The run that created it.
        requested_by: The requester, as the input states; None if it does not.
        reason: Why it was asked for, as the input states; None if it does not.
        until: When the recovery is to be closed, if the input has a date.
        open_hours: How long the recovery may stay open, if the input has hours or days.
        selection: The input, if it is a plan to delete credentials.
        assignments: The accounts and the targets.
        addresses: The addresses that it shows, if it is a plan of recoveries.
    """

    KIND: ClassVar[str] = "plan"

    run_id: str
    task: Task
    requested_by: str | None = None
    reason: str | None = None
    until: datetime | None = None
    open_hours: int | None = None
    selection: PlanSelection | None = None
    assignments: tuple[Assignment, ...]
    addresses: tuple[RootAddress, ...] = ()

    def end_of_recovery(self, executed_at: datetime) -> datetime | None:
        """Return when its recovery is to be closed, if its execution starts at this moment."""
        if self.open_hours is None:
            return self.until
        return executed_at + timedelta(hours=self.open_hours)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An account of the organization, as far as a run is concerned.

    Attributes:
        account_id: 12 digits.
        name: Its name; only the report needs it.
        email: The e-mail address of its root user; only the report needs it.
        organizational_unit: The names of the units that it is in, for the report only; None if they
            could not be read.
        state: Its state, such as ACTIVE or SUSPENDED; None if it is not in the organization.
        skip_reason: Why the run leaves it out; None if it does not.
        protected: Whether no run makes changes in it; only the report needs it.
        joined_at: When it joined the organization; only the report needs it.
        unit_path: The IDs of the units that it is in, from the root down, joined by "/"; None if
            they are not known.
    """

    account_id: str
    name: str | None = None
    email: str | None = None
    organizational_unit: str | None = None
    state: str | None = None
    skip_reason: str | None = None
    protected: bool = False
    joined_at: datetime | None = None
    unit_path: str | None = None

    @property
    def unit_ids(self) -> tuple[str, ...] | None:
        """The IDs of the units that it is in, from the root down; None if they are not known."""
        if self.unit_path is None:
            return None
        return tuple(self.unit_path.split("/"))


@dataclass(frozen=True, kw_only=True)
class AcceptedCredentials:
    """Root credentials that stay on purpose in an account, or in each account of a unit.

    Attributes:
        target_id: The ID of the account or of the unit.
        types: The types of the credentials.
        reason: Why they stay.
        until: The last day, in UTC, as YYYY-MM-DD; of a recovery also the time, as HH:MM UTC.
        recovered: Whether a recovery brought them.
    """

    target_id: str
    types: tuple[ItemType, ...]
    reason: str
    until: str
    recovered: bool = False


@dataclass(frozen=True, kw_only=True)
class Run(RunDetails, Document):
    """One run of a task, as it was when it started: an audit, a plan, or the execution of a plan.

    For example, the audit of every account at 04:10, whose report is runs/audit-2026-11-20/. It has
    the names of the accounts, which only the report needs.

    Attributes:
        accepted_credentials: What stays on purpose.
        warnings: What the reader of the report has to know, in sentences.
        execution_arn: The execution; two executions never share a run.
        mode: What the run is for.
        accounts: Every account in scope.
        batches: The account IDs of each batch.
    """

    KIND: ClassVar[str] = "run"

    execution_arn: str
    mode: Mode
    accounts: tuple[Account, ...]
    batches: tuple[tuple[str, ...], ...]
    accepted_credentials: tuple[AcceptedCredentials, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Work(Document):
    """The work of a run's batches, which is all that their functions read.

    For example, 25 accounts to audit in the first batch, and 5 in the second. It has no names of
    accounts, because functions that make changes need none.

    Attributes:
        run_id: The run.
        task: The task whose sessions it opens; those of a plan may be the audit's.
        mode: What it is for.
        batches: The accounts of each batch, with what to act on.
        credentials: Which credentials a plan may list.
        expires_at: When no batch may make changes any longer; None if none does.
        execution_arn: The execution; empty for an audit from a person's machine.
        other_address: The accounts whose root user has another e-mail address than in the plan.
    """

    KIND: ClassVar[str] = "work"

    run_id: str
    task: Task
    mode: Mode
    batches: tuple[tuple[Assignment, ...], ...]
    credentials: CredentialSelection = CredentialSelection()
    expires_at: datetime | None = None
    execution_arn: str = ""
    other_address: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recovery(Document):
    """The last recovery of an account: where its report is, which says everything else of it.

    Attributes:
        execution_arn: The execution that allowed it, or that has ended it.
        until: When it is to be closed; None if it has ended, or has no end.
    """

    KIND: ClassVar[str] = "recovery"

    execution_arn: str
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class ExecutionMark(Document):
    """The claim of an execution on a plan, which no other execution can claim any more.

    It is stored on the condition that there is none yet, as is the claim on a batch that makes
    changes: neither a plan nor such a batch is executed twice.

    Attributes:
        execution_arn: The execution.
        started_at: When it started: Step Functions allows a name again after 90 days.
    """

    KIND: ClassVar[str] = "execution mark"

    execution_arn: str
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding(Result):
    """The result of a task in one account, as its batch has it.

    Attributes:
        planned: What a run that executes this plan acts on.
    """

    planned: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchResult(Document):
    """The results of a batch.

    Attributes:
        findings: The findings of its accounts.
        finished_at: When it ended.
    """

    KIND: ClassVar[str] = "batch result"

    findings: tuple[Finding, ...]
    finished_at: datetime


@dataclass(frozen=True, kw_only=True)
class Backup(Document):
    """A policy as it was before a run removed or replaced it.

    Attributes:
        run_id: The run.
        account_id: The account of the bucket or queue.
        type: A bucket policy or a queue policy.
        id: The bucket's name or the queue's ARN.
        region: The Region of the bucket or queue.
        policy: The policy's text.
    """

    KIND: ClassVar[str] = "backup"

    run_id: str
    account_id: str
    type: ItemType
    id: str
    region: str
    policy: str
