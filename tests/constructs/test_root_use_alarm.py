"""The alarms on root users in use: the events that fire them, and those that fire none."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from centralized_root_access import RootTask, RootTasks
from support.accounts import MANAGEMENT as MANAGEMENT_ID
from support.apps import read_page
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
    add_root_use_alarm,
    arguments_in_stack,
    bootstrap_stack,
    properties_of_type,
    resources_of_type,
    settings_of_function,
    template_of,
    text_with_references,
)

# The queries of Logs Insights, as the page has them, each in one line.
QUERIES = [
    " ".join(query.split())
    for query in re.findall(
        r"^```\n(fields .*?)^```$",
        read_page("guides/root-use-alarm.md"),
        re.MULTILINE | re.DOTALL,
    )
]
# The alarms with a filter pattern; these are the ends of their patterns' logical IDs, too.
ALARMS = ("RootUserUsed", "UnexpectedAssumeRoot")


def alarm_stack(**arguments: Any) -> Stack:
    """Return a stack with the alarms; a function among the arguments is given the stack."""
    stack = bootstrap_stack()
    add_root_use_alarm(stack, **arguments_in_stack(stack, arguments))
    return stack


def patterns(stack: Stack) -> dict[str, Any]:
    """Return the filter patterns of a stack, by the alarm that they are for."""
    return {
        name: filter_["FilterPattern"]
        for id_, filter_ in properties_of_type(
            template_of(stack), "AWS::Logs::MetricFilter"
        ).items()
        for name in ALARMS
        if id_.startswith(f"RootUse{name}")
    }


@pytest.fixture(scope="module")
def patterns_expecting_tool() -> dict[str, str]:
    """The patterns that expect the roles of all root tasks, with one ID, and an imported role."""

    def expected_roles(stack: Stack) -> list[iam.IRole]:
        administrator = iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR_ROLE_ARN)
        return [*RootTasks(stack, "RootTasks", tasks=RootTask).session_roles, administrator]

    return with_ids_of_tool(patterns(alarm_stack(session_roles=expected_roles)))


def with_ids_of_tool(patterns: Mapping[str, Any]) -> dict[str, str]:
    """Return patterns in which each role of the stack has the ID of the tool's role in events."""
    return {
        name: re.sub(r"\$\{\w+\.RoleId\}", TOOL_ROLE_ID, text_with_references(pattern))
        for name, pattern in patterns.items()
    }


def alarms_of(event: dict[str, Any], patterns: Mapping[str, str]) -> set[str]:
    """Return the alarms that an event fires.

    CloudWatch does not document whether a field that is missing differs (`!=`) from a value, so the
    answer has to be the same in both cases.
    """
    if_it_does, if_it_does_not = (
        {
            name
            for name, pattern in patterns.items()
            if matches_filter_pattern(pattern, event, missing_differs=missing_differs)
        }
        for missing_differs in (True, False)
    )
    assert if_it_does == if_it_does_not
    return if_it_does


HARMLESS = HARMLESS_EVENTS | FEDERATED_USER_EVENTS
# The ID of a role that is none of the session roles.
OTHER_ROLE_ID = "AROAOTHEROTHEROTHERO"


@pytest.mark.parametrize("event", HARMLESS.values(), ids=HARMLESS)
def test_what_the_tool_and_as_the_page_says_federated_sessions_do_fires_no_alarm(
    event: dict[str, Any], patterns_expecting_tool: dict[str, str]
) -> None:
    assert alarms_of(event, patterns_expecting_tool) == set()


@pytest.mark.parametrize("event", ROOT_USE_EVENTS.values(), ids=ROOT_USE_EVENTS)
def test_a_root_user_that_is_used_fires_its_alarm(
    event: dict[str, Any], patterns_expecting_tool: dict[str, str]
) -> None:
    assert alarms_of(event, patterns_expecting_tool) == {"RootUserUsed"}


@pytest.mark.parametrize(
    "event", UNEXPECTED_ASSUME_ROOT_EVENTS.values(), ids=UNEXPECTED_ASSUME_ROOT_EVENTS
)
def test_assume_root_by_another_principal_fires_its_alarm(
    event: dict[str, Any], patterns_expecting_tool: dict[str, str]
) -> None:
    assert alarms_of(event, patterns_expecting_tool) == {"UnexpectedAssumeRoot"}


def test_without_session_roles_every_assume_root_fires() -> None:
    event = HARMLESS_EVENTS["AssumeRoot by the tool"]
    assert alarms_of(event, patterns(alarm_stack())) == {"UnexpectedAssumeRoot"}


def test_a_copy_of_the_event_fires_only_where_it_names_another_role() -> None:
    """Whether there is such a copy is not known. Of a role it would have the ID alone."""
    of_tool, of_other_role = (
        assume_root_event(principal_id=f"{id_}:x", issuer=None, identity_type="AWSAccount")
        for id_ in (TOOL_ROLE_ID, OTHER_ROLE_ID)
    )
    # Roles of the stack are known by their IDs, ...
    stack = alarm_stack(session_roles=lambda stack: RootTasks(stack, "RootTasks").session_roles)
    patterns_by_id = with_ids_of_tool(patterns(stack))
    assert alarms_of(of_tool, patterns_by_id) == set()
    assert alarms_of(of_other_role, patterns_by_id) == {"UnexpectedAssumeRoot"}
    # ... and an imported role by its ARN, which the copy would not have.
    stack = alarm_stack(
        session_roles=lambda stack: [iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR_ROLE_ARN)]
    )
    patterns_by_arn = patterns(stack)
    assert alarms_of(of_tool, patterns_by_arn) == set()
    assert alarms_of(of_other_role, patterns_by_arn) == set()


def test_the_path_of_the_roles_is_one_pattern() -> None:
    path = f"arn:aws:iam::{MANAGEMENT_ID}:role/centralized-root-access/"
    pattern_of_path = patterns(alarm_stack(session_roles=[f"{path}*"]))
    alarms_by_role_arn: dict[str, set[str]] = {
        f"{path}RootTasks-Audit-1A2B": set(),
        f"{path.replace('-access', '-admin')}Audit": {"UnexpectedAssumeRoot"},
        f"{path.replace(MANAGEMENT_ID, '999999999999')}Audit": {"UnexpectedAssumeRoot"},
    }
    for role_arn, alarms in alarms_by_role_arn.items():
        event = assume_root_event(principal_id=f"{OTHER_ROLE_ID}:x", issuer=role_arn)
        assert alarms_of(event, pattern_of_path) == alarms


def test_notices_are_of_exactly_the_events_that_fire_the_alarm_on_root_users() -> None:
    stack = notices_stack(management_account=MANAGEMENT_ID)
    synthesized = template_of(stack)
    (subscription,) = resources_of_type(synthesized, "AWS::Logs::SubscriptionFilter").values()
    assert subscription["Properties"]["FilterPattern"] == patterns(stack)["RootUserUsed"]
    (function,) = resources_of_type(synthesized, "AWS::Lambda::Function")
    assert subscription["Properties"]["DestinationArn"] == {"Fn::GetAtt": [function, "Arn"]}
    # CloudWatch Logs refuses a subscription of a function that it may not invoke.
    (permission,) = resources_of_type(synthesized, "AWS::Lambda::Permission")
    assert permission in subscription["DependsOn"]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [(MANAGEMENT_ID, MANAGEMENT_ID), (Aws.ACCOUNT_ID, {"Ref": "AWS::AccountId"})],
    ids=["known", "a token"],
)
def test_the_notices_know_the_management_account(argument: str, expected: object) -> None:
    stack = notices_stack(management_account=argument)
    (function,) = properties_of_type(template_of(stack), "AWS::Lambda::Function").values()
    # Settings are a text, in which a reference is a part.
    as_part_of_text = text_with_references({"Fn::Join": ["", [expected]]})
    assert settings_of_function(function)["managementAccount"] == as_part_of_text


def notices_stack(**arguments: Any) -> Stack:
    """Return a stack with the alarms and the notices."""
    topic = {"notification_topic": lambda stack: sns.Topic(stack, "Topic")}
    return alarm_stack(root_user_notices=True, **topic, **arguments)


@pytest.mark.parametrize("emergency_policy", [True, False])
@pytest.mark.parametrize(
    ("name", "shown", "hears_silence"),
    [("a" * 255, "a" * 255, True), ("a" * 512, "the trail's log group", False)],
    ids=["longest that is shown", "longest"],
)
def test_an_alarm_has_the_pages_query_even_with_the_longest_name_of_a_log_group(
    name: str, shown: str, hears_silence: bool, emergency_policy: bool
) -> None:
    stack = alarm_stack(
        trail_log_group=lambda stack: logs.LogGroup.from_log_group_name(stack, "Long", name),
        emergency_policy=emergency_policy,
    )
    alarms = properties_of_type(template_of(stack), "AWS::CloudWatch::Alarm").values()
    descriptions = [text_with_references(alarm["AlarmDescription"]) for alarm in alarms]
    silence = [text for text in descriptions if text.startswith(f"{name} has got no event")]
    assert bool(silence) is hears_silence
    # The query follows the name, and is the rest of its line.
    queries = [text.partition(f"{shown}: ")[2].split("\n")[0] for text in descriptions]
    assert [query for query in queries if query] == QUERIES
    assert max(map(len, descriptions)) <= 1024, "CloudWatch's limit"


def test_a_role_without_a_known_id_is_known_by_its_arn() -> None:
    def roles(stack: Stack) -> list[iam.IRole]:
        # The CDK creates no role there, but takes the one of that name.
        customized = Construct(stack, "Customized")
        iam.Role.customize_roles(
            customized,
            use_precreated_roles={"OrganizationBootstrap/Customized/Role": "precreated"},
        )
        created, precreated = (
            iam.Role(scope, "Role", assumed_by=iam.AccountRootPrincipal())
            for scope in (stack, customized)
        )
        return [created, precreated, iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR_ROLE_ARN)]

    pattern = text_with_references(
        patterns(alarm_stack(session_roles=roles))["UnexpectedAssumeRoot"]
    )

    # The IDs and ARNs that the caller's differ from.
    assert re.findall(r'!= "(\S+:\S+)"', pattern) == [
        "${Role1ABCC5F0.RoleId}:*",
        ADMINISTRATOR_ROLE_ARN,
        f"arn:${{AWS::Partition}}:iam::{MANAGEMENT_ID}:role/precreated",
    ]


def test_a_log_group_that_gets_no_event_of_the_trail_for_three_hours_fires_an_alarm() -> None:
    alarms = properties_of_type(template_of(alarm_stack()), "AWS::CloudWatch::Alarm", "TrailSilent")
    (silent,) = alarms.values()
    (events,) = [metric["MetricStat"] for metric in silent["Metrics"] if "MetricStat" in metric]
    # By AWS's name: a misspelled metric would have no values either.
    assert events["Metric"] == {
        "Namespace": "AWS/Logs",
        "MetricName": "IncomingLogEvents",
        "Dimensions": [{"Name": "LogGroupName", "Value": "organization-trail"}],
    }
    assert (events["Stat"], events["Period"]) == ("SampleCount", 3600)
    assert (silent["EvaluationPeriods"], silent["TreatMissingData"]) == (3, "breaching")


# What the documentation says of other rules


def test_the_cis_filter_fires_on_audits_and_the_alarm_on_misuse_alone() -> None:
    page = read_page("guides/root-use-alarm.md")
    (cis,) = re.findall(r"^ +'(\{.*\})'$", page, re.MULTILINE)
    misuse, audit = (
        json.loads(event) for event in re.findall("^```json\n(.*)\n```$", page, re.MULTILINE)
    )
    root_used = {"RootUserUsed": text_with_references(patterns(alarm_stack())["RootUserUsed"])}
    assert all(
        matches_filter_pattern(cis, event, missing_differs=False) for event in (audit, misuse)
    )
    assert alarms_of(audit, root_used) == set()
    assert alarms_of(misuse, root_used) == {"RootUserUsed"}
