"""A stand-in for STS, IAM and Organizations that is made for load: what an audit calls, over TLS.

It has AWS's latency and AWS's limits, and serves several thousand calls a second from one core, so that a
benchmark measures the client. It does not verify signatures, and knows one organization and the audit's task
policy only. That its responses are those of the local AWS is tested.

Run it by `running_stand_in`; the process is `python -m benchmarks.stand_in CHAIN KEY`, controlled by lines of
JSON.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import ssl
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from benchmarks.certificate import write_certificate
from benchmarks.connections import allow_many_connections
from benchmarks.limits import DOCUMENTED_STS, IAM_OF_AN_ACCOUNT, ORGANIZATIONS, Limit, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ADDRESS = "127.0.0.1"
SERVICES = ("iam", "organizations", "sts")
MANAGEMENT_ACCOUNT_ID = "111111111111"
ORGANIZATION_ID = "o-a1b2c3d4e5"
ROOT_ID = "r-a1b2"
TASK_POLICY = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
ONE_IN_N_HAS_CREDENTIALS = 50

_ROOT_ARN = f"arn:aws:organizations::{MANAGEMENT_ACCOUNT_ID}:root/{ORGANIZATION_ID}/{ROOT_ID}"
_SCP = "SERVICE_CONTROL_POLICY"
_FULL_ACCESS_ID = "p-FullAWSAccess"
_FIRST_MEMBER = 200_000_000_000
_MAX_PAGE = 20
_MAX_SESSION_SECONDS = 900
_BACKLOG = 4096
_REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"
_TIME, _TIMESTAMP = "2026-01-01T00:00:00Z", 1767225600.0
_CREDENTIAL = re.compile(rb"credential=([a-z0-9]+)/[0-9]{8}/[a-z0-9-]+/([a-z]+)/")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)")
_TARGET = re.compile(rb"\r\nx-amz-target: *awsorganizationsv20161128\.([a-z]+)")
_TOKEN = re.compile(rb"\r\nx-amz-security-token: *([^\r]+)")
_TARGET_PRINCIPAL = re.compile(r"([0-9]{12})|arn:aws:iam::([0-9]{12}):root")
_NAMESPACES = {
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
_QUOTAS = {
    "AssumeRolePolicySizeQuota": 2048,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 10,
    "AttachedPoliciesPerUserQuota": 10,
    "AccessKeysPerUserQuota": 2,
    "GlobalEndpointTokenVersion": 1,
    "GroupPolicySizeQuota": 5120,
    "GroupsPerUserQuota": 10,
    "GroupsQuota": 300,
    "InstanceProfilesQuota": 1000,
    "PoliciesQuota": 1500,
    "PolicySizeQuota": 6144,
    "PolicyVersionsInUseQuota": 10000,
    "RolePolicySizeQuota": 10240,
    "RolesQuota": 1000,
    "ServerCertificatesQuota": 20,
    "SigningCertificatesPerUserQuota": 2,
    "UserPolicySizeQuota": 2048,
    "UsersQuota": 5000,
    "VersionsPerPolicyQuota": 5,
}
_ENTITIES = (
    "Groups",
    "InstanceProfiles",
    "MFADevices",
    "MFADevicesInUse",
    "Policies",
    "PolicyVersionsInUse",
    "Providers",
    "Roles",
    "ServerCertificates",
    "Users",
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What the stand-in is for one run.

    Attributes:
        members: The number of member accounts.
        latency: How many seconds each call takes.
        sts: The limit of AssumeRoot; None for no limits at all.
        credentials: Whether one in `ONE_IN_N_HAS_CREDENTIALS` accounts has root credentials.
    """

    members: int
    latency: float = 0.0
    sts: Limit | None = DOCUMENTED_STS
    credentials: bool = True

    @property
    def member_ids(self) -> tuple[str, ...]:
        """The member accounts."""
        return tuple(str(_FIRST_MEMBER + number) for number in range(self.members))

    def has_credentials(self, account_id: str) -> bool:
        """Return whether the root user of an account has a password and an access key."""
        return self.credentials and (int(account_id) - _FIRST_MEMBER) % ONE_IN_N_HAS_CREDENTIALS == 0


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What reached the stand-in since the scenario began.

    Attributes:
        calls: The calls of each operation, those that were throttled included.
        throttled: The throttled calls of each operation.
        connections: The new connections to each service.
        in_flight: The most calls of each service that were in progress at once.
    """

    calls: Mapping[str, int]
    throttled: Mapping[str, int]
    connections: Mapping[str, int]
    in_flight: Mapping[str, int]

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())


class _AwsError(Exception):
    def __init__(self, code: str, message: str, *, status: int, reason: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status
        self.reason = reason


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """A request, as far as it was looked at."""

    service: str
    operation: str
    account_id: str
    token: str | None
    body: bytes

    def parameter(self, name: str) -> str | None:
        """Return a parameter of a request to IAM or STS."""
        return parse_qs(self.body.decode()).get(name, [None])[0]


@dataclass(kw_only=True)
class _Aws:
    """The organization, its limits, and what was counted."""

    scenario: Scenario
    calls: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    most_in_flight: Counter[str] = field(default_factory=Counter)
    _buckets: dict[tuple[str, str], TokenBucket] = field(default_factory=dict)
    _sessions: int = 0

    def __post_init__(self) -> None:
        self._members = frozenset(self.scenario.member_ids)
        self._operations = {
            ("sts", "AssumeRoot"): self.assume_root,
            ("iam", "ListOrganizationsFeatures"): self.list_organizations_features,
            ("iam", "GetAccountSummary"): self.get_account_summary,
            ("iam", "GetLoginProfile"): self.get_login_profile,
            ("iam", "ListAccessKeys"): self.list_access_keys,
            ("iam", "ListMFADevices"): self.list_mfa_devices,
            ("iam", "ListSigningCertificates"): self.list_signing_certificates,
            ("iam", "GetUser"): self.get_user,
            ("iam", "GetAccessKeyLastUsed"): self.get_access_key_last_used,
            ("organizations", "DescribeOrganization"): self.describe_organization,
            ("organizations", "ListRoots"): self.list_roots,
            ("organizations", "ListPolicies"): self.list_policies,
            ("organizations", "ListPoliciesForTarget"): self.list_policies_for_target,
            ("organizations", "ListTargetsForPolicy"): self.list_targets_for_policy,
            ("organizations", "ListOrganizationalUnitsForParent"): self.list_organizational_units_for_parent,
            ("organizations", "ListAccounts"): self.list_accounts,
        }
        self._accounts = tuple(map(_account, (MANAGEMENT_ACCOUNT_ID, *self.scenario.member_ids)))
        self._targets = (
            *(
                {"TargetId": it["Id"], "Arn": it["Arn"], "Name": it["Name"], "Type": "ACCOUNT"}
                for it in self._accounts
            ),
            {"TargetId": ROOT_ID, "Arn": _ROOT_ARN, "Name": "Root", "Type": "ROOT"},
        )
        self._summaries = {
            has: _query_response(
                "iam", "GetAccountSummary", _xml("SummaryMap", *map(_entry, *_summary(has_credentials=has)))
            )
            for has in (False, True)
        }

    def respond(self, request: _Request, *, now: float) -> bytes:
        """Return the response to a request, as its bytes."""
        self.calls[request.operation] += 1
        try:
            if not self._bucket(request, now).take(now):
                self.throttled[request.operation] += 1
                raise _throttling(request.service)
            respond = self._operations.get((request.service, request.operation))
            if respond is None:
                raise _AwsError("InvalidAction", f"{request.operation} is not simulated.", status=400)
            return respond(request)
        except _AwsError as error:
            return _error_response(request.service, error)

    def _bucket(self, request: _Request, now: float) -> TokenBucket:
        # The accounts of root sessions each have a limit of their own.
        key = (request.account_id, request.service if request.service == "iam" else request.operation)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(limit=self._limit(request), updated_at=now)
        return bucket

    def _limit(self, request: _Request) -> Limit:
        if self.scenario.sts is None:
            return Limit(rate=1e9, burst=1e9)
        match request.service:
            case "sts":
                return self.scenario.sts
            case "iam":
                return IAM_OF_AN_ACCOUNT
            case _:
                return ORGANIZATIONS.get(request.operation, Limit(rate=1, burst=2))

    def assume_root(self, request: _Request) -> bytes:
        """AssumeRoot."""
        seconds = int(request.parameter("DurationSeconds") or _MAX_SESSION_SECONDS)
        if seconds > _MAX_SESSION_SECONDS:
            raise _AwsError(
                "ValidationError",
                f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy "
                f"constraint: Member must have value less than or equal to {_MAX_SESSION_SECONDS}",
                status=400,
            )
        if request.parameter("TaskPolicyArn.arn") != TASK_POLICY:
            raise _AwsError(
                "ValidationError", "Request must contain valid AWS managed task policy ARN", status=400
            )
        target = _TARGET_PRINCIPAL.fullmatch(request.parameter("TargetPrincipal") or "")
        if target is None:
            raise _AwsError("ValidationError", "Request must contain a valid target principal", status=400)
        account_id = target[1] or target[2]
        if account_id not in self._members:
            raise _AwsError(
                "AccessDenied",
                f"User: arn:aws:iam::{request.account_id}:user/local is not authorized to perform: "
                f"sts:AssumeRoot on resource: arn:aws:iam::{account_id}:root",
                status=403,
            )
        self._sessions += 1
        return _query_response(
            "sts",
            "AssumeRoot",
            _xml(
                "Credentials",
                # As in the local AWS, whose sessions differ in their token.
                _xml("AccessKeyId", account_id),
                _xml("SecretAccessKey", "secret"),
                _xml("SessionToken", f"root-session/{account_id}/{self._sessions}"),
                _xml("Expiration", _TIME.replace("2026", "2036")),
            ),
        )

    def list_organizations_features(self, request: _Request) -> bytes:
        """ListOrganizationsFeatures."""
        return _query_response(
            "iam",
            request.operation,
            _xml("OrganizationId", ORGANIZATION_ID)
            + _xml(
                "EnabledFeatures", _xml("member", "RootSessions"), _xml("member", "RootCredentialsManagement")
            ),
        )

    def get_account_summary(self, request: _Request) -> bytes:
        """GetAccountSummary."""
        return self._summaries[self.scenario.has_credentials(self._require_session(request))]

    def get_login_profile(self, request: _Request) -> bytes:
        """GetLoginProfile."""
        if not self.scenario.has_credentials(self._require_session(request)):
            raise _AwsError("NoSuchEntity", "Login Profile for User null cannot be found.", status=404)
        profile = _xml("LoginProfile", _xml("CreateDate", _TIME), _xml("PasswordResetRequired", "false"))
        return _query_response("iam", request.operation, profile)

    def list_access_keys(self, request: _Request) -> bytes:
        """ListAccessKeys."""
        account_id = self._require_session(request)
        key = _xml(
            "member",
            _xml("AccessKeyId", _access_key_id(account_id)),
            _xml("Status", "Active"),
            _xml("CreateDate", _TIME),
        )
        keys = (key,) if self.scenario.has_credentials(account_id) else ()
        return _list_response(request, "AccessKeyMetadata", *keys)

    def list_mfa_devices(self, request: _Request) -> bytes:
        """ListMFADevices."""
        self._require_session(request)
        return _list_response(request, "MFADevices")

    def list_signing_certificates(self, request: _Request) -> bytes:
        """ListSigningCertificates."""
        self._require_session(request)
        return _list_response(request, "Certificates")

    def get_user(self, request: _Request) -> bytes:
        """GetUser."""
        account_id = self._require_session(request)
        user = _xml(
            "User",
            _xml("UserId", account_id),
            _xml("Arn", f"arn:aws:iam::{account_id}:root"),
            _xml("CreateDate", _TIME),
        )
        return _query_response("iam", request.operation, user)

    def get_access_key_last_used(self, request: _Request) -> bytes:
        """GetAccessKeyLastUsed."""
        account_id = self._require_session(request)
        if request.parameter("AccessKeyId") != _access_key_id(account_id):
            raise _AwsError(
                "AccessDenied",
                f"User: arn:aws:iam::{account_id}:root is not authorized to perform: "
                f"iam:GetAccessKeyLastUsed on resource: arn:aws:iam::{account_id}:root "
                "with an explicit deny in a session policy",
                status=403,
            )
        never_used = _xml("AccessKeyLastUsed", _xml("ServiceName", "N/A"), _xml("Region", "N/A"))
        return _query_response("iam", request.operation, never_used)

    def describe_organization(self, _: _Request) -> bytes:
        """DescribeOrganization."""
        return _json_response(
            {
                "Organization": {
                    "Id": ORGANIZATION_ID,
                    "Arn": f"{_organizations_arn('organization')}/{ORGANIZATION_ID}",
                    "FeatureSet": "ALL",
                    "MasterAccountArn": _account_arn(MANAGEMENT_ACCOUNT_ID),
                    "MasterAccountId": MANAGEMENT_ACCOUNT_ID,
                    "MasterAccountEmail": "master@example.com",
                    "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
                }
            }
        )

    def list_roots(self, _: _Request) -> bytes:
        """ListRoots."""
        root = {
            "Id": ROOT_ID,
            "Arn": _ROOT_ARN,
            "Name": "Root",
            "PolicyTypes": [{"Type": _SCP, "Status": "ENABLED"}],
        }
        return _json_response({"Roots": [root]})

    def list_policies(self, request: _Request) -> bytes:
        """ListPolicies."""
        return _policies_response(request)

    def list_policies_for_target(self, request: _Request) -> bytes:
        """ListPoliciesForTarget."""
        target_id = json.loads(request.body)["TargetId"]
        if target_id not in self._members and target_id not in (MANAGEMENT_ACCOUNT_ID, ROOT_ID):
            raise _AwsError(
                "TargetNotFoundException", "You specified a target that doesn't exist.", status=400
            )
        return _policies_response(request)

    def list_targets_for_policy(self, request: _Request) -> bytes:
        """ListTargetsForPolicy."""
        if json.loads(request.body)["PolicyId"] != _FULL_ACCESS_ID:
            raise _AwsError(
                "PolicyNotFoundException", "You specified a policy that doesn't exist.", status=400
            )
        return _page_response(request, "Targets", self._targets)

    def list_organizational_units_for_parent(self, request: _Request) -> bytes:
        """ListOrganizationalUnitsForParent."""
        if json.loads(request.body)["ParentId"] != ROOT_ID:
            raise _AwsError("ParentNotFoundException", "You specified parent that doesn't exist.", status=400)
        return _json_response({"OrganizationalUnits": []})

    def list_accounts(self, request: _Request) -> bytes:
        """ListAccounts."""
        return _page_response(request, "Accounts", self._accounts)

    def _require_session(self, request: _Request) -> str:
        """Return the account of the root session that a request belongs to."""
        parts = (request.token or "").split("/")
        if len(parts) != 3 or parts[1] != request.account_id or parts[1] not in self._members:
            raise _AwsError(
                "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
            )
        return parts[1]


def _policies_response(request: _Request) -> bytes:
    """Return the policies of a type: what every target has attached is all that there is."""
    policy = {
        "Id": _FULL_ACCESS_ID,
        "Arn": f"arn:aws:organizations::aws:policy/service_control_policy/{_FULL_ACCESS_ID}",
        "Name": "FullAWSAccess",
        "Description": "Allows access to every operation",
        "Type": _SCP,
        "AwsManaged": True,
    }
    return _json_response({"Policies": [policy] if json.loads(request.body)["Filter"] == _SCP else []})


def _page_response(request: _Request, name: str, entries: Sequence[Mapping[str, Any]]) -> bytes:
    parameters = json.loads(request.body)
    size = parameters.get("MaxResults", _MAX_PAGE)
    start = 0
    if (token := parameters.get("NextToken")) is not None:
        try:
            start = int(base64.b64decode(token, validate=True))
        except ValueError as error:
            raise _AwsError(
                "InvalidInputException",
                "Get the NextToken from the previous response.",
                status=400,
                reason="INVALID_NEXT_TOKEN",
            ) from error
    response: dict[str, Any] = {name: entries[start : start + size]}
    if start + size < len(entries):
        response["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return _json_response(response)


def _summary(*, has_credentials: bool) -> tuple[tuple[str, ...], tuple[int, ...]]:
    summary = {
        **_QUOTAS,
        **dict.fromkeys(_ENTITIES, 0),
        "AccountAccessKeysPresent": int(has_credentials),
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": int(has_credentials),
        "AccountSigningCertificatesPresent": 0,
    }
    return tuple(summary), tuple(summary.values())


def _entry(key: str, value: int) -> str:
    return _xml("entry", _xml("key", key), _xml("value", str(value)))


def _access_key_id(account_id: str) -> str:
    return f"AKIA{account_id}0001"


def _organizations_arn(type_: str) -> str:
    return f"arn:aws:organizations::{MANAGEMENT_ACCOUNT_ID}:{type_}"


def _account_arn(account_id: str) -> str:
    return f"{_organizations_arn('account')}/{ORGANIZATION_ID}/{account_id}"


def _account(account_id: str) -> dict[str, Any]:
    name = "master" if account_id == MANAGEMENT_ACCOUNT_ID else account_name(account_id)
    return {
        "Id": account_id,
        "Arn": _account_arn(account_id),
        "Email": f"{name}@example.com",
        "Name": name,
        "Status": "ACTIVE",
        "State": "ACTIVE",
        "Paths": [f"{ORGANIZATION_ID}/{ROOT_ID}/{account_id}/"],
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": _TIMESTAMP,
    }


def account_name(account_id: str) -> str:
    """Return the name of a member account."""
    return f"team-{account_id}"


def _throttling(service: str) -> _AwsError:
    if service == "organizations":
        return _AwsError(
            "TooManyRequestsException", "AWS Organizations can't complete your request.", status=400
        )
    return _AwsError("Throttling", "Rate exceeded", status=400)


def _xml(name: str, *content: str) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def _list_response(request: _Request, name: str, *members: str) -> bytes:
    listed = _xml(name, *members) + _xml("IsTruncated", "false")
    return _query_response("iam", request.operation, listed)


def _query_response(service: str, operation: str, result: str) -> bytes:
    body = (
        f'<{operation}Response xmlns="{_NAMESPACES[service]}">'
        + _xml(f"{operation}Result", result)
        + _xml("ResponseMetadata", _xml("RequestId", _REQUEST_ID))
        + f"</{operation}Response>"
    )
    return _http_response(200, "text/xml", body)


def _json_response(body: Mapping[str, Any], *, status: int = 200) -> bytes:
    return _http_response(status, "application/x-amz-json-1.1", json.dumps(body))


def _error_response(service: str, error: _AwsError) -> bytes:
    if service == "organizations":
        body = {"__type": error.code, "Message": error.message}
        return _json_response(
            body if error.reason is None else {**body, "Reason": error.reason}, status=error.status
        )
    detail = _xml("Type", "Sender") + _xml("Code", error.code) + _xml("Message", error.message)
    content = _xml("Error", detail) + _xml("RequestId", _REQUEST_ID)
    return _http_response(
        error.status, "text/xml", f'<ErrorResponse xmlns="{_NAMESPACES[service]}">{content}</ErrorResponse>'
    )


def _http_response(status: int, content_type: str, body: str) -> bytes:
    return (
        f"HTTP/1.1 {status} -\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"x-amzn-RequestId: {_REQUEST_ID}\r\n\r\n{body}"
    ).encode()


class _Connection(asyncio.Protocol):
    """A connection of a client, which sends its next request after the response to the last one."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = b""
        self._service: str | None = None
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
        total = end + 4 + (int(found[1]) if found else 0)
        if len(self._buffer) < total:
            return
        request = _parse(self._buffer, head, body_at=end + 4)
        self._buffer = self._buffer[total:]
        aws = self._server.aws
        if self._service is None:
            self._service = request.service
            aws.connections[request.service] += 1
        aws.in_flight[request.service] += 1
        if aws.in_flight[request.service] > aws.most_in_flight[request.service]:
            aws.most_in_flight[request.service] = aws.in_flight[request.service]
        loop = asyncio.get_running_loop()
        response = aws.respond(request, now=loop.time())
        if aws.scenario.latency:
            loop.call_later(aws.scenario.latency, self._send, aws, request.service, response)
        else:
            self._send(aws, request.service, response)

    def _send(self, aws: _Aws, service: str, response: bytes) -> None:
        aws.in_flight[service] -= 1
        if self._transport is not None:
            self._transport.write(response)


def _parse(data: bytes, head: bytes, *, body_at: int) -> _Request:
    credential, token, target = _CREDENTIAL.search(head), _TOKEN.search(head), _TARGET.search(head)
    body = data[body_at:]
    if target is not None:
        operation = data[target.start(1) : target.end(1)].decode()
    else:
        operation = body[body.find(b"Action=") + 7 :].split(b"&", 1)[0].decode()
    return _Request(
        service=credential[2].decode() if credential else "unsigned",
        operation=operation,
        account_id=credential[1].decode().upper() if credential else "",
        # A token is the only value whose case counts.
        token=None if token is None else data[token.start(1) : token.end(1)].decode(),
        body=body,
    )


class _Server:
    """The process of the stand-in, which takes its commands from the standard input."""

    def __init__(self) -> None:
        self.aws = _Aws(scenario=Scenario(members=0))

    async def serve(self, chain: str, key: str) -> None:
        """Serve until the standard input ends."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        loop = asyncio.get_running_loop()
        # A port for each service, as AWS has a host for each: no client may share their connections.
        servers = [
            await loop.create_server(lambda: _Connection(self), ADDRESS, 0, ssl=context, backlog=_BACKLOG)
            for _ in SERVICES
        ]
        commands = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        _print([server.sockets[0].getsockname()[1] for server in servers])
        while command := await commands.readline():
            _print(self._obey(json.loads(command)))

    def _obey(self, command: str | dict[str, Any]) -> object:
        match command:
            case "traffic":
                return {
                    "calls": self.aws.calls,
                    "throttled": self.aws.throttled,
                    "connections": self.aws.connections,
                    "in_flight": self.aws.most_in_flight,
                }
            case "cpu":
                return time.process_time()
            case dict():
                limit = command.pop("sts")
                sts = None if limit is None else Limit(**limit)
                self.aws = _Aws(scenario=Scenario(**command, sts=sts))
                return None
            case _:
                raise ValueError(command)


def _print(value: object) -> None:
    print(json.dumps(value), flush=True)


class StandIn:
    """The handle on a running stand-in.

    Attributes:
        urls: Where each service is served.
        certificate: The file with the only authority that its clients trust.
    """

    def __init__(self, process: subprocess.Popen[str], *, certificate: Path) -> None:
        self._process = process
        ports = self._read()
        self.urls = {
            service: f"https://{ADDRESS}:{port}" for service, port in zip(SERVICES, ports, strict=True)
        }
        self.certificate = certificate

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which the SDKs call it."""
        return {
            **{f"AWS_ENDPOINT_URL_{service.upper()}": url for service, url in self.urls.items()},
            "AWS_CA_BUNDLE": str(self.certificate),
        }

    def begin(self, scenario: Scenario) -> None:
        """Begin a scenario: nothing is counted yet, and no limit is used up."""
        self._command(asdict(scenario))

    def traffic(self) -> Traffic:
        """Return what reached it since the scenario began."""
        return Traffic(**self._command("traffic"))

    def cpu_seconds(self) -> float:
        """Return how much CPU time it has used."""
        return float(self._command("cpu"))

    def _command(self, command: str | Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise StandInFailedError
        return json.loads(line)


class StandInFailedError(Exception):
    """The stand-in has ended, so that nothing can be measured."""

    def __init__(self) -> None:
        super().__init__("The stand-in for AWS has ended. Its last lines say why.")


@contextlib.contextmanager
def running_stand_in(folder: Path) -> Iterator[StandIn]:
    """Run a stand-in.

    Args:
        folder: An empty folder for its certificate.
    """
    files = write_certificate(folder, address=ADDRESS)
    arguments = [sys.executable, "-m", "benchmarks.stand_in", str(files.chain), str(files.key)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield StandIn(process, certificate=files.chain)
        finally:
            process.terminate()


if __name__ == "__main__":
    allow_many_connections()
    asyncio.run(_Server().serve(*sys.argv[1:]))
