"""An organization's root access as AWS reports it, and the calls that change it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws_calls.calls import AwsCalls, require
from aws_calls.failures import CallError, FailureKind, error_of_call, ignoring
from aws_calls.invocation import Invocation

from .root_access_errors import (
    NotAllFeaturesError,
    NotInAnOrganizationError,
    NotTheManagementAccountError,
)
from .state import SERVICE_PRINCIPAL, RootAccess
from .steps import Operation, Step

DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
LIST_TRUSTED_ACCESS = "organizations:ListAWSServiceAccessForOrganization"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
LIST_DELEGATED_ADMINISTRATORS = "organizations:ListDelegatedAdministrators"

# AWS's maximum.
_PAGE_SIZE = 20

# An observation waits this long for a read whose result is only reported: a time-out, and a second
# attempt.
_OPTIONAL_READ_SECONDS = 20.0

# AWS's codes for a step that is applied already, or that has nothing to undo.
_ALREADY_APPLIED = {
    Operation.REGISTER: ("AccountAlreadyRegistered",),
    Operation.DEREGISTER: ("AccountNotRegistered", "AccountNotFound"),
}


@dataclass(frozen=True, kw_only=True)
class OrganizationIdentity:
    """The organization that an account is in.

    Attributes:
        organization_id: Its ID.
        management_account_id: The account that manages it.
        has_all_features: Whether it has more than consolidated billing.
    """

    organization_id: str
    management_account_id: str
    has_all_features: bool


def identify_organization(aws: AwsCalls) -> OrganizationIdentity | None:
    """Return the organization that the calling account is in; None if it is in none.

    Raises:
        CallError: The read failed.
    """
    with ignoring("AWSOrganizationsNotInUse"):
        organization = aws.call(DESCRIBE_ORGANIZATION).require("Organization")
        id_, manager, features = (
            require(organization, member, operation=DESCRIBE_ORGANIZATION)
            for member in ("Id", "MasterAccountId", "FeatureSet")
        )
        return OrganizationIdentity(
            organization_id=id_, management_account_id=manager, has_all_features=features == "ALL"
        )
    return None


def list_delegated_administrators(aws: AwsCalls) -> list[str]:
    """Return the delegated administrators for IAM, sorted: AWS's order is not documented.

    Raises:
        CallError: The read failed.
    """
    accounts = aws.pages(
        LIST_DELEGATED_ADMINISTRATORS,
        items="DelegatedAdministrators",
        ServicePrincipal=SERVICE_PRINCIPAL,
        MaxResults=_PAGE_SIZE,
    )
    return sorted(
        require(account, "Id", operation=LIST_DELEGATED_ADMINISTRATORS) for account in accounts
    )


@dataclass(frozen=True, kw_only=True)
class Organization:
    """The organization that an account manages.

    Attributes:
        aws: The calls of the account, with the time for retries.
        delegates_managed: Whether the stack lists delegated administrators. Otherwise they may stay
            unknown.
    """

    aws: Invocation
    delegates_managed: bool = True

    def observe(self) -> RootAccess:
        """Return the organization's root access. Which organization it is, is read only once.

        Reads that contradict each other are all repeated, by the budget that repeats a call: a
        change takes a moment to be visible in each of them.

        Raises:
            RootAccessError: Root access cannot be enabled from this account.
            CallError: A read failed, or the reads contradict each other.
        """
        return self.aws.budget.attempt(self._observe_once, operation=DESCRIBE_ORGANIZATION)

    def apply(self, step: Step) -> bool:
        """Apply one step, and return whether it changed something: it may be applied already.

        Raises:
            CallError: AWS refused the call, or it did not succeed in time.
        """
        # IAM's calls are about the two features alone, those of Organizations about any service.
        parameters = {}
        if not step.operation.startswith("iam:"):
            parameters["ServicePrincipal"] = SERVICE_PRINCIPAL
        if step.account_id:
            parameters["AccountId"] = step.account_id
        changed = True
        try:
            self.aws.call(step.operation, **parameters)
        except CallError as error:
            if error.failure.name not in _ALREADY_APPLIED.get(step.operation, ()):
                raise
            # If an earlier response was lost, it was that attempt which has applied it.
            changed = error.failure.may_have_taken_effect
        return changed

    def _observe_once(self) -> RootAccess:
        """Return the root access by one read each, of which the later ones depend on the earlier.

        Raises:
            RootAccessError: As for `observe`.
        """
        observed_at = self.aws.clock.utc_now()
        # First of all the account is judged: in a member account AWS denies the other reads.
        identity = self._managed_organization
        iam_entry = self._read_trusted_access()
        trusted_access = bool(iam_entry)
        return RootAccess(
            organization_id=identity.organization_id,
            management_account_id=identity.management_account_id,
            trusted_access=trusted_access,
            trusted_access_enabled_at=iam_entry.get("DateEnabled"),
            features=self._read_features(trusted_access=trusted_access),
            delegated_administrators=self._read_delegated_administrators(
                trusted_access=trusted_access
            ),
            observed_at=observed_at,
        )

    @functools.cached_property
    def _managed_organization(self) -> OrganizationIdentity:
        """The organization, of which this has to be the management account."""
        identity = identify_organization(self.aws)
        if identity is None:
            raise NotInAnOrganizationError(account_id=self.aws.account_id)
        if identity.management_account_id != self.aws.account_id:
            raise NotTheManagementAccountError(
                account_id=self.aws.account_id,
                organization_id=identity.organization_id,
                management_account_id=identity.management_account_id,
            )
        if not identity.has_all_features:
            raise NotAllFeaturesError(
                account_id=self.aws.account_id, organization_id=identity.organization_id
            )
        return identity

    def _read_trusted_access(self) -> Mapping[str, Any]:
        """Return IAM's entry in the list of services; empty if trusted access is disabled."""
        services: Iterator[Mapping[str, Any]] = self.aws.pages(
            LIST_TRUSTED_ACCESS, items="EnabledServicePrincipals", MaxResults=_PAGE_SIZE
        )
        for service in services:
            principal = require(service, "ServicePrincipal", operation=LIST_TRUSTED_ACCESS)
            if principal == SERVICE_PRINCIPAL:
                return service
        return {}

    def _read_features(self, *, trusted_access: bool) -> frozenset[str]:
        """Return the enabled features; none while trusted access is disabled, which hides them.

        Raises:
            CallError: The read failed, or contradicts that trusted access is enabled or disabled.
        """
        features: frozenset[str] = frozenset()
        try:
            features = frozenset(self.aws.call(LIST_FEATURES).require("EnabledFeatures"))
            are_hidden = False
        except CallError as error:
            # Without trusted access IAM refuses to list them, and they may be enabled all the same.
            # https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOrganizationsFeatures.html
            if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                raise
            are_hidden = True
        # IAM hides them exactly while trusted access is disabled: otherwise a read is outdated.
        if trusted_access == are_hidden:
            raise _inconsistent_reads(LIST_FEATURES, trusted_access=trusted_access)
        return features

    def _read_delegated_administrators(self, *, trusted_access: bool) -> tuple[str, ...] | None:
        """Return the accounts; None if they could not be read, and are not managed.

        Raises:
            CallError: They are managed, and could not be read.
        """
        reads = self.aws
        # If they are not managed, they are only reported, and not worth a long wait.
        if not self.delegates_managed:
            reads = reads.within(_OPTIONAL_READ_SECONDS)
        try:
            return tuple(list_delegated_administrators(reads))
        except CallError as error:
            kind = error.failure.kind
            refused = kind in (FailureKind.REFUSED, FailureKind.TRUSTED_ACCESS_DISABLED)
            if refused and not trusted_access:
                # The one refusal that counts as an empty list: AWS refuses to disable trusted
                # access while a delegated administrator is registered.
                return ()
            if not self.delegates_managed:
                return None
            if kind is FailureKind.TRUSTED_ACCESS_DISABLED:
                raise _inconsistent_reads(
                    LIST_DELEGATED_ADMINISTRATORS, trusted_access=True
                ) from error
            raise


def _inconsistent_reads(operation: str, *, trusted_access: bool) -> CallError:
    """Return the error of reads that cannot both be true: a change takes a moment to be visible.

    Args:
        operation: The read that contradicts the list of trusted services.
        trusted_access: Whether that list has IAM.
    """
    message = f"{LIST_TRUSTED_ACCESS} does not list {SERVICE_PRINCIPAL}, but {operation} succeeds"
    if trusted_access:
        message = (
            f"{LIST_TRUSTED_ACCESS} lists {SERVICE_PRINCIPAL}, but {operation} reports it as "
            "disabled"
        )
    return error_of_call(operation, FailureKind.INCONSISTENT_READS, message)
