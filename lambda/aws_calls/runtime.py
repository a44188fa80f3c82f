"""Lambda's context and the SDK's clients, which every function uses."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import Session


class LambdaContext(Protocol):
    """The parts of Lambda's context object that the functions use."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends this invocation."""


def one_attempt() -> Config:
    """Return clients' settings: one attempt with short timeouts, because RetryBudget retries."""
    # The SDK's own retries do not know how much time an invocation has left. An attempt that lasts
    # for both timeouts still fits into the time that RetryBudget keeps for the last one.
    return Config(
        connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 1, "mode": "standard"}
    )


class Clients:
    """The clients of a process, by their services. Several threads use them.

    Args:
        create: Creates the client of a service; called once for each, when it is first used.
    """

    def __init__(self, create: Callable[[str], Any]) -> None:
        self._create = functools.cache(create)
        # A session of the SDK must not create two clients at once.
        self._lock = threading.Lock()

    def __call__(self, service: str) -> Any:
        """Return the client of a service."""
        with self._lock:
            return self._create(service)


@functools.cache
def create_clients() -> Clients:
    """Return clients that make one attempt per call; created once in a sandbox."""
    return Clients(functools.partial(new_client, new_session()))


def new_session(profile: str | None = None) -> Session:
    """Return a session of the SDK; the sessions of a process share the models of services.

    It is botocore's, as boto3's are, without the import of boto3: a sixth of a cold start.
    """
    session = Session(profile=profile)
    # AssumeRoot exists only in a Region's own STS, not in the global one, which old SDKs call by
    # default.
    session.set_config_variable("sts_regional_endpoints", "regional")
    models = _models_of_services(session.get_config_variable("data_path"))
    session.register_component("data_loader", models)
    return session


def new_client(
    session: Session, service: str, *, region: str | None = None, config: Config | None = None
) -> Any:
    """Return a client, which makes one attempt per call unless its settings say otherwise."""
    client: Any = session.create_client(service, region_name=region, config=config or one_attempt())
    _share_authorities(client)
    return client


# Loaded once for all sessions of a process, by the path on which the SDK looks for more of them.
_models_of_services = functools.cache(create_loader)


def _share_authorities(client: Any) -> None:
    """Have a client read the file of certificate authorities only once in a process.

    Why: urllib3 reads it again for each connection, although the context has it: 24 ms of CPU.
    https://github.com/urllib3/urllib3/issues/3623, https://github.com/boto/botocore/issues/3171

    The names are not public: a client without them is left unchanged, and so is the way through a
    proxy. The SDK verifies each connection as before.
    """
    with suppress(AttributeError, ImportError):
        http = client._endpoint.http_session
        if http._verify:
            http._manager.connection_pool_kw["ssl_context"] = _tls_context(http._verify)


@functools.cache
def _tls_context(authorities: str | bool) -> Any:  # noqa: ARG001 (cached by it)
    """Return a TLS context that reads the file of authorities when it is first asked to.

    Args:
        authorities: The file, or True for the SDK's own. Each has one context, for all clients.
    """
    from botocore.httpsession import create_urllib3_context

    context: Any = create_urllib3_context()
    lock, load = threading.Lock(), functools.cache(context.load_verify_locations)

    def load_once(*locations: Any) -> None:
        with lock:
            load(*locations)

    context.load_verify_locations = load_once
    return context
