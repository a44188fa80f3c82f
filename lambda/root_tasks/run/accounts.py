"""Which accounts a run is about, and in which of them it acts."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.calls import made, member
from aws_calls.failures import CallError, FailureKind

from ..messages import (
    MANAGEMENT_ACCOUNT,
    PROTECTED,
    feature_off,
    no_organization,
    not_an_administrator,
    skipped_for_state,
    trusted_access_off,
)
from ..model.run import FEATURE, Account

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef, OrganizationTypeDef

    from aws_calls.retry import RetryBudget

    from ..model.report import Task
    from .request import Request

# AWS gives at most twenty entries a page.
_PAGE = 20


@dataclass(frozen=True, kw_only=True)
class Member:
    """An account as Organizations lists it.

    Attributes:
        account_id: 12 digits.
        name: its name.
        email: the address of its root user.
        state: such as ACTIVE or SUSPENDED.
    """

    account_id: str
    name: str
    email: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Administration:
    """The organization that the account of a run administers.

    Attributes:
        organization_id: the organization.
        management_account_id: its management account.
        account_id: the account of the run.
    """

    organization_id: str
    management_account_id: str
    account_id: str


class Directory:
    """The organization, as its management account or a delegated administrator sees it.

    Args:
        organizations: a client that makes one attempt a call.
        iam: the same.
        account_id: the account that the clients act in.
        budget: how long to wait for a call that fails for now.
    """

    def __init__(
        self, *, organizations: OrganizationsClient, iam: IAMClient, account_id: str, budget: RetryBudget
    ) -> None:
        self._organizations = organizations
        self._iam = iam
        self._account_id = account_id
        self._budget = budget

    def administration(self, task: Task) -> Administration:
        """Returns the organization, once it is sure that the task is possible from this account.

        Raises:
            RunRefusedError: it is not; the message says what to deploy.
            CallError: a read failed.
        """
        organization = self._organization()
        management_account_id = organization["MasterAccountId"]
        try:
            features = made(
                self._iam.list_organizations_features,
                operation="iam:ListOrganizationsFeatures",
                budget=self._budget,
            ).get("EnabledFeatures", [])
        except CallError as error:
            if error.failure.name == "AccountNotManagementOrDelegatedAdministrator":
                raise not_an_administrator(
                    account_id=self._account_id, management_account_id=management_account_id
                ) from error
            if error.failure.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
                raise trusted_access_off(task=task, management_account_id=management_account_id) from error
            raise
        if FEATURE[task] not in features:
            raise feature_off(FEATURE[task], task=task, management_account_id=management_account_id)
        return Administration(
            organization_id=organization["Id"],
            management_account_id=management_account_id,
            account_id=self._account_id,
        )

    def members(self) -> dict[str, Member]:
        """Returns every account of the organization by its id: one call for twenty accounts."""
        return _by_id(
            self._listed(
                "organizations:ListAccounts",
                "Accounts",
                lambda page: self._organizations.list_accounts(**page),
            )
        )

    def members_under(self, parent_ids: Iterable[str]) -> dict[str, Member]:
        """Returns the accounts of organizational units, and of the units in them, by their ids."""
        found: dict[str, Member] = {}
        waiting = list(parent_ids)
        while waiting:
            parent_id = waiting.pop()
            found |= _by_id(self._accounts_in(parent_id))
            waiting += (unit["Id"] for unit in self._units_in(parent_id))
        return found

    def _accounts_in(self, parent_id: str) -> Iterator[Any]:
        return self._listed(
            "organizations:ListAccountsForParent",
            "Accounts",
            lambda page: self._organizations.list_accounts_for_parent(ParentId=parent_id, **page),
        )

    def _units_in(self, parent_id: str) -> Iterator[Any]:
        return self._listed(
            "organizations:ListOrganizationalUnitsForParent",
            "OrganizationalUnits",
            lambda page: self._organizations.list_organizational_units_for_parent(ParentId=parent_id, **page),
        )

    def _organization(self) -> OrganizationTypeDef:
        try:
            return made(
                self._organizations.describe_organization,
                operation="organizations:DescribeOrganization",
                budget=self._budget,
            )["Organization"]
        except CallError as error:
            if error.failure.name != "AWSOrganizationsNotInUse":
                raise
            raise no_organization(account_id=self._account_id) from error

    def _listed(
        self, operation: str, name: str, call: Callable[[dict[str, Any]], Mapping[str, Any]]
    ) -> Iterator[Any]:
        """Yields what all pages list. A page may be empty though there is a next one."""
        page: dict[str, Any] = {"MaxResults": _PAGE}
        while True:
            answer = made(functools.partial(call, page), operation=operation, budget=self._budget)
            yield from member(answer, name, operation=operation)
            if not answer.get("NextToken"):
                return
            page = {"MaxResults": _PAGE, "NextToken": answer["NextToken"]}


def in_scope(request: Request, directory: Directory, *, named: Collection[str]) -> dict[str, Member]:
    """Returns the accounts that a request is about, by id, as far as they are the organization's.

    Args:
        request: the request.
        directory: the organization.
        named: the accounts that it names, or that its plan or its backups do.

    Raises:
        CallError: a read failed.
    """
    found = directory.members_under(request.organizational_units)
    if request.everywhere or named:
        members = directory.members()
        found |= {id_: member for id_, member in members.items() if request.everywhere or id_ in named}
    return found


def selected(
    members: Iterable[Member], *, management_account_id: str, protected_accounts: Collection[str]
) -> tuple[Account, ...]:
    """Returns the accounts in scope, each with the reason why it is skipped, if it is."""
    return tuple(
        Account(
            account_id=member.account_id,
            name=member.name,
            email=member.email,
            skip_reason=_skipped(
                member, management_account_id=management_account_id, protected_accounts=protected_accounts
            ),
        )
        for member in members
    )


def _skipped(member: Member, *, management_account_id: str, protected_accounts: Collection[str]) -> str | None:
    if member.account_id == management_account_id:
        return MANAGEMENT_ACCOUNT
    if member.account_id in protected_accounts:
        return PROTECTED
    if member.state != "ACTIVE":
        return skipped_for_state(member.state)
    return None


def _by_id(accounts: Iterable[AccountTypeDef]) -> dict[str, Member]:
    return {
        account["Id"]: Member(
            account_id=account["Id"],
            name=account.get("Name", ""),
            email=account.get("Email", ""),
            # AWS has announced that Status goes; older SDKs do not know State.
            state=account.get("State") or account.get("Status") or "unknown",
        )
        for account in accounts
    }
