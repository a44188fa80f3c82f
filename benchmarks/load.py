"""How many calls a second the stand-in serves: a client that does nothing but send and receive.

Run it as `python -m benchmarks.load URL CERTIFICATE`; it prints the number.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import urllib.parse

from benchmarks.stand_in import TASK_POLICY, Scenario

_CONNECTIONS = 125
_SECONDS = 3.0
_HEAD = (
    "POST / HTTP/1.1\r\nHost: stand-in\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
    "User-Agent: benchmark\r\nX-Amz-Date: 20260101T000000Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/{service}/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date, Signature=0\r\n{token}Content-Length: {length}\r\n\r\n"
)


def _request(*, service: str, account: str, token: str, body: str) -> bytes:
    return (
        _HEAD.format(service=service, account=account, token=token, length=len(body)).encode() + body.encode()
    )


class _Caller(asyncio.Protocol):
    """A connection that sends the next of its requests as soon as it has a response."""

    def __init__(self, requests: tuple[bytes, ...]) -> None:
        self._requests = requests
        self._transport: asyncio.Transport | None = None
        self.responses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = transport  # type: ignore[assignment]
        self._send()

    def data_received(self, _: bytes) -> None:
        """Count a response; each arrives at once, because it is short."""
        self.responses += 1
        self._send()

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(self._requests[self.responses % len(self._requests)])


async def calls_a_second(url: str, certificate: str) -> float:
    """Return how many calls a second the stand-in at a URL serves: root sessions and summaries."""
    address = urllib.parse.urlsplit(url)
    host, port = address.hostname, address.port
    if host is None or port is None:
        raise ValueError(f"{url} has no host or no port.")
    account = Scenario(members=1).member_ids[0]
    policy = urllib.parse.quote(TASK_POLICY, safe="")
    requests = (
        _request(
            service="sts",
            account="111111111111",
            token="",
            body="Action=AssumeRoot&Version=2011-06-15"
            f"&TargetPrincipal={account}&TaskPolicyArn.arn={policy}&DurationSeconds=240",
        ),
        _request(
            service="iam",
            account=account,
            token=f"X-Amz-Security-Token: root-session/{account}/1\r\n",
            body="Action=GetAccountSummary&Version=2010-05-08",
        ),
    )
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(cafile=certificate)
    opened = [
        await loop.create_connection(lambda: _Caller(requests), host, port, ssl=context)
        for _ in range(_CONNECTIONS)
    ]
    callers = [caller for _, caller in opened]
    before, started_at = sum(it.responses for it in callers), loop.time()
    await asyncio.sleep(_SECONDS)
    rate = (sum(it.responses for it in callers) - before) / (loop.time() - started_at)
    for transport, _ in opened:
        transport.abort()
    return rate


if __name__ == "__main__":
    print(asyncio.run(calls_a_second(*sys.argv[1:])))
