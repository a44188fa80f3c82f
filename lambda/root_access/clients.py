"""The boto3 clients that root access is read and changed by."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aws_calls.runtime import one_attempt

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The clients, for any Region of the partition: both services are global."""

    iam: IAMClient
    organizations: OrganizationsClient


@functools.cache
def create_clients() -> Clients:
    """Return clients that make one attempt a call; created once in a sandbox.

    They are botocore's, as boto3's are, without the import of boto3: a sixth of a cold start.
    """
    from botocore.session import get_session

    session, config = get_session(), one_attempt()
    return Clients(
        iam=cast("IAMClient", session.create_client("iam", config=config)),
        organizations=cast("OrganizationsClient", session.create_client("organizations", config=config)),
    )
