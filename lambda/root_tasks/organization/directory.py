"""The organization that a run is in: whether its task is possible there, and the run's accounts.

A few accounts are described one by one, a unit is read below it, and all accounts are listed only
for a run that is about all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.calls import Response, require
from aws_calls.failures import CallError, FailureKind, ignoring
from common.untrusted import ACCOUNT_ID
from root_access.organization import LIST_FEATURES, OrganizationIdentity, identify_organization
from root_access.steps import ENABLE_FEATURE, Operation, Step

from ..aws.invocation import MAX_ENTRIES_PER_PAGE, Aws, reading_threads
from ..model.report_schema import Task
from ..model.run_documents import Account
from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from ..tasks.request import Request
from .units import LIST_ACCOUNTS_OF_PARENT, Unit, UnitTree, parse_path

if TYPE_CHECKING:
    from mypy_boto3_organizations.type_defs import AccountTypeDef

    Page = dict[str, Account]

_DESCRIBE_ACCOUNT = "organizations:DescribeAccount"
_LIST_ACCOUNTS = "organizations:ListAccounts"
# These take five seconds at the documented 20 calls a second; a list of 10,000 accounts takes a
# minute at 8.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
_MAX_DESCRIBED = 100


@dataclass(frozen=True, kw_only=True)
class MemberDirectory:
    """The organization, as its management account or a delegated administrator sees it.

    Attributes:
        aws: The account that sees it.
        units: The organizational units.
    """

    aws: Aws
    units: UnitTree

    @classmethod
    def of(cls, aws: Aws) -> MemberDirectory:
        """Return the organization as an account sees it."""
        return cls(aws=aws, units=UnitTree(aws=aws))

    def identify_for(self, task: Task) -> OrganizationIdentity:
        """Return the organization, in which a task is possible.

        Raises:
            RunRefusedError: The task is not possible from this account; the message says what to
                deploy.
            CallError: A read failed.
        """
        with reading_threads() as threads:
            features = threads.submit(self.aws.call, LIST_FEATURES)
            organization = self.identify()
            self._refuse_if_feature_is_missing(task, organization, features)
            return organization

    def identify(self) -> OrganizationIdentity:
        """Return which organization it is, also if nothing is enabled in it.

        Raises:
            RunRefusedError: There is none.
            CallError: The read failed.
        """
        identity = identify_organization(self.aws)
        if identity is None:
            raise RunRefusedError(RefusalReason.NO_ORGANIZATION, account_id=self.aws.account_id)
        return identity

    def _refuse_if_feature_is_missing(
        self, task: Task, organization: OrganizationIdentity, features: Future[Response]
    ) -> None:
        """Refuse a task whose feature is not enabled, by AWS's list of the enabled features."""
        data = {"management_account_id": organization.management_account_id}
        enable_access = Step(operation=Operation.ENABLE_TRUSTED_ACCESS).command
        try:
            enabled = features.result().require("EnabledFeatures")
        except CallError as error:
            if error.failure.name == "AccountNotManagementOrDelegatedAdministrator":
                account_id = self.aws.account_id
                register = Step(operation=Operation.REGISTER, account_id=account_id).command
                raise RunRefusedError(
                    RefusalReason.NOT_AN_ADMINISTRATOR,
                    account_id=account_id,
                    # AWS registers none before trusted access, of which this account sees nothing.
                    command=f"{enable_access} && {register}",
                    **data,
                ) from error
            if error.failure.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
                raise RunRefusedError(
                    RefusalReason.TRUSTED_ACCESS_NOT_ENABLED,
                    task=task,
                    command=enable_access,
                    **data,
                ) from error
            raise
        feature = DEFINITIONS[task].feature
        if feature not in enabled:
            raise RunRefusedError(
                RefusalReason.FEATURE_NOT_ENABLED,
                task=task,
                feature=feature,
                command=Step(operation=ENABLE_FEATURE[feature]).command,
                **data,
            )

    # The accounts

    def pages(self, request: Request) -> Iterator[Page]:
        """Yield the accounts that a run is about, by their IDs.

        All accounts come page by page, others at once. An ID that is not a member's is left out.

        Args:
            request: What the run is to do.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        selection = request.selection
        if selection.all_accounts:
            yield from self._pages_of_all()
            return
        members = self.find_by_ids(request.member_ids)
        if selection.organizational_units:
            members |= self.in_units(selection.organizational_units)
        yield members

    def _pages_of_all(self) -> Iterator[dict[str, Account]]:
        """Yield every account, in pages as AWS lists them; it may list one of them twice."""
        accounts = self._list_accounts()
        # Up to the first page that is empty.
        yield from iter(lambda: _by_id(itertools.islice(accounts, MAX_ENTRIES_PER_PAGE)), {})

    def _list_accounts(self) -> Iterator[AccountTypeDef]:
        """Yield every account as AWS lists it, which is a call for every 20 of them."""
        return self.aws.entries(_LIST_ACCOUNTS, items="Accounts")

    def find_by_ids(self, account_ids: Collection[str]) -> dict[str, Account]:
        """Return those of some accounts that are members: a few by a call for each, or by the list.

        Whichever is faster: that list takes a call for every 20 accounts of the organization.

        Raises:
            CallError: A read failed.
        """
        if len(account_ids) <= _MAX_DESCRIBED:
            return self._describe_each(account_ids)
        return _by_id(account for account in self._list_accounts() if account["Id"] in account_ids)

    def _describe_each(self, account_ids: Collection[str]) -> dict[str, Account]:
        """Return some accounts by a call for each, without those that are not members."""
        with reading_threads() as pool:
            described = pool.map(self._describe, sorted(account_ids))
            members = (account for account in described if account is not None)
            return _by_id(members, operation=_DESCRIBE_ACCOUNT)

    def _describe(self, account_id: str) -> AccountTypeDef | None:
        """Return an account as AWS describes it; None if it is not a member."""
        with ignoring("AccountNotFound"):
            response = self.aws.call(_DESCRIBE_ACCOUNT, AccountId=account_id)
            account: AccountTypeDef = response.require("Account")
            return account
        return None

    def in_units(self, units: Iterable[str]) -> dict[str, Account]:
        """Return the accounts in organizational units and in the units in these, by their IDs.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        unit_ids = {self.units.id_of(unit) for unit in units}
        # Only the IDs of the units below these are needed, so an ID may stand for the path.
        units_below = self.units.units_under(Unit(id=id_, path=id_) for id_ in sorted(unit_ids))
        # The accounts are listed while the units are.
        with reading_threads() as pool:
            listed = pool.map(self.units.accounts_in, (unit.id for unit in units_below))
            members = itertools.chain.from_iterable(listed)
            return _by_id(members, operation=LIST_ACCOUNTS_OF_PARENT)

    def without(
        self, exclusions: Collection[str], members: Mapping[str, Account]
    ) -> dict[str, Account]:
        """Return accounts without some, which are given by their IDs or by their units.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        # What is no account ID names a unit.
        units = [value for value in exclusions if not ACCOUNT_ID.fullmatch(value)]
        excluded = set(exclusions) | self.in_units(units).keys()
        return {id_: member for id_, member in members.items() if id_ not in excluded}


def _by_id(
    accounts: Iterable[AccountTypeDef], *, operation: str = _LIST_ACCOUNTS
) -> dict[str, Account]:
    """Return accounts by their IDs.

    Args:
        accounts: The accounts, as AWS describes them.
        operation: The call that returned them, for the error about one without a state.
    """
    return {
        account["Id"]: Account(
            account_id=account["Id"],
            name=account.get("Name"),
            email=account.get("Email"),
            # Without a state no account may be skipped: that would make the audit green.
            state=require(account, "State", operation=operation),
            joined_at=account.get("JoinedTimestamp"),
            unit_path=parse_path(account.get("Paths", ())),
        )
        for account in accounts
    }


def merged(pages: Iterable[Page]) -> Page:
    """Return the accounts of all pages."""
    return {account_id: account for page in pages for account_id, account in page.items()}
