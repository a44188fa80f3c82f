"""The errors of root access: their data, and sentences for the reader of a pipeline's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_calls.failures import Failure, FailureKind, describe_response
from common.errors import RootAccessError

from .steps import Operation, Step

# AWS's reasons for a service that has as many delegated administrators as it can have: several, or
# one.
_QUOTA_REACHED = (
    "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED",
    "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE",
)
# The remedy for an account that AWS does not register, by its code or its reason.
_REGISTER_REMEDIES = {
    "AccountNotFound": (
        "Account {} is not a member of this organization: remove it from "
        "delegated_administrators, or add it to the organization first."
    ),
    **dict.fromkeys(_QUOTA_REACHED, "The quota of delegated administrators for IAM is reached."),
    "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR": (
        "Account {} is the management account, which cannot be a delegated administrator: remove "
        "it from delegated_administrators."
    ),
    "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR": (
        "Account {} is suspended: remove it from delegated_administrators."
    ),
}


@dataclass(eq=False, kw_only=True)
class NotTheManagementAccountError(RootAccessError):
    """The function's account is a member of an organization, not its management account."""

    account_id: str
    organization_id: str
    management_account_id: str

    def __str__(self) -> str:
        return (
            f"Deploy this stack in the management account {self.management_account_id} of "
            f"organization {self.organization_id}; this is account {self.account_id}, where "
            "centralized root access cannot be enabled. Nothing was changed."
        )


@dataclass(eq=False, kw_only=True)
class NotInAnOrganizationError(RootAccessError):
    """The function's account is not a member of an organization."""

    account_id: str

    def __str__(self) -> str:
        return (
            f"Account {self.account_id} is not a member of an organization. Create an organization "
            "with all features in the account that will manage it, and deploy this stack there. "
            "Nothing was changed."
        )


@dataclass(eq=False, kw_only=True)
class NotAllFeaturesError(RootAccessError):
    """The organization has consolidated billing only."""

    account_id: str
    organization_id: str

    def __str__(self) -> str:
        return (
            f"Organization {self.organization_id} of account {self.account_id} has consolidated "
            "billing only. Centralized root access needs all features: enable them "
            "(organizations:EnableAllFeatures), and deploy this stack again. Nothing was changed."
        )


@dataclass(eq=False, kw_only=True)
class ConvergenceError(RootAccessError):
    """The organization did not reach what the stack lists.

    Attributes:
        failure: What stopped the invocation.
        step: The step that failed; None: it was a read.
        account_id: The account.
        applied: The steps that were applied.
        possibly_applied: The steps whose response was lost.
        not_applied: The steps that were still missing.
        retry_advice: The way to try again; empty: that happens by itself.
    """

    failure: Failure
    step: Step | None
    account_id: str
    applied: Sequence[Step]
    possibly_applied: Sequence[Step]
    not_applied: Sequence[Step]
    retry_advice: str

    def __str__(self) -> str:
        described = describe_step(
            self.failure,
            step=self.step,
            account_id=self.account_id,
            retry_advice=self.retry_advice,
        )
        sentences = [described]
        if self.failure.reason in _QUOTA_REACHED:
            sentences.append(self._advice_on_quota())
        # Say what is different now, and what is not.
        for title, steps in (
            ("Applied by this invocation", self.applied),
            ("May have been applied (no response)", self.possibly_applied),
            ("Not applied", self.not_applied),
        ):
            if steps:
                sentences.append(f"{title}: {', '.join(map(str, steps))}.")
        if not self.applied and not self.possibly_applied:
            sentences.append("Nothing was changed by this invocation.")
        return " ".join(sentences)

    def _advice_on_quota(self) -> str:
        """Return what to list if AWS registers no further delegated administrator for IAM."""
        new, old = self._accounts_of(Operation.REGISTER), self._accounts_of(Operation.DEREGISTER)
        if not old:
            return "List fewer delegated_administrators."
        return (
            f"Deploy twice: first without {new} in delegated_administrators, which deregisters "
            f"{old}, and then with {new}."
        )

    def _accounts_of(self, operation: Operation) -> str:
        """Return in words the accounts that were not registered, or not deregistered."""
        steps = [step for step in self.not_applied if step.operation is operation]
        return " and ".join(str(step.account_id) for step in steps)


def describe_step(
    failure: Failure, *, step: Step | None = None, account_id: str, retry_advice: str = ""
) -> str:
    """Return what failed, in which account, AWS's code and message, and what to do about it."""
    sentence = (
        f"{step or failure.operation} failed in account {account_id}: {describe_response(failure)}"
    )
    return f"{sentence} {_remedy(failure, step=step, retry_advice=retry_advice)}".rstrip()


def _remedy(failure: Failure, *, step: Step | None, retry_advice: str) -> str:
    """Return what to do about a failed step or read; empty if AWS's message has to do."""
    match failure.kind:
        case FailureKind.ACCESS_DENIED:
            return (
                "A policy or a permissions boundary of the function's role denies "
                f"{failure.operation}: allow it. (Service control policies never apply to the "
                f"management account.) {retry_advice}"
            )
        case FailureKind.INCONSISTENT_READS | FailureKind.INCOMPLETE_RESPONSE:
            return (
                "The state of root access is unknown, which is not the same as disabled. "
                f"{retry_advice}"
            )
        case FailureKind.REFUSED if step and step.operation is Operation.REGISTER:
            default = "Check {} in delegated_administrators."
            remedy = _REGISTER_REMEDIES.get(failure.reason or failure.name, default)
            return remedy.format(step.account_id)
        case FailureKind.REFUSED:
            return ""
        case _:
            return retry_advice
