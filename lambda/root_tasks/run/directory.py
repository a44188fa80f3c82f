"""The organization that a run is in, and whether its task is possible there."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.calls import require
from aws_calls.failures import CallError, FailureKind

from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from .accounts import MemberAccounts
from .units import UnitTree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from aws_calls.calls import Response

    from ..aws.invocation import Aws
    from ..model.report_schema import Task
    from ..model.run import Account
    from ..tasks.task_input import Request

_DESCRIBE_ORGANIZATION = "organizations:DescribeOrganization"


@dataclass(frozen=True, kw_only=True)
class OrganizationContext:
    """The organization that a run is in."""

    organization_id: str
    management_account_id: str


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

    @property
    def accounts(self) -> MemberAccounts:
        """Its accounts."""
        return MemberAccounts(aws=self.aws, units=self.units)

    def _by(self, aws: Aws) -> MemberDirectory:
        """Return the same directory, read within another budget."""
        return replace(self, aws=aws, units=replace(self.units, aws=aws))

    def survey(
        self,
        request: Request,
        *,
        on_page: Callable[[OrganizationContext, Mapping[str, Account]], None] | None = None,
    ) -> tuple[OrganizationContext, dict[str, Account]]:
        """Return the organization, if the task is possible from this account, and a run's accounts by ID.

        All of it is read at once.

        Args:
            request: What the run is to do. Accounts that are not members are left out.
            on_page: Gets the accounts of each page while all accounts are listed, once the task is
                possible.

        Raises:
            RunRefusedError: The task is not possible; the message says what to deploy. Or a unit is
                unclear.
            CallError: A read failed.
        """
        ended = threading.Event()
        reader = self._by(self.aws.until(ended))
        with ThreadPoolExecutor(max_workers=4) as pool:
            try:
                features = pool.submit(reader.aws.call, "iam:ListOrganizationsFeatures")
                possible = pool.submit(self._find_organization, request.task, features)

                def take(page: Mapping[str, Account]) -> None:
                    if on_page is not None:
                        on_page(possible.result(), page)

                members = pool.submit(
                    reader.accounts.read,
                    all_accounts=request.all_accounts,
                    organizational_units=request.organizational_units,
                    account_ids=request.member_ids,
                    found=take,
                )
                if request.all_accounts:
                    pool.submit(reader.units.read_names)
                return possible.result(), members.result()
            finally:
                # A refused run waits for no list, and names that were not read by now are read as
                # needed.
                ended.set()

    def _find_organization(self, task: Task, features: Future[Response]) -> OrganizationContext:
        organization = self.describe_organization()
        data = {"management_account_id": organization.management_account_id}
        try:
            enabled = features.result().require("EnabledFeatures")
        except CallError as error:
            if error.failure.name == "AccountNotManagementOrDelegatedAdministrator":
                raise RunRefusedError(
                    RefusalReason.NOT_AN_ADMINISTRATOR, account_id=self.aws.account_id, **data
                ) from error
            if error.failure.kind is FailureKind.TRUSTED_ACCESS_DISABLED:
                raise RunRefusedError(
                    RefusalReason.TRUSTED_ACCESS_NOT_ENABLED, task=task, **data
                ) from error
            raise
        feature = DEFINITIONS[task].feature
        if feature not in enabled:
            raise RunRefusedError(
                RefusalReason.FEATURE_NOT_ENABLED, task=task, feature=feature, **data
            )
        return organization

    def describe_organization(self) -> OrganizationContext:
        """Return the organization, also if nothing is enabled in it.

        Raises:
            RunRefusedError: There is none.
            CallError: The read failed.
        """
        try:
            organization = self.aws.call(_DESCRIBE_ORGANIZATION).require("Organization")
        except CallError as error:
            if error.failure.name != "AWSOrganizationsNotInUse":
                raise
            raise RunRefusedError(
                RefusalReason.NO_ORGANIZATION, account_id=self.aws.account_id
            ) from error
        return OrganizationContext(
            organization_id=require(organization, "Id", operation=_DESCRIBE_ORGANIZATION),
            management_account_id=require(
                organization, "MasterAccountId", operation=_DESCRIBE_ORGANIZATION
            ),
        )
