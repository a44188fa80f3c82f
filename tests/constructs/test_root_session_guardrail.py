"""The guardrail for root sessions: whom its policies deny one."""

from typing import Any

import pytest

from centralized_root_access import RootSessionGuardrail, RootTask
from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT as MANAGEMENT_ID
from support.accounts import MEMBER, OTHER_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, enable_root_access
from support.emulation import AUDIT_TASK_POLICY, DELETE_TASK_POLICY, error_raised_by
from support.templates import bootstrap_stack, properties_of_type, template_of

DELEGATE = MEMBER
# The ARN of all session roles, by their path, and their path with a name.
PATH = f"arn:aws:iam::{DELEGATE}:role/centralized-root-access/*"
SESSION_ROLE = "centralized-root-access/Tasks-Audit-1A2B"


def guardrail_policies(**arguments: Any) -> dict[str, dict[str, Any]]:
    """Return the properties of a guardrail's policies by their type; it has both by default."""
    stack = bootstrap_stack()
    both = {"delegated_administrators": [DELEGATE], "targets": ["r-a1b2"]}
    RootSessionGuardrail(stack, "Guardrail", **{"session_roles": [PATH], **both, **arguments})
    found = properties_of_type(template_of(stack), "AWS::Organizations::Policy").values()
    return {properties["Type"]: properties for properties in found}


@pytest.mark.parametrize(
    ("omitted", "left"),
    [
        ("targets", "SERVICE_CONTROL_POLICY"),
        ("delegated_administrators", "RESOURCE_CONTROL_POLICY"),
    ],
)
def test_a_policy_without_a_place_to_attach_it_is_not_created(omitted: str, left: str) -> None:
    assert list(guardrail_policies(**{omitted: ()})) == [left]


# Whom it denies


@pytest.fixture
def guarded(organization: LocalOrganization) -> LocalOrganization:
    """The organization with a delegated administrator, and the guardrail for its roles."""
    enable_root_access(
        organization,
        ROOT_CREDENTIALS_MANAGEMENT,
        ROOT_SESSIONS,
        delegated_administrators=[DELEGATE],
    )
    for properties in guardrail_policies(tasks=[RootTask.AUDIT]).values():
        (target,) = properties["TargetIds"]
        target = organization.root_id if target.startswith("r-") else target
        organization.attach_policy(
            name=properties["Name"],
            document=properties["Content"],
            target_id=target,
            policy_type=properties["Type"],
        )
    return organization


def assume_root(
    organization: LocalOrganization,
    account_id: str,
    role: str | None,
    task: Any = AUDIT_TASK_POLICY,
) -> None:
    """Open a root session as an administrator of an account, or in a role of it.

    Args:
        organization: The organization.
        account_id: The account of the administrator or the role.
        role: The role's path and name; None: the administrator.
        task: The ARN of the task's policy.
    """
    credentials: Any = None
    if role is not None:
        arn = f"arn:aws:iam::{account_id}:role/{role}"
        caller = organization.client("sts", account_id=account_id)
        credentials = caller.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    client = organization.client("sts", account_id=account_id, credentials=credentials)
    client.assume_root(TargetPrincipal=OTHER_MEMBER, TaskPolicyArn=task)


def test_a_session_role_can_open_a_root_session_for_its_task(guarded: LocalOrganization) -> None:
    assume_root(guarded, DELEGATE, SESSION_ROLE)


@pytest.mark.parametrize(
    ("account_id", "role", "task", "kind"),
    [
        (DELEGATE, None, AUDIT_TASK_POLICY, "service"),
        (DELEGATE, "Administrator", AUDIT_TASK_POLICY, "service"),
        (DELEGATE, SESSION_ROLE, DELETE_TASK_POLICY, "service"),
        (MANAGEMENT_ID, None, AUDIT_TASK_POLICY, "resource"),
        (MANAGEMENT_ID, "Administrator", AUDIT_TASK_POLICY, "resource"),
        (MANAGEMENT_ID, SESSION_ROLE, AUDIT_TASK_POLICY, "resource"),
    ],
    ids=[
        "user of the delegate",
        "other role of the delegate",
        "other task",
        "user of the management account",
        "role of the management account",
        "same path in the management account",
    ],
)
def test_everyone_else_is_denied_in_the_delegate_and_in_the_management_account(
    guarded: LocalOrganization, account_id: str, role: str | None, task: Any, kind: str
) -> None:
    error = error_raised_by(lambda: assume_root(guarded, account_id, role, task))
    assert f"explicit deny in a {kind} control policy" in error["message"]
