"""What policies let a task do in an account, from what was read of them: pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from root_tasks.aws.policies import Attachments, OrganizationPolicies, PoliciesOfType
from root_tasks.model.report import ItemType, Task
from root_tasks.model.run import Assignment, CredentialSelection, Mode, Target
from root_tasks.run.preflight import Origin, PolicyCheck, check_account
from root_tasks.tasks import DEFINITIONS
from scp.calls import TASK_CALLS, SessionFacts, TaskPolicy, task_calls
from scp.evaluate import Decision, evaluate_call
from scp.policies import PolicyType, parse_policy
from support.scp import (
    ACCOUNT_ID,
    FULL_ACCESS,
    FULL_ACCESS_DOCUMENT,
    LEVEL_IDS,
    ORGANIZATION_ID,
    ORGANIZATION_PATH,
    document,
    levels,
    statement,
)
from support.scp_grammar import documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ORIGIN = Origin(partition="aws", region="eu-west-1", outside_vpc=True)
UNIT_IDS = LEVEL_IDS[:-1]
EVERY_CALL = sorted({action for calls in TASK_CALLS.values() for action, _ in calls})


def check_of(
    documents: Mapping[str, Mapping[str, Any]], attached: Mapping[str, Sequence[str]]
) -> PolicyCheck:
    """Return the check of policies that are attached to these targets, next to FullAWSAccess."""
    with_full_access = {"p-FullAWSAccess": FULL_ACCESS_DOCUMENT, **documents}
    of_type = PoliciesOfType(
        attachments=Attachments(
            policy_type=PolicyType.SERVICE_CONTROL_POLICY,
            is_pending=False,
            policy_names=dict.fromkeys(with_full_access, "name"),
            policy_ids={id_: ["p-FullAWSAccess", *attached.get(id_, ())] for id_ in LEVEL_IDS},
            target_names={},
        ),
        policies={
            id_: parse_policy(json.dumps(content), policy_id=id_, name="name")
            for id_, content in with_full_access.items()
        },
        contents={},
    )
    return PolicyCheck(
        OrganizationPolicies(service_control=of_type, resource_control=None),
        organization_id=ORGANIZATION_ID,
        origin=ORIGIN,
    )


def decision(
    check: PolicyCheck, task: Task, mode: Mode, *targets: Target, types: tuple[ItemType, ...] = ()
) -> Decision:
    """Return the decision on a task in the account."""
    return check_account(
        check,
        task,
        mode,
        Assignment(account_id=ACCOUNT_ID, targets=targets),
        unit_ids=UNIT_IDS,
        credentials=CredentialSelection(types=types),
    ).decision


def check_of_denial(*actions: str, **elements: object) -> PolicyCheck:
    """Return the check of one policy on the account that denies actions."""
    denied = statement("Deny", Action=list(actions), **elements)
    return check_of({"p-1": document(denied)}, {ACCOUNT_ID: ["p-1"]})


def test_every_call_that_a_task_cannot_do_without_is_one_that_it_makes() -> None:
    """The pre-flight evaluates no other call, and each of these is evaluated."""
    for task, definition in DEFINITIONS.items():
        of_sessions = {task, definition.planned_by or task}
        makes = {action for each in of_sessions for action, _ in TASK_CALLS[TaskPolicy(each)]}
        types = definition.found_types or (definition.policy_type,)
        for mode in (Mode.EXECUTE, Mode.PLAN) if definition.makes_changes else (Mode.AUDIT,):
            for type_ in types:
                assert type_ is not None
                calls = definition.necessary_calls(mode, Target(type=type_))
                assert calls
                assert makes.issuperset(calls)


@pytest.mark.parametrize(
    ("denied", "task", "mode", "expected"),
    [
        ("iam:GetAccountSummary", Task.AUDIT, Mode.AUDIT, Decision.DENIED),
        ("iam:GetUser", Task.AUDIT, Mode.AUDIT, Decision.ALLOWED),
        ("iam:GetAccountSummary", Task.DELETE_CREDENTIALS, Mode.PLAN, Decision.DENIED),
        ("iam:DeleteAccessKey", Task.DELETE_CREDENTIALS, Mode.PLAN, Decision.ALLOWED),
        ("iam:D*", Task.DELETE_CREDENTIALS, Mode.PLAN, Decision.DENIED),
        ("iam:CreateLoginProfile", Task.ALLOW_PASSWORD_RECOVERY, Mode.PLAN, Decision.DENIED),
        ("iam:GetLoginProfile", Task.ALLOW_PASSWORD_RECOVERY, Mode.PLAN, Decision.DENIED),
        ("iam:CreateUser", Task.ALLOW_PASSWORD_RECOVERY, Mode.PLAN, Decision.ALLOWED),
    ],
)
def test_a_task_is_denied_where_nothing_of_it_is_possible(
    denied: str, task: Task, mode: Mode, expected: Decision
) -> None:
    assert decision(check_of_denial(denied), task, mode) is expected


def test_a_plan_for_one_type_of_credentials_is_denied_by_what_denies_their_deletion() -> None:
    check = check_of_denial("iam:DeleteLoginProfile")
    task = Task.DELETE_CREDENTIALS
    assert decision(check, task, Mode.PLAN, types=(ItemType.PASSWORD,)) is Decision.DENIED
    assert decision(check, task, Mode.PLAN, types=(ItemType.ACCESS_KEY,)) is Decision.ALLOWED
    password, key = Target(type=ItemType.PASSWORD), Target(type=ItemType.ACCESS_KEY, id="AKIA")
    assert decision(check, task, Mode.EXECUTE, password) is Decision.DENIED
    assert decision(check, task, Mode.EXECUTE, password, key) is Decision.ALLOWED


def test_a_queue_that_nobody_can_read_needs_no_reading_where_the_backup_is_skipped() -> None:
    check = check_of_denial("sqs:GetQueueAttributes")
    arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT_ID}:locked"
    for skip_backup, expected in ((False, Decision.DENIED), (True, Decision.ALLOWED)):
        target = Target(type=ItemType.QUEUE_POLICY, id=arn, region="eu-west-1", skip_backup=skip_backup)
        assert decision(check, Task.UNLOCK_QUEUE_POLICY, Mode.PLAN, target) is expected


@pytest.mark.parametrize(("name", "expected"), [("locked", Decision.DENIED), ("other", Decision.ALLOWED)])
def test_the_queue_that_is_named_decides(name: str, expected: Decision) -> None:
    locked = f"arn:aws:sqs:eu-west-1:{ACCOUNT_ID}:locked"
    check = check_of_denial("sqs:*", Resource=locked)
    target = Target(
        type=ItemType.QUEUE_POLICY, id=locked.replace("locked", name), region="eu-west-1", skip_backup=True
    )
    assert decision(check, Task.UNLOCK_QUEUE_POLICY, Mode.EXECUTE, target) is expected


def test_an_account_whose_path_is_not_known_is_unknown() -> None:
    check = check_of_denial("*")
    verdict = check.verdict("iam:GetAccountSummary", account_id=ACCOUNT_ID, unit_ids=None)
    assert verdict.decision is Decision.UNKNOWN


@given(documents())
def test_leaving_out_what_is_about_other_actions_changes_no_verdict(content: dict[str, Any]) -> None:
    check = check_of({"p-1": content}, {LEVEL_IDS[1]: ["p-1"]})
    parsed = parse_policy(json.dumps(content), policy_id="p-1", name="name")
    whole = levels((FULL_ACCESS,), (FULL_ACCESS, parsed), (FULL_ACCESS,), (FULL_ACCESS,))
    session = SessionFacts(
        account_id=ACCOUNT_ID,
        organization_id=ORGANIZATION_ID,
        organization_path=ORGANIZATION_PATH,
        region=ORIGIN.region,
        outside_vpc=True,
    )
    calls = {call.action: call for task in TaskPolicy for call in task_calls(task, session=session)}
    for action in EVERY_CALL:
        found = check.verdict(action, account_id=ACCOUNT_ID, unit_ids=UNIT_IDS)
        expected = evaluate_call(calls[action], session=session, service_control=whole, resource_control=None)
        assert found.decision is expected.decision
        assert [cause.place for cause in found.causes] == [cause.place for cause in expected.causes]
