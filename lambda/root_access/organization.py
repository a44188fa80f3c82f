"""An organization's root access, and the calls that change it: all boto3, clients passed in."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_calls.calls import call, pages, require
from aws_calls.failures import CallError, Failure, FailureKind

from .errors import (
    NotAllFeaturesError,
    NotInAnOrganizationError,
    NotTheManagementAccountError,
    SdkTooOldError,
)
from .plan import Operation, Step
from .state import SERVICE_PRINCIPAL, RootAccess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from aws_calls.retry import RetryBudget

    from .clients import Clients

DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
LIST_TRUSTED_ACCESS = "organizations:ListAWSServiceAccessForOrganization"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
LIST_DELEGATED_ADMINISTRATORS = "organizations:ListDelegatedAdministrators"

# AWS returns at most twenty entries a page. It has fewer services, and allows fewer delegates, than this.
_PAGE_SIZE = 20
_MAX_PAGES = 100

# How long a deployment waits for a read whose result is only reported: two time-outs and a third attempt.
_OPTIONAL_READ_SECONDS = 40.0

# What AWS returns when a step is applied already, or when there is nothing to undo.
_ALREADY_APPLIED = {
    Operation.REGISTER: frozenset({"AccountAlreadyRegistered"}),
    Operation.DEREGISTER: frozenset({"AccountNotRegistered", "AccountNotFound"}),
}

# When several reads failed, the first of these kinds is the best reason to give; any other comes after.
_MOST_INFORMATIVE = (FailureKind.REFUSED, FailureKind.INCOMPLETE_RESPONSE, FailureKind.ACCESS_DENIED)


@dataclass(frozen=True, kw_only=True)
class _Identity:
    organization_id: str
    management_account_id: str
    all_features: bool


@dataclass(frozen=True, kw_only=True)
class _Features:
    hidden: bool
    enabled: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class _TrustedAccess:
    enabled: bool
    enabled_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class _DelegatedAdministrators:
    refusal: Failure | None
    registered: tuple[str, ...]


@dataclass(kw_only=True)
class _Reads:
    """What the reads of one observation have returned so far; None: nothing yet."""

    delegates_managed: bool
    identity: _Identity | None = None
    features: _Features | None = None
    trusted_access: _TrustedAccess | None = None
    delegated_administrators: _DelegatedAdministrators | None = None

    def missing(self) -> tuple[str, ...]:
        """Return the names of the reads that have not returned."""
        return tuple(read.name for read in fields(self) if getattr(self, read.name) is None)

    def discard_refusal(self) -> None:
        """Forget a refused list of delegates: a new policy may have been missing for that read as well."""
        if self.delegated_administrators and self.delegated_administrators.refusal:
            self.delegated_administrators = None

    def discard_state(self) -> None:
        """Forget everything except the identity."""
        self.features = self.trusted_access = self.delegated_administrators = None

    def as_root_access(self) -> RootAccess:
        """Return what the reads say together.

        Raises:
            CallError: They contradict each other.
        """
        identity, features, trusted_access = self.identity, self.features, self.trusted_access
        delegated_administrators = self.delegated_administrators
        if not (identity and features and trusted_access and delegated_administrators):
            raise ValueError(f"Not read yet: {', '.join(self.missing())}.")
        if trusted_access.enabled == features.hidden:
            raise _inconsistent_reads(LIST_FEATURES, trusted_access=trusted_access.enabled)
        return RootAccess(
            organization_id=identity.organization_id,
            management_account_id=identity.management_account_id,
            trusted_access=trusted_access.enabled,
            trusted_access_enabled_at=trusted_access.enabled_at,
            features=features.enabled,
            delegated_administrators=self._delegates(
                delegated_administrators, trusted_access=trusted_access.enabled
            ),
        )

    def _delegates(
        self, delegated_administrators: _DelegatedAdministrators, *, trusted_access: bool
    ) -> tuple[str, ...] | None:
        refusal = delegated_administrators.refusal
        if refusal is None:
            return delegated_administrators.registered
        if not trusted_access:
            # The one refusal that counts as an empty list: nobody has recorded what AWS answers here, and
            # AWS refuses to disable trusted access while a delegated administrator is registered.
            return ()
        if not self.delegates_managed:
            return None
        if refusal.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
            raise _inconsistent_reads(LIST_DELEGATED_ADMINISTRATORS, trusted_access=True)
        raise CallError(refusal)


class Organization:
    """The organization that an account manages, as seen from that account.

    Args:
        clients: The boto3 clients, which make one attempt a call.
        account_id: The account that the clients act in.
        budget: How long to retry transient failures.
        delegates_managed: Whether the delegated administrators matter. Otherwise a read of them that fails
            leaves them unknown, and nothing else.
        executor: Makes the pool that reads in parallel.
    """

    def __init__(
        self,
        *,
        clients: Clients,
        account_id: str,
        budget: RetryBudget,
        delegates_managed: bool = True,
        executor: Callable[[], Executor] = ThreadPoolExecutor,
    ) -> None:
        self._clients = clients
        self._delegates_managed = delegates_managed
        self._account_id = account_id
        self._budget = budget
        self._executor = executor
        self._readers: dict[str, Callable[[], object]] = {
            "identity": self._read_identity,
            "features": self._read_features,
            "trusted_access": self._read_trusted_access,
            "delegated_administrators": self._read_delegated_administrators,
        }

    def observe(self) -> RootAccess:
        """Return the organization's root access, by four reads in parallel.

        Raises:
            NotTheManagementAccountError: The account is a member.
            NotInAnOrganizationError: The account is not a member of an organization.
            NotAllFeaturesError: The organization has consolidated billing only.
            SdkTooOldError: The SDK does not know the calls.
            CallError: A read failed, or the reads contradict each other.
        """
        known = self._clients.iam.meta.service_model.operation_names
        if LIST_FEATURES.partition(":")[2] not in known:
            raise SdkTooOldError(account_id=self._account_id, operation=LIST_FEATURES)
        return self._observe(_Reads(delegates_managed=self._delegates_managed))

    def observe_again(self, observed: RootAccess) -> RootAccess:
        """Return the current root access of an organization that was observed before.

        Raises:
            CallError: A read failed, or the reads contradict each other.
        """
        return self._observe(self._reads_after(observed))

    def observe_while_enabling(
        self, observed: RootAccess, enable: Callable[[], frozenset[str] | None]
    ) -> RootAccess:
        """Enable a feature right after trusted access, and read the rest in parallel.

        The response of the first Enable call lists the features that IAM was hiding, so that they need no
        read of their own.

        Args:
            observed: What was observed before.
            enable: Enables the feature; returns the features that are enabled now, or None.

        Raises:
            CallError: The feature could not be enabled, a read failed, or the reads contradict each other.
        """
        reads = self._reads_after(observed)
        rest = tuple(name for name in reads.missing() if name != "features")

        def enable_first() -> None:
            features = enable()
            if features is not None:
                reads.features = _Features(hidden=False, enabled=features)

        # What fails here is read again, and then its failure counts.
        self._perform(reads, rest, meanwhile=enable_first)
        return self._observe(reads)

    def apply(
        self,
        step: Step,
        budget: RetryBudget | None = None,
        *,
        before_attempt: Callable[[], None] = lambda: None,
    ) -> frozenset[str] | None:
        """Apply one step. It counts as applied where nothing was left to change.

        Args:
            step: The step.
            budget: How long to retry; by default as long as any call.
            before_attempt: Called right before each attempt; what it raises prevents the attempt.

        Returns:
            The features that are enabled now; None where the response does not say.

        Raises:
            CallError: AWS refused the call, or it did not succeed in time.
        """

        def attempt() -> Mapping[str, Any]:
            before_attempt()
            return self._call(step)

        try:
            response = call(attempt, operation=step.operation, budget=budget or self._budget)
        except CallError as error:
            if error.failure.name in _ALREADY_APPLIED.get(step.operation, ()):
                return None
            raise
        features = response.get("EnabledFeatures")
        return None if features is None else frozenset(features)

    def _call(self, step: Step) -> Mapping[str, Any]:
        iam = self._clients.iam
        organizations = self._clients.organizations
        account_id = step.account_id or ""
        match step.operation:
            case Operation.ENABLE_TRUSTED_ACCESS:
                return organizations.enable_aws_service_access(ServicePrincipal=SERVICE_PRINCIPAL)
            case Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT:
                return iam.enable_organizations_root_credentials_management()
            case Operation.ENABLE_ROOT_SESSIONS:
                return iam.enable_organizations_root_sessions()
            case Operation.DISABLE_ROOT_SESSIONS:
                return iam.disable_organizations_root_sessions()
            case Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT:
                return iam.disable_organizations_root_credentials_management()
            case Operation.REGISTER:
                return organizations.register_delegated_administrator(
                    AccountId=account_id, ServicePrincipal=SERVICE_PRINCIPAL
                )
            case Operation.DEREGISTER:
                return organizations.deregister_delegated_administrator(
                    AccountId=account_id, ServicePrincipal=SERVICE_PRINCIPAL
                )

    def _reads_after(self, observed: RootAccess) -> _Reads:
        return _Reads(
            delegates_managed=self._delegates_managed,
            identity=_Identity(
                organization_id=observed.organization_id,
                management_account_id=observed.management_account_id,
                all_features=True,
            ),
        )

    def _observe(self, reads: _Reads) -> RootAccess:
        return self._budget.attempt(lambda: self._observe_once(reads), operation=DESCRIBE_ORGANIZATION)

    def _observe_once(self, reads: _Reads) -> RootAccess:
        """Perform the missing reads in parallel. What has returned once is not read again."""
        errors = self._perform(reads, reads.missing()) if reads.missing() else []
        if reads.identity:
            # The account is judged by this read alone: in a member account the others are denied.
            self._require_management_account(reads.identity)
        if errors:
            reads.discard_refusal()
            raise min(errors, key=_rank)
        try:
            return reads.as_root_access()
        except CallError:
            reads.discard_state()
            raise

    def _perform(
        self, reads: _Reads, names: tuple[str, ...], *, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CallError]:
        """Perform reads in parallel, and something else meanwhile; return the failures of the reads."""
        with self._executor() as pool:
            pending = {name: pool.submit(self._readers[name]) for name in names}
            meanwhile()
        errors: list[CallError] = []
        for name, future in pending.items():
            try:
                setattr(reads, name, future.result())
            except CallError as error:
                errors.append(error)
        return errors

    def _require_management_account(self, identity: _Identity) -> None:
        if identity.management_account_id != self._account_id:
            raise NotTheManagementAccountError(
                account_id=self._account_id,
                organization_id=identity.organization_id,
                management_account_id=identity.management_account_id,
            )
        if not identity.all_features:
            raise NotAllFeaturesError(account_id=self._account_id, organization_id=identity.organization_id)

    def _read_identity(self) -> _Identity:
        try:
            response = call(
                self._clients.organizations.describe_organization,
                operation=DESCRIBE_ORGANIZATION,
                budget=self._read_budget,
            )
        except CallError as error:
            if error.failure.name == "AWSOrganizationsNotInUse":
                raise NotInAnOrganizationError(account_id=self._account_id) from error
            raise
        organization = functools.partial(
            require, response.require("Organization"), operation=DESCRIBE_ORGANIZATION
        )
        return _Identity(
            organization_id=organization("Id"),
            management_account_id=organization("MasterAccountId"),
            all_features=organization("FeatureSet") == "ALL",
        )

    def _read_features(self) -> _Features:
        try:
            response = call(
                self._clients.iam.list_organizations_features,
                operation=LIST_FEATURES,
                budget=self._read_budget,
            )
        except CallError as error:
            if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                raise
            return _Features(hidden=True, enabled=frozenset())
        return _Features(hidden=False, enabled=frozenset(response.require("EnabledFeatures")))

    def _read_trusted_access(self) -> _TrustedAccess:
        services = self._pages(
            functools.partial(
                self._clients.organizations.list_aws_service_access_for_organization, MaxResults=_PAGE_SIZE
            ),
            operation=LIST_TRUSTED_ACCESS,
            items="EnabledServicePrincipals",
        )
        for service in services:
            if require(service, "ServicePrincipal", operation=LIST_TRUSTED_ACCESS) == SERVICE_PRINCIPAL:
                return _TrustedAccess(enabled=True, enabled_at=service.get("DateEnabled"))
        return _TrustedAccess(enabled=False, enabled_at=None)

    def _read_delegated_administrators(self) -> _DelegatedAdministrators:
        accounts = self._pages(
            functools.partial(
                self._clients.organizations.list_delegated_administrators,
                ServicePrincipal=SERVICE_PRINCIPAL,
                MaxResults=_PAGE_SIZE,
            ),
            operation=LIST_DELEGATED_ADMINISTRATORS,
            items="DelegatedAdministrators",
            budget=(
                self._read_budget
                if self._delegates_managed
                else self._read_budget.ending_in(_OPTIONAL_READ_SECONDS)
            ),
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
            refused = error.failure.kind in (FailureKind.REFUSED, FailureKind.TRUSTED_ACCESS_DISABLED)
            if self._delegates_managed and not refused:
                raise
            return _DelegatedAdministrators(refusal=error.failure, registered=())
        return _DelegatedAdministrators(refusal=None, registered=tuple(id_ for _, id_ in registered))

    def _pages(
        self,
        function: Callable[..., Mapping[str, Any]],
        *,
        operation: str,
        items: str,
        budget: RetryBudget | None = None,
    ) -> Iterator[Any]:
        return pages(
            function,
            operation=operation,
            budget=budget or self._read_budget,
            items=items,
            request_token="NextToken",
            response_token="NextToken",
            max_pages=_MAX_PAGES,
        )

    @property
    def _read_budget(self) -> RetryBudget:
        """A denial ends a read at once, so that a member account is recognized without waiting."""
        return self._budget.with_final_denials()


def _inconsistent_reads(operation: str, *, trusted_access: bool) -> CallError:
    """Return an error for reads that cannot all be true: a change takes a moment to be visible everywhere."""
    if trusted_access:
        message = f"{LIST_TRUSTED_ACCESS} lists {SERVICE_PRINCIPAL}, but {operation} reports it as disabled"
    else:
        message = f"{LIST_TRUSTED_ACCESS} does not list {SERVICE_PRINCIPAL}, but {operation} succeeds"
    return CallError(
        Failure(
            operation=operation,
            kind=FailureKind.INCONSISTENT_READS,
            code="InconsistentReads",
            message=message,
        )
    )


def _rank(error: CallError) -> int:
    kind = error.failure.kind
    return _MOST_INFORMATIVE.index(kind) if kind in _MOST_INFORMATIVE else len(_MOST_INFORMATIVE)
