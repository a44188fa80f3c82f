"""The boto3 clients of the functions."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from aws_calls.runtime import one_attempt

from .session_clients import SessionClients

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

    from aws_calls.security_hub import SecurityHubClient

    from .sessions import SharedClients

# The accounts of a batch that are looked into in parallel. Each has its own limits in IAM.
MAX_ACCOUNTS_IN_PARALLEL = 25
# The calls that are made in parallel for an account: a list of each type of credential, and what has no list.
_MAX_CALLS_OF_ACCOUNT = 5
# How many calls the pool makes besides those of the threads that wait for them.
MAX_CALLS_IN_PARALLEL = MAX_ACCOUNTS_IN_PARALLEL * (_MAX_CALLS_OF_ACCOUNT - 1)


class Clients:
    """The clients of an invocation, each created when it is first used. Several threads use them.

    Args:
        create: Creates the client of a service in the account that the invocation runs in.
        sessions: The clients of root sessions.

    Attributes:
        sessions: The clients of root sessions.
    """

    def __init__(self, create: Callable[[str], Any], *, sessions: SharedClients) -> None:
        self.sessions = sessions
        # A session of the SDK must not create two clients at once.
        self._lock = threading.Lock()
        self._create = functools.cache(create)

    @property
    def iam(self) -> IAMClient:
        """The client of IAM."""
        client: IAMClient = self._client("iam")
        return client

    @property
    def organizations(self) -> OrganizationsClient:
        """The client of Organizations."""
        client: OrganizationsClient = self._client("organizations")
        return client

    @property
    def s3(self) -> S3Client:
        """The client of S3."""
        client: S3Client = self._client("s3")
        return client

    @property
    def security_hub(self) -> SecurityHubClient:
        """The client of Security Hub."""
        client: SecurityHubClient = self._client("securityhub")
        return client

    @property
    def sns(self) -> SNSClient:
        """The client of SNS."""
        client: SNSClient = self._client("sns")
        return client

    @property
    def step_functions(self) -> SFNClient:
        """The client of Step Functions."""
        client: SFNClient = self._client("stepfunctions")
        return client

    @property
    def sts(self) -> STSClient:
        """The client of STS in the Region; the global STS does not have AssumeRoot."""
        client: STSClient = self._client("sts")
        return client

    def _client(self, service: str) -> Any:
        with self._lock:
            return self._create(service)


@functools.cache
def create_clients() -> Clients:
    """Return clients that make one attempt a call; created once in a sandbox."""
    import boto3
    from botocore.session import get_session

    config = one_attempt().merge(
        Config(max_pool_connections=MAX_ACCOUNTS_IN_PARALLEL + MAX_CALLS_IN_PARALLEL)
    )
    create = functools.partial(boto3.client, region_name=os.environ["AWS_REGION"], config=config)
    return Clients(create, sessions=SessionClients(get_session(), config=config))
