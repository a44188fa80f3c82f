"""What policies let a task do in an account, from what was read of them: pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from root_tasks.aws.policies import Attachments, OrganizationPolicies, PoliciesOfType
from root_tasks.model.report import ItemType, Task
from root_tasks.model.run import Assignment, CredentialSelection, Mode, Target
from root_tasks.run.preflight import Origin, PolicyCheck, check_account
from root_tasks.tasks import DEFINITIONS
from scp.calls import TASK_CALLS, SessionFacts, TaskPolicy, call_of
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
    samples,
    statement,
)
from support.scp_grammar import documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from scp.evaluate import Verdict

ORIGIN = Origin(partition="aws", region="eu-west-1", outside_vpc=True)
UNIT_IDS = LEVEL_IDS[:-1]
EVERY_CALL = sorted({action for calls in TASK_CALLS.values() for action, _ in calls})


def check_of(
    documents: Mapping[str, Mapping[str, Any]],
    attached: Mapping[str, Sequence[str]],
    *,
    account_ids: Sequence[str] = (ACCOUNT_ID,),
) -> PolicyCheck:
    """Return the check of policies that are attached to these targets, next to FullAWSAccess."""
    with_full_access = {"p-FullAWSAccess": FULL_ACCESS_DOCUMENT, **documents}
    of_type = PoliciesOfType(
        attachments=Attachments(
            policy_type=PolicyType.SERVICE_CONTROL_POLICY,
            is_pending=False,
            policy_names=dict.fromkeys(with_full_access, "name"),
            policy_ids={
                id_: ["p-FullAWSAccess", *attached.get(id_, ())] for id_ in (*UNIT_IDS, *account_ids)
            },
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


BUCKET = Target(type=ItemType.BUCKET_POLICY, id="payroll", region="eu-west-1")
QUEUE = Target(type=ItemType.QUEUE_POLICY, id=f"arn:aws:sqs:eu-west-1:{ACCOUNT_ID}:jobs", region="eu-west-1")
TARGETS: dict[str, tuple[Target | None, ...]] = {"iam": (None,), "s3": (None, BUCKET), "sqs": (None, QUEUE)}


def found_and_expected(
    contents: Sequence[Mapping[str, Any]], account_ids: Sequence[str]
) -> Iterator[tuple[Verdict, Verdict]]:
    """Yield each verdict of a check that has other accounts to check, too, and that on the whole policies.

    Args:
        contents: Policies, attached to a unit.
        account_ids: The accounts, in the order in which they are checked.
    """
    documents_by_id = {f"p-{number}": content for number, content in enumerate(contents)}
    check = check_of(documents_by_id, {LEVEL_IDS[1]: [*documents_by_id]}, account_ids=account_ids)
    parsed = [
        parse_policy(json.dumps(content), policy_id=id_, name="name")
        for id_, content in documents_by_id.items()
    ]
    whole = levels((FULL_ACCESS,), (FULL_ACCESS, *parsed), (FULL_ACCESS,), (FULL_ACCESS,))
    for account_id in account_ids:
        session = SessionFacts(
            account_id=account_id,
            organization_id=ORGANIZATION_ID,
            organization_path=ORGANIZATION_PATH,
            region=ORIGIN.region,
            outside_vpc=True,
        )
        for action, target in ((it, target) for it in EVERY_CALL for target in TARGETS[it.partition(":")[0]]):
            name = None if target is None or target.id is None else target.id.rpartition(":")[2]
            region = None if target is None else target.region
            call = call_of(action, session=session, target=name, target_region=region)
            yield (
                check.verdict(action, account_id=account_id, unit_ids=UNIT_IDS, target=target),
                evaluate_call(call, session=session, service_control=whole, resource_control=None),
            )


def what_is_shown(verdict: Verdict) -> object:
    """Return what is shown of a verdict: all of it but the statements' texts."""
    return verdict.call, verdict.decision, [(each.place, each.undecided) for each in verdict.causes]


@settings(deadline=None)
@given(
    contents=st.lists(documents(), min_size=1, max_size=3),
    account_ids=st.permutations([ACCOUNT_ID, "900000000000"]),
)
def test_what_is_left_out_of_policies_once_for_all_accounts_changes_no_verdict(
    contents: list[dict[str, Any]], account_ids: list[str]
) -> None:
    for found, expected in found_and_expected(contents, account_ids):
        assert what_is_shown(found) == what_is_shown(expected)


def test_what_is_left_out_of_known_policies_changes_no_verdict() -> None:
    contents = list({sample.policy_name: sample.document for sample in samples()}.values())
    for content in contents:
        for found, expected in found_and_expected([content], ["900000000000", ACCOUNT_ID]):
            assert what_is_shown(found) == what_is_shown(expected)
