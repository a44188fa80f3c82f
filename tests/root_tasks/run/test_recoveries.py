"""The end of a recovery: its password is accepted until then, and overdue after it."""

from datetime import timedelta

import pytest

from centralized_root_access.cli.runs.exit_codes import exit_code
from root_tasks.model.codec import decode, encode
from root_tasks.model.report_schema import Outcome, Report, Task
from root_tasks.model.run_documents import Recovery
from root_tasks.refusals import RefusalReason
from support.accounts import MEMBER, OTHER_MEMBER
from support.root_tasks import PLAN_DELETION, RootTasks, refusal_reason_and_data

RECOVER = {"task": Task.RECOVER, "accounts": [MEMBER], "reason": "CHG0012345", "until": "8h"}
RECOVERY_KEY = f"recoveries/{MEMBER}.json"
APPEARED = "Root credentials appeared: 1 account"


def recover(root_tasks: RootTasks, **keys_of_input: object) -> None:
    """Plan and execute a recovery, by default of one account that ends in eight hours."""
    root_tasks.execute(root_tasks.run({**RECOVER, **keys_of_input}))


@pytest.mark.parametrize(
    ("is_executed", "hours", "outcome", "reason", "subject"),
    [
        (False, 1, Outcome.HAS_CREDENTIALS, "", APPEARED),
        (
            True,
            8,
            Outcome.ACCEPTED,
            "Recovered until 2026-11-24 20:00 UTC: CHG0012345.",
            APPEARED,
        ),
        (
            True,
            9,
            Outcome.HAS_CREDENTIALS,
            "Recovery overdue since 2026-11-24 20:00 UTC: CHG0012345.",
            "Root credentials no longer accepted: 1 account",
        ),
    ],
    ids=["only planned", "in time", "overdue"],
)
def test_a_recovery_is_in_time_until_its_end_and_overdue_after_it(
    root_tasks: RootTasks,
    is_executed: bool,
    hours: int,
    outcome: Outcome,
    reason: str,
    subject: str,
) -> None:
    # A first audit, at noon, and a recovery of eight hours, or its plan alone.
    root_tasks.run()
    plan = root_tasks.run(RECOVER)
    assert root_tasks.report(plan)["until"] == "2026-11-24T20:00:00Z"
    if is_executed:
        recovered = root_tasks.report(root_tasks.execute(plan))
        assert recovered["reason"] == "CHG0012345", "as its plan"
        assert "by 2026-11-24 20:00 UTC, plan to delete" in recovered["nextSteps"][1]["what"]
    else:
        root_tasks.organization.put_root_credentials(MEMBER, password=True)

    # An audit an hour later, and the one that counts here.
    root_tasks.advance(hours=1)
    root_tasks.run()
    root_tasks.advance(hours=hours - 1)
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert (result["outcome"], result["reason"] or "") == (outcome, reason)

    # What is accepted is in no metric, has the exit code 0 and is no step to delete it.
    counts = outcome is Outcome.HAS_CREDENTIALS
    assert root_tasks.metric_values()["AccountsWithRootCredentials"] == counts
    report = decode(Report, root_tasks.read_object("latest/report.json"))
    assert bool(exit_code(report)[0]) is counts
    sent, message = root_tasks.notices[-1]
    assert sent == subject
    assert f"1 password. {reason}".rstrip(". ") in message
    assert (f"plan delete --account {MEMBER}" in message) == counts
    plan_of_all = root_tasks.run({**PLAN_DELETION, "includeInUse": True})
    expected = Outcome.PLANNED if counts else Outcome.ACCEPTED
    assert root_tasks.outcomes(plan_of_all)[MEMBER] == expected


@pytest.mark.parametrize(
    # The stored bytes; None if they may not be read; or when a stored recovery ends, from now on.
    "stored",
    [b"{}", None, timedelta(days=31), timedelta(days=-31)],
    ids=["damaged", "denied", "for longer than a plan may say", "long over"],
)
def test_a_recovery_that_does_not_count_accepts_nothing_and_says_nothing(
    root_tasks: RootTasks, stored: bytes | timedelta | None
) -> None:
    recover(root_tasks)
    if stored is None:
        root_tasks.fail_calls("s3:GetObject", "AccessDenied", status=403, url="recoveries/")
    elif isinstance(stored, timedelta):
        until = root_tasks.now + stored
        forged = Recovery(run_id="run-1", account_id=MEMBER, reason="CHG1", until=until)
        root_tasks.write_object(RECOVERY_KEY, encode(forged))
    else:
        root_tasks.write_object(RECOVERY_KEY, stored)
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert (result["outcome"], result["reason"]) == (Outcome.HAS_CREDENTIALS, None)


def test_only_a_recovery_that_was_allowed_and_has_an_end_is_stored(root_tasks: RootTasks) -> None:
    # Where there is a password already, nothing is allowed.
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, password=True)
    recover(root_tasks, accounts=[MEMBER, OTHER_MEMBER])
    assert root_tasks.object_keys("recoveries/") == [RECOVERY_KEY]
    root_tasks.organization.put_root_credentials(OTHER_MEMBER)
    without_end = {"task": Task.RECOVER, "accounts": [OTHER_MEMBER]}
    root_tasks.execute(root_tasks.run(without_end))
    assert root_tasks.object_keys("recoveries/") == [RECOVERY_KEY]


@pytest.mark.parametrize(
    ("until", "end"),
    [("30d", "2026-12-24T12:00:00Z"), ("2026-11-24", "2026-11-25T00:00:00Z")],
    ids=["days", "a date"],
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
    reason, data = refusal_reason_and_data(root_tasks.run({**RECOVER, "until": until}))
    assert (reason, data["key"]) == (RefusalReason.INVALID_VALUE, "until")
