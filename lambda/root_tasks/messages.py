"""What is said to people: why a run is refused, why an account is skipped, what may be behind a denial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.failures import FailureKind, describe

from .model.report import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_calls.failures import Failure
    from root_access.state import Feature

# The names that RootTask has for the tasks in CDK code.
_IN_CODE = {task: f"RootTask.{task.name}" for task in Task}

MANAGEMENT_ACCOUNT = "The management account's root user is out of reach of root sessions."
PROTECTED = "The stack lists this account in protected_accounts."
NO_RESULT_LOOKING = "Its batch ended without a result. Nothing was changed."
NO_RESULT_ACTING = "Its batch ended without a result: part of the task may have been done. Audit it."
HAS_SOME = "It has root credentials, but which ones could not be seen."
LEFT = "It is no account of the organization any more."
MFA_STAYS = "Not deactivated: a password, an access key or a signing certificate is left."
MFA_NOT_LOOKED = "Not deactivated: whether other credentials are left could not be seen."
NOT_TRIED = "Not tried: there is no root session."
CHANGED_SINCE_PLAN = "Its policy is another one than when it was planned. Plan again."
CHANGED_SINCE_BACKUP = "It has a policy again, which putting the backup back would overwrite."
NO_SUCH_BUCKET = "The account has no bucket of this name."
POLICY_LOST = "Its policy cannot be read: it would be removed without a backup."
POLICY_UNREADABLE = (
    "Its policy cannot be read, so there would be no backup. To remove it all the same, "
    'give "skipBackup": true.'
)
REMOVED_WITHOUT_BACKUP = "Removed without a backup: the policy could not be read."


class RunRefusedError(Exception):
    """Raised where a run is not to start; the message says why, and what to do."""


def feature_off(feature: Feature, *, task: Task, management_account_id: str) -> RunRefusedError:
    """The feature that the task needs is off."""
    return RunRefusedError(
        f"{task} needs the feature {feature}, which is off for this organization. Deploy the construct "
        f"CentralizedRootAccess with it in the management account {management_account_id}."
    )


def trusted_access_off(*, task: Task, management_account_id: str) -> RunRefusedError:
    """IAM has no trusted access, so that no feature has an effect."""
    return RunRefusedError(
        f"{task} needs centralized root access, and trusted access for IAM is off in this organization. "
        f"Deploy the construct CentralizedRootAccess in the management account {management_account_id}."
    )


def not_an_administrator(*, account_id: str, management_account_id: str) -> RunRefusedError:
    """The account is a member like any other."""
    return RunRefusedError(
        f"Account {account_id} may not open root sessions: it is neither the management account nor a "
        f"delegated administrator for IAM. List it in delegated_administrators of the construct "
        f"CentralizedRootAccess in the management account {management_account_id}, or deploy this stack "
        "there."
    )


def no_organization(*, account_id: str) -> RunRefusedError:
    """The account is in no organization."""
    return RunRefusedError(f"Account {account_id} is in no organization, so that there is no member account.")


def could_not_select(failure: Failure, *, account_id: str) -> RunRefusedError:
    """A call failed before any account was reached."""
    return RunRefusedError(f"{told(failure)} (in account {account_id}; no account was reached)")


def not_members(account_ids: Iterable[str], *, organization_id: str) -> RunRefusedError:
    """Accounts are named that are none of the organization's."""
    return RunRefusedError(
        f"{', '.join(account_ids)}: no account of organization {organization_id}. No account was reached."
    )


def task_not_deployed(task: Task, *, deployed: Iterable[Task]) -> RunRefusedError:
    """The stack has no permission for the task."""
    listed = ", ".join(_IN_CODE[each] for each in deployed)
    return RunRefusedError(
        f"{task} is no task of this stack. List it in tasks of RootTasks and deploy: "
        f"tasks=[{listed}, {_IN_CODE[task]}]."
    )


def told(failure: Failure) -> str:
    """Return a failed call in one sentence, with AWS's code and message."""
    return describe(failure)


def hint(failure: Failure) -> str:
    """Returns what may be behind a failure in a member account; "" where that is not known."""
    if failure.kind is FailureKind.ACCESS_DENIED and "service control policy" in failure.message:
        return (
            "A service control policy denies this account's root user, and root sessions with it. Let it "
            'spare them: add the condition "Null": {"aws:AssumedRoot": "true"} to its statement.'
        )
    if failure.name == "RegionDisabled":
        return (
            "This account has not enabled the stack's Region. Deploy RootTasks in a Region that is enabled "
            "by default, such as us-east-1."
        )
    return ""


def skipped_for_state(state: str) -> str:
    """Why an account that is not active is skipped."""
    return f"Its state is {state}."


def plan_refused(run_id: str, why: str) -> RunRefusedError:
    """A plan cannot be executed."""
    return RunRefusedError(f"Run {run_id} cannot be executed: {why} Make a new plan. Nothing was changed.")


def run_id_used(run_id: str) -> RunRefusedError:
    """Another execution has had this name."""
    return RunRefusedError(
        f"The name {run_id} is that of an earlier execution, whose report is kept. Start this one under "
        "another name."
    )


def backup_refused(reference: str, why: str) -> RunRefusedError:
    """A backup cannot be put back."""
    return RunRefusedError(f"{reference} cannot be put back: {why} Nothing was changed.")
