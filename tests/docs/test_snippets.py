"""Every snippet in the documentation is code that works, and what no test runs exists."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aws_cdk
import botocore.session
import pytest
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from botocore import xform_name

import centralized_root_access
from centralized_root_access import CentralizedRootAccess, RootTasks
from support.page_commands import COMMAND_LINE, runner_of, typed_in_process, typed_on_local_aws
from support.pages import CodeBlock, Step, code_blocks, parse_command_line, run_with_stubs, steps

# The AWS CLI's own commands, that are not calls of a service.
OWN_COMMANDS = {"cloudformation deploy", "s3 ls"}
GLOBAL_OPTIONS = {"query", "output", "region"}


# A test of its own runs what is on the page of the local AWS.
ELSEWHERE = "local-aws.md"
PYTHON = [
    block
    for block in code_blocks("python")
    if block.page.name != ELSEWHERE and not re.search(r"^    \*,$|\) -> ", block.text, re.MULTILINE)
]
RUN = [*typed_in_process(), *typed_on_local_aws()]


def names(text: str) -> dict[str, Any]:
    """Return what a snippet takes for granted: imports, a stack, and the constructs it names."""
    app = aws_cdk.App(analytics_reporting=False)
    stack = aws_cdk.Stack(
        app,
        "OrganizationBootstrap",
        env=aws_cdk.Environment(account="111111111111", region="us-east-1"),
    )
    taken: dict[str, Any] = {
        **{
            name: getattr(centralized_root_access, name) for name in centralized_root_access.__all__
        },
        **{name: getattr(aws_cdk, name) for name in ("Annotations", "App", "Duration", "Stack")},
        "app": app,
        "stack": stack,
        "logs": logs,
    }
    if re.search(r"\b\w*topic\b", text):
        taken["topic"] = taken["security_topic"] = sns.Topic(stack, "Topic")
    if re.search(r"\broot_access\.|\(root_access\)", text) and "root_access =" not in text:
        taken["root_access"] = CentralizedRootAccess(stack, "RootAccess")
    if re.search(r"\btasks\.|=tasks\b", text):
        taken["tasks"] = RootTasks(stack, "RootTasks")
    return taken


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_on_a_page_runs_and_synthesizes(block: CodeBlock, tmp_path: Path) -> None:
    taken = names(block.text)
    # An app may write its assembly to the reader's folder.
    text = block.text.replace('outdir="cdk.out"', f'outdir="{tmp_path}"')
    exec(compile(text, f"<{block}>", "exec"), taken)
    # What a page shows as a reader's unit tests passes, too.
    for test in [value for name, value in taken.items() if name.startswith("test_")]:
        test()
    for stack in taken["app"].synth().stacks:
        resources = stack.template.get("Resources", {}).values()
        policies = [it for it in resources if it["Type"] == "AWS::SNS::TopicPolicy"]
        # It replaces the default policy, which lets CloudWatch publish alarms.
        assert all("cloudwatch.amazonaws.com" in json.dumps(policy) for policy in policies)


def test_no_command_has_a_comment_which_the_shell_of_macos_takes_for_arguments() -> None:
    typed = [step for block in code_blocks("", "console", "sh") for step in steps(block)]
    assert [str(step) for step in typed if re.search(r"(^|\s)#", step.command)] == []


@pytest.mark.parametrize("block", list(code_blocks("json")), ids=str)
def test_json_on_a_page_is_json(block: CodeBlock) -> None:
    json.loads(block.text)


def check_aws(arguments: Sequence[str]) -> None:
    """Assert that botocore knows the service, the operation and its parameters."""
    service, command, *rest = arguments
    if f"{service} {command}" in OWN_COMMANDS:
        return
    model = botocore.session.get_session().get_service_model(service.removesuffix("api"))
    (operation,) = [name for name in model.operation_names if xform_name(name, "-") == command]
    shape = model.operation_model(operation).input_shape
    members = {xform_name(member) for member in (shape.members if shape else ())}
    options = {word[2:].replace("-", "_") for word in rest if word.startswith("--")}
    assert options <= members | GLOBAL_OPTIONS


CHECKS = {"aws": check_aws, COMMAND_LINE: parse_command_line}
# The commands of these programs that no test runs.
NOT_RUN = [
    step
    for block in code_blocks("", "console", "sh")
    for step in steps(block)
    if step.program in CHECKS and step not in RUN and not runner_of(step)
]


@pytest.mark.parametrize("step", NOT_RUN, ids=str)
def test_a_command_that_no_test_runs_exists_with_its_arguments(step: Step, tmp_path: Path) -> None:
    calls = run_with_stubs(step.command, programs=list(CHECKS), folder=tmp_path)
    assert calls
    for program, *arguments in calls:
        CHECKS[program](arguments)
