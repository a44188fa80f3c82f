"""What a run of a root task found and did, account by account: the content of its report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

# Raised when a reader of report.json has to change.
SCHEMA_VERSION = 1


class Task(StrEnum):
    """The five root tasks, under the names of AWS's task policies.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/security-iam-awsmanpol.html
    """

    AUDIT = "IAMAuditRootUserCredentials"
    DELETE_CREDENTIALS = "IAMDeleteRootUserCredentials"
    ALLOW_PASSWORD_RECOVERY = "IAMCreateRootUserPassword"
    UNLOCK_BUCKET_POLICY = "S3UnlockBucketPolicy"
    UNLOCK_QUEUE_POLICY = "SQSUnlockQueuePolicy"


class Outcome(StrEnum):
    """How a task ended in one account, or for one item of it."""

    CLEAN = "clean"
    HAS_CREDENTIALS = "has credentials"
    PLANNED = "planned"
    DONE = "done"
    NOTHING_TO_DO = "nothing to do"
    FAILED = "failed"
    SKIPPED = "skipped"
    INACCESSIBLE = "inaccessible"
    UNKNOWN = "unknown"


class ItemType(StrEnum):
    """What a task acts on in an account."""

    PASSWORD = "password"
    ACCESS_KEY = "access key"
    SIGNING_CERTIFICATE = "signing certificate"
    MFA_DEVICE = "MFA device"
    BUCKET_POLICY = "bucket policy"
    QUEUE_POLICY = "queue policy"


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An access key of a root user.

    Attributes:
        access_key_id: its id.
        status: Active or Inactive.
        created_at: when it was made.
        last_used_at: when it was last used; None: never, or not since AWS tracks it.
        last_used_service: with which service; None: never.
    """

    access_key_id: str
    status: str
    created_at: datetime | None
    last_used_at: datetime | None = None
    last_used_service: str | None = None


@dataclass(frozen=True, kw_only=True)
class RootCredentials:
    """The credentials that a root user has.

    Attributes:
        password: whether there is one.
        password_last_used_at: when it was last used; None: never, or there is none.
        access_keys: its access keys.
        mfa_devices: the serial numbers of its MFA devices.
        signing_certificates: the ids of its signing certificates.
    """

    password: bool
    password_last_used_at: datetime | None = None
    access_keys: tuple[AccessKey, ...] = ()
    mfa_devices: tuple[str, ...] = ()
    signing_certificates: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that the task acted on, or would.

    Attributes:
        type: what it is.
        id: its id, name or URL; "" for the password, of which there is one.
        outcome: how it ended.
        message: AWS's code and message where it failed; the backup's reference where a policy was removed.
    """

    type: ItemType
    id: str
    outcome: Outcome
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class AccountResult:
    """How the task ended in one account.

    Attributes:
        account_id: 12 digits.
        name: the account's name. Somebody else chose it: never trust it.
        email: the address of its root user. The same goes for it.
        outcome: how the task ended.
        reason: why it was skipped, failed or could not look, in words, with AWS's code and message; else "".
        hint: what may be behind it, such as a service control policy that denies root; else "".
        credentials: what the root user has, where that was looked at.
        items: what the task acted on, in the order in which it did.
    """

    account_id: str
    name: str
    email: str
    outcome: Outcome
    reason: str = ""
    hint: str = ""
    credentials: RootCredentials | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """One run of one task.

    Attributes:
        run_id: the run's id; an execution names the plan's.
        task: the task.
        executed_plan: the run id of the plan that this run executed; None: it is a plan or an audit itself.
        full: whether it is an audit of every account of the organization.
        organization_id: the organization.
        management_account_id: its management account.
        account_id: the account that the run was made from.
        started_at: when it began.
        finished_at: when it ended.
        results: a result for each account that was selected, by account id; none missing, none twice.
    """

    run_id: str
    task: Task
    executed_plan: str | None
    full: bool
    organization_id: str
    management_account_id: str
    account_id: str
    started_at: datetime
    finished_at: datetime
    results: tuple[AccountResult, ...]

    @property
    def totals(self) -> dict[Outcome, int]:
        """How many accounts ended with each outcome that occurs, in the order of the outcomes."""
        counted = [result.outcome for result in self.results]
        return {outcome: counted.count(outcome) for outcome in Outcome if outcome in counted}
