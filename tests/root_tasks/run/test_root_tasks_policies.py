"""Policies in a run: AWS is asked first, and policies are read for denied and for planned accounts alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from root_tasks.messages import UNEXPECTED_ERROR
from root_tasks.model.report_schema import Task
from root_tasks.model.run import Mode, Target
from root_tasks.policies.sentences import denial_hint, denial_reason
from root_tasks.tasks import DEFINITIONS
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, add_accounts, add_unit, enable_root_access
from support.root_tasks import BUCKET, RootTasks, lock_out
from support.scp import (
    GET_USER,
    OPEN_SESSION,
    attach_policy,
    document,
    evaluate_call,
    levels,
    policy,
    statement,
    verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.emulation import LocalOrganization

READS = ("ListPolicies", "ListTargetsForPolicy", "ListPoliciesForTarget", "DescribePolicy")
DELETE = {"task": Task.DELETE_CREDENTIALS, "accounts": "all"}


@pytest.fixture
def unit_id(organization: LocalOrganization) -> str:
    """A unit with two of the three members."""
    return add_unit(organization, "Workloads", MEMBER, OTHER)


def deny(
    organization: LocalOrganization, target_id: str, action: str | list[str] = "*", **elements: Any
) -> str:
    """Attach a policy that denies an action; return its ID."""
    return attach_policy(organization, target_id, statement(Sid="DenyIt", Action=action, **elements))


def deny_root(organization: LocalOrganization, target_id: str) -> str:
    """Attach a policy that denies root users everything, root sessions included; return its ID."""
    denies = statement(Sid="DenyIt", Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}})
    return attach_policy(organization, target_id, denies, name="deny-root")


def sessions(organization: LocalOrganization) -> list[str]:
    """Return the accounts for which a root session was asked, in order."""
    asked = [call.parameters for call in organization.calls if call.operation == "AssumeRoot"]
    return [str(parameters["TargetPrincipal"]) for parameters in asked]


def reads(organization: LocalOrganization) -> Counter[str]:
    """Return how often each call was made that reads policies."""
    return Counter(call.operation for call in organization.calls if call.operation in READS)


# Audits


@pytest.mark.parametrize("policies", [1, 53, 300])
def test_an_audit_in_which_nothing_is_denied_reads_no_policy(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str, policies: int
) -> None:
    client = organization.client("organizations")
    deny(organization, unit_id, "ec2:*")
    for number in range(policies - 1):
        client.create_policy(
            Content=json.dumps(document(statement(Action="ec2:*"))),
            Description="",
            Name=f"policy-{number}",
            Type="SERVICE_CONTROL_POLICY",
        )
    organization.clear_calls()
    everyone, named = root_tasks.run(), root_tasks.run({"accounts": [MEMBER]})
    assert everyone.output["totals"] == {"clean": 3, "skipped": 1}
    assert named.output["totals"] == {"clean": 1}
    assert not reads(organization)


def test_a_denied_account_has_the_answer_of_aws_and_the_statement_that_denies(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    policy_id = deny_root(organization, unit_id)
    deny(organization, organization.root_id, "ec2:*")
    organization.clear_calls()
    execution = root_tasks.run()
    results = root_tasks.results(execution)
    denied = dict.fromkeys((MEMBER, OTHER), "inaccessible")
    assert root_tasks.outcomes(execution) == {MANAGEMENT: "skipped", **denied, THIRD: "clean"}
    assert sorted(sessions(organization)) == [MEMBER, OTHER, THIRD]
    for account_id in (MEMBER, OTHER):
        answer, _, explanation = results[account_id]["reason"].partition(f"/{policy_id}. ")
        assert answer.startswith("iam:GetAccountSummary: AccessDenied: User: ")
        assert explanation == (
            f"The service control policy deny-root ({policy_id}), statement DenyIt, attached to Workloads "
            f"({unit_id}), denies iam:GetAccountSummary."
        )
        assert '"Null": {"aws:AssumedRoot": "true"}' in results[account_id]["hint"]
    # The policy that AWS names, once for all its accounts.
    assert reads(organization) == {"DescribePolicy": 1, "ListTargetsForPolicy": 1}
    assert root_tasks.report(execution)["warnings"] == []


@pytest.mark.parametrize(
    ("input_", "outcome"),
    [
        ({}, "has credentials"),
        ({"task": Task.DELETE_CREDENTIALS}, "planned"),
        ({"task": Task.DELETE_CREDENTIALS, "includeInUse": True}, "planned"),
    ],
    ids=["an audit", "a plan", "a plan of all"],
)
def test_a_part_that_is_denied_has_the_statement_that_denies_as_well(
    root_tasks: RootTasks, organization: LocalOrganization, input_: dict[str, Any], outcome: str
) -> None:
    organization.put_root_credentials(account_id=MEMBER, password=True, certificates=1)
    policy_id = deny(organization, MEMBER, "iam:GetUser")
    execution = root_tasks.run({**input_, "accounts": [MEMBER]})
    result = root_tasks.results(execution)[MEMBER]
    assert result["outcome"] == outcome
    assert f"({policy_id}), statement DenyIt, attached to {MEMBER}, denies iam:GetUser." in result["reason"]
    assert "preflight" in result["hint"]


def test_the_statement_is_named_that_denies_what_a_plan_names(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    named = lock_out(root_tasks)[Task.UNLOCK_QUEUE_POLICY]
    (queue,) = named["queues"]
    denials = [
        statement(Sid=sid, Action="sqs:*", Resource=arn)
        for sid, arn in (("DenyIt", queue), ("DenyAnother", f"{queue}-2"))
    ]
    policy_id = attach_policy(organization, MEMBER, *denials)
    planned = root_tasks.run({"task": Task.UNLOCK_QUEUE_POLICY, **named})
    assert f"({policy_id}), statement DenyIt, attached to" in root_tasks.results(planned)[MEMBER]["reason"]


def test_a_delegated_administrator_reads_the_policies_as_well(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[THIRD])
    deny_root(organization, OTHER)
    root_tasks = RootTasks(organization=organization, account_id=THIRD)
    execution = root_tasks.run({"accounts": [MEMBER, OTHER]})
    assert root_tasks.outcomes(execution) == {MEMBER: "clean", OTHER: "inaccessible"}
    assert "statement DenyIt" in root_tasks.results(execution)[OTHER]["reason"]


def test_an_explanation_that_fails_costs_no_result(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    policy_id = deny_root(organization, MEMBER)
    root_tasks.omit_from_response("organizations:DescribePolicy", "Policy")
    execution = root_tasks.run()
    assert execution.totals == {"clean": 2, "inaccessible": 1, "skipped": 1}
    assert policy_id in root_tasks.results(execution)[MEMBER]["reason"], "AWS's answer stays"
    assert '"Null": {"aws:AssumedRoot": "true"}' in root_tasks.results(execution)[MEMBER]["hint"]


def test_an_explanation_leaves_time_to_store_the_report(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    def spend_time() -> None:
        root_tasks.timeout = 130.0

    deny_root(organization, unit_id)
    root_tasks.between = spend_time
    root_tasks.fail("organizations:DescribePolicy", "TooManyRequestsException")
    totals = {"clean": 1, "inaccessible": 2, "skipped": 1}
    assert root_tasks.run().output["totals"] == totals


# Plans


def plan(root_tasks: RootTasks) -> dict[str, Any]:
    """Plan to delete every credential, and return what the report says of the policies."""
    found = root_tasks.report(root_tasks.run(DELETE))["preflight"]
    assert isinstance(found, dict)
    return found


def test_a_plan_reads_the_policies_of_planned_accounts_alone(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    for target_id in (unit_id, organization.root_id, THIRD):
        deny(organization, target_id, "ec2:*")
    organization.clear_calls()
    assert root_tasks.run(DELETE).totals == {"nothing to do": 3, "skipped": 1}
    assert not reads(organization)
    organization.put_root_credentials(account_id=THIRD, access_keys=1)
    organization.clear_calls()
    assert plan(root_tasks) == {"checked": True, "reason": None, "denied": 0, "unknown": 0}
    made = reads(organization)
    # The root and the account.
    assert (made["ListPoliciesForTarget"], made["DescribePolicy"]) == (2, 2)


def test_a_plan_leaves_out_what_its_execution_would_be_denied(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    for account_id in (MEMBER, OTHER):
        organization.put_root_credentials(account_id=account_id, access_keys=1)
    policy_id = deny(organization, MEMBER, "iam:DeleteAccessKey")
    planned = root_tasks.run(DELETE)
    assert root_tasks.outcomes(planned) == {
        MANAGEMENT: "skipped",
        MEMBER: "inaccessible",
        OTHER: "planned",
        THIRD: "nothing to do",
    }
    result = root_tasks.results(planned)[MEMBER]
    assert result["reason"] == (
        f"The service control policy deny-at-{MEMBER} ({policy_id}), statement DenyIt, attached to {MEMBER}, "
        "denies iam:DeleteAccessKey."
    )
    assert '"Null": {"aws:AssumedRoot": "true"}' in result["hint"]
    assert root_tasks.report(planned)["preflight"]["denied"] == 1
    assert root_tasks.outcomes(root_tasks.execute(planned)) == {OTHER: "done"}


def test_a_plan_is_denied_by_what_denies_all_that_it_lists(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=OTHER, mfa_devices=1)
    # Whether a key is left has to be read before MFA is deactivated.
    deny(organization, OTHER, "iam:ListAccessKeys")
    of_other = root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": [OTHER]})
    assert root_tasks.outcomes(of_other) == {OTHER: "inaccessible"}
    organization.put_root_credentials(account_id=MEMBER, password=True, access_keys=1)
    deny(organization, MEMBER, ["iam:DeleteLoginProfile", "iam:GetUser"])
    of_member = {"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER]}
    assert root_tasks.outcomes(root_tasks.run(of_member)) == {MEMBER: "planned"}
    of_passwords = root_tasks.run({**of_member, "credentialTypes": ["password"]})
    assert root_tasks.outcomes(of_passwords) == {MEMBER: "inaccessible"}


@pytest.mark.usefixtures("each_sdk")
@pytest.mark.parametrize("place", ["Root", "Workloads"])
def test_a_denial_has_the_name_of_its_place(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str, place: str
) -> None:
    target_id = {"Root": organization.root_id, "Workloads": unit_id}[place]
    organization.put_root_credentials(account_id=MEMBER, password=True)
    deny(organization, target_id, "iam:DeleteLoginProfile")
    for accounts in ("all", [MEMBER]):
        results = root_tasks.results(root_tasks.run({**DELETE, "accounts": accounts}))
        assert f"attached to {place} ({target_id}), denies" in results[MEMBER]["reason"]


def test_a_condition_that_cannot_be_decided_keeps_nothing_out_of_a_plan(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=OTHER, access_keys=1)
    deny(organization, OTHER, "iam:D*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})
    assert plan(root_tasks) == {"checked": True, "reason": None, "denied": 0, "unknown": 1}
    assert root_tasks.outcomes(root_tasks.run(DELETE))[OTHER] == "planned"


def test_a_type_that_is_being_enabled_is_unknown(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    deny(organization, MEMBER, "iam:D*")

    def pend(parsed: dict[str, Any], **_: object) -> None:
        for policy_type in parsed["Roots"][0]["PolicyTypes"]:
            policy_type["Status"] = "PENDING_ENABLE"

    root_tasks.on_event("after-call.organizations.ListRoots", pend)
    assert (plan(root_tasks)["denied"], plan(root_tasks)["unknown"]) == (0, 1)


def test_a_target_with_another_policy_of_which_nothing_is_listed_is_unknown(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    deny(organization, MEMBER, "ec2:*")
    root_tasks.on_event(
        "after-call.organizations.ListPoliciesForTarget", lambda parsed, **_: parsed.update(Policies=[])
    )
    assert (plan(root_tasks)["denied"], plan(root_tasks)["unknown"]) == (0, 1)


def _surprise(root_tasks: RootTasks) -> None:
    def raise_error(**_: object) -> None:
        raise KeyError

    root_tasks.on_event("before-call.organizations.DescribePolicy", raise_error)


def _delay(root_tasks: RootTasks) -> None:
    def wait(**_: object) -> None:
        root_tasks.time.seconds += 500

    # No other call is on its way then, which would be too late.
    root_tasks.on_event("before-call.organizations.DescribePolicy", wait)


UNCHECKED: dict[str, tuple[Callable[[RootTasks], None], str]] = {
    "denied": (
        lambda tasks: tasks.fail("organizations:ListPoliciesForTarget", "AccessDeniedException"),
        "organizations:ListPoliciesForTarget: AccessDeniedException: This is a test.",
    ),
    "no root": (
        lambda tasks: tasks.on_event(
            "after-call.organizations.ListRoots", lambda parsed, **_: parsed.update(Roots=[])
        ),
        "organizations:ListRoots: IncompleteResponse: the response has no root.",
    ),
    "surprise": (_surprise, f"{UNEXPECTED_ERROR} KeyError."),
    "time": (_delay, "The time was up when 0 of 1 accounts were checked."),
}


@pytest.mark.parametrize(("fail", "reason"), UNCHECKED.values(), ids=UNCHECKED)
def test_a_plan_whose_policies_cannot_be_read_says_so(
    root_tasks: RootTasks, organization: LocalOrganization, fail: Callable[[RootTasks], None], reason: str
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    deny(organization, MEMBER, "iam:DeleteAccessKey")
    fail(root_tasks)
    planned = root_tasks.run({**DELETE, "accounts": [MEMBER]})
    assert root_tasks.outcomes(planned) == {MEMBER: "planned"}
    preflight = root_tasks.report(planned)["preflight"]
    assert (preflight["checked"], preflight["denied"]) == (False, 0)
    assert preflight["reason"].startswith(reason)
    assert "Pre-flight" in root_tasks.read(f"runs/{planned.run_id}/report.html").decode()


# Executions


@pytest.mark.usefixtures("each_sdk")
def test_an_execution_fails_for_an_account_that_a_policy_denies_by_now(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    # More than are looked for one by one.
    others = add_accounts(organization, 21)
    for account_id in (MEMBER, *others):
        organization.put_root_credentials(account_id=account_id, access_keys=1)
    planned = root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER, *others]})
    policy_id = deny_root(organization, MEMBER)
    organization.clear_calls()
    executed = root_tasks.execute(planned)
    assert executed.status == "FAILED"
    assert root_tasks.outcomes(executed) == {MEMBER: "failed", **dict.fromkeys(others, "done")}
    assert sorted(sessions(organization)) == sorted(others)
    assert root_tasks.results(executed)[MEMBER]["reason"].startswith(
        f"No root session was opened. The service control policy deny-root ({policy_id}), statement DenyIt, "
    )
    assert root_tasks.items(executed, MEMBER) == [(f"access key AKIA{MEMBER}0001", "failed")]
    assert organization.root_credentials(MEMBER).access_keys


def test_resource_control_policies_count_for_queues(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    task = Task.UNLOCK_QUEUE_POLICY
    named = lock_out(root_tasks)[task]
    denies = document(statement(Action="sqs:SetQueueAttributes", Principal="*"))
    organization.attach_policy(
        name="rcp", document=denies, target_id=organization.root_id, policy_type="RESOURCE_CONTROL_POLICY"
    )
    planned = root_tasks.run({"task": task, **named})
    assert root_tasks.outcomes(planned) == {MEMBER: "inaccessible"}
    assert "The resource control policy rcp" in root_tasks.results(planned)[MEMBER]["reason"]


def test_the_hint_has_all_that_a_denial_needs() -> None:
    on_purpose = statement(Condition={"Bool": {"aws:AssumedRoot": "true"}})
    assert denial_hint(verdict(policy(on_purpose)).causes, action=GET_USER.action) == (
        "The statement denies root sessions on purpose. Detach its policy from this account, or exempt it."
    )
    denied = evaluate_call(GET_USER, levels([policy(statement(), on_purpose)]))
    assert "No service control policy attached to" in denial_reason(denied.causes, action=denied.call.action)
    for text in (
        '"Null": {"aws:AssumedRoot": "true"}',
        "Allow it there, at least in root sessions.",
        "Another statement denies root sessions on purpose.",
    ):
        assert text in denial_hint(denied.causes, action=GET_USER.action)
    roles_denied = verdict(policy(statement()), call=OPEN_SESSION)
    assert "here with the default role_path" in denial_hint(roles_denied.causes, action=OPEN_SESSION.action)
    not_allowed = evaluate_call(OPEN_SESSION, levels([]))
    assert denial_hint(not_allowed.causes, action=OPEN_SESSION.action).startswith(
        "Allow it there, at least to the roles that open root sessions. The command"
    )


def test_statements_beyond_the_third_are_not_counted_as_policies() -> None:
    for count, says in ((4, "denies iam:GetUser. There is 1 more reason."), (5, "There are 2 more reasons.")):
        denied = verdict(policy(*count * [statement()]))
        assert denial_reason(denied.causes, action=GET_USER.action).endswith(says)


# What a policy names differently from the API.
_ACTIONS = {"s3:ListBuckets": "s3:ListAllMyBuckets"}


def _record_session_calls(root_tasks: RootTasks) -> set[str]:
    """Return the set to which the calls of root sessions are added."""
    made: set[str] = set()

    def record(params: dict[str, Any], model: Any, **_: object) -> None:
        # Backups are stored by the function itself.
        if root_tasks.sessions.acting is not None and params.get("Bucket") != BUCKET:
            action = f"{model.service_model.signing_name}:{model.name}"
            made.add(_ACTIONS.get(action, action))

    for service in ("iam", "s3", "sqs"):
        root_tasks.on_event(f"provide-client-params.{service}", record)
    return made


def _calls_of_each_mode(root_tasks: RootTasks, task: Task) -> dict[Mode, set[str]]:
    """Run a task in all modes, in an account that has everything, and return what its root sessions call."""
    has_password = task is not Task.ALLOW_PASSWORD_RECOVERY
    root_tasks.organization.put_root_credentials(
        account_id=MEMBER, password=has_password, access_keys=1, mfa_devices=1, certificates=1
    )
    inputs = [lock_out(root_tasks).get(task, {"accounts": [MEMBER]})]
    calls = _record_session_calls(root_tasks)
    if task is Task.AUDIT:
        root_tasks.run(*inputs)
        return {Mode.AUDIT: calls}
    made: dict[Mode, set[str]] = {Mode.PLAN: set(), Mode.EXECUTE: set()}
    for input_ in inputs:
        plan = root_tasks.run({"task": task, **input_})
        made[Mode.PLAN] |= calls
        calls.clear()
        executed = root_tasks.execute(plan)
        made[Mode.EXECUTE] |= calls
        calls.clear()
        assert root_tasks.outcomes(executed) == {MEMBER: "done"}
        backups = [item["backup"] for item in root_tasks.results(executed)[MEMBER]["items"]]
        if any(backups) and "restore" not in input_:
            inputs.append({"restore": backups})
    return made


@pytest.mark.parametrize("task", Task)
def test_the_calls_that_policies_are_asked_about_are_those_that_root_sessions_make(
    root_tasks: RootTasks, task: Task
) -> None:
    made = _calls_of_each_mode(root_tasks, task)
    assert all(made.values())
    assert set().union(*made.values()) == set(DEFINITIONS[task].calls)
    assert made.get(Mode.EXECUTE, set()).issuperset(_necessary_calls(task))
    assert DEFINITIONS[task].makes_changes == bool(_necessary_calls(task))


def _necessary_calls(task: Task) -> set[str]:
    definition = DEFINITIONS[task]
    types = definition.item_types or filter(None, [definition.policy_type])
    return {action for type_ in types for action in definition.necessary_calls(Target(type=type_))}
