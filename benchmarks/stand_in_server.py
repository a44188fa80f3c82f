"""The process of the stand-in: `python -m benchmarks.stand_in_server CHAIN KEY`, controlled by lines of JSON.

A line has the name of a command and its arguments.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from typing import Any

from benchmarks.limits import Limit
from benchmarks.stand_in import SERVICES, Scenario, allow_many_connections
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
        request = _parse(self._buffer, head, body_at=end + 4)
        self._buffer = b""
        aws = self._server.aws
        loop = asyncio.get_running_loop()
        response = aws.respond(request, now=loop.time())
        if aws.scenario.latency:
            loop.call_later(aws.scenario.latency, self._send, response)
        else:
            self._send(response)

    def _send(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)


def _parse(data: bytes, head: bytes, *, body_at: int) -> AwsRequest:
    credential, target = _CREDENTIAL.search(head), _TARGET.search(head)
    if credential is None:
        raise ValueError("A request is not signed.")
    body = data[body_at:]
    if target is not None:
        operation = data[target.start(1) : target.end(1)].decode()
    else:
        operation = body[body.find(b"Action=") + 7 :].split(b"&", 1)[0].decode()
    return AwsRequest(
        service=credential[2].decode(), operation=operation, account_id=credential[1].decode(), body=body
    )


class _Server:
    def __init__(self) -> None:
        self.aws = Aws(Scenario(members=0))

    async def serve(self, chain: str, key: str) -> None:
        """Serve until the standard input ends."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        loop = asyncio.get_running_loop()
        # A port for each service, as AWS has a host for each: no client may share their connections.
        servers = [
            await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, ssl=context, backlog=_BACKLOG)
            for _ in SERVICES
        ]
        commands = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        _print([server.sockets[0].getsockname()[1] for server in servers])
        while command := await commands.readline():
            _print(self._obey(*json.loads(command)))

    def _obey(self, name: str, arguments: dict[str, Any]) -> object:
        match name:
            case "begin":
                limit = Limit(**arguments["assume_root"])
                self.aws = Aws(Scenario(**{**arguments, "assume_root": limit}))
            case "add_execution":
                self.aws.add_execution(**arguments)
            case "traffic":
                return self.aws.traffic
        return None


def _print(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    allow_many_connections()
    asyncio.run(_Server().serve(*sys.argv[1:]))
