"""`sts:AssumeRoot` is judged by the policies on its caller's and on the member's account."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from centralized_root_access.preflight.attachments import FULL_ACCESS, RCP_FULL_ACCESS
from centralized_root_access.preflight.condition_keys import (
    ABSENT,
    ANYTHING,
    PRESENT,
    Possible,
    SessionRequest,
)
from centralized_root_access.preflight.documents import PolicyType
from centralized_root_access.preflight.evaluate import Decision, PolicyCheck, Reason
from centralized_root_access.preflight.session_calls import SessionOpener
from root_tasks.model.task import ASSUME_ROOT, Task
from support.scp import (
    ACCOUNT,
    ACCOUNT_ID,
    ASSUME_ROOT_CALL,
    DELEGATE_ID,
    DELEGATE_OPENER,
    GET_USER_CALL,
    ORGANIZATION_ID,
    SESSION_BY_DELEGATE,
    SamplePolicy,
    evaluate_call,
    levels_from_root,
    organization_policies,
    parsed_policy,
    policy_document,
    sample_policies,
    statement,
)

ALLOWED, DENIED, UNKNOWN = Decision.ALLOWED, Decision.DENIED, Decision.UNKNOWN
_DATA = Path(__file__).parents[1] / "data" / "scp" / "resource_control_policies.json"
RESOURCE_CONTROL_POLICIES = json.loads(_DATA.read_text(encoding="utf-8"))
SAMPLES = sample_policies()


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_policy_on_the_callers_account_is_judged_for_assume_root(sample: SamplePolicy) -> None:
    assert evaluate_call(ASSUME_ROOT_CALL, sample.levels).decision is sample.assume_root


@pytest.mark.parametrize("sample", RESOURCE_CONTROL_POLICIES, ids=lambda sample: sample["name"])
def test_a_resource_control_policy_on_the_member_is_judged_but_never_certain(
    sample: dict[str, Any],
) -> None:
    attached = parsed_policy(sample["policy"], policy_type=PolicyType.RESOURCE_CONTROL_POLICY)
    judged = evaluate_call(
        ASSUME_ROOT_CALL,
        levels_from_root((FULL_ACCESS,)),
        levels_from_root((RCP_FULL_ACCESS, attached)),
    )
    assert judged.decision == sample["assumeRoot"]
    assert {cause.reason for cause in judged.causes} <= {Reason.UNCONFIRMED}
    # Resource control policies do not support IAM.
    assert (
        evaluate_call(GET_USER_CALL, (), levels_from_root((RCP_FULL_ACCESS, attached))).decision
        is ALLOWED
    )


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("aws:PrincipalArn", Possible(values=DELEGATE_OPENER.principal_arns)),
        ("aws:PrincipalAccount", Possible(values=(DELEGATE_ID,))),
        (
            "aws:PrincipalOrgPaths",
            Possible(values=((f"{ORGANIZATION_ID}/r-ab12/ou-ab12-security/",),)),
        ),
        ("aws:ResourceAccount", Possible(values=(ACCOUNT_ID,))),
        (
            "sts:TaskPolicyArn",
            Possible(values=(f"arn:aws:iam::aws:policy/root-task/{Task.AUDIT.policy}",)),
        ),
        ("sts:ExternalId", ABSENT),
        ("aws:AssumedRoot", ABSENT),
        ("aws:RequestedRegion", Possible(values=("eu-west-1",))),
        ("aws:MultiFactorAuthPresent", Possible(absent=True, values=("true", "false"))),
        ("aws:PrincipalTag/team", ANYTHING),
        ("aws:ResourceTag/team", ABSENT),
        ("aws:SourceIp", PRESENT),
        ("lambda:SourceFunctionArn", ANYTHING),
    ],
)
def test_what_a_key_may_be_in_the_call_that_opens_a_session(key: str, expected: Possible) -> None:
    assert (
        SessionRequest(session=SESSION_BY_DELEGATE, call=ASSUME_ROOT_CALL).possible(key) == expected
    )


@pytest.mark.parametrize(
    ("opener", "place", "expected"),
    [
        pytest.param(DELEGATE_OPENER, DELEGATE_ID, DENIED, id="on the delegate"),
        pytest.param(DELEGATE_OPENER, "ou-ab12-security", DENIED, id="on the delegate's unit"),
        pytest.param(DELEGATE_OPENER, ACCOUNT_ID, ALLOWED, id="on the member"),
        pytest.param(
            replace(DELEGATE_OPENER, unit_ids=None), ACCOUNT_ID, UNKNOWN, id="of an unknown path"
        ),
        pytest.param(
            replace(DELEGATE_OPENER, is_in_management_account=True),
            "r-ab12",
            ALLOWED,
            id="management",
        ),
    ],
)
def test_service_control_policies_bind_the_caller_of_assume_root(
    opener: SessionOpener, place: str, expected: Decision
) -> None:
    policies = organization_policies(
        {"p-sts": policy_document(statement(Action="sts:*"))}, {place: ["p-sts"]}
    )
    check = PolicyCheck(policies, session=replace(SESSION_BY_DELEGATE, opener=opener))
    verdict = check.verdict(ASSUME_ROOT, ACCOUNT, task=Task.AUDIT)
    assert verdict.decision is expected
