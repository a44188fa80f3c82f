"""An organization's root access, and the calls that change it: all boto3, clients passed in."""

from __future__ import annotations

import functools
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from aws_calls.calls import call, pages, require
from aws_calls.failures import CallError, Failure, FailureKind, unusable_response
from aws_calls.runtime import one_attempt

from .root_access_errors import (
    NotAllFeaturesError,
    NotInAnOrganizationError,
    NotTheManagementAccountError,
    SdkTooOldError,
)
from .state import SERVICE_PRINCIPAL, RootAccess
from .steps import Operation, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import RetryBudget

DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
LIST_TRUSTED_ACCESS = "organizations:ListAWSServiceAccessForOrganization"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
LIST_DELEGATED_ADMINISTRATORS = "organizations:ListDelegatedAdministrators"

# AWS's maximum. It has fewer services, and allows fewer delegates, than fit on these pages.
_PAGE_SIZE = 20
_MAX_PAGES = 100

# How long a deployment waits for a read whose result is only reported: two time-outs and a third attempt.
_OPTIONAL_READ_SECONDS = 40.0

# What AWS returns when a step is applied already, or when there is nothing to undo.
_ALREADY_APPLIED = {
    Operation.REGISTER: ("AccountAlreadyRegistered",),
    Operation.DEREGISTER: ("AccountNotRegistered", "AccountNotFound"),
}

# If several reads fail, report the one with the lowest rank.
_RANKS = {FailureKind.REFUSED: 0, FailureKind.INCOMPLETE_RESPONSE: 1, FailureKind.ACCESS_DENIED: 2}


@dataclass(frozen=True, kw_only=True)
class RootAccessClients:
    """The clients, for any Region of the partition: both services are global."""

    iam: IAMClient
    organizations: OrganizationsClient


@functools.cache
def create_clients() -> RootAccessClients:
    """Return clients that make one attempt per call; created once in a sandbox.

    They are botocore's, as boto3's are, without the import of boto3: a sixth of a cold start.
    """
    from botocore.session import get_session

    create_client: Any = functools.partial(get_session().create_client, config=one_attempt())
    return RootAccessClients(iam=create_client("iam"), organizations=create_client("organizations"))


class Organization:
    """The organization that an account manages; delegates that are not managed may stay unknown."""

    def __init__(
        self,
        *,
        clients: RootAccessClients,
        account_id: str,
        budget: RetryBudget,
        delegates_managed: bool = True,
        executor: Callable[[], Executor] = ThreadPoolExecutor,
    ) -> None:
        self._clients = clients
        self._delegates_managed = delegates_managed
        self._account_id = account_id
        self._budget = budget
        # A denial ends a read at once: a member account is recognized without waiting.
        self._read_budget = budget.with_final_denials()
        self._executor = executor
        self._reads: dict[str, Callable[[], object]] = {
            DESCRIBE_ORGANIZATION: lambda: self._identity,
            LIST_FEATURES: self._read_features,
            LIST_TRUSTED_ACCESS: self._read_trusted_access,
            LIST_DELEGATED_ADMINISTRATORS: self._read_delegated_administrators,
        }
        self._results: dict[str, Any] = {}

    def observe(self) -> RootAccess:
        """Return the organization's root access, by reads in parallel; its identity is read only once.

        Raises:
            RootAccessError: Root access cannot be enabled from this account.
            CallError: A read failed, or the reads contradict each other.
        """
        if LIST_FEATURES.partition(":")[2] not in self._clients.iam.meta.service_model.operation_names:
            raise SdkTooOldError(account_id=self._account_id, operation=LIST_FEATURES)
        self._results.clear()
        return self._finish_observation()

    def observe_while_enabling(self, enable: Callable[[], frozenset[str] | None]) -> RootAccess:
        """Enable a feature right after trusted access, and observe the rest in parallel.

        The response of the first Enable call lists the features that IAM was hiding.

        Raises:
            CallError: The feature could not be enabled, a read failed, or the reads contradict each other.
        """
        self._results.clear()
        features: list[frozenset[str] | None] = []
        rest = [operation for operation in self._reads if operation != LIST_FEATURES]
        # What fails here is read again, and then its failure counts.
        self._perform(rest, meanwhile=lambda: features.append(enable()))
        if features[0] is not None:
            self._results[LIST_FEATURES] = features[0]
        return self._finish_observation()

    def apply(self, step: Step, budget: RetryBudget | None = None) -> frozenset[str] | None:
        """Apply one step, and return the features that are enabled now, if the response says.

        It counts as applied if nothing was left to change.

        Raises:
            CallError: AWS refused the call, or it did not succeed in time.
        """
        service, _, action = step.operation.partition(":")
        parameters = {} if service == "iam" else {"ServicePrincipal": SERVICE_PRINCIPAL}
        if step.account_id:
            parameters["AccountId"] = step.account_id
        method = getattr(getattr(self._clients, service), xform_name(action))
        change = functools.partial(method, **parameters)
        try:
            response = call(change, operation=step.operation, budget=budget or self._budget)
        except CallError as error:
            if error.failure.name in _ALREADY_APPLIED.get(step.operation, ()):
                return None
            raise
        features = response.get("EnabledFeatures")
        return None if features is None else frozenset(features)

    def _finish_observation(self) -> RootAccess:
        return self._budget.attempt(self._observe_once, operation=DESCRIBE_ORGANIZATION)

    def _observe_once(self) -> RootAccess:
        """Perform the missing reads in parallel."""
        missing = [operation for operation in self._reads if operation not in self._results]
        errors = self._perform(missing) if missing else []
        if identity := self._results.get(DESCRIBE_ORGANIZATION):
            # The account is judged by this read alone: in a member account the others are denied.
            self._require_management_account(identity)
        if errors:
            if isinstance(self._results.get(LIST_DELEGATED_ADMINISTRATORS), Failure):
                # A new policy may have been missing for that read as well.
                del self._results[LIST_DELEGATED_ADMINISTRATORS]
            raise min(errors, key=lambda error: _RANKS.get(error.failure.kind, len(_RANKS)))
        try:
            return self._root_access(*(self._results[operation] for operation in self._reads))
        except CallError:
            self._results.clear()
            raise

    def _perform(
        self, operations: Iterable[str], *, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CallError]:
        """Perform reads and something else in parallel; return the failures of the reads."""
        errors = []
        with self._executor() as pool:
            pending = {operation: pool.submit(self._reads[operation]) for operation in operations}
            meanwhile()
        for operation, future in pending.items():
            try:
                self._results[operation] = future.result()
            except CallError as error:
                errors.append(error)
        return errors

    def _root_access(
        self,
        identity: Mapping[str, Any],
        features: frozenset[str] | Failure,
        service: Mapping[str, Any],
        delegates: tuple[str, ...] | Failure,
    ) -> RootAccess:
        """Return the state that the reads show, or raise CallError if they contradict each other."""
        trusted_access = bool(service)
        if trusted_access == isinstance(features, Failure):
            raise _inconsistent_reads(LIST_FEATURES, trusted_access=trusted_access)
        return RootAccess(
            organization_id=identity["Id"],
            management_account_id=identity["MasterAccountId"],
            trusted_access=trusted_access,
            trusted_access_enabled_at=service.get("DateEnabled"),
            features=frozenset() if isinstance(features, Failure) else features,
            delegated_administrators=self._delegates(delegates, trusted_access=trusted_access),
        )

    def _delegates(
        self, delegates: tuple[str, ...] | Failure, *, trusted_access: bool
    ) -> tuple[str, ...] | None:
        if not isinstance(delegates, Failure):
            return delegates
        if not trusted_access:
            # The one refusal that counts as an empty list: AWS refuses to disable trusted access while a
            # delegated administrator is registered.
            return ()
        if not self._delegates_managed:
            return None
        if delegates.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
            raise _inconsistent_reads(LIST_DELEGATED_ADMINISTRATORS, trusted_access=True)
        raise CallError(delegates)

    def _require_management_account(self, identity: Mapping[str, Any]) -> None:
        if identity["MasterAccountId"] != self._account_id:
            raise NotTheManagementAccountError(
                account_id=self._account_id,
                organization_id=identity["Id"],
                management_account_id=identity["MasterAccountId"],
            )
        if identity["FeatureSet"] != "ALL":
            raise NotAllFeaturesError(account_id=self._account_id, organization_id=identity["Id"])

    @functools.cached_property
    def _identity(self) -> Mapping[str, Any]:
        describe = self._clients.organizations.describe_organization
        try:
            response = call(describe, operation=DESCRIBE_ORGANIZATION, budget=self._read_budget)
        except CallError as error:
            if error.failure.name == "AWSOrganizationsNotInUse":
                raise NotInAnOrganizationError(account_id=self._account_id) from error
            raise
        identity = response.require("Organization")
        return {
            member: require(identity, member, operation=DESCRIBE_ORGANIZATION)
            for member in ("Id", "MasterAccountId", "FeatureSet")
        }

    def _read_features(self) -> frozenset[str] | Failure:
        """Return the features; the refusal if trusted access is disabled and IAM hides them."""
        list_features = self._clients.iam.list_organizations_features
        try:
            response = call(list_features, operation=LIST_FEATURES, budget=self._read_budget)
        except CallError as error:
            failure: Failure = error.failure
            if failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                raise
            return failure
        return frozenset(response.require("EnabledFeatures"))

    def _read_trusted_access(self) -> Mapping[str, Any]:
        """Return IAM's entry in the list of services; empty if it is not listed."""
        services: Iterator[Mapping[str, Any]] = pages(
            functools.partial(
                self._clients.organizations.list_aws_service_access_for_organization, MaxResults=_PAGE_SIZE
            ),
            operation=LIST_TRUSTED_ACCESS,
            budget=self._read_budget,
            items="EnabledServicePrincipals",
            max_pages=_MAX_PAGES,
        )
        for service in services:
            if require(service, "ServicePrincipal", operation=LIST_TRUSTED_ACCESS) == SERVICE_PRINCIPAL:
                return service
        return {}

    def _read_delegated_administrators(self) -> tuple[str, ...] | Failure:
        """Return the accounts, or the refusal if it does not end the observation."""
        budget = self._read_budget
        accounts = pages(
            functools.partial(
                self._clients.organizations.list_delegated_administrators,
                ServicePrincipal=SERVICE_PRINCIPAL,
                MaxResults=_PAGE_SIZE,
            ),
            operation=LIST_DELEGATED_ADMINISTRATORS,
            budget=budget if self._delegates_managed else budget.ending_in(_OPTIONAL_READ_SECONDS),
            items="DelegatedAdministrators",
            max_pages=_MAX_PAGES,
        )
        try:
            registered = sorted(
                (
                    account.get("DelegationEnabledDate", datetime.min.replace(tzinfo=UTC)),
                    require(account, "Id", operation=LIST_DELEGATED_ADMINISTRATORS),
                )
                for account in accounts
            )
        except CallError as error:
            failure: Failure = error.failure
            refused = failure.kind in (FailureKind.REFUSED, FailureKind.TRUSTED_ACCESS_DISABLED)
            if self._delegates_managed and not refused:
                raise
            return failure
        return tuple(account_id for _, account_id in registered)


def _inconsistent_reads(operation: str, *, trusted_access: bool) -> CallError:
    """Return the error of reads that cannot all be true: a change takes a moment to be visible."""
    if trusted_access:
        message = f"{LIST_TRUSTED_ACCESS} lists {SERVICE_PRINCIPAL}, but {operation} reports it as disabled"
    else:
        message = f"{LIST_TRUSTED_ACCESS} does not list {SERVICE_PRINCIPAL}, but {operation} succeeds"
    return unusable_response(operation, FailureKind.INCONSISTENT_READS, message)
