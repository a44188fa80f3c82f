"""The plain templates of a release: they deploy what the constructs do."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from centralized_root_access import RootAccessFeature
from centralized_root_access.base.organization_policies import OrganizationPolicyType
from cloudformation.templates import TEMPLATES
from local_aws.services import LocalAws
from support.accounts import MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.apps import REPOSITORY, synthesize
from support.arrange import enable_root_access
from support.processes import run_process, run_successfully

pytestmark = pytest.mark.slow

# The rule of cfn-lint that is ignored.
# CDK writes each dependency by its name, whether or not a reference implies it.
CDK_STYLE = "W3005"
TOPIC = "arn:aws:sns:us-east-1:111111111111:security-news"
CREDENTIALS, SESSIONS = RootAccessFeature
STACK = "RootAccess"
BOOTSTRAP = "OrganizationBootstrap"
CODE = {"CodeBucket": "code", "CodePrefix": "releases/1/"}
SESSION_ROLES = f"arn:aws:iam::{MEMBER}:role/centralized-root-access/*"


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
        ids_of_example = set(filter(pattern.match, example.template(BOOTSTRAP)["Resources"]))
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
    ignored = f"--ignore-checks={CDK_STYLE}"
    templates = release.glob("*.template.json")
    lint = run_process(Path(sys.executable).with_name("cfn-lint"), ignored, *templates)
    assert (lint.returncode, lint.stdout) == (0, "")


def upload(aws: LocalAws, folder: Path) -> None:
    """Upload templates, and the functions' code below a prefix, to a bucket."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code")
    for file in folder.glob("*.template.json"):
        s3.put_object(Bucket="code", Key=file.name, Body=file.read_bytes())
    for archive in folder.glob("*.zip"):
        s3.put_object(Bucket="code", Key=f"releases/1/{archive.name}", Body=archive.read_bytes())


def deploy(aws: LocalAws, name: str, **parameters: str) -> None:
    """Create a stack of an uploaded template.

    Args:
        aws: The local AWS.
        name: The template's name.
        parameters: The parameters.
    """
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=f"{aws.addresses.aws_url}/code/{name}.template.json",
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1}
    )


def test_root_tasks_audit_every_account_and_plan_nothing_in_protected_ones(
    local_aws: LocalAws, release: Path
) -> None:
    enable_root_access(local_aws.organization, CREDENTIALS, SESSIONS)
    upload(local_aws, release)
    local_aws.client("sns").create_topic(Name=TOPIC.rpartition(":")[2])
    protected = f"{MEMBER},{OTHER_MEMBER}"
    deploy(local_aws, "root-tasks", **CODE, NotificationTopicArn=TOPIC, ProtectedAccounts=protected)

    def outcomes(*command: str) -> list[str]:
        """Return the outcome of each account that a command reports."""
        program = (sys.executable, "-m", "centralized_root_access", *command, "--format", "json")
        report = json.loads(run_process(*program, env=local_aws.environment).stdout)
        return sorted(result["outcome"] for result in report["results"])

    # PROTECTED is the management account's root user, which has no sessions and an MFA device.
    assert outcomes("audit") == ["CLEAN", "CLEAN", "CLEAN", "PROTECTED"]
    accounts = f"{protected},{THIRD_MEMBER}"
    planned = outcomes("plan", "delete", "--account", accounts)
    assert planned == ["NOTHING_TO_DO", "SKIPPED", "SKIPPED"]


def test_guardrails_are_attached_to_what_their_parameters_list(
    local_aws: LocalAws, release: Path
) -> None:
    upload(local_aws, release)
    organizations = local_aws.client("organizations")
    for kind in OrganizationPolicyType:
        organizations.enable_policy_type(RootId=local_aws.organization.root_id, PolicyType=kind)
    targets = f"{OTHER_MEMBER},{THIRD_MEMBER}"
    deploy(
        local_aws,
        "root-session-guardrail",
        SessionRoleArn=SESSION_ROLES,
        DelegatedAdministrators=MEMBER,
        Targets=targets,
    )
    for target, kind in (
        (MEMBER, OrganizationPolicyType.SERVICE_CONTROL),
        (OTHER_MEMBER, OrganizationPolicyType.RESOURCE_CONTROL),
        (THIRD_MEMBER, OrganizationPolicyType.RESOURCE_CONTROL),
    ):
        attached = organizations.list_policies_for_target(TargetId=target, Filter=kind)["Policies"]
        assert any("OrganizationBootstrap-RootSessionGuardrail" in it["Name"] for it in attached)


def test_the_alarms_watch_the_log_group_that_a_parameter_names(
    local_aws: LocalAws, release: Path
) -> None:
    upload(local_aws, release)
    logs = local_aws.client("logs")
    logs.create_log_group(logGroupName="trail")
    deploy(
        local_aws,
        "root-use-alarm",
        TrailLogGroup="trail",
        SessionRoleArn=SESSION_ROLES,
        NotificationTopicArn=TOPIC,
    )
    filters = logs.describe_metric_filters(logGroupName="trail")["metricFilters"]
    assert any(SESSION_ROLES in it["filterPattern"] for it in filters)


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
