"""Root sessions in member accounts: one for an account and a task, and the calls that are made in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict, TypeVar

from aws_calls.calls import made, member
from aws_calls.retry import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.config import Config
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

    from aws_calls.retry import Clock

    from ..model.report import Task

T = TypeVar("T")

ASSUME_ROOT = "sts:AssumeRoot"

# AWS allows no more.
_SESSION_SECONDS = 900
# An account that is throttled for long must not use up the time of the others in its batch.
_LONGEST_FOR_AN_ACCOUNT = 180.0


class _Keys(TypedDict):
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


class ClientFactory(Protocol):
    """Makes the clients of a root session. It is called from several threads."""

    def iam(self, credentials: CredentialsTypeDef) -> IAMClient:
        """Returns a client of IAM."""

    def s3(self, credentials: CredentialsTypeDef, region: str) -> S3Client:
        """Returns a client of S3 in a Region; "" is the function's own."""

    def sqs(self, credentials: CredentialsTypeDef, region: str) -> SQSClient:
        """Returns a client of SQS in a Region."""


class BotoClientFactory:
    """Makes clients that make one attempt a call.

    Args:
        config: the clients' settings.
    """

    def __init__(self, *, config: Config) -> None:
        import boto3

        self._session = boto3.Session()
        self._config = config
        # A session may not be used by two threads at once; its clients may.
        self._lock = threading.Lock()

    def iam(self, credentials: CredentialsTypeDef) -> IAMClient:
        """Returns a client of IAM."""
        with self._lock:
            return self._session.client("iam", config=self._config, **_keys(credentials))

    def s3(self, credentials: CredentialsTypeDef, region: str) -> S3Client:
        """Returns a client of S3 in a Region; "" is the function's own."""
        with self._lock:
            return self._session.client(
                "s3", region_name=region or None, config=self._config, **_keys(credentials)
            )

    def sqs(self, credentials: CredentialsTypeDef, region: str) -> SQSClient:
        """Returns a client of SQS in a Region."""
        with self._lock:
            return self._session.client("sqs", region_name=region, config=self._config, **_keys(credentials))


@dataclass(frozen=True, kw_only=True)
class RootSession:
    """A session as the root user of a member account, limited to one task.

    Attributes:
        account_id: the member account.
        credentials: what AssumeRoot answered.
        factory: makes the session's clients.
        budget: how long to wait for a call that fails for now.
    """

    account_id: str
    credentials: CredentialsTypeDef
    factory: ClientFactory
    budget: RetryBudget

    def iam(self) -> IAMClient:
        """Returns a client of IAM that acts as the root user."""
        return self.factory.iam(self.credentials)

    def s3(self, region: str = "") -> S3Client:
        """Returns a client of S3 that acts as the root user; by default in the function's Region."""
        return self.factory.s3(self.credentials, region)

    def sqs(self, region: str) -> SQSClient:
        """Returns a client of SQS that acts as the root user."""
        return self.factory.sqs(self.credentials, region)

    def made(self, call: Callable[[], T], *, operation: str) -> T:
        """Returns what a call returns, made again while its failures may pass.

        Raises:
            CallError: it failed, or did not succeed in time.
        """
        return made(call, operation=operation, budget=self.budget)


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Opens root sessions for one task.

    Attributes:
        sts: a client of a Region's own STS; the global one does not know AssumeRoot.
        factory: makes the sessions' clients.
        task: the task.
        partition: such as aws.
        clock: the time.
        deadline: when the function ends, on the clock.
    """

    sts: STSClient
    factory: ClientFactory
    task: Task
    partition: str
    clock: Clock
    deadline: float

    def open(self, account_id: str) -> RootSession:
        """Returns a new session in an account.

        Raises:
            CallError: AWS refused, or did not answer in time.
        """
        deadline = min(self.deadline, self.clock.now() + _LONGEST_FOR_AN_ACCOUNT)
        budget = RetryBudget(clock=self.clock, deadline=deadline)
        answer = made(
            lambda: self.sts.assume_root(
                TargetPrincipal=account_id,
                TaskPolicyArn={"arn": f"arn:{self.partition}:iam::aws:policy/root-task/{self.task}"},
                DurationSeconds=_SESSION_SECONDS,
            ),
            operation=ASSUME_ROOT,
            budget=budget,
        )
        return RootSession(
            account_id=account_id,
            credentials=member(answer, "Credentials", operation=ASSUME_ROOT),
            factory=self.factory,
            budget=budget,
        )


def _keys(credentials: CredentialsTypeDef) -> _Keys:
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }
