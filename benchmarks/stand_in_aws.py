"""What the stand-in responds about any number of accounts: what the local AWS does about a few."""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from benchmarks.limits import ORGANIZATIONS, TokenBucket
from benchmarks.stand_in import Scenario, Traffic
from local_aws.emulation import LocalOrganization, Seed, mock_organization
from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID

if TYPE_CHECKING:
    _Recorded = tuple[tuple[str, str], tuple[int, bytes]]

MAX_PAGE = 20
TASK_POLICY = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"

# An account without root credentials, and one that has some.
_CLEAN, _WITH_CREDENTIALS = "222222222222", "333333333333"
_OTHERS = tuple(f"40000000000{number}" for number in range(1, 8))
_IN_AN_ACCOUNT = (
    "get_account_summary",
    "get_login_profile",
    "list_access_keys",
    "list_mfa_devices",
    "list_signing_certificates",
    "get_user",
)
# The units, each with what it is in. Members are in those of the second level.
_TOP_UNITS = ("Workloads", "Platform", "Sandbox")
UNITS = {
    **dict.fromkeys(_TOP_UNITS, "Root"),
    **{f"{parent} {number}": parent for parent in _TOP_UNITS for number in (1, 2, 3)},
}
# AWS's responses have these, and clients parse them.
_HEADERS = (
    "x-amzn-RequestId: 2f9c1d0e-6a52-4b1c-9a57-0c4d2f1b7e63\r\n"
    "Content-Type: text/xml\r\n"
    "Date: Wed, 25 Nov 2026 04:32:00 GMT\r\n"
)
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
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._calls: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()
        limits = {**ORGANIZATIONS, "AssumeRoot": scenario.assume_root}
        self._buckets = {operation: TokenBucket(limit) for operation, limit in limits.items()}
        self._responses = _recorded_responses()
        _, listed = self._responses["ListAccounts", MANAGEMENT_ACCOUNT_ID]
        management, *recorded = json.loads(listed)["Accounts"]
        # The recorded accounts are in different units, and so are the others.
        texts = itertools.cycle((account["Id"], json.dumps(account)) for account in recorded)
        members = (
            json.loads(text.replace(recorded_id, id_))
            for id_, (recorded_id, text) in zip(scenario.member_ids, texts, strict=False)
        )
        self._accounts = {account["Id"]: account for account in (management, *members)}
        if scenario.status:
            for account in self._accounts.values():
                account["Status"] = account["State"]

    @property
    def traffic(self) -> Traffic:
        """What reached it."""
        return Traffic(calls=self._calls, throttled=self._throttled)

    def respond(self, request: AwsRequest, *, now: float) -> bytes:
        """Return the response to a request, as its bytes."""
        self._calls[request.operation] += 1
        if not self._take_token(request.operation, now):
            self._throttled[request.operation] += 1
            return _http_response(400, _THROTTLED[request.service])
        account_id = request.account_id
        if request.service == "organizations":
            return _http_response(*self._respond_about(request.operation, json.loads(request.body)))
        if request.operation == "AssumeRoot":
            account_id = request.body.split(b"TargetPrincipal=")[1][:12].decode()
        if account_id == MANAGEMENT_ACCOUNT_ID:
            return _http_response(*self._responses[request.operation, account_id])
        recorded_id = _WITH_CREDENTIALS if self.scenario.has_credentials(account_id) else _CLEAN
        status, body = self._responses[request.operation, recorded_id]
        return _http_response(status, body.replace(recorded_id.encode(), account_id.encode()))

    def _respond_about(self, operation: str, parameters: Mapping[str, Any]) -> tuple[int, bytes]:
        """Return the response of Organizations to a call."""
        if operation == "ListAccounts":
            return 200, _page_of_accounts(parameters, list(self._accounts.values()))
        if operation == "DescribeAccount":
            return 200, json.dumps({"Account": self._accounts[parameters["AccountId"]]}).encode()
        # What the call is about; without it, the organization.
        subject = parameters.get("ParentId") or parameters.get("OrganizationalUnitId")
        return self._responses[operation, subject or MANAGEMENT_ACCOUNT_ID]

    def _take_token(self, operation: str, now: float) -> bool:
        """Return whether the limit of an operation lets a call through, and count it."""
        bucket = self._buckets.get(operation)
        return bucket is None or bucket.take(now)


@functools.cache
def _recorded_responses() -> Mapping[tuple[str, str], tuple[int, bytes]]:
    """Return what the local AWS responds, by the operation and what it is asked about."""
    with mock_organization(seed=Seed(members=())) as organization:
        return dict(
            itertools.chain(_record_organization(organization), _record_accounts(organization))
        )


def _record_organization(organization: LocalOrganization) -> Iterator[_Recorded]:
    """Yield the recorded responses about the organization, its units and its accounts."""
    client: Any = organization.client("organizations")
    client.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    ids = {"Root": organization.root_id}
    for name, parent in UNITS.items():
        unit = client.create_organizational_unit(ParentId=ids[parent], Name=name)[
            "OrganizationalUnit"
        ]
        ids[name] = unit["Id"]
    leaves = [ids[name] for name in UNITS if name not in _TOP_UNITS]
    for account_id, unit_id in zip((_CLEAN, _WITH_CREDENTIALS, *_OTHERS), leaves, strict=True):
        email = f"{account_id}@example.com"
        organization.add_account(name=f"team-{account_id}", email=email, account_id=account_id)
        client.move_account(
            AccountId=account_id, SourceParentId=ids["Root"], DestinationParentId=unit_id
        )
    for operation in ("describe_organization", "list_accounts", "list_roots"):
        yield _recorded_response(client, MANAGEMENT_ACCOUNT_ID, operation)
    for name, id_ in ids.items():
        yield _recorded_response(client, id_, "list_organizational_units_for_parent", ParentId=id_)
        if name != "Root":
            yield _recorded_response(
                client, id_, "describe_organizational_unit", OrganizationalUnitId=id_
            )


def _record_accounts(organization: LocalOrganization) -> Iterator[_Recorded]:
    """Yield the recorded responses about a clean root user, and about one with credentials."""
    iam, sts = organization.client("iam"), organization.client("sts")
    iam.enable_organizations_root_credentials_management()
    iam.enable_organizations_root_sessions()
    organization.put_root_credentials(account_id=_WITH_CREDENTIALS, password=True, access_keys=1)
    yield _recorded_response(iam, MANAGEMENT_ACCOUNT_ID, "list_organizations_features")
    yield _recorded_response(iam, MANAGEMENT_ACCOUNT_ID, "get_account_summary")
    yield _recorded_response(sts, MANAGEMENT_ACCOUNT_ID, "get_caller_identity")
    for account_id in (_CLEAN, _WITH_CREDENTIALS):
        target: Any = {"TargetPrincipal": account_id, "TaskPolicyArn": {"arn": TASK_POLICY}}
        yield _recorded_response(sts, account_id, "assume_root", **target)
        iam = organization.client("iam", credentials=sts.assume_root(**target)["Credentials"])
        for operation in _IN_AN_ACCOUNT:
            yield _recorded_response(iam, account_id, operation)
    key_id = f"AKIA{_WITH_CREDENTIALS}0001"
    yield _recorded_response(iam, _WITH_CREDENTIALS, "get_access_key_last_used", AccessKeyId=key_id)


def _recorded_response(
    client: Any, subject: str, operation: str, **parameters: object
) -> _Recorded:
    """Make a call, and return its operation, its subject and the response."""
    recorded: list[dict[str, Any]] = []
    client.meta.events.register(
        "before-parse", lambda response_dict, **_: recorded.append(response_dict)
    )
    # An account without a password has no login profile.
    with contextlib.suppress(ClientError):
        getattr(client, operation)(**parameters)
    (response,) = recorded
    name = client.meta.method_to_api_mapping[operation]
    return (name, subject), (response["status_code"], response["body"])


def _page_of_accounts(parameters: Mapping[str, Any], accounts: Sequence[Any]) -> bytes:
    """Return the page of ListAccounts that the parameters ask for, as JSON."""
    start = int(base64.b64decode(parameters.get("NextToken", "MA==")))
    end = start + parameters.get("MaxResults", MAX_PAGE)
    rest = {}
    if end < len(accounts):
        rest = {"NextToken": base64.b64encode(str(end).encode()).decode()}
    return json.dumps({"Accounts": accounts[start:end], **rest}).encode()


def _http_response(status: int, body: bytes) -> bytes:
    """Return the bytes of a response."""
    return f"HTTP/1.1 {status} -\r\n{_HEADERS}Content-Length: {len(body)}\r\n\r\n".encode() + body
