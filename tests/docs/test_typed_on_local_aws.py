"""The commands of the AWS CLI and the CDK on the pages: typed on a local AWS, each succeeds."""

import contextlib
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from local_aws.services import LocalAws
from support.accounts import MANAGEMENT
from support.apps import REPOSITORY
from support.arrange import add_unit
from support.deploying import STACK_NAME, physical_id, stack_names, stack_outputs, subscribed_inbox
from support.page_commands import typed_on_local_aws
from support.pages import code_blocks, lines_not_printed
from support.processes import run_successfully, run_with_aws_cli

# The one program here that the setup does not bring.
HAS_JQ = shutil.which("jq") is not None
STEPS = [step for step in typed_on_local_aws() if step.program != "jq" or HAS_JQ]
WITHOUT_CDK = "without-cdk.md"
TRAIL = "organization-trail"
# Printed before each command.
NEXT_STEP = "==next step=="
README = "README.md"
# They end root sessions, and trusted access.
LAST = ("drift.md", "deploying.md")
OTHERS = sorted(
    {step.block.page.name for step in STEPS} - {README, WITHOUT_CDK},
    key=lambda page: (page in LAST and LAST.index(page) + 1, page),
)


def app_of(page: str) -> str:
    """Return the app that a page shows."""
    (app,) = [block.text for block in code_blocks("python") if block.page.name == page]
    return app


def create_trail(local_aws: LocalAws) -> None:
    """Create the log group of a trail, unless another test has left it."""
    logs = local_aws.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=TRAIL)


def type_page(
    page: str, *, local_aws: LocalAws, folder: Path, values: Mapping[str, str] | None = None
) -> None:
    """Type the commands of a page one after the other, and fail if one does.

    Each has to print what the page shows after it.

    Args:
        page: The page's name.
        local_aws: The local AWS.
        folder: The reader's folder.
        values: What stands for the placeholders of pages.
    """
    page_steps = [step for step in STEPS if step.block.page.name == page]
    commands = "\n".join(f"echo {NEXT_STEP}\n{step.command}" for step in page_steps)
    for placeholder, value in (values or {}).items():
        commands = commands.replace(placeholder, value)
    # There is no terminal to answer at.
    for asks, never in (("cdk deploy", "--require-approval never"), ("cdk destroy", "--force")):
        option = never.partition(" ")[0]
        commands = re.sub(rf"{asks}(?!.* {option})", rf"\g<0> {never}", commands)
    assert "describe-stack-resources" not in commands, "of a large stack it lists the first 100"
    typed = run_with_aws_cli(commands, local_aws=local_aws, folder=folder)
    assert typed.returncode == 0, typed.stderr[-2000:]
    _, *outputs = typed.stdout.split(f"{NEXT_STEP}\n")
    for step, printed in zip(page_steps, outputs, strict=True):
        assert lines_not_printed(step, printed) == [], (str(step), printed)


def test_commands_of_pages_succeed_on_the_first_pages_app_which_notifies_somebody(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    # It has what the README's app has, and more.
    (tmp_path / "app.py").write_text(app_of("getting-started.md"))
    (tmp_path / "cdk.json").write_text('{"app": "python3 app.py"}')
    type_page(README, local_aws=local_aws, folder=tmp_path)

    topic = physical_id(local_aws, "SecurityNews")
    subscribed = local_aws.client("sns").list_subscriptions_by_topic(TopicArn=topic)
    assert [it["Protocol"] for it in subscribed["Subscriptions"]] == ["email"]
    inbox = subscribed_inbox(local_aws, "SecurityNews")
    audit = "centralized-root-access audit"
    run_with_aws_cli(audit, local_aws=local_aws, folder=tmp_path)
    (notice,) = inbox()
    assert "first full audit" in notice

    bucket = stack_outputs(local_aws)["RootTasksBucket"]
    (event, _) = (block.text for block in code_blocks("json") if '"eventType"' in block.text)
    (tmp_path / "event.json").write_text(event)
    create_trail(local_aws)
    organization = local_aws.organization
    values = {
        "arn:aws:sns:us-east-1:111111111111:SecurityNews": topic,
        "BUCKET": bucket,
        "r-a1b2": organization.root_id,
    }
    for page in OTHERS:
        type_page(page, local_aws=local_aws, folder=tmp_path, values=values)


def test_the_commands_of_the_page_without_the_cdk_deploy_templates_and_both_apps(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    checkout = tmp_path / "centralized-root-access"
    checkout.mkdir()
    (checkout / "examples").symlink_to(REPOSITORY / "examples")
    output = checkout / "build" / "template"
    run_successfully(sys.executable, "-m", "cloudformation", "--output", output, cwd=REPOSITORY)
    (checkout / "app.py").write_text(app_of(WITHOUT_CDK))
    organizations, root_id = local_aws.client("organizations"), local_aws.organization.root_id
    organizations.enable_policy_type(RootId=root_id, PolicyType="SERVICE_CONTROL_POLICY")
    packages = Path(sys.prefix) / "typescript" / "node_modules"
    type_page(
        WITHOUT_CDK,
        local_aws=local_aws,
        folder=checkout,
        values={
            "ou-a1b2-c3d4e5f6": add_unit(local_aws.organization, "New"),
            "aws s3 cp cdk.out/": "python3 app.py\naws s3 cp cdk.out/",
            # What `npm ci` installs.
            "cd root-access": f"cd root-access\nln -s {packages} node_modules",
            "~": str(tmp_path),
        },
    )
    deployed = stack_names(local_aws, account_id=MANAGEMENT)
    assert deployed == {"RootAccess", "RootTasks", "RootUserGuardrail", "OwnRootTasks", STACK_NAME}
