"""The templates with parameters: whatever their values, they deploy what the constructs do."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Duration, Environment, Stack
from aws_cdk import aws_sns as sns
from botocore.exceptions import ClientError

from centralized_root_access import CentralizedRootAccess, RootAccessFeature, RootTask, RootTasks
from cloudformation.build import Package
from support.accounts import MEMBER, OTHER
from support.apps import ROOT
from support.arrange import enable_root_access
from support.processes import run, run_successfully
from support.template_values import final_sections
from support.templates import bootstrap_stack, resources
from support.templates import template as synthesized

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_aws.services import LocalAws

ACCOUNT = "111111111111"
EVENTS, OTHER_REGION = "us-east-1", "eu-west-1"
pytestmark = pytest.mark.slow

# CDK writes each dependency by its name, whether or not a reference implies it.
CDK_STYLE = "W3005"
# It tries the default of NotificationTopicArn also where a condition says that there is a topic.
NOT_EVERY_CASE = "W1030"
TOPIC = f"arn:aws:sns:{{}}:{ACCOUNT}:security-news"
CREDENTIALS, SESSIONS = RootAccessFeature
STACK = "RootAccess"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make template` writes."""
    output = tmp_path_factory.mktemp("template")
    run_successfully(sys.executable, "-m", "cloudformation", "--output", output, cwd=ROOT)
    return output


@pytest.fixture(scope="module")
def root_access(folder: Path) -> Package:
    return package_of(folder, "root-access")


@pytest.fixture(scope="module")
def root_tasks(folder: Path) -> Package:
    return package_of(folder, "root-tasks")


def package_of(folder: Path, name: str) -> Package:
    return Package(template=folder / f"{name}.template.json", archives=tuple(folder.glob("*.zip")))


def template(package: Package) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(package.template.read_text())
    return found


def without_code(sections: dict[str, Any]) -> dict[str, Any]:
    for function in resources(sections, "AWS::Lambda::Function").values():
        del function["Properties"]["Code"]
    return sections


def with_single_values(sections: dict[str, Any]) -> Any:
    """Return the same in the form that the CDK has for a list of one."""
    text = json.dumps(without_code(sections), sort_keys=True)
    text = re.sub(r'"Resource": \[("[^"]*")\]', r'"Resource": \1', text)
    return json.loads(re.sub(r'\{\\"Or\\":\[\{([^{}]*)\}\],', r"{\1,", text))


def assert_same(package: Package, parameters: Mapping[str, str], stack: Stack, *, region: str) -> None:
    """Compare the template for some parameters with that of a stack with the construct."""
    given = {"CodeBucket": "code", "NotificationTopicArn": "none", **parameters}
    found = final_sections(template(package), given, region=region, account_id=ACCOUNT)
    expected = final_sections(synthesized(stack), {}, region=region, account_id=ACCOUNT)
    assert with_single_values(found) == with_single_values(expected)


def topic(stack: Stack, *, notifies: bool, region: str) -> tuple[sns.ITopic | None, dict[str, str]]:
    """Return the construct's argument, and the template's parameter."""
    if not notifies:
        return None, {}
    arn = TOPIC.format(region)
    return sns.Topic.from_topic_arn(stack, "Topic", arn), {"NotificationTopicArn": arn}


BOTH = "RootCredentialsManagement,RootSessions"
FEATURES: dict[str, list[Any]] = {
    BOTH: [CREDENTIALS, SESSIONS],
    "RootCredentialsManagement": [CREDENTIALS],
    "RootSessions": [SESSIONS],
    "none": [],
}
DELEGATES = {"unmanaged": None, "none": [], MEMBER: [MEMBER], f"{MEMBER},{OTHER}": [MEMBER, OTHER]}


@pytest.mark.parametrize(
    ("features", "delegates", "region", "repair", "notifies"),
    [
        (BOTH, "unmanaged", EVENTS, False, False),
        (BOTH, f"{MEMBER},{OTHER}", EVENTS, True, True),
        (BOTH, MEMBER, OTHER_REGION, False, True),
        ("RootCredentialsManagement", "none", OTHER_REGION, True, False),
        ("RootCredentialsManagement", f"{MEMBER},{OTHER}", EVENTS, False, False),
        ("RootSessions", "unmanaged", EVENTS, True, True),
        ("RootSessions", MEMBER, OTHER_REGION, True, False),
        ("none", "none", EVENTS, False, True),
        ("none", "unmanaged", OTHER_REGION, True, True),
    ],
)
def test_root_access_is_what_the_construct_deploys(
    root_access: Package, features: str, delegates: str, region: str, repair: bool, notifies: bool
) -> None:
    stack = bootstrap_stack(env=Environment(region=region))
    construct = CentralizedRootAccess(
        stack, "RootAccess", features=FEATURES[features], delegated_administrators=DELEGATES[delegates]
    )
    notification_topic, parameters = topic(stack, notifies=notifies, region=region)
    construct.add_drift_check(repair=repair, notification_topic=notification_topic)
    parameters |= {
        "Features": features,
        "DelegatedAdministrators": delegates,
        "Repair": "true" if repair else "false",
    }
    assert_same(root_access, parameters, stack, region=region)


UNLOCK = [RootTask.UNLOCK_BUCKET_POLICY, RootTask.UNLOCK_QUEUE_POLICY]
DELETE, RECOVER = RootTask.DELETE_CREDENTIALS, RootTask.ALLOW_PASSWORD_RECOVERY
TASKS = {
    "audit": [RootTask.AUDIT],
    "audit,delete": [RootTask.AUDIT, DELETE],
    "audit,recover": [RootTask.AUDIT, RECOVER],
    "audit,unlock": [RootTask.AUDIT, *UNLOCK],
    "audit,delete,recover": [RootTask.AUDIT, DELETE, RECOVER],
    "audit,delete,unlock": [RootTask.AUDIT, DELETE, *UNLOCK],
    "audit,recover,unlock": [RootTask.AUDIT, RECOVER, *UNLOCK],
    "audit,delete,recover,unlock": list(RootTask),
}
INTERVALS = {"never": None, "1 hour": 1, "6 hours": 6, "12 hours": 12, "1 day": 24}


@pytest.mark.parametrize(
    ("tasks", "protected", "interval", "notifies", "new_accounts", "findings"),
    [
        ("audit", "", "never", False, False, False),
        ("audit", MEMBER, "1 day", True, True, True),
        ("audit,delete", f"{MEMBER},{OTHER}", "1 hour", True, False, True),
        ("audit,delete", "", "6 hours", False, False, False),
        ("audit,recover", MEMBER, "12 hours", False, False, False),
        ("audit,unlock", f"{MEMBER},{OTHER}", "never", True, True, True),
        ("audit,delete,unlock", MEMBER, "1 hour", False, False, True),
        ("audit,recover,unlock", "", "1 day", True, False, False),
        ("audit,delete,recover", f"{MEMBER},{OTHER}", "12 hours", True, True, False),
        ("audit,delete,recover", MEMBER, "never", False, False, True),
        ("audit,delete,recover,unlock", "", "never", True, True, False),
        ("audit,delete,recover,unlock", f"{MEMBER},{OTHER}", "1 day", True, False, True),
    ],
)
def test_root_tasks_are_what_the_construct_deploys(
    root_tasks: Package,
    tasks: str,
    protected: str,
    interval: str,
    notifies: bool,
    new_accounts: bool,
    findings: bool,
) -> None:
    stack = bootstrap_stack(env=Environment(region=EVENTS))
    notification_topic, parameters = topic(stack, notifies=notifies, region=EVENTS)
    hours = INTERVALS[interval]
    RootTasks(
        stack,
        "RootTasks",
        tasks=TASKS[tasks],
        protected_accounts=protected.split(",") if protected else [],
        audit_interval=None if hours is None else Duration.hours(hours),
        audit_new_accounts=new_accounts,
        security_hub_findings=findings,
        notification_topic=notification_topic,
    )
    parameters |= {
        "Tasks": tasks,
        "ProtectedAccounts": protected,
        "AuditInterval": interval,
        "AuditNewAccounts": "true" if new_accounts else "false",
        "SecurityHubFindings": "true" if findings else "false",
    }
    assert_same(root_tasks, parameters, stack, region=EVENTS)


def test_every_value_that_a_parameter_allows_is_compared(root_access: Package, root_tasks: Package) -> None:
    for package, tried in (
        (root_access, {"Features": [*FEATURES]}),
        (root_tasks, {"Tasks": [*TASKS], "AuditInterval": [*INTERVALS]}),
    ):
        allowed = {
            name: parameter["AllowedValues"]
            for name, parameter in template(package)["Parameters"].items()
            if parameter.get("AllowedValues", ["true", "false"]) != ["true", "false"]
        }
        assert allowed == tried


def test_what_is_not_given_is_as_the_constructs_have_it(root_access: Package, root_tasks: Package) -> None:
    for package, defaults in (
        (root_access, {"Features": BOTH, "DelegatedAdministrators": "unmanaged", "Repair": "false"}),
        (
            root_tasks,
            {
                "Tasks": "audit",
                "ProtectedAccounts": "",
                "AuditInterval": "never",
                "AuditNewAccounts": "false",
                "SecurityHubFindings": "false",
            },
        ),
    ):
        parameters = template(package)["Parameters"].items()
        found = {name: parameter["Default"] for name, parameter in parameters if "Default" in parameter}
        assert found == {"CodePrefix": "", "NotificationTopicArn": "none", **defaults}


def test_every_file_has_its_checksum(folder: Path) -> None:
    names = {file.name for file in folder.iterdir()} - {"SHA256SUMS"}
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert {line.partition("  ")[2] for line in lines} == names
    run_successfully("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=folder)


def test_root_access_is_deployed_without_a_bucket_for_its_template(root_access: Package) -> None:
    assert root_access.template.stat().st_size <= 51_200


def test_cfn_lint_finds_nothing(root_access: Package, root_tasks: Package) -> None:
    for package, ignored in ((root_access, (CDK_STYLE,)), (root_tasks, (CDK_STYLE, NOT_EVERY_CASE))):
        lint = run(
            Path(sys.executable).with_name("cfn-lint"),
            "--ignore-checks",
            *ignored,
            "--template",
            package.template,
        )
        assert (lint.returncode, lint.stdout) == (0, "")


def upload(aws: LocalAws, package: Package) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key=package.template.name, Body=package.template.read_bytes())
    for archive in package.archives:
        s3.put_object(Bucket="code", Key=f"releases/1/{archive.name}", Body=archive.read_bytes())


def deploy(aws: LocalAws, package: Package, action: str = "create", **parameters: str) -> dict[str, str]:
    """Create or update the stack, and return its outputs."""
    cloudformation = aws.client("cloudformation")
    given = {"CodeBucket": "code", "CodePrefix": "releases/1/", **parameters}
    getattr(cloudformation, f"{action}_stack")(
        StackName=STACK,
        TemplateURL=f"{aws.addresses.aws_url}/code/{package.template.name}",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter(f"stack_{action}_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_root_access_is_enabled_and_updated_as_the_parameters_say(
    local_aws: LocalAws, root_access: Package
) -> None:
    upload(local_aws, root_access)
    status = json.loads(deploy(local_aws, root_access)["RootAccessStatus"])
    assert (status["status"], status["delegatedAdministrators"]) == ("ENABLED", [])
    deploy(
        local_aws,
        root_access,
        "update",
        Features="RootCredentialsManagement",
        DelegatedAdministrators=f"{MEMBER},{OTHER}",
        Repair="true",
    )
    root_access_now = local_aws.organization.root_access()
    assert root_access_now.features == {"RootCredentialsManagement"}
    assert set(root_access_now.delegated_administrators) == {MEMBER, OTHER}
    deploy(local_aws, root_access, "update", Features="none", DelegatedAdministrators="none")
    root_access_now = local_aws.organization.root_access()
    assert not root_access_now.features
    assert not root_access_now.delegated_administrators


def test_root_tasks_audit_and_leave_out_the_protected_accounts(
    local_aws: LocalAws, root_tasks: Package
) -> None:
    enable_root_access(local_aws.organization, CREDENTIALS, SESSIONS)
    upload(local_aws, root_tasks)
    outputs = deploy(local_aws, root_tasks, Tasks="audit,delete", ProtectedAccounts=f"{MEMBER},{OTHER}")
    assert set(outputs) == {
        "RootTasksAuditStateMachineArn",
        "RootTasksExecuteStateMachineArn",
        "RootTasksReportLocation",
    }
    totals = audit(local_aws, outputs["RootTasksAuditStateMachineArn"])
    assert totals == {"clean": 1, "skipped": 3}


def audit(aws: LocalAws, state_machine: str) -> dict[str, int]:
    """Run an audit, and return how many accounts have which outcome."""
    stepfunctions = aws.client("stepfunctions")
    arn = stepfunctions.start_execution(stateMachineArn=state_machine, input="{}")["executionArn"]
    deadline = time.monotonic() + 60
    while (execution := stepfunctions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "totals" in json.loads(execution["output"]), execution
    totals: dict[str, int] = json.loads(execution["output"])["totals"]
    return totals


def assert_refused(local_aws: LocalAws, package: Package, parameters: dict[str, str], sentence: str) -> None:
    """CloudFormation refuses the parameters of a template with a sentence."""
    upload(local_aws, package)
    with pytest.raises(ClientError, match=re.escape(sentence)) as refused:
        deploy(local_aws, package, **parameters)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"CodeBucket": "Not_A_Bucket"}, "must be the name of an S3 bucket."),
        ({"CodePrefix": "releases"}, "must be empty, or end with a slash, such as releases/0.1.0/."),
        ({"DelegatedAdministrators": "2222"}, "must be unmanaged, none, or account IDs of 12 digits"),
        ({"DelegatedAdministrators": f"{MEMBER}, {OTHER}"}, "separated by commas without spaces."),
        ({"NotificationTopicArn": f"{TOPIC.format(EVENTS)}.fifo"}, "an SNS topic that is not a FIFO topic."),
        ({"NotificationTopicArn": ""}, "must be none, or the ARN of an SNS topic"),
        ({"Repair": "yes"}, "Repair"),
        ({"Features": "Everything"}, "Features"),
    ],
)
def test_cloudformation_refuses_a_value_that_root_access_cannot_have(
    local_aws: LocalAws, root_access: Package, parameters: dict[str, str], sentence: str
) -> None:
    assert_refused(local_aws, root_access, parameters, sentence)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"AuditNewAccounts": "true"}, "AuditNewAccounts publishes what it finds. Set NotificationTopicArn."),
        ({"ProtectedAccounts": ",".join([MEMBER] * 201)}, "at most 200 account IDs of 12 digits"),
        ({"AuditInterval": "2 days"}, "AuditInterval"),
        ({"Tasks": "everything"}, "Tasks"),
    ],
)
def test_cloudformation_refuses_a_value_that_root_tasks_cannot_have(
    local_aws: LocalAws, root_tasks: Package, parameters: dict[str, str], sentence: str
) -> None:
    assert_refused(local_aws, root_tasks, parameters, sentence)


def test_cloudformation_refuses_the_china_regions(root_access: Package, root_tasks: Package) -> None:
    in_china = {"Fn::Contains": [["cn-north-1", "cn-northwest-1"], {"Ref": "AWS::Region"}]}
    for package in (root_access, root_tasks):
        (rule,) = template(package)["Rules"]["OfferedInRegion"]["Assertions"]
        assert rule["Assert"] == {"Fn::Not": [in_china]}


def test_new_accounts_are_audited_only_where_their_events_arrive(root_tasks: Package) -> None:
    rules = template(root_tasks)["Rules"]["NewAccounts"]["Assertions"]
    (in_region,) = [rule for rule in rules if "us-east-1" in rule["AssertDescription"]]
    assert in_region["Assert"] == {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
