"""The AWS that a run calls: the user's own, or the local one if the environment names it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from acceptance.comparison import Moment

if TYPE_CHECKING:
    import boto3


class Aws:
    """AWS with the user's own credentials, and the time that a run waits by.

    Args:
        session: The user's session.

    Attributes:
        is_local: Whether it is the local AWS, which does not show everything.
    """

    is_local = False

    def __init__(self, session: boto3.Session) -> None:
        self._session = session

    def client(
        self,
        service: str,
        *,
        credentials: Mapping[str, Any] | None = None,
        host: str | None = None,
        repeat: bool = True,
    ) -> Any:
        """Return a client, by default with the run's own credentials.

        Args:
            service: The service's name in boto3.
            credentials: A session to call with.
            host: The host to call; None for the service's own.
            repeat: Whether the client repeats calls that are throttled, more and more slowly.
        """
        keys = credentials or {}
        client: Any = self._session.client(
            service,  # type: ignore[call-overload]
            config=Config(
                retries={
                    "total_max_attempts": 8 if repeat else 1,
                    "mode": "adaptive" if repeat else "standard",
                },
                connect_timeout=5,
                read_timeout=30,
            ),
            aws_access_key_id=keys.get("AccessKeyId"),
            aws_secret_access_key=keys.get("SecretAccessKey"),
            aws_session_token=keys.get("SessionToken"),
        )
        if host is not None:
            client.meta.events.register(
                "before-sign", lambda request, **_: name_host(request, host)
            )
        return client

    def monotonic(self) -> float:
        """Return the seconds on a clock that never goes back."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def moment(self) -> Moment:
        """Return the time of the last call."""
        return Moment(at=datetime.now(UTC), tolerance=timedelta(seconds=60))


def name_host(request: Any, host: str) -> None:
    """Set the host of a request, without changing its destination if that is on this machine."""
    url = str(request.url)
    if "127.0.0.1" in url:
        request.headers["Host"] = host
    else:
        scheme, _, rest = url.partition("://")
        request.url = f"{scheme}://{host}/{rest.partition('/')[2]}"
