"""Root tasks behind service control policies: the report names the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from centralized_root_access import RootUserGuardrail
from root_tasks.model.report_schema import Task
from support.accounts import MEMBER, OTHER
from support.scp import attach_policy, statement
from support.templates import MANAGEMENT, bootstrap_stack, only_resource, template

if TYPE_CHECKING:
    from local_aws.emulation import LocalOrganization
    from support.root_tasks import RootTasks


def guardrail() -> dict[str, Any]:
    """Return the document of the guardrail, as it is deployed."""
    stack = bootstrap_stack(env=MANAGEMENT)
    RootUserGuardrail(stack, "RootUserGuardrail", targets=["r-root"], allow_organization_root=True)
    content: dict[str, Any] = only_resource(template(stack), "AWS::Organizations::Policy")["Properties"][
        "Content"
    ]
    return content


def deny_root_users(organization: LocalOrganization, name: str, target_id: str) -> str:
    """Attach the guardrail; return the ID of the policy."""
    return organization.attach_policy(name=name, document=guardrail(), target_id=target_id)


def test_a_plan_to_recover_names_each_policy_that_leaves_the_root_user_nothing(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    policies = {
        name: (deny_root_users(organization, name, target_id), target_id)
        for name, target_id in (("RootUserGuardrail", organization.root_id), ("another", OTHER))
    }
    plan = root_tasks.run({"task": Task.ALLOW_PASSWORD_RECOVERY, "accounts": [MEMBER, OTHER]})
    assert root_tasks.outcomes(plan) == {MEMBER: "planned", OTHER: "planned"}
    for account_id, names in ((MEMBER, ["RootUserGuardrail"]), (OTHER, ["RootUserGuardrail", "another"])):
        reason = root_tasks.results(plan)[account_id]["reason"]
        for name, (policy_id, target_id) in policies.items():
            assert (f"{name} ({policy_id})" in reason) is (name in names)
            assert (target_id in reason) is (name in names)
    assert reason.index("RootUserGuardrail") < reason.index("another")


@pytest.mark.parametrize(
    "elements",
    [
        {"Effect": "Allow"},
        {"Action": ["iam:*", "s3:*"]},
        {"Resource": "arn:aws:s3:::*"},
        {"Condition": {"Null": {"aws:AssumedRoot": "false"}}},
        # A sign-in with MFA may be let through.
        {"Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}},
    ],
)
def test_a_recovered_root_user_that_may_do_something_is_not_told_otherwise(
    root_tasks: RootTasks, elements: dict[str, Any]
) -> None:
    (denial,) = guardrail()["Statement"]
    attach_policy(root_tasks.organization, OTHER, statement("Allow"), {**denial, **elements})
    plan = root_tasks.run({"task": Task.ALLOW_PASSWORD_RECOVERY, "accounts": [OTHER]})
    assert "could do nothing" not in (root_tasks.results(plan)[OTHER]["reason"] or "")


def test_an_account_with_a_password_has_no_note_about_its_recovery(root_tasks: RootTasks) -> None:
    deny_root_users(root_tasks.organization, "RootUserGuardrail", OTHER)
    root_tasks.organization.put_root_credentials(account_id=OTHER, password=True)
    plan = root_tasks.run({"task": Task.ALLOW_PASSWORD_RECOVERY, "accounts": [OTHER]})
    assert root_tasks.outcomes(plan) == {OTHER: "nothing to do"}
    assert root_tasks.results(plan)[OTHER]["reason"] is None
