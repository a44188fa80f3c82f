"""What the stand-in responds: an organization without units and policies of its own, and AWS's limits."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from benchmarks.limits import IAM_OF_AN_ACCOUNT, ORGANIZATIONS, Limit, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.stand_in import Scenario

MANAGEMENT_ACCOUNT_ID = "111111111111"
ORGANIZATION_ID = "o-a1b2c3d4e5"
ROOT_ID = "r-a1b2"
MAX_PAGE = 20
TASK_POLICY = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"

_ORGANIZATIONS_ARN = f"arn:aws:organizations::{MANAGEMENT_ACCOUNT_ID}"
_ROOT_ARN = f"{_ORGANIZATIONS_ARN}:root/{ORGANIZATION_ID}/{ROOT_ID}"
_SCP = "SERVICE_CONTROL_POLICY"
_FULL_ACCESS = {
    "Id": "p-FullAWSAccess",
    "Arn": "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess",
    "Name": "FullAWSAccess",
    "Description": "Allows access to every operation",
    "Type": _SCP,
    "AwsManaged": True,
}
_REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"
_TIME, _TIMESTAMP = "2026-01-01T00:00:00Z", 1767225600.0
_NAMESPACES = {
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
# What GetAccountSummary has besides the root user's credentials, which its response is as long as.
_OTHER_FIGURES = (
    *("AccountMFAEnabled", "AccountSigningCertificatesPresent", "Groups", "InstanceProfiles", "MFADevices"),
    *("MFADevicesInUse", "Policies", "PolicyVersionsInUse", "Providers", "Roles", "ServerCertificates"),
    *("Users", "AssumeRolePolicySizeQuota", "AttachedPoliciesPerGroupQuota", "AttachedPoliciesPerRoleQuota"),
    *("AttachedPoliciesPerUserQuota", "AccessKeysPerUserQuota", "GlobalEndpointTokenVersion"),
    *("GroupPolicySizeQuota", "GroupsPerUserQuota", "GroupsQuota", "InstanceProfilesQuota", "PoliciesQuota"),
    *("PolicySizeQuota", "PolicyVersionsInUseQuota", "RolePolicySizeQuota", "RolesQuota", "UsersQuota"),
    *("ServerCertificatesQuota", "SigningCertificatesPerUserQuota", "UserPolicySizeQuota"),
    "VersionsPerPolicyQuota",
)


class _AwsError(Exception):
    """An error that AWS responds, of which each service has its own form."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


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
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self._members = frozenset(scenario.member_ids)
        self._accounts = tuple(map(_account, (MANAGEMENT_ACCOUNT_ID, *scenario.member_ids)))
        self._targets = (
            *(
                {"TargetId": account["Id"], "Arn": account["Arn"], "Name": account["Name"], "Type": "ACCOUNT"}
                for account in self._accounts
            ),
            {"TargetId": ROOT_ID, "Arn": _ROOT_ARN, "Name": "Root", "Type": "ROOT"},
        )
        self._summaries = {has: _summary(has_credentials=has) for has in (False, True)}

    @property
    def traffic(self) -> Mapping[str, Mapping[str, int]]:
        """What reached it."""
        return {"calls": self._calls, "throttled": self._throttled, "connections": self.connections}

    def respond(self, request: AwsRequest, *, now: float) -> bytes:
        """Return the response to a request, as its bytes."""
        self._calls[request.operation] += 1
        is_organizations = request.service == "organizations"
        try:
            if not self._bucket(request, now).take(now):
                self._throttled[request.operation] += 1
                raise _AwsError(
                    "TooManyRequestsException" if is_organizations else "Throttling", "Slow down."
                )
            if is_organizations:
                return _json_response(self._organizations(request.operation, json.loads(request.body)))
            return _query_response(request, self._query(request))
        except _AwsError as error:
            if is_organizations:
                return _json_response({"__type": error.code, "Message": error.message}, status=error.status)
            return _query_error(request.service, error)

    def _bucket(self, request: AwsRequest, now: float) -> TokenBucket:
        # The accounts of root sessions each have a limit of their own.
        key = (request.account_id, request.service if request.service == "iam" else request.operation)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(limit=self._limit(request), updated_at=now)
        return bucket

    def _limit(self, request: AwsRequest) -> Limit:
        if self.scenario.sts is None:
            return Limit(rate=1e9, burst=1e9)
        match request.service:
            case "sts":
                return self.scenario.sts
            case "iam":
                return IAM_OF_AN_ACCOUNT
            case _:
                return ORGANIZATIONS[request.operation]

    def _query(self, request: AwsRequest) -> str:
        """Return the result of a call to STS or IAM."""
        if request.operation == "AssumeRoot":
            return self._root_session(request)
        has_credentials = self.scenario.has_credentials(request.account_id)
        if request.operation == "GetAccountSummary":
            return self._summaries[has_credentials]
        if request.operation == "GetLoginProfile" and not has_credentials:
            raise _AwsError("NoSuchEntity", "Login Profile for User null cannot be found.", status=404)
        return _iam_result(request.operation, request.account_id, has_credentials=has_credentials)

    def _root_session(self, request: AwsRequest) -> str:
        """Return the credentials of a session, whose key is the account as in the local AWS."""
        target = parse_qs(request.body.decode())["TargetPrincipal"][0]
        account_id = target.removeprefix("arn:aws:iam::").removesuffix(":root")
        if account_id not in self._members:
            raise _AwsError(
                "AccessDenied",
                f"User: arn:aws:iam::{request.account_id}:user/local is not authorized to perform: "
                f"sts:AssumeRoot on resource: arn:aws:iam::{account_id}:root",
                status=403,
            )
        return _xml(
            "Credentials",
            _xml("AccessKeyId", account_id),
            _xml("SecretAccessKey", "secret"),
            _xml("SessionToken", f"root-session/{account_id}/{self._calls['AssumeRoot']}"),
            _xml("Expiration", _TIME.replace("2026", "2036")),
        )

    def _organizations(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        match operation:
            case "DescribeOrganization":
                return {"Organization": _ORGANIZATION}
            case "ListRoots":
                types = [{"Type": _SCP, "Status": "ENABLED"}]
                return {"Roots": [{"Id": ROOT_ID, "Arn": _ROOT_ARN, "Name": "Root", "PolicyTypes": types}]}
            case "ListPolicies" | "ListPoliciesForTarget":
                return {"Policies": [_FULL_ACCESS] if parameters["Filter"] == _SCP else []}
            case "ListTargetsForPolicy":
                return _page(parameters, "Targets", self._targets)
            case "ListOrganizationalUnitsForParent":
                return {"OrganizationalUnits": []}
            case "ListAccounts":
                return _page(parameters, "Accounts", self._accounts)
        raise _AwsError("InvalidAction", f"{operation} is not simulated.")


_ORGANIZATION = {
    "Id": ORGANIZATION_ID,
    "Arn": f"{_ORGANIZATIONS_ARN}:organization/{ORGANIZATION_ID}",
    "FeatureSet": "ALL",
    "MasterAccountArn": f"{_ORGANIZATIONS_ARN}:account/{ORGANIZATION_ID}/{MANAGEMENT_ACCOUNT_ID}",
    "MasterAccountId": MANAGEMENT_ACCOUNT_ID,
    "MasterAccountEmail": "master@example.com",
    "AvailablePolicyTypes": [{"Type": _SCP, "Status": "ENABLED"}],
}


def _account(account_id: str) -> dict[str, Any]:
    name = "master" if account_id == MANAGEMENT_ACCOUNT_ID else account_name(account_id)
    return {
        "Id": account_id,
        "Arn": f"{_ORGANIZATIONS_ARN}:account/{ORGANIZATION_ID}/{account_id}",
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


def _page(
    parameters: Mapping[str, Any], name: str, entries: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    start = int(base64.b64decode(parameters.get("NextToken", "MA==")))
    end = start + parameters.get("MaxResults", MAX_PAGE)
    rest = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(entries) else {}
    return {name: entries[start:end], **rest}


def _xml(name: str, *content: str) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def _summary(*, has_credentials: bool) -> str:
    figures = dict.fromkeys(_OTHER_FIGURES, 0)
    for name in ("AccountAccessKeysPresent", "AccountPasswordPresent"):
        figures[name] = int(has_credentials)
    return _xml(
        "SummaryMap",
        *(_xml("entry", _xml("key", name), _xml("value", str(value))) for name, value in figures.items()),
    )


def _iam_result(operation: str, account_id: str, *, has_credentials: bool) -> str:
    created, last_page = _xml("CreateDate", _TIME), _xml("IsTruncated", "false")
    features = _xml("member", "RootSessions") + _xml("member", "RootCredentialsManagement")
    key_id = _xml("AccessKeyId", f"AKIA{account_id}0001")
    key = _xml("member", key_id, _xml("Status", "Active"), created) if has_credentials else ""
    arn = _xml("Arn", f"arn:aws:iam::{account_id}:root")
    results = {
        "ListOrganizationsFeatures": _xml("OrganizationId", ORGANIZATION_ID)
        + _xml("EnabledFeatures", features),
        "GetLoginProfile": _xml("LoginProfile", created, _xml("PasswordResetRequired", "false")),
        "ListAccessKeys": _xml("AccessKeyMetadata", key) + last_page,
        "ListMFADevices": _xml("MFADevices") + last_page,
        "ListSigningCertificates": _xml("Certificates") + last_page,
        "GetUser": _xml("User", _xml("UserId", account_id), arn, created),
        "GetAccessKeyLastUsed": _xml("AccessKeyLastUsed", _xml("ServiceName", "N/A"), _xml("Region", "N/A")),
    }
    if operation not in results:
        raise _AwsError("InvalidAction", f"{operation} is not simulated.")
    return results[operation]


def _query_response(request: AwsRequest, result: str) -> bytes:
    operation = request.operation
    content = _xml(f"{operation}Result", result) + _xml("ResponseMetadata", _xml("RequestId", _REQUEST_ID))
    namespace = _NAMESPACES[request.service]
    return _http_response(
        200, "text/xml", f'<{operation}Response xmlns="{namespace}">{content}</{operation}Response>'
    )


def _query_error(service: str, error: _AwsError) -> bytes:
    detail = _xml("Type", "Sender") + _xml("Code", error.code) + _xml("Message", error.message)
    content = _xml("Error", detail) + _xml("RequestId", _REQUEST_ID)
    body = f'<ErrorResponse xmlns="{_NAMESPACES[service]}">{content}</ErrorResponse>'
    return _http_response(error.status, "text/xml", body)


def _json_response(body: Mapping[str, Any], *, status: int = 200) -> bytes:
    return _http_response(status, "application/x-amz-json-1.1", json.dumps(body))


def _http_response(status: int, content_type: str, body: str) -> bytes:
    return (
        f"HTTP/1.1 {status} -\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"x-amzn-RequestId: {_REQUEST_ID}\r\n\r\n{body}"
    ).encode()
