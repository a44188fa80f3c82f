"""What the stand-in responds: what the local AWS responds about two accounts, for as many as are wanted."""

from __future__ import annotations

import base64
import contextlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from benchmarks.candidates import State, reset_to
from benchmarks.limits import LIST_ACCOUNTS, TokenBucket
from local_aws.emulation import Seed, mock_organization

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.stand_in import Scenario

MANAGEMENT_ACCOUNT_ID = "111111111111"
MAX_PAGE = 20
TASK_POLICY = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"

# An account without root credentials, and one that has some.
_CLEAN, _WITH_CREDENTIALS = "222222222222", "333333333333"
_IN_AN_ACCOUNT = (
    *("get_account_summary", "get_login_profile", "list_access_keys", "list_mfa_devices"),
    *("list_signing_certificates", "get_user"),
)
_SCP = "SERVICE_CONTROL_POLICY"
_THROTTLED = {
    "organizations": b'{"__type": "TooManyRequestsException", "Message": "Slow down."}',
    "sts": b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRequest:
    """A request, as far as it is looked at: whose key signed it, and what it asks for."""

    service: str
    operation: str
    account_id: str
    body: bytes


class Aws:
    """The organization, its limits, and what was counted.

    Attributes:
        scenario: What it is.
        connections: The new connections to each service.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.connections: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()
        self._limits = {"ListAccounts": LIST_ACCOUNTS, "AssumeRoot": scenario.sts} if scenario.sts else {}
        self._buckets: dict[str, TokenBucket] = {}
        self._responses = dict(_record())
        _, listed = self._responses["ListAccounts", MANAGEMENT_ACCOUNT_ID]
        management, clean, _ = json.loads(listed)["Accounts"]
        text = json.dumps(clean)
        members = (json.loads(text.replace(_CLEAN, id_)) for id_ in scenario.member_ids)
        self._accounts = (management, *members)

    @property
    def traffic(self) -> Mapping[str, Mapping[str, int]]:
        """What reached it."""
        return {"calls": self._calls, "throttled": self._throttled, "connections": self.connections}

    def respond(self, request: AwsRequest, *, now: float) -> bytes:
        """Return the response to a request, as its bytes."""
        self._calls[request.operation] += 1
        if not self._take(request.operation, now):
            self._throttled[request.operation] += 1
            return _http_response(400, _THROTTLED[request.service])
        if request.operation == "ListAccounts":
            return _http_response(200, _page(json.loads(request.body), self._accounts))
        account_id = request.account_id
        if request.operation == "AssumeRoot":
            account_id = request.body.split(b"TargetPrincipal=")[1][:12].decode()
        if account_id == MANAGEMENT_ACCOUNT_ID:
            return _http_response(*self._responses[request.operation, account_id])
        recorded_id = _WITH_CREDENTIALS if self.scenario.has_credentials(account_id) else _CLEAN
        status, body = self._responses[request.operation, recorded_id]
        return _http_response(status, body.replace(recorded_id.encode(), account_id.encode()))

    def _take(self, operation: str, now: float) -> bool:
        limit = self._limits.get(operation)
        if limit is None:
            return True
        if operation not in self._buckets:
            self._buckets[operation] = TokenBucket(limit=limit, updated_at=now)
        return self._buckets[operation].take(now)


def _record() -> Iterator[tuple[tuple[str, str], tuple[int, bytes]]]:
    """Yield each operation with the account that calls it or is assumed, and what the local AWS responds."""
    with mock_organization(seed=Seed(members=())) as organization:
        reset_to(State.ENABLED, organization, latency=0.0)
        for account_id in (_CLEAN, _WITH_CREDENTIALS):
            email = f"{account_id}@example.com"
            organization.add_account(name=f"team-{account_id}", email=email, account_id=account_id)
        organization.put_root_credentials(account_id=_WITH_CREDENTIALS, password=True, access_keys=1)
        client: Any = organization.client("organizations")
        client.enable_policy_type(RootId=organization.root_id, PolicyType=_SCP)
        for operation, parameters in (
            ("describe_organization", {}),
            ("list_accounts", {}),
            ("list_roots", {}),
            ("list_organizational_units_for_parent", {"ParentId": organization.root_id}),
            ("list_policies", {"Filter": _SCP}),
        ):
            yield _response(client, MANAGEMENT_ACCOUNT_ID, operation, **parameters)
        iam, sts = organization.client("iam"), organization.client("sts")
        yield _response(iam, MANAGEMENT_ACCOUNT_ID, "list_organizations_features")
        for account_id in (_CLEAN, _WITH_CREDENTIALS):
            target: Any = {"TargetPrincipal": account_id, "TaskPolicyArn": {"arn": TASK_POLICY}}
            yield _response(sts, account_id, "assume_root", **target)
            iam = organization.client("iam", credentials=sts.assume_root(**target)["Credentials"])
            for operation in _IN_AN_ACCOUNT:
                yield _response(iam, account_id, operation)
        key_id = f"AKIA{_WITH_CREDENTIALS}0001"
        yield _response(iam, _WITH_CREDENTIALS, "get_access_key_last_used", AccessKeyId=key_id)


def _response(
    client: Any, account_id: str, operation: str, **parameters: object
) -> tuple[tuple[str, str], tuple[int, bytes]]:
    recorded: list[dict[str, Any]] = []
    client.meta.events.register("before-parse", lambda response_dict, **_: recorded.append(response_dict))
    # An account without a password has no login profile.
    with contextlib.suppress(ClientError):
        getattr(client, operation)(**parameters)
    (response,) = recorded
    name = client.meta.method_to_api_mapping[operation]
    return (name, account_id), (response["status_code"], response["body"])


def _page(parameters: Mapping[str, Any], accounts: Sequence[Mapping[str, Any]]) -> bytes:
    start = int(base64.b64decode(parameters.get("NextToken", "MA==")))
    end = start + parameters.get("MaxResults", MAX_PAGE)
    rest = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(accounts) else {}
    return json.dumps({"Accounts": accounts[start:end], **rest}).encode()


def _http_response(status: int, body: bytes) -> bytes:
    return f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
