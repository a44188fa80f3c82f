"""The context of a request: which condition keys it carries, and which values they may have.

The tables below are the one place that says so. A key that they do not list may be absent or have
any value. In a root session, keys of other services than the call's are absent.

The sources, unless a comment names another: the IAM User Guide ("AWS global condition context
keys", and the table of principal values in "Policy variables") and, for keys of a service, the
Service Authorization Reference.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .policy_text import Unresolved, lowercase
from .session_calls import Call, SessionFacts

Value = str | tuple[str, ...]


class OtherValues(StrEnum):
    """Other values that a key may have."""

    ONE_VALUE = "one value"
    ONE_OR_MORE_VALUES = "one or more values"


@dataclass(frozen=True, kw_only=True)
class Possible:
    """The possible values of a condition key in a request; exactly one of these is the case.

    Attributes:
        absent: Whether the request may lack it.
        values: Values that it may have; a tuple if AWS sends a list.
        others: What it may have besides; None if nothing.
    """

    absent: bool = False
    values: tuple[Value, ...] = ()
    others: OtherValues | None = None


ABSENT = Possible(absent=True)
PRESENT = Possible(others=OtherValues.ONE_VALUE)
ANYTHING = Possible(absent=True, others=OtherValues.ONE_OR_MORE_VALUES)
TRUE = Possible(values=("true",))
FALSE = Possible(values=("false",))
ABSENT_OR_FALSE = Possible(absent=True, values=("false",))


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """A call in a root session, or the call that opens it, as the conditions of policies see it."""

    session: SessionFacts
    call: Call

    def possible(self, key: str) -> Possible:
        """Return what a condition key may be."""
        entry = _entry(key, self.call.service)
        if isinstance(entry, Possible):
            return entry
        # The values of some keys depend on the request, such as on its account.
        return entry(self)

    def text_of(self, key: str) -> str | Unresolved:
        """Return the text that stands for a policy variable, or why there is none."""
        possible = self.possible(key)
        if possible == ABSENT:
            return Unresolved.ABSENT
        if possible.absent or possible.others is not None or len(possible.values) != 1:
            return Unresolved.UNKNOWN
        (value,) = possible.values
        if isinstance(value, tuple):
            # AWS: a multivalued key cannot be a policy variable.
            return Unresolved.MULTIVALUED
        return value


_Entry = Possible | Callable[[SessionRequest], Possible]


def _one_value(value: str | None) -> Possible:
    """Return what a key may be that has one value; None is a value that is not known."""
    if value is None:
        return PRESENT
    return Possible(values=(value,))


def _list_of(path: str | None) -> Possible:
    """Return what a key may be that is a list with one path; None is one that is not known."""
    if path is None:
        return Possible(others=OtherValues.ONE_OR_MORE_VALUES)
    return Possible(values=((path,),))


def _opener_arn(request: SessionRequest) -> Possible:
    """Return what aws:PrincipalArn may be where a session is opened."""
    arns = request.session.opener.principal_arns
    if not arns:
        return PRESENT
    return Possible(values=arns)


def _task_policy(request: SessionRequest) -> Possible:
    """Return what sts:TaskPolicyArn may be: the policy that AWS has for the task."""
    task = request.call.task
    if task is None:
        return PRESENT
    return _one_value(f"arn:{request.session.partition}:iam::aws:policy/root-task/{task.policy}")


def _account(request: SessionRequest) -> Possible:
    """Return what a key may be that has the member account's ID."""
    return _one_value(request.session.account_id)


def _organization(request: SessionRequest) -> Possible:
    """Return what a key may be that has the organization's ID."""
    return _one_value(request.session.organization_id)


def _organization_paths(request: SessionRequest) -> Possible:
    """Return what a key may be that lists the path of the member account's parents."""
    return _list_of(request.session.organization_path)


_EVERY_CALL: Mapping[str, _Entry] = {
    # AWS's own task policies deny every other ARN, and calls succeed under them (stackd recorded
    # them: NOTICE).
    "aws:PrincipalArn": lambda request: _one_value(request.session.principal_arn),
    # In sessions by AssumeRoot only.
    "aws:AssumedRoot": TRUE,
    # Account for a root user, so never Root.
    "aws:PrincipalType": Possible(values=("Account",)),
    "aws:PrincipalAccount": _account,
    "aws:userid": _account,
    # Only users, roles, federated principals and services have these.
    "aws:username": ABSENT,
    "aws:PrincipalTag/*": ABSENT,
    "aws:FederatedProvider": ABSENT,
    "aws:PrincipalServiceName": ABSENT,
    "aws:PrincipalServiceNamesList": ABSENT,
    # For calls without a resource, aws:ResourceOrgID is concluded from AWS's data perimeter
    # policies, which would deny them otherwise.
    "aws:PrincipalOrgID": _organization,
    "aws:ResourceOrgID": _organization,
    # A list with the one path of the account's parents.
    "aws:PrincipalOrgPaths": _organization_paths,
    "aws:ResourceOrgPaths": _organization_paths,
    # The account that owns the resource, which is the session's.
    "aws:ResourceAccount": _account,
    # False in calls that a principal makes itself.
    "aws:PrincipalIsAWSService": FALSE,
    "aws:ViaAWSService": FALSE,
    # Only in calls that an AWS service makes.
    "aws:CalledVia": ABSENT,
    "aws:CalledViaFirst": ABSENT,
    "aws:CalledViaLast": ABSENT,
    "aws:SourceAccount": ABSENT,
    "aws:SourceArn": ABSENT,
    "aws:SourceOrgID": ABSENT,
    "aws:SourceOrgPaths": ABSENT,
    "aws:SourceOwner": ABSENT,
    # The SDK calls by TLS.
    "aws:SecureTransport": TRUE,
    # Open: CloudTrail records mfaAuthenticated as false; AWS does not say if the key is there.
    "aws:MultiFactorAuthPresent": ABSENT_OR_FALSE,
    # Only with MFA; a root session has no code to enter.
    "aws:MultiFactorAuthAge": ABSENT,
    # In every request with temporary credentials; when it is made is not known.
    "aws:TokenIssueTime": PRESENT,
    "aws:CurrentTime": PRESENT,
    "aws:EpochTime": PRESENT,
    # The SDK sends it; not known in advance.
    "aws:UserAgent": PRESENT,
    # The Region of the endpoint; IAM has one endpoint for each partition.
    "aws:RequestedRegion": lambda request: _one_value(request.call.region),
    # The public address of the caller.
    "aws:SourceIp": PRESENT,
    # Only through a VPC endpoint: the functions are not in a VPC.
    "aws:SourceVpc": ABSENT,
    "aws:SourceVpcArn": ABSENT,
    "aws:SourceVpce": ABSENT,
    "aws:VpceAccount": ABSENT,
    "aws:VpceOrgID": ABSENT,
    "aws:VpcSourceIp": ABSENT,
    "aws:VpceOrgPaths": ABSENT,
    # Only in calls that pass tags; none of the calls does.
    "aws:RequestTag/*": ABSENT,
    "aws:TagKeys": ABSENT,
    # Only in sessions of an instance's or a chat application's role.
    "aws:Ec2InstanceSourceVpc": ABSENT,
    "aws:Ec2InstanceSourcePrivateIPv4": ABSENT,
    "aws:ChatbotSourceArn": ABSENT,
    # Only in calls by an AWS MCP server.
    "aws:CalledViaAWSMCP": ABSENT,
    "aws:ViaAWSMCPService": ABSENT_OR_FALSE,
    "aws:IsMcpServiceAction": ABSENT_OR_FALSE,
}

# Keys that only the calls of one service have, or that differ there.
_BY_SERVICE: Mapping[str, Mapping[str, _Entry]] = {
    "iam": {
        # A root user cannot have tags.
        "aws:ResourceTag/*": ABSENT,
        # None of the calls has a key of its service, and no resource but an IAM user has one, by
        # its tags.
        "iam:*": ABSENT,
    },
    "sqs": {
        "sqs:*": ABSENT,
    },
    # Sources: the Amazon S3 User Guide.
    "s3": {
        "s3:ResourceAccount": _account,
        # The SDK signs in the Authorization header, with Signature Version 4.
        "s3:authType": Possible(values=("REST-HEADER",)),
        "s3:signatureversion": Possible(values=("AWS4-HMAC-SHA256",)),
        # Milliseconds since the request was signed.
        "s3:signatureAge": PRESENT,
        "s3:x-amz-content-sha256": PRESENT,
        # AWS endpoints accept these.
        "s3:TlsVersion": Possible(values=("1.2", "1.3")),
        # Neither the calls on a bucket's policy nor the list of buckets has one of these.
        "s3:AccessGrant*": ABSENT,
        "s3:AccessPoint*": ABSENT,
        "s3:DataAccessPoint*": ABSENT,
        "s3:delimiter": ABSENT,
        "s3:Existing*": ABSENT,
        "s3:if-*": ABSENT,
        "s3:LocationConstraint": ABSENT,
        "s3:max-keys": ABSENT,
        "s3:object-lock-*": ABSENT,
        "s3:prefix": ABSENT,
        "s3:Request*": ABSENT,
        "s3:VersionId": ABSENT,
        "s3:x-amz-*": ABSENT,
    },
    # The call that opens the session: its principal is the opener.
    "sts": {
        "aws:PrincipalArn": _opener_arn,
        "aws:PrincipalAccount": lambda request: _one_value(request.session.opener.account_id),
        "aws:PrincipalOrgPaths": lambda request: _list_of(
            request.session.path_of(request.session.opener.unit_ids)
        ),
        # A root user cannot call AssumeRoot.
        "aws:PrincipalType": Possible(values=("AssumedRole", "User", "FederatedUser")),
        # A session by AssumeRoot cannot open others.
        "aws:AssumedRoot": ABSENT,
        # Depends on the session's name.
        "aws:userid": PRESENT,
        # A function has no MFA, a person may have it.
        "aws:MultiFactorAuthPresent": Possible(absent=True, values=("true", "false")),
        # These depend on the role or user, and on how its session began.
        "aws:username": ANYTHING,
        "aws:PrincipalTag/*": ANYTHING,
        "aws:FederatedProvider": ANYTHING,
        "aws:MultiFactorAuthAge": ANYTHING,
        "aws:TokenIssueTime": ANYTHING,
        "aws:Ec2InstanceSourceVpc": ANYTHING,
        "aws:Ec2InstanceSourcePrivateIPv4": ANYTHING,
        "aws:ChatbotSourceArn": ANYTHING,
        "aws:ResourceTag/*": ABSENT,
        "sts:TaskPolicyArn": _task_policy,
        # AssumeRoot has no other key of these services.
        "sts:*": ABSENT,
        "iam:*": ABSENT,
        "s3:*": ABSENT,
        "sqs:*": ABSENT,
    },
}
_TABLES: Mapping[str, Mapping[str, _Entry]] = {
    service: {lowercase(key): entry for key, entry in {**_EVERY_CALL, **own}.items()}
    for service, own in _BY_SERVICE.items()
}


@functools.lru_cache(maxsize=1000)
def _entry(key: str, service: str) -> _Entry:
    """Return what is known of a key in the calls of a service."""
    if not key.isascii():
        # AWS may take a letter for the one of ASCII that it resembles: it may be any key.
        return ANYTHING
    key = lowercase(key)
    table = _TABLES[service]
    if key in table:
        return table[key]
    # Some keys have a name of the customer's in them, such as aws:ResourceTag/*.
    for name, entry in table.items():
        if name.endswith("*") and key.startswith(name[:-1]):
            return entry
    prefix, colon, _ = key.partition(":")
    # Keys of a service are only in the requests of that service, except in sessions of a function's
    # or an instance's role, such as lambda:SourceFunctionArn. Such a role may open root sessions,
    # which is the one call of sts.
    is_foreign = colon and prefix not in ("aws", service)
    if is_foreign and service != "sts":
        return ABSENT
    return ANYTHING
