"""The audit, and what all runs have in common: selection, batches, report, notices."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from aws_calls.failures import CallError
from local_aws.emulation import LocalOrganization
from root_tasks.aws.clients import MAX_ACCOUNTS_IN_PARALLEL
from root_tasks.messages import PROTECTED_AUDIT
from root_tasks.model.codec import encode
from root_tasks.model.report_schema import Item, ItemType, Outcome, Task
from root_tasks.model.run_documents import BatchResult, Finding, Mode, Target
from root_tasks.refusals import RefusalReason
from root_tasks.run.prepare import batches_of
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    add_accounts,
    call_counts,
    set_feature,
)
from support.root_tasks import (
    ONE_CREDENTIAL_OF_EACH_TYPE,
    PLAN_DELETION,
    DeployedSettings,
    RootTasks,
    accounts_of_sessions_by_run,
    calls_in_root_sessions,
    refusal_reason_and_data,
)

# Pre-flight


@pytest.mark.parametrize(
    ("task", "scope", "missing"),
    [
        (Task.AUDIT, {}, ROOT_CREDENTIALS_MANAGEMENT),
        (Task.DELETE, {"accounts": [MEMBER]}, ROOT_CREDENTIALS_MANAGEMENT),
        (Task.RECOVER, {"accounts": [MEMBER]}, ROOT_CREDENTIALS_MANAGEMENT),
        (Task.UNLOCK_BUCKET, {"buckets": {MEMBER: ["a-bucket"]}}, ROOT_SESSIONS),
        (Task.UNLOCK_QUEUE, {"queues": [f"arn:aws:sqs:us-east-1:{MEMBER}:q"]}, ROOT_SESSIONS),
    ],
)
def test_a_task_whose_feature_is_not_enabled_fails_once(
    root_tasks: RootTasks, task: Task, scope: dict[str, object], missing: str
) -> None:
    set_feature(root_tasks.organization, missing, enabled=False)
    execution = root_tasks.run({"task": task, **scope})
    assert execution.status == "FAILED"
    reason, data = refusal_reason_and_data(execution)
    assert reason is RefusalReason.FEATURE_NOT_ENABLED
    assert (data["task"], data["feature"]) == (task, missing)
    # Once for the run, and not for each account.
    assert "AssumeRoot" not in call_counts(root_tasks.organization)


def test_every_root_session_names_its_run_and_no_call_in_the_member_account_does(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(MEMBER, password=True)
    for execute in (
        lambda: root_tasks.run({"accounts": [MEMBER]}, name="audit-1"),
        lambda: root_tasks.run({**PLAN_DELETION, "accounts": [MEMBER]}, name="plan-1"),
        lambda: root_tasks.execute("plan-1", name="execution-1"),
    ):
        calls_before = len(organization.calls)
        finished = execute()
        assert finished.totals, finished.cause
        name = f"centralized-root-access/{finished.run_id}"
        assert accounts_of_sessions_by_run(organization, calls_before) == {name: {MEMBER}}
    in_member = [call.user_agent for call in organization.calls if call.root_session]
    assert in_member
    assert "centralized-root-access" not in " ".join(in_member)


def test_each_session_of_two_runs_at_once_names_its_own(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    accounts = [add_accounts(organization, MAX_ACCOUNTS_IN_PARALLEL) for _ in range(2)]
    runs = [
        root_tasks.start_run(
            {"accounts": ids}, arn=root_tasks.arn(f"run-{number}"), started_at=root_tasks.now
        )
        for number, ids in enumerate(accounts)
    ]
    calls_before = len(organization.calls)
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda run: root_tasks.run_batch(run, batch=0), runs))
    assert accounts_of_sessions_by_run(organization, calls_before) == {
        f"centralized-root-access/run-{number}": set(ids) for number, ids in enumerate(accounts)
    }


def test_a_member_account_that_is_not_a_delegated_administrator_is_refused(
    root_tasks: RootTasks,
) -> None:
    execution = RootTasks(organization=root_tasks.organization, account_id=MEMBER).run()
    reason, data = refusal_reason_and_data(execution)
    assert reason is RefusalReason.NOT_AN_ADMINISTRATOR
    assert (data["account_id"], data["management_account_id"]) == (MEMBER, MANAGEMENT)


def test_an_account_without_an_organization_is_refused(root_tasks: RootTasks) -> None:
    root_tasks.organization.delete()
    assert refusal_reason_and_data(root_tasks.run()) == (
        RefusalReason.NO_ORGANIZATION,
        {"account_id": MANAGEMENT},
    )


def test_a_denied_call_before_any_account_fails_with_awss_words(root_tasks: RootTasks) -> None:
    root_tasks.organization.deny(MANAGEMENT, "organizations:ListAccounts")
    error = root_tasks.run().error
    assert isinstance(error, CallError)
    failure = error.failure
    assert (failure.operation, failure.name) == ("organizations:ListAccounts", "AccessDenied")
    assert failure.attempts == 15, "the role may be new, so its policy is waited for"


def test_features_that_a_response_omits_are_not_taken_for_disabled(root_tasks: RootTasks) -> None:
    root_tasks.omit_from_response("iam:ListOrganizationsFeatures", "EnabledFeatures")
    assert isinstance(root_tasks.run().error, CallError)


@pytest.mark.parametrize(
    "call", ["organizations:DescribeOrganization", "iam:ListOrganizationsFeatures"]
)
def test_a_run_starts_although_its_roles_policy_is_not_in_effect_yet(
    root_tasks: RootTasks, call: str
) -> None:
    # The role is new, and its policy takes effect after eight attempts.
    root_tasks.fail_calls(call, "AccessDenied", times=8)
    assert root_tasks.run().output["totals"] == {"CLEAN": 3, "PROTECTED": 1}


# The audit


def test_details_are_read_only_of_what_exists(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, access_keys=2)
    root_tasks.organization.put_root_credentials(THIRD_MEMBER, mfa_devices=1, certificates=1)
    root_tasks.run()
    by_account = {
        account_id: sorted(
            call.partition(" ")[2]
            for call in calls_in_root_sessions(root_tasks.organization)
            if account_id in call
        )
        for account_id in (MEMBER, OTHER_MEMBER, THIRD_MEMBER)
    }
    assert by_account == {
        MEMBER: ["GetAccountSummary", "GetUser"],
        OTHER_MEMBER: [
            "GetAccessKeyLastUsed",
            "GetAccessKeyLastUsed",
            "GetAccountSummary",
            "ListAccessKeys",
        ],
        THIRD_MEMBER: ["GetAccountSummary", "ListMFADevices", "ListSigningCertificates"],
    }


def test_what_the_root_user_has_is_reported_with_its_last_use(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(
        MEMBER,
        password_last_used=root_tasks.now,
        access_key_last_used=root_tasks.now,
        **ONE_CREDENTIAL_OF_EACH_TYPE,
    )
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert result["outcome"] == "HAS_CREDENTIALS"
    credentials = result["credentials"]
    created_at = credentials["accessKeys"][0].pop("createdAt")
    assert created_at.endswith("Z")
    assert credentials == {
        "password": True,
        "passwordLastUsedAt": "2026-11-24T12:00:00Z",
        "passwordLastUseUnread": False,
        "accessKeys": [
            {
                "accessKeyId": f"AKIA{MEMBER}0001",
                "status": "Active",
                "lastUsedAt": "2026-11-24T12:00:00Z",
                "lastUsedService": "s3",
                "lastUseUnread": False,
            }
        ],
        "mfaDevices": [f"arn:aws:iam::{MEMBER}:mfa/root-account-mfa-device-1"],
        "signingCertificates": [f"CERT{MEMBER}{1:016}"],
    }


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("iam:GetAccountSummary", ["SummaryMap"]),
        ("iam:GetAccountSummary", ["SummaryMap", "AccountPasswordPresent"]),
        ("iam:GetAccountSummary", ["SummaryMap", "AccountAccessKeysPresent"]),
        ("iam:GetAccountSummary", ["SummaryMap", "AccountMFAEnabled"]),
        ("iam:GetAccountSummary", ["SummaryMap", "AccountSigningCertificatesPresent"]),
        ("sts:AssumeRoot", ["Credentials"]),
    ],
    ids=[
        "the summary",
        "the password",
        "the access keys",
        "the MFA devices",
        "the certificates",
        "the session",
    ],
)
def test_what_a_response_omits_is_never_taken_for_clean(
    root_tasks: RootTasks, action: str, path: list[str]
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, **ONE_CREDENTIAL_OF_EACH_TYPE)
    root_tasks.omit_from_response(action, *path)
    result = root_tasks.results(root_tasks.run({"accounts": [MEMBER]}))[MEMBER]
    assert result["outcome"] == "INACCESSIBLE"
    assert f"{action}: IncompleteResponse: the response has no {path[-1]}" in result["reason"]


def ids_of(credentials: Mapping[str, Any]) -> dict[str, object]:
    """Return the IDs of the reported credentials; None for a list that could not be read."""
    keys = credentials["accessKeys"]
    return {
        "password": credentials["password"],
        "accessKeys": None if keys is None else [key["accessKeyId"] for key in keys],
        "mfaDevices": credentials["mfaDevices"],
        "signingCertificates": credentials["signingCertificates"],
    }


# Each call that reads details, the member of its response that has them, and the list of the report
# that is unknown without; None: only a last use is.
DETAIL_CALLS = [
    ("iam:GetUser", "User", None),
    ("iam:ListAccessKeys", "AccessKeyMetadata", "accessKeys"),
    ("iam:GetAccessKeyLastUsed", "AccessKeyLastUsed", None),
    ("iam:ListMFADevices", "MFADevices", "mfaDevices"),
    ("iam:ListSigningCertificates", "Certificates", "signingCertificates"),
]
# The calls that read the last use of the password, and of a key.
LAST_USES = ("iam:GetUser", "iam:GetAccessKeyLastUsed")


@pytest.mark.parametrize(("action", "member", "unlisted"), DETAIL_CALLS)
@pytest.mark.parametrize("fault", ["denied", "incomplete"])
def test_an_account_that_has_credentials_stays_one_when_a_detail_cannot_be_read(
    root_tasks: RootTasks, action: str, member: str, unlisted: str | None, fault: str
) -> None:
    root_tasks.organization.put_root_credentials(
        MEMBER, **{**ONE_CREDENTIAL_OF_EACH_TYPE, "access_keys": 2}
    )
    # Everything is reported as before, except for the list or the last use that this call reads.
    all_ids = ids_of(
        root_tasks.results(root_tasks.run({"accounts": [MEMBER]}))[MEMBER]["credentials"]
    )
    if fault == "denied":
        root_tasks.organization.deny(MEMBER, action)
    else:
        root_tasks.omit_from_response(action, member)
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert result["outcome"] == "HAS_CREDENTIALS"
    assert action in result["reason"]
    credentials = result["credentials"]
    if unlisted is not None:
        all_ids[unlisted] = None
    assert ids_of(credentials) == all_ids
    unread_keys = [key["lastUseUnread"] for key in credentials["accessKeys"] or ()]
    assert (credentials["passwordLastUseUnread"], any(unread_keys)) == tuple(
        action == use for use in LAST_USES
    )
    metric = root_tasks.metric_values()
    assert metric["AccountsWithRootCredentials"] == 1
    assert metric["AccountsInaccessible"] == 0


def test_a_list_that_contradicts_the_summary_does_not_make_the_account_clean(
    root_tasks: RootTasks,
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1, mfa_devices=1)
    root_tasks.change_before(
        "iam:ListAccessKeys",
        lambda: root_tasks.organization.put_root_credentials(MEMBER, mfa_devices=1),
    )
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert result["outcome"] == "HAS_CREDENTIALS"
    assert result["credentials"]["accessKeys"] is None
    assert "iam:ListAccessKeys: InconsistentReads: the account's summary" in result["reason"]


def test_a_member_that_has_not_enabled_the_region_comes_with_another_region(
    root_tasks: RootTasks,
) -> None:
    root_tasks.fail_calls("sts:AssumeRoot", "RegionDisabledException", status=403)
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert result["outcome"] == "INACCESSIBLE"
    assert (
        "us-east-1: deploy RootTasks there, or give `audit --from-here` this --region"
        in result["hint"]
    )


def test_accounts_that_a_batch_does_not_reach_in_time_are_reported(root_tasks: RootTasks) -> None:
    # The first session takes all but 70 seconds. 60 of them are reserved for the results, and ten
    # are too few for another call.
    root_tasks.change_before(
        "sts:AssumeRoot", lambda: root_tasks.time.sleep(root_tasks.function_timeout - 70)
    )
    execution = root_tasks.run()
    assert execution.status == "SUCCEEDED"
    results = root_tasks.results(execution)
    late = [result for result in results.values() if result["outcome"] == "INACCESSIBLE"]
    assert late
    assert all("no time was left" in result["reason"] for result in late)
    assert len(results) == 4


# Which accounts


def test_an_audit_skips_the_management_account_and_says_which_account_is_protected(
    root_tasks: RootTasks,
) -> None:
    root_tasks.organization.suspend(OTHER_MEMBER)
    root_tasks.settings = DeployedSettings(protected_accounts=[THIRD_MEMBER])
    reasons = {
        id_: result["reason"] for id_, result in root_tasks.results(root_tasks.run()).items()
    }
    assert reasons == {
        MANAGEMENT: None,
        MEMBER: None,
        OTHER_MEMBER: "Its state is SUSPENDED.",
        THIRD_MEMBER: PROTECTED_AUDIT,
    }
    sessions = [call for call in root_tasks.organization.calls if call.operation == "AssumeRoot"]
    assert {call.parameters["TargetPrincipal"] for call in sessions} == {MEMBER, THIRD_MEMBER}


@pytest.mark.parametrize("accounts", [["all"], [MEMBER]], ids=["listed", "described"])
def test_an_account_without_a_state_fails_the_run(root_tasks: RootTasks, accounts: object) -> None:
    root_tasks.omit_member_of_accounts("State")
    audit = root_tasks.run({"accounts": accounts})
    assert audit.status == "FAILED"
    assert isinstance(audit.error, CallError)
    assert "State" in audit.cause


@pytest.mark.parametrize("name", [".", "..", "--all", "a b", "<run>", "\u00e9"])
def test_a_run_whose_name_is_another_folder_or_an_option_is_refused(
    root_tasks: RootTasks, name: str
) -> None:
    expected = (RefusalReason.INVALID_NAME, {"name": name})
    assert refusal_reason_and_data(root_tasks.run(name=name)) == expected
    assert (
        refusal_reason_and_data(root_tasks.run_execute_machine({"plan": "plan"}, name=name))
        == expected
    )
    assert refusal_reason_and_data(root_tasks.execute(name))[0] is RefusalReason.INVALID_VALUE
    assert root_tasks.object_keys() == [], "nothing is stored"


# Batches


def test_a_batch_that_dies_loses_only_itself_and_shows_in_the_report(root_tasks: RootTasks) -> None:
    add_accounts(root_tasks.organization, 30)
    root_tasks.lose_batches = lambda batch: batch == 1
    execution = root_tasks.run()
    # The first batch has 25 of the 33 members, the second one the others.
    assert execution.output["totals"] == {"CLEAN": 25, "PROTECTED": 1, "INACCESSIBLE": 8}
    assert len(root_tasks.results(execution)) == 34
    reasons = {each["reason"] for each in root_tasks.results(execution).values()}
    assert (
        "Its batch ended without a result. Step Functions' error: Lambda.Unknown. "
        "Nothing was changed."
    ) in reasons


def test_an_execution_in_which_an_account_failed_has_failed_after_its_report(
    root_tasks: RootTasks,
) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1)
    plan = root_tasks.run(PLAN_DELETION)
    root_tasks.organization.deny(MEMBER, "iam:DeleteAccessKey")
    execution = root_tasks.execute(plan)
    assert (execution.status, execution.totals) == ("FAILED", {"FAILED": 1})
    assert root_tasks.report(execution)["totals"] == {"FAILED": 1}
    assert root_tasks.report(execution)["summary"] in execution.cause
    assert f"s3://root-tasks/executions/{execution.run_id}/report.html" in execution.cause


def test_a_run_says_who_asks_for_it_and_who_planned_it(root_tasks: RootTasks) -> None:
    planner, executor = (f"arn:aws:iam::{MANAGEMENT}:user/{name}" for name in ("jane", "john"))
    plan = root_tasks.run({**PLAN_DELETION, "requestedBy": planner})
    execution = root_tasks.run_execute_machine({"plan": plan.run_id, "requestedBy": executor})
    for run, expected in ((plan, (None, planner)), (execution, (planner, executor))):
        report = root_tasks.report(run)
        assert (report["plannedBy"], report["requestedBy"]) == expected


# What others write to the bucket


def store_result(root_tasks: RootTasks, task: Task, finding: Finding) -> dict[str, object]:
    """Store a finding as the result of the first batch of run "a", and return its output."""
    body = encode(BatchResult(findings=(finding,), finished_at=root_tasks.now))
    return root_tasks.write_result(f"runs/a/results/{task}/", body)


def test_a_result_of_an_account_that_is_not_in_the_batch_is_refused(root_tasks: RootTasks) -> None:
    run = root_tasks.start_run(
        {"accounts": [MEMBER]}, arn=root_tasks.arn("a"), started_at=root_tasks.now
    )
    result = store_result(
        root_tasks, Task.AUDIT, Finding(account_id=OTHER_MEMBER, outcome=Outcome.CLEAN)
    )
    output = root_tasks.write_report(run, results=[result])
    assert output["totals"] == {"INACCESSIBLE": 1}
    assert "result_damaged" in [event.get("event") for event in root_tasks.log]


def test_a_plan_has_nothing_that_its_report_does_not_show_as_planned(root_tasks: RootTasks) -> None:
    run = root_tasks.start_run(
        {**PLAN_DELETION, "accounts": [MEMBER]}, arn=root_tasks.arn("a"), started_at=root_tasks.now
    )
    finding = Finding(
        account_id=MEMBER,
        outcome=Outcome.PLANNED,
        items=(
            Item(type=ItemType.PASSWORD, outcome=Outcome.PLANNED),
            Item(type=ItemType.ACCESS_KEY, id="AKIA1", outcome=Outcome.IN_USE),
        ),
        planned=(Target(type=ItemType.PASSWORD), Target(type=ItemType.ACCESS_KEY, id="AKIA1")),
    )
    root_tasks.write_report(run, results=[store_result(root_tasks, Task.DELETE, finding)])
    (assignment,) = root_tasks.read_json("runs/a/plan.json")["assignments"]
    assert [target["type"] for target in assignment["targets"]] == ["PASSWORD"]


@pytest.mark.parametrize(
    ("mode", "accounts", "size"),
    [
        (Mode.AUDIT, 30, 25),
        (Mode.PLAN, 500, 50),
        (Mode.AUDIT, 10_000, 100),
        (Mode.EXECUTE, 10_000, 5),
    ],
)
def test_batches_of_read_only_runs_grow_with_the_organization_and_no_others(
    mode: Mode, accounts: int, size: int
) -> None:
    batches = batches_of([str(number) for number in range(accounts)], mode)
    assert max(map(len, batches)) == size


def test_the_hashes_of_the_largest_organization_fit_into_a_state() -> None:
    ids = [f"{100_000_000_000 + number}" for number in range(50_000)]
    batches = batches_of(ids, Mode.EXECUTE)
    assert sorted(id_ for batch in batches for id_ in batch) == ids
    results = [{"batch": number, "sha256": "0" * 64} for number, _ in enumerate(batches)]
    # Step Functions takes 262,144 bytes; the state has a little more than the results in it.
    assert len(json.dumps(results)) < 240_000


# Reports


def test_only_full_audits_are_the_latest_and_published(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, access_keys=1)
    root_tasks.run({"accounts": [MEMBER]})
    root_tasks.execute(root_tasks.run(PLAN_DELETION))
    # An audit of one account, a plan and its execution are in their own folders only.
    assert root_tasks.object_keys("latest/") == root_tasks.notices == []
    assert root_tasks.metrics() == []
    full = root_tasks.run()
    ((subject, _),) = root_tasks.notices
    assert subject == "Root credentials: first full audit"
    assert root_tasks.object_keys("latest/") == ["latest/report.json"]
    assert root_tasks.read_object("latest/report.json") == root_tasks.read_object(
        f"runs/{full.run_id}/report.json"
    )


def test_a_report_begins_with_the_account_of_most_risk(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, access_keys=1)
    first, *_ = root_tasks.results(root_tasks.run())
    assert first == OTHER_MEMBER


@pytest.mark.parametrize("password", [True, False], ids=["a password", "no credentials"])
def test_a_full_audit_counts_in_metrics(root_tasks: RootTasks, password: bool) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, password=password)
    root_tasks.organization.deny(OTHER_MEMBER, "iam:*")
    root_tasks.run()
    counted = root_tasks.metric_values()
    assert counted["AccountsAudited"] == 2
    assert counted["AccountsWithRootCredentials"] == int(password)
    assert counted["AccountsInaccessible"] == 1
    (directive,) = counted["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "CentralizedRootAccess"
    assert {metric["Name"] for metric in directive["Metrics"]} <= set(counted)
    assert all(name in counted for names in directive["Dimensions"] for name in names)


@pytest.mark.parametrize(
    ("arrange", "has_alarms"),
    [
        (lambda stack: None, False),
        (lambda stack: stack.organization.deny(MEMBER, "iam:*"), True),
        (
            lambda stack: stack.organization.put_root_credentials(MEMBER, access_keys=1),
            True,
        ),
        (lambda stack: setattr(stack, "lose_batches", lambda batch: True), True),
        (lambda stack: stack.organization.put_root_credentials(MANAGEMENT), True),
        (
            lambda stack: setattr(stack, "settings", DeployedSettings(security_hub_findings=True)),
            True,
        ),
    ],
    ids=[
        "CLEAN",
        "INACCESSIBLE",
        "credentials",
        "without results",
        "management account",
        "refused findings",
    ],
)
def test_a_redriven_audit_is_as_old_as_its_look_but_sets_off_alarms_now(
    root_tasks: RootTasks, arrange: Callable[[RootTasks], object], has_alarms: bool
) -> None:
    root_tasks.organization.put_root_credentials(MANAGEMENT, mfa_devices=1)
    arrange(root_tasks)
    looked_at = root_tasks.now
    # As after a redrive: the batches have ended hours before the report is written.
    root_tasks.before_report = lambda: root_tasks.advance(hours=20)
    root_tasks.run()
    counted = root_tasks.metrics()[-1]
    # CloudWatch's alarms do not see data points of hours ago.
    moment = root_tasks.now if has_alarms else looked_at
    assert counted["_aws"]["Timestamp"] == moment.timestamp() * 1000
    report = root_tasks.read_json("latest/report.json")
    assert datetime.fromisoformat(report["finishedAt"]) == looked_at


def test_an_audit_that_saw_no_account_does_not_say_that_none_has_credentials(
    root_tasks: RootTasks,
) -> None:
    root_tasks.lose_batches = lambda batch: True
    audit = root_tasks.run()
    assert (audit.status, audit.totals) == ("SUCCEEDED", {"INACCESSIBLE": 3, "PROTECTED": 1})
    counted = root_tasks.metric_values()
    assert counted["AccountsAudited"] == 0
    assert counted["AccountsInaccessible"] == 3
    assert "AccountsWithRootCredentials" not in counted
    # Where there is no account to read, the number is known.
    for account_id in root_tasks.organization.members:
        root_tasks.organization.suspend(account_id)
    root_tasks.run()
    assert root_tasks.metric_values()["AccountsWithRootCredentials"] == 0


def test_a_change_since_the_last_full_audit_is_published_once_by_account_ids(
    root_tasks: RootTasks,
) -> None:
    root_tasks.run()
    root_tasks.notices.clear()
    root_tasks.advance(hours=1)
    root_tasks.run()
    assert root_tasks.notices == []
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    for _ in range(2):
        root_tasks.advance(hours=1)
        root_tasks.run()
    ((subject, message),) = root_tasks.notices
    assert subject == "Root credentials appeared: 1 account"
    assert MEMBER in message


def test_without_a_topic_no_notice_is_sent(root_tasks: RootTasks) -> None:
    root_tasks.settings = DeployedSettings(notification_topic_arn=None)
    assert root_tasks.run().totals == {"CLEAN": 3, "PROTECTED": 1}
    assert root_tasks.notices == []


def test_names_emails_and_awss_messages_are_in_no_log_and_no_output(root_tasks: RootTasks) -> None:
    account_id = root_tasks.organization.add_account(name="secret-name", email="secret@example.com")
    root_tasks.organization.put_root_credentials(account_id, password=True)
    root_tasks.organization.deny(MEMBER, "iam:*", message="secret-message")
    execution = root_tasks.execute(root_tasks.run(PLAN_DELETION))
    audit = root_tasks.run()
    published = json.dumps(
        [root_tasks.log, root_tasks.returned, execution.cause, root_tasks.notices]
    )
    assert "secret" not in published
    assert "example.com" not in published
    report = json.dumps(root_tasks.report(audit))
    assert all(
        secret in report for secret in ("secret-name", "secret@example.com", "secret-message")
    )
