"""One verdict on each account: exit code, row, summary, page, metric, notice and finding agree."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from root_tasks.report.management_root_user import OWN, PROTECT_OWN
from support.accounts import MANAGEMENT
from support.command_line import AUDIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.command_line import CommandLine


@dataclass(frozen=True)
class Verdict:
    """What is said about the management account's root user, by what it has.

    Attributes:
        credentials: What it has; None if that cannot be read.
        exit_code: How an audit ends in which all members are clean.
        outcome: The outcome of the account.
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
        "protected",
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
    root_tasks.settings = dataclasses.replace(root_tasks.settings, security_hub_findings=True)
    root_tasks.client("securityhub").enable_security_hub()
    organization = root_tasks.organization
    if verdict.credentials is None:
        organization.deny(account_id=MANAGEMENT, action="iam:GetAccountSummary")
    else:
        organization.put_root_credentials(account_id=MANAGEMENT, **verdict.credentials)
    shown = command_line.run("audit", *which, *where)
    assert shown.exit_code == verdict.exit_code
    (row,) = (line for line in shown.lines if line.split()[1:2] == [MANAGEMENT])
    assert row.startswith(verdict.outcome)
    assert verdict.row in row
    assert verdict.sentence in shown.lines[-1]
    command = ("report", AUDIT) if not where else ("audit", *which, *where)
    report = json.loads(command_line.run(*command, "--format", "json").stdout)
    outcomes = {result["accountId"]: result["outcome"] for result in report["results"]}
    assert outcomes[MANAGEMENT] == verdict.outcome.upper()
    advised = PROTECT_OWN in [step["what"] for step in report["nextSteps"]]
    assert advised is (verdict.exit_code == 1)
    if not where:
        page = root_tasks.read(f"runs/{AUDIT}/report.html").decode()
        assert verdict.sentence.replace("'", "&#x27;") in page
    if where or which:
        # Only full audits publish.
        return
    ((_, message),) = root_tasks.notices
    assert verdict.sentence in message
    assert (PROTECT_OWN in message) is advised
    assert root_tasks.metrics()[-1].get("ManagementRootUserUnprotected") == verdict.metric
    found = root_tasks.findings("management-root-user")[MANAGEMENT]
    status, severity = verdict.finding
    assert found["Compliance"]["Status"] == status
    assert found["FindingProviderFields"]["Severity"]["Label"] == severity
