"""The clients of the functions: those of their own account, and those of root sessions."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from botocore.config import Config

from aws_calls.runtime import Clients, new_client, new_session, one_attempt

from .session_clients import SessionClients

# The accounts of a batch that are looked into in parallel. Each has its own limits in IAM.
MAX_ACCOUNTS_IN_PARALLEL = 25
# The calls that are made in parallel for an account: three lists, the password and the summary.
_MAX_CALLS_OF_ACCOUNT = 5
MAX_CALLS_IN_PARALLEL = MAX_ACCOUNTS_IN_PARALLEL * _MAX_CALLS_OF_ACCOUNT


class RunClients(Clients):
    """The clients of a run: those of the account that it runs in, and those of root sessions.

    Args:
        create: Creates the client of a service in the account that the run is in.
        sessions: The clients of root sessions.

    Attributes:
        sessions: The clients of root sessions.
    """

    def __init__(self, create: Callable[[str], Any], *, sessions: SessionClients) -> None:
        def create_and_prepare(service: str) -> Any:
            """Create a client; that of STS names the run in its requests to open a session."""
            client = create(service)
            if service == "sts":
                # The last moment before a request is sent: no signature covers this header.
                events = client.meta.events
                events.register_first("before-send.sts.AssumeRoot", self._name_run)
            if service == "organizations":
                _add_members_of_accounts(client)
            return client

        super().__init__(create_and_prepare)
        self.sessions = sessions
        # Its run_id is the run that a thread works for: `for_run` sets it.
        self._of_thread = threading.local()

    @contextmanager
    def for_run(self, run_id: str) -> Iterator[None]:
        """Name a run in the user agent of AssumeRoot, in the calls of this thread.

        The calls in the session do not name it: the owner of the member account would read there
        that a deletion is planned.
        """
        self._of_thread.run_id = run_id
        try:
            yield
        finally:
            del self._of_thread.run_id

    def _name_run(self, request: Any, **_: object) -> None:
        """Add the run of this thread to the user agent of a request, which CloudTrail records."""
        agent = f" centralized-root-access/{self._of_thread.run_id}"
        request.headers["User-Agent"] += agent.encode()


@functools.cache
def create_clients() -> RunClients:
    """Return clients that make one attempt a call; created once in a sandbox."""
    # A connection for each thread that may make a call: of an account, or of several in one.
    config = one_attempt().merge(
        Config(max_pool_connections=MAX_ACCOUNTS_IN_PARALLEL + MAX_CALLS_IN_PARALLEL)
    )
    create = functools.partial(new_client, new_session(), config=config)
    return RunClients(create, sessions=SessionClients(new_session(), config=config))


def _add_members_of_accounts(client: Any) -> None:
    """Add what an SDK's model of accounts lacks: the SDK drops what it does not know.

    The last SDK of Lambda's python3.14 that was seen in public lacks both members: botocore 1.40.4,
    in May 2026. It has the state from 1.40.27 on, and the paths of units from 1.42.80 on. AWS
    returns both: https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html

    The attribute is not public: a client without it is left unchanged.
    """
    with suppress(AttributeError):
        shapes = client.meta.service_model._service_description["shapes"]
        shapes.setdefault("Paths", {"type": "list", "member": {"shape": "AccountName"}})
        members = shapes["Account"]["members"]
        members.setdefault("State", {"shape": "AccountStatus"})
        members.setdefault("Paths", {"shape": "Paths"})
