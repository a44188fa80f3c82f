"""The local AWS as the AWS of a run: nothing waits, because the emulation's clock is moved."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from acceptance.aws import Aws
from acceptance.callers import ignoring
from acceptance.comparison import Moment
from acceptance.policies import POLICIES
from local_aws.emulation import Organization, RemoteOrganization

if TYPE_CHECKING:
    import boto3


class LocalAws(Aws):
    """The local AWS.

    Args:
        session: A session of the environment's own credentials.
        organization: Its organization.
    """

    is_local = True

    def __init__(self, session: boto3.Session, organization: Organization) -> None:
        super().__init__(session)
        self._organization = organization
        self._waited_seconds = 0.0

    def monotonic(self) -> float:
        """Return the seconds that the run has waited."""
        return self._waited_seconds

    def wait(self, seconds: float) -> None:
        """Move the emulation's clock instead of waiting."""
        self._organization.advance_clock(seconds)
        self._waited_seconds += seconds

    def moment(self) -> Moment:
        """Return the time of the last call, by the emulation's clock."""
        return Moment(at=self._organization.calls[-1].at, tolerance=timedelta())


def connect_local(session: boto3.Session) -> LocalAws:
    """Return the local AWS of the environment, with the types of policies that cases attach."""
    organization = RemoteOrganization.of_environment()
    enable_policies(organization)
    return LocalAws(session, organization)


def enable_policies(organization: Organization) -> None:
    """Enable the types of policies that cases attach."""
    organizations: Any = organization.client("organizations")
    for type_ in sorted({policy.type for policy in POLICIES.values()}):
        with ignoring("PolicyTypeAlreadyEnabledException"):
            organizations.enable_policy_type(RootId=organization.root_id, PolicyType=type_)
