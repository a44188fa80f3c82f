"""The plain templates of a release and of one's own app: they deploy what the constructs do."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam

from centralized_root_access import (
    AcceptedCredentials,
    CredentialType,
    PlainTemplateSynthesizer,
    RootAccessFeature,
    RootTasks,
)
from centralized_root_access.base.organization_policies import OrganizationPolicyType
from cloudformation.templates import TEMPLATES
from local_aws.services import LocalAws
from support.accounts import MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.apps import REPOSITORY, synthesize
from support.arrange import enable_root_access
from support.processes import run_process, run_successfully

pytestmark = pytest.mark.slow

TOPIC = "arn:aws:sns:us-east-1:111111111111:security-news"


def written_template(release: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / f"{name}.template.json").read_text())
    return found


def test_a_stack_of_an_example_can_be_updated_with_the_template(
    release: Path, tmp_path: Path
) -> None:
    ids = {id_ for it in TEMPLATES for id_ in written_template(release, it.name)["Resources"]}
    for name in ("drift_check", "audit", "guardrail", "two_accounts"):
        example = synthesize(REPOSITORY / "examples" / f"{name}.py", tmp_path / name)
        # The template deletes credentials, and has neither the other tasks nor notices of root
        # users, nor the emergency policy.
        tasks = "StartRunOwn|(Plan)?(Unlock|AllowPasswordRecovery)"
        missing = f"Use(Notices|Logs|EmergencyPolicy)|Tasks({tasks})"
        pattern = re.compile(rf"Root(?!{missing})")
        ids_of_example = set(
            filter(pattern.match, example.template("OrganizationBootstrap")["Resources"])
        )
        assert ids_of_example
        assert ids_of_example <= ids, name


def test_every_file_has_its_checksum(release: Path) -> None:
    names = {file.name for file in release.iterdir()} - {"SHA256SUMS"}
    lines = (release / "SHA256SUMS").read_text().splitlines()
    assert {line.partition("  ")[2] for line in lines} == names
    run_successfully("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=release)


def test_only_root_tasks_need_a_bucket_for_their_template(release: Path) -> None:
    # CloudFormation takes a larger template only from a bucket.
    large = {file.name for file in release.glob("*.template.json") if file.stat().st_size > 51_200}
    assert large == {"root-tasks.template.json"}


def test_cfn_lint_finds_nothing(release: Path) -> None:
    # CDK writes each dependency by its name, whether or not a reference implies it.
    ignored = "--ignore-checks=W3005"
    templates = release.glob("*.template.json")
    lint = run_process(Path(sys.executable).with_name("cfn-lint"), ignored, *templates)
    assert (lint.returncode, lint.stdout) == (0, "")


def deploy(aws: LocalAws, folder: Path, name: str, **parameters: str) -> None:
    """Create a stack of a template in a folder, with the functions' code that is beside it."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    for file in (folder / f"{name}.template.json", *folder.glob("*.zip")):
        s3.put_object(Bucket="code", Key=f"releases/1/{file.name}", Body=file.read_bytes())
    if "CodeBucket" in written_template(folder, name)["Parameters"]:
        parameters |= {"CodeBucket": "code", "CodePrefix": "releases/1/"}
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=f"{aws.addresses.aws_url}/code/releases/1/{name}.template.json",
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )


def outcomes(aws: LocalAws, *command: str) -> list[str]:
    """Return the outcome of each account that a command reports."""
    program = (sys.executable, "-m", "centralized_root_access", *command, "--format", "json")
    report = json.loads(run_process(*program, env=aws.environment).stdout)
    return sorted(result["outcome"] for result in report["results"])


def test_root_tasks_audit_every_account_and_plan_nothing_in_protected_ones(
    local_aws: LocalAws, release: Path
) -> None:
    enable_root_access(local_aws.organization, *RootAccessFeature)
    local_aws.client("sns").create_topic(Name=TOPIC.rpartition(":")[2])
    protected = f"{MEMBER},{OTHER_MEMBER}"
    deploy(
        local_aws, release, "root-tasks", NotificationTopicArn=TOPIC, ProtectedAccounts=protected
    )
    # PROTECTED is the management account's root user, which has no sessions and an MFA device.
    assert outcomes(local_aws, "audit") == ["CLEAN", "CLEAN", "CLEAN", "PROTECTED"]
    accounts = f"{protected},{THIRD_MEMBER}"
    planned = outcomes(local_aws, "plan", "delete", "--account", accounts)
    assert planned == ["NOTHING_TO_DO", "SKIPPED", "SKIPPED"]


def test_guardrails_and_alarms_are_where_their_parameters_say(
    local_aws: LocalAws, release: Path
) -> None:
    organizations, logs = local_aws.client("organizations"), local_aws.client("logs")
    for kind in OrganizationPolicyType:
        organizations.enable_policy_type(RootId=local_aws.organization.root_id, PolicyType=kind)
    logs.create_log_group(logGroupName="trail")
    roles = f"arn:aws:iam::{MEMBER}:role/centralized-root-access/*"
    deploy(
        local_aws,
        release,
        "root-session-guardrail",
        SessionRoleArn=roles,
        DelegatedAdministrators=MEMBER,
        Targets=f"{OTHER_MEMBER},{THIRD_MEMBER}",
    )
    deploy(
        local_aws,
        release,
        "root-use-alarm",
        TrailLogGroup="trail",
        SessionRoleArn=roles,
        NotificationTopicArn=TOPIC,
    )
    for target, kind in (
        (MEMBER, OrganizationPolicyType.SERVICE_CONTROL),
        (OTHER_MEMBER, OrganizationPolicyType.RESOURCE_CONTROL),
        (THIRD_MEMBER, OrganizationPolicyType.RESOURCE_CONTROL),
    ):
        attached = organizations.list_policies_for_target(TargetId=target, Filter=kind)["Policies"]
        assert any("RootSessionGuardrail" in policy["Name"] for policy in attached)
    filters = logs.describe_metric_filters(logGroupName="trail")["metricFilters"]
    assert any(roles in it["filterPattern"] for it in filters)


def test_an_app_of_ones_own_is_deployed_with_what_the_release_lacks(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    enable_root_access(local_aws.organization, *RootAccessFeature)
    local_aws.organization.put_root_credentials(MEMBER, password=True)
    app = App(outdir=str(tmp_path), default_stack_synthesizer=PlainTemplateSynthesizer())
    stack = Stack(app, "own")
    accepted = AcceptedCredentials(
        types=[CredentialType.PASSWORD], reason="Billing", until="2999-12-31"
    )
    tasks = RootTasks(stack, "RootTasks", accepted_credentials={MEMBER: accepted})
    tasks.grant_plan(iam.Role(stack, "Planner", assumed_by=iam.AccountRootPrincipal()))
    app.synth()
    deploy(local_aws, tmp_path, "own")
    assert outcomes(local_aws, "audit") == ["ACCEPTED", "CLEAN", "CLEAN", "PROTECTED"]
    cloudformation = local_aws.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName="own")["StackResources"]
    assert any(it["LogicalResourceId"].startswith("PlannerDefaultPolicy") for it in resources)


REFUSED_VALUES = {
    "characters that no bucket has": ("root-access", "CodeBucket", "Not_A_Bucket"),
    "no slash at the end": ("root-access", "CodePrefix", "releases"),
    "FIFO": ("root-access", "NotificationTopicArn", f"{TOPIC}.fifo"),
    "no topic": ("root-access", "NotificationTopicArn", ""),
    # CloudFormation compares each element of a list with the pattern.
    "an account of 4 digits": ("root-tasks", "ProtectedAccounts", "2222"),
    "the organization's root": ("root-user-guardrail", "Targets", "r-ab12"),
    "no account of a delegate": ("root-session-guardrail", "DelegatedAdministrators", ""),
    "no ARN": ("root-session-guardrail", "SessionRoleArn", "arn:aws:iam::222222222222:role/a*b"),
    "every role": ("root-use-alarm", "SessionRoleArn", "arn:aws:iam::222222222222:role/*"),
}


@pytest.mark.parametrize(
    ("name", "parameter", "value"), REFUSED_VALUES.values(), ids=REFUSED_VALUES
)
def test_what_no_parameter_may_be_is_outside_of_its_pattern(
    release: Path, name: str, parameter: str, value: str
) -> None:
    pattern = written_template(release, name)["Parameters"][parameter]["AllowedPattern"]
    assert not re.fullmatch(pattern, value)
