"""What policies let a task do in an account, from what was read of them: pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from centralized_root_access.preflight.attachments import OrganizationPolicies
from centralized_root_access.preflight.evaluate import Decision, PolicyCheck, Reason
from centralized_root_access.preflight.fixes import Keep, StatementFix, find_fixes
from centralized_root_access.preflight.session_calls import SessionOpener
from centralized_root_access.preflight.task_calls import TASK_CALLS
from centralized_root_access.preflight.verdicts import (
    AccountVerdict,
    TaskResult,
    judge_account,
    judge_task,
)
from root_tasks.model.report_schema import Task
from root_tasks.model.run_documents import Account
from support.scp import (
    ACCOUNT,
    ACCOUNT_ID,
    DELEGATE_ID,
    DELEGATE_OPENER,
    IS_A_ROOT_USER,
    LEVEL_IDS,
    SESSION_BY_MANAGEMENT,
    SamplePolicy,
    organization_policies,
    policy_check_of,
    policy_document,
    sample_policies,
    statement,
)

EVERY_CALL = sorted({action for calls in TASK_CALLS.values() for action in calls.all})


def account_verdict(
    policies: OrganizationPolicies, *tasks: Task, opener: SessionOpener | None = None
) -> AccountVerdict:
    """Return the verdict on ACCOUNT, for some tasks or for every one."""
    check = PolicyCheck(
        policies,
        session=replace(SESSION_BY_MANAGEMENT, opener=opener or SESSION_BY_MANAGEMENT.opener),
    )
    return judge_account(check, ACCOUNT, tasks=tasks or tuple(Task))


def policies_at(target_id: str, *statements: Mapping[str, object]) -> OrganizationPolicies:
    """Return the policies of the organization whose one policy is attached to a target."""
    return organization_policies({"p-1": policy_document(*statements)}, {target_id: ["p-1"]})


def check_that_denies(action: str) -> PolicyCheck:
    """Return the check of the organization whose one policy denies an action in ACCOUNT."""
    return policy_check_of(policies_at(ACCOUNT_ID, statement(Action=action)))


SAMPLES = sample_policies()

# A role with a path of its own.
OPENER_WITH_OWN_PATH = replace(
    DELEGATE_OPENER, principal_arns=(f"arn:aws:iam::{DELEGATE_ID}:role/security/Audit",)
)
DELETE, RECOVER = Task.DELETE, Task.RECOVER


@pytest.mark.parametrize(
    ("denied", "task", "expected"),
    [
        ("iam:GetAccountSummary", Task.AUDIT, TaskResult.DENIED),
        ("iam:GetUser", Task.AUDIT, TaskResult.PARTLY),
        ("iam:DeleteAccessKey", DELETE, TaskResult.PARTLY),
        ("iam:D*", DELETE, TaskResult.DENIED),
        ("iam:CreateLoginProfile", RECOVER, TaskResult.DENIED),
        ("iam:GetLoginProfile", RECOVER, TaskResult.DENIED),
        ("s3:PutBucketPolicy", Task.UNLOCK_BUCKET, TaskResult.PARTLY),
    ],
)
def test_a_task_is_denied_if_nothing_of_it_is_possible(
    denied: str, task: Task, expected: TaskResult
) -> None:
    assert judge_task(check_that_denies(denied), task, ACCOUNT).result is expected


@pytest.mark.parametrize(
    ("denied_session", "delete"),
    [(Task.AUDIT, TaskResult.DENIED), (DELETE, TaskResult.DENIED), (RECOVER, TaskResult.ALLOWED)],
)
def test_a_task_is_denied_if_its_plan_or_its_execution_gets_no_session(
    denied_session: Task, delete: TaskResult
) -> None:
    # Plans of deletions open sessions to audit, and their executions to delete.
    is_for_the_task = {
        "StringLike": {
            "sts:TaskPolicyArn": f"arn:aws:iam::aws:policy/root-task/{denied_session.policy}"
        }
    }
    policies = policies_at(DELEGATE_ID, statement(Action="sts:*", Condition=is_for_the_task))
    judged = account_verdict(policies, DELETE, opener=DELEGATE_OPENER)
    assert judged.result is delete
    assert judged.session is (Decision.ALLOWED if delete is TaskResult.ALLOWED else Decision.DENIED)
    assert {cause.calls for cause in judged.causes} <= {("sts:AssumeRoot",)}


@pytest.mark.parametrize(
    ("check", "account"),
    [
        (check_that_denies("*"), replace(ACCOUNT, unit_path=None)),
        (
            policy_check_of(
                organization_policies({}, {ACCOUNT_ID: []}, without_full_access={ACCOUNT_ID})
            ),
            ACCOUNT,
        ),
    ],
    ids=["the path is not known", "no policy is listed"],
)
def test_what_was_not_read_is_unknown(check: PolicyCheck, account: Account) -> None:
    verdict = check.verdict("iam:GetAccountSummary", account)
    assert verdict.decision is Decision.UNKNOWN


def test_a_task_names_what_decides_it_alone_and_the_denials_come_first() -> None:
    may_deny = statement(
        Sid="MayDeny", Action="iam:List*", Condition={"StringEquals": {"aws:SomethingNew": "yes"}}
    )
    denies = statement(Sid="Denies", Action="iam:DeleteAccessKey")
    policies = policies_at(ACCOUNT_ID, may_deny, denies)
    list_calls = ("iam:ListAccessKeys", "iam:ListMFADevices", "iam:ListSigningCertificates")
    assert [
        (
            denial.cause.statement and denial.cause.statement.sid,
            denial.decision,
            denial.tasks,
            denial.calls,
        )
        for denial in account_verdict(policies).causes
    ] == [
        ("Denies", Decision.DENIED, (Task.DELETE,), ("iam:DeleteAccessKey",)),
        ("MayDeny", Decision.UNKNOWN, (Task.AUDIT,), list_calls),
    ]


# What would fix a denial


def verdict_after_fixes(
    document: Mapping[str, Any], *, full_access: bool, opener: SessionOpener | None = None
) -> AccountVerdict:
    """Return the verdict on ACCOUNT once every statement is replaced or added as suggested.

    Args:
        document: The policy of the root.
        full_access: Whether the root has FullAWSAccess as well.
        opener: Who opens root sessions; None for the management account.
    """
    without_full_access = () if full_access else LEVEL_IDS[:1]
    policies = organization_policies(
        {"p-1": document}, {LEVEL_IDS[0]: ["p-1"]}, without_full_access=without_full_access
    )
    documents: dict[str, Any] = {"p-1": json.loads(json.dumps(document))}
    attached = {LEVEL_IDS[0]: ["p-1"]}
    verdict = account_verdict(policies, opener=opener)
    for number, fix in enumerate(find_fixes([verdict], opener or DELEGATE_OPENER)):
        cause = fix.cause
        if fix.suggested is None:
            continue
        if cause.policy is None or cause.statement is None:
            # An Allow is missing at this level.
            documents[f"p-allow-{number}"] = policy_document(fix.suggested)
            attached.setdefault(cause.level.target_id, []).append(f"p-allow-{number}")
        else:
            documents["p-1"]["Statement"][cause.statement.number - 1] = fix.suggested
    after = organization_policies(documents, attached, without_full_access=without_full_access)
    return account_verdict(after, opener=opener)


def fixes_of(
    denial: Mapping[str, object], *, opener: SessionOpener | None = None
) -> list[StatementFix]:
    """Return what would fix the denials of a statement.

    Args:
        denial: The statement.
        opener: Who opens root sessions, in whose account it is; None if it is in ACCOUNT.
    """
    policies = policies_at(ACCOUNT_ID if opener is None else DELEGATE_ID, denial)
    verdict = account_verdict(policies, opener=opener)
    return list(find_fixes([verdict], opener or DELEGATE_OPENER))


def test_what_may_deny_is_not_fixed() -> None:
    assert fixes_of(statement(Condition={"StringEquals": {"aws:SomethingNew": "yes"}})) == []


def test_a_level_that_denies_and_does_not_allow_is_fixed_in_both() -> None:
    root_id = LEVEL_IDS[0]
    both = policy_document(
        statement("Allow", Action="s3:*"),
        statement(Condition=IS_A_ROOT_USER),
    )
    policies = organization_policies(
        {"p-1": both}, {root_id: ["p-1"]}, without_full_access={root_id}
    )
    assert {denial.cause.reason for denial in account_verdict(policies).causes} == {
        Reason.EXPLICIT_DENY,
        Reason.NO_ALLOW,
    }
    # One verdict for each task: another account may lack an Allow for other calls.
    by_task = [account_verdict(policies, task) for task in Task]
    replaced, added = sorted(
        find_fixes(by_task, DELEGATE_OPENER), key=lambda fix: fix.statement is None
    )
    assert replaced.statement == both["Statement"][1]
    assert added.suggested is not None
    assert added.suggested["Condition"] == {"Null": {"aws:AssumedRoot": "false"}}
    assert added.suggested["Action"] == [call for call in EVERY_CALL if not call.startswith("s3:")]
    assert verdict_after_fixes(both, full_access=False).result is TaskResult.ALLOWED


@pytest.mark.parametrize(
    "opener", [None, DELEGATE_OPENER, OPENER_WITH_OWN_PATH], ids=["management", "delegate", "own"]
)
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_after_every_fix_nothing_is_denied_but_on_purpose(
    sample: SamplePolicy, opener: SessionOpener | None
) -> None:
    after = verdict_after_fixes(sample.document, full_access=sample.full_access, opener=opener)
    # A fix is only suggested for what is certainly denied.
    denials = [cause for cause in after.causes if cause.decision is not Decision.UNKNOWN]
    for denial in denials:
        # What is left denies on purpose: it names root sessions, or who may open which.
        purposes = {"aws:assumedroot"}
        if denial.calls == ("sts:AssumeRoot",):
            purposes = {"aws:principalarn", "sts:taskpolicyarn"}
        assert denial.cause.statement is not None
        assert purposes & {condition.key.lower() for condition in denial.cause.statement.conditions}


@pytest.mark.parametrize(
    "condition",
    [
        {"Null": {"aws:assumedroot": "false"}},
        {"Bool": {"aws:AssumedRoot": "true"}},
        {"StringEqualsIfExists": {"AWS:AssumedRoot": ["true"]}},
        {"StringNotEquals": {"aws:AssumedRoot": "false"}, "Bool": {"aws:SecureTransport": "true"}},
    ],
    ids=["present", "true", "not another value if present", "not false, and over TLS"],
)
def test_a_statement_about_root_sessions_denies_them_on_purpose(condition: dict[str, Any]) -> None:
    assert {fix.suggested for fix in fixes_of(statement(Condition=condition))} == {None}


@pytest.mark.parametrize(
    ("opener", "exempt"),
    [
        (DELEGATE_OPENER, f"arn:aws:iam::{DELEGATE_ID}:role/centralized-root-access/*"),
        (OPENER_WITH_OWN_PATH, OPENER_WITH_OWN_PATH.principal_arns[0]),
        (
            replace(DELEGATE_OPENER, principal_arns=()),
            f"arn:*:iam::{DELEGATE_ID}:role/centralized-root-access/*",
        ),
    ],
    ids=["the roles of RootTasks", "another role", "an unknown role"],
)
def test_a_statement_that_spares_root_sessions_is_made_to_spare_the_role_that_opens_them(
    opener: SessionOpener, exempt: str
) -> None:
    spares = statement(Condition={"Null": {"aws:AssumedRoot": "true"}})
    (fix,) = fixes_of(spares, opener=opener)
    assert fix.suggested is not None
    spared = {"Null": {"aws:AssumedRoot": "true"}, "ArnNotLike": {"aws:PrincipalArn": [exempt]}}
    assert fix.suggested["Condition"] == spared


ROLE = "arn:aws:iam::*:role/centralized-root-access/*"


@pytest.mark.parametrize(
    ("action", "operator", "key", "value", "keep"),
    [
        pytest.param(
            "sts:AssumeRoot",
            "ArnNotLike",
            "aws:PrincipalArn",
            "arn:aws:iam::1:role/x",
            Keep.LISTS_ROLES,
            id="the roles that may",
        ),
        pytest.param(
            "sts:*",
            "StringNotEquals",
            "aws:principalARN",
            "arn:aws:iam::1:role/x",
            Keep.LISTS_ROLES,
            id="by another operator",
        ),
        pytest.param("sts:*", "ArnLike", "aws:PrincipalArn", ROLE, None, id="roles that may not"),
        pytest.param(
            "*",
            "StringNotEqualsIfExists",
            "sts:TaskPolicyArn",
            "arn:aws:iam::aws:policy/root-task/X",
            Keep.ON_PURPOSE,
            id="the tasks",
        ),
    ],
)
def test_who_may_open_root_sessions_and_for_which_task_is_denied_on_purpose(
    action: str, operator: str, key: str, value: str, keep: Keep | None
) -> None:
    denies = statement(Action=action, Condition={operator: {key: value}})
    (fix,) = fixes_of(denies, opener=DELEGATE_OPENER)
    assert fix.keep is keep
    assert (fix.suggested is None) is (keep is not None)


def test_a_fix_keeps_the_conditions_of_a_statement() -> None:
    # Roles that are spared in other calls than AssumeRoot are no sign of a denial on purpose.
    spares = {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT_ID}:role/admin"}}
    (fix,) = fixes_of(statement(Condition={**spares, "Null": {"aws:SourceVpc": "true"}}))
    kept = {**spares, "Null": {"aws:SourceVpc": "true", "aws:AssumedRoot": "true"}}
    assert (fix.suggested, fix.keep) == (statement(Condition=kept), None)
