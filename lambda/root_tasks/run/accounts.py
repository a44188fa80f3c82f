"""The accounts that a run is about.

A few accounts are described one by one, a unit is read below it, and all accounts are listed only
for a run that is about all of them.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import botocore

from aws_calls.failures import FailureKind, error_of_call, ignoring
from common.untrusted import ACCOUNT_ID

from ..aws.invocation import MAX_ENTRIES_PER_PAGE, MAX_ORGANIZATIONS_CALLS_IN_PARALLEL
from ..messages import MANAGEMENT_ACCOUNT, PROTECTED, skip_reason_for_state
from ..model.run_documents import Account
from .units import Unit, parse_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from mypy_boto3_organizations.type_defs import AccountTypeDef

    from ..aws.invocation import Aws
    from .units import UnitTree

_DESCRIBE_ACCOUNT = "organizations:DescribeAccount"


@dataclass(frozen=True, kw_only=True)
class MemberAccounts:
    """The accounts of the organization, as an account sees them.

    Attributes:
        aws: The account that sees them.
        units: The organizational units.
    """

    aws: Aws
    units: UnitTree

    def pages(
        self,
        *,
        all_accounts: bool,
        organizational_units: Collection[str] = (),
        account_ids: Collection[str] = (),
    ) -> Iterator[dict[str, Account]]:
        """Yield the accounts that a run is about by their IDs, each once, without those that are not members.

        All accounts come page by page, others at once.

        Args:
            all_accounts: Whether it is every account of the organization.
            organizational_units: Units whose accounts are meant, by ID, path or the end of their
                path.
            account_ids: Accounts that are named.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        if all_accounts:
            yield from self._everybody()
            return
        members = self._find_by_id(account_ids)
        if organizational_units:
            members |= self.in_units(organizational_units)
        yield members

    def _everybody(self) -> Iterator[dict[str, Account]]:
        started = self.aws.clock.now()
        listed: set[str] = set()
        accounts = self._list()
        page = _by_id(itertools.islice(accounts, MAX_ENTRIES_PER_PAGE))
        while page:
            # AWS may list an account twice while others are added or removed.
            new = {id_: member for id_, member in page.items() if id_ not in listed}
            listed.update(new)
            yield new
            page = _by_id(itertools.islice(accounts, MAX_ENTRIES_PER_PAGE))
        # Listing is the longest wait that this library cannot shorten.
        milliseconds = round((self.aws.clock.now() - started) * 1000)
        self.aws.log(event="accounts_listed", accounts=len(listed), milliseconds=milliseconds)

    def _list(self) -> Iterator[AccountTypeDef]:
        return self.aws.entries("organizations:ListAccounts", items="Accounts")

    def _find_by_id(self, account_ids: Collection[str]) -> dict[str, Account]:
        """Return some accounts: one call for each, or one for twenty where they are most of the organization.

        The length of the list is not known beforehand. So more accounts than a page has are looked
        for in the list, for as many pages as there are accounts left.
        """
        if len(account_ids) <= MAX_ENTRIES_PER_PAGE:
            return self._describe_each(account_ids)
        missing = set(account_ids)
        found = []
        for number, account in enumerate(self._list(), start=1):
            if account["Id"] in missing:
                missing.remove(account["Id"])
                found.append(account)
            pages, entry = divmod(number, MAX_ENTRIES_PER_PAGE)
            if not missing or (entry == 0 and pages >= len(missing)):
                return _by_id(found) | self._describe_each(missing)
        return _by_id(found)

    def _describe_each(self, account_ids: Collection[str]) -> dict[str, Account]:
        with ThreadPoolExecutor(max_workers=MAX_ORGANIZATIONS_CALLS_IN_PARALLEL) as pool:
            described = pool.map(self._describe, sorted(account_ids))
            return _by_id(account for account in described if account is not None)

    def _describe(self, account_id: str) -> AccountTypeDef | None:
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
        under = self.units.units_under(Unit(id=id_, path=id_) for id_ in sorted(unit_ids))
        # The accounts are listed while the units are.
        with ThreadPoolExecutor(max_workers=MAX_ORGANIZATIONS_CALLS_IN_PARALLEL) as pool:
            listed = pool.map(self.units.accounts_in, (unit.id for unit in under))
            return _by_id(itertools.chain.from_iterable(listed))

    def without(
        self, exclusions: Collection[str], members: Mapping[str, Account]
    ) -> dict[str, Account]:
        """Return accounts without some, which are given by their IDs or by their units.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        units = [value for value in exclusions if not ACCOUNT_ID.fullmatch(value)]
        excluded = {*exclusions, *self.in_units(units)}
        return {id_: member for id_, member in members.items() if id_ not in excluded}


def _state(account: AccountTypeDef) -> str:
    """Return the state of an account.

    Raises:
        CallError: The response has none. To skip every account would make the audit green.
    """
    # AWS has announced that Status goes; SDKs before botocore 1.40.27 do not know State.
    if state := account.get("State") or account.get("Status"):
        return state
    message = (
        f"the response has neither State nor Status of account {account['Id']}. The SDK is too old: botocore "
        f"{botocore.__version__}. Use botocore 1.40.27 or later; a function gets it with a newer runtime"
    )
    raise error_of_call(_DESCRIBE_ACCOUNT, FailureKind.INCOMPLETE_RESPONSE, message)


def _by_id(accounts: Iterable[AccountTypeDef]) -> dict[str, Account]:
    return {
        account["Id"]: Account(
            account_id=account["Id"],
            name=account.get("Name"),
            email=account.get("Email"),
            state=_state(account),
            joined_at=account.get("JoinedTimestamp"),
            unit_path=parse_path(account.get("Paths", ())),
        )
        for account in accounts
    }


def classify(
    members: Iterable[Account],
    *,
    management_account_id: str,
    protected_accounts: Collection[str] = (),
    audits: bool,
) -> tuple[Account, ...]:
    """Return accounts, each with the reason to skip it, if there is one.

    Args:
        members: The accounts.
        management_account_id: The management account.
        protected_accounts: The accounts in which no run makes changes.
        audits: Whether they are audited, which skips no protected account.
    """
    classified = []
    for account in members:
        protected = account.account_id in protected_accounts
        skip_reason = None
        if account.account_id == management_account_id:
            skip_reason = MANAGEMENT_ACCOUNT
        elif protected and not audits:
            skip_reason = PROTECTED
        elif account.state != "ACTIVE":
            skip_reason = skip_reason_for_state(account.state or "unknown")
        classified.append(replace(account, skip_reason=skip_reason, protected=protected))
    return tuple(classified)
