"""Injects faults at the wire, so that the SDK is tested too: a proxy in front of the organization."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web
from microburst.app import make_app
from microburst.core.pipeline import Microburst

from .vocabulary import (
    NO_RESPONSE_AFTER,
    NO_RESPONSE_BEFORE,
    READ_TIMEOUT,
    SERVER_ERROR_AFTER,
    Persistence,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from aiohttp.typedefs import Handler, Middleware

    from .vocabulary import CallSite, Fault

_LOOPBACK = "127.0.0.1"
_MAX_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.005

# Microburst's rules for the faults in which no response arrives.
_RULES: Mapping[Fault, Mapping[str, object]] = {
    NO_RESPONSE_BEFORE: {"reset": True},
    NO_RESPONSE_AFTER: {"response": {"abort_frac": 0}},
    READ_TIMEOUT: {"timeout_ms": 1},
}


class FaultProxy:
    """Forwards the function's calls to the organization, and makes one of them at a time fail.

    Attributes:
        fault: How it fails; None if no call does.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._microburst: Any = Microburst(upstream)
        self._rules: list[Any] = []
        self.fault: Fault | None = None
        self._site: CallSite | None = None

    @property
    def upstream_host(self) -> str:
        """The host and port that the calls are forwarded to."""
        return urlsplit(self._upstream).netloc

    @property
    def hits(self) -> int:
        """How many calls the fault has hit."""
        return int(self._rules[-1].fired_count) if self._rules else 0

    def is_unresponsive_to(self, *, operation: str, body: str) -> bool:
        """Whether a call gets no response in time."""
        if self.fault is not READ_TIMEOUT or self._site is None:
            return False
        *passes, fails = self._rules
        return (
            self._site.action.endswith(f":{operation}")
            and self._site.account_id in body
            and all(rule.fired_count == rule.times for rule in passes)
            and (fails.times is None or fails.fired_count < fails.times)
        )

    def inject(self, fault: Fault, *, at: CallSite, persistence: Persistence) -> None:
        """Make a call fail, and those like it that follow as long as the fault persists.

        A fault that persists always hits the operation; others hit the call for that account.
        """
        self.fault, self._site = fault, at
        service, _, operation = at.action.partition(":")
        call = {"service": service, "operation": operation}
        parameters = {"body": f"AccountId == '{at.account_id}'"} if at.account_id else {}
        # A rule without a fault lets the calls before this one through.
        passes = [{**call, **parameters, "times": at.occurrence - 1}] if at.occurrence > 1 else []
        if persistence is Persistence.ALWAYS:
            parameters = {}
        fails = {**call, **parameters, **_rule(fault, action=at.action), "times": persistence.times}
        self._rules = self._microburst.engine.set_rules([*passes, fails])

    def stop(self) -> None:
        """Let every call through; the hits are still counted."""
        self._microburst.engine.set_rules([])
        self.fault = None

    def reset(self) -> None:
        """Let every call through, with no hits."""
        self.stop()
        self._rules = []

    def app(self) -> web.Application:
        """Return the proxy as a web application."""
        app: web.Application = make_app(self._microburst)
        app.middlewares.append(self._middleware())
        return app

    def _middleware(self) -> Middleware:
        """Return what microburst lacks: an error, or no response in time, to a call that took effect.

        Microburst's errors and timeouts take the place of the call; its faults of responses keep the status.
        """

        @web.middleware
        async def apply_call_first(request: web.Request, handler: Handler) -> web.StreamResponse:
            fault = self.fault
            response = await handler(request)
            # A response that microburst forwards has been sent already; its own has not.
            if fault in (SERVER_ERROR_AFTER, READ_TIMEOUT) and isinstance(response, web.Response):
                await self._forward(request)
                if fault is READ_TIMEOUT:
                    await _wait_for_disconnect(request)
            return response

        return apply_call_first

    async def _forward(self, request: web.Request) -> None:
        headers = {
            name: value for name, value in request.headers.items() if name not in {"Host", "Content-Length"}
        }
        async with self._microburst.upstream.session.post(
            self._upstream, data=await request.read(), headers=headers
        ) as response:
            await response.read()


@contextmanager
def serve_fault_proxy(upstream: str) -> Iterator[tuple[FaultProxy, str]]:
    """Serve a proxy from a thread.

    Args:
        upstream: The URL of the organization.

    Yields:
        The proxy and its URL.
    """
    proxy = FaultProxy(upstream)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy")
    thread.start()

    def wait_for(coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(_MAX_WAIT_SECONDS)

    try:
        runner = web.AppRunner(proxy.app(), access_log=None)
        wait_for(runner.setup())
        try:
            wait_for(web.TCPSite(runner, _LOOPBACK, 0).start())
            # "localhost", because microburst searches the models of all services for a host with dots.
            yield proxy, f"http://localhost:{runner.addresses[0][1]}"
        finally:
            wait_for(runner.cleanup())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_MAX_WAIT_SECONDS)
        loop.close()


def _rule(fault: Fault, *, action: str) -> Mapping[str, object]:
    response = fault.response_to(action)
    if response is None:
        return _RULES[fault]
    error: dict[str, object] = {
        "code": response.code,
        "status": response.status,
        "message": response.message,
    }
    if response.reason:
        error["fields"] = {"Reason": response.reason}
    return {"error": error}


async def _wait_for_disconnect(request: web.Request) -> None:
    async with asyncio.timeout(_MAX_WAIT_SECONDS):
        while request.transport is not None:
            await asyncio.sleep(_POLL_SECONDS)
