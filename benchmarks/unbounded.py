"""A client without a bound: it audits all accounts at once, with five calls in each.

It shares one TLS context and one pool of connections, and retries as the SDKs do by default: three attempts,
and no more retries than a quota that all calls share. Run it in a process of its own, in the environment of
the stand-in: `python -m benchmarks.unbounded ACCOUNTS` prints its measurements as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.connections import allow_many_connections
from benchmarks.stand_in import TASK_POLICY, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_REGION = "us-east-1"
_DETAILS = ("GetLoginProfile", "ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
_VERSIONS = {"iam": "2010-05-08", "sts": "2011-06-15"}
# As botocore's standard mode has them.
_MAX_ATTEMPTS = 3
_MAX_BACKOFF_SECONDS = 20.0
_QUOTA = 500
_RETRY_COST = 5
_THROTTLING = "Throttling"
# Somebody who runs it again for what was lost gives up some time.
_MAX_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What the client measures of itself.

    Attributes:
        seconds: How long each run took, without the list of the accounts.
        lost: How many accounts had no result after each run.
        cpu: The CPU time of the process, its imports included.
    """

    seconds: Sequence[float]
    lost: Sequence[int]
    cpu: float


class _CallFailedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(kw_only=True)
class _Client:
    session: aiohttp.ClientSession
    _quota: int = field(default=_QUOTA)

    async def query(self, service: str, action: str, credentials: Credentials, **parameters: str) -> str:
        """Call IAM or STS, and return the body of the response."""
        body = urlencode({"Action": action, "Version": _VERSIONS[service], **parameters})
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return await self._call(service, credentials, body=body, headers=headers)

    async def _call(
        self, service: str, credentials: Credentials, *, body: str, headers: Mapping[str, str]
    ) -> str:
        url = os.environ[f"AWS_ENDPOINT_URL_{service.upper()}"] + "/"
        for attempt in range(_MAX_ATTEMPTS):
            request = AWSRequest(method="POST", url=url, data=body, headers=dict(headers))
            SigV4Auth(credentials, service, _REGION).add_auth(request)
            try:
                async with self.session.post(url, data=body, headers=dict(request.headers)) as response:
                    text = await response.text()
                    if response.status < 400:
                        self._quota = min(_QUOTA, self._quota + (_RETRY_COST if attempt else 1))
                        return text
                    code = _error_code(text)
            except (aiohttp.ClientError, TimeoutError) as error:
                code = type(error).__name__
            else:
                if code != _THROTTLING and response.status < 500:
                    raise _CallFailedError(code)
            if attempt + 1 == _MAX_ATTEMPTS or self._quota < _RETRY_COST:
                raise _CallFailedError(code)
            self._quota -= _RETRY_COST
            await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, random.random() * 2**attempt))
        raise AssertionError("The last attempt returns or raises.")


def _error_code(text: str) -> str:
    found = re.search("<Code>([^<]+)", text)
    return "Unknown" if found is None else found[1]


async def _audit(client: _Client, credentials: Credentials, account_id: str) -> bool:
    """Audit an account, and return whether it has a result."""
    try:
        response = await client.query(
            "sts",
            "AssumeRoot",
            credentials,
            **{"TargetPrincipal": account_id, "TaskPolicyArn.arn": TASK_POLICY, "DurationSeconds": "900"},
        )
        keys = (
            re.search(rf"<{name}>([^<]+)", response)
            for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        )
        session = Credentials(*(found[1] for found in keys if found is not None))
        for action in _DETAILS:
            try:
                await client.query("iam", action, session)
            except _CallFailedError as error:
                if error.code != "NoSuchEntity":
                    raise
    except _CallFailedError:
        return False
    return True


async def _audit_all(
    client: _Client, credentials: Credentials, account_ids: Iterable[str]
) -> tuple[float, list[str]]:
    """Audit accounts, and return how long it took, and those without a result."""
    ids = list(account_ids)
    started_at = time.monotonic()
    audited = await asyncio.gather(*(_audit(client, credentials, id_) for id_ in ids))
    return time.monotonic() - started_at, [id_ for id_, is_ in zip(ids, audited, strict=True) if not is_]


async def measure(account_ids: Sequence[str]) -> Measurements:
    """Audit accounts, and those that are lost again until each has a result."""
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=60)
    seconds: list[float] = []
    lost: list[int] = []
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        left = list(account_ids)
        while left and sum(seconds) < _MAX_SECONDS:
            taken, left = await _audit_all(_Client(session=session), credentials, left)
            seconds.append(taken)
            lost.append(len(left))
    return Measurements(seconds=seconds, lost=lost, cpu=time.process_time())


if __name__ == "__main__":
    allow_many_connections()
    json.dump(asdict(asyncio.run(measure(Scenario(members=int(sys.argv[1])).member_ids))), sys.stdout)
