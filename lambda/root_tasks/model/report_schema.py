"""The report of a run: what it found and did, account by account."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from common.identifier import Identifier

from .codec import Document

# The codec resolves these, and other modules import them from here.
from .outcome import Outcome as Outcome
from .task import Task as Task


class ItemType(Identifier):
    """The type of an item that a task acts on in an account."""

    PASSWORD = "PASSWORD"
    ACCESS_KEY = "ACCESS_KEY"
    SIGNING_CERTIFICATE = "SIGNING_CERTIFICATE"
    MFA_DEVICE = "MFA_DEVICE", "MFA device"
    BUCKET_POLICY = "BUCKET_POLICY"
    QUEUE_POLICY = "QUEUE_POLICY"


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialDetails:
    """The facts by which one decides whether to delete a credential.

    Attributes:
        status: Active or Inactive; None for a password and for an MFA device, which have no status.
        created_at: When it was created, uploaded or enabled.
        last_used_at: When it was last used; None if AWS knows of no use, as always for signing
            certificates and MFA devices.
        last_used_service: The service that an access key was last used with.
        last_use_unread: Whether its last use could not be read, and so is not known.
    """

    status: str | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_service: str | None = None
    last_use_unread: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessKey(CredentialDetails):
    """An access key of a root user.

    Attributes:
        access_key_id: Its ID.
    """

    access_key_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RootCredentials:
    """The credentials that a root user has.

    None in place of a list: the root user has some of the kind, and which ones could not be read.

    Attributes:
        password: Whether it has a password.
        password_last_used_at: When the password was last used; None if AWS knows of no use.
        password_last_use_unread: Whether that could not be read, and so is not known.
        mfa_devices: The serial numbers of its MFA devices.
        signing_certificates: The IDs of its signing certificates.
    """

    password: bool
    password_last_used_at: datetime | None = None
    password_last_use_unread: bool = False
    access_keys: tuple[AccessKey, ...] | None = ()
    mfa_devices: tuple[str, ...] | None = ()
    signing_certificates: tuple[str, ...] | None = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing that the task acted on, or that a plan lists.

    Attributes:
        type: What it is.
        id: Its ID, name or ARN; None for the password, of which there is only one.
        outcome: How it ended.
        message: AWS's code and message if it failed; otherwise what to know about it.
        region: The Region of the bucket or queue.
        policy: The policy that is removed or replaced, in full. It was chosen by others: never
            trust it.
        difference: All lines of that policy and of the one that is set, if any: those that begin
            with - are only in the first, those with + only in the second. Never trust it either.
        backup: The reference of the backup that was made of the policy.
        credential: The details of a credential that a plan lists.
        accepted: Whether it is accepted, so that it should stay, and is listed all the same because
            the plan names its account.
    """

    type: ItemType
    id: str | None = None
    outcome: Outcome
    message: str | None = None
    region: str | None = None
    policy: str | None = None
    difference: str | None = None
    backup: str | None = None
    credential: CredentialDetails | None = None
    accepted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of a task in one account.

    Attributes:
        account_id: 12 digits.
        outcome: How the task ended.
        reason: Why it was skipped, failed, inaccessible or left out, which details could not be
            read, in words, with AWS's code and message, or what to know before a plan is executed.
        hint: The probable cause, such as a service control policy that denies root.
        credentials: What the root user has; None if that was not read.
        items: What the task acted on, in the order in which it did.
    """

    account_id: str
    outcome: Outcome
    reason: str | None = None
    hint: str | None = None
    credentials: RootCredentials | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountResult(Result):
    """A result with the account's names, which functions that make changes never see.

    Attributes:
        name: The account's name. It was chosen by others: never trust it.
        email: The e-mail address of its root user. Never trust it either.
        organizational_unit: Where it is in the organization: names from the root down, joined by
            "/", such as Root/Workloads/Prod; None if that could not be read. Never trust it either.
        joined_at: When it joined the organization; None if it is no longer in it.
        protected: Whether no run makes changes in the account.
    """

    name: str | None = None
    email: str | None = None
    organizational_unit: str | None = None
    joined_at: datetime | None = None
    protected: bool = False


class ChangeType(Identifier):
    """A difference in an account from one full audit to the next; the most important is first."""

    CREDENTIALS_APPEARED = "CREDENTIALS_APPEARED"
    CREDENTIALS_NO_LONGER_ACCEPTED = "CREDENTIALS_NO_LONGER_ACCEPTED"
    NO_LONGER_AUDITED = "NO_LONGER_AUDITED"
    CREDENTIALS_ACCEPTED = "CREDENTIALS_ACCEPTED"
    JOINED = "JOINED", "joined the organization"
    AUDITED_AGAIN = "AUDITED_AGAIN"
    CREDENTIALS_DISAPPEARED = "CREDENTIALS_DISAPPEARED"
    LEFT = "LEFT", "left the organization"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change in one account.

    Attributes:
        type: What changed.
        account_id: The account, without its name and its e-mail address.
        credentials: Those that appeared or disappeared; otherwise those that the account has.
        audited: Whether the newer audit could audit the account.
    """

    type: ChangeType
    account_id: str
    credentials: tuple[ItemType, ...] = ()
    audited: bool = True


@dataclass(frozen=True, kw_only=True)
class RootFree:
    """The full audits in a row that found no root credentials but accepted ones.

    Attributes:
        since: When the first of them started.
        audits: Their number, with this one.
        longest_gap: The longest time from the start of one to the end of the next, in seconds; 0
            for one.
        incomplete_audits: In how many of them an account was inaccessible or had accepted
            credentials.
    """

    since: datetime
    audits: int = 0
    longest_gap: int = 0
    incomplete_audits: int = 0


# For how many days a credential has to be unused, unless a plan says otherwise.
DEFAULT_UNUSED_FOR_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class PlanSelection:
    """The input of a plan to delete credentials.

    Attributes:
        all_accounts: Whether it names every account.
        accounts: The accounts that it names.
        from_report: The run of whose report these are, as the command states; None if they are of
            none.
        organizational_units: The organizational units that it names.
        exclude: The accounts and organizational units that it leaves out.
        credential_types: The types of credentials; all types where it is empty.
        unused_for_days: For how many days a credential has to be unused; None to plan it all the
            same.
    """

    all_accounts: bool
    accounts: tuple[str, ...] = ()
    from_report: str | None = None
    organizational_units: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    credential_types: tuple[ItemType, ...] = ()
    unused_for_days: int | None = None

    @property
    def named_accounts(self) -> tuple[str, ...]:
        """The accounts that a person named one by one; none if they come from another report."""
        if self.from_report is not None:
            return ()
        return self.accounts


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """One run of one task.

    Attributes:
        run_id: The run's ID: the name of its execution.
        sets_policy: Whether it gives a bucket or a queue a policy, instead of removing one.
        executed_plan: The run ID of the plan that this run executes; None for a plan or an audit.
        full: Whether it is an audit of every account of the organization.
        organization_id: The organization.
        management_account_id: Its management account.
        account_id: The account that runs the task.
        started_at: When the execution started.
        requested_by: The ARN of the caller, as the input states it; None if it does not.
        planned_by: The same of the plan that this run executes; None for a plan or an audit.
        reason: Why it was asked for, as the input states, or that of the plan that it executes;
            None if neither does. Never trust it.
        until: When the recovery that it plans or allows is to be closed; None if that is not said,
            and for other runs.
        open_hours: For how many hours from the start of its execution a recovery that is planned
            may stay open; None if the input has no hours or days.
        selection: The input of a plan to delete credentials, also of its execution; None for other
            runs.
    """

    run_id: str
    task: Task
    sets_policy: bool = False
    executed_plan: str | None = None
    full: bool
    organization_id: str
    management_account_id: str
    account_id: str
    started_at: datetime
    requested_by: str | None = None
    planned_by: str | None = None
    reason: str | None = None
    until: datetime | None = None
    open_hours: int | None = None
    selection: PlanSelection | None = None

    def details(self) -> dict[str, Any]:
        """Return the fields that a run and its report have in common, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(RunDetails)}


@dataclass(frozen=True, kw_only=True)
class Report(RunDetails, Document):
    """The result of a run.

    Attributes:
        finished_at: When its last batch ended. If none has a result, when an audit or a plan
            started, and when the report of an execution was written.
        results: One result for each account in scope, in the order of risk; none missing, none
            twice.
        warnings: Sentences about results that were altered, and about what is missing: a
            comparison, findings in Security Hub, the end of the run.
        changes: What has changed since the full audit before this one; None if there is none to
            compare with, and for other runs.
        changes_since: When that audit started.
        published_at: When a full audit was published; None if another one counts instead, and for
            other runs.
        plan_expires_at: When its plan can no longer be executed; None if it is not a plan.
        root_free: Since when full audits find no root credentials; None if this one does, and for
            other runs.
    """

    KIND: ClassVar[str] = "report"

    finished_at: datetime
    results: tuple[AccountResult, ...]
    warnings: tuple[str, ...] = ()
    changes: tuple[Change, ...] | None = None
    changes_since: datetime | None = None
    published_at: datetime | None = None
    plan_expires_at: datetime | None = None
    root_free: RootFree | None = None

    def with_warning(self, warning: str) -> Report:
        """Return the report with one more warning."""
        return replace(self, warnings=(*self.warnings, warning))

    @property
    def totals(self) -> dict[Outcome, int]:
        """The number of accounts with each outcome that occurs, in the order of the outcomes."""
        counts = Counter(result.outcome for result in self.results)
        return {outcome: counts[outcome] for outcome in Outcome if outcome in counts}
