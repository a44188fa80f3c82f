"""The evaluation of levels, statements, actions and resources, and the causes of a verdict."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from centralized_root_access.preflight.attachments import FULL_ACCESS, RCP_FULL_ACCESS
from centralized_root_access.preflight.condition_keys import (
    ABSENT,
    ANYTHING,
    PRESENT,
    OtherValues,
    Possible,
    SessionRequest,
)
from centralized_root_access.preflight.documents import Policy, PolicyType, parse_policy
from centralized_root_access.preflight.evaluate import Decision, Reason
from centralized_root_access.preflight.session_calls import Call, call_of
from root_tasks.model.task import Task
from support.scp import (
    ACCOUNT_ID,
    DELETE_BUCKET_POLICY_CALL,
    GET_ACCOUNT_SUMMARY_CALL,
    GET_USER_CALL,
    IS_A_ROOT_USER,
    LIST_BUCKETS_CALL,
    SESSION_BY_MANAGEMENT,
    SET_QUEUE_ATTRIBUTES_CALL,
    decision_with_policies,
    evaluate_call,
    levels_from_root,
    parsed_policy,
    policy_document,
    resource_control_policy,
    sample_policies,
    service_control_policy,
    statement,
    strictest_decision_for_task,
    verdict_with_policies,
)

SAMPLES = sample_policies()
ALLOWED, DENIED, UNKNOWN = Decision.ALLOWED, Decision.DENIED, Decision.UNKNOWN

DENY_ROOT_USERS = statement(Condition=IS_A_ROOT_USER)
# Whether a statement with this condition applies is unknown: the evaluator does not know the key.
IF_A_NEW_KEY_IS_YES: dict[str, Any] = {"Condition": {"StringEquals": {"aws:SomethingNew": "yes"}}}
MAY_ALLOW, MAY_DENY = statement("Allow", **IF_A_NEW_KEY_IS_YES), statement(**IF_A_NEW_KEY_IS_YES)


def policy_that_allows(*actions: str) -> Policy:
    """Return a policy that allows these actions and nothing else."""
    return service_control_policy(statement("Allow", Action=list(actions)), policy_id="p-allow")


def row_name(value: object) -> str | None:
    """Return a call in the name of a row by its action; pytest names other values itself."""
    return value.action if isinstance(value, Call) else None


def decision_on_statement(call: Call = GET_USER_CALL, **elements: object) -> Decision:
    """Return the decision with a statement that denies at the root, next to FullAWSAccess."""
    return decision_with_policies(service_control_policy(statement("Deny", **elements)), call=call)


# Levels


@pytest.mark.parametrize(
    ("attached", "decisions"),
    [
        pytest.param(
            (
                [policy_that_allows("iam:*", "s3:*")],
                [policy_that_allows("s3:*", "sqs:*")],
                [FULL_ACCESS],
            ),
            (DENIED, ALLOWED, DENIED),
            id="what both levels allow",
        ),
        pytest.param(
            (
                [FULL_ACCESS],
                [policy_that_allows("s3:*"), policy_that_allows("iam:*")],
                [FULL_ACCESS],
            ),
            (ALLOWED, ALLOWED, DENIED),
            id="what a policy of the level allows",
        ),
        pytest.param(
            ([FULL_ACCESS], [], [FULL_ACCESS]), (DENIED, DENIED, DENIED), id="a level without one"
        ),
        pytest.param(
            ([FULL_ACCESS], [FULL_ACCESS], [service_control_policy(DENY_ROOT_USERS)]),
            (DENIED, DENIED, DENIED),
            id="a level that denies",
        ),
    ],
)
def test_every_level_must_allow_and_none_may_deny(
    attached: tuple[Sequence[Policy], ...], decisions: tuple[Decision, ...]
) -> None:
    calls = (GET_USER_CALL, DELETE_BUCKET_POLICY_CALL, SET_QUEUE_ATTRIBUTES_CALL)
    levels = levels_from_root(*attached)
    assert tuple(evaluate_call(call, levels).decision for call in calls) == decisions


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param([FULL_ACCESS, service_control_policy(MAY_DENY)], UNKNOWN, id="perhaps a Deny"),
        pytest.param(
            [FULL_ACCESS, service_control_policy(MAY_DENY, DENY_ROOT_USERS)],
            DENIED,
            id="and a Deny",
        ),
        pytest.param([service_control_policy(MAY_ALLOW)], UNKNOWN, id="perhaps an Allow"),
        pytest.param([service_control_policy(MAY_ALLOW), FULL_ACCESS], ALLOWED, id="and an Allow"),
        pytest.param(
            [service_control_policy(MAY_ALLOW, DENY_ROOT_USERS)],
            DENIED,
            id="perhaps an Allow, and a Deny",
        ),
        # Nothing allows it, so what may deny it does not matter.
        pytest.param([service_control_policy(MAY_DENY)], DENIED, id="no Allow"),
    ],
)
def test_what_is_not_known_is_neither_an_allow_nor_a_deny(
    policies: list[Policy], expected: Decision
) -> None:
    only_level = levels_from_root(policies)
    between_others = levels_from_root([FULL_ACCESS], policies, [FULL_ACCESS])
    assert evaluate_call(GET_USER_CALL, only_level).decision is expected
    assert evaluate_call(GET_USER_CALL, between_others).decision is expected


OPPOSITES = {ALLOWED: DENIED, DENIED: ALLOWED, UNKNOWN: UNKNOWN}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("*", DENIED),
        ("iam:*User", DENIED),
        ("iam:G?tUser", DENIED),
        ("iam:GetUse", ALLOWED),
        ("", ALLOWED),
        ("s*:*", ALLOWED),
        ("iam:Get:User", ALLOWED),
        ("${aws:service}:GetUser", ALLOWED),
        # AWS does not document wildcards in the name of the service.
        ("*:*", UNKNOWN),
        ("i*:GetUser", UNKNOWN),
        ("iam*", UNKNOWN),
        ("iam?GetUser", UNKNOWN),
        # Nor which letters beyond ASCII are the same.
        ("iam:G\u00ebtUser", UNKNOWN),
        ("i\u00e4m:*", UNKNOWN),
    ],
)
def test_an_action_is_matched_without_case_and_with_wildcards(
    action: str, expected: Decision
) -> None:
    # An action may stand alone, or in a list with another one.
    for actions in (action, ["s3:GetObject", action]):
        assert decision_on_statement(Action=actions) is expected
        assert decision_on_statement(NotAction=actions) is OPPOSITES[expected]


@pytest.mark.parametrize(
    "elements",
    [
        {"Condition": {"StringLike": {"aw\u017f:PrincipalArn": "*"}}},
        {"Condition": {"Null": {"aw\u017f:PrincipalArn": "true"}}},
        {"Resource": "arn:aw\u017f:iam::*:root"},
        {"NotResource": "arn:aw\u017f:iam::*:root"},
    ],
    ids=["key", "no key", "resource", "all but the resource"],
)
def test_whether_aws_takes_a_long_s_for_an_s_is_unknown(elements: dict[str, Any]) -> None:
    assert decision_on_statement(**elements) is UNKNOWN


# Resources


@pytest.mark.parametrize(
    ("call", "resource", "expected"),
    [
        (GET_USER_CALL, "arn:aws:iam::*:ro?t", DENIED),
        (GET_USER_CALL, "arn:aws:iam::*:ROOT", ALLOWED),
        (GET_USER_CALL, "arn:aws:iam::333333333333:*", ALLOWED),
        (GET_USER_CALL, "arn:aws:iam::*:*:root", ALLOWED),
        (GET_USER_CALL, "arn:aws:iam::${aws:PrincipalAccount}:root", DENIED),
        (GET_USER_CALL, "arn:aws:iam::${aws:userid}:root", UNKNOWN),
        (GET_USER_CALL, "arn:aws:iam::${aws:PrincipalAccount}:user/*", ALLOWED),
        (GET_USER_CALL, "arn:aws:iam::*:${aws:PrincipalType}", ALLOWED),
        (GET_USER_CALL, "arn:aws:iam::*:${aws:username, 'root'}", DENIED),
        (GET_USER_CALL, "arn:aws:iam::*:${aws:SomethingNew}", UNKNOWN),
        # ARNs with fewer parts, and texts that are not ARNs.
        (GET_USER_CALL, "arn:aws:iam::*", UNKNOWN),
        (GET_USER_CALL, "arn:aws:${aws:PrincipalType}:*", UNKNOWN),
        (GET_USER_CALL, "arn:aws:iam::*root", UNKNOWN),
        (GET_USER_CALL, ":::::", UNKNOWN),
        (GET_USER_CALL, "?rn:aws:iam::*:root", UNKNOWN),
        # Calls without a resource act on "*".
        (GET_ACCOUNT_SUMMARY_CALL, "arn:aws:s3:::*", ALLOWED),
        (GET_ACCOUNT_SUMMARY_CALL, "arn:aws:iam::*:*", UNKNOWN),
        (LIST_BUCKETS_CALL, "arn:aws:s3:::payroll", ALLOWED),
        # AWS's guides allow s3:ListAllMyBuckets so.
        (LIST_BUCKETS_CALL, "arn:aws:s3:::*", UNKNOWN),
        (LIST_BUCKETS_CALL, "arn:*", UNKNOWN),
        # In which case a service is written AWS does not say.
        (GET_USER_CALL, "arn:aws:IAM::*:root", UNKNOWN),
        (GET_USER_CALL, "arn:aws:IAM::*:other", ALLOWED),
        (LIST_BUCKETS_CALL, "arn:aws:S3:::*", UNKNOWN),
        # The name of the bucket or queue, and the queue's Region, are not known.
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:s3:::*", DENIED),
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:s3:::payroll", UNKNOWN),
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:s3:::payroll/*", ALLOWED),
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:s3:::${aws:PrincipalAccount}-?", UNKNOWN),
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:s3:::${aws:SomethingNew}", UNKNOWN),
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:s3:::${aws:username}", ALLOWED),
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:s3:::${aws:username", UNKNOWN),
        (DELETE_BUCKET_POLICY_CALL, "arn:aws:iam:::${aws:username", ALLOWED),
        (SET_QUEUE_ATTRIBUTES_CALL, "arn:aws:sqs:us-east-1:*:jobs", UNKNOWN),
        (SET_QUEUE_ATTRIBUTES_CALL, "arn:aws:sqs:*:333333333333:*", ALLOWED),
        (SET_QUEUE_ATTRIBUTES_CALL, "arn:aws:sqs:*:222222222222:*", DENIED),
    ],
    ids=row_name,
)
def test_a_resource_is_matched_part_by_part(call: Call, resource: str, expected: Decision) -> None:
    with_not_resource = OPPOSITES[expected]
    if "${aws:username}" in resource and expected is ALLOWED:
        # What NotResource makes of a variable without a value is not documented.
        with_not_resource = UNKNOWN
    for resources in (resource, ["arn:aws:sns:::x", resource]):
        assert decision_on_statement(call, Resource=resources) is expected
        assert decision_on_statement(call, NotResource=resources) is with_not_resource


def test_variables_in_a_resource_are_plain_text_without_the_version() -> None:
    denies = statement(Resource="arn:aws:iam::${aws:PrincipalAccount}:root")
    assert decision_with_policies(service_control_policy(denies)) is DENIED
    assert decision_with_policies(service_control_policy(denies, version=None)) is ALLOWED


# Documents


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"Statement": []}',
        '{"Version":"2030-01-01","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}',
        '{"Version": 2012, "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}',
        "[" * 5000,
        "NaN",
        '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}',
    ],
    ids=[
        "no statement",
        "an empty list",
        "an unknown version",
        "a version that is a number",
        "nested too deeply",
        "not JSON",
        "an element twice",
    ],
)
def test_a_document_that_cannot_be_parsed_may_allow_or_deny_anything(content: str) -> None:
    broken = parse_policy(content, policy_id="p-broken", name="broken")
    assert broken.problem
    assert decision_with_policies(broken) is UNKNOWN
    assert evaluate_call(GET_USER_CALL, levels_from_root([broken])).decision is UNKNOWN
    # Another policy that certainly denies decides, and so does a level that allows nothing.
    assert decision_with_policies(broken, service_control_policy(DENY_ROOT_USERS)) is DENIED
    assert (
        evaluate_call(GET_USER_CALL, levels_from_root([FULL_ACCESS, broken], [])).decision is DENIED
    )
    (cause,) = verdict_with_policies(broken).causes
    assert (cause.reason, cause.policy, cause.statement) == (Reason.UNREADABLE_POLICY, broken, None)


@pytest.mark.parametrize(
    "elements",
    [
        {"Effect": "deny"},
        {"Effect": []},
        {"Sid": 1},
        {"Action": []},
        {"Action": ["*", None]},
        {"Action": True},
        {"NotAction": "*"},
        {"Principal": "*"},
        {"action": "*"},
        {"Condition": []},
        {"Condition": {"Bool": "true"}},
        {"Condition": {"Bool": {"aws:k": []}}},
        {"Condition": {"Bool": {"aws:k": {"a": "b"}}}},
    ],
    ids=lambda elements: json.dumps(elements),
)
def test_a_statement_that_the_language_does_not_have_makes_the_policy_unknown(
    elements: dict[str, Any],
) -> None:
    content = json.dumps({"Statement": [statement(), {**statement(), **elements}]})
    broken = parse_policy(content, policy_id="p", name="p")
    assert "Statement 2" in broken.problem
    assert not broken.statements


def test_one_statement_may_stand_without_a_list() -> None:
    content = json.dumps({"Id": "x", "Statement": statement(Sid="DenyAll")})
    parsed = parse_policy(content, policy_id="p", name="p")
    assert [parsed_statement.sid for parsed_statement in parsed.statements] == ["DenyAll"]
    assert decision_with_policies(parsed) is DENIED


def test_a_denied_call_names_the_statements_that_deny_it_and_where_they_are_attached() -> None:
    named = {**DENY_ROOT_USERS, "Sid": "DenyRoot"}
    denies = service_control_policy(MAY_ALLOW, named, DENY_ROOT_USERS, policy_id="p-deny")
    # The last level has no policy, so nothing allows the call there.
    levels = levels_from_root(
        [FULL_ACCESS, service_control_policy(MAY_DENY)], [FULL_ACCESS, denies], []
    )
    verdict = evaluate_call(GET_USER_CALL, levels)
    assert verdict.decision is DENIED
    assert [cause.place for cause in verdict.causes] == [
        (Reason.EXPLICIT_DENY, PolicyType.SERVICE_CONTROL_POLICY, "ou-ab12-workload", "p-deny", 2),
        (Reason.EXPLICIT_DENY, PolicyType.SERVICE_CONTROL_POLICY, "ou-ab12-workload", "p-deny", 3),
        (Reason.NO_ALLOW, PolicyType.SERVICE_CONTROL_POLICY, "ou-ab12-payments", "", 0),
    ]
    assert [cause.statement.sid for cause in verdict.causes if cause.statement] == ["DenyRoot", ""]


def test_an_unknown_call_names_what_could_not_be_decided() -> None:
    perhaps = service_control_policy(
        statement(
            Action="*:*",
            NotResource="*:root",
            Condition={
                "Bool": {"aws:MultiFactorAuthPresent": "false", "aws:SecureTransport": "true"},
                "SomethingNew": {"aws:k": ["a", "b"]},
                "ArnLike": {"aws:PrincipalArn": "*:root"},
            },
        )
    )
    (cause,) = verdict_with_policies(perhaps).causes
    assert cause.reason is Reason.UNDECIDED_DENY
    assert cause.undecided == (
        "Action *:*",
        "NotResource *:root",
        "Bool aws:MultiFactorAuthPresent false",
        "SomethingNew aws:k a, b",
        "ArnLike aws:PrincipalArn *:root",
    )


def test_an_unknown_allow_is_named_if_nothing_else_allows() -> None:
    perhaps = service_control_policy(MAY_ALLOW, policy_id="p-perhaps")
    (cause,) = evaluate_call(GET_USER_CALL, levels_from_root([perhaps])).causes
    assert cause.policy is not None
    assert (cause.reason, cause.policy.policy_id) == (Reason.UNDECIDED_ALLOW, "p-perhaps")


# Resource control policies


@pytest.mark.parametrize(
    ("denies", "call", "expected"),
    [
        (statement(Action="s3:*"), DELETE_BUCKET_POLICY_CALL, DENIED),
        (statement(Action="s3:*"), SET_QUEUE_ATTRIBUTES_CALL, ALLOWED),
        (DENY_ROOT_USERS, DELETE_BUCKET_POLICY_CALL, DENIED),
        # They never apply to IAM.
        (DENY_ROOT_USERS, GET_USER_CALL, ALLOWED),
        # Whether they apply to a call without a resource is not documented.
        (statement(Action="s3:*"), LIST_BUCKETS_CALL, UNKNOWN),
        (statement(Action="s3:*", Resource="arn:aws:s3:::payroll"), LIST_BUCKETS_CALL, ALLOWED),
        (MAY_DENY, SET_QUEUE_ATTRIBUTES_CALL, UNKNOWN),
    ],
    ids=row_name,
)
def test_resource_control_policies_bind_root_sessions_in_s3_and_sqs(
    denies: dict[str, Any], call: Call, expected: Decision
) -> None:
    verdict = evaluate_call(
        call,
        service_control=levels_from_root((FULL_ACCESS,)),
        resource_control=levels_from_root(
            (RCP_FULL_ACCESS,), (RCP_FULL_ACCESS, resource_control_policy(denies))
        ),
    )
    assert verdict.decision is expected
    for cause in verdict.causes:
        assert cause.policy_type is PolicyType.RESOURCE_CONTROL_POLICY
        assert cause.level.target_id == "ou-ab12-workload"
        assert (cause.reason is Reason.NO_RESOURCE) is (call is LIST_BUCKETS_CALL)


@pytest.mark.parametrize(
    ("principal", "understood"),
    [
        ({"Principal": "*"}, {PolicyType.RESOURCE_CONTROL_POLICY}),
        ({"Principal": {"AWS": "*"}}, {PolicyType.RESOURCE_CONTROL_POLICY}),
        ({"Principal": ["*"]}, set()),
        ({"Principal": {"AWS": ACCOUNT_ID}}, set()),
        ({}, {PolicyType.SERVICE_CONTROL_POLICY}),
    ],
    ids=str,
)
def test_a_resource_control_policy_alone_has_a_principal_and_it_is_everyone(
    principal: dict[str, Any], understood: set[PolicyType]
) -> None:
    content = policy_document({**statement(), **principal})
    assert understood == {
        type_ for type_ in PolicyType if not parsed_policy(content, policy_type=type_).problem
    }


# The context of a root session


def session_request(call: Call, **facts: Any) -> SessionRequest:
    """Return a call in a root session, of which these facts differ from the usual ones."""
    return SessionRequest(session=replace(SESSION_BY_MANAGEMENT, **facts), call=call)


@pytest.mark.parametrize(
    ("call", "key", "expected"),
    [
        (GET_USER_CALL, "aws:username", ABSENT),
        (GET_USER_CALL, "aws:userid", Possible(values=(ACCOUNT_ID,))),
        (GET_USER_CALL, "aws:PrincipalIsAWSService", Possible(values=("false",))),
        (GET_USER_CALL, "aws:principaltag/Any Thing", ABSENT),
        # CloudTrail shows it as false.
        (GET_USER_CALL, "aws:MultiFactorAuthPresent", Possible(absent=True, values=("false",))),
        (GET_USER_CALL, "aws:ResourceTag/team", ABSENT),
        (DELETE_BUCKET_POLICY_CALL, "aws:ResourceTag/team", ANYTHING),
        (GET_USER_CALL, "iam:PermissionsBoundary", ABSENT),
        (GET_USER_CALL, "ec2:ResourceTag/team", ABSENT),
        (DELETE_BUCKET_POLICY_CALL, "s3:TlsVersion", Possible(values=("1.2", "1.3"))),
        # The functions are not in a VPC.
        (GET_USER_CALL, "aws:VpceOrgPaths", ABSENT),
        (GET_USER_CALL, "aws:RequestedRegion", Possible(values=("us-east-1",))),
        # Nothing is known of them.
        (GET_USER_CALL, "aws:SomethingNew", ANYTHING),
        (DELETE_BUCKET_POLICY_CALL, "s3:SomethingNew", ANYTHING),
        (DELETE_BUCKET_POLICY_CALL, "s3:x-amz-acl", ABSENT),
        (DELETE_BUCKET_POLICY_CALL, "s3:x-amz-content-sha256", PRESENT),
    ],
)
def test_what_a_key_may_be_in_a_call_in_any_spelling(
    call: Call, key: str, expected: Possible
) -> None:
    for spelling in (key, key.upper()):
        assert session_request(call).possible(spelling) == expected


def test_what_the_caller_does_not_know_is_open() -> None:
    # Neither the Region of a bucket that is not known yet, nor the account's path.
    without_path = session_request(DELETE_BUCKET_POLICY_CALL, organization_path=None)
    assert without_path.possible("aws:RequestedRegion") == PRESENT
    any_paths = Possible(others=OtherValues.ONE_OR_MORE_VALUES)
    assert without_path.possible("aws:ResourceOrgPaths") == any_paths


@pytest.mark.parametrize("service", ["iam", "s3", "sqs"])
def test_a_key_of_a_service_is_in_no_call_of_another_one(service: str) -> None:
    for call in (GET_USER_CALL, DELETE_BUCKET_POLICY_CALL, SET_QUEUE_ATTRIBUTES_CALL):
        if call.service != service:
            possible = session_request(call).possible(f"{service}:ResourceTag/team")
            assert possible == ABSENT


# The calls of the tasks


@pytest.mark.parametrize(
    ("partition", "action", "resource", "region"),
    [
        ("aws", "iam:GetUser", ("arn", "aws", "iam", "", ACCOUNT_ID, "root"), "us-east-1"),
        ("aws-cn", "iam:GetUser", ("arn", "aws-cn", "iam", "", ACCOUNT_ID, "root"), "cn-north-1"),
        ("aws", "iam:GetAccountSummary", None, "us-east-1"),
        ("aws", "s3:ListAllMyBuckets", None, "eu-central-1"),
        ("aws", "s3:GetBucketPolicy", ("arn", "aws", "s3", "", "", None), None),
        ("aws", "sqs:SetQueueAttributes", ("arn", "aws", "sqs", None, ACCOUNT_ID, None), None),
    ],
)
def test_a_call_acts_on_the_root_user_or_the_target_or_nothing_in_its_region(
    partition: str, action: str, resource: tuple[str | None, ...] | None, region: str | None
) -> None:
    session = replace(SESSION_BY_MANAGEMENT, partition=partition, region="eu-central-1")
    call = call_of(action, session=session)
    assert (call.resource, call.region) == (resource, region)


# Policies that people use, and some that were made to go wrong


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("task", Task)
def test_a_sample_policy_gives_what_is_known_of_it(name: str, task: Task) -> None:
    sample = SAMPLES[name]
    assert strictest_decision_for_task(task, sample.levels) is sample.decisions[task]


def test_nine_of_ten_decisions_of_real_policies_are_certain() -> None:
    real = [sample for sample in SAMPLES.values() if sample.is_real]
    decisions = [decision for sample in real for decision in sample.decisions.values()]
    # Fewer samples would say little.
    assert len(real) >= 20
    assert sum(decision is not UNKNOWN for decision in decisions) >= 0.9 * len(decisions)
