"""One verdict on each account: exit code, row, summary, page, metric, notice and finding agree."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from root_tasks.model.outcome import Outcome
from root_tasks.report.management_root_user import OWN, PROTECT_OWN
from support.accounts import MANAGEMENT, MEMBER, THIRD_MEMBER
from support.arrange import add_accounts
from support.command_line import AUDIT_RUN, CALLER_ARN, PLAN_RUN, CommandLine, suggested_command
from support.root_tasks import DeployedSettings

# The management account


@dataclass(frozen=True)
class Verdict:
    """What is said about the management account's root user, by what it has.

    Attributes:
        credentials: What it has; None if that cannot be read.
        exit_code: How an audit ends in which all members are clean.
        outcome: The outcome of the account, in words.
        row: What its row says.
        metric: The value of ManagementRootUserUnprotected; None for no value.
        finding: The status and the severity of its finding.
    """

    credentials: Mapping[str, Any] | None
    exit_code: int
    outcome: str
    row: str
    metric: int | None
    finding: tuple[str, str]

    @property
    def sentence(self) -> str:
        """What summary, page and notice say."""
        if self.credentials is None:
            return f"{OWN} could not be read; its row has the reason."
        return f"{OWN} is {self.outcome}: it has {self.row.removeprefix('root user with ')}."


VERDICTS = {
    "a password and MFA": Verdict(
        {"password": True, "mfa_devices": 2},
        0,
        "guarded",
        "root user with a password, MFA and no access key",
        0,
        ("PASSED", "INFORMATIONAL"),
    ),
    "no MFA": Verdict(
        {"password": True},
        1,
        "unprotected",
        "root user with a password, no MFA and no access key",
        1,
        ("FAILED", "HIGH"),
    ),
    "a key": Verdict(
        {"password": True, "access_keys": 1, "mfa_devices": 1, "certificates": 1},
        1,
        "unprotected",
        "root user with a password, MFA, an access key and a signing certificate",
        1,
        ("FAILED", "CRITICAL"),
    ),
    "unread": Verdict(
        None,
        2,
        "inaccessible",
        "root user not looked at",
        None,
        ("NOT_AVAILABLE", "MEDIUM"),
    ),
}


@pytest.mark.parametrize("where", [(), ("--from-here",)], ids=["deployed", "from here"])
@pytest.mark.parametrize("which", [(), ("--account", MANAGEMENT)], ids=["all", "named"])
@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_the_management_accounts_root_user_has_one_verdict(
    command_line: CommandLine, verdict: Verdict, which: tuple[str, ...], where: tuple[str, ...]
) -> None:
    root_tasks = command_line.root_tasks
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    root_tasks.client("securityhub").enable_security_hub()
    organization = root_tasks.organization
    if verdict.credentials is None:
        organization.deny(MANAGEMENT, "iam:GetAccountSummary")
    else:
        organization.put_root_credentials(MANAGEMENT, **verdict.credentials)
    shown = command_line.run("audit", *which, *where)
    assert shown.exit_code == verdict.exit_code
    (place,) = (n for n, line in enumerate(shown.lines) if line.startswith(MANAGEMENT))
    # The outcome is a heading above the account, whose row is below.
    heading, row = shown.lines[place - 1], shown.lines[place + 1]
    assert heading == verdict.outcome
    assert row.startswith(f"  {verdict.row}")
    assert verdict.sentence in shown.lines[-1]
    command = ("report", AUDIT_RUN) if not where else ("audit", *which, *where)
    report = command_line.run(*command, "--format", "json").json
    outcomes = {result["accountId"]: result["outcome"] for result in report["results"]}
    assert Outcome(outcomes[MANAGEMENT]).words == verdict.outcome
    advised = PROTECT_OWN in [step["what"] for step in report["nextSteps"]]
    assert advised is (verdict.exit_code == 1)
    if not where:
        page = root_tasks.read_object(f"runs/{AUDIT_RUN}/report.html").decode()
        assert verdict.sentence.replace("'", "&#x27;") in page
    if where or which:
        # Only full audits publish.
        return
    ((_, message),) = root_tasks.notices
    assert verdict.sentence in message
    assert (PROTECT_OWN in message) is advised
    assert root_tasks.metric_values().get("ManagementRootUserUnprotected") == verdict.metric
    found = root_tasks.findings("management-root-user")[MANAGEMENT]
    status, severity = verdict.finding
    assert found["Compliance"]["Status"] == status
    assert found["FindingProviderFields"]["Severity"]["Label"] == severity


# Credentials that stay on purpose

BILLING = "Accepted until 2027-03-31: billing."
NOT_THE_PASSWORD = f"{BILLING} Not accepted: 1 password."
PASSWORD_ONLY = (
    "To be deleted in {planned}: 1 password. "
    "Left out, because accepted: 1 access key, in 1 account."
)
WHICH_ONE = "Which one of several is accepted is not known, so all are left out."


@dataclass(frozen=True)
class Planned:
    """A plan to delete what an account has, whose access key is accepted.

    Attributes:
        command: The command.
        items: The items of the account, each with its outcome.
        said: What the account's row says.
        summary: What the summary says.
        asked: What banner and question say besides.
        credentials: What the account has.
        exit_code: How the command ends.
    """

    command: tuple[str, ...]
    items: Mapping[str, str]
    said: str
    summary: str
    asked: str = ""
    credentials: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: {"password": True, "access_keys": 1}
    )
    exit_code: int = 0


LEFT_OUT = {"PASSWORD": "PLANNED", "ACCESS_KEY": "ACCEPTED"}
PLANS = {
    "all": Planned(
        ("--account", "all"),
        LEFT_OUT,
        NOT_THE_PASSWORD,
        PASSWORD_ONLY.format(planned="1 of 4 accounts"),
    ),
    "a report": Planned(
        ("--from-report", AUDIT_RUN),
        LEFT_OUT,
        NOT_THE_PASSWORD,
        PASSWORD_ONLY.format(planned="1 of 1 account"),
    ),
    "named": Planned(
        ("--account", MEMBER),
        {"PASSWORD": "PLANNED", "ACCESS_KEY": "PLANNED"},
        NOT_THE_PASSWORD,
        "1 password and 1 access key. Of the credentials, 1 is accepted. Nothing",
        f"Of the credentials, 1 is accepted. {BILLING}",
    ),
    "MFA protects what stays": Planned(
        ("--account", "all"),
        {"ACCESS_KEY": "ACCEPTED", "MFA_DEVICE": "SKIPPED"},
        f"{BILLING} Not accepted: 1 MFA device.",
        "To be deleted in 0 of 4 accounts. Left out, because accepted: 1 access key, in 1 account.",
        credentials={"access_keys": 1, "mfa_devices": 1},
        exit_code=2,
    ),
    "one of two keys": Planned(
        ("--account", "all"),
        {"ACCESS_KEY": "ACCEPTED"},
        f"{BILLING} Not accepted: 1 access key. {WHICH_ONE}",
        "Left out, because accepted: 2 access keys, in 1 account.",
        credentials={"access_keys": 2},
        exit_code=2,
    ),
}


@pytest.mark.parametrize("planned", PLANS.values(), ids=PLANS)
def test_accepted_credentials_are_planned_only_if_their_account_is_named_and_then_said(
    command_line: CommandLine, planned: Planned
) -> None:
    root_tasks = command_line.root_tasks
    accepted = {
        "targetId": MEMBER,
        "types": ["ACCESS_KEY"],
        "reason": "billing",
        "until": "2027-03-31",
    }
    root_tasks.settings = DeployedSettings(accepted_credentials=[accepted])
    organization = root_tasks.organization
    organization.put_root_credentials(MEMBER, **planned.credentials)
    audit = command_line.run("audit")
    assert planned.said.removesuffix(f" {WHICH_ONE}") in audit.stdout
    shown = command_line.run("plan", "delete", *planned.command)
    assert shown.exit_code == planned.exit_code
    assert planned.said in " ".join(shown.lines)
    assert planned.summary in shown.lines[-1]
    plan = list(command_line.services.inputs_by_run)[-1]
    report = root_tasks.read_json(f"runs/{plan}/report.json")
    (result,) = (each for each in report["results"] if each["accountId"] == MEMBER)
    assert {item["type"]: item["outcome"] for item in result["items"]} == planned.items
    page = (
        root_tasks.read_object(f"runs/{plan}/report.html").decode().partition("application/json")[0]
    )
    assert planned.summary in page
    assert planned.asked in page
    if planned.exit_code:
        assert result["outcome"] == "ACCEPTED"
        return
    executed = command_line.run(*suggested_command(shown), typed="y\n")
    assert executed.exit_code == 0
    assert f"as yours. {planned.asked}".rstrip() in executed.stderr
    stays = planned.items["ACCESS_KEY"] == "ACCEPTED"
    left = organization.root_credentials(MEMBER)
    assert (left.password, bool(left.access_keys)) == (False, stays)


# What the approver of a plan reads


def test_the_question_comes_right_after_what_would_be_deleted_and_who_planned_it(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = command_line.organization
    organization.put_root_credentials(
        MEMBER,
        password=True,
        access_keys=1,
        access_key_last_used=command_line.root_tasks.now,
        # Plans show it.
        created_at=datetime(2023, 11, 25, tzinfo=UTC),
    )
    organization.deny(THIRD_MEMBER, "iam:*")
    excluded = ",".join(add_accounts(organization, 7))
    monkeypatch.setenv("COLUMNS", "100")
    planned = command_line.run("plan", "delete", "--account", "all", "--exclude", excluded)
    # An account that could not be read keeps no one from approving the others.
    assert planned.exit_code == 0, planned.stderr
    # What is left out is not under what is to be deleted.
    left_out = planned.lines.index("left out, in use")
    account = f"{MEMBER}  workload-a  Root"
    assert planned.lines[left_out + 1] == account
    assert "access key" in planned.lines[left_out + 2]
    asked = command_line.run("execute", PLAN_RUN, typed="n\n").stderr
    # What was asked for, which stays short, and the list of what is to be deleted.
    assert " ".join(asked.split()).startswith(
        "Selected: every account; left out: 7 accounts and units; credentials used or created in "
        "the last 90 days are left out. to be deleted "
    )
    lines = asked.splitlines()
    first = lines.index("to be deleted")
    password = "  password, created 2023-11-25, no use known"
    assert lines[first + 1 : first + 4] == [account, password, ""]
    assert lines[first + 4].startswith("Plan: delete root credentials. To be deleted in 1 of ")
    planner = f"It was planned by {CALLER_ARN}, the same principal as yours."
    assert f"in 1 account? {planner} This cannot be undone. [y/N]" in asked


def test_an_arn_is_not_broken_within_a_line(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = f"arn:aws:organizations::{MANAGEMENT}:policy/o-1/service_control_policy/{'p-1' * 20}"
    message = f"Denied by {arn}, as it says."
    organization = command_line.organization
    organization.deny(THIRD_MEMBER, "iam:*", message=message)
    monkeypatch.setenv("COLUMNS", "80")
    assert arn in command_line.run("audit").stdout
