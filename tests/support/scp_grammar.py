"""Random policies, for the properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from centralized_root_access.preflight.operators import OPERATORS

from .scp import (
    ACCOUNT_ID,
    GET_ACCOUNT_SUMMARY,
    GET_USER,
    LIST_BUCKETS,
    OPEN_SESSION,
    ORGANIZATION_PATH,
    bucket_call,
    document,
    queue_call,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Document = dict[str, Any]

CALLS = (
    GET_USER,
    GET_ACCOUNT_SUMMARY,
    LIST_BUCKETS,
    bucket_call("payroll"),
    bucket_call(None, region=None),
    queue_call("jobs"),
    queue_call(None, region=None),
    OPEN_SESSION,
)

ACTIONS = (
    "sts:*",
    "sts:AssumeRole",
    "sts:AssumeRo*",
    "*",
    "iam:*",
    "IAM:getuser",
    "iam:?etUser",
    "s3:*",
    "s3:*BucketPolicy",
    "sqs:Set*",
)
RESOURCES = (
    "*",
    "arn:aws:iam::*:root",
    f"arn:aws:iam::{ACCOUNT_ID}:root",
    "arn:aws:iam::*:*",
    "arn:aws:iam::*:ro*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::payroll",
    "arn:aws:s3:::payr?ll",
    "arn:aws:s3:::payroll/*",
    "arn:*:s3:::payroll",
    "arn:aws:s3:::${aws:PrincipalAccount}-logs",
    "arn:aws:s3:::${aws:username}",
    "arn:aws:s3:::${aws:PrincipalTag/team, 'payroll'}",
    f"arn:aws:sqs:*:{ACCOUNT_ID}:*",
    "arn:aws:sqs:eu-west-1:*:jobs",
    "arn:*",
)
# Keys of a root session, of both kinds: known and open.
KEYS: dict[str, tuple[str, ...]] = {
    "aws:PrincipalArn": (
        "arn:aws:iam::*:root",
        "arn:*:iam::*:root",
        "arn:aws:iam::*:user/*",
        "arn:aws:iam::${aws:PrincipalAccount}:root",
        "arn:aws:iam::*:role/centralized-root-access/*",
        "*:root",
    ),
    "aws:AssumedRoot": ("true", "false", "True"),
    "aws:PrincipalType": ("Account", "Root", "account", "*"),
    "aws:PrincipalAccount": (ACCOUNT_ID, "333333333333", "2*", "${aws:userid}", "${aws:username}"),
    "AWS:principalaccount": (ACCOUNT_ID, f"${{aws:username, '{ACCOUNT_ID}'}}"),
    "aws:ResourceAccount": (ACCOUNT_ID, "444444444444", "${aws:PrincipalAccount}"),
    "sts:TaskPolicyArn": (
        "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials",
        "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy",
        "arn:aws:iam::aws:policy/root-task/*",
    ),
    "aws:CurrentTime": ("2020-01-01T00:00:00Z", "2031-01-01T00:00:00Z", "junk"),
    "aws:PrincipalOrgID": ("o-exampleorgid", "o-other", "o-*"),
    "aws:PrincipalOrgPaths": (ORGANIZATION_PATH, "o-exampleorgid/*", "o-other/*"),
    "aws:MultiFactorAuthPresent": ("true", "false"),
    "aws:MultiFactorAuthAge": ("3600", "1"),
    "aws:RequestedRegion": ("us-east-1", "eu-west-1", "eu-*", "*"),
    "aws:SourceIp": ("203.0.113.0/24", "192.0.2.7", "2001:db8::/32", "junk"),
    "aws:PrincipalTag/team": ("red", "*", "${aws:PrincipalTag/team, 'red'}"),
    "aws:ViaAWSService": ("true", "false"),
    "aws:TokenIssueTime": ("2026-06-01T00:00:00Z", "2031-01-01", "junk"),
    "aws:SomethingNew": ("yes", "no", "*"),
    "aws:ResourceTag/team": ("red", "x", "*"),
    "s3:TlsVersion": ("1.2", "1.3", "1"),
    "ec2:ResourceTag/team": ("red",),
}


def _operators() -> SearchStrategy[str]:
    base = st.sampled_from((*OPERATORS, "StringEquals", "StringLike", "ArnLike", "Bool"))
    prefix = st.sampled_from(("", "", "", "ForAllValues:", "ForAnyValue:"))
    suffix = st.sampled_from(("", "", "IfExists"))
    return st.one_of(
        st.builds("{}{}{}".format, prefix, base, suffix), st.just("Null"), st.just("SomethingNew")
    )


def _values(pool: tuple[str, ...]) -> SearchStrategy[str | list[str]]:
    return st.one_of(st.sampled_from(pool), st.lists(st.sampled_from(pool), min_size=1, max_size=3))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, dict[str, str | list[str]]]:
    """Draw a condition block on keys of a root session."""
    block: dict[str, dict[str, str | list[str]]] = {}
    for _ in range(draw(st.integers(min_value=0, max_value=3))):
        operator = draw(_operators())
        key = draw(st.sampled_from(tuple(KEYS)))
        pool = ("true", "false") if operator == "Null" else KEYS[key]
        block.setdefault(operator, {})[key] = draw(_values(pool))
    return block


@st.composite
def statements(draw: st.DrawFn, effects: tuple[str, ...] = ("Deny", "Deny", "Allow")) -> Document:
    """Draw a statement."""
    action = draw(st.sampled_from(("Action", "Action", "NotAction")))
    resource = draw(st.sampled_from(("Resource", "Resource", "NotResource")))
    drawn: Document = {
        "Effect": draw(st.sampled_from(effects)),
        action: draw(st.one_of(st.just("*"), _values(ACTIONS))),
        resource: draw(st.one_of(st.just("*"), _values(RESOURCES))),
    }
    block = draw(conditions())
    return {**drawn, "Condition": block} if block else drawn


def documents(effects: tuple[str, ...] = ("Deny", "Deny", "Allow")) -> SearchStrategy[Document]:
    """Draw a policy document."""
    return st.lists(statements(effects), min_size=1, max_size=3).map(lambda drawn: document(*drawn))
