"""The organization that a run is in: whether its task is possible there, and the run's accounts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, FailureKind
from root_access.organization import LIST_FEATURES, identify_organization

from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from .accounts import MemberAccounts
from .units import UnitTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from aws_calls.calls import Response
    from root_access.organization import OrganizationIdentity

    from ..aws.invocation import Aws
    from ..model.report_schema import Task
    from ..model.run_documents import Account
    from ..tasks.request import Request

    Page = dict[str, Account]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """An organization in which a run's task is possible, while the run's accounts are read.

    Attributes:
        organization: The organization.
        pages: The accounts by their IDs, page by page: a page is listed while the one before is
            taken.
    """

    organization: OrganizationIdentity
    pages: Iterator[Page]

    def members(self) -> dict[str, Account]:
        """Return the accounts of all pages.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        members: dict[str, Account] = {}
        for page in self.pages:
            members |= page
        return members


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

    @contextmanager
    def survey(self, request: Request) -> Iterator[Survey]:
        """Read the organization and a run's accounts, all at once, and stop that at the end.

        Args:
            request: What the run is to do. Accounts that are not members are left out.

        Raises:
            RunRefusedError: The task is not possible from this account; the message says what to
                deploy.
            CallError: A read failed.
        """
        ended = threading.Event()
        aws = self.aws.until(ended)
        pages = MemberAccounts(aws=aws, units=self.units.by(aws)).pages(
            all_accounts=request.all_accounts,
            organizational_units=request.organizational_units,
            account_ids=request.member_ids,
        )
        pool = ThreadPoolExecutor(max_workers=3)
        waits_for_calls = True

        def read_page() -> Future[Page | None]:
            return pool.submit(next, pages, None)

        try:
            features = pool.submit(aws.call, LIST_FEATURES)
            organization = pool.submit(self.identify)
            first = read_page()
            self._require_feature(request.task, organization.result(), features)
            yield Survey(organization=organization.result(), pages=_one_ahead(first, read_page))
        except KeyboardInterrupt:
            # A person does not wait for the calls that are under way.
            waits_for_calls = False
            raise
        finally:
            # A run that is refused reads no list to its end.
            ended.set()
            pool.shutdown(wait=waits_for_calls, cancel_futures=True)

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

    def _require_feature(
        self, task: Task, organization: OrganizationIdentity, features: Future[Response]
    ) -> None:
        """Refuse a task whose feature is not enabled."""
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


def _one_ahead(
    following: Future[Page | None], read_page: Callable[[], Future[Page | None]]
) -> Iterator[Page]:
    """Yield pages, and begin to read the next one before each."""
    page = following.result()
    while page is not None:
        following = read_page()
        yield page
        page = following.result()
