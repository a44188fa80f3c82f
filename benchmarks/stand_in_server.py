"""The process of the stand-in, which a benchmark sends the scenarios to begin."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from botocore.httpsession import where
from werkzeug.serving import make_ssl_devcert

from benchmarks.stand_in import HOST, SERVICES, Scenario, StandIn, allow_many_connections
from benchmarks.stand_in_aws import Aws, AwsRequest

_BACKLOG = 4096
_CREDENTIAL = re.compile(rb"credential=([0-9]+)/[0-9]{8}/[a-z0-9-]+/([a-z]+)/")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)")
_TARGET = re.compile(rb"\r\nx-amz-target: *[a-z0-9]+\.([a-z]+)")


class _Connection(asyncio.Protocol):
    """A connection of a client, which sends its next request after the response to the last one."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the transport."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Respond to a request once it is complete."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        found = _LENGTH.search(head)
        if len(self._buffer) < end + 4 + (int(found[1]) if found else 0):
            return
        request = _parse_request(self._buffer, head, body_at=end + 4)
        self._buffer = b""
        aws = self._server.aws
        loop = asyncio.get_running_loop()
        response = aws.respond(request, now=loop.time())
        loop.call_later(aws.scenario.latency, self._send, response)

    def _send(self, response: bytes) -> None:
        """Send a response, unless the client has gone."""
        if self._transport is not None:
            self._transport.write(response)


def _parse_request(data: bytes, head: bytes, *, body_at: int) -> AwsRequest:
    """Parse a request, whose head is in lower case; one with a target is JSON, others are forms."""
    credential, target = _CREDENTIAL.search(head), _TARGET.search(head)
    if credential is None:
        raise ValueError("A request is not signed.")
    body = data[body_at:]
    if target is not None:
        operation = data[target.start(1) : target.end(1)].decode()
    else:
        operation = body[body.find(b"Action=") + 7 :].split(b"&", 1)[0].decode()
    return AwsRequest(
        service=credential[2].decode(),
        operation=operation,
        account_id=credential[1].decode(),
        body=body,
    )


class _Server:
    def __init__(self, scenarios: Connection) -> None:
        self.aws = Aws(Scenario(members=0))
        self._scenarios = scenarios
        self._ended = asyncio.Event()

    async def serve(self, chain: str, key: str) -> None:
        """Serve until the benchmark ends."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        loop = asyncio.get_running_loop()
        # A port for each service, as AWS has a host for each: no client may share their
        # connections.
        servers = [
            await loop.create_server(
                lambda: _Connection(self), "127.0.0.1", 0, ssl=context, backlog=_BACKLOG
            )
            for _ in SERVICES
        ]
        loop.add_reader(self._scenarios.fileno(), self._begin_next_scenario)
        self._scenarios.send([server.sockets[0].getsockname()[1] for server in servers])
        await self._ended.wait()

    def _begin_next_scenario(self) -> None:
        """Begin a scenario if the benchmark sends one, and send it what reached the stand-in."""
        try:
            scenario = self._scenarios.recv()
        except EOFError:
            self._ended.set()
            return
        if scenario is not None:
            self.aws = Aws(scenario)
        self._scenarios.send(self.aws.traffic)


def _serve(chain: str, key: str, scenarios: Connection) -> None:
    """Run the stand-in, in a process of its own."""
    allow_many_connections()
    asyncio.run(_Server(scenarios).serve(chain, key))


@contextlib.contextmanager
def running_stand_in(folder: Path) -> Iterator[StandIn]:
    """Run a stand-in in a process of its own.

    Args:
        folder: An empty folder for its certificate.
    """
    chain, key = make_ssl_devcert(str(folder / "stand-in"), host=HOST)
    authorities = folder / "authorities.pem"
    authorities.write_bytes(Path(where()).read_bytes() + Path(chain).read_bytes())
    context = get_context("spawn")
    scenarios, received = context.Pipe()
    process = context.Process(target=_serve, args=(chain, key, received), daemon=True)
    process.start()
    received.close()
    try:
        yield StandIn(scenarios, authorities=str(authorities))
    finally:
        process.terminate()
        process.join()
