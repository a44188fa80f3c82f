"""The accounts that a run is about, and where they are: read by what the run asks for.

A few accounts are described one by one, a unit is read below it, and all accounts are listed only for a run
that is about all of them.
"""

from __future__ import annotations

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import botocore

from aws_calls.calls import call
from aws_calls.failures import CallError, FailureKind, describe, unusable_response

from ..aws.organizations import MAX_CALLS_IN_PARALLEL, MAX_ENTRIES_PER_PAGE, entries
from ..model.run import Account, Member
from .units import ROOT_NAME, Unit, UnitTree, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from mypy_boto3_organizations.type_defs import AccountTypeDef

    from ..aws.context import Aws

_DESCRIBE_ACCOUNT = "organizations:DescribeAccount"
_LIST_ACCOUNTS = "organizations:ListAccounts"
# The names of units are for readers of the report: they do not delay a run for longer than this. Of 500 units
# they take less, at the five lists a second that Organizations allows.
_UNIT_NAMES_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which accounts a run is about.

    Attributes:
        all_accounts: Whether it is every account of the organization.
        organizational_units: Units whose accounts are meant, by ID, path or the end of their path.
        account_ids: The accounts that the input, its plan or its backups name.
    """

    all_accounts: bool = False
    organizational_units: tuple[str, ...] = ()
    account_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class MemberReader:
    """Reads accounts of the organization.

    Attributes:
        aws: The account that sees them.
        units: The organizational units.
    """

    aws: Aws
    units: UnitTree

    def until(self, abandoned: Callable[[], bool]) -> MemberReader:
        """Return the same reader, which stops reading once the run is refused."""
        return replace(self, units=self.units.until(abandoned), aws=self.aws.until(abandoned))

    def read(
        self,
        selection: Selection,
        *,
        found: Callable[[Mapping[str, Member]], None] = lambda members: None,  # noqa: ARG005
    ) -> dict[str, Member]:
        """Return the accounts that a run is about by their IDs, without those that are not members.

        Args:
            selection: Which accounts these are.
            found: Called with each page's accounts that no page before had, where all accounts are listed.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed, for example because a unit does not exist.
        """
        if selection.all_accounts:
            return self._everybody(found)
        members = self._find_by_id(selection.account_ids)
        if selection.organizational_units:
            members |= self.in_units(selection.organizational_units)
        return self._with_unit_ids(members)

    def _everybody(self, found: Callable[[Mapping[str, Member]], None]) -> dict[str, Member]:
        started = self.aws.clock.now()
        members: dict[str, Member] = {}
        accounts = self._list()
        while page := _by_id(itertools.islice(accounts, MAX_ENTRIES_PER_PAGE)):
            found({id_: member for id_, member in page.items() if id_ not in members})
            members |= page
        # Nothing makes a run wait longer that this library could not make faster.
        milliseconds = round((self.aws.clock.now() - started) * 1000)
        self.aws.log(event="accounts_listed", accounts=len(members), milliseconds=milliseconds)
        return members

    def _list(self) -> Iterator[AccountTypeDef]:
        return entries(
            self.aws.clients.organizations.list_accounts,
            operation=_LIST_ACCOUNTS,
            items="Accounts",
            budget=self.aws.budget,
        )

    def _find_by_id(self, account_ids: Collection[str]) -> dict[str, Member]:
        """Return some accounts: one call for each, or one for twenty where they are most of the organization.

        The length of the list is not known beforehand. So more accounts than a page has are looked for in the
        list, for as many pages as there are accounts left.
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

    def _describe_each(self, account_ids: Collection[str]) -> dict[str, Member]:
        with ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as pool:
            described = pool.map(self._describe, sorted(account_ids))
            return _by_id(account for account in described if account is not None)

    def _describe(self, account_id: str) -> AccountTypeDef | None:
        try:
            account: AccountTypeDef = call(
                lambda: self.aws.clients.organizations.describe_account(AccountId=account_id),
                operation=_DESCRIBE_ACCOUNT,
                budget=self.aws.budget,
            ).require("Account")
        except CallError as error:
            if error.failure.name != "AccountNotFound":
                raise
            return None
        return account

    def in_units(self, units: Iterable[str]) -> dict[str, Member]:
        """Return the accounts in organizational units and in the units in these, by their IDs.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        unit_ids = {self.units.id_of(unit) for unit in units}
        under = self.units.units_under(Unit(id=id_, path=id_) for id_ in sorted(unit_ids))
        # The accounts are listed while the units are.
        with ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as pool:
            listed = pool.map(self._directly_in, (unit.id for unit in under))
            return {id_: member for members in listed for id_, member in members.items()}

    def _directly_in(self, parent_id: str) -> dict[str, Member]:
        list_accounts = self.aws.clients.organizations.list_accounts_for_parent
        members = _by_id(
            entries(
                functools.partial(list_accounts, ParentId=parent_id),
                operation="organizations:ListAccountsForParent",
                items="Accounts",
                budget=self.aws.budget,
            )
        )
        self.units.parent_ids.update(dict.fromkeys(members, parent_id))
        return members

    def _with_unit_ids(self, members: Mapping[str, Member]) -> dict[str, Member]:
        """Return accounts with their units also where the SDK leaves these out, if they are not many."""
        unknown = [id_ for id_, member in members.items() if member.unit_ids is None]
        if len(set(unknown).difference(self.units.parent_ids)) > MAX_ENTRIES_PER_PAGE:
            return dict(members)
        found = dict(members)
        try:
            for id_ in unknown:
                found[id_] = replace(members[id_], unit_ids=self.units.parents_of(id_))
        except CallError as error:
            self._log_unread_units(error)
        return found

    def with_unit_names(self, members: Mapping[str, Member], *, whole: bool) -> dict[str, Member]:
        """Return accounts with their units and the names of these, as far as they can be read in time.

        Args:
            members: The accounts.
            whole: Whether they are all accounts of the organization: then all units are read.
        """
        # Names that are denied for good must not delay each run.
        units = self.units.within(_UNIT_NAMES_SECONDS)
        reader = replace(self, units=units, aws=units.aws)
        found: dict[str, Member] = {}
        try:
            if not whole:
                reader.units.describe(member.unit_ids or () for member in members.values())
        except CallError as error:
            self._log_unread_units(error)
        try:
            # What was read before a failure is kept.
            found.update(reader._with_unit_names(members, whole=whole))
        except CallError as error:
            self._log_unread_units(error)
        return {id_: found.get(id_, member) for id_, member in members.items()}

    def target_names(self, members: Mapping[str, Member]) -> dict[str, str]:
        """Return the names of accounts and of their units, as far as these were read, by their IDs."""
        roots = {member.unit_ids[0]: ROOT_NAME for member in members.values() if member.unit_ids}
        accounts = {id_: member.account.name or "" for id_, member in members.items()}
        return {**self.units.unit_names(), **roots, **accounts}

    def _with_unit_names(self, members: Mapping[str, Member], *, whole: bool) -> Iterator[tuple[str, Member]]:
        missing = {}
        for id_, member in members.items():
            if member.unit_ids is None:
                missing[id_] = member
            else:
                yield id_, _in_units(member, member.unit_ids, path=self.units.path_of(member.unit_ids))
        if not whole and len(missing) <= MAX_ENTRIES_PER_PAGE:
            # What they are in could not be read.
            return
        for unit in self.units.units_under(self.units.roots() if missing else ()):
            for id_ in self._directly_in(unit.id):
                if id_ in missing:
                    yield id_, _in_units(missing.pop(id_), unit.ids, path=unit.path)
            if not missing:
                return

    def _log_unread_units(self, error: CallError) -> None:
        self.aws.log(event="organizational_units_unread", reason=describe(error.failure))


def _in_units(member: Member, unit_ids: tuple[str, ...], *, path: str | None) -> Member:
    account = replace(member.account, organizational_unit=path, unit_path="/".join(unit_ids))
    return Member(account=account, unit_ids=unit_ids)


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
    raise unusable_response(_DESCRIBE_ACCOUNT, FailureKind.INCOMPLETE_RESPONSE, message)


def _by_id(accounts: Iterable[AccountTypeDef]) -> dict[str, Member]:
    return {
        account["Id"]: Member(
            account=Account(
                account_id=account["Id"],
                name=account.get("Name"),
                email=account.get("Email"),
                state=_state(account),
                joined_at=account.get("JoinedTimestamp"),
            ),
            unit_ids=parse_path(account.get("Paths", ())),
        )
        for account in accounts
    }
