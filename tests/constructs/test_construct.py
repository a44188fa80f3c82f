"""CentralizedRootAccess: what is deployed, and what is refused at synth."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from aws_cdk import App, Environment, NestedStack, Stack, Stage

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS
from support.many_apps import add_all_arguments
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    bootstrap_stack,
    new_topic,
    only_resource,
    resources_of_type,
    root_access_template,
    template_of,
    warning_ids,
)

# The logical IDs of the function and of its role's policy, which never change.
FUNCTION_ID = "RootAccessFunction30D88B3A"
POLICY_ID = "RootAccessRoleDefaultPolicyAA108D27"
RESOURCE_TYPE = "Custom::CentralizedRootAccess"
# Three minutes for each invocation: the function's timeout.
INVOCATION = 180


@pytest.fixture(scope="module")
def smallest() -> dict[str, Any]:
    """The template of a stack that has only the construct, without any argument."""
    return root_access_template()


def test_the_key_of_the_output_follows_the_construct_id() -> None:
    stack = bootstrap_stack()
    # The key of an output cannot have a hyphen.
    CentralizedRootAccess(stack, "org-root")
    assert list(template_of(stack)["Outputs"]) == ["orgrootStatus"]


def test_the_custom_resource_waits_for_its_policy_and_stays_with_a_deleted_stack(
    smallest: dict[str, Any],
) -> None:
    resource = only_resource(smallest, RESOURCE_TYPE)
    assert POLICY_ID in resource["DependsOn"]
    assert resource["DeletionPolicy"] == "Retain"
    assert resource["UpdateReplacePolicy"] == "Retain"
    # Nothing but CloudFormation, with the deployment's permissions, invokes the function.
    assert resources_of_type(smallest, "AWS::Lambda::Permission") == {}


def test_cloudformation_waits_for_every_invocation_of_an_asynchronous_event(
    smallest: dict[str, Any],
) -> None:
    function = smallest["Resources"][FUNCTION_ID]["Properties"]
    assert function["Timeout"] == INVOCATION
    resource = only_resource(smallest, RESOURCE_TYPE)
    service_timeout = int(resource["Properties"]["ServiceTimeout"])
    # Lambda documents how long it waits before the second and before the third invocation.
    first_wait, second_wait = 60, 120
    start_of_last_invocation = INVOCATION + first_wait + INVOCATION + second_wait
    assert service_timeout > start_of_last_invocation + INVOCATION
    # An event that Lambda keeps for longer would apply lists that were rolled back since.
    ((config_id, config),) = resources_of_type(smallest, "AWS::Lambda::EventInvokeConfig").items()
    maximum_age = config["Properties"]["MaximumEventAgeInSeconds"]
    assert start_of_last_invocation < maximum_age <= service_timeout - INVOCATION
    assert "MaximumRetryAttempts" not in config["Properties"], "the default is two"
    assert config_id in resource["DependsOn"]


@pytest.mark.parametrize(
    ("argument", "listed", "warned"),
    [
        ("features", [ROOT_CREDENTIALS_MANAGEMENT], ["disablesRootSessions"]),
        ("features", [ROOT_SESSIONS], ["disablesRootCredentialsManagement"]),
        ("features", [], ["disablesRootCredentialsManagement", "disablesRootSessions"]),
        ("delegated_administrators", [], ["noDelegatedAdministrators"]),
    ],
    ids=str,
)
def test_what_a_list_disables_for_the_organization_by_leaving_it_out_is_warned_of(
    argument: str, listed: Any, warned: list[str]
) -> None:
    stack = bootstrap_stack()
    CentralizedRootAccess(stack, "RootAccess", **{argument: listed})
    assert warning_ids(stack) == [f"centralized-root-access:{id}" for id in warned]


@pytest.mark.parametrize(
    ("region", "warned"),
    [
        ("us-gov-west-1", True),
        ("eusc-de-east-1", True),
        ("us-iso-east-1", True),
        ("eu-isoe-west-1", True),
        ("eu-central-1", False),
    ],
)
def test_a_region_where_aws_does_not_offer_it_as_far_as_known_warns(
    region: str, warned: bool
) -> None:
    stack = bootstrap_stack(env=Environment(account="111111111111", region=region))
    CentralizedRootAccess(stack, "RootAccess")
    assert warning_ids(stack) == (["centralized-root-access:notOffered"] if warned else [])


def test_what_govcloud_offers_adds_no_warning() -> None:
    stack = bootstrap_stack(env=Environment(account="111111111111", region="us-gov-west-1"))
    CentralizedRootAccess(stack, "RootAccess", features=[ROOT_SESSIONS])
    unlock = [RootTask.UNLOCK_BUCKET, RootTask.UNLOCK_QUEUE]
    RootTasks(stack, "RootTasks", tasks=unlock, notification_topic=new_topic(stack))
    assert warning_ids(stack) == []


def test_no_construct_warns_of_what_its_user_did_not_cause() -> None:
    stack = bootstrap_stack()
    add_all_arguments(stack)
    # Its features leave one out.
    assert warning_ids(stack) == ["centralized-root-access:disablesRootCredentialsManagement"]


def another_stack_of_the_account(stack: Stack) -> Stack:
    """Return a stack of the same account in another Region and another stage of the app."""
    env = Environment(account="111111111111", region="eu-central-1")
    return Stack(Stage(cast("App", stack.node.root), "Stage"), "Two", env=env)


@pytest.mark.parametrize(
    ("env", "place_of_second", "where"),
    [
        (None, lambda stack: stack, "stack OrganizationBootstrap"),
        (None, lambda stack: NestedStack(stack, "Nested"), "stack OrganizationBootstrap"),
        (MANAGEMENT_ENVIRONMENT, another_stack_of_the_account, "account 111111111111"),
    ],
    ids=["same stack", "nested stack", "another stack of the account"],
)
def test_a_second_instance_is_refused(
    env: Environment | None, place_of_second: Callable[[Stack], Stack], where: str
) -> None:
    stack = bootstrap_stack(env=env)
    CentralizedRootAccess(stack, "RootAccess")
    with pytest.raises(ValueError, match=f"/Again is a second CentralizedRootAccess for {where}"):
        CentralizedRootAccess(place_of_second(stack), "Again")


def test_a_revision_changes_the_custom_resource_alone(smallest: dict[str, Any]) -> None:
    revised = root_access_template(revision="a5e88a06")
    properties = only_resource(revised, RESOURCE_TYPE)["Properties"]
    assert properties.pop("Revision") == "a5e88a06"
    assert revised == smallest


def test_an_app_reaches_each_function_without_a_search_in_the_tree() -> None:
    stack = bootstrap_stack()
    root_access = CentralizedRootAccess(stack, "RootAccess")
    tasks = RootTasks(stack, "RootTasks", tasks=RootTask)
    functions = [root_access.function, root_access.add_drift_check().function]
    functions += tasks.functions.values()
    ids = [stack.resolve(function.function_name)["Ref"] for function in functions]
    assert [re.sub("^Root(Access|Tasks)|[0-9A-F]{8}$", "", id) for id in ids] == [
        "Function",
        "DriftCheckFunction",
        "Audit",
        "DeleteCredentials",
        "AllowPasswordRecovery",
        "UnlockBucketPolicy",
        "UnlockQueuePolicy",
    ]
