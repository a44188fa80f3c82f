"""Policies in a run: none is read, and a denial has the command that explains it."""

import itertools
from typing import Any

import pytest

from centralized_root_access.preflight.task_calls import TASK_CALLS
from local_aws.emulation import LocalOrganization
from root_tasks.model.report_schema import Task
from root_tasks.model.run_documents import Mode
from root_tasks.tasks import DEFINITIONS
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import add_unit
from support.root_tasks import PLAN_DELETION, REPORT_BUCKET, RootTasks, lock_bucket_and_queue
from support.scp import attach_policy, statement

# The calls to Organizations that a run makes: none of them reads a policy.
READS_OF_ACCOUNTS = {
    "DescribeAccount",
    "DescribeOrganization",
    "DescribeOrganizationalUnit",
    "ListAccounts",
    "ListAccountsForParent",
    "ListOrganizationalUnitsForParent",
    "ListRoots",
}
PREFLIGHT_COMMAND = "`centralized-root-access preflight --account {}`"


def deny_action(organization: LocalOrganization, target_id: str, action: str | list[str]) -> str:
    """Attach a policy that denies an action; return its ID."""
    return attach_policy(organization, target_id, statement(Sid="DenyIt", Action=action))


def deny_root(organization: LocalOrganization, target_id: str) -> str:
    """Attach a policy that denies root users everything, root sessions included; return its ID."""
    denies = statement(
        Sid="DenyIt", Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}
    )
    return attach_policy(organization, target_id, denies, name="deny-root")


def organization_calls(organization: LocalOrganization) -> set[str]:
    """Return the calls that were made to Organizations."""
    return {call.operation for call in organization.calls if call.service == "organizations"}


def session_targets(organization: LocalOrganization) -> list[str]:
    """Return the accounts for which a root session was asked, in order."""
    requests = [call.parameters for call in organization.calls if call.operation == "AssumeRoot"]
    return [str(parameters["TargetPrincipal"]) for parameters in requests]


def test_an_audit_leaves_it_to_aws_which_account_is_denied(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    policy_id = deny_root(organization, add_unit(organization, "Workloads", MEMBER, OTHER_MEMBER))
    organization.clear_calls()
    execution = root_tasks.run()
    results = root_tasks.results(execution)
    # Both are in the unit whose policy denies root users.
    denied = dict.fromkeys((MEMBER, OTHER_MEMBER), "INACCESSIBLE")
    assert root_tasks.outcomes(execution) == {
        MANAGEMENT: "PROTECTED",
        **denied,
        THIRD_MEMBER: "CLEAN",
    }
    assert sorted(session_targets(organization)) == [MEMBER, OTHER_MEMBER, THIRD_MEMBER]
    for account_id in denied:
        reason, hint = results[account_id]["reason"], results[account_id]["hint"]
        assert reason.startswith("iam:GetAccountSummary: AccessDenied: User: ")
        assert reason.endswith(f"/{policy_id}.")
        assert '"Null": {"aws:AssumedRoot": "true"}' in hint
        assert PREFLIGHT_COMMAND.format(account_id) in hint
    assert organization_calls(organization) <= READS_OF_ACCOUNTS


def test_an_account_in_which_a_part_is_denied_has_the_command_as_well(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(MEMBER, password=True, certificates=1)
    deny_action(organization, MEMBER, "iam:GetUser")
    plan = root_tasks.run({**PLAN_DELETION, "includeInUse": True})
    result = root_tasks.results(plan)[MEMBER]
    assert result["outcome"] == "PLANNED"
    assert PREFLIGHT_COMMAND.format(MEMBER) in result["hint"]


def test_an_execution_says_item_by_item_what_aws_denies_and_does_the_rest(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    for account_id in (MEMBER, OTHER_MEMBER):
        organization.put_root_credentials(account_id, password=True, access_keys=1)
    organization.put_root_credentials(THIRD_MEMBER, access_keys=1)
    organization.clear_calls()
    planned = root_tasks.run(PLAN_DELETION)
    deny_root(organization, MEMBER)
    policy_id = deny_action(organization, OTHER_MEMBER, "iam:DeleteAccessKey")
    executed = root_tasks.execute(planned)
    assert executed.status == "FAILED"
    assert root_tasks.outcomes(executed) == {
        MEMBER: "FAILED",
        OTHER_MEMBER: "FAILED",
        THIRD_MEMBER: "DONE",
    }
    assert root_tasks.items(executed, MEMBER) == [
        ("PASSWORD", "FAILED"),
        (f"ACCESS_KEY AKIA{MEMBER}0001", "FAILED"),
    ]
    assert root_tasks.items(executed, OTHER_MEMBER) == [
        ("PASSWORD", "DONE"),
        (f"ACCESS_KEY AKIA{OTHER_MEMBER}0001", "FAILED"),
    ]
    results = root_tasks.results(executed)
    assert f"/{policy_id}. " in results[OTHER_MEMBER]["items"][1]["message"]
    for account_id in (MEMBER, OTHER_MEMBER):
        assert PREFLIGHT_COMMAND.format(account_id) in results[account_id]["hint"]
    assert results[THIRD_MEMBER]["hint"] is None
    assert organization_calls(organization) <= READS_OF_ACCOUNTS | {"CreatePolicy", "AttachPolicy"}


# The actions that a policy names differently from the API's operation.
_ACTIONS = {"s3:ListBuckets": "s3:ListAllMyBuckets"}


def _record_session_calls(root_tasks: RootTasks) -> set[str]:
    """Return a set to which each call of a root session is added from now on, as an action."""
    made: set[str] = set()

    def record(params: dict[str, Any], model: Any, **_: object) -> None:
        # Backups are stored by the function itself.
        if root_tasks.sessions.acting is not None and params.get("Bucket") != REPORT_BUCKET:
            action = f"{model.service_model.signing_name}:{model.name}"
            # Policies name a few actions differently from the API.
            made.add(_ACTIONS.get(action, action))

    for service in ("iam", "s3", "sqs"):
        root_tasks.on_event(f"provide-client-params.{service}", record)
    return made


def _calls_of_each_mode(root_tasks: RootTasks, task: Task) -> dict[Mode, set[str]]:
    """Run a task in all modes, and return what its root sessions call in each, as actions.

    A policy is removed and then given back, because that takes other calls.
    """
    has_password = task is not Task.RECOVER
    root_tasks.organization.put_root_credentials(
        MEMBER, password=has_password, access_keys=1, mfa_devices=1, certificates=1
    )
    inputs = [lock_bucket_and_queue(root_tasks).get(task, {"accounts": [MEMBER]})]
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
        assert root_tasks.outcomes(executed) == {MEMBER: "DONE"}
        (item,) = root_tasks.results(executed)[MEMBER]["items"][:1]
        if item["backup"] is not None:
            # The loop goes on with it: the policy is given back.
            inputs.append({**input_, "backup": item["backup"]})
    return made


@pytest.mark.parametrize("task", Task)
def test_the_calls_that_policies_are_asked_about_are_those_that_root_sessions_make(
    root_tasks: RootTasks, task: Task
) -> None:
    made = _calls_of_each_mode(root_tasks, task)
    assert all(made.values())
    judged = TASK_CALLS[task]
    assert set().union(*made.values()) == set(judged.all)
    # The account has one of everything, so its execution makes each call that changes something.
    assert made.get(Mode.EXECUTE, set()).issuperset(itertools.chain(*judged.for_each_type))
    reading_mode = Mode.AUDIT if task is Task.AUDIT else Mode.PLAN
    assert made[reading_mode].issuperset(judged.for_everything)
    assert DEFINITIONS[task].makes_changes is bool(judged.for_each_type)
    assert DEFINITIONS[task].changes_policies or {call[:4] for call in judged.all} == {"iam:"}
