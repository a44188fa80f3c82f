"""The life of a recovery: accepted until its end, overdue after it, and over once it is closed."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from centralized_root_access.cli.runs.exit_codes import exit_code
from root_tasks.model.codec import decode, encode
from root_tasks.model.report_schema import ItemType, Outcome, Report, Task
from root_tasks.model.run_documents import Recovery
from root_tasks.refusals import RefusalReason
from support.accounts import MEMBER, OTHER_MEMBER
from support.root_tasks import (
    EXECUTE_MACHINE,
    PLAN_DELETION,
    DeployedSettings,
    Execution,
    RootTasks,
    refusal_reason_and_data,
)

RECOVER = {"task": Task.RECOVER, "accounts": [MEMBER], "reason": "CHG0012345", "until": "8h"}
# The plan that closes a recovery early, and the one that an audit prints.
CLOSE = {"task": Task.DELETE, "accounts": [MEMBER], "includeInUse": True}
PRINTED_PLAN = {"task": Task.DELETE, "accounts": [MEMBER]}
RECOVERY_KEY = f"recoveries/{MEMBER}.json"
APPEARED = "Root credentials appeared: 1 account"
NO_LONGER_ACCEPTED = "Root credentials no longer accepted: 1 account"
IN_TIME = "Recovered until 2026-11-24 20:00 UTC: CHG0012345."
OVERDUE = "Recovery overdue since 2026-11-24 20:00 UTC: CHG0012345."

# After noon, when the first plan starts.
TONIGHT, A_DAY_LATER = "2026-11-25T00:00:00Z", "2026-11-25T12:00:00Z"

# Each step of a life


def plan(root_tasks: RootTasks) -> None:
    """Plan a recovery of eight hours, which changes nothing; someone else makes a password."""
    root_tasks.run(RECOVER)
    give_password(root_tasks)


def recover(root_tasks: RootTasks, **keys_of_input: object) -> Execution:
    """Plan and execute a recovery, by default of one account that ends in eight hours."""
    return root_tasks.execute(root_tasks.run({**RECOVER, **keys_of_input}))


def recover_late(root_tasks: RootTasks) -> None:
    """Execute a plan six hours after it was made, two hours before the audit."""
    root_tasks.now -= timedelta(hours=6)
    planned = root_tasks.run(RECOVER)
    root_tasks.advance(hours=6)
    root_tasks.execute(planned)


def audit(root_tasks: RootTasks) -> None:
    """Audit everything after an hour."""
    root_tasks.advance(hours=1)
    root_tasks.run()


def close(root_tasks: RootTasks) -> None:
    """Delete the password as the page says."""
    root_tasks.execute(root_tasks.run(CLOSE))


def give_password(root_tasks: RootTasks) -> None:
    """Let someone make a password and an MFA device that no recovery knows of."""
    root_tasks.organization.put_root_credentials(MEMBER, password=True, mfa_devices=1)


def leave(root_tasks: RootTasks) -> None:
    """Let the account leave the organization."""
    organizations = root_tasks.client("organizations")
    organizations.remove_account_from_organization(AccountId=MEMBER)


def pass_hours(hours: int) -> Callable[[RootTasks], None]:
    """Return the step in which only time passes."""
    return lambda root_tasks: root_tasks.advance(hours=hours)


HAS, ACCEPTED, CLEAN = Outcome.HAS_CREDENTIALS, Outcome.ACCEPTED, Outcome.CLEAN


@pytest.mark.parametrize(
    # What the next audit says of the account, and what the last notice is about.
    ("life", "outcome", "reason", "subject"),
    [
        ([plan], HAS, "", APPEARED),
        ([recover_late], ACCEPTED, IN_TIME, APPEARED),
        ([recover], ACCEPTED, IN_TIME, APPEARED),
        ([recover, pass_hours(8)], ACCEPTED, IN_TIME, APPEARED),
        ([recover, pass_hours(9)], HAS, OVERDUE, APPEARED),
        ([recover, audit, pass_hours(8)], HAS, OVERDUE, NO_LONGER_ACCEPTED),
        ([recover, audit, close], CLEAN, "", "Root credentials disappeared: 1 account"),
        ([recover, close, give_password], HAS, "", APPEARED),
        ([recover, pass_hours(9), close, give_password], HAS, "", APPEARED),
        ([recover, close, recover], ACCEPTED, IN_TIME, APPEARED),
        ([recover, pass_hours(24 * 31)], HAS, "", APPEARED),
        ([recover, leave], None, "", "Root credentials changed: 1 account"),
    ],
    ids=[
        "planned",
        "executed late",
        "executed",
        "in time",
        "overdue, first seen",
        "overdue",
        "closed",
        "closed, and a new password",
        "closed late, and a new password",
        "recovered again",
        "overdue for over 30 days",
        "account gone",
    ],
)
def test_the_life_of_a_recovery(
    root_tasks: RootTasks,
    life: list[Callable[[RootTasks], object]],
    outcome: Outcome | None,
    reason: str,
    subject: str,
) -> None:
    root_tasks.run()
    for step in life:
        step(root_tasks)
    result = root_tasks.results(root_tasks.run()).get(MEMBER, {"outcome": None, "reason": None})
    assert (result["outcome"], result["reason"] or "") == (outcome, reason)

    # What is accepted is in no metric, has the exit code 0 and is no step to delete it.
    counts = outcome is HAS
    assert root_tasks.metric_values()["AccountsWithRootCredentials"] == counts
    report = decode(Report, root_tasks.read_object("latest/report.json"))
    assert bool(exit_code(report)[0]) is counts
    sent, message = root_tasks.notices[-1]
    assert sent == subject
    assert reason in " ".join(message.split())
    assert (f"plan delete --account {MEMBER}" in message) == counts
    # A plan of all accounts leaves out what is accepted, and nothing else.
    if outcome in (HAS, ACCEPTED):
        plan_of_all = root_tasks.run({**PLAN_DELETION, "includeInUse": True})
        expected = Outcome.PLANNED if counts else ACCEPTED
        assert root_tasks.outcomes(plan_of_all)[MEMBER] == expected


# What the stack accepts


@pytest.mark.parametrize("of_unit", [True, False], ids=["a unit's entry", "the account's entry"])
def test_a_recovery_takes_away_nothing_that_the_stack_accepts(
    root_tasks: RootTasks, of_unit: bool
) -> None:
    organization = root_tasks.organization
    setting = {
        "targetId": organization.root_id if of_unit else MEMBER,
        "types": ["SIGNING_CERTIFICATE"],
        "reason": "appliance",
        "until": "2030-01-01",
    }
    root_tasks.settings = DeployedSettings(accepted_credentials=[setting])
    organization.put_root_credentials(MEMBER, certificates=1)
    recover(root_tasks)
    appliance = "Accepted until 2030-01-01: appliance."
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert (result["outcome"], result["reason"]) == (ACCEPTED, f"{appliance} {IN_TIME}")
    closing = root_tasks.results(root_tasks.run(CLOSE))[MEMBER]
    assert [(item["type"], item["accepted"], item["message"]) for item in closing["items"]] == [
        (ItemType.PASSWORD, True, IN_TIME),
        (ItemType.SIGNING_CERTIFICATE, True, appliance),
    ]


# Its end


@pytest.mark.parametrize(
    ("until", "end", "open_hours", "expires_at", "end_if_executed_in_six_hours"),
    [
        ("8h", None, 8, A_DAY_LATER, "2026-11-25T02:00:00Z"),
        ("30d", None, 720, A_DAY_LATER, "2026-12-24T18:00:00Z"),
        ("2026-11-24", TONIGHT, None, TONIGHT, TONIGHT),
        ("2026-12-01", "2026-12-02T00:00:00Z", None, A_DAY_LATER, "2026-12-02T00:00:00Z"),
    ],
    ids=["hours", "days", "today", "a later date"],
)
def test_a_duration_counts_from_the_execution_and_no_plan_outlives_its_recovery(
    root_tasks: RootTasks,
    until: str,
    end: str | None,
    open_hours: int | None,
    expires_at: str,
    end_if_executed_in_six_hours: str,
) -> None:
    planned = root_tasks.run({**RECOVER, "until": until})
    report = root_tasks.report(planned)
    assert (report["until"], report["openHours"]) == (end, open_hours)
    assert report["planExpiresAt"] == planned.output["planExpiresAt"] == expires_at
    root_tasks.advance(hours=6)
    executed = root_tasks.report(root_tasks.execute(planned))
    assert executed["until"] == end_if_executed_in_six_hours
    by = datetime.fromisoformat(end_if_executed_in_six_hours)
    assert f"by {by:%Y-%m-%d %H:%M UTC}, plan to delete" in executed["nextSteps"][1]["what"]


def test_a_plan_whose_recovery_is_over_is_not_executed(root_tasks: RootTasks) -> None:
    planned = root_tasks.run({**RECOVER, "until": "2026-11-24"})
    root_tasks.advance(hours=12, seconds=1)
    refused = root_tasks.execute(planned)
    expired = {"run_id": planned.run_id, "expires_at": "2026-11-25 00:00 UTC"}
    assert refusal_reason_and_data(refused) == (RefusalReason.PLAN_EXPIRED, expired)
    assert root_tasks.organization.writes == ()


@pytest.mark.parametrize(
    "until",
    [
        *("0h", "721h", "31d", "2026-11-23", "2026-12-25", "2026-13-01", "9999-12-31"),
        *("0000-01-01", "soon", "8H", "", 8, None),
    ],
)
def test_an_end_that_is_unclear_or_not_in_the_next_30_days_is_refused(
    root_tasks: RootTasks, until: object
) -> None:
    reason, data = refusal_reason_and_data(root_tasks.run({**RECOVER, "until": until}))
    assert (reason, data["key"]) == (RefusalReason.INVALID_VALUE, "until")


def test_the_plan_that_an_audit_prints_closes_an_overdue_recovery(root_tasks: RootTasks) -> None:
    recover(root_tasks)
    put_credentials, used_at = root_tasks.organization.put_root_credentials, root_tasks.now
    put_credentials(MEMBER, password=True, mfa_devices=1, password_last_used=used_at)
    for hours, password, mfa_device in (
        (8, Outcome.IN_USE, Outcome.SKIPPED),
        (1, Outcome.PLANNED, Outcome.PLANNED),
    ):
        root_tasks.advance(hours=hours)
        items = root_tasks.results(root_tasks.run(PRINTED_PLAN))[MEMBER]["items"]
        assert [item["outcome"] for item in items] == [password, mfa_device]
    # Nothing else of the account becomes unused by that.
    put_credentials(
        MEMBER,
        password=True,
        access_keys=1,
        password_last_used=used_at,
        access_key_last_used=used_at,
    )
    items = root_tasks.results(root_tasks.run(PRINTED_PLAN))[MEMBER]["items"]
    assert [item["outcome"] for item in items] == [Outcome.PLANNED, Outcome.IN_USE]


# What the bucket says


def test_only_a_recovery_that_was_allowed_is_stored_and_one_without_an_end_inherits_none(
    root_tasks: RootTasks,
) -> None:
    # Where there is a password already, nothing is allowed.
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, password=True)
    recover(root_tasks, accounts=[MEMBER, OTHER_MEMBER])
    assert root_tasks.object_keys("recoveries/") == [RECOVERY_KEY]
    # The password goes without a trace, and a second recovery has no end.
    root_tasks.organization.put_root_credentials(MEMBER)
    root_tasks.execute(root_tasks.run({"task": Task.RECOVER, "accounts": [MEMBER]}))
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert (result["outcome"], result["reason"]) == (HAS, None)


def store_recovery(root_tasks: RootTasks, account_id: str, run_id: str) -> None:
    """Store that an execution has recovered an account, as someone who writes to the bucket can."""
    arn = root_tasks.arn(run_id, machine=EXECUTE_MACHINE)
    forged = Recovery(execution_arn=arn, until=root_tasks.now + timedelta(days=29))
    root_tasks.write_object(f"recoveries/{account_id}.json", encode(forged))


def forge_recovery_of_another(root_tasks: RootTasks) -> None:
    """Name an execution that has recovered another account."""
    root_tasks.organization.put_root_credentials(MEMBER)
    recovered = recover(root_tasks, accounts=[OTHER_MEMBER])
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    store_recovery(root_tasks, MEMBER, recovered.run_id)


def forge_execution(root_tasks: RootTasks) -> None:
    """Name an execution that does not exist."""
    store_recovery(root_tasks, MEMBER, "never-executed")


def forge_report(root_tasks: RootTasks) -> None:
    """Alter the end in the report of the recovery."""
    arn = json.loads(root_tasks.read_object(RECOVERY_KEY))["executionArn"]
    key = f"executions/{arn.rpartition(':')[2]}/report.json"
    body = root_tasks.read_object(key)
    root_tasks.write_object(key, body.replace(b"2026-11-24T20", b"2026-12-20T20"))


def damage(root_tasks: RootTasks) -> None:
    """Leave nothing of what was stored."""
    root_tasks.write_object(RECOVERY_KEY, b"{}")


def deny(root_tasks: RootTasks) -> None:
    """Deny to read it."""
    root_tasks.fail_calls("s3:GetObject", "AccessDenied", status=403, url="recoveries/")


@pytest.mark.parametrize(
    "spoil", [forge_recovery_of_another, forge_execution, forge_report, damage, deny]
)
def test_a_recovery_that_cannot_be_trusted_accepts_nothing_and_stops_plans_to_delete(
    root_tasks: RootTasks, spoil: Callable[[RootTasks], None]
) -> None:
    recover(root_tasks)
    spoil(root_tasks)
    root_tasks.advance(minutes=1)
    audited = root_tasks.run()
    result = root_tasks.results(audited)[MEMBER]
    assert (result["outcome"], result["reason"]) == (HAS, None)
    (warning,) = root_tasks.report(audited)["warnings"]
    assert RECOVERY_KEY in warning
    # What an audit says is a doubt here: is it to stay?
    for input_ in (PLAN_DELETION, PRINTED_PLAN):
        refused = root_tasks.run(input_)
        assert refusal_reason_and_data(refused)[0] is RefusalReason.RECOVERY_UNREAD
        assert RECOVERY_KEY in refused.cause
    others = root_tasks.run({**PLAN_DELETION, "exclude": [MEMBER]})
    assert others.status == "SUCCEEDED"


def test_an_audit_right_after_an_execution_waits_until_step_functions_knows_its_report(
    root_tasks: RootTasks,
) -> None:
    recovered = recover(root_tasks)
    arn = root_tasks.arn(recovered.run_id, machine=EXECUTE_MACHINE)
    root_tasks.outdated_descriptions[arn] = [{"status": "RUNNING", "output": None}]
    assert root_tasks.outcomes(root_tasks.run())[MEMBER] == ACCEPTED
