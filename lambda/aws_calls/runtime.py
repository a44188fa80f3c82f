"""What every function needs of Lambda and the SDK: client settings, time, its own account."""

from __future__ import annotations

import functools
import random
import time
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.config import Config
from botocore.session import get_session

from .retry import Clock


class LambdaContext(Protocol):
    """What the functions use of Lambda's context object."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends this invocation."""


@dataclass(frozen=True, kw_only=True)
class FunctionArn:
    """The parts of a function's ARN that say where it runs, and its name; outside of Lambda there is none."""

    partition: str
    region: str
    account_id: str
    name: str = ""

    @classmethod
    def parse(cls, arn: str) -> FunctionArn:
        """Return the parts of an ARN."""
        _, partition, _, region, account_id, _, name, *_ = arn.split(":")
        return cls(partition=partition, region=region, account_id=account_id, name=name)


def one_attempt() -> Config:
    """Return the clients' settings: one attempt with short timeouts, because RetryBudget retries."""
    return Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 1, "mode": "standard"})


@functools.cache
def create_client(service: str) -> Any:
    """Return a client that makes one attempt per call; created once in a sandbox.

    It is botocore's, as boto3's are, without the import of boto3: a sixth of a cold start.
    """
    return get_session().create_client(service, config=one_attempt())


def system_clock() -> Clock:
    """Return the system's clock."""
    return Clock(now=time.monotonic, sleep=time.sleep, random=random.random)
