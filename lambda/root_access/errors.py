"""The errors of root access: their data, and sentences for the person who reads the pipeline's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.errors import RootAccessError
from aws_calls.failures import Failure, FailureKind, describe_response

from .plan import Operation, Step
from .state import Feature

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_MAX_LISTED_STEPS = 8

_QUOTA_REACHED = "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED"


class NotTheManagementAccountError(RootAccessError):
    """Raised where the caller is a member account.

    Attributes:
        account_id: The caller's account.
        organization_id: Its organization.
        management_account_id: The account that manages it.
    """

    def __init__(self, *, account_id: str, organization_id: str, management_account_id: str) -> None:
        super().__init__(
            f"Deploy this stack in the management account {management_account_id} of organization "
            f"{organization_id}; this is account {account_id}, where centralized root access cannot be "
            "enabled. Nothing was changed."
        )
        self.account_id = account_id
        self.organization_id = organization_id
        self.management_account_id = management_account_id


class NotInAnOrganizationError(RootAccessError):
    """Raised where the function's account is not a member of an organization.

    Attributes:
        account_id: The function's account.
    """

    def __init__(self, *, account_id: str) -> None:
        super().__init__(
            f"Account {account_id} is not a member of an organization. Create an organization with all "
            "features in the account that will manage it, and deploy this stack there. Nothing was changed."
        )
        self.account_id = account_id


class NotAllFeaturesError(RootAccessError):
    """Raised where the organization has consolidated billing only.

    Attributes:
        account_id: The function's account.
        organization_id: Its organization.
    """

    def __init__(self, *, account_id: str, organization_id: str) -> None:
        super().__init__(
            f"Organization {organization_id} of account {account_id} has consolidated billing only. "
            "Centralized root access needs all features: enable them (organizations:EnableAllFeatures), and "
            "deploy this stack again. Nothing was changed."
        )
        self.account_id = account_id
        self.organization_id = organization_id


class SdkTooOldError(RootAccessError):
    """Raised where the runtime's botocore does not know the calls.

    Attributes:
        account_id: The function's account.
        operation: A call that botocore does not know.
    """

    def __init__(self, *, account_id: str, operation: str) -> None:
        super().__init__(
            f"The botocore of this Lambda runtime does not know {operation}, which was added in 1.35.61. "
            f"Deploy the function with a newer Python runtime in account {account_id}. Nothing was changed."
        )
        self.account_id = account_id
        self.operation = operation


class InvalidRequestError(RootAccessError):
    """Raised for a request that CloudFormation does not send.

    Attributes:
        problem: What is wrong with it.
    """

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"The request {problem}; this function handles CloudFormation's Create, Update and Delete. "
            "Nothing was changed."
        )
        self.problem = problem


class InvalidPropertyError(RootAccessError):
    """Raised for a property that the custom resource does not accept."""


class NotAListError(InvalidPropertyError):
    """Raised where a property is not a list of strings.

    Attributes:
        name: The property.
        value: Its value.
    """

    def __init__(self, *, name: str, value: object) -> None:
        super().__init__(
            f"{name} must be a list of strings, got {value!r:.100}. Deploy the construct and its function in "
            "the same version. Nothing was changed."
        )
        self.name = name
        self.value = value


class UnknownFeatureError(InvalidPropertyError):
    """Raised where Features lists a feature that this version does not know.

    Attributes:
        features: The unknown features.
    """

    def __init__(self, *, features: Collection[str]) -> None:
        super().__init__(
            f"Unknown feature in Features: {', '.join(sorted(features))}. Valid features: "
            f"{', '.join(Feature)}. Deploy the construct and its function in the same version."
        )
        self.features = frozenset(features)


class InvalidAccountIdError(InvalidPropertyError):
    """Raised where DelegatedAdministrators lists something that is not an account ID.

    Attributes:
        account_id: What it lists.
    """

    def __init__(self, *, account_id: str) -> None:
        super().__init__(
            f"DelegatedAdministrators must contain 12-digit account IDs; {account_id!r} is not one."
        )
        self.account_id = account_id


class CheckFailedError(RootAccessError):
    """Raised where the drift check could not read root access, so that its state is unknown.

    Attributes:
        failure: The failure that stopped the check.
        account_id: The function's account.
    """

    def __init__(self, *, failure: Failure, account_id: str) -> None:
        super().__init__(
            f"The drift check could not read root access: {describe_step(failure, account_id=account_id)}"
        )
        self.failure = failure
        self.account_id = account_id


class ConvergenceError(RootAccessError):
    """Raised where the organization did not reach what the stack lists.

    Attributes:
        failure: The failure that stopped the invocation.
        step: The step that failed; None where a read failed.
        account_id: The function's account.
        applied: The steps that AWS confirmed, in order.
        possibly_applied: The steps whose response was lost.
        not_applied: The steps that were still missing.
        not_reregistered: Delegated administrators that were deregistered to free a slot and could not be
            registered again: the steps that failed, each with its failure.
    """

    def __init__(
        self,
        *,
        failure: Failure,
        step: Step | None,
        account_id: str,
        applied: Sequence[Step],
        possibly_applied: Sequence[Step],
        not_applied: Sequence[Step],
        not_reregistered: Sequence[tuple[Step, Failure]] = (),
    ) -> None:
        self.failure = failure
        self.step = step
        self.account_id = account_id
        self.applied = tuple(applied)
        self.possibly_applied = tuple(possibly_applied)
        self.not_applied = tuple(not_applied)
        self.not_reregistered = tuple(not_reregistered)
        super().__init__(" ".join(self._sentences()))

    def _sentences(self) -> list[str]:
        sentences = [describe_step(self.failure, step=self.step, account_id=self.account_id)]
        sentences += [
            f"{step.account_id} could not be re-registered: "
            + describe_step(failure, step=step, account_id=self.account_id)
            for step, failure in self.not_reregistered
        ]
        if self.applied:
            sentences.append(f"Applied by this invocation: {_join_steps(self.applied)}.")
        if self.possibly_applied:
            sentences.append(f"May have been applied (no response): {_join_steps(self.possibly_applied)}.")
        if self.not_applied:
            sentences.append(f"Not applied: {_join_steps(self.not_applied)}.")
        if not self.applied and not self.possibly_applied:
            sentences.append("Nothing was changed by this invocation.")
        return sentences


def describe_step(failure: Failure, *, step: Step | None = None, account_id: str) -> str:
    """Return what failed, in which account, AWS's code and message, and what to do about it.

    Args:
        failure: The failed call.
        step: The step that failed; None where a read failed.
        account_id: The function's account.
    """
    sentence = f"{step or failure.operation} failed in account {account_id}: {describe_response(failure)}"
    return f"{sentence} {_remedy(failure, step=step)}".rstrip()


def is_quota_reached(failure: Failure) -> bool:
    """Return whether AWS accepts no further delegated administrator for IAM."""
    return failure.reason == _QUOTA_REACHED


def _join_steps(steps: Sequence[Step]) -> str:
    joined = ", ".join(str(step) for step in steps[:_MAX_LISTED_STEPS])
    more = len(steps) - _MAX_LISTED_STEPS
    return f"{joined} and {more} more" if more > 0 else joined


def _remedy(failure: Failure, *, step: Step | None) -> str:
    match failure.kind:
        case FailureKind.ACCESS_DENIED:
            return (
                f"A policy or a permissions boundary of the function's role denies {failure.operation}: "
                "allow it and deploy again. (Service control policies never apply to the management account.)"
            )
        case FailureKind.INCONSISTENT_READS | FailureKind.INCOMPLETE_RESPONSE:
            return "The state of root access is unknown, which is not the same as disabled. Deploy again."
        case FailureKind.REFUSED if step and step.operation is Operation.REGISTER:
            return _register_remedy(failure, account_id=step.account_id or "")
        case FailureKind.REFUSED:
            return ""
        case _:
            return "Deploy again."


def _register_remedy(failure: Failure, *, account_id: str) -> str:
    if failure.name == "AccountNotFound":
        return (
            f"Account {account_id} is not a member of this organization: remove it from "
            "delegated_administrators, or add it to the organization first."
        )
    if is_quota_reached(failure):
        return (
            f"The quota of delegated administrators for IAM has been reached, so {account_id} was not "
            "registered: list fewer delegated_administrators."
        )
    match failure.reason:
        case "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR":
            return (
                f"Account {account_id} is the management account, which cannot be a delegated "
                "administrator: remove it from delegated_administrators."
            )
        case "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR":
            return f"Account {account_id} is suspended: remove it from delegated_administrators."
        case _:
            return f"Check {account_id} in delegated_administrators."
