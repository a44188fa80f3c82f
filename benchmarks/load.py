"""How many calls a second the stand-in serves: a client that does nothing but send and receive.

Run it as `python -m benchmarks.load URL CERTIFICATE`; it prints the number.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import urllib.parse

from benchmarks.stand_in import Scenario

_CONNECTIONS = 125
_SECONDS = 3.0
_REQUEST = (
    "POST / HTTP/1.1\r\nHost: stand-in\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
    "User-Agent: benchmark\r\nX-Amz-Date: 20260101T000000Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/iam/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date, Signature=0\r\nContent-Length: {length}\r\n\r\n{body}"
)


async def calls_a_second(url: str, certificate: str) -> float:
    """Return how many calls a second the stand-in at a URL serves."""
    address = urllib.parse.urlsplit(url)
    account, body = Scenario(members=1).member_ids[0], "Action=GetAccountSummary&Version=2010-05-08"
    request = _REQUEST.format(account=account, length=len(body), body=body).encode()
    context = ssl.create_default_context(cafile=certificate)
    opened = [
        await asyncio.open_connection(address.hostname, address.port, ssl=context)
        for _ in range(_CONNECTIONS)
    ]
    loop = asyncio.get_running_loop()
    started_at = loop.time()

    async def call_again_and_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        calls = 0
        while loop.time() - started_at < _SECONDS:
            writer.write(request)
            # A response arrives at once, because it is short.
            await reader.read(2**16)
            calls += 1
        return calls

    calls = sum(await asyncio.gather(*(call_again_and_again(*streams) for streams in opened)))
    return calls / (loop.time() - started_at)


if __name__ == "__main__":
    print(asyncio.run(calls_a_second(*sys.argv[1:])))
