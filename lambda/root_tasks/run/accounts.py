"""The organization's accounts: which of them a run is about, and which of those it skips."""

from __future__ import annotations

import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.calls import call, require
from aws_calls.failures import CallError, FailureKind, describe

from ..aws.organizations import entries
from ..messages import MANAGEMENT_ACCOUNT, PROTECTED, skip_reason_for_state
from ..model.run import Account, Member
from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from .units import Unit, UnitTree, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

    from aws_calls.calls import Response
    from aws_calls.retry import Clock, RetryBudget

    from ..model.report import Task
    from ..tasks.scope import Scope

_DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
_LIST_ACCOUNTS = "organizations:ListAccounts"
_ACTIVE = "ACTIVE"
# The names of units are for readers of the report: they do not delay a run for longer than this. Of 500 units
# they take less, at the five lists a second that Organizations allows.
_UNIT_NAMES_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class OrganizationContext:
    """The organization that a run is in.

    Attributes:
        organization_id: The organization.
        management_account_id: Its management account.
    """

    organization_id: str
    management_account_id: str


@dataclass(frozen=True, kw_only=True)
class MemberDirectory:
    """The organization, as its management account or a delegated administrator sees it.

    Attributes:
        organizations: A client that makes one attempt a call.
        iam: A client that makes one attempt a call.
        account_id: The account that the clients act in.
        budget: How long to retry transient failures.
        clock: The time.
        log: Writes one event, given as keyword arguments.
    """

    organizations: OrganizationsClient
    iam: IAMClient
    account_id: str
    budget: RetryBudget
    clock: Clock
    log: Callable[..., None]

    @functools.cached_property
    def _units(self) -> UnitTree:
        # Names that are denied for good must not delay each run.
        return UnitTree(organizations=self.organizations, budget=self.budget.with_final_denials())

    def survey(self, task: Task, *, whole: bool) -> tuple[OrganizationContext, dict[str, Member]]:
        """Return the organization, if the task is possible from this account, and its accounts by their IDs.

        The list of the accounts takes longest: everything else is read meanwhile.

        Args:
            task: The task.
            whole: Whether the run is about the whole organization, so that the names of all units are needed.

        Raises:
            RunRefusedError: The task is not possible; the message says what to deploy.
            CallError: A read failed.
        """
        ended = threading.Event()
        budget = self.budget.until(ended.is_set)
        with ThreadPoolExecutor(max_workers=3) as pool:
            try:
                members = pool.submit(self._members, budget)
                features = pool.submit(self._list_features, budget)
                if whole:
                    pool.submit(self._read_unit_names, self._units.until(ended.is_set))
                return self._find_organization(task, features), members.result()
            finally:
                # A refused run waits for no list, and names that were not read by now are read as needed.
                ended.set()

    def everybody(self) -> tuple[OrganizationContext, dict[str, Member]]:
        """Return the organization and its accounts by their IDs, whatever is enabled.

        Raises:
            RunRefusedError: There is no organization.
            CallError: A read failed.
        """
        return self._describe_organization(), self._members(self.budget)

    def _find_organization(self, task: Task, features: Future[Response]) -> OrganizationContext:
        organization = self._describe_organization()
        feature = DEFINITIONS[task].feature
        if feature not in self._enabled_features(features, task, organization.management_account_id):
            raise RunRefusedError(
                RefusalReason.FEATURE_NOT_ENABLED,
                task=task,
                feature=feature,
                management_account_id=organization.management_account_id,
            )
        return organization

    def _members(self, budget: RetryBudget) -> dict[str, Member]:
        """Return every account of the organization by its ID: one call for twenty accounts."""
        started = self.clock.now()
        members = _by_id(
            entries(
                self.organizations.list_accounts,
                operation=_LIST_ACCOUNTS,
                items="Accounts",
                budget=budget,
            )
        )
        # Nothing makes a run wait longer that this library could not make faster.
        milliseconds = round((self.clock.now() - started) * 1000)
        self.log(event="accounts_listed", accounts=len(members), milliseconds=milliseconds)
        return members

    def _read_unit_names(self, units: UnitTree) -> None:
        """Read the names of the units ahead of their use."""
        # It is read again where it is used, and the failure is reported there.
        with contextlib.suppress(CallError):
            for _ in units.units_under(units.roots()):
                pass

    def _list_features(self, budget: RetryBudget) -> Response:
        return call(
            self.iam.list_organizations_features, operation="iam:ListOrganizationsFeatures", budget=budget
        )

    def members_in_units(self, units: Iterable[str], members: Mapping[str, Member]) -> dict[str, Member]:
        """Return the accounts of organizational units, and of the units in them, by their IDs.

        Args:
            units: The units, by ID, path or the end of their path.
            members: Every account.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed, for example because a unit does not exist.
        """
        unit_ids = {self._units.id_of(unit) for unit in units}
        if any(member.unit_ids is None for member in members.values()):
            under = self._units.units_under(Unit(id=id_, path=id_) for id_ in sorted(unit_ids))
            return {id_: member for unit in under for id_, member in self._members_of(unit.id).items()}
        populated = {id_ for member in members.values() for id_ in member.unit_ids or ()}
        for id_ in sorted(unit_ids - populated):
            # AWS refuses this where the unit does not exist, instead of being empty.
            self._units.names_in(id_)
        return {
            id_: member for id_, member in members.items() if not unit_ids.isdisjoint(member.unit_ids or ())
        }

    def with_units(self, members: Mapping[str, Member]) -> dict[str, Member]:
        """Return accounts with their units and the names of these, as far as they can be read in time."""
        found: dict[str, Member] = {}
        try:
            # What was read before a failure is kept.
            found.update(self._with_units(members))
        except CallError as error:
            self.log(event="organizational_units_unread", reason=describe(error.failure))
        return {id_: found.get(id_, member) for id_, member in members.items()}

    def _with_units(self, members: Mapping[str, Member]) -> Iterator[tuple[str, Member]]:
        units = self._units.within(_UNIT_NAMES_SECONDS)
        missing = {}
        for id_, member in members.items():
            if member.unit_ids is None:
                missing[id_] = member
            else:
                yield id_, _in_units(member, member.unit_ids, path=units.path_of(member.unit_ids))
        if not missing:
            return
        for unit in units.units_under(units.roots()):
            for id_ in self._members_of(unit.id):
                if id_ in missing:
                    yield id_, _in_units(missing.pop(id_), unit.ids, path=unit.path)
            if not missing:
                return

    def _members_of(self, parent_id: str) -> dict[str, Member]:
        return _by_id(
            entries(
                functools.partial(self.organizations.list_accounts_for_parent, ParentId=parent_id),
                operation="organizations:ListAccountsForParent",
                items="Accounts",
                budget=self.budget,
            )
        )

    def _describe_organization(self) -> OrganizationContext:
        try:
            organization = call(
                self.organizations.describe_organization,
                operation=_DESCRIBE_ORGANIZATION,
                budget=self.budget,
            ).require("Organization")
        except CallError as error:
            if error.failure.name != "AWSOrganizationsNotInUse":
                raise
            raise RunRefusedError(RefusalReason.NO_ORGANIZATION, account_id=self.account_id) from error
        return OrganizationContext(
            organization_id=require(organization, "Id", operation=_DESCRIBE_ORGANIZATION),
            management_account_id=require(organization, "MasterAccountId", operation=_DESCRIBE_ORGANIZATION),
        )

    def _enabled_features(
        self, features: Future[Response], task: Task, management_account_id: str
    ) -> Collection[str]:
        try:
            response = features.result()
        except CallError as error:
            if error.failure.name == "AccountNotManagementOrDelegatedAdministrator":
                raise RunRefusedError(
                    RefusalReason.NOT_AN_ADMINISTRATOR,
                    account_id=self.account_id,
                    management_account_id=management_account_id,
                ) from error
            if error.failure.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
                raise RunRefusedError(
                    RefusalReason.TRUSTED_ACCESS_NOT_ENABLED,
                    task=task,
                    management_account_id=management_account_id,
                ) from error
            raise
        enabled: Collection[str] = response.get("EnabledFeatures", ())
        return enabled


def accounts_in_scope(
    scope: Scope, directory: MemberDirectory, members: Mapping[str, Member], *, named: Collection[str]
) -> dict[str, Member]:
    """Return the accounts of the organization that a run is about, by ID.

    Args:
        scope: What the input names.
        directory: The organization.
        members: Its accounts.
        named: The accounts that the input, its plan or its backups name.

    Raises:
        CallError: A read failed.
    """
    in_scope = directory.members_in_units(scope.organizational_units, members)
    in_scope |= {id_: member for id_, member in members.items() if scope.all_accounts or id_ in named}
    excluded = scope.account_exclusions.union(directory.members_in_units(scope.unit_exclusions, members))
    return directory.with_units({id_: member for id_, member in in_scope.items() if id_ not in excluded})


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


def _in_units(member: Member, unit_ids: tuple[str, ...], *, path: str | None) -> Member:
    return Member(account=replace(member.account, organizational_unit=path), unit_ids=unit_ids)


def _by_id(accounts: Iterable[AccountTypeDef]) -> dict[str, Member]:
    return {
        account["Id"]: Member(
            account=Account(
                account_id=account["Id"],
                name=account.get("Name"),
                email=account.get("Email"),
                # AWS has announced that Status goes; older SDKs do not know State.
                state=account.get("State") or account.get("Status") or "unknown",
            ),
            unit_ids=parse_path(account.get("Paths", ())),
        )
        for account in accounts
    }
