"""The caller of the command line: its credentials, its account, and calls to AWS with them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from aws_calls.calls import AwsCalls, Response
from aws_calls.failures import Failure, call_errors
from aws_calls.invocation import Invocation
from aws_calls.retry import ATTEMPT_RESERVE_SECONDS, RetryBudget
from aws_calls.runtime import Clients, new_client, new_session, one_attempt
from common.arn import Arn
from common.clock import Clock
from root_tasks.aws.clients import RunClients
from root_tasks.aws.invocation import Aws
from root_tasks.aws.session_clients import SessionClients

from .options import TargetOptions
from .terminal import print_note

if TYPE_CHECKING:
    from botocore.session import Session


# A person waits at a terminal: for so long, and for so long in silence.
MAX_WAIT_SECONDS = 20.0
_MAX_SILENT_SECONDS = 5.0
_GET_CALLER_IDENTITY = "sts:GetCallerIdentity"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The caller of AWS.

    Attributes:
        session: The SDK's session, with the credentials.
        wait_for_identity: Returns AWS's response about whose the credentials are, once it is there.
        clock: The time.
        profile: The profile; None for the SDK's own choice.
    """

    session: Session
    region: str
    wait_for_identity: Callable[[], Response]
    clock: Clock
    profile: str | None = None

    @property
    def account_id(self) -> str:
        """The credentials' account."""
        account_id: str = self.wait_for_identity().require("Account")
        return account_id

    @property
    def arn(self) -> str:
        """The ARN of the credentials' identity."""
        arn: str = self.wait_for_identity().require("Arn")
        return arn

    def client(self, service: str, *, config: Config | None = None) -> Any:
        """Return a client that makes one attempt a call: a RetryBudget repeats calls instead.

        Args:
            service: The service.
            config: The client's settings, where they are more than that.
        """
        with call_errors(service):
            return new_client(self.session, service, region=self.region, config=config)

    def aws(self, *, seconds: float, connections: int = 10) -> Aws:
        """Return what the functions' code works with, on this machine.

        Args:
            seconds: How long it may take.
            connections: How many calls of a service it makes in parallel. Default: the SDK's own.
        """
        # Root sessions have credentials of their own, so their clients need an SDK session of their
        # own, with the same settings.
        session = new_session(self.profile)
        session.set_config_variable("region", self.region)
        config = one_attempt().merge(Config(max_pool_connections=connections))
        return Aws(
            clients=RunClients(
                functools.partial(self.client, config=config),
                sessions=SessionClients(session, config=config),
            ),
            budget=retry_budget(self.clock, seconds=seconds),
            find_function=self._find_function,
            log=_log_nothing,
        )

    def calls(self, *, seconds: float = MAX_WAIT_SECONDS) -> Invocation:
        """Return calls to AWS, which are retried for so many seconds from now on."""
        return Invocation(
            clients=self._clients,
            budget=retry_budget(self.clock, seconds=seconds),
            find_function=self._find_function,
            log=_log_nothing,
        )

    def _find_function(self) -> Arn:
        """Return what stands for a function's ARN; the ARN of an identity has no Region."""
        return replace(Arn.parse(self.arn), region=self.region)

    @functools.cached_property
    def _clients(self) -> Clients:
        """The clients that all calls of this caller share: one for each service."""
        return Clients(self.client)


def _log_nothing(**_: object) -> None:
    """Log nothing: the functions log for their operators; a person reads the report."""


def find_caller(target: TargetOptions) -> Caller:
    """Return who the credentials belong to.

    Args:
        target: The profile and Region; without one, the profile's own, or us-east-1.

    Raises:
        CallError: There are no credentials, or AWS does not accept them.
    """
    caller = load_caller(target)
    caller.wait_for_identity()
    return caller


def load_caller(target: TargetOptions) -> Caller:
    """Return the caller with its credentials, while AWS is asked whose they are.

    The caller's account and ARN are there once AWS has responded: reading them waits for that.

    Args:
        target: The profile and Region; without one, the profile's own, or us-east-1.

    Raises:
        CallError: The credentials cannot be loaded.
    """
    with call_errors(_GET_CALLER_IDENTITY):
        session = new_session(target.profile)
        # The AWS CLI also reads AWS_REGION, and first; the SDK does not.
        given_region = target.region or os.environ.get("AWS_REGION")
        # Organizations and IAM are global; the SDK needs a Region all the same.
        region = given_region or session.get_config_variable("region") or "us-east-1"
        sts = new_client(session, "sts", region=region)
        # The SDK may ask for an MFA code here. After Ctrl-C, a terminal shows again what is typed
        # only if the main thread has asked.
        if credentials := session.get_credentials():
            credentials.get_frozen_credentials()
    sts_calls = AwsCalls(clients={"sts": sts}.__getitem__, budget=retry_budget(target.clock))
    pool = ThreadPoolExecutor(max_workers=1)
    identity = pool.submit(sts_calls.call, _GET_CALLER_IDENTITY)
    return Caller(
        session=session,
        region=region,
        wait_for_identity=identity.result,
        clock=target.clock,
        profile=target.profile,
    )


def retry_budget(clock: Clock, *, seconds: float = MAX_WAIT_SECONDS) -> RetryBudget:
    """Return the budget of calls that may be retried for so many seconds from now on.

    A call without a response is given up earlier: a list may take long, but a network that is down
    stays down. Meanwhile, stderr says once what is waited for.
    """
    said: list[str] = []

    def waits_for(failure: Failure, seconds_of_call: float) -> bool:
        if failure.responded:
            return True
        if seconds_of_call > MAX_WAIT_SECONDS:
            return False
        if seconds_of_call > _MAX_SILENT_SECONDS and not said:
            said.append(f"{failure} Trying again.")
            print_note(said[0])
        return True

    return RetryBudget(
        clock=clock,
        # A budget begins no attempt in the last seconds before its deadline.
        deadline=clock.now() + seconds + ATTEMPT_RESERVE_SECONDS,
        waits_for=waits_for,
    )
