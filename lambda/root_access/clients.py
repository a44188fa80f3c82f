"""The boto3 clients that root access is read and changed by."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.runtime import one_attempt

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The two clients, for any Region of the partition: both services are global."""

    iam: IAMClient
    organizations: OrganizationsClient


@functools.cache
def create_clients() -> Clients:
    """Return clients that make one attempt a call; created once in a sandbox."""
    import boto3

    config = one_attempt()
    return Clients(
        iam=boto3.client("iam", config=config),
        organizations=boto3.client("organizations", config=config),
    )
