"""The organization that a run is in, whether its task is possible there, and which accounts it skips."""

from __future__ import annotations

import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.calls import call, require
from aws_calls.failures import CallError, FailureKind
from scp.calls import SessionOpener

from ..messages import MANAGEMENT_ACCOUNT, PROTECTED, PROTECTED_AUDIT, skip_reason_for_state
from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from .members import MemberReader
from .units import UnitTree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from concurrent.futures import Future

    from aws_calls.calls import Response
    from aws_calls.retry import RetryBudget

    from ..aws.context import Aws
    from ..model.report import Task
    from ..model.run import Account, Member
    from .members import Selection

_DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"
_ACTIVE = "ACTIVE"


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
        aws: The account that sees it.
    """

    aws: Aws

    @functools.cached_property
    def _reader(self) -> MemberReader:
        return MemberReader(aws=self.aws, units=UnitTree(aws=self.aws))

    def survey(
        self,
        task: Task,
        selection: Selection,
        *,
        on_page: Callable[[OrganizationContext, Mapping[str, Member]], None] | None = None,
    ) -> tuple[OrganizationContext, dict[str, Member]]:
        """Return the organization, if the task is possible from this account, and a run's accounts by ID.

        All of it is read at once.

        Args:
            task: The task.
            selection: Which accounts the run is about. Those that are not members are left out.
            on_page: Gets the accounts of each page while all accounts are listed, once the task is possible.

        Raises:
            RunRefusedError: The task is not possible; the message says what to deploy. Or a unit is unclear.
            CallError: A read failed, for example because a unit does not exist.
        """
        ended = threading.Event()
        reader = self._reader.until(ended.is_set)
        with ThreadPoolExecutor(max_workers=4) as pool:
            try:
                features = pool.submit(self._list_features, reader.aws.budget)
                possible = pool.submit(self._find_organization, task, features)

                def take(page: Mapping[str, Member]) -> None:
                    if on_page is not None:
                        on_page(possible.result(), page)

                members = pool.submit(reader.read, selection, found=take)
                if selection.all_accounts:
                    pool.submit(self._read_unit_names, reader.units)
                return possible.result(), members.result()
            finally:
                # A refused run waits for no list, and names that were not read by now are read as needed.
                ended.set()

    def find(self, selection: Selection) -> tuple[OrganizationContext, dict[str, Member]]:
        """Return the organization and some of its accounts by their IDs, regardless of what is enabled.

        Raises:
            RunRefusedError: There is no organization, or a unit is unclear.
            CallError: A read failed.
        """
        return self._describe_organization(), self._reader.read(selection)

    def ids_in_units(self, units: Iterable[str]) -> frozenset[str]:
        """Return the IDs of the accounts in organizational units and in the units in these.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        return frozenset(self._reader.in_units(units))

    def opener(self, organization: OrganizationContext, members: Mapping[str, Member]) -> SessionOpener:
        """Return the account that opens root sessions, with its units if policies on them count.

        Raises:
            CallError: A read failed.
        """
        account_id = self.aws.account_id
        is_in_management_account = account_id == organization.management_account_id
        unit_ids = members[account_id].unit_ids if account_id in members else None
        if unit_ids is None and not is_in_management_account:
            unit_ids = self._reader.units.parents_of(account_id)
        return SessionOpener(
            account_id=account_id, unit_ids=unit_ids, is_in_management_account=is_in_management_account
        )

    def unit_id(self, value: str) -> str:
        """Return the ID of a unit that is given by its ID, its path or the end of its path.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        return self._reader.units.id_of(value)

    def with_unit_names(self, members: Mapping[str, Member], *, whole: bool) -> dict[str, Member]:
        """Return accounts with their units and the names of these, as far as they can be read in time.

        Args:
            members: The accounts.
            whole: Whether they are all accounts of the organization: then all units are read.
        """
        return self._reader.with_unit_names(members, whole=whole)

    def target_names(self, members: Mapping[str, Member]) -> dict[str, str]:
        """Return the names of accounts and of their units, as far as these were read, by their IDs."""
        return self._reader.target_names(members)

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

    def _read_unit_names(self, units: UnitTree) -> None:
        """Read the names of the units ahead of their use."""
        # It is read again where it is used, and the failure is reported there.
        with contextlib.suppress(CallError):
            for _ in units.units_under(units.roots()):
                pass

    def _list_features(self, budget: RetryBudget) -> Response:
        return call(
            self.aws.clients.iam.list_organizations_features,
            operation="iam:ListOrganizationsFeatures",
            budget=budget,
        )

    def _describe_organization(self) -> OrganizationContext:
        try:
            organization = call(
                self.aws.clients.organizations.describe_organization,
                operation=_DESCRIBE_ORGANIZATION,
                budget=self.aws.budget,
            ).require("Organization")
        except CallError as error:
            if error.failure.name != "AWSOrganizationsNotInUse":
                raise
            raise RunRefusedError(RefusalReason.NO_ORGANIZATION, account_id=self.aws.account_id) from error
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
                    account_id=self.aws.account_id,
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


def classify(
    members: Iterable[Member],
    *,
    management_account_id: str,
    protected_accounts: Collection[str] = (),
    audits: bool,
) -> tuple[Account, ...]:
    """Return accounts with their units, each with the reason to skip it, if there is one.

    Args:
        members: The accounts.
        management_account_id: The management account.
        protected_accounts: The accounts in which no run makes changes.
        audits: Whether they are audited, which skips no protected account.
    """
    classified = []
    for member in members:
        account = member.account
        protected = account.account_id in protected_accounts
        skip_reason = None
        if account.account_id == management_account_id:
            skip_reason = MANAGEMENT_ACCOUNT
        elif protected and not audits:
            skip_reason = PROTECTED
        elif account.state != _ACTIVE:
            skip_reason = skip_reason_for_state(account.state or "unknown")
        classified.append(
            replace(
                account,
                skip_reason=skip_reason,
                note=PROTECTED_AUDIT if protected and audits else None,
                unit_path=None if member.unit_ids is None else "/".join(member.unit_ids),
            )
        )
    return tuple(classified)
