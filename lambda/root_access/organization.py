"""An organization's root access as AWS reports it, and the calls that change it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aws_calls.calls import AwsCalls, require
from aws_calls.failures import CallError, Failure, FailureKind, error_of_call, ignoring
from aws_calls.retry import RetryBudget

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

# A deployment waits this long for a read whose result is only reported: two time-outs, a third
# attempt.
_OPTIONAL_READ_SECONDS = 40.0

# AWS's codes for a step that is applied already, or that has nothing to undo.
_ALREADY_APPLIED = {
    Operation.REGISTER: ("AccountAlreadyRegistered",),
    Operation.DEREGISTER: ("AccountNotRegistered", "AccountNotFound"),
}


@dataclass(frozen=True, kw_only=True)
class StepResponse:
    """The response to a step.

    Attributes:
        changed: Whether the step changed something; otherwise nothing was left to change.
        features: The features that are enabled now; None if the response does not say it.
    """

    changed: bool
    features: frozenset[str] | None


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
    """Return the delegated administrators for IAM, the earliest registration first.

    Raises:
        CallError: The read failed.
    """
    accounts = aws.pages(
        LIST_DELEGATED_ADMINISTRATORS,
        items="DelegatedAdministrators",
        ServicePrincipal=SERVICE_PRINCIPAL,
        MaxResults=_PAGE_SIZE,
    )
    # AWS's order is not documented.
    registered = []
    for account in accounts:
        account_id = require(account, "Id", operation=LIST_DELEGATED_ADMINISTRATORS)
        since = account.get("DelegationEnabledDate", datetime.min.replace(tzinfo=UTC))
        registered.append((since, account_id))
    return [account_id for _, account_id in sorted(registered)]


class Organization:
    """The organization that an account manages; delegates that are not managed may stay unknown."""

    def __init__(
        self,
        *,
        aws: AwsCalls,
        account_id: str,
        delegates_managed: bool = True,
    ) -> None:
        self._aws = aws
        self._delegates_managed = delegates_managed
        self.account_id = account_id
        # A denial ends a read at once: a member account is recognized without waiting.
        self._reads = aws.with_budget(replace(aws.budget, new_permissions_until=None))

    @property
    def budget(self) -> RetryBudget:
        """How long transient failures are retried."""
        return self._aws.budget

    def observe(self) -> RootAccess:
        """Return the organization's root access. Which organization it is, is read only once.

        Raises:
            RootAccessError: Root access cannot be enabled from this account.
            CallError: A read failed, or the reads contradict each other.
        """
        return self.budget.attempt(self._observe_once, operation=DESCRIBE_ORGANIZATION)

    def apply(self, step: Step) -> StepResponse:
        """Apply one step.

        Raises:
            CallError: AWS refused the call, or it did not succeed in time.
        """
        # IAM's calls are about the two features alone, those of Organizations about any service.
        parameters = {}
        if not step.operation.startswith("iam:"):
            parameters["ServicePrincipal"] = SERVICE_PRINCIPAL
        if step.account_id:
            parameters["AccountId"] = step.account_id
        try:
            response = self._aws.call(step.operation, **parameters)
        except CallError as error:
            if error.failure.name not in _ALREADY_APPLIED.get(step.operation, ()):
                raise
            # If an earlier response was lost, it was that attempt which has applied it.
            return StepResponse(changed=error.failure.may_have_taken_effect, features=None)
        features = response.get("EnabledFeatures")
        if features is not None:
            features = frozenset(features)
        return StepResponse(changed=True, features=features)

    def _observe_once(self) -> RootAccess:
        # Four reads at once: each takes as long as AWS takes to respond.
        with ThreadPoolExecutor() as pool:
            identity = pool.submit(lambda: self._identity)
            features = pool.submit(self._read_features)
            service = pool.submit(self._read_trusted_access)
            delegates = pool.submit(self._read_delegated_administrators)

        # Report the failure that says most.
        if not isinstance(identity.exception(), CallError):
            # Only this read judges the account: in a member account the others are denied.
            self._require_management_account(identity.result())
        for read in (identity, features, service, delegates):
            # A refusal is final, and says more than a denial.
            error = read.exception()
            if isinstance(error, CallError) and error.failure.kind is FailureKind.REFUSED:
                raise error
        return self._root_access(
            identity.result(), features.result(), service.result(), delegates.result()
        )

    def _root_access(
        self,
        identity: OrganizationIdentity,
        features: frozenset[str] | Failure,
        service: Mapping[str, Any],
        delegates: tuple[str, ...] | Failure,
    ) -> RootAccess:
        """Return the state that the reads show.

        Raises:
            CallError: They contradict each other.
        """
        # Without trusted access IAM refuses to list the features, which may be enabled all the
        # same. https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOrganizationsFeatures.html
        trusted_access = bool(service)
        if trusted_access == isinstance(features, Failure):
            raise _inconsistent_reads(LIST_FEATURES, trusted_access=trusted_access)
        if isinstance(features, Failure):
            features = frozenset()
        return RootAccess(
            organization_id=identity.organization_id,
            management_account_id=identity.management_account_id,
            trusted_access=trusted_access,
            trusted_access_enabled_at=service.get("DateEnabled"),
            features=features,
            delegated_administrators=self._delegates(delegates, trusted_access=trusted_access),
        )

    def _delegates(
        self, delegates: tuple[str, ...] | Failure, *, trusted_access: bool
    ) -> tuple[str, ...] | None:
        if not isinstance(delegates, Failure):
            return delegates
        if not trusted_access:
            # The one refusal that counts as an empty list: AWS refuses to disable trusted access
            # while a delegated administrator is registered.
            return ()
        if not self._delegates_managed:
            return None
        if delegates.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
            raise _inconsistent_reads(LIST_DELEGATED_ADMINISTRATORS, trusted_access=True)
        raise CallError(delegates)

    def _require_management_account(self, identity: OrganizationIdentity) -> None:
        if identity.management_account_id != self.account_id:
            raise NotTheManagementAccountError(
                account_id=self.account_id,
                organization_id=identity.organization_id,
                management_account_id=identity.management_account_id,
            )
        if not identity.has_all_features:
            raise NotAllFeaturesError(
                account_id=self.account_id, organization_id=identity.organization_id
            )

    @functools.cached_property
    def _identity(self) -> OrganizationIdentity:
        identity = identify_organization(self._reads)
        if identity is None:
            raise NotInAnOrganizationError(account_id=self.account_id)
        return identity

    def _read_features(self) -> frozenset[str] | Failure:
        """Return the features; the refusal if trusted access is disabled and IAM hides them."""
        try:
            response = self._reads.call(LIST_FEATURES)
        except CallError as error:
            failure: Failure = error.failure
            if failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                raise
            return failure
        return frozenset(response.require("EnabledFeatures"))

    def _read_trusted_access(self) -> Mapping[str, Any]:
        """Return IAM's entry in the list of services; empty if it is not listed."""
        services: Iterator[Mapping[str, Any]] = self._reads.pages(
            LIST_TRUSTED_ACCESS, items="EnabledServicePrincipals", MaxResults=_PAGE_SIZE
        )
        for service in services:
            principal = require(service, "ServicePrincipal", operation=LIST_TRUSTED_ACCESS)
            if principal == SERVICE_PRINCIPAL:
                return service
        return {}

    def _read_delegated_administrators(self) -> tuple[str, ...] | Failure:
        """Return the accounts, or the refusal if it does not end the observation."""
        reads = self._reads
        if not self._delegates_managed:
            reads = reads.within(_OPTIONAL_READ_SECONDS)
        try:
            return tuple(list_delegated_administrators(reads))
        except CallError as error:
            failure: Failure = error.failure
            refused = failure.kind in (FailureKind.REFUSED, FailureKind.TRUSTED_ACCESS_DISABLED)
            if self._delegates_managed and not refused:
                raise
            return failure


def _inconsistent_reads(operation: str, *, trusted_access: bool) -> CallError:
    """Return the error of reads that cannot all be true: a change takes a moment to be visible."""
    sees, but = "does not list", "succeeds"
    if trusted_access:
        sees, but = "lists", "reports it as disabled"
    message = f"{LIST_TRUSTED_ACCESS} {sees} {SERVICE_PRINCIPAL}, but {operation} {but}"
    return error_of_call(operation, FailureKind.INCONSISTENT_READS, message)
