"""The guardrail for root users: whom its policy denies, and what it refuses at synth."""

import json
from typing import Any

import pytest
from aws_cdk import App, Environment, NestedStack, Stack
from aws_cdk import aws_organizations as organizations
from aws_cdk.assertions import Annotations, Match

from centralized_root_access import CentralizedRootAccess, RootSessionGuardrail, RootUserGuardrail
from centralized_root_access.preflight.attachments import FULL_ACCESS
from local_aws.emulation.organization_policies import AttachedPolicy, find_policy_denial
from support.accounts import MEMBER, THIRD_MEMBER
from support.scp import ACCOUNT_ID
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    arguments_in_stack,
    bootstrap_stack,
    only_resource,
    resources_of_type,
    template_of,
    warning_ids,
)

UNIT = "ou-a1b2-c3d4e5f6"
ROOT = "r-a1b2"
SESSION_ROLES = f"arn:aws:iam::{MEMBER}:role/centralized-root-access/*"


def guardrail_policy(stack: Stack | None = None, **arguments: Any) -> dict[str, Any]:
    """Add a guardrail, on one unit by default, to a stack; return its policy's properties."""
    stack = stack or bootstrap_stack()
    RootUserGuardrail(stack, "RootUserGuardrail", **{"targets": [UNIT], **arguments})
    properties: dict[str, Any] = only_resource(template_of(stack), "AWS::Organizations::Policy")[
        "Properties"
    ]
    return properties


@pytest.mark.parametrize(
    ("account_id", "assumed_root", "principal", "denied"),
    [
        pytest.param(ACCOUNT_ID, False, "root", True, id="root user"),
        pytest.param(ACCOUNT_ID, True, "root", False, id="root session"),
        pytest.param(ACCOUNT_ID, False, "role/Admin", False, id="role"),
        pytest.param(THIRD_MEMBER, False, "root", False, id="root user of an exempt account"),
        pytest.param(THIRD_MEMBER, True, "root", False, id="root session in an exempt account"),
    ],
)
@pytest.mark.parametrize("action", ["iam:GetUser", "s3:ListAllMyBuckets", "account:CloseAccount"])
def test_it_denies_every_action_to_a_root_user_that_is_signed_in_and_to_no_one_else(
    account_id: str, assumed_root: bool, principal: str, denied: bool, action: str
) -> None:
    content = json.dumps(guardrail_policy(exempt_accounts=[THIRD_MEMBER])["Content"])
    context = {
        "aws:principalarn": f"arn:aws:iam::{account_id}:{principal}",
        "aws:principalaccount": account_id,
        **({"aws:assumedroot": "true"} if assumed_root else {}),
    }
    full_access = AttachedPolicy(arn="full", content=FULL_ACCESS.content)

    denial = find_policy_denial(
        [[full_access, AttachedPolicy(arn="guardrail", content=content)]],
        action=action,
        resource=None,
        context=context,
    )

    assert (denial is not None) is denied


def test_the_name_is_another_one_in_another_place_and_never_too_long() -> None:
    app = App(analytics_reporting=False)
    stack, other = (
        Stack(app, "One", env=MANAGEMENT_ENVIRONMENT),
        Stack(app, "S" * 120, env=MANAGEMENT_ENVIRONMENT),
    )
    elsewhere = Stack(App(), "One", env=Environment(account="111111111111", region="eu-west-1"))
    places = [(stack, "A"), (stack, "B"), (other, "G" * 200), (elsewhere, "A")]
    places.append((NestedStack(stack, "Nested"), "A"))
    names = [RootUserGuardrail(*place, targets=[UNIT]).policy_name for place in places]
    assert len(set(names)) == len(places)
    # The longest name that Organizations allows has 128 characters.
    assert all(len(name) <= 128 for name in names)
    # Where the Region is known only at deployment, the name still has it.
    of_any_region = guardrail_policy(Stack(App(), "One"))
    assert {"Ref": "AWS::Region"} in of_any_region["Name"]["Fn::Join"][1]


def test_the_policy_is_available_to_other_constructs() -> None:
    stack = bootstrap_stack()
    construct = RootUserGuardrail(stack, "RootUserGuardrail", targets=[UNIT])
    assert stack.resolve([construct.policy_id, construct.policy_arn]) == [
        {"Fn::GetAtt": ["RootUserGuardrailPolicy2E03D98C", attribute]}
        for attribute in ("Id", "Arn")
    ]


# What is warned of


def new_unit(stack: Stack) -> list[str]:
    """Return the ID of a unit that the same stack creates: a token."""
    unit = organizations.CfnOrganizationalUnit(stack, "Unit", name="Sandbox", parent_id=ROOT)
    return [unit.attr_id]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"targets": [UNIT, MEMBER]}, []),
        ({"targets": [ROOT], "allow_organization_root": True}, []),
        ({"targets": new_unit}, ["centralized-root-access:guardrailTargetUnknown"]),
        ({"targets": new_unit, "allow_organization_root": True}, []),
    ],
    ids=["known", "root", "token", "token-with-root"],
)
def test_a_target_that_may_not_be_meant_is_warned_of(
    arguments: dict[str, Any], expected: list[str]
) -> None:
    stack = bootstrap_stack()
    guardrail_policy(stack, **arguments_in_stack(stack, arguments))
    assert warning_ids(stack) == expected


def test_the_pipelines_log_says_what_to_do_where_the_policy_type_is_disabled() -> None:
    stack = bootstrap_stack()
    RootUserGuardrail(stack, "RootUserGuardrail", targets=[UNIT])
    (info,) = Annotations.from_stack(stack).find_info("*", Match.any_value())
    assert "PolicyTypeNotEnabledException" in str(info.entry.data)
    assert "enable-policy-type --policy-type SERVICE_CONTROL_POLICY" in str(info.entry.data)


@pytest.mark.parametrize("is_first", [True, False], ids=["root access first", "root access last"])
def test_a_stack_creates_its_policies_one_after_another_and_after_root_access(
    is_first: bool,
) -> None:
    """Organizations refuses changes that are made at the same time."""
    stack = bootstrap_stack()
    if is_first:
        CentralizedRootAccess(stack, "RootAccess")
    RootUserGuardrail(stack, "RootUserGuardrail", targets=[UNIT])
    RootSessionGuardrail(
        stack,
        "Sessions",
        session_roles=[SESSION_ROLES],
        delegated_administrators=[MEMBER],
        targets=[UNIT],
    )
    if not is_first:
        CentralizedRootAccess(stack, "RootAccess")
    synthesized = template_of(stack)
    (root_access,) = resources_of_type(synthesized, "Custom::CentralizedRootAccess")
    policies = resources_of_type(synthesized, "AWS::Organizations::Policy")
    (of_users,) = (id_ for id_ in policies if id_.startswith("RootUser"))
    of_delegates, of_members = (id_ for id_ in policies if id_.startswith("Sessions"))
    assert {id_: set(policy["DependsOn"]) for id_, policy in policies.items()} == {
        of_users: {root_access},
        of_delegates: {root_access, of_users},
        of_members: {root_access, of_delegates},
    }
