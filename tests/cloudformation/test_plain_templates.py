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
from support.template_reading import properties_of_type

pytestmark = pytest.mark.slow

# CDK writes each dependency by its name, whether or not a reference implies it.
CDK_STYLE = "W3005"
TOPIC = "arn:aws:sns:us-east-1:111111111111:security-news"
BOOTSTRAP = "OrganizationBootstrap"


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


def test_root_tasks_audit_every_account_and_plan_nothing_in_protected_ones(
    local_aws: LocalAws, release: Path
) -> None:
    enable_root_access(local_aws.organization, *RootAccessFeature)
    local_aws.client("sns").create_topic(Name=TOPIC.rpartition(":")[2])
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="code")
    for file in release.iterdir():
        s3.put_object(Bucket="code", Key=f"releases/1/{file.name}", Body=file.read_bytes())
    protected = f"{MEMBER},{OTHER_MEMBER}"
    parameters = {
        "CodeBucket": "code",
        "CodePrefix": "releases/1/",
        "NotificationTopicArn": TOPIC,
        "ProtectedAccounts": protected,
    }
    cloudformation = local_aws.client("cloudformation")
    cloudformation.create_stack(
        StackName="RootTasks",
        TemplateURL=f"{local_aws.addresses.aws_url}/code/releases/1/root-tasks.template.json",
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="RootTasks", WaiterConfig={"Delay": 1}
    )

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


def test_guardrails_and_alarms_are_where_their_parameters_say(release: Path) -> None:
    guardrail = written_template(release, "root-session-guardrail")
    policies = properties_of_type(guardrail, "AWS::Organizations::Policy").values()
    assert {policy["Type"]: policy["TargetIds"] for policy in policies} == {
        OrganizationPolicyType.SERVICE_CONTROL: {"Ref": "DelegatedAdministrators"},
        OrganizationPolicyType.RESOURCE_CONTROL: {"Ref": "Targets"},
    }
    for policy in policies:
        assert '{"Ref": "SessionRoleArn"}' in json.dumps(policy["Content"])
    alarm = written_template(release, "root-use-alarm")
    filters = properties_of_type(alarm, "AWS::Logs::MetricFilter").values()
    assert [it["LogGroupName"] for it in filters] == [{"Ref": "TrailLogGroup"}] * 2
    assert '{"Ref": "SessionRoleArn"}' in json.dumps([it["FilterPattern"] for it in filters])


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
