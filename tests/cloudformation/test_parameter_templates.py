"""The templates with parameters: with any values, they deploy what the constructs do."""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Duration, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from botocore.exceptions import ClientError

from centralized_root_access import (
    CentralizedRootAccess,
    RootAccessFeature,
    RootTask,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)
from cloudformation.templates import TEMPLATES
from support.accounts import MEMBER, OTHER, THIRD
from support.apps import ROOT
from support.arrange import enable_root_access
from support.processes import run, run_successfully
from support.template_values import final_sections
from support.templates import bootstrap_stack, resources
from support.templates import template as synthesized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local_aws.services import LocalAws

ACCOUNT = "111111111111"
EVENTS, OTHER_REGION = "us-east-1", "eu-west-1"
pytestmark = pytest.mark.slow

# CDK writes each dependency by its name, whether or not a reference implies it.
CDK_STYLE = "W3005"
# It tries the default of NotificationTopicArn even if a condition says that there is a topic.
NOT_EVERY_CASE = "W1030"
TOPIC = f"arn:aws:sns:{{}}:{ACCOUNT}:security-news"
KEY = f"arn:aws:kms:{{}}:{ACCOUNT}:key/0d990263-018e-4e65-a703-eff731de951e"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
ROLES = f"arn:aws:iam::{MEMBER}:role/centralized-root-access/*"
CREDENTIALS, SESSIONS = RootAccessFeature
STACK = "RootAccess"
ACCOUNTS: dict[str, list[str]] = {"": [], MEMBER: [MEMBER], f"{MEMBER},{OTHER}": [MEMBER, OTHER]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make template` writes."""
    output = tmp_path_factory.mktemp("template")
    run_successfully(sys.executable, "-m", "cloudformation", "--output", output, cwd=ROOT)
    return output


def template(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.template.json").read_text())
    return found


# Each parameter: its values, and what the construct is given for each.
SWITCH: dict[str, Any] = {"true": True, "false": False}
HOURS: dict[str, Any] = {"1 hour": 1, "6 hours": 6, "12 hours": 12, "1 day": 24}
UNLOCK = [RootTask.UNLOCK_BUCKET_POLICY, RootTask.UNLOCK_QUEUE_POLICY]
DELETE, RECOVER = RootTask.DELETE_CREDENTIALS, RootTask.ALLOW_PASSWORD_RECOVERY
OPERATION: dict[str, dict[str, Any]] = {
    "NotificationTopicArn": {"none": False, "topic": True},
    "KmsKeyArn": {"none": False, "key": True},
    "LogRetentionDays": {"365": "ONE_YEAR", "30": "ONE_MONTH"},
    "PermissionsBoundaryArn": {"none": None, BOUNDARY: BOUNDARY},
}
BOTH = "RootCredentialsManagement,RootSessions"
VALUES: dict[str, dict[str, dict[str, Any]]] = {
    "root-access": {
        "Features": {
            BOTH: [CREDENTIALS, SESSIONS],
            "RootCredentialsManagement": [CREDENTIALS],
            "RootSessions": [SESSIONS],
            "none": [],
        },
        "DelegatedAdministrators": {
            "unmanaged": None,
            "none": [],
            MEMBER: [MEMBER],
            f"{MEMBER},{OTHER}": [MEMBER, OTHER],
        },
        "Repair": SWITCH,
        "region": {EVENTS: EVENTS, OTHER_REGION: OTHER_REGION},
        **OPERATION,
    },
    "root-tasks": {
        "Tasks": {
            "audit": [RootTask.AUDIT],
            "audit,delete": [RootTask.AUDIT, DELETE],
            "audit,recover": [RootTask.AUDIT, RECOVER],
            "audit,unlock": [RootTask.AUDIT, *UNLOCK],
            "audit,delete,recover": [RootTask.AUDIT, DELETE, RECOVER],
            "audit,delete,unlock": [RootTask.AUDIT, DELETE, *UNLOCK],
            "audit,recover,unlock": [RootTask.AUDIT, RECOVER, *UNLOCK],
            "audit,delete,recover,unlock": list(RootTask),
        },
        "ProtectedAccounts": ACCOUNTS,
        "AuditInterval": {"never": None, **HOURS},
        "AuditNewAccounts": SWITCH,
        "SecurityHubFindings": SWITCH,
        "PlanLifetime": HOURS,
        **OPERATION,
    },
    "root-user-guardrail": {
        "Targets": {
            "ou-a1b2-c3d4e5f6": ["ou-a1b2-c3d4e5f6"],
            f"{OTHER},ou-a1b2-c3d4e5f6": ["ou-a1b2-c3d4e5f6", OTHER],
        },
        "ExemptAccounts": {"": [], MEMBER: [MEMBER]},
    },
    "root-use-alarm": {
        "TrailLogGroup": {"trail": "trail"},
        "AllowedRoleArn": {"none": None, ROLES: ROLES},
        "NotificationTopicArn": OPERATION["NotificationTopicArn"],
    },
}


def add_root_access(stack: Stack, given: Mapping[str, Any], topic: sns.ITopic | None) -> None:
    root_access = CentralizedRootAccess(
        stack,
        "RootAccess",
        features=given["Features"],
        delegated_administrators=given["DelegatedAdministrators"],
        **operation(stack, given),
    )
    root_access.add_drift_check(repair=given["Repair"], notification_topic=topic)


def add_root_tasks(stack: Stack, given: Mapping[str, Any], topic: sns.ITopic | None) -> None:
    hours = given["AuditInterval"]
    RootTasks(
        stack,
        "RootTasks",
        tasks=given["Tasks"],
        protected_accounts=given["ProtectedAccounts"],
        audit_interval=None if hours is None else Duration.hours(hours),
        audit_new_accounts=given["AuditNewAccounts"],
        security_hub_findings=given["SecurityHubFindings"],
        plan_lifetime=Duration.hours(given["PlanLifetime"]),
        notification_topic=topic,
        **operation(stack, given),
    )


def add_guardrail(stack: Stack, given: Mapping[str, Any], topic: sns.ITopic | None) -> None:
    del topic
    RootUserGuardrail(
        stack, "RootUserGuardrail", targets=given["Targets"], exempt_accounts=given["ExemptAccounts"]
    )


def add_root_use_alarm(stack: Stack, given: Mapping[str, Any], topic: sns.ITopic | None) -> None:
    RootUseAlarm(
        stack,
        "RootUse",
        trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", given["TrailLogGroup"]),
        allowed_roles=[
            iam.Role.from_role_arn(stack, "Role", arn) for arn in [given["AllowedRoleArn"]] if arn
        ],
        notification_topic=topic,
    )


ADD: dict[str, Callable[[Stack, Mapping[str, Any], sns.ITopic | None], None]] = {
    "root-access": add_root_access,
    "root-tasks": add_root_tasks,
    "root-user-guardrail": add_guardrail,
    "root-use-alarm": add_root_use_alarm,
}


def operation(stack: Stack, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are the same for both constructs with functions."""
    if given["PermissionsBoundaryArn"]:
        boundary = iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", BOUNDARY)
        iam.PermissionsBoundary.of(stack).apply(boundary)
    key = kms.Key.from_key_arn(stack, "Key", KEY.format(stack.region)) if given["KmsKeyArn"] else None
    return {
        "encryption_key": key,
        "log_retention": getattr(logs.RetentionDays, given["LogRetentionDays"]),
    }


def pairs(name: str) -> Iterator[dict[str, str]]:
    """Yield values of a template's parameters: each pair of values of two parameters occurs together."""
    values = VALUES[name]
    factors = {(one, two) for one, two in itertools.combinations(values, 2)}
    missing = {((one, a), (two, b)) for one, two in factors for a in values[one] for b in values[two]}
    missing -= {pair for pair in missing if not is_allowed(dict(pair))}
    while missing:
        row = dict(min(missing))
        for parameter in [name for name in values if name not in row]:
            rows = [{**row, parameter: value} for value in values[parameter]]
            row = max(
                filter(is_allowed, rows), key=lambda row: len(missing.intersection(pairs_of(row, values)))
            )
        missing -= set(pairs_of(row, values))
        yield {parameter: row[parameter] for parameter in values}


def is_allowed(row: Mapping[str, str]) -> bool:
    """Return whether CloudFormation accepts the values: audits of new accounts need a topic."""
    return (row.get("AuditNewAccounts"), row.get("NotificationTopicArn")) != ("true", "none")


def pairs_of(row: Mapping[str, str], values: Mapping[str, object]) -> Iterator[Any]:
    return itertools.combinations(((name, row[name]) for name in values if name in row), 2)


def with_single_values(sections: dict[str, Any]) -> Any:
    """Return the same in the form that the CDK has for a list of one, and without the functions' code."""
    for function in resources(sections, "AWS::Lambda::Function").values():
        del function["Properties"]["Code"]
    text = json.dumps(sections, sort_keys=True)
    text = re.sub(r'"(Resource|aws:PrincipalAccount)": \[("[^"]*")\]', r'"\1": \2', text)
    return json.loads(re.sub(r'\{\\"Or\\":\[\{([^{}]*)\}\],', r"{\1,", text))


@pytest.mark.parametrize(
    ("name", "row"),
    [
        pytest.param(name, row, id=f"{name}-{number}")
        for name in VALUES
        for number, row in enumerate(pairs(name))
    ],
)
def test_a_template_deploys_what_the_construct_does(folder: Path, name: str, row: dict[str, str]) -> None:
    given = {parameter: VALUES[name][parameter][value] for parameter, value in row.items()}
    region = row.get("region", EVENTS)
    stack = bootstrap_stack(env=Environment(region=region))
    arn = TOPIC.format(region)
    notifies = given.get("NotificationTopicArn", False)
    ADD[name](stack, given, sns.Topic.from_topic_arn(stack, "Topic", arn) if notifies else None)
    parameters: dict[str, Any] = {**row, "CodeBucket": "code", "AWS::StackName": stack.stack_name}
    if "LogRetentionDays" in row:
        parameters["LogRetentionDays"] = int(row["LogRetentionDays"])
    if notifies:
        parameters["NotificationTopicArn"] = arn
    if given.get("KmsKeyArn"):
        parameters["KmsKeyArn"] = KEY.format(region)
    found = final_sections(template(folder, name), parameters, region=region, account_id=ACCOUNT)
    expected = final_sections(synthesized(stack), {}, region=region, account_id=ACCOUNT)
    expected.setdefault("Outputs", {})
    assert with_single_values(found) == with_single_values(expected)


def test_every_value_that_a_parameter_allows_is_compared() -> None:
    code = {"CodeBucket", "CodePrefix"}
    for template_ in TEMPLATES:
        values = VALUES[template_.name]
        assert template_.parameters.keys() - code == values.keys() - {"region"}
        for name, parameter in template_.parameters.items():
            if parameter["Type"] == "String" and "AllowedValues" in parameter:
                assert set(parameter["AllowedValues"]) == set(values[name]), name


def test_the_defaults_are_those_of_the_constructs(folder: Path) -> None:
    operation = {
        "NotificationTopicArn": "none",
        "KmsKeyArn": "none",
        "LogRetentionDays": 365,
        "PermissionsBoundaryArn": "none",
    }
    expected: dict[str, dict[str, Any]] = {
        "root-access": {
            "CodePrefix": "",
            "Features": BOTH,
            "DelegatedAdministrators": "unmanaged",
            "Repair": "false",
            **operation,
        },
        "root-tasks": {
            "CodePrefix": "",
            "Tasks": "audit",
            "ProtectedAccounts": "",
            "AuditInterval": "never",
            "AuditNewAccounts": "false",
            "SecurityHubFindings": "false",
            "PlanLifetime": "1 day",
            **operation,
        },
        "root-user-guardrail": {"ExemptAccounts": ""},
        "root-use-alarm": {"AllowedRoleArn": "none", "NotificationTopicArn": "none"},
    }
    for name, defaults in expected.items():
        parameters = template(folder, name)["Parameters"].items()
        assert {key: value["Default"] for key, value in parameters if "Default" in value} == defaults


def test_every_file_has_its_checksum(folder: Path) -> None:
    names = {file.name for file in folder.iterdir()} - {"SHA256SUMS"}
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert {line.partition("  ")[2] for line in lines} == names
    run_successfully("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=folder)


def test_lambda_may_read_the_code_in_each_zip_file(folder: Path) -> None:
    for archive in folder.glob("*.zip"):
        with zipfile.ZipFile(archive) as zipped:
            assert {entry.external_attr >> 16 for entry in zipped.infolist()} == {0o644}
            assert {entry.date_time for entry in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_only_root_tasks_need_a_bucket_for_their_template(folder: Path) -> None:
    large = {file.name for file in folder.glob("*.template.json") if file.stat().st_size > 51_200}
    assert large == {"root-tasks.template.json"}


@pytest.mark.parametrize("name", list(VALUES))
def test_cfn_lint_finds_nothing(folder: Path, name: str) -> None:
    lint = run(
        Path(sys.executable).with_name("cfn-lint"),
        *("--ignore-checks", CDK_STYLE, NOT_EVERY_CASE),
        *("--template", folder / f"{name}.template.json"),
    )
    assert (lint.returncode, lint.stdout) == (0, "")


def upload(aws: LocalAws, folder: Path) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    for file in folder.iterdir():
        key = f"releases/1/{file.name}" if file.suffix == ".zip" else file.name
        s3.put_object(Bucket="code", Key=key, Body=file.read_bytes())


def deploy(aws: LocalAws, name: str, action: str = "create", **parameters: str) -> dict[str, str]:
    """Create or update the stack, and return its outputs."""
    cloudformation = aws.client("cloudformation")
    code = {} if name.startswith("root-use") else {"CodeBucket": "code", "CodePrefix": "releases/1/"}
    given = {**code, **parameters}
    getattr(cloudformation, f"{action}_stack")(
        StackName=STACK,
        TemplateURL=f"{aws.addresses.aws_url}/code/{name}.template.json",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter(f"stack_{action}_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_root_access_is_enabled_and_updated_as_the_parameters_say(local_aws: LocalAws, folder: Path) -> None:
    upload(local_aws, folder)
    status = json.loads(deploy(local_aws, "root-access")["RootAccessStatus"])
    assert (status["status"], status["delegatedAdministrators"]) == ("ENABLED", [])
    deploy(
        local_aws,
        "root-access",
        "update",
        Features="RootCredentialsManagement",
        DelegatedAdministrators=f"{MEMBER},{OTHER}",
        Repair="true",
    )
    root_access_now = local_aws.organization.root_access()
    assert root_access_now.features == {"RootCredentialsManagement"}
    assert set(root_access_now.delegated_administrators) == {MEMBER, OTHER}
    deploy(local_aws, "root-access", "update", Features="none", DelegatedAdministrators="none")
    root_access_now = local_aws.organization.root_access()
    assert not root_access_now.features
    assert not root_access_now.delegated_administrators


def test_root_tasks_audit_every_account_and_plan_nothing_in_protected_ones(
    local_aws: LocalAws, folder: Path
) -> None:
    enable_root_access(local_aws.organization, CREDENTIALS, SESSIONS)
    upload(local_aws, folder)
    outputs = deploy(local_aws, "root-tasks", Tasks="audit,delete", ProtectedAccounts=f"{MEMBER},{OTHER}")
    assert set(outputs) == {
        "RootTasksAuditStateMachineArn",
        "RootTasksExecuteStateMachineArn",
        "RootTasksReportLocation",
    }
    arn = outputs["RootTasksAuditStateMachineArn"]
    assert totals_of(local_aws, arn, {}) == {"clean": 3, "skipped": 1}
    plan = {"task": DELETE, "accounts": [MEMBER, OTHER, THIRD]}
    assert totals_of(local_aws, arn, plan) == {"nothing to do": 1, "skipped": 2}


def totals_of(aws: LocalAws, state_machine: str, input_: dict[str, Any]) -> dict[str, int]:
    """Run an execution, and return how many accounts have which outcome."""
    stepfunctions = aws.client("stepfunctions")
    arn = stepfunctions.start_execution(stateMachineArn=state_machine, input=json.dumps(input_))[
        "executionArn"
    ]
    deadline = time.monotonic() + 60
    while (execution := stepfunctions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "totals" in json.loads(execution["output"]), execution
    totals: dict[str, int] = json.loads(execution["output"])["totals"]
    return totals


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("root-access", {"CodeBucket": "Not_A_Bucket"}, "must be the name of an S3 bucket."),
        (
            "root-access",
            {"CodePrefix": "releases"},
            "must be empty, or end with a slash, such as releases/0.1.0/.",
        ),
        (
            "root-access",
            {"DelegatedAdministrators": "2222"},
            "must be unmanaged, none, or account IDs of 12 digits",
        ),
        (
            "root-access",
            {"DelegatedAdministrators": f"{MEMBER}, {OTHER}"},
            "separated by commas without spaces.",
        ),
        (
            "root-access",
            {"NotificationTopicArn": f"{TOPIC.format(EVENTS)}.fifo"},
            "topic that is not a FIFO topic.",
        ),
        ("root-access", {"NotificationTopicArn": ""}, "must be none, or the ARN of an SNS topic"),
        ("root-access", {"KmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"}, "an alias is not one."),
        ("root-access", {"LogRetentionDays": "31"}, "LogRetentionDays"),
        (
            "root-access",
            {"PermissionsBoundaryArn": "boundary"},
            "must be none, or the ARN of a managed policy.",
        ),
        ("root-access", {"Repair": "yes"}, "Repair"),
        ("root-access", {"Features": "Everything"}, "Features"),
        (
            "root-tasks",
            {"ProtectedAccounts": ",".join([MEMBER] * 201)},
            "must be empty, or at most 200 account IDs",
        ),
        ("root-tasks", {"AuditInterval": "2 days"}, "AuditInterval"),
        ("root-tasks", {"PlanLifetime": "2 days"}, "PlanLifetime"),
        ("root-tasks", {"Tasks": "everything"}, "Tasks"),
        ("root-user-guardrail", {"Targets": "r-ab12"}, "must be IDs of organizational units or accounts"),
        ("root-use-alarm", {"AllowedRoleArn": "*"}, "must be none, or the ARN of a role"),
    ],
)
def test_cloudformation_refuses_a_value_with_a_sentence(
    local_aws: LocalAws, folder: Path, name: str, parameters: dict[str, str], sentence: str
) -> None:
    upload(local_aws, folder)
    given = {**({"TrailLogGroup": "trail"} if name == "root-use-alarm" else {}), **parameters}
    with pytest.raises(ClientError, match=re.escape(sentence)) as refused:
        deploy(local_aws, name, **given)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize("name", list(VALUES))
def test_cloudformation_refuses_the_china_regions(folder: Path, name: str) -> None:
    in_china = {"Fn::Contains": [["cn-north-1", "cn-northwest-1"], {"Ref": "AWS::Region"}]}
    (rule,) = template(folder, name)["Rules"]["OfferedInRegion"]["Assertions"]
    assert rule["Assert"] == {"Fn::Not": [in_china]}


def test_new_accounts_are_audited_only_where_their_events_arrive(folder: Path) -> None:
    rules = template(folder, "root-tasks")["Rules"]["NewAccounts"]["Assertions"]
    (in_region,) = [rule for rule in rules if "us-east-1" in rule["AssertDescription"]]
    assert in_region["Assert"] == {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
