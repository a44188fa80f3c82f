"""A run's sentences for people: why an account is skipped or fails, what denies it, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from aws_calls.failures import Failure, FailureKind
from common.untrusted import excerpt

from .model.report_schema import Result
from .model.task import ASSUME_ROOT

MANAGEMENT_ACCOUNT = "Root sessions are not supported for the management account."
UNPROTECT = (
    "To plan a change in this account, take it out of protected_accounts and deploy RootTasks."
)
PROTECTED = f"The stack lists this account in protected_accounts. {UNPROTECT}"
PROTECTED_AUDIT = "Protected: no run makes changes in this account."
NO_LONGER_A_MEMBER = "The account is no longer in the organization."
NO_RESULT = "Its batch ended without a result."
DAMAGED_RESULT = "The result of its batch is damaged."
NOTHING_CHANGED = "Nothing was changed."
EXPIRED = "Not attempted: the plan expired before this account's turn. Create a new plan."
STOPPED = "Not attempted: the execution was stopped. Create a new plan."
STOP_UNREAD = (
    "Not attempted: whether the execution was stopped could not be read. Create a new plan."
)
DETAILS_UNAVAILABLE = "Some details could not be read."
ACCEPTANCE_UNKNOWN = (
    "Whether its credentials are accepted is not known: the units could not be read."
)
# The page's title, which the site and a copy of the repository have.
HOW_TO_DEPLOY = 'The page "Getting started" says how.'
ACCEPTANCE_UNREAD = (
    "Left out: whether it is accepted is not known, because the units could not be read. Plan "
    "again."
)
NOT_KNOWN_WHICH_IS_ACCEPTED = (
    "Which one of several is accepted is not known, so all are left out. To plan them: --account."
)
HAS_PASSWORD = (
    "The root user has a password. To replace it, choose Forgot password on AWS's sign-in page, or "
    "delete it first."
)
MFA_STAYS = "Not deactivated: a password, an access key or a signing certificate still exists."
UNEXPECTED_ERROR = "An error that this release does not expect:"
LOOK_AGAIN = (
    "The task may have been partially completed. Audit this account; for a policy, plan again."
)
MFA_LEFT_OUT = "Left out: an MFA device is deactivated only once no other credential is left."
CREDENTIAL_CHANGED = (
    "Left unchanged: it was created, enabled or activated after the plan. Create a new plan."
)
CREDENTIAL_UNREAD = "Left unchanged: whether it is as it was planned could not be read."
NOT_IN_PLAN = "Left out: it is not in the plan."
OTHERS_NOT_READ = "Whether other credentials exist could not be read."
_PLAN_ANYWAY = 'To plan it anyway: --include-in-use, or "includeInUse": true in the input.'
LAST_USE_UNREAD = f"Left out: whether it is in use could not be read. {_PLAN_ANYWAY}"
LAST_USE_UNKNOWN = "Whether it is in use could not be read."
NO_SESSION = "Not attempted: there is no root session."
CHANGED_SINCE_PLAN = "The policy has changed since the plan. Create a new plan."
OTHER_ADDRESS = (
    "Not attempted: the root user's e-mail address has changed since the plan. Create a new plan."
)
NO_SUCH_BUCKET = "The account does not have a bucket with this name."
NO_SUCH_QUEUE = "The account does not have a queue with this ARN."
POLICY_LOST = "It cannot be read, so it would be removed without a backup."
POLICY_UNREADABLE = (
    "The policy cannot be read, so it cannot be backed up. To remove it anyway: --skip-backup, or "
    '"skipBackup": true in the input.'
)
BACKUPS_UNREAD = "The backups of this run could not be listed."
POLICY_UNCHANGED = "The policy is unchanged."
POLICY_UNKNOWN = "Plan the same again: the plan shows the policy that is attached now."
REMOVED_WITHOUT_BACKUP = "Removed without a backup: the policy could not be read."

_MAX_ERROR_CHARACTERS = 100

# The types of policies that AWS names in a denial.
_POLICIES = ("service control policy", "resource control policy")


def no_result(error: str | None) -> str:
    """Return that a batch ended without a result, with the error of Step Functions if it is known.

    For example, Lambda.ResourceNotFoundException if its function was deleted.
    """
    if error is None:
        return NO_RESULT
    return f"{NO_RESULT} Step Functions' error: {excerpt(error, _MAX_ERROR_CHARACTERS)}."


def describe_with_hint(failure: Failure) -> str:
    """Return a failed call with AWS's code and message, and its likely cause."""
    return " ".join(filter(None, (str(failure), hint(failure))))


def hint(failure: Failure) -> str | None:
    """Return the likely cause of a failure in a member account; None if it is not known."""
    for policy in _POLICIES:
        if failure.kind is FailureKind.ACCESS_DENIED and policy in failure.message:
            # AWS's words: "because no service control policy allows the iam:GetUser action".
            if f"no {policy} allows" in failure.message:
                return (
                    f"On each level from the root to the caller, a {policy} has to allow this call."
                )
            # A role opens the session; the root user makes the calls in it.
            if failure.operation == ASSUME_ROOT:
                return (
                    f"A {policy} denies the role that opens root sessions. Exempt this role in its "
                    "statement. If it is not a role of RootTasks, name it to preflight by "
                    "--session-role."
                )
            return (
                f"A {policy} denies this account's root user, and root sessions with it. To exempt "
                'root sessions, add the condition "Null": {"aws:AssumedRoot": "true"} to its '
                "statement."
            )
    if failure.name == "RegionDisabled":
        return (
            "This account has not enabled the Region of the call. Use one that is enabled by "
            "default, for example us-east-1: deploy RootTasks there, or give `audit --from-here` "
            "this --region."
        )
    return None


def hint_of(result: Result) -> str | None:
    """Return the hint of an account, with the command that explains a denial by a policy."""
    sentences = [result.reason] + [item.message for item in result.items]
    if not any(policy in (sentence or "") for policy in _POLICIES for sentence in sentences):
        return result.hint
    command = f"`centralized-root-access preflight --account {result.account_id}`"
    return " ".join(filter(None, (result.hint, f"The statement and its fix: {command}.")))


def recovery_unread(key: str, error: Exception) -> str:
    """Return that it is not known whether a recovery brought what an account has.

    Args:
        key: The key of the recovery in the bucket.
        error: Why it cannot be read.
    """
    return f"Whether root credentials are accepted is not known because of {key}: {error}"


def policy_of_backup(reference: str) -> str:
    """Return that a bucket or a queue gets the policy of a backup."""
    return f"The new policy is that of {reference}."


def in_use_since(moment: datetime) -> str:
    """Return why a credential that was used since a moment is left out of a plan."""
    return (
        f"Left out: it was last used on or after {moment.astimezone(UTC):%Y-%m-%d}. {_PLAN_ANYWAY}"
    )


def created_since(moment: datetime) -> str:
    """Return why a credential that was created since a moment is left out of a plan."""
    return f"Left out: it was created on or after {moment.astimezone(UTC):%Y-%m-%d}. {_PLAN_ANYWAY}"


def management_account_unread(reason: str) -> str:
    """Return that it is not known what the management account's root user has."""
    return f"{MANAGEMENT_ACCOUNT} What its root user has could not be read. {reason}"


def skip_reason_for_state(state: str) -> str:
    """Return why an account that is not active is skipped."""
    return f"Its state is {state}."


def quantity(count: int, noun: str) -> str:
    """Return a number of things: "1 account", "1,000 policies"."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("policy"):
        return f"{count:,} {noun.removesuffix('y')}ies"
    return f"{count:,} {noun}s"


def enumeration(parts: Sequence[str]) -> str:
    """Return parts as prose: a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
