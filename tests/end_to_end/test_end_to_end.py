"""One deployment by the real CDK CLI on the local AWS: root access, drift check, guardrail, audit.

Each test leaves the organization as the stack lists it. The local AWS evaluates neither metric math
nor missing data, so that of the check's alarms only *Drift* is proven here.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_cdk import Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    CentralizedRootAccess,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)
from local_aws.seed import DENY_ROOT_USERS
from local_aws.services import LocalAws
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import IAM_PRINCIPAL, ROOT_SESSIONS, add_unit, set_feature
from support.deploying import (
    STACK_NAME,
    Deployer,
    assert_succeeded,
    invoke_function,
    logged_drift_checks,
    physical_id,
    rule_and_target,
    run_drift_check,
    subscribed_inbox,
)
from support.drift_check import CALLER_ARN, CLOUDTRAIL_EVENT, cloudtrail_event
from support.processes import run_command_line
from support.root_events import HARMLESS_EVENTS, ROOT_USE_EVENTS, condition_for_rule


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The stack, deployed once for all tests here.

    Attributes:
        aws: The local AWS.
        output: The output of the CLI.
        writes: The calls with which the deployment changed the organization's root access.
        units: The organizational units by name, with OTHER_MEMBER in *Guarded*, and with
            MEMBER and THIRD_MEMBER in *Old*.
    """

    aws: LocalAws
    output: str
    writes: list[str]
    units: dict[str, str]


@pytest.fixture(scope="module")
def deployed(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Deploy the stack once for all tests of this file, and destroy it at the end."""
    organization = bootstrapped_aws.organization
    organization.reset()
    organization.client("organizations").enable_policy_type(
        RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY"
    )
    units = {}
    for name, account_ids in (("Guarded", (OTHER_MEMBER,)), ("Old", (MEMBER, THIRD_MEMBER))):
        units[name] = add_unit(organization, name, *account_ids)
        for account_id in account_ids:
            organization.put_root_credentials(account_id, access_keys=1)

    def build(stack: Stack) -> None:
        """Add every construct to the stack."""
        root_access = CentralizedRootAccess(stack, "RootAccess", delegated_administrators=[MEMBER])
        root_access.add_drift_check(repair=True, notification_topic=sns.Topic(stack, "Topic"))
        tasks = RootTasks(stack, "RootTasks")
        RootUserGuardrail(
            stack, "RootUserGuardrail", targets=list(units.values()), exempt_accounts=[THIRD_MEMBER]
        )
        trail = logs.LogGroup(stack, "Trail")
        RootUseAlarm(
            stack,
            "RootUse",
            trail_log_group=trail,
            session_roles=tasks.session_roles,
            notification_topic=sns.Topic(stack, "RootUseTopic"),
            root_user_notices=True,
            management_account=stack.account,
        )

    organization.clear_calls()
    deployer = Deployer(bootstrapped_aws, tmp_path_factory.mktemp("deployed"))
    deployment = deployer.deploy(build)
    assert_succeeded(deployment)
    writes = [
        call.operation for call in organization.writes if call.service in ("iam", "organizations")
    ]
    yield Deployed(aws=bootstrapped_aws, output=deployment.stdout, writes=writes, units=units)
    assert_succeeded(deployer.destroy())


@pytest.fixture
def aws(deployed: Deployed) -> Iterator[LocalAws]:
    """Yield the local AWS of the deployed stack, and enable afterwards what a test disabled."""
    yield deployed.aws
    set_feature(deployed.aws.organization, ROOT_SESSIONS, enabled=True)


def test_the_deployment_enables_root_access_and_its_output_has_the_status(
    deployed: Deployed,
) -> None:
    organization = deployed.aws.organization
    since = organization.root_access().trusted_access[IAM_PRINCIPAL]
    line = (
        f'{{"status":"ENABLED","organizationId":"{organization.id}","managementAccountId":"{MANAGEMENT}",'
        f'"trustedAccessEnabledAt":"{since:%Y-%m-%dT%H:%M:%SZ}",'
        f'"features":["RootCredentialsManagement","RootSessions"],"delegatedAdministrators":["{MEMBER}"]'
    )
    (shown,) = re.findall(rf"{STACK_NAME}\.RootAccessStatus = (.+)", deployed.output)
    assert re.fullmatch(
        re.escape(line) + r',"observedAt":"\d{4}(-\d\d){2}T\d\d(:\d\d){2}Z"}', shown
    )
    assert [name for name in deployed.writes if "Policy" not in name] == [
        "EnableAWSServiceAccess",
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
        "RegisterDelegatedAdministrator",
    ]


# The drift check


@pytest.fixture
def inbox(aws: LocalAws) -> Callable[[], list[str]]:
    """Return what receives the messages of the drift check's topic."""
    return subscribed_inbox(aws, "Topic")


def alarm(aws: LocalAws, start: str) -> dict[str, Any]:
    """Return a deployed alarm."""
    name = physical_id(aws, start)
    (found,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def test_what_a_delegate_disables_is_repaired_and_nothing_else_changes(
    aws: LocalAws, inbox: Callable[[], list[str]]
) -> None:
    organization = aws.organization
    before = organization.root_access()
    others = organization.other_services()
    set_feature(organization, ROOT_SESSIONS, enabled=False, account_id=MEMBER)
    organization.clear_calls()

    schedule, _ = rule_and_target(aws, "RootAccessDriftCheckInterval")
    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    run_drift_check(aws)

    assert organization.root_access() == before
    assert organization.other_services() == others
    assert [call.operation for call in organization.writes] == ["EnableOrganizationsRootSessions"]
    detected, repaired = logged_drift_checks(aws)[-2:]
    assert (detected["InDesiredState"], repaired["InDesiredState"]) == (0, 1)
    assert detected["deviations"] == ["RootSessions is disabled"]
    (notice,) = inbox()
    assert "- RootSessions is disabled\n" in notice
    assert "- iam:EnableOrganizationsRootSessions\n" in notice


def test_a_call_that_its_rule_matches_reaches_the_check_which_reports_the_drift(
    aws: LocalAws, inbox: Callable[[], list[str]]
) -> None:
    organization = aws.organization
    calls, function = rule_and_target(aws, "RootAccessDriftCheckCalls")
    tested = aws.client("events").test_event_pattern(
        EventPattern=calls["EventPattern"], Event=json.dumps(CLOUDTRAIL_EVENT)
    )
    assert tested["Result"]

    set_feature(organization, ROOT_SESSIONS, enabled=False)
    organization.clear_calls()
    invoke_function(aws, function, CLOUDTRAIL_EVENT)
    assert organization.writes == ()
    assert logged_drift_checks(aws)[-1]["deviations"] == ["RootSessions is disabled"]
    assert logged_drift_checks(aws)[-1]["trigger"] == "DisableOrganizationsRootSessions"
    assert logged_drift_checks(aws)[-1]["caller"] == CALLER_ARN
    (notice,) = inbox()
    for fact in (
        "RootSessions is disabled",
        "DisableOrganizationsRootSessions",
        CALLER_ARN,
        "2026-11-24T12:00:00Z",
    ):
        assert fact in notice


def test_the_drift_alarm_fires_on_the_first_bad_check_and_reaches_the_topic(
    aws: LocalAws, inbox: Callable[[], list[str]]
) -> None:
    assert alarm(aws, "RootAccessDriftCheckDrift")["StateValue"] == "INSUFFICIENT_DATA"
    aws.client("cloudwatch").put_metric_data(
        Namespace="CentralizedRootAccess",
        MetricData=[
            {
                "MetricName": "InDesiredState",
                "Dimensions": [{"Name": "OrganizationId", "Value": aws.organization.id}],
                "Value": value,
                # MiniStack's alarms ignore the organization: in those of another test's stack it
                # must be old.
                "Timestamp": datetime.now(UTC) - timedelta(seconds=45),
            }
            # A check that repairs reports before and after.
            for value in (0, 1)
        ],
    )
    drift = alarm(aws, "RootAccessDriftCheckDrift")
    assert drift["StateValue"] == "ALARM"
    assert physical_id(aws, "RootAccessDriftCheckLogs") in drift["AlarmDescription"]
    (message,) = inbox()
    assert drift["AlarmName"] in message
    stopped = alarm(aws, "RootAccessDriftCheckStopped")
    assert stopped["AlarmActions"] == [physical_id(aws, "Topic")]
    assert stopped["StateValue"] != "ALARM"


# The alarms on root users


def test_the_alarms_on_root_users_are_deployed_with_the_id_of_the_auditing_role(
    aws: LocalAws,
) -> None:
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len([alarm for alarm in alarms if "-RootUse" in alarm["AlarmName"]]) == 4
    patterns = [
        found["filterPattern"]
        for found in aws.client("logs").describe_metric_filters()["metricFilters"]
    ]
    own = [
        pattern for pattern in patterns if re.search(r'principalId != "AROA[A-Z0-9]+:\*"', pattern)
    ]
    assert len(own) == 1


def test_the_documented_eventbridge_condition_exempts_root_sessions_alone(
    running_aws: LocalAws,
) -> None:
    rule = condition_for_rule("EventBridge, in the member account")
    pattern = json.dumps({"detail": json.loads(f"{{{rule}}}")})
    events = running_aws.client("events")

    def is_match(detail: dict[str, Any]) -> bool:
        """Return whether EventBridge would deliver a call."""
        event = json.dumps(cloudtrail_event(**detail))
        return bool(events.test_event_pattern(EventPattern=pattern, Event=event)["Result"])

    assert not is_match(HARMLESS_EVENTS["the audit's call in IAM"])
    assert [name for name, event in ROOT_USE_EVENTS.items() if not is_match(event)] == []


# The pre-flight and the audit


def run_command(aws: LocalAws, command: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the result of a command, in a process of its own."""
    ended = run_command_line(aws, command, "--format", "json")
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


@pytest.fixture
def denying_policy(deployed: Deployed) -> Iterator[str]:
    """The ID of a policy on the unit *Old* that denies root sessions as well."""
    organization, unit_id = deployed.aws.organization, deployed.units["Old"]
    policy_id = organization.attach_policy(
        name="deny-root-users", document=DENY_ROOT_USERS, target_id=unit_id
    )
    yield policy_id
    organizations = organization.client("organizations")
    organizations.detach_policy(PolicyId=policy_id, TargetId=unit_id)
    organizations.delete_policy(PolicyId=policy_id)


def test_a_policy_without_the_exemption_is_named_and_the_guardrail_passes(
    aws: LocalAws, denying_policy: str
) -> None:
    organization = aws.organization
    exit_code, found = run_command(aws, "preflight")
    assert exit_code == 1
    results = {account["accountId"]: account["result"] for account in found["accounts"]}
    assert results == {MEMBER: "DENIED", OTHER_MEMBER: "ALLOWED", THIRD_MEMBER: "DENIED"}
    (change,) = found["fixes"]
    assert (
        change["policyId"],
        change["policyName"],
        change["attachedToName"],
        change["accountIds"],
    ) == (
        denying_policy,
        "deny-root-users",
        "Old",
        [MEMBER, THIRD_MEMBER],
    )

    _, report = run_command(aws, "audit")
    by_account = {result["accountId"]: result for result in report["results"]}
    assert {id_: result["outcome"] for id_, result in by_account.items()} == {
        MANAGEMENT: "PROTECTED",
        MEMBER: "INACCESSIBLE",
        OTHER_MEMBER: "HAS_CREDENTIALS",
        THIRD_MEMBER: "INACCESSIBLE",
    }
    for account_id in (MEMBER, THIRD_MEMBER):
        assert f"service_control_policy/{denying_policy}" in by_account[account_id]["reason"]
        assert f"preflight --account {account_id}`" in by_account[account_id]["hint"]

    organization.client("organizations").update_policy(
        PolicyId=denying_policy,
        Content=json.dumps({"Version": "2012-10-17", "Statement": [change["suggested"]]}),
    )
    exit_code, found = run_command(aws, "preflight")
    assert exit_code == 0
    tasks = {account["accountId"]: set(account["tasks"].values()) for account in found["accounts"]}
    assert tasks == {MEMBER: {"ALLOWED"}, OTHER_MEMBER: {"ALLOWED"}, THIRD_MEMBER: {"ALLOWED"}}
    _, report = run_command(aws, "audit")
    outcomes = {result["outcome"] for result in report["results"]}
    assert outcomes == {"PROTECTED", "HAS_CREDENTIALS"}
