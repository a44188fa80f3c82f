"""The end of a recovery: its password is accepted until then, and overdue after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from centralized_root_access.cli.runs.exit_codes import exit_code
from root_tasks.model.codec import decode
from root_tasks.model.report_schema import Outcome, Report, Task
from root_tasks.refusals import RefusalReason
from support.accounts import MEMBER, OTHER
from support.root_tasks import RootTasks, refusal

if TYPE_CHECKING:
    from support.root_tasks import FinishedExecution

RECOVER = {"task": Task.RECOVER, "accounts": [MEMBER], "reason": "CHG0012345", "until": "8h"}
LOOK = "latest/report.json"


def recover(root_tasks: RootTasks, **changes: object) -> FinishedExecution:
    """Audit, then plan and execute a recovery of an account."""
    root_tasks.run()
    plan = root_tasks.run({**RECOVER, **changes})
    return root_tasks.execute(plan, name="recovered")


@pytest.mark.parametrize(
    ("hours", "outcome", "reason", "metric", "code", "subject"),
    [
        (
            8,
            Outcome.ACCEPTED,
            "Recovered until 2026-11-24 20:00 UTC: CHG0012345.",
            0,
            0,
            "Root credentials appeared: 1 account",
        ),
        (
            9,
            Outcome.HAS_CREDENTIALS,
            "Recovery overdue since 2026-11-24 20:00 UTC: CHG0012345.",
            1,
            1,
            "Root credentials no longer accepted: 1 account",
        ),
    ],
    ids=["in time", "overdue"],
)
def test_a_recovery_is_in_time_until_its_end_and_overdue_after_it(
    root_tasks: RootTasks,
    hours: int,
    outcome: Outcome,
    reason: str,
    metric: int,
    code: int,
    subject: str,
) -> None:
    recovered = root_tasks.report(recover(root_tasks))
    assert (recovered["reason"], recovered["until"]) == ("CHG0012345", "2026-11-24T20:00:00Z")
    assert "by 2026-11-24 20:00 UTC, plan to delete" in recovered["nextSteps"][1]["what"]
    root_tasks.advance(hours=1)
    root_tasks.run()
    root_tasks.advance(hours=hours - 1)
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert (result["outcome"], result["reason"]) == (outcome, reason)
    assert root_tasks.metrics()[-1]["AccountsWithRootCredentials"] == metric
    report = decode(Report, root_tasks.read(LOOK))
    assert exit_code(report)[0] == code
    assert root_tasks.notices[-1][0] == subject
    assert f"1 password. {reason}" in root_tasks.notices[-1][1]
    delete = f"centralized-root-access plan delete --account {MEMBER}"
    assert (delete in root_tasks.notices[-1][1]) == (outcome is Outcome.HAS_CREDENTIALS)


def test_a_planned_recovery_accepts_nothing_yet(root_tasks: RootTasks) -> None:
    planned = root_tasks.report(root_tasks.run(RECOVER))
    assert planned["until"] == "2026-11-24T20:00:00Z"
    root_tasks.organization.put_root_credentials(account_id=MEMBER, password=True)
    assert root_tasks.outcomes(root_tasks.run())[MEMBER] == Outcome.HAS_CREDENTIALS


def test_what_was_recovered_is_left_out_of_a_plan_of_all_accounts_until_then(
    root_tasks: RootTasks,
) -> None:
    recover(root_tasks)
    for hours, outcome in ((0, Outcome.ACCEPTED), (9, Outcome.PLANNED)):
        root_tasks.advance(hours=hours)
        plan = root_tasks.run({"task": Task.DELETE, "accounts": ["all"]})
        assert root_tasks.outcomes(plan)[MEMBER] == outcome


@pytest.mark.parametrize("body", [b"{}", None], ids=["damaged", "denied"])
def test_a_recovery_that_cannot_be_read_accepts_nothing_and_stops_no_audit(
    root_tasks: RootTasks, body: bytes | None
) -> None:
    recover(root_tasks)
    if body is None:
        root_tasks.fail("s3:GetObject", "AccessDenied", status=403, url="recoveries/")
    else:
        root_tasks.write(f"recoveries/{MEMBER}.json", body)
    assert root_tasks.outcomes(root_tasks.run())[MEMBER] == Outcome.HAS_CREDENTIALS
    assert "recovery_unread" in [event.get("event") for event in root_tasks.log]


def test_only_a_recovery_that_was_allowed_and_has_an_end_is_stored(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(account_id=OTHER, password=True)
    recover(root_tasks, accounts=[MEMBER, OTHER])
    assert root_tasks.keys("recoveries/") == [f"recoveries/{MEMBER}.json"]
    endless = {key: value for key, value in RECOVER.items() if key != "until"}
    other = root_tasks.run({**endless, "accounts": [OTHER]})
    assert root_tasks.report(other)["until"] is None


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("8h", "2026-11-24T20:00:00Z"),
        ("30d", "2026-12-24T12:00:00Z"),
        ("2026-11-24", "2026-11-25T00:00:00Z"),
    ],
    ids=["hours", "days", "a date"],
)
def test_the_end_is_counted_from_the_start_of_the_plan(
    root_tasks: RootTasks, until: str, end: str
) -> None:
    assert root_tasks.report(root_tasks.run({**RECOVER, "until": until}))["until"] == end


@pytest.mark.parametrize(
    "until", ["0h", "31d", "2026-11-23", "2026-12-25", "2026-13-01", "soon", "8H", "", 8, None]
)
def test_an_end_that_is_unclear_or_not_in_the_next_30_days_is_refused(
    root_tasks: RootTasks, until: object
) -> None:
    reason, data = refusal(root_tasks.run({**RECOVER, "until": until}))
    assert (reason, data["key"]) == (RefusalReason.INVALID_VALUE, "until")
