"""The guardrail for root sessions: whom its policies deny one, and what it refuses at synth."""

import re
from typing import Any

import pytest
from aws_cdk import App, Environment, Stack, Stage
from aws_cdk import aws_iam as iam

from centralized_root_access import (
    CentralizedRootAccess,
    RootSessionGuardrail,
    RootTask,
    RootTasks,
)
from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT as MANAGEMENT_ID
from support.accounts import MEMBER, OTHER_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, enable_root_access
from support.emulation import AUDIT_TASK_POLICY, DELETE_TASK_POLICY, error_raised_by
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    add_root_use_alarm,
    arguments_in_stack,
    bootstrap_stack,
    properties_of_type,
    template_of,
)

DELEGATE = MEMBER
# The ARN of all session roles, by their path, and their path with a name.
PATH = f"arn:aws:iam::{DELEGATE}:role/centralized-root-access/*"
SESSION_ROLE = "centralized-root-access/Tasks-Audit-1A2B"
SECURITY = Environment(account=DELEGATE, region="us-east-1")
GOVCLOUD = Environment(account=DELEGATE, region="us-gov-west-1")
PATH_IN_GOVCLOUD = PATH.replace("aws", "aws-us-gov")


def add_guardrail(stack: Stack, **arguments: Any) -> None:
    """Add a guardrail for the session roles, by default with both policies."""
    both = {"delegated_administrators": [DELEGATE], "targets": ["r-a1b2"]}
    RootSessionGuardrail(stack, "Guardrail", **{"session_roles": [PATH], **both, **arguments})


def guardrail_policies(**arguments: Any) -> dict[str, dict[str, Any]]:
    """Return the properties of the guardrail's policies, by their type."""
    stack = bootstrap_stack()
    add_guardrail(stack, **arguments)
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


# What it refuses


def new_role(stack: Stack) -> list[iam.IRole | str]:
    """Return a role of the app that is no session role."""
    return [iam.Role(stack, "Other", assumed_by=iam.AccountRootPrincipal())]


def imported_role(stack: Stack) -> list[iam.IRole | str]:
    """Return an imported role that has the path of the session roles."""
    return [iam.Role.from_role_arn(stack, "Imported", PATH.replace("*", "RootTasks-Audit-1A2B"))]


NO_ROLES = (
    r"session_roles lacks roles of Security/RootTasks\. Add .*:role/centralized-root-access/\*"
)


def add_root_access(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess", **arguments)


NO_DELEGATE = f"delegated_administrators lacks {DELEGATE}, the account of Security/RootTasks"
# Arguments by which a construct locks out root tasks of the same app, and the error that says so.
# ``add`` adds the construct, by default the guardrail; ``env`` and ``role_path`` are of RootTasks.
LOCKED_OUT: dict[str, tuple[dict[str, Any], str]] = {
    "another account": ({"session_roles": [PATH.replace(DELEGATE, OTHER_MEMBER)]}, NO_ROLES),
    "another path": ({"session_roles": [PATH.replace("access", "admin")]}, NO_ROLES),
    "a role without the path": (
        {"session_roles": [f"arn:aws:iam::{DELEGATE}:role/Audit"]},
        NO_ROLES,
    ),
    "another role of the app": ({"session_roles": new_role}, NO_ROLES),
    "by the delegate's policy alone": ({"session_roles": new_role, "targets": ()}, NO_ROLES),
    "a path below theirs": ({"session_roles": [PATH.replace("*", "other/*")]}, NO_ROLES),
    "another partition": ({"env": GOVCLOUD}, re.escape(f"Add {PATH_IN_GOVCLOUD}, for")),
    "an unknown account": (
        {"env": Environment(region="us-east-1"), "session_roles": new_role},
        r"Add arn:aws:iam::ACCOUNT:role/centralized-root-access/\*, for",
    ),
    "no path": ({"role_path": "/"}, r"Give it a role_path, and add that, for"),
    "another task": (
        {"tasks": [RootTask.AUDIT]},
        "tasks lacks delete, which Security/RootTasks needs",
    ),
    "the task of its plans": (
        {"tasks": [RootTask.DELETE]},
        "tasks lacks audit, which Security/RootTasks needs",
    ),
    "by an alarm": (
        {"add": add_root_use_alarm, "session_roles": [PATH.replace(DELEGATE, OTHER_MEMBER)]},
        NO_ROLES,
    ),
    "by root access": (
        {"add": add_root_access, "delegated_administrators": [OTHER_MEMBER]},
        NO_DELEGATE,
    ),
    "by root access without any": (
        {"add": add_root_access, "delegated_administrators": []},
        NO_DELEGATE,
    ),
}
# Arguments by which it locks out none.
ADMITTED: dict[str, dict[str, Any]] = {
    "the path": {},
    "the path in another partition": {"env": GOVCLOUD, "session_roles": [PATH_IN_GOVCLOUD]},
    "a longer path": {"session_roles": [PATH.replace("*", "OrganizationRootTasks-*")]},
    "a shorter path": {"session_roles": [PATH.replace("root-access/*", "*")]},
    "an imported role below the path": {"session_roles": imported_role},
    "a policy elsewhere": {
        "session_roles": new_role,
        "targets": (),
        "delegated_administrators": [OTHER_MEMBER],
    },
    "an alarm on their path": {"add": add_root_use_alarm, "session_roles": [PATH]},
    "an alarm on everyone": {"add": add_root_use_alarm},
    "a delegate": {"add": add_root_access, "delegated_administrators": [DELEGATE]},
    "a delegate that is not managed": {"add": add_root_access},
}


def organization_app(arguments: dict[str, Any]) -> App:
    """Return an app with a guardrail or another construct, and then root tasks of a delegate."""
    app = App(analytics_reporting=False)
    stack = Stack(app, "Management", env=MANAGEMENT_ENVIRONMENT)
    given: dict[str, Any] = {
        "add": add_guardrail,
        "env": SECURITY,
        "role_path": "/centralized-root-access/",
    }
    given |= arguments
    add, env, role_path = (given.pop(name) for name in ("add", "env", "role_path"))
    add(stack, **arguments_in_stack(stack, given))
    security = Stack(app, "Security", env=env)
    RootTasks(security, "RootTasks", tasks=[RootTask.DELETE], role_path=role_path)
    return app


@pytest.mark.parametrize(("arguments", "why"), LOCKED_OUT.values(), ids=LOCKED_OUT)
def test_a_list_that_locks_out_root_tasks_of_the_app_is_refused(
    arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises(RuntimeError, match=why):
        organization_app(arguments).synth()


@pytest.mark.parametrize("arguments", ADMITTED.values(), ids=ADMITTED)
def test_a_list_that_may_name_the_roles_of_the_app_is_accepted(arguments: dict[str, Any]) -> None:
    # Synth raises an error if the list is refused.
    organization_app(arguments).synth()


def test_the_roles_of_another_organization_do_not_count() -> None:
    app = App(analytics_reporting=False)
    stack = Stack(Stage(app, "Production", env=MANAGEMENT_ENVIRONMENT), "Management")
    add_guardrail(stack, session_roles=RootTasks(stack, "RootTasks", tasks=RootTask).session_roles)
    RootTasks(
        Stack(Stage(app, "Test", env=Environment(account="999999999999")), "Security"), "RootTasks"
    )
    # Synth would refuse a guardrail that locks out root tasks of its own organization.
    app.synth()


def test_two_management_accounts_are_two_organizations() -> None:
    app = App(analytics_reporting=False)
    for account in ("111111111111", "999999999999"):
        stack = Stack(app, f"Of{account}", env=Environment(account=account, region="us-east-1"))
        add_root_access(stack, delegated_administrators=[DELEGATE])
        add_root_use_alarm(stack, session_roles=RootTasks(stack, "RootTasks").session_roles)
    # Synth would refuse a list that leaves out root tasks of its own organization.
    app.synth()
