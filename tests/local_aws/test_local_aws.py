"""The processes of the local AWS: what a command sees of them, and that none remains."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from local_aws.environment import (
    LocalAddresses,
    callers_environment,
    ministack_variables,
    service_environment,
)
from local_aws.processes import StartError
from local_aws.services import LocalAws, running_local_aws
from support.accounts import MANAGEMENT, OUTSIDE_ORGANIZATION
from support.apps import REPOSITORY
from support.emulation import http_status_of
from support.processes import run_process as run_to_end

USER_SETTINGS = {
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "a-real-token",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "CDK_DEFAULT_ACCOUNT": OUTSIDE_ORGANIZATION,
    "HTTPS_PROXY": "http://proxy.example.com:3128",
    "http_proxy": "http://proxy.example.com:3128",
    "MOTO_ACCOUNT_ID": OUTSIDE_ORGANIZATION,
}
OTHER_SETTINGS = USER_SETTINGS.keys() - {"AWS_SESSION_TOKEN"}
ADDRESSES = LocalAddresses(
    aws_url="http://127.0.0.1:1",
    organization_url="http://127.0.0.1:2",
    region="us-east-1",
    folder=Path("/folder"),
    node=Path("/node"),
    session_token="token",
)

# Prints what it and a Lambda function see, starts another process, and exits with the code that it
# reads.
COMMAND = """
import io, json, os, subprocess, sys, zipfile
import boto3

FUNCTION = '''
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    role = boto3.client("sts").get_caller_identity()["Arn"]
    try:
        return boto3.client("iam").list_organizations_features()
    except ClientError as error:
        return {"role": role, **error.response["Error"]}
'''

package = io.BytesIO()
with zipfile.ZipFile(package, "w") as archive:
    archive.writestr("index.py", FUNCTION)
functions = boto3.client("lambda")
functions.create_function(
    FunctionName="function",
    Runtime="python3.14",
    Handler="index.handler",
    Role="arn:aws:iam::111111111111:role/role",
    Code={"ZipFile": package.getvalue()},
)
response = functions.invoke(FunctionName="function")
subprocess.Popen(["sleep", "60"])
seen = {
    "account": boto3.client("sts").get_caller_identity()["Account"],
    "function": json.load(response["Payload"]),
    "urls": [os.environ["AWS_ENDPOINT_URL"], os.environ["LOCAL_AWS_ORGANIZATION_URL"]],
}
print(json.dumps(seen), flush=True)
sys.exit(int(sys.stdin.readline()))
"""
RUN = (sys.executable, "-m", "local_aws", "run", "--")


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """The command line, run by a user who has AWS settings.

    Attributes:
        process: The command line's process.
        folder: The folder for the temporary files of all processes.
    """

    process: subprocess.Popen[str]
    folder: Path

    def read_line(self) -> str:
        """Return the next line that the command prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def write_line(self, line: str) -> None:
        """Give the command a line."""
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def children(self) -> list[psutil.Process]:
        """Return all processes that it has started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextlib.contextmanager
def command_line(*arguments: str, folder: Path) -> Iterator[CommandLine]:
    """Run `local-aws` with arguments; terminate it at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "local_aws", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **USER_SETTINGS, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield CommandLine(process=process, folder=folder)
        finally:
            process.terminate()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[CommandLine]:
    """Yield a local AWS that runs COMMAND, which exits with the code that it reads."""
    with command_line("run", "--", sys.executable, "-c", COMMAND, folder=tmp_path) as running:
        yield running


def listening(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """Return the addresses and ports at which processes listen."""
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }


def is_running(process: psutil.Process) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_nothing_remains(
    command_line: CommandLine, processes: Iterable[psutil.Process], ports: Iterable[int]
) -> None:
    """Assert that no process, no file and no port is left."""
    assert [process for process in processes if is_running(process)] == []
    assert list(command_line.folder.iterdir()) == []
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("exit_code", "end"),
    [
        pytest.param(0, lambda run: run.write_line("0"), id="the command succeeds"),
        pytest.param(3, lambda run: run.write_line("3"), id="the command fails"),
        pytest.param(130, lambda run: run.process.send_signal(signal.SIGINT), id="SIGINT"),
        pytest.param(143, lambda run: run.process.send_signal(signal.SIGTERM), id="SIGTERM"),
    ],
)
def test_it_exits_with_the_commands_code_and_leaves_no_process_port_or_folder(
    run: CommandLine, exit_code: int, end: Callable[[CommandLine], None]
) -> None:
    run.read_line()
    children = run.children()
    ports = {port for _, port in listening(children)}
    # MiniStack, moto, the command with its sleep, and the function's worker.
    assert len(children) == 5

    end(run)

    assert run.process.wait(timeout=15) == exit_code
    assert_nothing_remains(run, children, ports)


def test_a_signal_during_the_start_leaves_no_process_port_or_folder(run: CommandLine) -> None:
    while not (children := run.children()):
        time.sleep(0.01)

    run.process.send_signal(signal.SIGTERM)

    assert run.process.wait(timeout=15) == 128 + signal.SIGTERM
    assert_nothing_remains(run, children, ports=())


def test_a_command_and_its_functions_see_only_the_local_aws_on_two_ports(run: CommandLine) -> None:
    seen = json.loads(run.read_line())
    assert seen["account"] == MANAGEMENT
    assert seen["function"]["Code"] == "ServiceAccessNotEnabledException"
    assert MANAGEMENT in seen["function"]["Message"]
    assert seen["function"]["role"] == f"arn:aws:sts::{MANAGEMENT}:assumed-role/role/function"
    assert listening(run.children()) == {("127.0.0.1", urlsplit(url).port) for url in seen["urls"]}


def test_in_a_terminal_the_command_gets_ctrl_c_and_decides_the_exit_code(tmp_path: Path) -> None:
    command = "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.1; done"
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    with subprocess.Popen(
        [sys.executable, "-c", terminal, *RUN, "sh", "-c", command],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        print("\x03", end="", file=process.stdin, flush=True)
        assert "interrupted" in process.stdout.read()
    assert process.returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_is_removed_by_the_next_one_and_a_running_one_stays(
    run: CommandLine,
) -> None:
    run.read_line()
    servers = [process for process in run.children() if process.cwd().startswith(str(run.folder))]
    (folder,) = run.folder.iterdir()
    run.process.kill()
    run.process.wait()
    with command_line("run", "--", "sh", "-c", "echo ready; read line", folder=run.folder) as other:
        other.read_line()
        assert not folder.exists()
        assert [process for process in servers if is_running(process)] == []
        assert len(servers) >= 2
        script = "from local_aws.runs import remove_killed_runs; remove_killed_runs()"
        environment = {**os.environ, "TMPDIR": str(run.folder)}
        assert (
            run_to_end(sys.executable, "-c", script, cwd=REPOSITORY, env=environment).returncode
            == 0
        )
        assert other.process.poll() is None
        other.write_line("end")
        assert other.process.wait(timeout=15) == 0


def test_other_users_and_web_pages_cannot_drive_it(running_aws: LocalAws) -> None:
    buckets = f"{running_aws.addresses.aws_url}/"
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 "
        f"Credential={MANAGEMENT}/20261124/us-east-1/s3/aws4_request",
        "X-Amz-Security-Token": running_aws.addresses.session_token,
    }
    assert http_status_of(buckets, headers) == 200

    assert http_status_of(buckets, {**headers, "Origin": "http://127.0.0.1"}) == 403
    assert http_status_of(buckets, {"Authorization": headers["Authorization"]}) == 403
    assert http_status_of(buckets, {}) == 403
    assert http_status_of(f"{buckets}_ministack/config", {}) == 403
    # A web page can make any browser send this, as an image.
    for callback in ("cfn-response", "cfn-signal"):
        call = f"_ministack/{callback}/x?Action=GetCallerIdentity&Version=2011-06-15"
        assert http_status_of(f"{buckets}{call}", {}) == 403
    assert http_status_of(f"{buckets}_ministack/health", {}) == 200
    assert http_status_of(f"{buckets}_ministack/health", {"Origin": "null"}) == 403
    other_token = {**running_aws.environment, "AWS_SESSION_TOKEN": "test"}
    for service, operation in (
        ("sts", "get_caller_identity"),
        ("sqs", "list_queues"),
        ("s3", "list_buckets"),
    ):
        script = f"import boto3; boto3.client('{service}').{operation}()"
        ran = run_to_end(sys.executable, "-c", script, env=other_token)
        assert "(InvalidClientTokenId)" in ran.stderr, service


def test_a_presigned_url_is_accepted_and_one_without_the_token_refused(
    running_aws: LocalAws,
) -> None:
    keys = {"Bucket": "presigned", "Key": "a b/c+d"}
    script = (
        "import boto3, sys; from botocore.config import Config\n"
        "s3 = boto3.client('s3'); s3.create_bucket(Bucket='presigned')\n"
        f"s3.put_object(**{keys}, Body=b'')\n"
        "for version in ('s3', 's3v4'):\n"
        "    s3 = boto3.client('s3', config=Config(signature_version=version))\n"
        f"    print(s3.generate_presigned_url('get_object', Params={keys}))"
    )
    ran = run_to_end(sys.executable, "-c", script, env=running_aws.environment)
    assert ran.returncode == 0, ran.stderr
    for url in ran.stdout.splitlines():
        assert http_status_of(url, {}) == 200
        assert http_status_of(url.replace(running_aws.addresses.session_token, "x"), {}) == 403


EXITS_AT_ONCE = (sys.executable, "-c", "print('no room here'); raise SystemExit(4)")
NEVER_RESPONDS = (sys.executable, "-c", "import time; time.sleep(60)")
NOT_INSTALLED = ("/nowhere/server",)
EXITED = r"it exited with code 4\.\nThe end of its log:\n  no room here$"


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        pytest.param(
            {"ministack": EXITS_AT_ONCE},
            rf"^MiniStack did not start: {EXITED}",
            id="MiniStack exits",
        ),
        pytest.param(
            {"ministack": NOT_INSTALLED},
            r"^MiniStack did not start: .*No such file.*'/nowhere/server'\.$",
            id="not installed",
        ),
        pytest.param(
            {"ministack": NEVER_RESPONDS, "start_within": 0.3},
            r"^MiniStack did not start: no response from \S+/_ministack/health in 0\.3 s\.",
            id="no response",
        ),
    ],
)
def test_a_failed_start_names_the_part_shows_its_log_and_leaves_no_process(
    servers: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = psutil.Process().children(recursive=True)
    with pytest.raises(StartError, match=message), running_local_aws(**servers):
        pytest.fail("It started.")
    assert psutil.Process().children(recursive=True) == before
    assert list(tmp_path.iterdir()) == []


def test_a_callers_command_has_its_environment_without_settings_for_another_aws() -> None:
    inherited = {
        **USER_SETTINGS,
        "EDITOR": "vi",
        "HOME": "/home/user",
        "PATH": "/own/.venv/bin:/bin",
        "PYTHONPATH": "/own",
        "VIRTUAL_ENV": "/own/.venv",
    }
    environment = callers_environment(inherited, ADDRESSES, programs=[Path("/programs")])
    kept = inherited.keys() - USER_SETTINGS.keys() - {"PATH"}
    assert {name: environment[name] for name in kept} == {name: inherited[name] for name in kept}
    assert environment["PATH"] == "/own/.venv/bin:/bin:/folder/bin:/programs", (
        "the caller's programs first"
    )
    assert environment["AWS_SESSION_TOKEN"] == "token"
    assert environment.keys().isdisjoint(OTHER_SETTINGS | {"JSII_NODE"})


def test_the_environment_of_a_service_has_no_variable_of_the_user() -> None:
    inherited = {**USER_SETTINGS, "EDITOR": "vi", "HOME": "/home/user", "PATH": "/bin"}
    settings = ministack_variables(ADDRESSES, port=1)
    environment = service_environment(inherited, ADDRESSES, settings=settings)
    assert environment["PATH"] == "/folder/bin:/bin"
    assert environment["HOME"] == "/folder/home"
    assert environment["AWS_SESSION_TOKEN"] == "token"
    assert environment.keys().isdisjoint(OTHER_SETTINGS | {"EDITOR"})


def test_the_lock_file_has_no_download_addresses() -> None:
    packages = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in package for package in packages.values())


def test_cloudformation_cuts_both_parts_of_a_name_that_is_too_long(local_aws: LocalAws) -> None:
    cloudformation = local_aws.client("cloudformation")
    stack, logical_id = "RootAccessAcceptance-0123456789ab", "RootTasksBucket51641F9D"
    template = {"Resources": {logical_id: {"Type": "AWS::S3::Bucket"}}}
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="my-templates")
    s3.put_object(Bucket="my-templates", Key="folder/template.json", Body=json.dumps(template))
    # The form of the address that docs/guides/without-cdk.md has.
    url = "https://my-templates.s3.us-east-1.amazonaws.com/folder/template.json"
    cloudformation.create_stack(StackName=stack, TemplateURL=url)
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1}
    )

    (resource,) = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]

    assert re.fullmatch(
        "rootaccessacceptance-0123-roottasksbucket51641f9d-[0-9a-f]{13}",
        resource["PhysicalResourceId"],
    )
