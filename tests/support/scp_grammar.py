"""Random policies: what hypothesis draws for the comparison with the oracle and for the properties.

What the oracle is known to get wrong is not drawn for the comparison. Each exception is named, and stands in
tests/data/scp/oracle_disagreements.json with an example and with what AWS says of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
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
    from collections.abc import Iterator, Mapping

    from hypothesis.strategies import SearchStrategy

    from centralized_root_access.preflight.condition_keys import Value

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
BOOLEANS = ("aws:AssumedRoot", "aws:MultiFactorAuthPresent", "aws:ViaAWSService")


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


# Conditions on a key with any value: what the operators make of it.

_TEXTS = ("a", "A", "ab", "axb", "a.b", "[a]", "a*", "a?b", "*", "")
_IN_A_POLICY = ("${aws:v}", "x${aws:v}", "${aws:none}", "${aws:none, 'a'}", "a${?}b", "${$}")
VALUES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "String": (_TEXTS, _IN_A_POLICY),
    "Numeric": (("1", "2", "1.0", "01", "-1", "0.5", "10"), ("x", "", "1.5.1", "${aws:v}")),
    "Date": (
        ("2030-01-01T00:00:00Z", "2030-01-01", "2030-01-01T01:00:00+01:00", "2029-12-31T23:59:59.500Z"),
        ("x", "", "2030-01-01T00:00"),
    ),
    "Bool": (("true", "false", "True", "FALSE"), ("yes", "", "${aws:v}")),
    "Arn": (
        ("arn:aws:iam::1:root", "arn:aws:iam::1:user/a", "arn:aws:s3:::b:c"),
        (
            "arn:aws:iam::*:root",
            "arn:*:iam::1:*",
            "arn:aws:*:::b*",
            "arn:aws:iam::1:${aws:none}",
            "arn:aws:iam::1:r${aws:oo}t",
            "*",
            "x",
        ),
    ),
}
VARIABLES: dict[str, Value] = {"aws:v": "a", "aws:oo": "oo", "aws:list": ("a", "b")}
KEY = "aws:k"


@st.composite
def conditions_and_contexts(draw: st.DrawFn) -> tuple[Document, dict[str, Value]]:
    """Draw one condition, and a context with or without its key."""
    operator = draw(st.sampled_from(tuple(OPERATORS)))
    (request_values, policy_values) = next(
        (pool for kind, pool in VALUES.items() if kind in operator), VALUES["String"]
    )
    prefix = draw(st.sampled_from(("", "", "ForAllValues:", "ForAnyValue:")))
    suffix = draw(st.sampled_from(("", "IfExists")))
    value = st.sampled_from(request_values)
    given: Value | None = draw(st.one_of(st.none(), value, value, st.lists(value, max_size=2).map(tuple)))
    context = VARIABLES if given is None else {**VARIABLES, KEY: given}
    return {f"{prefix}{operator}{suffix}": {KEY: draw(_values(request_values + policy_values))}}, context


# What the oracle gets wrong


def disagreements() -> list[dict[str, Any]]:
    """Return the known disagreements with the oracle."""
    path = Path(__file__).parents[1] / "data" / "scp" / "oracle_disagreements.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def disagreement_names(drawn: Document) -> set[str]:
    """Return the names of the known disagreements that a document may run into."""
    found = set()
    for operator, key, values in _operators_keys_and_values(drawn):
        base = operator.rpartition(":")[2]
        if "Arn" in base and any("${aws:" in value.partition(":root")[0] for value in values):
            found.add("variable-in-arn-operator")
        if "Not" in base and any("${aws:username}" in value or "${aws:none}" in value for value in values):
            found.add("negated-operator-with-unresolved-variable")
        if "Equals" in base and any(re.search(r"\$\{[*?$]\}", value) for value in values):
            found.add("special-character-under-equals")
        # Few keys of a root session are numbers, dates or booleans.
        if key in KEYS and "NotEquals" in base and base.startswith(("Numeric", "Date")):
            found.add("text-that-is-not-a-number" if "Numeric" in base else "text-that-is-not-a-date")
        if base.startswith("Bool") and key in KEYS and key not in BOOLEANS:
            found.add("text-that-is-not-a-boolean")
        if "Date" in base and key == "aws:RequestedRegion":
            found.add("text-that-javascript-reads-as-a-date")
        # The ID of an account is a number of seconds as well.
        if "Date" in base and (key.lower() == "aws:principalaccount" or any(map(str.isdigit, values))):
            found.add("epoch-in-seconds")
    return found


def _operators_keys_and_values(drawn: Document) -> Iterator[tuple[str, str, list[str]]]:
    for statement in drawn["Statement"]:
        block: Mapping[str, Mapping[str, str | list[str]]] = statement.get("Condition", {})
        for operator, keys in block.items():
            for key, values in keys.items():
                yield operator, key, [values] if isinstance(values, str) else values
