"""Whatever fails is a sentence and exit code 2, never a traceback."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import SSOProvider
from botocore.exceptions import EndpointConnectionError
from botocore.httpsession import URLLib3Session
from botocore.tokens import SSOTokenProvider

from local_aws.emulation import LocalOrganization, serve_organization
from support.accounts import MEMBER
from support.arrange import enable_root_access
from support.command_line import CommandLine, environment_variables_for
from support.function import BOTH_FEATURES
from support.processes import run_process

COMMANDS = (
    ("status",),
    ("preflight",),
    ("audit",),
    ("audit", "--from-here"),
    ("plan", "delete", "--account", MEMBER),
    ("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked"),
    ("execute", "plan-delete-1", "--yes"),
    ("runs",),
    ("report",),
    ("report", "audit-1"),
)
# The sentence for an error that nobody has foreseen begins so.
UNEXPECTED_ERROR = "An error that this release does not expect"
PROCESS = "[default]\ncredential_process = "
ROLE = "[default]\nrole_arn = arn:aws:iam::111111111111:role/r\n"
# The variables of the environment, or the text of the configuration.
SETTINGS: dict[str, dict[str, str] | str] = {
    "an endpoint that is not a URL": {"AWS_ENDPOINT_URL_STS": "ht!tp://x"},
    "an endpoint that nobody serves": {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"},
    "a Region that is none": {"AWS_DEFAULT_REGION": "not a region"},
    "half of the credentials": {"AWS_SECRET_ACCESS_KEY": ""},
    "a credential process that is not there": f"{PROCESS}/not/there\n",
    "a credential process with an unbalanced quote": f"{PROCESS}echo '\n",
    "a token file that is not there": f"{ROLE}web_identity_token_file = /not/there\n",
    "a file that is not a configuration": "not a configuration",
    "no credentials": "",
}


def take_keys_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the command without credentials in its environment."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


def refused_sentence(command_line: CommandLine, *command: str) -> str:
    """Run a command that calls no service, and return the one sentence that it ends with."""
    *waited_for, said = command_line.refusal(*command).splitlines()
    # While a network is down, a person is told what is waited for.
    assert all(line.endswith(" Trying again.") for line in waited_for), waited_for
    assert said.startswith("Unable to "), said
    assert UNEXPECTED_ERROR not in said
    assert not said.endswith(": None")
    assert command_line.services.requests == []
    return said


def write_aws_config(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """Write the AWS CLI's configuration, which the command then reads."""
    config = folder / "config"
    config.write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings_that_cannot_be_used_are_a_sentence(
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    settings: dict[str, str] | str,
) -> None:
    # A text is the AWS CLI's configuration, which counts without keys in the environment.
    if isinstance(settings, str):
        take_keys_away(monkeypatch)
        write_aws_config(monkeypatch, tmp_path, settings)
    else:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
    refused_sentence(command_line, "audit")


# A configuration of SSO, and the text whose SHA-1 is the name of its cached token: the session's
# name, or the URL.
SSO_ROLE = "sso_account_id = 111111111111\nsso_role_name = r\n"
START = "sso_start_url = https://example.com/start\nsso_region = us-east-1\n"
SESSION = (f"[default]\nsso_session = s\n{SSO_ROLE}[sso-session s]\n{START}", "s")
LEGACY = (f"[default]\n{START}{SSO_ROLE}", "https://example.com/start")
EXPIRED_TOKEN = json.dumps(
    {"accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z", "startUrl": "https://x"}
)
VALID_TOKEN = EXPIRED_TOKEN.replace("2020", "2099")


def respond_with_forbidden(*_: object) -> AWSResponse:
    """Respond as SSO's portal does to a token that the role no longer accepts."""
    headers = HTTPHeaders()
    headers["x-amzn-ErrorType"] = "ForbiddenException"
    return AWSResponse(
        "", 403, headers, SimpleNamespace(stream=lambda: [b'{"message": "No access"}'])
    )


@pytest.mark.parametrize(
    "cached_token",
    [None, "[]", EXPIRED_TOKEN, VALID_TOKEN],
    ids=["none", "damaged", "expired", "forbidden"],
)
@pytest.mark.parametrize(("text", "key"), [SESSION, LEGACY], ids=["session", "legacy"])
def test_a_session_of_sso_that_cannot_be_used_says_how_to_sign_in(
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    text: str,
    key: str,
    cached_token: str | None,
) -> None:
    take_keys_away(monkeypatch)
    for provider in (SSOProvider, SSOTokenProvider):
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:9")
    monkeypatch.setattr(URLLib3Session, "send", respond_with_forbidden)
    write_aws_config(monkeypatch, tmp_path, text)
    if cached_token is not None:
        # The SDK looks for a token by the hash of the session's name or, without one, of its URL.
        token = tmp_path / f"{hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()}.json"
        token.write_text(cached_token)
    assert "aws sso login" in refused_sentence(command_line, "audit", "--from-here")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_ends_in_a_sentence_that_a_program_also_gets(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a name of an account")

    monkeypatch.setattr("centralized_root_access.cli.base.caller.Caller.client", fail)
    shown = command_line.run(*command, "--format", "json")
    assert shown.exit_code == 2
    assert f"{UNEXPECTED_ERROR}: KeyError in test_cli_failures.py" in shown.stderr
    assert "a name of an account" not in shown.stderr
    assert shown.json == {"error": shown.stderr.strip()}


@pytest.mark.parametrize("failures", [2, 1_000], ids=["for a moment", "for good"])
def test_a_network_that_is_down_is_named_after_5_seconds_and_given_up_after_20(
    command_line: CommandLine, failures: int
) -> None:
    errors = [EndpointConnectionError(endpoint_url="https://stacks")] * failures
    waits: list[float] = []

    def fail() -> None:
        """Refuse the next connection, as long as there are failures left."""
        if errors:
            raise errors.pop()

    command_line.services.before_call = {"DescribeStacks": fail}
    command_line.sleep = waits.append
    shown = command_line.run("runs")
    if failures == 2:
        assert (shown.exit_code, shown.stderr.count("https://stacks")) == (0, 0)
        return
    said = 'EndpointConnectionError: Could not connect to the endpoint URL: "https://stacks".'
    assert shown.exit_code == 2
    assert shown.stderr.splitlines()[0] == f"cloudformation:DescribeStacks: {said} Trying again."
    assert shown.stderr.count("Trying again.") == 1
    assert 12 < sum(waits) <= 20


# As a process of its own


@pytest.fixture(scope="module")
def served() -> Iterator[LocalOrganization]:
    """An organization with root access behind a URL, for processes."""
    with serve_organization() as organization:
        enable_root_access(organization, *BOTH_FEATURES)
        yield organization


PROGRAM = [sys.executable, "-m", "centralized_root_access"]


@pytest.mark.slow
def test_a_reader_that_is_gone_is_neither_a_traceback_nor_a_deviation(
    served: LocalOrganization,
) -> None:
    # A process that SIGPIPE ends has the exit code 141.
    for command in ("audit --from-here", "plan delete --help"):
        line = f"{{ {' '.join(PROGRAM)} {command}; echo $? >&2; }} | true"
        assert (
            run_process("sh", "-c", line, env=environment_variables_for(served)).stderr == "141\n"
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "redirection", "exit_codes"),
    [
        ("status", "<&-", {0}),
        ("status", ">&-", {0}),
        ("status", "2>/dev/full", {0, 2}),
        ("audit --from-here", ">/dev/full", {2}),
        ("status", ">/dev/full 2>&1", {2}),
        ("status --profile missing", "2>&-", {2}),
        ("status --profile missing --format json", ">/dev/full", {2}),
        ("--version", ">&-", {0}),
        ("--version", ">/dev/full", {2}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_stream_that_is_closed_or_full_ends_as_if_credentials_were_found(
    served: LocalOrganization, command: str, redirection: str, exit_codes: set[int]
) -> None:
    if "/dev/full" in redirection and not Path("/dev/full").exists():
        pytest.skip("macOS has no /dev/full")
    line = f"{' '.join(PROGRAM)} {command} {redirection}"
    result = run_process("sh", "-c", line, env=environment_variables_for(served))
    for word in ("Traceback", "BrokenPipe", UNEXPECTED_ERROR):
        assert word not in result.stderr
    assert result.returncode in exit_codes, result.stderr
    if redirection == ">/dev/full":
        assert "No space left on device" in result.stderr
    if "json" in command:
        assert "The config profile (missing) could not be found" in result.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_exits_130_without_a_traceback(
    interruptible: None, tmp_path: Path, sent: signal.Signals
) -> None:
    """The credential process never ends: the command is interrupted while it waits."""
    started = tmp_path / "started"
    config = tmp_path / "config"
    config.write_text(f"{PROCESS}sh -c 'touch {started}; exec sleep 30'\n")
    process = subprocess.Popen(
        [*PROGRAM, "status"],
        env={
            "AWS_CONFIG_FILE": str(config),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PATH": os.environ["PATH"],
        },
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, sent)
    _, shown = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in shown


def test_an_interrupt_ends_an_audit_from_here_while_the_network_is_silent(
    interruptible: None, served: LocalOrganization
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [*PROGRAM, "audit", "--from-here"],
            env=environment_variables_for(served) | {"AWS_ENDPOINT_URL": url},
            stderr=subprocess.PIPE,
            text=True,
        )
        # The identity, the features, the organization and its accounts are asked for at once.
        connections = [silent.accept()[0] for _ in range(4)]
        # Python loses a signal that arrives right before it waits; a person presses Ctrl-C again.
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            # Long before a response is given up.
            _, shown = process.communicate(timeout=8)
        finally:
            process.kill()
            for connection in connections:
                connection.close()
    assert (process.returncode, shown.strip()) == (130, "")


@pytest.mark.slow
def test_an_interrupt_ends_a_pre_flight_whose_calls_are_throttled(
    interruptible: None, served: LocalOrganization
) -> None:
    program = """
import sys
from centralized_root_access.__main__ import lambda_root, main
sys.path.insert(0, str(lambda_root()))
from botocore.exceptions import ClientError
from centralized_root_access.cli.base.caller import Caller

def create_client(caller, service, **options):
    client = create(caller, service, **options)
    client.meta.events.register("before-call.organizations.ListPolicies", throttle)
    return client

def throttle(**_):
    print("asked", file=sys.stderr, flush=True)
    error = {"Code": "TooManyRequestsException", "Message": "."}
    raise ClientError({"Error": error}, "ListPolicies")

create, Caller.client = Caller.client, create_client
sys.exit(main())
"""
    organizations = served.client("organizations")
    organizations.enable_policy_type(RootId=served.root_id, PolicyType="SERVICE_CONTROL_POLICY")
    with subprocess.Popen(
        [sys.executable, "-c", program, "preflight"],
        env=environment_variables_for(served),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "asked\n"
        # Time for the other reads, so that it waits for this one.
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130


def test_a_command_without_a_result_waits_for_no_thread_that_still_reads() -> None:
    program = """
import sys, threading, time
from centralized_root_access.__main__ import lambda_root, main
sys.path.insert(0, str(lambda_root()))
from centralized_root_access.cli import main as cli

def run(arguments):
    threading.Thread(target=time.sleep, args=[60]).start()
    print("not read", file=sys.stderr)
    return 2

cli.run = run
sys.exit(main())
"""
    # The thread sleeps for twice as long as the command may take.
    result = run_process(sys.executable, "-c", program, timeout=30)
    assert (result.returncode, result.stderr) == (2, "not read\n")


def test_a_wrong_file_of_authorities_is_named_at_once(served: LocalOrganization) -> None:
    variables = environment_variables_for(served) | {"AWS_CA_BUNDLE": "/missing.pem"}
    variables["AWS_ENDPOINT_URL"] = str(served.url).replace("http:", "https:")
    result = run_process(*PROGRAM, "status", env=variables)
    assert result.returncode == 2
    assert "[Errno 2] No such file or directory. AWS_CA_BUNDLE, or" in result.stderr


# What a command imports


# Packages that are slow to import.
SLOW = {"asyncio", "aws_cdk", "boto3", "botocore", "constructs", "jsii", "rich", "urllib3"}
SLOW |= {"concurrent", "http", "multiprocessing", "root_access", "root_tasks", "s3transfer", "ssl"}
# Of root_tasks, the names of tasks and outcomes alone are quick to import.
QUICK = {f"root_tasks{part}" for part in ("", ".model", ".model.outcome", ".model.task")}
COMPLETION = {"_CENTRALIZED_ROOT_ACCESS_COMPLETE": "bash_complete", "COMP_CWORD": "2"}


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ("plan delete --help", {}),
        ("audit --account 123", {}),
        ("", {**COMPLETION, "COMP_WORDS": "centralized-root-access audit --"}),
    ],
    ids=["help", "refused", "completion"],
)
def test_what_calls_nothing_imports_nothing_that_is_slow(
    command: str, variables: dict[str, str]
) -> None:
    imported = imported_by(command, variables)
    slow = {name for name in imported if name.partition(".")[0] in SLOW}
    # Of root_tasks, a few modules are quick to import.
    assert slow - QUICK == set()


def test_an_audit_for_a_program_imports_nothing_for_a_terminal(served: LocalOrganization) -> None:
    imported = imported_by("audit --from-here --format json", environment_variables_for(served))
    assert "root_tasks" in imported
    assert imported & {"boto3", "rich", "centralized_root_access.preflight"} == set()


def imported_by(command: str, variables: dict[str, str]) -> set[str]:
    """Return the modules that a command imports, and the packages that they are in."""
    result = run_process(
        *PROGRAM, *command.split(), env={**variables, "PYTHONPROFILEIMPORTTIME": "1"}
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    assert lines, result.stderr
    names = [line.rpartition("|")[2].strip() for line in lines]
    return {*names, *(name.partition(".")[0] for name in names)}
