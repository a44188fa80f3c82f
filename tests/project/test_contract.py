"""What the constructs write is what the functions read: their code gets the template.

Names that two sides have to agree on are read from the template here, not listed a second time.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore
import pytest
from aws_cdk import CfnOutput

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks
from centralized_root_access.base.arguments import parse_account_ids, parse_delegated_administrators
from centralized_root_access.cli.runs import deployment
from common.errors import RootAccessError
from common.log import log_sdk_version
from local_aws.emulation import LocalOrganization
from root_access.drift import check
from root_access.state import desired_state
from root_access.steps import Operation
from root_tasks.model.report_schema import ItemType, Task
from root_tasks.model.run_documents import AcceptedCredentials
from root_tasks.run.parse_input import parse_request
from root_tasks.run.settings import (
    RunBatchSettings,
    StartExecutionSettings,
    StartRunSettings,
    WriteReportSettings,
)
from root_tasks.run.start import start_or_refuse
from root_use import root_use_notice
from support import root_tasks as running
from support.accounts import MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS
from support.cloudformation import FakeCloudFormation
from support.drift_check import DriftCheck
from support.function import CustomResourceFunction
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    bootstrap_stack,
    functions_with_handler,
    only_resource,
    properties_of_type,
    resources_of_type,
    template_of,
    text_with_references,
)

PROTECTED = THIRD_MEMBER
STATE_MACHINE = "AWS::StepFunctions::StateMachine"

SETTINGS: dict[str, Callable[[Mapping[str, str]], object]] = {
    "root_access.drift.check.on_check": check.DriftCheckSettings.from_environment,
    "root_use.root_use_notice.on_delivery": root_use_notice.Settings.from_environment,
    **{
        f"root_tasks.handlers.{name}": settings.from_environment
        for name, (_, settings) in running.FUNCTIONS.items()
    },
}
WITHOUT_SETTINGS = {"root_access.handler.on_event"}
HANDLERS = sorted(WITHOUT_SETTINGS | SETTINGS.keys())


@dataclass(frozen=True, kw_only=True)
class Synthesized:
    """A stack with every construct.

    Attributes:
        template: The template.
    """

    template: dict[str, Any]

    def function(self, handler: str) -> dict[str, Any]:
        """Return the properties of the handler's function, or of the first of several."""
        return functions_with_handler(self.template, handler)[0]

    def environment(self, handler: str) -> dict[str, str]:
        """Return the variables of the handler's function, with the tests' bucket and machine."""
        variables = self.function(handler)["Environment"]["Variables"]
        (bucket,) = resources_of_type(self.template, "AWS::S3::Bucket")
        (machine,) = properties_of_type(self.template, STATE_MACHINE, "AuditStateMachine")
        found = {name: text_with_references(value) for name, value in variables.items()}
        for reference, value in (
            (bucket, running.REPORT_BUCKET),
            (machine, running.AUDIT_MACHINE_ARN),
        ):
            found = {name: it.replace(f"${{{reference}}}", value) for name, it in found.items()}
        return found

    def settings(self, handler: str) -> Any:
        """Return what the handler's function reads of its variables."""
        return SETTINGS[handler](self.environment(handler))

    def reference(self, value: Any) -> str:
        """Return which attribute of the custom resource a value of the template refers to."""
        (resource,) = resources_of_type(self.template, "Custom::CentralizedRootAccess")
        logical_id, attribute = value["Fn::GetAtt"]
        assert logical_id == resource
        return str(attribute)


def output_key(attribute: str) -> str:
    """Return the key of the output that shows an attribute of the construct."""
    return f"Attribute{attribute.replace('_', '')}"


@pytest.fixture(scope="module")
def everything() -> Synthesized:
    """Return the stack with every argument, as its snapshot has it."""
    return Synthesized(template=json.loads(running.SNAPSHOT.read_text()))


@pytest.fixture(scope="module")
def defaults() -> Synthesized:
    """Return a stack with no argument that can be omitted, and outputs of all attributes."""
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    root_access = CentralizedRootAccess(stack, "RootAccess")
    root_access.add_drift_check()
    RootTasks(stack, "RootTasks")
    # The texts among the construct's attributes are the attributes of the custom resource.
    for name, value in vars(root_access).items():
        if isinstance(value, str):
            CfnOutput(stack, output_key(name), value=value)
    return Synthesized(template=template_of(stack))


# The functions


def test_the_handlers_are_all_the_python_functions_of_the_template(everything: Synthesized) -> None:
    found = {
        function["Handler"]
        for function in properties_of_type(everything.template, "AWS::Lambda::Function").values()
        if function["Runtime"].startswith("python")
    }
    assert found == set(HANDLERS)


def test_the_version_of_the_sdk_is_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    log_sdk_version.cache_clear()
    log_sdk_version()
    log_sdk_version()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["botocore"] == botocore.__version__


# Settings


def test_every_argument_arrives_in_the_settings(everything: Synthesized) -> None:
    read = everything.settings
    (topic,) = resources_of_type(everything.template, "AWS::SNS::Topic")
    assert read("root_access.drift.check.on_check") == check.DriftCheckSettings(
        features=(ROOT_SESSIONS,),
        delegated_administrators=(MEMBER,),
        repaired_stack_id="${AWS::StackId}",
        notification_topic_arn=f"${{{topic}}}",
        security_hub_findings=True,
    )
    assert read("root_use.root_use_notice.on_delivery") == root_use_notice.Settings(
        notification_topic_arn=f"${{{topic}}}",
        management_account=str(MANAGEMENT_ENVIRONMENT.account),
        emergency_policy_id="${RootUseEmergencyPolicyD349908D.Id}",
    )
    assert read("root_tasks.handlers.start_run") == StartRunSettings(
        bucket=running.REPORT_BUCKET,
        tasks=tuple(Task),
        protected_accounts=(PROTECTED,),
        accepted_credentials=(
            AcceptedCredentials(
                target_id=MEMBER,
                types=(ItemType.PASSWORD, ItemType.MFA_DEVICE),
                reason="Billing, until it has moved",
                until="2027-03-31",
            ),
        ),
        allow_policy_override=True,
    )
    assert read("root_tasks.handlers.start_execution") == StartExecutionSettings(
        bucket=running.REPORT_BUCKET,
        tasks=tuple(Task),
        protected_accounts=(PROTECTED,),
        allow_policy_override=True,
        audit_state_machine_arn=running.AUDIT_MACHINE_ARN,
    )
    for handler in ("run_batch", "execute_batch"):
        assert read(f"root_tasks.handlers.{handler}") == RunBatchSettings(
            bucket=running.REPORT_BUCKET
        )
    assert read("root_tasks.handlers.write_execution_report") == WriteReportSettings(
        bucket=running.REPORT_BUCKET,
        notification_topic_arn=None,
        security_hub_findings=False,
    )
    assert read("root_tasks.handlers.write_report") == WriteReportSettings(
        bucket=running.REPORT_BUCKET,
        notification_topic_arn=f"${{{topic}}}",
        security_hub_findings=True,
    )


def test_the_defaults_arrive_in_the_settings(defaults: Synthesized) -> None:
    read = defaults.settings
    assert read("root_access.drift.check.on_check") == check.DriftCheckSettings(
        features=(ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS),
        delegated_administrators=None,
        repaired_stack_id=None,
        notification_topic_arn=None,
        security_hub_findings=False,
    )
    assert read("root_tasks.handlers.start_run") == StartRunSettings(
        bucket=running.REPORT_BUCKET,
        tasks=(Task.AUDIT,),
        protected_accounts=(),
        accepted_credentials=(),
        allow_policy_override=False,
    )
    assert read("root_tasks.handlers.write_report") == WriteReportSettings(
        bucket=running.REPORT_BUCKET,
        notification_topic_arn=None,
        security_hub_findings=False,
    )


# The custom resource


def test_the_function_reads_the_properties_and_returns_the_attributes(
    everything: Synthesized, defaults: Synthesized, organization: LocalOrganization
) -> None:
    properties = dict(
        only_resource(everything.template, "Custom::CentralizedRootAccess")["Properties"]
    )
    (invoked,) = properties_of_type(
        everything.template, "AWS::Lambda::Function", "RootAccessFunction"
    )
    assert properties.pop("ServiceToken") == {"Fn::GetAtt": [invoked, "Arn"]}
    del properties["ServiceTimeout"]
    stack = FakeCloudFormation(function=CustomResourceFunction())
    assert stack.create(**properties).succeeded
    assert organization.root_access().features == {ROOT_SESSIONS}
    assert organization.root_access().delegated_administrators == (MEMBER,)

    outputs = defaults.template["Outputs"]
    names = {
        key: defaults.reference(output["Value"])
        for key, output in outputs.items()
        if key.startswith("Attribute")
    }
    assert set(names.values()) == set(stack.data)
    status_json = names.pop(output_key("status_json"))
    status = json.loads(stack.data[status_json])
    assert stack.data[status_json] == json.dumps(status, separators=(",", ":"))
    assert {key: stack.data[name] for key, name in names.items()} == {
        output_key("status"): status["status"],
        output_key("organization_id"): organization.id,
    }
    assert status_json == defaults.reference(outputs["RootAccessStatus"]["Value"])


# The drift check


def test_the_alarms_read_the_metric_that_the_drift_check_logs(
    everything: Synthesized, organization: LocalOrganization
) -> None:
    drift_check = DriftCheck(settings=everything.settings("root_access.drift.check.on_check"))
    # Nothing is enabled: the check reports that, repairs it, and reports again.
    drift_check()
    detected, _repaired = drift_check.checks()
    assert isinstance(detected["_aws"]["Timestamp"], int)
    (metrics,) = detected["_aws"]["CloudWatchMetrics"]
    alarms = properties_of_type(
        everything.template, "AWS::CloudWatch::Alarm", "DriftCheck"
    ).values()
    assert len(alarms) == 2
    for alarm in alarms:
        read = metric_of(alarm)
        ((dimension, organization_id),) = [
            (dimension["Name"], dimension["Value"]) for dimension in read["Dimensions"]
        ]
        assert metrics["Namespace"] == read["Namespace"]
        assert metrics["Dimensions"] == [[dimension]]
        assert read["MetricName"] in [metric["Name"] for metric in metrics["Metrics"]]
        assert detected[read["MetricName"]] == 0
        assert detected[dimension] == organization.id
        assert everything.reference(organization_id) == "OrganizationId"


def metric_of(alarm: Mapping[str, Any]) -> Any:
    """Return the metric that an alarm reads, itself or through a math expression."""
    if "MetricName" in alarm:
        return alarm
    (metric,) = [
        metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric
    ]
    return metric


def test_the_rule_runs_the_drift_check_after_every_call_that_changes_root_access(
    everything: Synthesized,
) -> None:
    (pattern,) = [
        rule["EventPattern"]
        for rule in properties_of_type(everything.template, "AWS::Events::Rule").values()
        if "EventPattern" in rule
    ]
    services = sorted({operation.partition(":")[0] for operation in Operation})
    assert pattern["source"] == [f"aws.{service}" for service in services]
    assert pattern["detail-type"] == ["AWS API Call via CloudTrail"]
    assert pattern["detail"]["eventSource"] == [f"{service}.amazonaws.com" for service in services]
    # No plan disables trusted access; another person may.
    calls = {operation.partition(":")[2] for operation in Operation} | {"DisableAWSServiceAccess"}
    assert set(pattern["detail"]["eventName"]) == calls


# Root tasks


@dataclass(frozen=True, kw_only=True)
class DeployedSettings(running.DeployedSettings):
    """What the template has for each function of root tasks."""

    synthesized: Synthesized

    def environment(self, handler: str, *, account_id: str = MEMBER) -> dict[str, str]:
        """Return the variables that the template gives a function."""
        return self.synthesized.environment(f"root_tasks.handlers.{handler}")


@pytest.fixture
def deployed(
    everything: Synthesized, organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> running.RootTasks:
    """The template's state machines and functions, run in this process."""
    FakeCloudFormation(function=CustomResourceFunction()).create(
        Features=[ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS]
    )
    # As in Lambda, a refused run returns the reason; these functions alone would raise it.
    for handler in ("start_run", "start_execution"):
        start, settings = running.FUNCTIONS[handler]
        refusing = functools.partial(start_or_refuse, start)
        monkeypatch.setitem(running.FUNCTIONS, handler, (refusing, settings))
    return running.RootTasks(
        organization=organization, settings=DeployedSettings(synthesized=everything)
    )


def test_the_schedules_audit_has_its_report_where_the_output_says(
    everything: Synthesized, deployed: running.RootTasks
) -> None:
    (target,) = [
        target
        for rule in properties_of_type(everything.template, "AWS::Events::Rule").values()
        for target in rule["Targets"]
        if "Input" in target
    ]
    audit = deployed.run(json.loads(target["Input"]))
    assert audit.output["task"] == Task.AUDIT
    assert sum(audit.output["totals"].values()) == len(deployed.results(audit))

    (bucket,) = resources_of_type(everything.template, "AWS::S3::Bucket")
    assert (
        text_with_references(everything.template["Outputs"]["RootTasksBucket"]["Value"])
        == f"${{{bucket}}}"
    )
    assert deployed.read_object("latest/report.json").startswith(b"{")


def test_the_alarms_read_the_metrics_that_a_full_audit_logs(
    everything: Synthesized, deployed: running.RootTasks
) -> None:
    deployed.run({})
    lines = deployed.metrics()
    (logged, *others) = [each for line in lines for each in line["_aws"]["CloudWatchMetrics"]]
    # The others read metrics of AWS.
    alarms = {
        id_: metric_of(alarm)
        for id_, alarm in properties_of_type(everything.template, "AWS::CloudWatch::Alarm").items()
        if id_.startswith("RootTasks") and not re.search("Failed|NotStarted", id_)
    }
    assert len(alarms) == 4
    # What the dashboard reads besides.
    names = {metric["Name"] for each in (logged, *others) for metric in each["Metrics"]}
    assert names >= {"FindingsImported", "FindingsRefused", "ManagementRootUserUnprotected"}
    both = [["OrganizationId"], ["StateMachineName"]]
    assert all(each["Dimensions"] == both for each in (logged, *others))
    for read in alarms.values():
        (dimension,) = read["Dimensions"]
        assert read["Namespace"] == logged["Namespace"]
        assert [dimension["Name"]] in logged["Dimensions"]
        assert {"Name": read["MetricName"], "Unit": "Count"} in logged["Metrics"]
        # The name of the state machine, as the template and an execution's ARN have it.
        assert "AuditStateMachine" in dimension["Value"]["Fn::GetAtt"][0]
        assert lines[0][dimension["Name"]] == running.AUDIT_MACHINE


def test_a_refused_run_does_not_fail_and_is_counted_by_the_metric_of_its_own(
    deployed: running.RootTasks,
) -> None:
    metrics = RootTasks(bootstrap_stack(), "RootTasks", tasks=RootTask).metric_refused_executions
    counted = [metric.to_metric_config() for metric in metrics.using_metrics.values()]
    audit = deployed.run({})
    for execution, reason in (
        (deployed.run({"accounts": [OUTSIDE_ORGANIZATION]}), "NOT_MEMBERS"),
        (deployed.execute(audit), "NOT_A_PLAN"),
    ):
        assert (execution.status, execution.output["refused"]) == ("SUCCEEDED", reason)
    logged = [event for event in deployed.log if event.get("event") == "run_refused"]
    assert [event["StateMachineName"] for event in logged] == [
        running.AUDIT_MACHINE,
        running.EXECUTE_MACHINE,
    ]
    for event, read in zip(logged, counted, strict=True):
        (emitted,) = event["_aws"]["CloudWatchMetrics"]  # type: ignore[index]
        stat = read.metric_stat
        assert stat is not None
        assert (stat.namespace, stat.metric_name) == (
            emitted["Namespace"],
            emitted["Metrics"][0]["Name"],
        )
        assert stat.statistic == "Sum"
        assert [[dimension.name for dimension in stat.dimensions or ()]] == emitted["Dimensions"]
        assert event[stat.metric_name] == 1
        assert event["_aws"]["Timestamp"] == deployed.now.timestamp() * 1000  # type: ignore[index]
        assert OUTSIDE_ORGANIZATION not in json.dumps(event)


def test_a_start_that_fails_says_where_and_that_nothing_was_changed(
    deployed: running.RootTasks,
) -> None:
    deployed.fail_calls("s3:PutObject", "AccessDenied", url="run.json")
    execution = deployed.run({})
    assert execution.status == "FAILED"
    assert execution.cause.endswith(" (in account 111111111111; nothing was changed)")


def test_what_runs_leave_expires_and_backups_do_not(
    everything: Synthesized, deployed: running.RootTasks
) -> None:
    properties = only_resource(everything.template, "AWS::S3::Bucket")["Properties"]
    expiring = [
        rule["Prefix"]
        for rule in properties["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule or "NoncurrentVersionExpiration" in rule
    ]
    deployed.organization.put_root_credentials(MEMBER, password=True)
    inputs: dict[str, dict[str, object]] = {
        # What it has is accepted, so a plan has to name it.
        RootTask.DELETE: {"accounts": [MEMBER]},
        RootTask.RECOVER: {"accounts": [MEMBER]},
        **running.lock_bucket_and_queue(deployed),
    }
    assert {RootTask.AUDIT, *inputs} == set(RootTask)
    for task, input_ in inputs.items():
        plan = deployed.run({"task": task, **input_})
        executed = deployed.execute(plan)
        assert executed.status == "SUCCEEDED", executed.cause
        assert deployed.outcomes(executed)[MEMBER] == "DONE"
    keys = deployed.object_keys("")
    kept = [key for key in keys if not key.startswith(tuple(expiring))]
    assert kept == deployed.object_keys("backups/") != []


# Arguments and documentation


@pytest.mark.parametrize(
    ("account_id", "valid"),
    [
        (MEMBER, True),
        ("", False),
        ("22222222222", False),
        ("2222222222222", False),
        ("22222222222a", False),
        ("222222222222\n", False),
        ("٢٢٢٢٢٢٢٢٢٢٢٢", False),
    ],
    ids=[
        "12 digits",
        "none",
        "11 digits",
        "13 digits",
        "a letter",
        "a line break",
        "Arabic digits",
    ],
)
def test_an_account_id_is_the_same_for_every_construct_and_function(
    account_id: str, valid: bool
) -> None:
    parsers: list[Callable[[], object]] = [
        lambda: parse_account_ids("protected_accounts", [account_id]),
        lambda: parse_delegated_administrators([account_id], stack=bootstrap_stack()),
        lambda: desired_state(features=(), delegated_administrators=[account_id]),
        lambda: parse_request({"accounts": [account_id]}, tasks=list(Task)),
    ]
    for parse in parsers:
        if valid:
            parse()
        else:
            with pytest.raises((ValueError, RootAccessError)):
                parse()


def test_the_command_line_finds_each_role_that_opens_root_sessions(everything: Synthesized) -> None:
    outputs = {
        key: text_with_references(output["Value"])
        for key, output in everything.template["Outputs"].items()
    }
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    found = list(
        deployment._deployments([{"StackName": "Roots", "StackId": "arn", "Outputs": listed}])
    )
    opening = {
        policy["Properties"]["Roles"][0]["Ref"]
        for policy in resources_of_type(everything.template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRoot")
    }
    # That of audits, two of plans that read policies, and one for each task that acts.
    assert len(opening) == 7
    assert {arn for one in found for arn in one.session_role_arns} == {
        f"${{{role}.Arn}}" for role in opening
    }
