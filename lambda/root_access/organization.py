"""What an organization's root access is, and the calls that change it: all boto3, clients passed in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, Failure, FailureKind, call_errors

from .errors import (
    NotAllFeaturesError,
    NotInAnOrganizationError,
    NotTheManagementAccountError,
    SdkTooOldError,
)
from .plan import Operation, Step
from .state import SERVICE_PRINCIPAL, RootAccess

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iam.type_defs import (
        DisableOrganizationsRootCredentialsManagementResponseTypeDef,
        DisableOrganizationsRootSessionsResponseTypeDef,
        EnableOrganizationsRootCredentialsManagementResponseTypeDef,
        EnableOrganizationsRootSessionsResponseTypeDef,
        ListOrganizationsFeaturesResponseTypeDef,
    )
    from mypy_boto3_organizations.type_defs import PaginatorConfigTypeDef

    from aws_calls.retry import RetryBudget

    from .clients import Clients

    FeaturesAnswer = (
        DisableOrganizationsRootCredentialsManagementResponseTypeDef
        | DisableOrganizationsRootSessionsResponseTypeDef
        | EnableOrganizationsRootCredentialsManagementResponseTypeDef
        | EnableOrganizationsRootSessionsResponseTypeDef
        | ListOrganizationsFeaturesResponseTypeDef
    )

DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
LIST_TRUSTED_ACCESS = "organizations:ListAWSServiceAccessForOrganization"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
LIST_DELEGATED_ADMINISTRATORS = "organizations:ListDelegatedAdministrators"

# AWS gives at most twenty entries a page.
_PAGE: PaginatorConfigTypeDef = {"PageSize": 20}

# What a call answers when things are already as it would make them, or when there is nothing to undo.
_ALREADY = {
    Operation.REGISTER: frozenset({"AccountAlreadyRegistered"}),
    Operation.DEREGISTER: frozenset({"AccountNotRegistered", "AccountNotFound"}),
}

# A kind earlier in this list is the better reason to give when several reads failed.
_TELLING = (FailureKind.REFUSED, FailureKind.ACCESS_DENIED)


@dataclass(frozen=True, kw_only=True)
class _Identity:
    organization_id: str
    management_account_id: str
    all_features: bool


@dataclass(frozen=True, kw_only=True)
class _TrustedAccess:
    enabled: bool
    enabled_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class _Features:
    hidden: bool
    enabled: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class _DelegatedAdministrators:
    hidden: bool
    registered: tuple[str, ...]


@dataclass(kw_only=True)
class _Answers:
    """What the reads of one look have answered so far; None: not yet."""

    identity: _Identity | None = None
    trusted_access: _TrustedAccess | None = None
    features: _Features | None = None
    delegated_administrators: _DelegatedAdministrators | None = None


class Organization:
    """The organization that an account manages, as seen from that account.

    Args:
        clients: boto3 clients that make one attempt a call.
        account_id: the account that the clients act in.
        budget: how long to wait for a call that fails for now.
    """

    def __init__(self, *, clients: Clients, account_id: str, budget: RetryBudget) -> None:
        self._clients = clients
        self._account_id = account_id
        self._budget = budget

    def observe(self) -> RootAccess:
        """Returns what the organization's root access is, by four reads side by side.

        Raises:
            NotTheManagementAccountError: the account is a member.
            NotInAnOrganizationError: the account is in no organization.
            NotAllFeaturesError: the organization has consolidated billing only.
            SdkTooOldError: the SDK does not know the calls.
            CallError: a read failed, or the reads contradict each other.
        """
        self._require_operations()
        return self._look(_Answers())

    def observe_again(self, observed: RootAccess) -> RootAccess:
        """Returns what the root access of an organization that was observed before is now.

        Raises:
            CallError: a read failed, or the reads contradict each other.
        """
        return self._look(
            _Answers(
                identity=_Identity(
                    organization_id=observed.organization_id,
                    management_account_id=observed.management_account_id,
                    all_features=True,
                )
            )
        )

    def apply(self, step: Step, *, reserve: float = 0.0) -> frozenset[str] | None:
        """Makes one change, and returns the features that AWS answers are on; None where it does not say.

        That things are already as the step makes them counts as made.

        Args:
            step: the change.
            reserve: seconds to leave for what must be possible afterwards.

        Raises:
            CallError: the change was refused, or did not succeed in time.
        """
        budget = self._budget.reserving(reserve)
        return budget.attempt(lambda: self._apply_once(step), operation=step.operation)

    def _apply_once(self, step: Step) -> frozenset[str] | None:
        try:
            with call_errors(step.operation):
                return self._call(step)
        except CallError as error:
            if error.failure.name in _ALREADY.get(step.operation, ()):
                return None
            raise

    def _call(self, step: Step) -> frozenset[str] | None:
        iam = self._clients.iam
        organizations = self._clients.organizations
        match step.operation:
            case Operation.ENABLE_TRUSTED_ACCESS:
                organizations.enable_aws_service_access(ServicePrincipal=SERVICE_PRINCIPAL)
            case Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT:
                return _features(iam.enable_organizations_root_credentials_management())
            case Operation.ENABLE_ROOT_SESSIONS:
                return _features(iam.enable_organizations_root_sessions())
            case Operation.DISABLE_ROOT_SESSIONS:
                return _features(iam.disable_organizations_root_sessions())
            case Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT:
                return _features(iam.disable_organizations_root_credentials_management())
            case Operation.REGISTER:
                organizations.register_delegated_administrator(
                    AccountId=step.account_id or "", ServicePrincipal=SERVICE_PRINCIPAL
                )
            case Operation.DEREGISTER:
                organizations.deregister_delegated_administrator(
                    AccountId=step.account_id or "", ServicePrincipal=SERVICE_PRINCIPAL
                )
        return None

    def _require_operations(self) -> None:
        known = self._clients.iam.meta.service_model.operation_names
        if LIST_FEATURES.partition(":")[2] not in known:
            raise SdkTooOldError(account_id=self._account_id)

    def _look(self, answers: _Answers) -> RootAccess:
        return self._budget.attempt(lambda: self._look_once(answers), operation=DESCRIBE_ORGANIZATION)

    def _look_once(self, answers: _Answers) -> RootAccess:
        """Makes the reads that have not answered yet, side by side."""
        reads: list[Callable[[_Answers], None]] = []
        if answers.identity is None:
            reads.append(self._read_identity)
        if answers.features is None:
            reads.append(self._read_features)
        if answers.trusted_access is None:
            reads.append(self._read_trusted_access)
        if answers.delegated_administrators is None:
            reads.append(self._read_delegated_administrators)
        with ThreadPoolExecutor(max_workers=len(reads)) as pool:
            outcomes = [pool.submit(read, answers) for read in reads]
        errors = [error for outcome in outcomes if (error := outcome.exception())]
        for error in errors:
            if not isinstance(error, CallError):
                raise error
        match answers:
            case _Answers(identity=_Identity() as identity):
                # The account is judged by this read alone: in a member account the others are denied.
                self._require_management_account(identity)
        match answers:
            case _Answers(
                identity=_Identity() as identity,
                trusted_access=_TrustedAccess() as trusted_access,
                features=_Features() as features,
                delegated_administrators=_DelegatedAdministrators() as delegated_administrators,
            ):
                contradiction = _contradiction(trusted_access, features, delegated_administrators)
                if contradiction is None:
                    return RootAccess(
                        organization_id=identity.organization_id,
                        management_account_id=identity.management_account_id,
                        trusted_access=trusted_access.enabled,
                        trusted_access_enabled_at=trusted_access.enabled_at,
                        features=features.enabled,
                        delegated_administrators=delegated_administrators.registered,
                    )
                answers.trusted_access = answers.features = answers.delegated_administrators = None
                raise CallError(contradiction)
            case _:
                raise min(errors, key=_telling)

    def _require_management_account(self, identity: _Identity) -> None:
        if identity.management_account_id != self._account_id:
            raise NotTheManagementAccountError(
                account_id=self._account_id,
                organization_id=identity.organization_id,
                management_account_id=identity.management_account_id,
            )
        if not identity.all_features:
            raise NotAllFeaturesError(account_id=self._account_id, organization_id=identity.organization_id)

    def _read_identity(self, answers: _Answers) -> None:
        try:
            with call_errors(DESCRIBE_ORGANIZATION):
                organization = self._clients.organizations.describe_organization()["Organization"]
        except CallError as error:
            if error.failure.name == "AWSOrganizationsNotInUse":
                raise NotInAnOrganizationError(account_id=self._account_id) from error
            raise
        answers.identity = _Identity(
            organization_id=organization["Id"],
            management_account_id=organization["MasterAccountId"],
            all_features=organization["FeatureSet"] == "ALL",
        )

    def _read_trusted_access(self, answers: _Answers) -> None:
        paginator = self._clients.organizations.get_paginator("list_aws_service_access_for_organization")
        with call_errors(LIST_TRUSTED_ACCESS):
            dates = {
                entry["ServicePrincipal"]: entry.get("DateEnabled")
                for page in paginator.paginate(PaginationConfig=_PAGE)
                for entry in page["EnabledServicePrincipals"]
            }
        answers.trusted_access = _TrustedAccess(
            enabled=SERVICE_PRINCIPAL in dates, enabled_at=dates.get(SERVICE_PRINCIPAL)
        )

    def _read_features(self, answers: _Answers) -> None:
        try:
            with call_errors(LIST_FEATURES):
                enabled = _features(self._clients.iam.list_organizations_features())
        except CallError as error:
            if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                raise
            answers.features = _Features(hidden=True, enabled=frozenset())
        else:
            answers.features = _Features(hidden=False, enabled=enabled)

    def _read_delegated_administrators(self, answers: _Answers) -> None:
        paginator = self._clients.organizations.get_paginator("list_delegated_administrators")
        try:
            with call_errors(LIST_DELEGATED_ADMINISTRATORS):
                dates = {
                    entry["Id"]: entry.get("DelegationEnabledDate", datetime.min.replace(tzinfo=UTC))
                    for page in paginator.paginate(ServicePrincipal=SERVICE_PRINCIPAL, PaginationConfig=_PAGE)
                    for entry in page["DelegatedAdministrators"]
                }
        except CallError as error:
            if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                raise
            answers.delegated_administrators = _DelegatedAdministrators(hidden=True, registered=())
        else:
            answers.delegated_administrators = _DelegatedAdministrators(
                hidden=False, registered=tuple(sorted(dates, key=lambda id_: (dates[id_], id_)))
            )


def _features(answer: FeaturesAnswer) -> frozenset[str]:
    return frozenset(answer.get("EnabledFeatures", ()))


def _contradiction(
    trusted_access: _TrustedAccess,
    features: _Features,
    delegated_administrators: _DelegatedAdministrators,
) -> Failure | None:
    """Says where the reads cannot all be true; the change between them takes a moment to be seen."""
    if trusted_access.enabled == features.hidden:
        operation, hidden = LIST_FEATURES, features.hidden
    elif trusted_access.enabled and delegated_administrators.hidden:
        operation, hidden = LIST_DELEGATED_ADMINISTRATORS, True
    else:
        return None
    return Failure(
        operation=operation,
        kind=FailureKind.INCONSISTENT_READS,
        code="Unknown",
        message=(
            f"{LIST_TRUSTED_ACCESS} lists {SERVICE_PRINCIPAL} as "
            f"{'on' if trusted_access.enabled else 'off'}, {operation} says that it is "
            f"{'off' if hidden else 'on'}"
        ),
    )


def _telling(error: BaseException) -> int:
    kind = error.failure.kind if isinstance(error, CallError) else None
    return _TELLING.index(kind) if kind in _TELLING else len(_TELLING)
