"""Every snippet in the documentation is code that works, and every command exists."""

import json
import re
from collections.abc import Sequence
from functools import cache
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
from centralized_root_access.preflight import (
    attachments,
    condition_keys,
    documents,
    evaluate,
    session_calls,
)
from centralized_root_access.preflight.documents import parse_policy
from support.apps import REPOSITORY
from support.pages import (
    CodeBlock,
    code_blocks,
    commands_in_block,
    parse_command_line,
    run_with_stubs,
)
from support.processes import run_successfully

PROGRAMS = ("aws", "cdk", "centralized-root-access", "jq", "make", "pip", "python")
# The AWS CLI's own commands, that are not calls of a service.
OWN_COMMANDS = {"cloudformation deploy", "s3 cp", "s3 ls"}
# An option of the AWS CLI for a parameter of another name.
OWN_OPTIONS = {"notification_endpoint": "endpoint"}
# The AWS CLI's own name of a service.
SERVICES = {"s3api": "s3"}
GLOBAL_OPTIONS = {"query", "output", "region", "profile", "no_cli_pager"}


# A test of its own runs what is on the page of the local AWS.
ELSEWHERE = "local-aws.md"
PYTHON = [
    block
    for block in code_blocks("python")
    if block.page.name != ELSEWHERE and not re.search(r"^    \*,$|\) -> ", block.text, re.MULTILINE)
]
TYPED = [
    block
    for block in code_blocks("", "console", "sh")
    if block.page.name != ELSEWHERE and commands_in_block(block, PROGRAMS)
]


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
        **vars(documents),
        **vars(session_calls),
        **vars(attachments),
        **vars(condition_keys),
        **vars(evaluate),
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
    if "evaluate_request" in text:
        taken["full_access"] = taken["guardrail"] = parse_policy(
            '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
            policy_id="p-FullAWSAccess",
            name="FullAWSAccess",
        )
    return taken


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_on_a_page_runs_and_synthesizes(block: CodeBlock) -> None:
    taken = names(block.text)
    exec(compile(block.text, block.page.name, "exec"), taken)
    # What a page shows as a reader's unit tests passes, too.
    for test in [value for name, value in taken.items() if name.startswith("test_")]:
        test()
    taken["app"].synth()


@pytest.mark.parametrize("block", list(code_blocks("json")), ids=str)
def test_json_on_a_page_is_json(block: CodeBlock) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", TYPED, ids=str)
def test_a_command_on_a_page_exists_with_its_arguments(
    block: CodeBlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A policy of the reader's, and one that stands for a backup's key.
    for policy in ("fixed.json", "BACKUP"):
        (tmp_path / policy).touch()
    monkeypatch.chdir(tmp_path)
    calls = run_with_stubs(commands_in_block(block, PROGRAMS), programs=PROGRAMS, folder=tmp_path)
    assert calls
    for program, *arguments in calls:
        CHECKS[program](arguments)


def check_aws(arguments: Sequence[str]) -> None:
    """Assert that botocore knows the service, the operation and its parameters."""
    service, command, *rest = arguments
    assert command != "describe-stack-resources", "of a large stack it lists the first 100 alone"
    if f"{service} {command}" in OWN_COMMANDS:
        return
    model = botocore.session.get_session().get_service_model(SERVICES.get(service, service))
    (operation,) = [name for name in model.operation_names if xform_name(name, "-") == command]
    shape = model.operation_model(operation).input_shape
    members = {xform_name(member) for member in (shape.members if shape else ())}
    options = {word[2:].replace("-", "_") for word in rest if word.startswith("--")}
    options = {OWN_OPTIONS.get(option, option) for option in options}
    assert options <= members | GLOBAL_OPTIONS


@cache
def cdk_help(command: str) -> str:
    """Return the help of a command of the CDK CLI, which takes seconds to start."""
    cdk = REPOSITORY / "node_modules" / ".bin" / "cdk"
    return run_successfully(cdk, command, "--help")


def check_cdk(arguments: Sequence[str]) -> None:
    """Assert that the help of the CDK CLI lists each option."""
    documented = cdk_help(arguments[0])
    for option in arguments[1:]:
        if option.startswith("--"):
            # What can be negated is listed without its "no".
            assert re.search(rf"--{option[2:].removeprefix('no-')}\b", documented), option


def check_pip(arguments: Sequence[str]) -> None:
    """Assert that something is installed: pip itself would get it from an index."""
    assert arguments[0] == "install"


def check_python(arguments: Sequence[str]) -> None:
    """Assert that `python -m` has a module of this project, or a valid command line."""
    assert arguments[0] == "-m"
    module = REPOSITORY / arguments[1].replace(".", "/")
    if arguments[1] == "centralized_root_access":
        parse_command_line(arguments[2:])
    else:
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()


def check_nothing_else(arguments: Sequence[str]) -> None:
    """Assert that there is an argument. Another test looks for the targets of make."""
    assert arguments


CHECKS = {
    "aws": check_aws,
    "cdk": check_cdk,
    "centralized-root-access": parse_command_line,
    "jq": check_nothing_else,
    "make": check_nothing_else,
    "pip": check_pip,
    "python": check_python,
}
