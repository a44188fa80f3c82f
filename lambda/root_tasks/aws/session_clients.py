"""The clients of all root sessions: one for a service and a Region, which all accounts share.

A new client for each session would cost a TLS context and a handshake, which is most of the CPU of
an audit. Sessions only differ in their keys, and botocore looks these up when it signs a request.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.credentials import Credentials, ReadOnlyCredentials

from aws_calls.runtime import new_client

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

# SQS has fewer Regions. There is a limit because a run's input names them, and each client holds
# connections.
_MAX_CLIENTS = 48


class NoRootSessionError(Exception):
    """A request is about to be signed while its thread acts for no root session."""

    def __init__(self) -> None:
        super().__init__("A request to a member account was not made in a root session.")


class SessionClients:
    """The clients of root sessions. Several threads use them at once, each for its own session.

    A thread acts for a session only inside of `acting_as`. Outside of it a request is not signed at
    all, so that none is ever signed with the keys of another account, or of the function.

    Args:
        session: Creates the clients. It must not be used for anything else: its credentials are
            replaced.
        config: The clients' settings: one attempt a call, and as many connections as there are
            threads.
    """

    def __init__(self, session: Session, *, config: Config) -> None:
        self._credentials = _CredentialsOfThread()
        self._config = config
        self._session = session
        self._session.register_component("credential_provider", self._credentials)
        # A botocore session must not be used by two threads at once; its clients may.
        self._lock = threading.Lock()
        self._create = functools.lru_cache(maxsize=_MAX_CLIENTS)(self._create_client)

    def client(self, service: str, *, region: str | None) -> Any:
        """Return the client of a service in a Region; None stands for the function's Region."""
        with self._lock:
            return self._create(service, region)

    @contextmanager
    def acting_as(self, credentials: CredentialsTypeDef) -> Iterator[None]:
        """Sign the requests of this thread, and of no other one, as a session."""
        self._credentials.of_thread.frozen = ReadOnlyCredentials(
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials["SessionToken"],
        )
        try:
            yield
        finally:
            del self._credentials.of_thread.frozen

    def _create_client(self, service: str, region: str | None) -> Any:
        """Create a client whose requests are signed with the credentials of the thread."""
        return new_client(self._session, service, region=region, config=self._config)


class _CredentialsOfThread(Credentials):
    """The credentials of the session that a thread acts for, which botocore asks for to sign.

    Attributes:
        of_thread: Has them as `frozen`, as long as this thread acts for a session.
    """

    def __init__(self) -> None:
        # Empty, because botocore signs with what `get_frozen_credentials` returns. Code that reads
        # these instead gets keys that AWS refuses.
        super().__init__(access_key="", secret_key="", method="root-session")
        self.of_thread = threading.local()

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the keys to sign a request with.

        Raises:
            NoRootSessionError: This thread acts for no session.
        """
        frozen: ReadOnlyCredentials | None = getattr(self.of_thread, "frozen", None)
        if frozen is None:
            raise NoRootSessionError
        return frozen

    def load_credentials(self) -> Credentials:
        """Return what a new client is to sign with: botocore asks its provider for that."""
        return self
