"""What a person sees: the commands in a real terminal."""

import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.emulation import LocalOrganization, serve_organization
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER
from support.arrange import enable_root_access
from support.command_line import environment_variables_for
from support.function import BOTH_FEATURES
from support.terminal import CONTROL, Terminal, open_terminal

MEMBERS_KEY = f"AKIA{MEMBER}0001"
NAME_OF_OTHER_SCRIPTS = "Zürich 東京"
COLOR = re.compile(r"\x1b\[(?:\d+;)*3[0-7](?:;\d+)*m")


@pytest.fixture(scope="module")
def organization() -> Iterator[LocalOrganization]:
    """An organization behind a URL, in which two accounts have credentials and one is denied."""
    with serve_organization() as organization:
        enable_root_access(organization, *BOTH_FEATURES)
        organization.put_root_credentials(MEMBER, password=True, access_keys=2, mfa_devices=1)
        organization.deny(OTHER_MEMBER, "iam:GetAccountSummary")
        other_account = organization.add_account(
            name=NAME_OF_OTHER_SCRIPTS, email="other@example.com"
        )
        organization.put_root_credentials(other_account, password=True)
        yield organization


def environment_of(organization: LocalOrganization, **variables: str) -> dict[str, str]:
    """Return the variables of a command in the organization's management account, and others."""
    return {**environment_variables_for(organization), "LANG": "C.UTF-8", **variables}


def run_in_terminal(
    organization: LocalOrganization, *arguments: str, columns: int, **variables: str
) -> Terminal:
    """Run a command in a terminal of so many columns, and return what the terminal shows."""
    environment = environment_of(organization, **{"TERM": "xterm-256color", **variables})
    command = [sys.executable, "-m", "centralized_root_access", *arguments]
    terminal = Terminal()
    keyboard, end_of_command = open_terminal(columns=columns)
    with subprocess.Popen(
        command,
        env=environment,
        stdin=end_of_command,
        stdout=end_of_command,
        stderr=end_of_command,
        start_new_session=True,
    ) as process:
        os.close(end_of_command)
        terminal.read(keyboard)
    os.close(keyboard)
    terminal.exit_code = process.returncode
    return terminal


@pytest.mark.parametrize("columns", [80, 140])
def test_a_report_fits_the_terminal_and_no_word_is_broken(
    organization: LocalOrganization, columns: int
) -> None:
    shown = run_in_terminal(organization, "audit", "--from-here", columns=columns)
    assert shown.exit_code == 1, shown.text
    # A command that may be pasted has a line of its own.
    assert f"  centralized-root-access preflight --account {OTHER_MEMBER}" in shown.lines
    assert max(map(len, shown.lines)) <= columns
    assert any(MEMBERS_KEY in line for line in shown.lines)
    assert shown.lines[0].startswith("has credentials")
    assert any(f"{MEMBER}  workload-a  Root" in line for line in shown.lines)
    assert re.search(f"{COLOR.pattern}has credentials", shown.text)
    note = " ".join(line for line in shown.lines if line and MEMBERS_KEY not in line)
    assert "To keep the report: --output FILE. To read it as a page: --open." in " ".join(
        note.split()
    )


def test_progress_is_counted_while_accounts_are_audited_and_then_taken_back(
    organization: LocalOrganization,
) -> None:
    shown = run_in_terminal(organization, "audit", "--from-here", columns=80, NO_COLOR="1")
    assert "accounts: 4 of 4" in CONTROL.sub("", shown.text)
    # The report begins where the progress was. Its summary, at the end, counts accounts, too.
    assert not any("of 4" in line for line in shown.lines[:2])
    assert not COLOR.search(shown.text), "colors can be disabled"


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_a_pipe_loses_no_name_that_it_cannot_encode_and_gets_no_colors_in_a_format_for_programs(
    organization: LocalOrganization, format_: str
) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "centralized_root_access",
            "audit",
            "--from-here",
            "--format",
            format_,
        ],
        env=environment_of(organization, PYTHONIOENCODING="latin-1", FORCE_COLOR="1"),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    shown = result.stdout.decode("latin-1")
    assert MEMBERS_KEY in shown
    # Of NAME_OF_OTHER_SCRIPTS: Latin-1 does not have these characters.
    assert r"\u6771\u4eac" in shown
    assert bool(COLOR.search(shown)) is (format_ == "table")


def test_an_interrupted_question_for_an_mfa_code_leaves_a_terminal_that_echoes(
    organization: LocalOrganization, interruptible: None, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile mfa]\n"
        f"role_arn = arn:aws:iam::{MANAGEMENT}:role/audit\n"
        "credential_source = Environment\n"
        f"mfa_serial = arn:aws:iam::{MANAGEMENT}:mfa/one\n"
    )
    keyboard, end_of_command = open_terminal(columns=80)
    shown = b""
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "centralized_root_access",
            "audit",
            "--from-here",
            "--profile",
            "mfa",
        ],
        env=environment_of(organization, AWS_CONFIG_FILE=str(config)),
        stdin=end_of_command,
        stdout=end_of_command,
        stderr=end_of_command,
        start_new_session=True,
    ) as process:
        os.close(end_of_command)
        while b"MFA code" not in shown:
            shown += os.read(keyboard, 65_536)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        finally:
            process.kill()
    local_modes = termios.tcgetattr(keyboard)[3]
    os.close(keyboard)
    assert process.returncode == 130
    assert local_modes & termios.ECHO
