"""The context of a request: which condition keys it carries, and which values they may have.

The table below is the one place that says so. A key that it does not list may be absent or have any value.
In a root session, keys of other services than the call's are absent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from .text import Unresolved, lowercase

if TYPE_CHECKING:
    from .calls import Call, SessionFacts

Value = str | tuple[str, ...]


class OtherValues(StrEnum):
    """What else a key may have."""

    ONE_VALUE = "one value"
    ONE_OR_MORE_VALUES = "one or more values"


@dataclass(frozen=True, kw_only=True)
class Possible:
    """What a condition key may be in a request; exactly one of these is the case.

    Attributes:
        absent: Whether the request may lack it.
        values: Values that it may have; a tuple if AWS sends a list.
        others: What it may have besides; None if nothing.
        times: The earliest and the latest of the other values, if these are times.
    """

    absent: bool = False
    values: tuple[Value, ...] = ()
    others: OtherValues | None = None
    times: tuple[str, str] | None = None

    @property
    def text(self) -> str | Unresolved:
        """Its one value for a policy variable, or why there is none."""
        if self == ABSENT:
            return Unresolved.ABSENT
        if self.absent or self.others is not None or len(self.values) != 1:
            return Unresolved.UNKNOWN
        (value,) = self.values
        # AWS: a multivalued key cannot be a policy variable.
        return value if isinstance(value, str) else Unresolved.MULTIVALUED


ABSENT = Possible(absent=True)
PRESENT = Possible(others=OtherValues.ONE_VALUE)
ABSENT_OR_ONE_VALUE = Possible(absent=True, others=OtherValues.ONE_VALUE)
ANYTHING = Possible(absent=True, others=OtherValues.ONE_OR_MORE_VALUES)


class Fact(StrEnum):
    """What is known of a session or a call, if it is known."""

    OPENER_ARN = "the ARN of the role or user that opens the session"
    OPENER_ACCOUNT_ID = "the account of the role or user that opens the session"
    OPENER_PATHS = "the parents of that account, as a list"
    TASK_POLICY_ARN = "the ARN of the task policy"
    DATE = "a date that is not before the present"
    EPOCH = "a number of seconds that is not before the present"
    PRINCIPAL_ARN = "the ARN of the root user"
    ACCOUNT_ID = "the account"
    ORGANIZATION_ID = "the organization"
    ORGANIZATION_PATHS = "the account's parents, as a list"
    REGION = "the Region of the endpoint"


@dataclass(frozen=True)
class KeyFact:
    """What is known of some condition keys.

    Attributes:
        keys: Their names; one that ends with an asterisk stands for all that start like it.
        possible: What they may be.
        source: How that is known.
        outside_vpc: What they may be if the calls certainly do not pass a VPC endpoint; None for the same.
        services: The services whose calls it is about; empty for all.
    """

    keys: tuple[str, ...]
    possible: Possible | Fact
    source: str
    outside_vpc: Possible | None = None
    services: frozenset[str] = frozenset()


_CONDITION_KEYS = "IAM User Guide, AWS global condition context keys"
_VARIABLES = "IAM User Guide, policy variables, the table of principal values"

_OPENING = frozenset({"sts"})

# The first row that fits counts: those of the call that opens the session come first.
CONTEXT: tuple[KeyFact, ...] = (
    KeyFact(
        ("aws:PrincipalArn",),
        Fact.OPENER_ARN,
        f"{_CONDITION_KEYS}: the ARN of the role that was assumed, or of the user",
        services=_OPENING,
    ),
    KeyFact(
        ("aws:PrincipalAccount",),
        Fact.OPENER_ACCOUNT_ID,
        f"{_CONDITION_KEYS}: the account of the principal",
        services=_OPENING,
    ),
    KeyFact(
        ("aws:PrincipalOrgPaths",),
        Fact.OPENER_PATHS,
        f"{_CONDITION_KEYS}: a list with the one path of the parents of the principal's account",
        services=_OPENING,
    ),
    KeyFact(
        ("aws:PrincipalType",),
        Possible(values=("AssumedRole", "User", "FederatedUser")),
        f"{_VARIABLES}; a root user cannot call AssumeRoot",
        services=_OPENING,
    ),
    KeyFact(
        ("aws:AssumedRoot",),
        ABSENT,
        f"{_CONDITION_KEYS}: only in sessions by AssumeRoot, which cannot open others",
        services=_OPENING,
    ),
    KeyFact(("aws:userid",), PRESENT, f"{_VARIABLES}: depends on the session's name", services=_OPENING),
    KeyFact(
        ("aws:MultiFactorAuthPresent",),
        Possible(absent=True, values=("true", "false")),
        f"{_CONDITION_KEYS}: a function has no MFA, a person may have it",
        services=_OPENING,
    ),
    KeyFact(
        (
            "aws:username",
            "aws:PrincipalTag/*",
            "aws:FederatedProvider",
            "aws:MultiFactorAuthAge",
            "aws:TokenIssueTime",
            "aws:Ec2InstanceSourceVpc",
            "aws:Ec2InstanceSourcePrivateIPv4",
            "aws:ChatbotSourceArn",
        ),
        ABSENT_OR_ONE_VALUE,
        f"{_CONDITION_KEYS}: depends on the role or user, and on how its session began",
        services=_OPENING,
    ),
    KeyFact(
        ("sts:TaskPolicyArn",),
        Fact.TASK_POLICY_ARN,
        "Service Authorization Reference: the task policy of AssumeRoot",
        services=_OPENING,
    ),
    KeyFact(
        ("sts:*", "iam:*", "s3:*", "sqs:*"),
        ABSENT,
        "Service Authorization Reference: AssumeRoot has no other key of these services",
        services=_OPENING,
    ),
    KeyFact(
        ("aws:PrincipalArn",),
        Fact.PRINCIPAL_ARN,
        "AWS's own task policies deny every other ARN; calls that succeeded under them are recorded",
    ),
    KeyFact(
        ("aws:AssumedRoot",),
        Possible(values=("true",)),
        f"{_CONDITION_KEYS}: true in sessions by AssumeRoot, absent for every other principal",
    ),
    KeyFact(
        ("aws:PrincipalType",),
        Possible(values=("Account",)),
        f"{_VARIABLES}: Account for a root user, so never Root",
    ),
    KeyFact(
        ("aws:PrincipalAccount", "aws:userid"),
        Fact.ACCOUNT_ID,
        f"{_CONDITION_KEYS} and {_VARIABLES}: the account's id",
    ),
    KeyFact(
        (
            "aws:username",
            "aws:PrincipalTag/*",
            "aws:FederatedProvider",
            "aws:PrincipalServiceName",
            "aws:PrincipalServiceNamesList",
        ),
        ABSENT,
        f"{_CONDITION_KEYS}: of users, roles, federated principals and services only",
    ),
    KeyFact(
        ("aws:PrincipalOrgID", "aws:ResourceOrgID"),
        Fact.ORGANIZATION_ID,
        f"{_CONDITION_KEYS}: the account's organization; for calls without a resource concluded from "
        "AWS's data perimeter policies, which would deny them otherwise",
    ),
    KeyFact(
        ("aws:PrincipalOrgPaths", "aws:ResourceOrgPaths"),
        Fact.ORGANIZATION_PATHS,
        f"{_CONDITION_KEYS}: a list with the one path of the account's parents",
    ),
    KeyFact(
        ("aws:ResourceAccount",),
        Fact.ACCOUNT_ID,
        f"{_CONDITION_KEYS}: the account that owns the resource, which is the session's",
    ),
    KeyFact(
        ("s3:ResourceAccount",),
        Fact.ACCOUNT_ID,
        "Amazon S3 User Guide: the account that owns the bucket, which is the session's",
        services=frozenset({"s3"}),
    ),
    KeyFact(
        ("aws:PrincipalIsAWSService", "aws:ViaAWSService"),
        Possible(values=("false",)),
        f"{_CONDITION_KEYS}: false in calls that a principal makes itself",
    ),
    KeyFact(
        (
            "aws:CalledVia",
            "aws:CalledViaFirst",
            "aws:CalledViaLast",
            "aws:SourceAccount",
            "aws:SourceArn",
            "aws:SourceOrgID",
            "aws:SourceOrgPaths",
            "aws:SourceOwner",
        ),
        ABSENT,
        f"{_CONDITION_KEYS}: only in calls that an AWS service makes",
    ),
    KeyFact(("aws:SecureTransport",), Possible(values=("true",)), f"{_CONDITION_KEYS}: the SDK calls by TLS"),
    KeyFact(
        ("aws:MultiFactorAuthPresent",),
        Possible(absent=True, values=("false",)),
        "Open: CloudTrail records mfaAuthenticated as false; AWS does not say if the key is there",
    ),
    KeyFact(
        ("aws:MultiFactorAuthAge",),
        ABSENT,
        f"{_CONDITION_KEYS}: only with MFA; a root session has no code to enter",
    ),
    KeyFact(
        ("aws:TokenIssueTime", "aws:CurrentTime"),
        Fact.DATE,
        f"{_CONDITION_KEYS}: in every request with temporary credentials, and not before the present",
    ),
    KeyFact(
        ("aws:EpochTime",), Fact.EPOCH, f"{_CONDITION_KEYS}: in every request, and not before the present"
    ),
    KeyFact(("aws:UserAgent",), PRESENT, f"{_CONDITION_KEYS}: the SDK sends it; not known in advance"),
    KeyFact(
        ("aws:SourceIdentity", "aws:referer"), ABSENT_OR_ONE_VALUE, f"{_CONDITION_KEYS}: as the caller has it"
    ),
    KeyFact(
        ("aws:RequestedRegion",),
        Fact.REGION,
        f"{_CONDITION_KEYS}: the Region of the endpoint; IAM has one endpoint for each partition",
    ),
    KeyFact(
        ("aws:SourceIp",),
        ABSENT_OR_ONE_VALUE,
        f"{_CONDITION_KEYS}: the public address of the caller; absent through a VPC endpoint",
        outside_vpc=PRESENT,
    ),
    KeyFact(
        (
            "aws:SourceVpc",
            "aws:SourceVpcArn",
            "aws:SourceVpce",
            "aws:VpceAccount",
            "aws:VpceOrgID",
            "aws:VpcSourceIp",
        ),
        ABSENT_OR_ONE_VALUE,
        f"{_CONDITION_KEYS}: only through a VPC endpoint",
        outside_vpc=ABSENT,
    ),
    KeyFact(
        ("aws:VpceOrgPaths",), ANYTHING, f"{_CONDITION_KEYS}: only through a VPC endpoint", outside_vpc=ABSENT
    ),
    KeyFact(
        ("aws:RequestTag/*", "aws:TagKeys"),
        ABSENT,
        f"{_CONDITION_KEYS}: only in calls that pass tags; none of the calls does",
    ),
    KeyFact(
        ("aws:ResourceTag/*",), ABSENT, "A root user cannot have tags", services=frozenset({"iam", "sts"})
    ),
    KeyFact(
        ("aws:ResourceTag/*",),
        ABSENT_OR_ONE_VALUE,
        f"{_CONDITION_KEYS}: the tags of the bucket or queue, which are not known",
        services=frozenset({"s3", "sqs"}),
    ),
    KeyFact(
        ("s3:BucketTag/*",),
        ABSENT_OR_ONE_VALUE,
        "Amazon S3 User Guide: the tags of the bucket, which are not known",
        services=frozenset({"s3"}),
    ),
    KeyFact(
        ("aws:Ec2InstanceSourceVpc", "aws:Ec2InstanceSourcePrivateIPv4", "aws:ChatbotSourceArn"),
        ABSENT,
        f"{_CONDITION_KEYS}: only in sessions of an instance's or a chat application's role",
    ),
    KeyFact(("aws:CalledViaAWSMCP",), ABSENT, f"{_CONDITION_KEYS}: only in calls by an AWS MCP server"),
    KeyFact(
        ("aws:ViaAWSMCPService", "aws:IsMcpServiceAction"),
        Possible(absent=True, values=("false",)),
        f"{_CONDITION_KEYS}: true only in calls by an AWS MCP server",
    ),
    KeyFact(
        ("iam:*", "sqs:*"),
        ABSENT,
        "Service Authorization Reference: none of the calls has a key of its service, and no resource "
        "but an IAM user has one, by its tags",
        services=frozenset({"iam", "sqs"}),
    ),
    KeyFact(
        ("s3:authType",),
        Possible(values=("REST-HEADER",)),
        "Amazon S3 User Guide: the SDK signs in the Authorization header",
        services=frozenset({"s3"}),
    ),
    KeyFact(
        ("s3:signatureversion",),
        Possible(values=("AWS4-HMAC-SHA256",)),
        "Amazon S3 User Guide: the SDK signs with Signature Version 4",
        services=frozenset({"s3"}),
    ),
    KeyFact(
        ("s3:TlsVersion",),
        Possible(values=("1.2", "1.3")),
        "AWS endpoints accept TLS 1.2 and 1.3",
        services=frozenset({"s3"}),
    ),
    KeyFact(
        ("s3:signatureAge",),
        PRESENT,
        "Amazon S3 User Guide: milliseconds since the request was signed; not known in advance",
        services=frozenset({"s3"}),
    ),
    KeyFact(
        ("s3:x-amz-content-sha256",),
        PRESENT,
        "Amazon S3 User Guide: the SDK signs it; not known in advance",
        services=frozenset({"s3"}),
    ),
    KeyFact(
        (
            "s3:AccessGrant*",
            "s3:AccessPoint*",
            "s3:DataAccessPoint*",
            "s3:delimiter",
            "s3:Existing*",
            "s3:if-*",
            "s3:LocationConstraint",
            "s3:max-keys",
            "s3:object-lock-*",
            "s3:prefix",
            "s3:Request*",
            "s3:VersionId",
            "s3:x-amz-*",
        ),
        ABSENT,
        "Service Authorization Reference: neither the calls on a bucket's policy nor the list of "
        "buckets has one of these",
        services=frozenset({"s3"}),
    ),
)

_LATEST_DATE, _LATEST_EPOCH = "9999-12-31T00:00:00Z", "253402214400"

_EXACT = {
    (lowercase(key), service): row
    for row in reversed(CONTEXT)
    for key in row.keys
    if not key.endswith("*")
    for service in row.services or {""}
}
_PREFIXES = tuple(
    (lowercase(key[:-1]), row.services, row) for row in CONTEXT for key in row.keys if key.endswith("*")
)


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """A call in a root session, or the call that opens it, as the conditions of policies see it.

    Attributes:
        session: The session.
        call: The call.
    """

    session: SessionFacts
    call: Call

    def possible(self, key: str) -> Possible:
        """Return what a condition key may be."""
        if not key.isascii():
            # Which key it is depends on the letters that AWS takes for the same.
            return ANYTHING
        key = lowercase(key)
        service = self.call.service
        row = _EXACT.get((key, service)) or _EXACT.get((key, ""))
        if row is None:
            row = next(
                (
                    row
                    for start, services, row in _PREFIXES
                    if key.startswith(start) and (not services or service in services)
                ),
                None,
            )
        if row is not None:
            if self.session.outside_vpc and row.outside_vpc is not None:
                return row.outside_vpc
            return row.possible if isinstance(row.possible, Possible) else self._fact_value(row.possible)
        prefix, colon, _ = key.partition(":")
        # Keys of a service are in the requests of that service alone, except in sessions of the role of a
        # function or an instance, which open root sessions.
        is_foreign = colon and prefix not in ("aws", service) and service not in _OPENING
        return ABSENT if is_foreign else ANYTHING

    def text_of(self, key: str) -> str | Unresolved:
        """Return the value of a condition key for a policy variable, or why there is none."""
        return self.possible(key).text

    def _fact_value(self, fact: Fact) -> Possible:
        session, opener = self.session, self.session.opener
        match fact:
            case Fact.ORGANIZATION_PATHS:
                return _paths(session.organization_path)
            case Fact.OPENER_PATHS:
                return _paths(None if opener is None else session.path_of(opener.unit_ids))
            case Fact.DATE | Fact.EPOCH:
                return _time(session.opened_after, is_date=fact is Fact.DATE)
        value = {
            Fact.PRINCIPAL_ARN: session.principal_arn,
            Fact.ACCOUNT_ID: session.account_id,
            Fact.ORGANIZATION_ID: session.organization_id,
            Fact.REGION: self.call.region,
            Fact.OPENER_ARN: None if opener is None else opener.principal_arn,
            Fact.OPENER_ACCOUNT_ID: None if opener is None else opener.account_id,
            Fact.TASK_POLICY_ARN: None
            if self.call.task is None
            else f"arn:{session.partition}:iam::aws:policy/root-task/{self.call.task}",
        }[fact]
        return PRESENT if value is None else Possible(values=(value,))


def _paths(path: str | None) -> Possible:
    return Possible(others=OtherValues.ONE_OR_MORE_VALUES) if path is None else Possible(values=((path,),))


def _time(earliest: int | None, *, is_date: bool) -> Possible:
    if earliest is None:
        return PRESENT
    if not is_date:
        return replace(PRESENT, times=(str(earliest), _LATEST_EPOCH))
    return replace(
        PRESENT, times=(f"{datetime.fromtimestamp(earliest, UTC):%Y-%m-%dT%H:%M:%SZ}", _LATEST_DATE)
    )
