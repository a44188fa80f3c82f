"""One entry of the registry is a root task: a made-up sixth one is planned and executed."""

import copy

import pytest

from local_aws.emulation import LocalOrganization
from local_aws.emulation.features import Feature as EmulatedFeature
from local_aws.emulation.task_policies import TASK_POLICIES, TaskPolicy
from root_access.state import Feature
from root_tasks.model.report_schema import ItemType, Outcome, Task
from root_tasks.model.run_documents import Finding, Target
from root_tasks.tasks import DEFINITIONS
from root_tasks.tasks.credentials import credentials_of_type
from root_tasks.tasks.outcomes import account_finding, report_item
from root_tasks.tasks.task_definition import AccountTask, TaskDefinition, TaskWords
from root_tasks.tasks.task_input import ACCOUNTS, parse_named_accounts
from support.accounts import MEMBER, OTHER_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, enable_root_access
from support.root_tasks import (
    DeployedSettings,
    RootTasks,
    calls_in_root_sessions,
    deployed_template,
)

TASK_NAME, POLICY_NAME = "delete-oldest-key", "IAMDeleteOldestRootUserKey"


def plan(task: AccountTask) -> Finding:
    """Plan to delete the oldest access key of a root user."""
    oldest = credentials_of_type(task.session, ItemType.ACCESS_KEY)[:1]
    targets = [Target(type=ItemType.ACCESS_KEY, id=key.id) for key in oldest]
    items = [report_item(target, Outcome.PLANNED) for target in targets]
    return account_finding(task.session.account_id, items, planned=targets)


def execute(task: AccountTask) -> Finding:
    """Delete the planned access key."""
    for target in task.targets:
        task.session.call("iam:DeleteAccessKey", AccessKeyId=target.id)
    return account_finding(
        task.session.account_id, [report_item(target, Outcome.DONE) for target in task.targets]
    )


DEFINITION = TaskDefinition(
    words=TaskWords(title="Delete the oldest root access key"),
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=(ACCOUNTS, "purpose"),
    parse=parse_named_accounts,
    plan=plan,
    execute=execute,
)


@pytest.fixture
def sixth_task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """The member of the enum and the entry of the registry; AWS has its task policy."""
    task = str.__new__(Task, TASK_NAME)
    task._name_, task._value_, task.policy = "DELETE_OLDEST_KEY", TASK_NAME, POLICY_NAME
    monkeypatch.setattr(Task, "_member_names_", [*Task._member_names_, task.name])
    monkeypatch.setitem(Task._member_map_, task.name, task)
    monkeypatch.setitem(Task._value2member_map_, TASK_NAME, task)
    monkeypatch.setitem(DEFINITIONS, task, DEFINITION)
    policy = TaskPolicy(
        name=POLICY_NAME,
        needs=EmulatedFeature.ROOT_CREDENTIALS_MANAGEMENT,
        allows=frozenset({"iam:ListAccessKeys", "iam:DeleteAccessKey"}),
    )
    monkeypatch.setitem(TASK_POLICIES, f"arn:aws:iam::aws:policy/root-task/{POLICY_NAME}", policy)
    return task


@pytest.fixture
def organization(organization: LocalOrganization) -> LocalOrganization:
    """An organization with the feature that the sixth task needs."""
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    return organization


@pytest.fixture
def root_tasks(organization: LocalOrganization, sixth_task: Task) -> RootTasks:
    """A deployed construct with all six tasks."""
    assert sixth_task in Task
    template = copy.deepcopy(deployed_template())
    for definition in template.definitions.values():
        which_task = definition["States"]["Batches of accounts"]["ItemProcessor"]["States"][
            "Which task?"
        ]
        # The functions of a machine's tasks differ in their roles only.
        which_task["Default"] = which_task["Choices"][0]["Next"]
    return RootTasks(
        organization=organization, settings=DeployedSettings(tasks=tuple(Task)), template=template
    )


def test_a_sixth_task_is_planned_executed_and_reported(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(MEMBER, access_keys=2)
    organization.clear_calls()
    plan = root_tasks.run(
        {"task": TASK_NAME, "accounts": [MEMBER, OTHER_MEMBER], "purpose": "rotation"}
    )
    assert root_tasks.outcomes(plan) == {MEMBER: "PLANNED", OTHER_MEMBER: "NOTHING_TO_DO"}
    assert organization.writes == ()
    executed = root_tasks.execute(plan)
    assert root_tasks.outcomes(executed) == {MEMBER: "DONE"}
    assert organization.root_credentials(MEMBER).access_keys == (f"AKIA{MEMBER}0002",)
    assert calls_in_root_sessions(organization)[-1] == f"{MEMBER} DeleteAccessKey"
    assert "Plan: delete the oldest root access key" in root_tasks.report(plan)["summary"]
    assert "Delete the oldest root access key" in root_tasks.report(executed)["summary"]
    page = root_tasks.read_object(f"executions/{executed.run_id}/report.html").decode()
    assert "Delete the oldest root access key" in page
    assert root_tasks.report(executed)["task"] == TASK_NAME
