"""What is said when it does not work: sentences for the person who reads the pipeline log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.errors import RootAccessError
from aws_calls.failures import Failure, FailureKind, describe_response

from .plan import Operation, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LISTED_STEPS = 8

_LIMIT_REACHED = "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED"


class NotTheManagementAccountError(RootAccessError):
    """Raised where the caller is a member account.

    Attributes:
        account_id: the caller's account.
        organization_id: its organization.
        management_account_id: the account that manages it.
    """

    def __init__(self, *, account_id: str, organization_id: str, management_account_id: str) -> None:
        super().__init__(
            f"Deploy this stack in the management account {management_account_id} of organization "
            f"{organization_id}; this is account {account_id}, where centralized root access cannot be "
            "switched on. Nothing was changed."
        )
        self.account_id = account_id
        self.organization_id = organization_id
        self.management_account_id = management_account_id


class NotInAnOrganizationError(RootAccessError):
    """Raised where the function's account is in no organization."""

    def __init__(self, *, account_id: str) -> None:
        super().__init__(
            f"Account {account_id} is in no organization. Create an organization with all features in the "
            "account that is to manage it, and deploy this stack there. Nothing was changed."
        )


class NotAllFeaturesError(RootAccessError):
    """Raised where the organization has consolidated billing only."""

    def __init__(self, *, account_id: str, organization_id: str) -> None:
        super().__init__(
            f"Organization {organization_id} of account {account_id} has consolidated billing only. "
            "Centralized root access needs all features: enable them (organizations:EnableAllFeatures), and "
            "deploy this stack again. Nothing was changed."
        )


class SdkTooOldError(RootAccessError):
    """Raised where the runtime's botocore does not know the calls."""

    def __init__(self, *, account_id: str) -> None:
        super().__init__(
            "The botocore of this Lambda runtime does not know iam:ListOrganizationsFeatures, which came "
            f"with 1.35.61. Deploy the function with a newer Python runtime in account {account_id}. "
            "Nothing was changed."
        )


class InvalidPropertyError(RootAccessError):
    """Raised for a property that the custom resource does not take."""


class ConvergenceError(RootAccessError):
    """Raised where the organization did not reach what the stack lists.

    Args:
        failure: the failure that stopped the invocation.
        step: the step that failed; None where a read failed.
        account_id: the account of the function.
        made: the steps that AWS confirmed, in order.
        may_have_been_made: the steps whose answer was lost.
        not_made: the steps that were still missing.
        afterwards: what failed after that, while cleaning up.
    """

    def __init__(
        self,
        *,
        failure: Failure,
        step: Step | None,
        account_id: str,
        made: Sequence[Step],
        may_have_been_made: Sequence[Step],
        not_made: Sequence[Step],
        afterwards: Iterable[str] = (),
    ) -> None:
        parts = [described(failure, step=step, account_id=account_id)]
        parts += afterwards
        if made:
            parts.append(f"Made by this invocation: {_listed(made)}.")
        if may_have_been_made:
            parts.append(f"May have been made (no answer): {_listed(may_have_been_made)}.")
        if not_made:
            parts.append(f"Not made: {_listed(not_made)}.")
        if not made and not may_have_been_made:
            parts.append("Nothing was changed by this invocation.")
        super().__init__(" ".join(parts))


def described(failure: Failure, *, step: Step | None, account_id: str) -> str:
    """Returns what failed, in which account, AWS's code and message, and what to do about it."""
    parts = [
        f"{step or failure.operation} failed in account {account_id}: {describe_response(failure)}",
        _remedy(failure, step=step),
    ]
    return " ".join(part for part in parts if part)


def is_limit_reached(failure: Failure) -> bool:
    """Says whether AWS takes no further delegated administrator for IAM."""
    return failure.reason == _LIMIT_REACHED


def _listed(steps: Sequence[Step]) -> str:
    listed = ", ".join(str(step) for step in steps[:_LISTED_STEPS])
    more = len(steps) - _LISTED_STEPS
    return f"{listed} and {more} more" if more > 0 else listed


def _remedy(failure: Failure, *, step: Step | None) -> str:
    match failure.kind:
        case FailureKind.ACCESS_DENIED:
            return (
                f"A policy or a permissions boundary of the function's role denies {failure.operation}: "
                "allow it and deploy again. (Service control policies never apply to the management account.)"
            )
        case FailureKind.INCONSISTENT_READS:
            return "The state of root access is unknown, which is not the same as off. Deploy again."
        case FailureKind.REFUSED if step and step.operation is Operation.REGISTER:
            return _register_remedy(failure, account_id=step.account_id or "")
        case FailureKind.REFUSED:
            return ""
        case _:
            return "Deploy again."


def _register_remedy(failure: Failure, *, account_id: str) -> str:
    if failure.name == "AccountNotFound":
        return (
            f"Account {account_id} is not a member of this organization: take it off "
            "delegated_administrators, or add it to the organization first."
        )
    if is_limit_reached(failure):
        return (
            f"AWS takes no further delegated administrator for IAM beside those registered, so {account_id} "
            "was not added: list fewer delegated_administrators."
        )
    match failure.reason:
        case "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR":
            return (
                f"Account {account_id} is the management account, which needs no delegation: take it off "
                "delegated_administrators."
            )
        case "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR":
            return f"Account {account_id} is suspended: take it off delegated_administrators."
        case _:
            return f"Check {account_id} in delegated_administrators."
