"""A lean client: it lists the accounts, and audits all of them at once, with five calls in each.

It shares one TLS context and one pool of connections, and retries as the SDKs do by default: three attempts,
and no more retries than a quota that all calls share. Run it in a process of its own, in the environment of
the stand-in: `python -m benchmarks.lean_client` prints its measurements as JSON; with accounts, of these.
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
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.stand_in import allow_many_connections
from benchmarks.stand_in_aws import TASK_POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DETAILS = ("GetLoginProfile", "ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
_VERSIONS = {"iam": "2010-05-08", "sts": "2011-06-15"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
_LIST_ACCOUNTS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "AWSOrganizationsV20161128.ListAccounts",
}
# As botocore's standard mode has them.
_MAX_ATTEMPTS = 3
_MAX_BACKOFF_SECONDS = 20.0
_QUOTA = 500
_RETRY_COST = 5
# It is not run again for lost accounts after this time.
_MAX_SECONDS = 60.0


class _CallFailedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Client:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._quota = _QUOTA

    async def call(self, service: str, action: str, credentials: Credentials, **parameters: str) -> str:
        """Call IAM or STS, and return the body of the response."""
        body = urlencode({"Action": action, "Version": _VERSIONS[service], **parameters})
        code = ""
        for attempt in range(_MAX_ATTEMPTS):
            if attempt:
                if self._quota < _RETRY_COST:
                    break
                self._quota -= _RETRY_COST
                await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, random.random() * 2 ** (attempt - 1)))
            try:
                status, text = await self._send(service, credentials, body)
            except (aiohttp.ClientError, TimeoutError) as error:
                code = type(error).__name__
                continue
            if status < 400:
                self._quota = min(_QUOTA, self._quota + (_RETRY_COST if attempt else 1))
                return text
            code = _text_of("Code", text)
            if code != "Throttling" and status < 500:
                break
        raise _CallFailedError(code)

    async def list_accounts(self, credentials: Credentials) -> list[str]:
        """Return the member accounts: page by page, each as soon as AWS lets it through."""
        accounts: list[str] = []
        page: dict[str, Any] = {"NextToken": None}
        while "NextToken" in page:
            body = json.dumps({} if page["NextToken"] is None else page)
            status, text = await self._send("organizations", credentials, body, headers=_LIST_ACCOUNTS)
            if status >= 400:
                await asyncio.sleep(random.random() / 4)
                continue
            listed = json.loads(text)
            accounts += [account["Id"] for account in listed["Accounts"]]
            page = {key: listed[key] for key in ("NextToken",) if key in listed}
        return [id_ for id_ in accounts if id_ != credentials.access_key]

    async def _send(
        self, service: str, credentials: Credentials, body: str, *, headers: Mapping[str, str] = _FORM
    ) -> tuple[int, str]:
        url = os.environ[f"AWS_ENDPOINT_URL_{service.upper()}"] + "/"
        request = AWSRequest(method="POST", url=url, data=body, headers=dict(headers))
        SigV4Auth(credentials, service, "us-east-1").add_auth(request)
        async with self._session.post(url, data=body, headers=dict(request.headers)) as response:
            return response.status, await response.text()

    async def audit(self, credentials: Credentials, account_id: str) -> bool:
        """Audit an account, and return whether it has a result."""
        target = {"TargetPrincipal": account_id, "TaskPolicyArn.arn": TASK_POLICY, "DurationSeconds": "900"}
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        try:
            response = await self.call("sts", "AssumeRoot", credentials, **target)
            session = Credentials(*(_text_of(name, response) for name in names))
            for action in _DETAILS:
                try:
                    await self.call("iam", action, session)
                except _CallFailedError as error:
                    if error.code != "NoSuchEntity":
                        raise
        except _CallFailedError:
            return False
        return True


def _text_of(name: str, xml: str) -> str:
    found = re.search(f"<{name}>([^<]+)", xml)
    return "" if found is None else found[1]


async def measure(account_ids: Sequence[str]) -> Mapping[str, object]:
    """Audit accounts, and those that are lost again until each has a result; return what it took.

    That is how many accounts were `lost` after each run, and the `cpu` of the process.

    Args:
        account_ids: The accounts; without any, all that are listed.
    """
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=60)
    lost: list[int] = []
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context), timeout=timeout
    ) as session:
        left = list(account_ids) or await _Client(session).list_accounts(credentials)
        # The list of 10,000 accounts takes a minute by itself.
        ends_at = time.monotonic() + _MAX_SECONDS
        while left and time.monotonic() < ends_at:
            client = _Client(session)
            has_result = await asyncio.gather(*(client.audit(credentials, id_) for id_ in left))
            left = [id_ for id_, has in zip(left, has_result, strict=True) if not has]
            lost.append(len(left))
    return {"lost": lost, "cpu": time.process_time()}


if __name__ == "__main__":
    allow_many_connections()
    json.dump(asyncio.run(measure(sys.argv[1:])), sys.stdout)
