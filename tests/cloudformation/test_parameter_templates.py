"""The templates with parameters: with any values, they deploy what the constructs do."""

import itertools
import json
import re
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Duration, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    CentralizedRootAccess,
    RootAccessFeature,
    RootSessionGuardrail,
    RootTask,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)
from cloudformation.templates import TEMPLATES
from local_aws.services import LocalAws
from support.accounts import MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.apps import REPOSITORY, synthesize
from support.arrange import enable_root_access
from support.processes import run_process, run_successfully
from support.template_values import resolved_sections
from support.templates import arguments_in_stack, bootstrap_stack, resources_of_type
from support.templates import template_of as synthesized

ACCOUNT = "111111111111"
REGION_OF_EVENTS, OTHER_REGION = "us-east-1", "eu-west-1"
pytestmark = pytest.mark.slow

# The rules of cfn-lint that are ignored.
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
BOOTSTRAP = "OrganizationBootstrap"
UNIT = "ou-a1b2-c3d4e5f6"
# The groups of tasks that make changes, as the parameter Tasks has them.
WITH_CHANGES = {
    "delete": [RootTask.DELETE],
    "recover": [RootTask.RECOVER],
    "unlock-bucket,unlock-queue": [RootTask.UNLOCK_BUCKET, RootTask.UNLOCK_QUEUE],
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release, with what `make template` writes."""
    output = tmp_path_factory.mktemp("template")
    run_successfully(sys.executable, "-m", "cloudformation", "--output", output, cwd=REPOSITORY)
    return output


def written_template(release: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / f"{name}.template.json").read_text())
    return found


def switch(argument: str) -> dict[str, dict[str, Any]]:
    """Return the arguments for the values of a parameter that is true or false."""
    return {"true": {argument: True}, "false": {argument: False}}


# The arguments for the values of a parameter that every template with alarms has.
TOPICS: dict[str, dict[str, Any]] = {
    "none": {},
    "topic": {"notification_topic": lambda stack: imported_topic(stack)},
}
OPERATION: dict[str, dict[str, dict[str, Any]]] = {
    "NotificationTopicArn": TOPICS,
    "KmsKeyArn": {
        "none": {},
        "key": {
            "encryption_key": lambda stack: kms.Key.from_key_arn(
                stack, "Key", KEY.format(stack.region)
            )
        },
    },
    "LogRetentionDays": {"365": {}, "30": {"log_retention": logs.RetentionDays.ONE_MONTH}},
    "PermissionsBoundaryArn": {"none": {}, BOUNDARY: {"boundary": True}},
}
BOTH = "RootCredentialsManagement,RootSessions"
# By template and parameter: the values to compare, and the construct's arguments for each. A
# function among the arguments is given the stack.
VALUES: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "root-access": {
        "Features": {
            BOTH: {},
            "RootCredentialsManagement": {"features": [CREDENTIALS]},
            "RootSessions": {"features": [SESSIONS]},
            "none": {"features": []},
        },
        "DelegatedAdministrators": {
            "unmanaged": {},
            "none": {"delegated_administrators": []},
            MEMBER: {"delegated_administrators": [MEMBER]},
            f"{MEMBER},{OTHER_MEMBER}": {"delegated_administrators": [MEMBER, OTHER_MEMBER]},
        },
        "Repair": switch("repair"),
        "region": {REGION_OF_EVENTS: {}, OTHER_REGION: {}},
        **OPERATION,
    },
    "root-tasks": {
        "Tasks": {
            ",".join(("audit", *names)): {
                "tasks": [RootTask.AUDIT, *(task for n in names for task in WITH_CHANGES[n])]
            }
            for number in range(4)
            for names in itertools.combinations(WITH_CHANGES, number)
        },
        "ProtectedAccounts": {
            accounts: {"protected_accounts": accounts.split(",") if accounts else []}
            for accounts in ("", MEMBER, f"{MEMBER},{OTHER_MEMBER}")
        },
        "AuditInterval": {"never": {}, "1 day": {"audit_interval": Duration.days(1)}},
        "SecurityHubFindings": switch("security_hub_findings"),
        **OPERATION,
    },
    "root-user-guardrail": {
        "Targets": {
            targets: {"targets": targets.split(",")} for targets in (UNIT, f"{OTHER_MEMBER},{UNIT}")
        },
        "ExemptAccounts": {"": {}, MEMBER: {"exempt_accounts": [MEMBER]}},
    },
    "root-session-guardrail": {
        "SessionRoleArns": {
            roles: {"session_roles": roles.split(",")}
            for roles in (ROLES, f"{ROLES},arn:aws:iam::{OTHER_MEMBER}:role/Emergency")
        },
        "DelegatedAdministrators": {
            MEMBER: {"delegated_administrators": [MEMBER]},
            f"{MEMBER},{OTHER_MEMBER}": {"delegated_administrators": [MEMBER, OTHER_MEMBER]},
            "none": {},
        },
        "Targets": {
            "r-ab12": {"targets": ["r-ab12"]},
            f"{OTHER_MEMBER},{UNIT}": {"targets": [OTHER_MEMBER, UNIT]},
        },
    },
    "root-use-alarm": {
        "TrailLogGroup": {"trail": {}},
        "SessionRoleArn": {"none": {}, ROLES: {"session_roles": [ROLES]}},
        "NotificationTopicArn": TOPICS,
    },
}


def imported_topic(stack: Stack) -> sns.ITopic:
    return sns.Topic.from_topic_arn(stack, "Topic", TOPIC.format(stack.region))


def add_construct(name: str, stack: Stack, arguments: dict[str, Any]) -> None:
    """Add the construct that a template is of, as a user of the CDK would."""
    if arguments.pop("boundary", False):
        boundary = iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", BOUNDARY)
        iam.PermissionsBoundary.of(stack).apply(boundary)
    match name:
        case "root-access":
            arguments_of_check = {
                name: arguments.pop(name)
                for name in ("repair", "notification_topic")
                if name in arguments
            }
            root_access = CentralizedRootAccess(stack, "RootAccess", **arguments)
            root_access.add_drift_check(**arguments_of_check)
        case "root-tasks":
            RootTasks(stack, "RootTasks", **arguments)
        case "root-user-guardrail":
            RootUserGuardrail(stack, "RootUserGuardrail", **arguments)
        case "root-session-guardrail":
            RootSessionGuardrail(stack, "RootSessionGuardrail", **arguments)
        case "root-use-alarm":
            trail = logs.LogGroup.from_log_group_name(stack, "Trail", "trail")
            RootUseAlarm(stack, "RootUse", trail_log_group=trail, **arguments)


def pairwise_values(name: str) -> Iterator[dict[str, str]]:
    """Yield values of all parameters of a template, until each two values occurred together.

    All combinations would be too many, and most mistakes need only two values.
    """
    values = VALUES[name]
    missing = {
        ((one, value), (two, other_value))
        for one, two in itertools.combinations(values, 2)
        for value in values[one]
        for other_value in values[two]
    }
    while missing:
        # From a pair that is missing, add the values by which most other pairs are no longer.
        row = dict(min(missing))
        for parameter in [name for name in values if name not in row]:
            rows = [{**row, parameter: value} for value in values[parameter]]
            row = max(rows, key=lambda row: len(missing.intersection(pairs_in(row, values))))
        missing -= set(pairs_in(row, values))
        yield {parameter: row[parameter] for parameter in values}


def pairs_in(row: Mapping[str, str], parameters: Iterable[str]) -> Iterator[Any]:
    """Return each two values of a row, with their parameters in the order of these.

    For example ``(("Repair", "true"), ("Tasks", "audit"))``.
    """
    return itertools.combinations(((name, row[name]) for name in parameters if name in row), 2)


def with_single_values(sections: dict[str, Any]) -> Any:
    """Return a template with the CDK's form for a list of one, without the functions' code.

    The CDK writes ``"Resource": "*"`` for ``"Resource": ["*"]``.
    """
    for function in resources_of_type(sections, "AWS::Lambda::Function").values():
        del function["Properties"]["Code"]
    text = json.dumps(sections, sort_keys=True)
    return json.loads(
        re.sub(r'"(Resource|aws:PrincipalAccount)": \[("[^"]*")\]', r'"\1": \2', text)
    )


@pytest.mark.parametrize(
    ("name", "row"),
    [
        *(
            pytest.param(name, row, id=f"{name}-{number}")
            for name in VALUES
            for number, row in enumerate(pairwise_values(name))
        ),
        pytest.param("root-access", {}, id="root-access-defaults"),
        pytest.param("root-tasks", {}, id="root-tasks-defaults"),
    ],
)
def test_a_template_deploys_what_the_construct_does(
    release: Path, name: str, row: dict[str, str]
) -> None:
    region = row.get("region", REGION_OF_EVENTS)
    stack = bootstrap_stack(env=Environment(region=region))
    # What the CDK synthesizes for the arguments ...
    arguments: dict[str, Any] = {}
    for parameter, value in row.items():
        arguments |= VALUES[name][parameter][value]
    add_construct(name, stack, arguments_in_stack(stack, arguments))
    expected = resolved_sections(synthesized(stack), {}, region=region, account_id=ACCOUNT)
    expected.setdefault("Outputs", {})
    # ... is what CloudFormation makes of the template with the parameters.
    parameters: dict[str, Any] = {**row, "CodeBucket": "code", "AWS::StackName": stack.stack_name}
    if "LogRetentionDays" in row:
        parameters["LogRetentionDays"] = int(row["LogRetentionDays"])
    if row.get("NotificationTopicArn") == "topic":
        parameters["NotificationTopicArn"] = TOPIC.format(region)
    if row.get("KmsKeyArn") == "key":
        parameters["KmsKeyArn"] = KEY.format(region)
    template = written_template(release, name)
    deployed = resolved_sections(template, parameters, region=region, account_id=ACCOUNT)
    assert with_single_values(deployed) == with_single_values(expected)


def test_every_value_that_a_parameter_allows_is_compared() -> None:
    code = {"CodeBucket", "CodePrefix"}
    for template in TEMPLATES:
        values = VALUES[template.name]
        # The Region is that of the stack, and no parameter.
        assert template.parameters.keys() - code == values.keys() - {"region"}
        for name, parameter in template.parameters.items():
            if parameter["Type"] == "String" and "AllowedValues" in parameter:
                assert set(parameter["AllowedValues"]) == set(values[name]), name


def test_a_stack_of_an_example_can_be_updated_with_the_template(
    release: Path, tmp_path: Path
) -> None:
    ids = {id_ for name in VALUES for id_ in written_template(release, name)["Resources"]}
    for name in ("drift_check", "audit", "guardrail", "two_accounts"):
        example = synthesize(REPOSITORY / "examples" / f"{name}.py", tmp_path / name)
        # The template has no parameter for notices of root users, nor for the emergency policy.
        pattern = re.compile(r"Root(?!Use(Notices|Logs|EmergencyPolicy))")
        ids_of_example = set(filter(pattern.match, example.template(BOOTSTRAP)["Resources"]))
        assert ids_of_example
        assert ids_of_example <= ids, name


def test_every_file_has_its_checksum(release: Path) -> None:
    names = {file.name for file in release.iterdir()} - {"SHA256SUMS"}
    lines = (release / "SHA256SUMS").read_text().splitlines()
    assert {line.partition("  ")[2] for line in lines} == names
    run_successfully("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=release)


def test_lambda_may_read_the_code_in_each_zip_file(release: Path) -> None:
    for archive in release.glob("*.zip"):
        with zipfile.ZipFile(archive) as zipped:
            # The upper half of the attributes is the file's mode: everyone may read it.
            assert {entry.external_attr >> 16 for entry in zipped.infolist()} == {0o644}
            assert {entry.date_time for entry in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_only_root_tasks_need_a_bucket_for_their_template(release: Path) -> None:
    # CloudFormation takes a larger template only from a bucket.
    large = {file.name for file in release.glob("*.template.json") if file.stat().st_size > 51_200}
    assert large == {"root-tasks.template.json"}


def test_cfn_lint_finds_nothing(release: Path) -> None:
    ignored = f"--ignore-checks={CDK_STYLE},{NOT_EVERY_CASE}"
    templates = [release / f"{name}.template.json" for name in VALUES]
    lint = run_process(Path(sys.executable).with_name("cfn-lint"), ignored, *templates)
    assert (lint.returncode, lint.stdout) == (0, "")


def upload(aws: LocalAws, release: Path) -> None:
    """Upload the templates of a release, and the functions' code below a prefix, to a bucket."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    for file in release.iterdir():
        key = f"releases/1/{file.name}" if file.suffix == ".zip" else file.name
        s3.put_object(Bucket="code", Key=key, Body=file.read_bytes())


def deploy(aws: LocalAws, name: str, action: str = "create", **parameters: str) -> dict[str, str]:
    """Create or update a stack of an uploaded template, and return its outputs.

    Args:
        aws: The local AWS.
        name: The template's name.
        action: ``create`` or ``update``.
        parameters: The parameters besides those for the code.
    """
    cloudformation = aws.client("cloudformation")
    given = {"CodeBucket": "code", "CodePrefix": "releases/1/", **parameters}
    getattr(cloudformation, f"{action}_stack")(
        StackName=STACK,
        TemplateURL=f"{aws.addresses.aws_url}/code/{name}.template.json",
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in given.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter(f"stack_{action}_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1}
    )
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_root_access_is_enabled_and_updated_as_the_parameters_say(
    local_aws: LocalAws, release: Path
) -> None:
    upload(local_aws, release)
    status = json.loads(deploy(local_aws, "root-access")["RootAccessStatus"])
    assert (status["status"], status["delegatedAdministrators"]) == ("ENABLED", [])
    deploy(
        local_aws,
        "root-access",
        "update",
        Features="RootCredentialsManagement",
        DelegatedAdministrators=f"{MEMBER},{OTHER_MEMBER}",
        Repair="true",
    )
    root_access_now = local_aws.organization.root_access()
    assert root_access_now.features == {"RootCredentialsManagement"}
    assert set(root_access_now.delegated_administrators) == {MEMBER, OTHER_MEMBER}


def test_root_tasks_audit_every_account_and_plan_nothing_in_protected_ones(
    local_aws: LocalAws, release: Path
) -> None:
    enable_root_access(local_aws.organization, CREDENTIALS, SESSIONS)
    upload(local_aws, release)
    outputs = deploy(
        local_aws, "root-tasks", Tasks="audit,delete", ProtectedAccounts=f"{MEMBER},{OTHER_MEMBER}"
    )
    assert set(outputs) == {
        "RootTasksAuditRoleArn",
        "RootTasksAuditStateMachineArn",
        "RootTasksDeleteCredentialsRoleArn",
        "RootTasksExecuteStateMachineArn",
        "RootTasksBucket",
    }
    arn = outputs["RootTasksAuditStateMachineArn"]
    # PROTECTED is the management account's root user, which has no sessions and an MFA device.
    assert outcomes_of_run(local_aws, arn, {}) == {"CLEAN": 3, "PROTECTED": 1}
    plan = {"task": RootTask.DELETE, "accounts": [MEMBER, OTHER_MEMBER, THIRD_MEMBER]}
    assert outcomes_of_run(local_aws, arn, plan) == {"NOTHING_TO_DO": 1, "SKIPPED": 2}


def outcomes_of_run(aws: LocalAws, state_machine: str, input_: dict[str, Any]) -> dict[str, int]:
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


REFUSED_VALUES = {
    "characters that no bucket has": ("root-access", "CodeBucket", "Not_A_Bucket"),
    "no slash at the end": ("root-access", "CodePrefix", "releases"),
    "an account of 4 digits": ("root-access", "DelegatedAdministrators", "2222"),
    "a space": ("root-access", "DelegatedAdministrators", f"{MEMBER}, {OTHER_MEMBER}"),
    "FIFO": ("root-access", "NotificationTopicArn", f"{TOPIC.format(REGION_OF_EVENTS)}.fifo"),
    "no topic, without none": ("root-access", "NotificationTopicArn", ""),
    "an alias": ("root-access", "KmsKeyArn", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/a"),
    "a name": ("root-access", "PermissionsBoundaryArn", "boundary"),
    "too many accounts": ("root-tasks", "ProtectedAccounts", ",".join([MEMBER] * 210)),
    "the organization's root": ("root-user-guardrail", "Targets", "r-ab12"),
    "no ARN": ("root-session-guardrail", "SessionRoleArns", "arn:aws:iam::222222222222:role/a*,b"),
    "the root and a unit": ("root-session-guardrail", "Targets", f"r-ab12,{UNIT}"),
    "every role": ("root-use-alarm", "SessionRoleArn", "*"),
}


@pytest.mark.parametrize(
    ("name", "parameter", "value"), REFUSED_VALUES.values(), ids=REFUSED_VALUES
)
def test_what_no_parameter_may_be_is_outside_of_its_pattern(
    release: Path, name: str, parameter: str, value: str
) -> None:
    pattern = written_template(release, name)["Parameters"][parameter]["AllowedPattern"]
    assert not re.fullmatch(pattern, value)
