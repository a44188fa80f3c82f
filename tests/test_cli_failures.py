"""Whatever fails is a sentence and exit code 2, never a traceback and never the exit code of a deviation."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from centralized_root_access.cli.from_here import LocalAudit
from local_aws.emulation import LocalOrganization, serve_organization
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import CREDENTIALS, enable_root_access
from support.function import BOTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.command_line import CommandLine

COMMANDS = (
    ("status",),
    ("preflight",),
    ("audit",),
    ("audit", "--from-here"),
    ("plan", "delete", "--account", MEMBER),
    ("plan", "restore", "--backup", "backups/run/1/b/0.json"),
    ("execute", "plan-delete-1", "--yes"),
    ("runs",),
    ("report",),
    ("report", "audit-1"),
)
CONFIGURATIONS = {
    "a credential process that is not there": "[default]\ncredential_process = /not/there\n",
    "a credential process that prints no JSON": "[default]\ncredential_process = echo nothing\n",
    "a credential process that fails": "[default]\ncredential_process = false\n",
    "a credential process with an unbalanced quote": "[default]\ncredential_process = echo '\n",
    "a token file that is not there": (
        "[default]\nrole_arn = arn:aws:iam::111111111111:role/r\nweb_identity_token_file = /not/there\n"
    ),
    "an unknown source profile": "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = missing\n",
    "a file that is not a configuration": "not a configuration",
    "a Region that is none": "[default]\nregion = not a region\n",
}
ENVIRONMENTS = {
    "an endpoint that is not a URL": {"AWS_ENDPOINT_URL_STS": "ht!tp://x"},
    "an endpoint that nobody serves": {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"},
    "credentials from another host": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/x"},
    "an unknown profile": {"AWS_PROFILE": "missing"},
    "half of the credentials": {"AWS_ACCESS_KEY_ID": MANAGEMENT},
    "a CA bundle that is not there": {
        "AWS_CA_BUNDLE": "/not/there",
        "AWS_ENDPOINT_URL_STS": "https://127.0.0.1:9",
    },
    "no credentials": {},
}


@pytest.mark.parametrize("failure", [*CONFIGURATIONS, *ENVIRONMENTS])
def test_whatever_the_sdk_raises_is_a_sentence(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: str
) -> None:
    config = tmp_path / "config"
    config.write_text(CONFIGURATIONS.get(failure, ""))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if "Region" in failure:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
    if (failure in CONFIGURATIONS and "Region" not in failure) or "credentials" in failure:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name, value in ENVIRONMENTS.get(failure, {}).items():
        monkeypatch.setenv(name, value)
    for command in COMMANDS:
        shown = command_line.run(*command)
        assert (shown.exit_code, shown.stdout) == (2, ""), command
        assert shown.stderr.startswith("Unable to "), shown.stderr
        assert len(shown.stderr.splitlines()) == 1
        assert "does not expect" not in shown.stderr
    assert command_line.services.requests == []


@pytest.mark.parametrize("command", [it for it in COMMANDS if it != ("status",)], ids=" ".join)
def test_an_error_of_this_program_is_a_sentence_as_well(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a name of an account")

    monkeypatch.setattr("centralized_root_access.cli.aws.Caller.client", fail)
    shown = command_line.run(*command, "--format", "json")
    assert shown.exit_code == 2
    assert "An error that this release does not expect: KeyError in test_cli_failures.py" in shown.stderr
    assert "a name of an account" not in shown.stderr
    assert json.loads(shown.stdout) == {"error": shown.stderr.strip()}


def test_an_interrupted_audit_waits_for_no_batch(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def run_batch(*_: object) -> dict[str, object]:
        os.kill(os.getpid(), signal.SIGINT)
        go_on.wait(30)
        ended.set()
        return {}

    monkeypatch.setattr(LocalAudit, "_run_batch", run_batch)
    shown = command_line.run("audit", "--from-here")
    assert shown.exit_code == 130
    assert not ended.is_set()
    assert "Traceback" not in shown.stderr
    go_on.set()


# As a process of its own


@pytest.fixture(scope="module")
def served_organization() -> Iterator[LocalOrganization]:
    with serve_organization() as organization:
        enable_root_access(organization, *BOTH)
        yield organization


def environment_of(organization: LocalOrganization, **variables: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": str(organization.url),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": os.environ["PATH"],
        **variables,
    }


def with_keys(organization: LocalOrganization) -> dict[str, str]:
    return environment_of(organization, AWS_ACCESS_KEY_ID=MANAGEMENT, AWS_SECRET_ACCESS_KEY="secret")


def run_process(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "centralized_root_access", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def run_in_shell(command: str, *, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        f"{sys.executable} -m centralized_root_access {command}",
        shell=True,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


ROLE = "sso_account_id = 111111111111\nsso_role_name = r\n"
START = "sso_start_url = https://example.com/start\nsso_region = us-east-1\n"
# The SHA-1 of the session's name, or of the URL, is the name of the file of its token.
SESSION = (f"[default]\nsso_session = s\n{ROLE}[sso-session s]\n{START}", "s")
LEGACY = (f"[default]\n{START}{ROLE}", "https://example.com/start")
EXPIRED = json.dumps({"accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z", "startUrl": "https://x"})


@pytest.mark.parametrize(
    "cached",
    [None, "{}", "not JSON", "[]", EXPIRED],
    ids=["never signed in", "damaged", "not JSON", "not an object", "expired"],
)
@pytest.mark.parametrize("configuration", [SESSION, LEGACY], ids=["session", "legacy"])
def test_a_session_of_sso_that_cannot_be_used_is_a_sentence(
    served_organization: LocalOrganization,
    tmp_path: Path,
    configuration: tuple[str, str],
    cached: str | None,
) -> None:
    text, key = configuration
    config = tmp_path / "config"
    config.write_text(text)
    cache = tmp_path / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    if cached is not None:
        (cache / f"{hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()}.json").write_text(cached)
    environment = environment_of(served_organization, AWS_CONFIG_FILE=str(config), HOME=str(tmp_path))
    result = run_process("audit", "--from-here", environment=environment)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert result.stderr.startswith("Unable to audit: "), result.stderr
    assert "Traceback" not in result.stderr
    assert "aws sso login" in result.stderr


@pytest.mark.parametrize(
    "command", ["status", "audit --from-here", "audit --from-here --format csv", "plan delete --help"]
)
def test_a_reader_that_is_gone_is_not_a_traceback(
    served_organization: LocalOrganization, command: str
) -> None:
    result = run_in_shell(f"{command} | head -c 0", environment=with_keys(served_organization))
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


@pytest.mark.parametrize("command", ["--version", "status", "audit --from-here"])
@pytest.mark.parametrize(
    "redirection", ["<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1"]
)
def test_no_stream_that_is_closed_or_full_ends_as_if_credentials_were_found(
    served_organization: LocalOrganization, command: str, redirection: str
) -> None:
    result = run_in_shell(f"{command} {redirection}", environment=with_keys(served_organization))
    assert result.returncode in (0, 2), result.stderr
    assert "Traceback" not in result.stderr
    assert "does not expect" not in result.stderr
    if redirection == ">/dev/full":
        assert result.returncode == 2
        assert "No space left on device" in result.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_failure_that_cannot_be_written_is_no_result(
    served_organization: LocalOrganization, redirection: str
) -> None:
    result = run_in_shell(f"audit --from-here {redirection}", environment=environment_of(served_organization))
    assert result.returncode == 2


@pytest.mark.parametrize(
    "command",
    [("status",), ("audit", "--from-here"), ("audit",), ("plan", "delete", "--account", MEMBER)],
    ids=" ".join,
)
def test_an_interrupt_exits_130_without_a_traceback(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The credential process never ends, so that the command is interrupted while it waits."""
    started = tmp_path / "started"
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = sh -c 'touch {started}; exec sleep 30'\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "centralized_root_access", *command],
        env={"AWS_CONFIG_FILE": str(config), "AWS_EC2_METADATA_DISABLED": "true", "PATH": os.environ["PATH"]},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, shown = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in shown


# What it needs


def modules_of(*arguments: str, environment: Mapping[str, str]) -> set[str]:
    """Return the packages that a command imports."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "centralized_root_access", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    assert lines, result.stderr
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


SLOW = {"asyncio", "aws_calls", "aws_cdk", "boto3", "botocore", "constructs", "jsii", "rich", "urllib3"}
SLOW |= {"concurrent", "http", "multiprocessing", "root_access", "root_tasks", "s3transfer", "ssl"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("audit", "--help"),
        ("preflight", "--help"),
        ("plan", "delete", "--help"),
        ("audit", "--account", "123"),
    ],
    ids=" ".join,
)
def test_help_imports_nothing_that_is_slow(arguments: tuple[str, ...]) -> None:
    assert modules_of(*arguments, environment={}) & SLOW == set()


@pytest.mark.parametrize("words", ["centralized-root-access plan ", "centralized-root-access audit --"])
def test_completion_imports_nothing_that_is_slow(words: str) -> None:
    variables = {
        "_CENTRALIZED_ROOT_ACCESS_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    assert modules_of(environment=variables) & SLOW == set()


def test_the_status_imports_the_sdk_and_nothing_else_that_is_slow(
    served_organization: LocalOrganization,
) -> None:
    environment = with_keys(served_organization)
    found = modules_of("status", environment=environment) & SLOW
    assert found.isdisjoint({"aws_cdk", "boto3", "constructs", "jsii", "rich", "root_tasks", "s3transfer"})
    assert "botocore" in found


WITHOUT_CDK = """
import sys
for name in ("aws_cdk", "constructs", "jsii"):
    sys.modules[name] = None
from centralized_root_access.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("command", [("status",), ("audit", "--from-here")], ids=" ".join)
def test_neither_the_cdk_nor_node_is_needed(
    served_organization: LocalOrganization, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The CDK's Python packages start Node when they are imported."""
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_CDK, *command],
        env={**with_keys(served_organization), "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert CREDENTIALS in result.stdout or "root credentials" in result.stdout
