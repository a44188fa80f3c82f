"""The organization's accounts: which of them a run is about, and which of those it skips."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aws_calls.calls import call, pages, require
from aws_calls.failures import CallError, FailureKind

from ..messages import (
    MANAGEMENT_ACCOUNT,
    PROTECTED,
    RefusalReason,
    RunRefusedError,
    skip_reason_for_state,
)
from ..model.run import Account
from ..tasks import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

    from aws_calls.retry import RetryBudget

    from ..model.report import Task
    from ..tasks.scope import Scope

_DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
_ACTIVE = "ACTIVE"
# The maximum that Organizations allows.
_MAX_ENTRIES_PER_PAGE = 20


@dataclass(frozen=True, kw_only=True)
class OrganizationContext:
    """The organization that a run is in.

    Attributes:
        organization_id: The organization.
        management_account_id: Its management account.
    """

    organization_id: str
    management_account_id: str


class MemberDirectory:
    """The organization, as its management account or a delegated administrator sees it.

    Args:
        organizations: A client that makes one attempt a call.
        iam: A client that makes one attempt a call.
        account_id: The account that the clients act in.
        budget: How long to retry transient failures.
    """

    def __init__(
        self, *, organizations: OrganizationsClient, iam: IAMClient, account_id: str, budget: RetryBudget
    ) -> None:
        self._organizations = organizations
        self._iam = iam
        self._account_id = account_id
        self._budget = budget

    def find_organization(self, task: Task) -> OrganizationContext:
        """Return the organization, if the task is possible from this account.

        Raises:
            RunRefusedError: It is not possible; the message says what to deploy.
            CallError: A read failed.
        """
        organization = self._describe_organization()
        feature = DEFINITIONS[task].feature
        if feature not in self._enabled_features(task, organization.management_account_id):
            raise RunRefusedError(
                RefusalReason.FEATURE_NOT_ENABLED,
                task=task,
                feature=feature,
                management_account_id=organization.management_account_id,
            )
        return organization

    def members(self) -> dict[str, Account]:
        """Return every account of the organization by its ID: one call for twenty accounts."""
        return _by_id(
            self._list(
                self._organizations.list_accounts, operation="organizations:ListAccounts", items="Accounts"
            )
        )

    def members_under(self, parent_ids: Iterable[str]) -> dict[str, Account]:
        """Return the accounts of organizational units, and of the units in them, by their IDs."""
        accounts: dict[str, Account] = {}
        waiting = list(parent_ids)
        while waiting:
            parent_id = waiting.pop()
            accounts |= _by_id(self._accounts_in(parent_id))
            waiting += (unit["Id"] for unit in self._units_in(parent_id))
        return accounts

    def _accounts_in(self, parent_id: str) -> Iterator[Any]:
        return self._list(
            functools.partial(self._organizations.list_accounts_for_parent, ParentId=parent_id),
            operation="organizations:ListAccountsForParent",
            items="Accounts",
        )

    def _units_in(self, parent_id: str) -> Iterator[Any]:
        return self._list(
            functools.partial(self._organizations.list_organizational_units_for_parent, ParentId=parent_id),
            operation="organizations:ListOrganizationalUnitsForParent",
            items="OrganizationalUnits",
        )

    def _describe_organization(self) -> OrganizationContext:
        try:
            organization = call(
                self._organizations.describe_organization,
                operation=_DESCRIBE_ORGANIZATION,
                budget=self._budget,
            ).require("Organization")
        except CallError as error:
            if error.failure.name != "AWSOrganizationsNotInUse":
                raise
            raise RunRefusedError(RefusalReason.NO_ORGANIZATION, account_id=self._account_id) from error
        return OrganizationContext(
            organization_id=require(organization, "Id", operation=_DESCRIBE_ORGANIZATION),
            management_account_id=require(organization, "MasterAccountId", operation=_DESCRIBE_ORGANIZATION),
        )

    def _enabled_features(self, task: Task, management_account_id: str) -> Collection[str]:
        try:
            response = call(
                self._iam.list_organizations_features,
                operation="iam:ListOrganizationsFeatures",
                budget=self._budget,
            )
        except CallError as error:
            if error.failure.name == "AccountNotManagementOrDelegatedAdministrator":
                raise RunRefusedError(
                    RefusalReason.NOT_AN_ADMINISTRATOR,
                    account_id=self._account_id,
                    management_account_id=management_account_id,
                ) from error
            if error.failure.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
                raise RunRefusedError(
                    RefusalReason.TRUSTED_ACCESS_NOT_ENABLED,
                    task=task,
                    management_account_id=management_account_id,
                ) from error
            raise
        features: Collection[str] = response.get("EnabledFeatures", ())
        return features

    def _list(
        self, function: Callable[..., Mapping[str, Any]], *, operation: str, items: str
    ) -> Iterator[Any]:
        return pages(
            functools.partial(function, MaxResults=_MAX_ENTRIES_PER_PAGE),
            operation=operation,
            budget=self._budget,
            items=items,
            request_token="NextToken",
            response_token="NextToken",
        )


def accounts_in_scope(
    scope: Scope, directory: MemberDirectory, *, named: Collection[str]
) -> dict[str, Account]:
    """Return the accounts of the organization that a run is about, by ID.

    Args:
        scope: What the input names.
        directory: The organization.
        named: The accounts that the input, its plan or its backups name.

    Raises:
        CallError: A read failed.
    """
    accounts = directory.members_under(scope.organizational_units)
    if scope.all_accounts or named:
        accounts |= {
            id_: account for id_, account in directory.members().items() if scope.all_accounts or id_ in named
        }
    return accounts


def classify(
    accounts: Iterable[Account], *, management_account_id: str, protected_accounts: Collection[str]
) -> tuple[Account, ...]:
    """Return the accounts, each with the reason to skip it, if there is one."""
    return tuple(
        replace(
            account,
            skip_reason=_skip_reason(
                account, management_account_id=management_account_id, protected_accounts=protected_accounts
            ),
        )
        for account in accounts
    )


def _skip_reason(
    account: Account, *, management_account_id: str, protected_accounts: Collection[str]
) -> str | None:
    if account.account_id == management_account_id:
        return MANAGEMENT_ACCOUNT
    if account.account_id in protected_accounts:
        return PROTECTED
    if account.state != _ACTIVE:
        return skip_reason_for_state(account.state or "unknown")
    return None


def _by_id(accounts: Iterable[AccountTypeDef]) -> dict[str, Account]:
    return {
        account["Id"]: Account(
            account_id=account["Id"],
            name=account.get("Name"),
            email=account.get("Email"),
            # AWS has announced that Status goes; older SDKs do not know State.
            state=account.get("State") or account.get("Status") or "unknown",
        )
        for account in accounts
    }
