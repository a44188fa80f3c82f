"""The organization that a run is in, whether its task is possible there, and the accounts that it is about.

A few accounts are described one by one, a unit is read below it, and all accounts are listed only for a run
that is about all of them.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import botocore

from aws_calls.failures import CallError, FailureKind, describe, error_of_call, ignoring
from aws_calls.responses import require
from scp.calls import SessionOpener

from ..aws.organizations import MAX_CALLS_IN_PARALLEL, MAX_ENTRIES_PER_PAGE
from ..messages import MANAGEMENT_ACCOUNT, PROTECTED, skip_reason_for_state
from ..model.run import Account
from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from .units import ROOT_NAME, Unit, UnitTree, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from mypy_boto3_organizations.type_defs import AccountTypeDef

    from aws_calls.responses import Response

    from ..aws.context import Aws
    from ..model.report_schema import Task

_DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
_DESCRIBE_ACCOUNT = "organizations:DescribeAccount"
# The names of units are for readers of the report: they do not delay a run for longer than this. 500 units
# take less, at the five lists a second that Organizations allows.
_UNIT_NAMES_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class OrganizationContext:
    """The organization that a run is in."""

    organization_id: str
    management_account_id: str


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

    def _by(self, aws: Aws) -> MemberDirectory:
        """Return the same directory, read within another budget."""
        return replace(self, aws=aws, units=replace(self.units, aws=aws))

    # The organization

    def survey(
        self,
        task: Task,
        selection: Selection,
        *,
        on_page: Callable[[OrganizationContext, Mapping[str, Account]], None] | None = None,
    ) -> tuple[OrganizationContext, dict[str, Account]]:
        """Return the organization, if the task is possible from this account, and a run's accounts by ID.

        All of it is read at once.

        Args:
            task: The task.
            selection: Which accounts the run is about. Those that are not members are left out.
            on_page: Gets the accounts of each page while all accounts are listed, once the task is possible.

        Raises:
            RunRefusedError: The task is not possible; the message says what to deploy. Or a unit is unclear.
            CallError: A read failed.
        """
        ended = threading.Event()
        reader = self._by(self.aws.until(ended.is_set))
        with ThreadPoolExecutor(max_workers=4) as pool:
            try:
                features = pool.submit(reader.aws.call, "iam:ListOrganizationsFeatures")
                possible = pool.submit(self._find_organization, task, features)

                def take(page: Mapping[str, Account]) -> None:
                    if on_page is not None:
                        on_page(possible.result(), page)

                members = pool.submit(reader.read, selection, found=take)
                if selection.all_accounts:
                    pool.submit(reader._read_unit_names)
                return possible.result(), members.result()
            finally:
                # A refused run waits for no list, and names that were not read by now are read as needed.
                ended.set()

    def find(self, selection: Selection) -> tuple[OrganizationContext, dict[str, Account]]:
        """Return the organization and some of its accounts by their IDs, regardless of what is enabled.

        Raises:
            RunRefusedError: There is no organization, or a unit is unclear.
            CallError: A read failed.
        """
        return self._describe_organization(), self.read(selection)

    def opener(
        self, organization: OrganizationContext, members: Mapping[str, Account], account_id: str | None = None
    ) -> SessionOpener:
        """Return the account that opens root sessions, with its units if policies on them count.

        Args:
            organization: The organization.
            members: Accounts that were read.
            account_id: The account; None for the one that this runs in.

        Raises:
            CallError: A read failed.
        """
        account_id = account_id or self.aws.account_id
        is_in_management_account = account_id == organization.management_account_id
        unit_ids = members[account_id].unit_ids if account_id in members else None
        if unit_ids is None and not is_in_management_account:
            unit_ids = self.units.parents_of(account_id)
        return SessionOpener(
            account_id=account_id, unit_ids=unit_ids, is_in_management_account=is_in_management_account
        )

    def _find_organization(self, task: Task, features: Future[Response]) -> OrganizationContext:
        organization = self._describe_organization()
        data = {"management_account_id": organization.management_account_id}
        try:
            enabled = features.result().require("EnabledFeatures")
        except CallError as error:
            if error.failure.name == "AccountNotManagementOrDelegatedAdministrator":
                raise RunRefusedError(
                    RefusalReason.NOT_AN_ADMINISTRATOR, account_id=self.aws.account_id, **data
                ) from error
            if error.failure.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
                raise RunRefusedError(RefusalReason.TRUSTED_ACCESS_NOT_ENABLED, task=task, **data) from error
            raise
        feature = DEFINITIONS[task].feature
        if feature not in enabled:
            raise RunRefusedError(RefusalReason.FEATURE_NOT_ENABLED, task=task, feature=feature, **data)
        return organization

    def _describe_organization(self) -> OrganizationContext:
        try:
            organization = self.aws.call(_DESCRIBE_ORGANIZATION).require("Organization")
        except CallError as error:
            if error.failure.name != "AWSOrganizationsNotInUse":
                raise
            raise RunRefusedError(RefusalReason.NO_ORGANIZATION, account_id=self.aws.account_id) from error
        return OrganizationContext(
            organization_id=require(organization, "Id", operation=_DESCRIBE_ORGANIZATION),
            management_account_id=require(organization, "MasterAccountId", operation=_DESCRIBE_ORGANIZATION),
        )

    # Its accounts

    def read(
        self,
        selection: Selection,
        *,
        found: Callable[[Mapping[str, Account]], None] = lambda members: None,  # noqa: ARG005
    ) -> dict[str, Account]:
        """Return the accounts that a run is about by their IDs, without those that are not members.

        Args:
            selection: Which accounts these are.
            found: Called with each page's accounts that no page before had, where all accounts are listed.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        if selection.all_accounts:
            return self._everybody(found)
        members = self._find_by_id(selection.account_ids)
        if selection.organizational_units:
            members |= self.in_units(selection.organizational_units)
        return self._with_unit_ids(members)

    def _everybody(self, found: Callable[[Mapping[str, Account]], None]) -> dict[str, Account]:
        started = self.aws.clock.now()
        members: dict[str, Account] = {}
        accounts = self._list()

        def pages() -> Iterator[dict[str, Account]]:
            while page := _by_id(itertools.islice(accounts, MAX_ENTRIES_PER_PAGE)):
                yield {id_: member for id_, member in page.items() if id_ not in members}
                members.update(page)

        # Each page is taken while the next one is listed.
        with ThreadPoolExecutor(max_workers=1) as pool:
            list(pool.map(found, pages()))
        # Nothing makes a run wait longer that this library could not make faster.
        milliseconds = round((self.aws.clock.now() - started) * 1000)
        self.aws.log(event="accounts_listed", accounts=len(members), milliseconds=milliseconds)
        return members

    def _list(self) -> Iterator[AccountTypeDef]:
        return self.aws.entries("organizations:ListAccounts", items="Accounts")

    def _find_by_id(self, account_ids: Collection[str]) -> dict[str, Account]:
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

    def _describe_each(self, account_ids: Collection[str]) -> dict[str, Account]:
        with ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as pool:
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
        with ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as pool:
            listed = pool.map(self._directly_in, (unit.id for unit in under))
            return {id_: member for members in listed for id_, member in members.items()}

    def _directly_in(self, parent_id: str) -> dict[str, Account]:
        operation = "organizations:ListAccountsForParent"
        members = _by_id(self.aws.entries(operation, items="Accounts", ParentId=parent_id))
        self.units.parent_ids.update(dict.fromkeys(members, parent_id))
        return members

    # Their units

    def with_unit_names(self, members: Mapping[str, Account], *, whole: bool) -> dict[str, Account]:
        """Return accounts with their units and the names of these, as far as they can be read in time.

        Args:
            members: The accounts.
            whole: Whether they are all accounts of the organization: then all units are read.
        """
        # Names that are denied for good must not delay each run.
        budget = self.aws.budget.ending_in(_UNIT_NAMES_SECONDS).with_final_denials()
        reader = self._by(self.aws.with_budget(budget))
        if not whole:
            with self._logging_failures():
                reader.units.describe(member.unit_ids or () for member in members.values())
        found = dict(members)
        with self._logging_failures():
            # What was read before a failure is kept.
            found.update(reader._in_named_units(members, whole=whole))
        return found

    def target_names(self, members: Mapping[str, Account]) -> dict[str, str]:
        """Return the names of accounts and of their units, as far as these were read, by their IDs."""
        roots = {member.unit_ids[0]: ROOT_NAME for member in members.values() if member.unit_ids}
        accounts = {id_: member.name or "" for id_, member in members.items()}
        return {**self.units.unit_names(), **roots, **accounts}

    def _read_unit_names(self) -> None:
        """Read the names of the units ahead of their use."""
        # It is read again where it is used, and the failure is reported there.
        with contextlib.suppress(CallError):
            for _ in self.units.units_under(self.units.roots()):
                pass

    def _with_unit_ids(self, members: Mapping[str, Account]) -> dict[str, Account]:
        """Return accounts with their units even if the SDK leaves these out, unless they are many."""
        unknown = [id_ for id_, member in members.items() if member.unit_ids is None]
        found = dict(members)
        if len(set(unknown).difference(self.units.parent_ids)) <= MAX_ENTRIES_PER_PAGE:
            with self._logging_failures():
                for id_ in unknown:
                    found[id_] = replace(members[id_], unit_path="/".join(self.units.parents_of(id_)))
        return found

    def _in_named_units(
        self, members: Mapping[str, Account], *, whole: bool
    ) -> Iterator[tuple[str, Account]]:
        missing = {}
        for id_, member in members.items():
            if member.unit_ids is None:
                missing[id_] = member
            else:
                yield id_, replace(member, organizational_unit=self.units.path_of(member.unit_ids))
        if not whole and len(missing) <= MAX_ENTRIES_PER_PAGE:
            # What they are in could not be read.
            return
        for unit in self.units.units_under(self.units.roots() if missing else ()):
            for id_ in self._directly_in(unit.id):
                if id_ in missing:
                    member = replace(missing.pop(id_), unit_path="/".join(unit.ids))
                    yield id_, replace(member, organizational_unit=unit.path)
            if not missing:
                return

    @contextlib.contextmanager
    def _logging_failures(self) -> Iterator[None]:
        try:
            yield
        except CallError as error:
            self.aws.log(event="organizational_units_unread", reason=describe(error.failure))


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
