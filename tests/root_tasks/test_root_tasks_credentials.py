"""Deleting root credentials and allowing recovery: bound to a plan, in the safe order."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from aws_calls.failures import CallError
from common.typed_json import format_time
from local_aws.emulation.state import current_emulation
from root_tasks.aws.checksums import sha256
from root_tasks.messages import (
    CREDENTIAL_CHANGED,
    EXPIRED,
    HAS_PASSWORD,
    MFA_LEFT_OUT,
    MFA_STAYS,
    NO_LONGER_A_MEMBER,
    NOT_IN_PLAN,
    OTHER_ADDRESS,
    OTHERS_NOT_READ,
    PROTECTED,
    STOP_UNREAD,
    STOPPED,
    created_since,
    in_use_since,
)
from root_tasks.model.report_schema import Task
from root_tasks.model.run_documents import Work
from root_tasks.refusals import RefusalReason
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import call_counts
from support.root_tasks import (
    ONE_CREDENTIAL_OF_EACH_TYPE,
    PLAN_DELETION,
    DeployedSettings,
    RootTasks,
    calls_in_root_sessions,
    refusal_reason_and_data,
)

# The input of the Audit state machine that plans to recover.
PLAN_RECOVERY = {"task": Task.RECOVER, "accounts": [MEMBER]}
# The IDs that the emulation gives the credentials of this account.
KEY, CERTIFICATE = f"AKIA{MEMBER}0001", f"CERT{MEMBER}{1:016}"
MFA = f"arn:aws:iam::{MEMBER}:mfa/root-account-mfa-device-1"


@pytest.fixture
def root_tasks(root_tasks: RootTasks) -> RootTasks:
    """The deployed construct, in whose organization MEMBER has a root credential of each type."""
    root_tasks.organization.put_root_credentials(MEMBER, **ONE_CREDENTIAL_OF_EACH_TYPE)
    return root_tasks


# Plans


def test_a_plan_lists_what_it_would_delete_and_deletes_nothing(root_tasks: RootTasks) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    assert root_tasks.outcomes(plan) == {
        MANAGEMENT: "SKIPPED",
        MEMBER: "PLANNED",
        OTHER_MEMBER: "NOTHING_TO_DO",
        THIRD_MEMBER: "NOTHING_TO_DO",
    }
    assert root_tasks.items(plan, MEMBER) == [
        ("PASSWORD", "PLANNED"),
        (f"ACCESS_KEY {KEY}", "PLANNED"),
        (f"SIGNING_CERTIFICATE {CERTIFICATE}", "PLANNED"),
        (f"MFA_DEVICE {MFA}", "PLANNED"),
    ]
    calls = calls_in_root_sessions(root_tasks.organization)
    assert [call for call in calls if OTHER_MEMBER in call] == [f"{OTHER_MEMBER} GetAccountSummary"]
    assert root_tasks.organization.writes == ()


def test_a_plan_shows_what_to_decide_by(root_tasks: RootTasks) -> None:
    # 2026-05-08: long enough ago not to be in use.
    used = root_tasks.now - timedelta(days=200)
    root_tasks.organization.put_root_credentials(
        MEMBER,
        password_last_used=used,
        access_key_last_used=used,
        **ONE_CREDENTIAL_OF_EACH_TYPE,
    )
    plan = root_tasks.run(PLAN_DELETION)
    items = root_tasks.results(plan)[MEMBER]["items"]
    assert all(item["credential"].pop("createdAt") is not None for item in items)
    last_use = {"lastUsedAt": "2026-05-08T12:00:00Z", "lastUsedService": None}
    never = {"lastUsedAt": None, "lastUsedService": None, "lastUseUnread": False}
    assert [item["credential"] for item in items] == [
        {"status": None, "lastUseUnread": False, **last_use},
        {"status": "Active", "lastUseUnread": False, **last_use, "lastUsedService": "s3"},
        {"status": "Active", **never},
        {"status": None, **never},
    ]


def test_what_is_not_a_plan_is_not_executed(root_tasks: RootTasks) -> None:
    root_tasks.run(name="the-audit")
    root_tasks.run({"task": "nonsense"}, name="the-refused")
    root_tasks.run(PLAN_DELETION, name="the-plan")
    root_tasks.execute("the-plan", name="the-execution")
    root_tasks.organization.clear_calls()
    for run_id, reason in (
        ("never-run", RefusalReason.PLAN_NOT_FOUND),
        ("the-audit", RefusalReason.NOT_A_PLAN),
        ("the-refused", RefusalReason.NOT_A_PLAN),
        # Plans are executed by another state machine than the one in which plans are looked for.
        ("the-execution", RefusalReason.PLAN_NOT_FOUND),
    ):
        assert refusal_reason_and_data(root_tasks.execute(run_id)) == (reason, {"run_id": run_id})
    assert calls_in_root_sessions(root_tasks.organization) == []


def test_a_task_that_the_stack_does_not_list_is_neither_planned_nor_executed(
    root_tasks: RootTasks,
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.settings = DeployedSettings(tasks=(Task.AUDIT,))
    in_code = ["RootTask.AUDIT", "RootTask.DELETE"]
    for refused in (root_tasks.run(PLAN_DELETION), root_tasks.execute(plan)):
        assert refusal_reason_and_data(refused) == (
            RefusalReason.TASK_NOT_IN_STACK,
            {"task": Task.DELETE, "in_code": in_code},
        )


def test_a_plan_can_be_executed_as_long_as_its_report_says(root_tasks: RootTasks) -> None:
    started_at = root_tasks.now
    in_time = root_tasks.run(PLAN_DELETION)
    # A plan expires 24 hours after its start, however late its report is written.
    root_tasks.before_report = lambda: root_tasks.advance(hours=1)
    reported_late = root_tasks.run(PLAN_DELETION)
    root_tasks.before_report = lambda: None
    expires_at = format_time(started_at + timedelta(hours=24))
    assert root_tasks.report(reported_late)["planExpiresAt"] == expires_at
    root_tasks.advance(hours=23)
    assert root_tasks.outcomes(root_tasks.execute(in_time)) == {MEMBER: "DONE"}
    root_tasks.advance(seconds=1)
    refused = root_tasks.execute(reported_late)
    assert refusal_reason_and_data(refused)[0] is RefusalReason.PLAN_EXPIRED
    assert (
        f"Run {reported_late.run_id} cannot be executed: it expired at 2026-11-25 12:00 UTC. Create"
        in refused.cause
    )


def test_an_account_whose_turn_comes_after_the_plan_has_expired_is_not_changed(
    root_tasks: RootTasks,
) -> None:
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, access_keys=1)
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.advance(hours=24, seconds=-1)
    deleted = threading.Event()

    def expire_before_the_second_account(params: Mapping[str, Any], **_: object) -> None:
        if OTHER_MEMBER in str(params["body"]):
            assert deleted.wait(60)
            root_tasks.advance(seconds=2)

    root_tasks.on_event("before-call.sts.AssumeRoot", expire_before_the_second_account)
    root_tasks.on_event("after-call.iam.DeleteAccessKey", lambda **_: deleted.set())
    execution = root_tasks.execute(plan)
    assert root_tasks.outcomes(execution) == {MEMBER: "DONE", OTHER_MEMBER: "FAILED"}
    assert root_tasks.results(execution)[OTHER_MEMBER]["reason"] == EXPIRED
    assert {write.account_id for write in root_tasks.organization.writes} == {MEMBER}


def test_no_session_is_opened_for_a_plan_that_expired_before_its_batch(
    root_tasks: RootTasks,
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.advance(hours=24, seconds=-1)
    root_tasks.before_batch = lambda: root_tasks.advance(seconds=2)
    root_tasks.organization.clear_calls()
    execution = root_tasks.execute(plan)
    assert root_tasks.results(execution)[MEMBER]["reason"] == EXPIRED
    assert "AssumeRoot" not in call_counts(root_tasks.organization)


def test_a_redrive_does_not_execute_an_old_plan(root_tasks: RootTasks) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.fail_calls("organizations:DescribeOrganization", "AccessDeniedException", times=1)
    failed = root_tasks.execute(plan)
    # Step Functions allows a redrive for 14 days.
    root_tasks.advance(days=13)
    again = root_tasks.redrive(failed)
    assert refusal_reason_and_data(again)[0] is RefusalReason.PLAN_EXPIRED
    assert root_tasks.organization.writes == ()


@pytest.mark.parametrize("redriven", [False, True], ids=["still retried", "redriven"])
def test_no_batch_makes_changes_once_its_execution_was_stopped(
    root_tasks: RootTasks, *, redriven: bool
) -> None:
    plan = root_tasks.run(PLAN_DELETION)

    def stop() -> None:
        execution = list(root_tasks.executions.values())[-1]
        execution.status = "ABORTED"

    # Step Functions calls a stopped execution ABORTED, and the function of the batch starts only
    # after the stop: as a retry, or in a redrive.
    root_tasks.before_batch = stop
    root_tasks.lose_batches = lambda batch: redriven
    execution = root_tasks.execute(plan)
    if redriven:
        execution.status = "ABORTED"
        root_tasks.lose_batches = lambda batch: False
        execution = root_tasks.redrive(execution)
    (result,) = root_tasks.results(execution).values()
    assert (result["outcome"], result["reason"]) == ("FAILED", STOPPED)
    assert root_tasks.organization.writes == ()


def test_a_batch_that_cannot_ask_if_it_was_stopped_says_that_it_did_nothing(
    root_tasks: RootTasks,
) -> None:
    plan = root_tasks.run(PLAN_DELETION)

    def deny() -> None:
        root_tasks.description_error = "AccessDeniedException"

    root_tasks.before_batch = deny
    (result,) = root_tasks.results(root_tasks.execute(plan)).values()
    assert (result["outcome"], result["reason"]) == (
        "FAILED",
        f"{STOP_UNREAD} states:DescribeExecution: AccessDeniedException: This is a test.",
    )
    assert root_tasks.organization.writes == ()


def test_a_plan_is_executed_once(root_tasks: RootTasks) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    executed = root_tasks.execute(plan, name="first")
    assert root_tasks.report(executed)["executedPlan"] == plan.run_id
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    assert refusal_reason_and_data(root_tasks.execute(plan)) == (
        RefusalReason.PLAN_CLAIMED,
        {"run_id": plan.run_id, "execution": "first"},
    )
    assert root_tasks.organization.root_credentials(MEMBER).password, "it was set since"


@pytest.mark.parametrize(
    ("action", "url"),
    [("organizations:DescribeAccount", ""), ("s3:PutObject", "work.json")],
    ids=["an account is not described", "the work is not stored"],
)
@pytest.mark.parametrize("redriven", [True, False], ids=["redriven", "started again"])
def test_an_execution_that_cannot_start_does_not_use_up_its_plan(
    root_tasks: RootTasks, action: str, url: str, redriven: bool
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.fail_calls(action, "AccessDenied", url=url, times=1)
    failed = root_tasks.execute(plan)
    assert isinstance(failed.error, CallError)
    again = root_tasks.redrive(failed) if redriven else root_tasks.execute(plan)
    assert root_tasks.outcomes(again) == {MEMBER: "DONE"}


def test_a_plan_whose_execution_may_not_be_described_is_not_taken_for_missing(
    root_tasks: RootTasks,
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.description_error = "AccessDeniedException"
    assert isinstance(root_tasks.execute(plan).error, CallError)


def test_a_name_that_is_used_again_does_not_use_up_the_plan(root_tasks: RootTasks) -> None:
    first = root_tasks.execute(root_tasks.run(PLAN_DELETION), name="weekly")
    root_tasks.advance(days=95)
    # Step Functions forgets a name after 90 days; the bucket has not forgotten it.
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    plan = root_tasks.run(PLAN_DELETION)
    again = root_tasks.execute(plan, name=first.run_id)
    assert refusal_reason_and_data(again)[0] is RefusalReason.NAME_ALREADY_USED
    assert again.status == "FAILED"
    assert root_tasks.outcomes(root_tasks.execute(plan, name="weekly-2")) == {MEMBER: "DONE"}


# What DescribeExecution returns of the plan's execution at first, once each.
@pytest.mark.parametrize(
    "outdated",
    [
        [{"status": "RUNNING", "output": None}] * 2,
        [{"output": None}],
        [None, {"status": "RUNNING", "output": None}],
    ],
    ids=["running", "without output", "unknown execution"],
)
def test_step_functions_may_describe_an_execution_as_it_was_seconds_ago(
    root_tasks: RootTasks, outdated: list[dict[str, Any] | None]
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    # What DescribeExecution returns first: None for an execution that it does not know yet.
    root_tasks.outdated_descriptions = {root_tasks.arn(plan.run_id): list(outdated)}
    assert root_tasks.outcomes(root_tasks.execute(plan, name="execution")) == {MEMBER: "DONE"}
    assert refusal_reason_and_data(root_tasks.execute(plan))[0] is RefusalReason.PLAN_CLAIMED
    assert not any(root_tasks.outdated_descriptions.values())


def test_a_plan_that_goes_on_is_refused_after_some_seconds(root_tasks: RootTasks) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    arn = root_tasks.arn(plan.run_id)
    root_tasks.outdated_descriptions = {arn: [{"status": "RUNNING", "output": None}] * 1000}
    before = root_tasks.time.seconds
    assert refusal_reason_and_data(root_tasks.execute(plan)) == (
        RefusalReason.PLAN_NOT_SUCCEEDED,
        {"run_id": plan.run_id, "status": "RUNNING"},
    )
    # A description may be seconds old, so it is read again for ten seconds.
    assert 5 < root_tasks.time.seconds - before < 30


def test_a_plan_that_was_altered_or_cannot_be_read_is_not_executed(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, password=True)
    plan = root_tasks.run({"task": Task.DELETE, "accounts": [OTHER_MEMBER]})
    key = f"runs/{plan.run_id}/plan.json"
    root_tasks.write_object(
        key, root_tasks.read_object(key).replace(OTHER_MEMBER.encode(), MEMBER.encode())
    )
    altered = root_tasks.execute(plan)
    assert refusal_reason_and_data(altered) == (RefusalReason.PLAN_ALTERED, {"run_id": plan.run_id})
    assert altered.status == "FAILED"
    assert root_tasks.organization.writes == ()
    # A plan of a release with another format, whose hash Step Functions holds.
    body = root_tasks.read_object(key).replace(b'"schemaVersion":1', b'"schemaVersion":2')
    root_tasks.write_object(key, body)
    plan.output["planSha256"] = sha256(body)
    assert refusal_reason_and_data(root_tasks.execute(plan)) == (
        RefusalReason.PLAN_NOT_READABLE,
        {"run_id": plan.run_id},
    )


def test_an_execution_that_the_next_release_cannot_read_fails_and_changes_nothing(
    root_tasks: RootTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    # The next release, with another format, is deployed between the start and the batch.
    root_tasks.before_batch = lambda: monkeypatch.setattr(Work, "SCHEMA_VERSION", 2)
    execution = root_tasks.execute(plan)
    assert (execution.status, execution.totals) == ("FAILED", {"UNKNOWN": 1})
    assert root_tasks.organization.writes == ()


def test_a_plan_is_not_executed_if_another_report_was_approved(root_tasks: RootTasks) -> None:
    for account_id in (MEMBER, OTHER_MEMBER):
        root_tasks.organization.put_root_credentials(account_id, password=True)
    plan = root_tasks.run({"task": Task.DELETE, "accounts": [MEMBER, OTHER_MEMBER]})
    shown = root_tasks.read_object(f"runs/{plan.run_id}/report.json")
    for report_sha256 in (
        sha256(shown.replace(OTHER_MEMBER.encode(), MEMBER.encode())),
        sha256(b""),
    ):
        altered = root_tasks.run_execute_machine(
            {"plan": plan.run_id, "reportSha256": report_sha256}
        )
        assert refusal_reason_and_data(altered) == (
            RefusalReason.PLAN_REPORT_ALTERED,
            {"run_id": plan.run_id},
        )
        assert altered.status == "FAILED"
        assert root_tasks.organization.writes == ()
    # In capital letters, too: some tools write them so.
    executed = root_tasks.run_execute_machine(
        {"plan": plan.run_id, "reportSha256": sha256(shown).upper()}
    )
    assert executed.output["totals"] == {"DONE": 2}


def test_an_execution_skips_accounts_that_are_protected_suspended_or_gone_by_now(
    root_tasks: RootTasks,
) -> None:
    for account_id in (OTHER_MEMBER, THIRD_MEMBER):
        root_tasks.organization.put_root_credentials(account_id, password=True)
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.organization.suspend(OTHER_MEMBER)
    root_tasks.settings = DeployedSettings(protected_accounts=[THIRD_MEMBER])
    root_tasks.organization.client("organizations").remove_account_from_organization(
        AccountId=MEMBER
    )
    executed = root_tasks.execute(plan)
    assert {id_: result["reason"] for id_, result in root_tasks.results(executed).items()} == {
        MEMBER: NO_LONGER_A_MEMBER,
        OTHER_MEMBER: "Its state is SUSPENDED.",
        THIRD_MEMBER: PROTECTED,
    }
    assert executed.output["totals"] == {"SKIPPED": 3}
    # A new plan must not name what is no longer a member.
    refused = root_tasks.run(
        {**PLAN_DELETION, "accounts": [MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION]}
    )
    reason, data = refusal_reason_and_data(refused)
    assert (reason, data["account_ids"]) == (
        RefusalReason.NOT_MEMBERS,
        sorted([MEMBER, OUTSIDE_ORGANIZATION]),
    )
    assert refused.status == "SUCCEEDED"


# What is in use


def test_the_input_says_what_is_in_use(root_tasks: RootTasks) -> None:
    # The days since the last use, None for never, and since the creation; the input; why it is
    # left out of the plan, None if it is planned.
    years = 10 * 366
    cases: list[tuple[int | None, int, dict[str, int], Callable[[datetime], str] | None]] = [
        (90, years, {}, in_use_since),
        (91, years, {}, None),
        (91, years, {"unusedForDays": 91}, in_use_since),
        (1, years, {"unusedForDays": 0}, None),
        # It is being used now.
        (0, years, {"unusedForDays": 0}, in_use_since),
        (0, years, {"includeInUse": True}, None),
        (None, years, {"unusedForDays": 3650}, None),
        # What is newer than the days has not been unused for so long.
        (None, 1, {}, created_since),
        (None, 90, {}, created_since),
        (None, 91, {}, None),
        (None, 1, {"unusedForDays": 0}, None),
        (None, 1, {"includeInUse": True}, None),
        (1, 2, {}, in_use_since),
    ]
    for used_days_ago, created_days_ago, input_, why in cases:
        used_at = None
        if used_days_ago is not None:
            used_at = root_tasks.now - timedelta(days=used_days_ago)
        root_tasks.organization.put_root_credentials(
            MEMBER,
            password=True,
            access_keys=1,
            password_last_used=used_at,
            access_key_last_used=used_at,
            created_at=root_tasks.now - timedelta(days=created_days_ago),
        )
        plan = root_tasks.run({**PLAN_DELETION, **input_})
        outcome, message = "PLANNED", None
        if why is not None:
            since = root_tasks.now - timedelta(days=input_.get("unusedForDays", 90))
            outcome, message = "IN_USE", why(since)
        items = root_tasks.results(plan)[MEMBER]["items"]
        assert [(item["outcome"], item["message"]) for item in items] == 2 * [(outcome, message)]
        assert root_tasks.outcomes(plan)[MEMBER] == outcome


def test_a_key_of_which_no_creation_is_known_is_planned(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1, created_at=root_tasks.now)

    def omit_creation(parsed: dict[str, Any], **_: object) -> None:
        for key in parsed["AccessKeyMetadata"]:
            del key["CreateDate"]

    root_tasks.on_event("after-call.iam.ListAccessKeys", omit_creation)
    assert root_tasks.outcomes(root_tasks.run(PLAN_DELETION))[MEMBER] == "PLANNED"


def test_an_account_with_something_planned_and_something_in_use_is_planned(
    root_tasks: RootTasks,
) -> None:
    root_tasks.organization.put_root_credentials(
        MEMBER,
        password=True,
        access_keys=1,
        mfa_devices=1,
        access_key_last_used=root_tasks.now,
    )
    plan = root_tasks.run(PLAN_DELETION)
    assert root_tasks.items(plan, MEMBER) == [
        ("PASSWORD", "PLANNED"),
        (f"ACCESS_KEY {KEY}", "IN_USE"),
        (f"MFA_DEVICE {MFA}", "SKIPPED"),
    ]
    assert plan.output["totals"]["PLANNED"] == 1
    executed = root_tasks.execute(plan)
    assert root_tasks.items(executed, MEMBER) == [
        ("PASSWORD", "DONE"),
        (f"ACCESS_KEY {KEY}", "SKIPPED"),
        (f"MFA_DEVICE {MFA}", "SKIPPED"),
    ]
    left = root_tasks.organization.root_credentials(MEMBER)
    assert (left.access_keys, left.mfa_devices) == ((KEY,), (MFA,))


@pytest.mark.parametrize(
    ("include_in_use", "outcome"),
    [(False, "INACCESSIBLE"), (True, "PLANNED")],
    ids=["left out", "included"],
)
def test_what_may_be_in_use_is_left_out_of_a_plan(
    root_tasks: RootTasks, include_in_use: bool, outcome: str
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1)
    root_tasks.organization.deny(MEMBER, "iam:GetAccessKeyLastUsed")
    plan = root_tasks.run({**PLAN_DELETION, "includeInUse": include_in_use})
    (item,) = root_tasks.results(plan)[MEMBER]["items"]
    assert item["outcome"] == root_tasks.outcomes(plan)[MEMBER] == outcome
    assert item["credential"]["lastUseUnread"]
    assert "iam:GetAccessKeyLastUsed: AccessDenied: " in item["message"]


def test_a_plan_can_be_limited_to_types_of_credentials(root_tasks: RootTasks) -> None:
    items = {
        "PASSWORD": "PASSWORD",
        "ACCESS_KEY": f"ACCESS_KEY {KEY}",
        "SIGNING_CERTIFICATE": f"SIGNING_CERTIFICATE {CERTIFICATE}",
        "MFA_DEVICE": f"MFA_DEVICE {MFA}",
    }
    for types in (["ACCESS_KEY"], ["PASSWORD", "SIGNING_CERTIFICATE"], list(items)):
        plan = root_tasks.run({**PLAN_DELETION, "credentialTypes": types[::-1]})
        assert root_tasks.items(plan, MEMBER) == [(items[type_], "PLANNED") for type_ in types]


@pytest.mark.parametrize(
    "others", [{"password": True}, {"access_keys": 1}, {"certificates": 1}], ids=str
)
def test_mfa_is_not_planned_while_another_credential_stays(
    root_tasks: RootTasks, others: dict[str, Any]
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, mfa_devices=1, **others)
    plan = root_tasks.run({**PLAN_DELETION, "credentialTypes": ["MFA_DEVICE"]})
    assert root_tasks.items(plan, MEMBER) == [(f"MFA_DEVICE {MFA}", "SKIPPED")]
    assert root_tasks.results(plan)[MEMBER]["reason"] == MFA_LEFT_OUT
    assert root_tasks.outcomes(root_tasks.execute(plan)) == {}


# Deleting


def test_mfa_is_deactivated_last_after_the_credentials_were_read_again(
    root_tasks: RootTasks,
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.organization.clear_calls()
    root_tasks.execute(plan)
    calls = [call.partition(" ")[2] for call in calls_in_root_sessions(root_tasks.organization)]
    # The four reads after the deletions are made in parallel, in any order.
    calls[4:8] = sorted(calls[4:8])
    assert calls == [
        "GetLoginProfile",
        "DeleteLoginProfile",
        "DeleteAccessKey",
        "DeleteSigningCertificate",
        "GetLoginProfile",
        "ListAccessKeys",
        "ListMFADevices",
        "ListSigningCertificates",
        # The device is listed again, so that it is the planned one.
        "ListMFADevices",
        "DeactivateMFADevice",
    ]


def test_each_mfa_device_is_deactivated_only_after_a_look_of_its_own(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, mfa_devices=2)
    plan = root_tasks.run(PLAN_DELETION)
    # Before the first device is deactivated, someone sets a password: the second one has to stay.
    root_user = current_emulation().root_user(MEMBER)
    root_tasks.change_before(
        "iam:DeactivateMFADevice", lambda: setattr(root_user, "password_created_at", root_tasks.now)
    )
    executed = root_tasks.execute(plan)
    # Those of both devices, and of the password, which the plan does not list.
    assert [outcome for _, outcome in root_tasks.items(executed, MEMBER)] == [
        "DONE",
        "FAILED",
        "SKIPPED",
    ]
    assert root_tasks.results(executed)[MEMBER]["reason"] == MFA_STAYS
    # The second device.
    assert root_tasks.organization.root_credentials(MEMBER).mfa_devices == (
        MFA.replace("-1", "-2"),
    )


@pytest.mark.parametrize(
    ("times", "outcome", "left"),
    [(3, "DONE", ()), (1000, "FAILED", (MFA,))],
    ids=["for a while", "always"],
)
def test_a_list_that_lags_behind_a_deletion_is_read_again_before_mfa_is_deactivated(
    root_tasks: RootTasks, times: int, outcome: str, left: tuple[str, ...]
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    outdated_lists = iter(range(times))

    def list_deleted_key(parsed: dict[str, Any], **_: object) -> None:
        if next(outdated_lists, None) is not None:
            parsed["AccessKeyMetadata"] = [{"AccessKeyId": KEY, "Status": "Active"}]

    root_tasks.on_event("after-call.iam.ListAccessKeys", list_deleted_key)
    executed = root_tasks.execute(plan)
    outcomes = [item_outcome for _, item_outcome in root_tasks.items(executed, MEMBER)]
    # Those of the password, the key, the certificate and the MFA device.
    assert outcomes == ["DONE", "DONE", "DONE", outcome]
    assert root_tasks.organization.root_credentials(MEMBER).mfa_devices == left
    # It waited before it read the list again.
    assert root_tasks.time.seconds > 0


@pytest.mark.parametrize(
    ("replaced", "item"),
    [
        ({"password": True, "mfa_devices": 1}, "PASSWORD"),
        ({"mfa_devices": 1}, f"MFA_DEVICE {MFA}"),
    ],
    ids=["PASSWORD", "MFA_DEVICE"],
)
def test_what_was_created_after_the_plan_is_not_deleted(
    root_tasks: RootTasks, replaced: dict[str, Any], item: str
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    # The new credentials have the IDs of the planned ones, and are a second younger.
    root_tasks.organization.advance_clock(1)
    root_tasks.organization.put_root_credentials(MEMBER, **replaced)
    executed = root_tasks.execute(plan)
    result = root_tasks.results(executed)[MEMBER]
    assert (result["outcome"], result["reason"]) == ("FAILED", CREDENTIAL_CHANGED)
    assert dict(root_tasks.items(executed, MEMBER))[item] == "FAILED"
    left = root_tasks.organization.root_credentials(MEMBER)
    assert (left.password, left.mfa_devices) == ("password" in replaced, (MFA,))


@pytest.mark.parametrize(
    ("planned", "later", "outcome"),
    [
        ("Inactive", "Active", ("FAILED", CREDENTIAL_CHANGED)),
        ("Inactive", "Inactive", ("DONE", None)),
        ("Active", "Inactive", ("DONE", None)),
    ],
    ids=["activated", "still inactive", "deactivated"],
)
def test_what_was_inactive_in_the_plan_and_is_active_again_is_left(
    root_tasks: RootTasks, planned: str, later: str, outcome: tuple[str, str | None]
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1)
    # It changes after the plan.
    status = {"Status": planned}
    root_tasks.on_event(
        "after-call.iam.ListAccessKeys",
        lambda parsed, **_: [key.update(status) for key in parsed["AccessKeyMetadata"]],
    )
    plan = root_tasks.run(PLAN_DELETION)
    status["Status"] = later
    (item,) = root_tasks.results(root_tasks.execute(plan))[MEMBER]["items"]
    assert (item["outcome"], item["message"]) == outcome
    is_left = root_tasks.organization.root_credentials(MEMBER).access_keys != ()
    assert is_left is (later == "Active")


def test_a_planned_password_without_a_creation_date_is_not_deleted(root_tasks: RootTasks) -> None:
    root_tasks.omit_from_response("iam:GetLoginProfile", "LoginProfile", "CreateDate")
    plan = root_tasks.run(PLAN_DELETION)
    assert root_tasks.outcomes(plan)[MEMBER] == "INACCESSIBLE"
    assert root_tasks.read_json(f"runs/{plan.run_id}/plan.json")["assignments"] == []


def test_what_was_created_after_the_plan_is_left_and_reported(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1)
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=2, mfa_devices=1)
    executed = root_tasks.execute(plan)
    new = KEY.replace("0001", "0002")
    assert root_tasks.items(executed, MEMBER) == [
        (f"ACCESS_KEY {KEY}", "DONE"),
        (f"ACCESS_KEY {new}", "SKIPPED"),
        (f"MFA_DEVICE {MFA}", "SKIPPED"),
    ]
    assert root_tasks.results(executed)[MEMBER]["items"][1]["message"] == NOT_IN_PLAN
    assert root_tasks.outcomes(executed) == {MEMBER: "DONE"}
    assert root_tasks.organization.root_credentials(MEMBER).access_keys == (new,)


def test_an_execution_that_cannot_look_for_other_credentials_says_so(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.organization.deny(MEMBER, "iam:ListAccessKeys")
    result = root_tasks.results(root_tasks.execute(plan))[MEMBER]
    assert result["outcome"] == "DONE"
    assert result["reason"].startswith(f"{OTHERS_NOT_READ} iam:ListAccessKeys: AccessDenied: ")


# The outcomes of the password, the key, the certificate and the MFA device if a call is denied.
OUTCOMES_IF_DENIED = {
    "DeleteLoginProfile": ["FAILED", "DONE", "DONE", "FAILED"],
    "DeleteAccessKey": ["DONE", "FAILED", "DONE", "FAILED"],
    "DeleteSigningCertificate": ["DONE", "DONE", "FAILED", "FAILED"],
    # Whether the password is still the planned one is not known then.
    "GetLoginProfile": ["FAILED", "DONE", "DONE", "FAILED"],
    # Nor whether the device is.
    "ListMFADevices": ["DONE", "DONE", "DONE", "FAILED"],
    "ListAccessKeys": ["DONE", "DONE", "DONE", "FAILED"],
    "ListSigningCertificates": ["DONE", "DONE", "DONE", "FAILED"],
}


@pytest.mark.parametrize(("action", "outcomes"), OUTCOMES_IF_DENIED.items(), ids=OUTCOMES_IF_DENIED)
def test_mfa_stays_where_a_credential_could_not_be_deleted_or_not_be_looked_for(
    root_tasks: RootTasks, action: str, outcomes: list[str]
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.organization.deny(MEMBER, f"iam:{action}")
    executed = root_tasks.execute(plan)
    assert root_tasks.outcomes(executed) == {MEMBER: "FAILED"}
    assert [outcome for _, outcome in root_tasks.items(executed, MEMBER)] == outcomes
    # The MFA device is the last of the four items.
    why_mfa_stays = root_tasks.results(executed)[MEMBER]["items"][3]["message"]
    assert why_mfa_stays.count("could not be read") <= 1, "nothing is said twice"
    assert root_tasks.organization.root_credentials(MEMBER).mfa_devices == (MFA,)


def test_what_is_deleted_already_is_nothing_to_do(root_tasks: RootTasks) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    # The root user deletes all but the MFA device.
    root_user = current_emulation().root_user(MEMBER)
    root_user.password_created_at = None
    root_user.access_keys.clear()
    root_user.certificates.clear()
    executed = root_tasks.execute(plan)
    outcomes = [outcome for _, outcome in root_tasks.items(executed, MEMBER)]
    assert outcomes == ["NOTHING_TO_DO", "NOTHING_TO_DO", "NOTHING_TO_DO", "DONE"]
    assert root_tasks.outcomes(executed) == {MEMBER: "DONE"}


def test_an_mfa_device_that_is_gone_has_nothing_to_do_also_if_a_key_is_left(
    root_tasks: RootTasks,
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, mfa_devices=1)
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1)
    executed = root_tasks.execute(plan)
    assert root_tasks.items(executed, MEMBER) == [
        (f"MFA_DEVICE {MFA}", "NOTHING_TO_DO"),
        (f"ACCESS_KEY {KEY}", "SKIPPED"),
    ]


def test_a_deletion_whose_response_was_lost_is_done_if_nothing_exists_then(
    root_tasks: RootTasks,
) -> None:
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.lose_response("iam:DeleteAccessKey")
    root_tasks.lose_response("iam:DeleteSigningCertificate")
    root_tasks.fail_calls("iam:DeleteSigningCertificate", "ServiceFailure", status=500)
    executed = root_tasks.execute(plan)
    assert root_tasks.items(executed, MEMBER)[1:3] == [
        (f"ACCESS_KEY {KEY}", "DONE"),
        (f"SIGNING_CERTIFICATE {CERTIFICATE}", "UNKNOWN"),
    ]
    assert root_tasks.outcomes(executed) == {MEMBER: "UNKNOWN"}


# Recovery


@pytest.mark.parametrize("lost_responses", [0, 1], ids=["no response lost", "one lost"])
def test_recovery_is_allowed_where_it_was_planned(
    root_tasks: RootTasks, lost_responses: int
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER)
    plan = root_tasks.run(PLAN_RECOVERY)
    assert root_tasks.outcomes(plan) == {MEMBER: "PLANNED"}
    assert not root_tasks.organization.root_credentials(MEMBER).password
    root_tasks.lose_response("iam:CreateLoginProfile", times=lost_responses)
    executed = root_tasks.execute(plan)
    assert root_tasks.outcomes(executed) == {MEMBER: "DONE"}
    assert root_tasks.organization.root_credentials(MEMBER).password
    writes = root_tasks.organization.writes
    assert [call.operation for call in writes] == ["CreateLoginProfile"] * (1 + lost_responses)
    assert not any({"UserName", "Password"} & set(call.parameters) for call in writes), (
        "AWS takes a call without a password as permission to reset it by e-mail"
    )


def test_a_recovery_for_another_address_than_the_plan_showed_is_not_allowed(
    root_tasks: RootTasks,
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER)
    plan = root_tasks.run(PLAN_RECOVERY)

    def change_address(parsed: dict[str, Any], **_: object) -> None:
        parsed["Account"]["Email"] = "other@example.net"

    root_tasks.on_event("after-call.organizations.DescribeAccount", change_address)
    executed = root_tasks.execute(plan)
    (result,) = root_tasks.results(executed).values()
    assert (result["outcome"], result["reason"]) == ("FAILED", OTHER_ADDRESS)
    assert result["email"] == "other@example.net"
    assert root_tasks.organization.writes == ()


def test_recovery_has_nothing_to_do_where_there_is_a_password_and_says_so(
    root_tasks: RootTasks,
) -> None:
    # MEMBER has a password from the start, then none while the second plan is made, then one again.
    planned_with_password = root_tasks.run(PLAN_RECOVERY)
    root_tasks.organization.put_root_credentials(MEMBER)
    plan = root_tasks.run(PLAN_RECOVERY)
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    for finished in (planned_with_password, root_tasks.execute(plan)):
        assert root_tasks.outcomes(finished) == {MEMBER: "NOTHING_TO_DO"}
        assert root_tasks.results(finished)[MEMBER]["items"][0]["message"] == HAS_PASSWORD
