"""The boto3 clients of the functions."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The clients of the functions; each makes one attempt a call.

    Attributes:
        security_hub: Returns a client that few functions need, and whose model is large.
        sessions: The clients of root sessions. The others act in the functions' own account.
    """

    iam: IAMClient
    organizations: OrganizationsClient
    s3: S3Client
    security_hub: Callable[[], SecurityHubClient]
    sns: SNSClient
    step_functions: SFNClient
    sts: STSClient
    sessions: SharedClients


@functools.cache
def create_clients() -> Clients:
    """Return clients that make one attempt a call; created once in a sandbox."""
    import boto3
    from botocore.session import get_session

    config = one_attempt()
    return Clients(
        iam=boto3.client("iam", config=config),
        organizations=boto3.client("organizations", config=config),
        s3=boto3.client("s3", config=config),
        security_hub=functools.cache(functools.partial(boto3.client, "securityhub", config=config)),
        sns=boto3.client("sns", config=config),
        step_functions=boto3.client("stepfunctions", config=config),
        # AssumeRoot exists only in a Region's own STS, not in the global one.
        sts=boto3.client(
            "sts",
            region_name=os.environ["AWS_REGION"],
            config=config.merge(Config(max_pool_connections=MAX_ACCOUNTS_IN_PARALLEL)),
        ),
        sessions=SessionClients(
            get_session(),
            config=config.merge(
                Config(max_pool_connections=MAX_ACCOUNTS_IN_PARALLEL + MAX_CALLS_IN_PARALLEL)
            ),
        ),
    )
