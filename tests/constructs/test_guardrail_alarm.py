"""The alarms on root users in use: the events that fire them, and those that fire none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_cdk import Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks, RootUseAlarm
from support.accounts import MANAGEMENT as MANAGEMENT_ID
from support.apps import REPOSITORY
from support.filter_pattern import matches_filter_pattern
from support.root_events import (
    ADMINISTRATOR_ROLE_ARN,
    FEDERATED_USER_EVENTS,
    HARMLESS_EVENTS,
    ROOT_USE_EVENTS,
    TOOL_ROLE_ID,
    UNEXPECTED_ASSUME_ROOT_EVENTS,
    assume_root_event,
)
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    arguments_in_stack,
    bootstrap_stack,
    properties_of_type,
    resources_of_type,
    template_of,
    text_with_references,
)

if TYPE_CHECKING:
    from aws_cdk import App

# As the page has them, each in one line.
QUERIES = [
    " ".join(query.split())
    for query in re.findall(
        r"^```\n(fields .*?)^```$",
        (REPOSITORY / "docs" / "guides" / "root-use-alarm.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
]
PATTERNS = ("RootUserUsed", "UnexpectedAssumeRoot")


def alarm_stack(env: Environment | None = MANAGEMENT_ENVIRONMENT, **arguments: Any) -> Stack:
    """Return a stack with the alarms; a function among the arguments gets the stack."""
    stack = bootstrap_stack(env=env)
    trail = logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail")
    RootUseAlarm(
        stack, "RootUse", **{"trail_log_group": trail, **arguments_in_stack(stack, arguments)}
    )
    return stack


def patterns(stack: Stack) -> dict[str, Any]:
    """Return the filter patterns of a stack, by the alarm that they are for."""
    return {
        name: filter_["FilterPattern"]
        for id_, filter_ in properties_of_type(
            template_of(stack), "AWS::Logs::MetricFilter"
        ).items()
        for name in PATTERNS
        if id_.startswith(f"RootUse{name}")
    }


@pytest.fixture(scope="module")
def tool_patterns() -> dict[str, str]:
    """The patterns that expect the roles of all root tasks, with one ID, and an imported role."""

    def allowed(stack: Stack) -> list[iam.IRole]:
        administrator = iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR_ROLE_ARN)
        return [*RootTasks(stack, "RootTasks", tasks=RootTask).session_roles, administrator]

    found = patterns(alarm_stack(session_roles=allowed))
    return {
        name: re.sub(r"\$\{\w+\.RoleId\}", TOOL_ROLE_ID, text_with_references(pattern))
        for name, pattern in found.items()
    }


def alarms_of(event: dict[str, Any], found: Mapping[str, str]) -> set[str]:
    """Return the alarms that an event fires, regardless of what `!=` says of a missing field."""
    either = [
        {
            name
            for name, pattern in found.items()
            if matches_filter_pattern(pattern, event, missing_differs=missing)
        }
        for missing in (False, True)
    ]
    assert either[0] == either[1]
    return either[0]


HARMLESS = HARMLESS_EVENTS | FEDERATED_USER_EVENTS


@pytest.mark.parametrize("event", HARMLESS.values(), ids=HARMLESS)
def test_what_the_tool_and_as_the_page_says_federated_sessions_do_fires_no_alarm(
    event: dict[str, Any], tool_patterns: dict[str, str]
) -> None:
    assert alarms_of(event, tool_patterns) == set()


@pytest.mark.parametrize("event", ROOT_USE_EVENTS.values(), ids=ROOT_USE_EVENTS)
def test_a_root_user_that_is_used_fires_its_alarm(
    event: dict[str, Any], tool_patterns: dict[str, str]
) -> None:
    assert alarms_of(event, tool_patterns) == {"RootUserUsed"}


@pytest.mark.parametrize(
    "event", UNEXPECTED_ASSUME_ROOT_EVENTS.values(), ids=UNEXPECTED_ASSUME_ROOT_EVENTS
)
def test_assume_root_by_another_principal_fires_its_alarm(
    event: dict[str, Any], tool_patterns: dict[str, str]
) -> None:
    assert alarms_of(event, tool_patterns) == {"UnexpectedAssumeRoot"}


def test_without_session_roles_every_assume_root_fires() -> None:
    found = patterns(alarm_stack())
    event = HARMLESS_EVENTS["AssumeRoot by the tool"]
    assert alarms_of(event, found) == {"UnexpectedAssumeRoot"}


def test_a_copy_of_the_event_fires_only_where_it_names_another_role() -> None:
    """Whether there is such a copy is not known. Of a role it would have the ID alone."""
    copies = {
        id_: assume_root_event(principal_id=f"{id_}:x", issuer=None, identity_type="AWSAccount")
        for id_ in (TOOL_ROLE_ID, "AROAOTHEROTHEROTHERO")
    }
    own = patterns(
        alarm_stack(session_roles=lambda stack: RootTasks(stack, "RootTasks").session_roles)
    )
    by_id = {
        name: re.sub(r"\$\{\w+\.RoleId\}", TOOL_ROLE_ID, text_with_references(pattern))
        for name, pattern in own.items()
    }
    assert {id_: alarms_of(event, by_id) for id_, event in copies.items()} == {
        TOOL_ROLE_ID: set(),
        "AROAOTHEROTHEROTHERO": {"UnexpectedAssumeRoot"},
    }
    by_arn = patterns(
        alarm_stack(
            session_roles=lambda stack: [
                iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR_ROLE_ARN)
            ]
        )
    )
    assert [alarms_of(event, by_arn) for event in copies.values()] == [set(), set()]


def test_the_path_of_the_roles_is_one_pattern() -> None:
    path = f"arn:aws:iam::{MANAGEMENT_ID}:role/centralized-root-access/"
    found = patterns(alarm_stack(session_roles=[f"{path}*"]))
    for issuer, allowed in (
        (f"{path}RootTasks-Audit-1A2B", True),
        (f"{path.replace('-access', '-admin')}Audit", False),
        (f"{path.replace(MANAGEMENT_ID, '999999999999')}Audit", False),
    ):
        event = assume_root_event(principal_id="AROAOTHEROTHEROTHERO:x", issuer=issuer)
        assert alarms_of(event, found) == (set() if allowed else {"UnexpectedAssumeRoot"})


def test_notices_are_of_exactly_the_events_that_fire_the_alarm_on_root_users() -> None:
    stack = notices_stack(MANAGEMENT_ENVIRONMENT, management_account=MANAGEMENT_ID)
    found = template_of(stack)
    (subscription,) = resources_of_type(found, "AWS::Logs::SubscriptionFilter").values()
    assert subscription["Properties"]["FilterPattern"] == patterns(stack)["RootUserUsed"]
    (function,) = resources_of_type(found, "AWS::Lambda::Function")
    assert subscription["Properties"]["DestinationArn"] == {"Fn::GetAtt": [function, "Arn"]}
    # CloudWatch Logs refuses a subscription of a function that it may not invoke.
    (permission,) = resources_of_type(found, "AWS::Lambda::Permission")
    assert permission in subscription["DependsOn"]


SECURITY = Environment(account="222222222222", region="us-east-1")


@pytest.mark.parametrize(
    ("env", "of_root_access", "argument", "expected"),
    [
        (MANAGEMENT_ENVIRONMENT, MANAGEMENT_ENVIRONMENT, None, MANAGEMENT_ID),
        (SECURITY, MANAGEMENT_ENVIRONMENT, None, MANAGEMENT_ID),
        (None, None, None, {"Ref": "AWS::AccountId"}),
        (SECURITY, None, MANAGEMENT_ID, MANAGEMENT_ID),
    ],
    ids=["of its own account", "of another stack", "known at deployment", "the argument"],
)
def test_the_notices_know_the_management_account(
    env: Environment | None,
    of_root_access: Environment | None,
    argument: str | None,
    expected: object,
) -> None:
    stack = notices_stack(env, management_account=argument)
    CentralizedRootAccess(
        Stack(cast("App", stack.node.root), "Root", env=of_root_access), "RootAccess"
    )
    (function,) = properties_of_type(template_of(stack), "AWS::Lambda::Function").values()
    written = function["Environment"]["Variables"]["SETTINGS"]
    assert json.loads(text_with_references(written))["managementAccount"] == text_with_references(
        {"Fn::Join": ["", [expected]]}
    )


@pytest.mark.parametrize("of_root_access", [None, "a stack without an account"])
def test_notices_that_would_not_know_the_management_account_are_refused(
    of_root_access: str | None,
) -> None:
    stack = notices_stack(SECURITY)
    if of_root_access:
        CentralizedRootAccess(Stack(cast("App", stack.node.root), "Root"), "RootAccess")
    with pytest.raises(RuntimeError, match=r"root_user_notices needs.*management_account="):
        template_of(stack)


def notices_stack(env: Environment | None, **arguments: Any) -> Stack:
    """Return a stack with the alarms and the notices."""
    topic = {"notification_topic": lambda stack: sns.Topic(stack, "Topic")}
    return alarm_stack(env, root_user_notices=True, **topic, **arguments)


@pytest.mark.parametrize("emergency_policy", [True, False])
def test_an_alarm_has_the_pages_query_even_with_the_longest_name_of_a_log_group(
    emergency_policy: bool,
) -> None:
    found = alarm_stack(
        trail_log_group=lambda stack: logs.LogGroup.from_log_group_name(stack, "Long", "a" * 512),
        emergency_policy=emergency_policy,
    )
    texts = [
        text_with_references(alarm["AlarmDescription"])
        for alarm in properties_of_type(template_of(found), "AWS::CloudWatch::Alarm").values()
    ]
    queries = [found.partition(f"{'a' * 512}: ")[2].split("\n")[0] for found in texts]
    assert queries == QUERIES
    assert max(map(len, texts)) <= 1024


def test_the_order_of_the_roles_does_not_change_the_template() -> None:
    def roles(stack: Stack) -> list[iam.IRole]:
        return [
            iam.Role.from_role_arn(stack, name, f"{ADMINISTRATOR_ROLE_ARN}{name}")
            for name in ("One", "Two")
        ]

    one = alarm_stack(session_roles=roles)
    assert patterns(one) == patterns(alarm_stack(session_roles=lambda stack: roles(stack)[::-1]))


def test_a_role_without_a_known_id_is_known_by_its_arn() -> None:
    def roles(stack: Stack) -> list[iam.IRole]:
        there = Construct(stack, "There")
        iam.Role.customize_roles(
            there, use_precreated_roles={"OrganizationBootstrap/There/Role": "there"}
        )
        created, precreated = (
            iam.Role(scope, "Role", assumed_by=iam.AccountRootPrincipal())
            for scope in (stack, there)
        )
        return [created, precreated, iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR_ROLE_ARN)]

    pattern = text_with_references(
        patterns(alarm_stack(session_roles=roles))["UnexpectedAssumeRoot"]
    )

    assert re.findall(r'!= "(\S+:\S+)"', pattern) == [
        "${Role1ABCC5F0.RoleId}:*",
        ADMINISTRATOR_ROLE_ARN,
        f"arn:${{AWS::Partition}}:iam::{MANAGEMENT_ID}:role/there",
    ]


# What the documentation says of other rules


def test_the_cis_filter_fires_on_audits_and_the_alarm_on_misuse_alone() -> None:
    page = (REPOSITORY / "docs" / "reference" / "detections.md").read_text()
    (cis,) = re.findall(r"^ +'(\{.*\})'$", page, re.MULTILINE)
    audit, misuse = (
        json.loads(event) for event in re.findall("^```json\n(.*)\n```$", page, re.MULTILINE)
    )
    root_used = {"RootUserUsed": text_with_references(patterns(alarm_stack())["RootUserUsed"])}
    assert all(
        matches_filter_pattern(cis, event, missing_differs=False) for event in (audit, misuse)
    )
    assert alarms_of(audit, root_used) == set()
    assert alarms_of(misuse, root_used) == {"RootUserUsed"}
