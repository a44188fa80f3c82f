"""The boto3 clients of the functions."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from aws_calls.runtime import new_client, new_session, one_attempt

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


# The accounts of a batch that are looked into in parallel. Each has its own limits in IAM.
MAX_ACCOUNTS_IN_PARALLEL = 25
# The calls that are made in parallel for an account: three lists, the password and the summary.
_MAX_CALLS_OF_ACCOUNT = 5
# The calls that the pool makes besides those of the threads that wait for them.
MAX_CALLS_IN_PARALLEL = MAX_ACCOUNTS_IN_PARALLEL * (_MAX_CALLS_OF_ACCOUNT - 1)


class Clients:
    """The clients of an invocation, each created when it is first used. Several threads use them.

    Args:
        create: Creates the client of a service in the account that the invocation runs in.
        sessions: The clients of root sessions.

    Attributes:
        sessions: The clients of root sessions.
        sts: The client of STS in the Region; the global STS does not have AssumeRoot.
    """

    iam: IAMClient
    organizations: OrganizationsClient
    s3: S3Client
    security_hub: SecurityHubClient
    sns: SNSClient
    step_functions: SFNClient
    sts: STSClient

    def __init__(self, create: Callable[[str], Any], *, sessions: SessionClients) -> None:
        self.sessions = sessions
        # A session of the SDK must not create two clients at once.
        self._lock = threading.Lock()

        def create_naming_runs(service: str) -> Any:
            client = create(service)
            return sessions.naming_runs(client) if service == "sts" else client

        self._create = functools.cache(create_naming_runs)

    def __getattr__(self, name: str) -> Any:
        if name not in Clients.__annotations__:
            raise AttributeError(name)
        with self._lock:
            return self._create(name.replace("_", ""))


@functools.cache
def create_clients() -> Clients:
    """Return clients that make one attempt a call; created once in a sandbox."""
    config = one_attempt().merge(
        Config(max_pool_connections=MAX_ACCOUNTS_IN_PARALLEL + MAX_CALLS_IN_PARALLEL)
    )
    create = functools.partial(new_client, new_session(), config=config)
    return Clients(create, sessions=SessionClients(new_session(), config=config))
