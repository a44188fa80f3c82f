"""The report as JSON, as CSV, as a page and as a message."""

import base64
import csv
import hashlib
import io
import json
import re
import types
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import strategies as st

from aws_calls.notices import Notice
from common.typed_json import format_time
from root_tasks.model.codec import decode
from root_tasks.model.report_schema import (
    DEFAULT_UNUSED_FOR_DAYS,
    AccountResult,
    Change,
    ChangeType,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    PlanSelection,
    Report,
    RootCredentials,
    Task,
)
from root_tasks.report.audit_notice import audit_notice, change_message
from root_tasks.report.changes import changes, with_history
from root_tasks.report.plan_warnings import warnings_before_execution
from root_tasks.report.render import as_csv, as_html, as_json
from root_tasks.report.risk import RECENT, in_order_of_risk
from root_tasks.report.summary import summary
from support import reports
from support.properties import property_test
from support.reports import (
    HIDDEN_CHARACTERS,
    HOSTILE_NAMES,
    MANAGEMENT,
    SCP_HINT,
    STARTED_AT,
    accepted_account,
    access_key,
    account_result,
    account_with_credentials,
    example_audit,
    example_execution,
    example_plan,
    hostile_audit,
    html_page_of,
    inaccessible_account,
    partly_read_audit,
    report_of,
)

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
NOT_LOOKED_AT = (
    "The management account's root user was not looked at: the audit did not run in its account."
)
FIRST_ID, SECOND_ID = "300000000001", "300000000002"
UNLOCKED_BUCKET = Item(
    type=ItemType.BUCKET_POLICY,
    id="locked",
    outcome=Outcome.DONE,
    policy="{}",
    backup="backups/key",
)
NOTHING_PLANNED = report_of(account_result(FIRST_ID, Outcome.NOTHING_TO_DO), task=Task.DELETE)


def any_value_of(type_: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Return any value of a type that a field of a report can have.

    Args:
        type_: The type: a dataclass, a tuple or an optional value of another type, or a plain one.
        name: The name of the field, because an account ID has 12 digits.
    """
    arguments = get_args(type_)
    if isinstance(type_, types.UnionType):
        # Such a field is optional.
        return st.none() | any_value_of(arguments[0], name)
    if arguments:
        return st.lists(any_value_of(arguments[0]), max_size=3).map(tuple)
    if hasattr(type_, "__dataclass_fields__"):
        hints = get_type_hints(type_, localns={"datetime": datetime})
        names = [field.name for field in fields(type_)]
        return st.builds(type_, **{each: any_value_of(hints[each], each) for each in names})
    if name.endswith("account_id"):
        return st.from_regex(r"[0-9]{12}", fullmatch=True)
    # What is left are the types below, and enums.
    return PLAIN_VALUES[type_] if type_ in PLAIN_VALUES else st.sampled_from(type_)


PLAIN_VALUES: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20) | st.sampled_from(HOSTILE_NAMES),
    bool: st.booleans(),
    int: st.integers(0, 1_000_000),
    datetime: st.datetimes(datetime(2006, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
}


def csv_rows(data: bytes) -> list[dict[str, str]]:
    """The CSV as spreadsheets read it."""
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def embedded_report(page: str) -> Any:
    """The report that a page carries."""
    found = re.search(
        r'<script type="application/json" id="report">(.*?)</script>', page, re.DOTALL
    )
    assert found
    return json.loads(found[1])


# JSON


def strict_schema() -> dict[str, Any]:
    """The documented schema, changed so that it refuses each key that it does not name."""
    schema: dict[str, Any] = json.loads((REFERENCE / "report.schema.json").read_text())
    for described in (schema, *schema["$defs"].values()):
        if "properties" in described:
            assert sorted(described["required"]) == sorted(described["properties"])
            described["additionalProperties"] = False
    return schema


@property_test(report=any_value_of(Report))
def test_every_report_keeps_to_the_documented_schema(report: Report) -> None:
    strict_validator().validate(json.loads(as_json(report)))


@cache
def strict_validator() -> Any:
    """The validator of the schema that refuses unknown keys."""
    # It needs a native package, which the functions' Python does not have here.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    return Draft202012Validator(strict_schema())


@property_test(report=any_value_of(Report))
def test_no_form_of_a_report_loses_or_adds_anything(report: Report) -> None:
    data = as_json(report)
    assert decode(Report, data) == report
    document = json.loads(data)
    assert sum(document["totals"].values()) == len(report.results)
    ids = [result.account_id for result in report.results]
    assert [row["accountId"] for row in csv_rows(as_csv(report))] == ids
    page = as_html(report, data).decode()
    assert decode(Report, json.dumps(embedded_report(page)).encode()) == report
    assert_nothing_of_the_report_is_markup(page)
    # Nor does a full audit differ from itself.
    audit = replace(report, full=True)
    assert changes(audit, audit) == ()


def assert_nothing_of_the_report_is_markup(page: str) -> None:
    """Assert that the page has its own two scripts alone, and that its data could not end one.

    They are its code, and the report as JSON.
    """
    assert (page.count("<script"), page.count("</script"), page.count("<!--")) == (2, 2, 0)
    data = page.partition('id="report">')[2].partition("</script>")[0]
    assert data.isascii()
    assert not set("<>&") & set(data)


def test_the_documentation_names_every_key_and_every_value() -> None:
    schema = strict_schema()
    described = [schema, *schema["$defs"].values()]
    words = {key for part in described for key in part.get("properties", {})}
    words |= {*Task, *Outcome, *ItemType, *ChangeType}
    pages = ("machine-interface.md", "outcomes.md")
    text = "".join((REFERENCE / page).read_text() for page in pages)
    assert sorted(word for word in words if f"`{word}`" not in text) == []


def test_the_documentation_names_every_column() -> None:
    columns = csv_rows(as_csv(example_audit()))[0].keys()
    text = (REFERENCE / "machine-interface.md").read_text().partition("## report.csv")[2]
    assert [column for column in columns if f"`{column}`" not in text] == []


# CSV


def test_a_name_that_no_utf_8_can_carry_does_not_lose_the_csv() -> None:
    data = as_csv(report_of(account_result(FIRST_ID, name="half \ud83d an emoji")))
    assert data.count(b"\r\n") == data.count(b"\n") == 2
    assert csv_rows(data)[0]["name"] == r"half \ud83d an emoji"


def test_the_csv_says_nothing_about_credentials_that_were_not_read() -> None:
    read = {row["name"]: row for row in csv_rows(as_csv(example_audit()))}
    assert (read["security"]["password"], read["security"]["accessKeys"]) == ("no", "0")
    for name in ("acquired-shop", "closed-lab"):
        assert (read[name]["password"], read[name]["accessKeys"], read[name]["mfaDevices"]) == (
            "",
            "",
            "",
        )


def test_the_csv_does_not_count_what_could_not_be_listed() -> None:
    (read,) = csv_rows(as_csv(partly_read_audit()))
    assert (read["outcome"], read["password"]) == ("HAS_CREDENTIALS", "yes")
    counts = ("accessKeys", "activeAccessKeys", "accessKeyIds", "signingCertificates", "mfaDevices")
    assert {read[column] for column in counts} == {""}


def test_the_csv_has_what_a_root_user_has() -> None:
    row = csv_rows(as_csv(example_audit()))[0]
    assert {column: cell for column, cell in row.items() if cell} == {
        "accountId": "300000000002",
        "name": "payments-production",
        "email": "aws+0002@example.com",
        "organizationalUnit": "Root/Workloads/Production",
        "outcome": "HAS_CREDENTIALS",
        "password": "yes",
        "passwordLastUsedAt": "2026-11-08T04:10:00Z",
        "accessKeys": "2",
        "activeAccessKeys": "1",
        "accessKeyIds": "AKIAIOSFODNN00000001 AKIAIOSFODNN00000002",
        "oldestAccessKeyCreatedAt": "2021-02-19T04:10:00Z",
        "accessKeysLastUsedAt": "2026-11-17T04:10:00Z",
        "signingCertificates": "0",
        "mfaDevices": "1",
        "task": "audit",
        "setsPolicy": "no",
    }


def test_a_key_of_an_unknown_age_is_not_the_oldest_in_the_csv() -> None:
    keys = (replace(access_key(1), created_at=None), access_key(2, age=0))
    report = report_of(account_with_credentials(FIRST_ID, access_keys=keys))
    assert csv_rows(as_csv(report))[0]["oldestAccessKeyCreatedAt"] == format_time(STARTED_AT)


@pytest.mark.parametrize(
    ("report", "lines"),
    [
        (
            example_plan(),
            [
                "PASSWORD: PLANNED (created 2022-10-12T04:10:00Z, last used 2023-06-29T04:10:00Z.)",
                "ACCESS_KEY AKIAIOSFODNN00000001: PLANNED (Active, created 2024-06-03T04:10:00Z, "
                "last used 2025-10-16T04:10:00Z with s3.)",
                "ACCESS_KEY AKIAIOSFODNN00000002: PLANNED (Active, created 2021-02-19T04:10:00Z.)",
            ],
        ),
        (
            example_execution(),
            [
                "PASSWORD: DONE",
                "ACCESS_KEY AKIAIOSFODNN00000001: DONE",
                "ACCESS_KEY AKIAIOSFODNN00000002: FAILED (iam:DeleteAccessKey: ServiceFailure: "
                "Try again.)",
            ],
        ),
        (
            report_of(
                account_result(FIRST_ID, name="payments-production", items=(UNLOCKED_BUCKET,))
            ),
            ["BUCKET_POLICY locked: DONE (Backup: backups/key)"],
        ),
    ],
    ids=["a plan", "an execution", "a policy"],
)
def test_the_csv_has_a_line_for_each_item(report: Report, lines: list[str]) -> None:
    read = {row["name"]: row["items"] for row in csv_rows(as_csv(report))}
    assert read["payments-production"].split("\n") == lines


def test_the_csv_of_a_plan_counts_what_it_lists() -> None:
    plan = example_plan()
    items = plan.results[0].items
    mfa_device = replace(items[1], type=ItemType.MFA_DEVICE, outcome=Outcome.SKIPPED)
    more = replace(plan.results[0], items=(*items, mfa_device))
    plan = replace(plan, results=(more, *plan.results[1:]))
    first, second = (row for row in csv_rows(as_csv(plan)) if row["password"] or row["accessKeys"])
    assert (first["password"], first["passwordLastUsedAt"]) == ("yes", "2023-06-29T04:10:00Z")
    assert (first["accessKeys"], first["activeAccessKeys"]) == ("2", "2")
    assert (first["mfaDevices"], first["signingCertificates"]) == ("1", "0")
    assert first["accessKeyIds"] == "AKIAIOSFODNN00000001 AKIAIOSFODNN00000002"
    assert (second["password"], second["accessKeysLastUsedAt"]) == ("no", "2026-10-05T04:10:00Z")


# What comes first


def test_the_worst_root_users_come_first_and_skipped_accounts_last() -> None:
    outcomes = list(Outcome)
    assert outcomes[:2] == [Outcome.UNPROTECTED, Outcome.HAS_CREDENTIALS]
    assert outcomes[-1] is Outcome.SKIPPED
    report = report_of(*(account_result(FIRST_ID, outcome) for outcome in reversed(outcomes)))
    assert [result.outcome for result in report.results] == outcomes


# The credentials of a root user, by what is urgent in them.
URGENT_FIRST: dict[str, dict[str, Any]] = {
    "an active key used yesterday": {"access_keys": (access_key(1, used=1),)},
    "an active key used recently": {"access_keys": (access_key(1, used=89),)},
    "a password used recently": {
        "password": True,
        "password_last_used_at": STARTED_AT - timedelta(days=2),
        "mfa_devices": ("a device",),
    },
    "an active key whose last use could not be read": {
        "access_keys": (replace(access_key(1), last_use_unread=True),)
    },
    "an active key used long ago": {"access_keys": (access_key(1, used=400),)},
    "an active key that was never used": {"access_keys": (access_key(1),)},
    "a password without MFA": {"password": True},
    "a password with MFA that could not be listed": {"password": True, "mfa_devices": None},
    "an inactive key": {"access_keys": (access_key(1, active=False, used=500),)},
    "a device alone": {"mfa_devices": ("a device",)},
}


def test_the_most_urgent_credentials_come_first() -> None:
    urgent_last = [
        account_with_credentials(f"{300000000000 + place}", name, **URGENT_FIRST[name])
        for place, name in enumerate(reversed(URGENT_FIRST))
    ]
    report = report_of(account_result(FIRST_ID, name="clean"), *urgent_last)
    assert [result.name for result in report.results] == [*URGENT_FIRST, "clean"]


def test_the_most_urgent_credentials_of_a_plan_come_first() -> None:
    def planned(account_id: str, type_: ItemType, **details: Any) -> AccountResult:
        item = Item(type=type_, outcome=Outcome.PLANNED, credential=CredentialDetails(**details))
        return account_result(account_id, Outcome.PLANNED, items=(item,))

    report = report_of(
        planned("300000000001", ItemType.SIGNING_CERTIFICATE),
        planned("300000000002", ItemType.PASSWORD),
        planned("300000000003", ItemType.ACCESS_KEY, status="Active"),
        planned("300000000004", ItemType.ACCESS_KEY, status="Active", last_used_at=STARTED_AT),
        planned("300000000005", ItemType.PASSWORD, last_used_at=STARTED_AT),
        task=Task.DELETE,
    )
    assert [result.account_id[-1] for result in report.results] == ["4", "5", "3", "2", "1"]


@property_test(
    results=st.lists(
        any_value_of(AccountResult), max_size=5, unique_by=lambda result: result.account_id
    ),
    random=st.randoms(),
)
def test_the_order_of_risk_does_not_depend_on_the_order_before(
    results: list[AccountResult], random: Any
) -> None:
    ordered = in_order_of_risk(results, at=STARTED_AT)
    random.shuffle(results)
    assert in_order_of_risk(results, at=STARTED_AT) == ordered


def test_a_recent_use_is_as_long_ago_as_plans_leave_out_by_default() -> None:
    assert RECENT.days == DEFAULT_UNUSED_FOR_DAYS


# The summary


def execution_of_deletion(*results: AccountResult) -> Report:
    """The execution of a plan to delete root credentials."""
    return report_of(*results, task=Task.DELETE, executed_plan="plan")


def account_with_keys(account_id: str, *numbers: int, password: bool = False) -> AccountResult:
    """An account whose root user has the access keys with some numbers."""
    return account_with_credentials(
        account_id, password=password, access_keys=tuple(map(access_key, numbers))
    )


def plan_of_passwords_used(*days: int) -> Report:
    """A plan for one account that lists a password for each number of days since its last use."""
    plan = example_plan()
    account = plan.results[0]
    password = account.items[0]
    uses = (CredentialDetails(last_used_at=STARTED_AT - timedelta(days=ago)) for ago in days)
    items = tuple(replace(password, credential=use) for use in uses)
    return replace(plan, results=(replace(account, items=items),))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (
            example_audit(),
            "3 of the 10 accounts that were audited have root credentials: 2 passwords, 3 access "
            "keys, "
            "1 signing certificate and 1 MFA device. 2 accounts were inaccessible and 2 were "
            "skipped. "
            f"{NOT_LOOKED_AT}",
        ),
        (
            report_of(inaccessible_account(FIRST_ID), full=False),
            "No account could be audited. 1 account was inaccessible.",
        ),
        (report_of(), "No account was selected."),
        (
            example_plan(),
            "Plan: delete root credentials. To be deleted in 1 of 4 accounts: 1 password and 2 "
            "access keys. "
            "Left out, because in use: 1 access key, in 1 account. Nothing has been changed. "
            "1 account had nothing to do and 1 was skipped.",
        ),
        (
            partly_read_audit(),
            "The account has root credentials: at least 1 password, 1 access key, "
            f"1 signing certificate and 1 MFA device. {NOT_LOOKED_AT}",
        ),
        (
            execution_of_deletion(account_result(FIRST_ID, Outcome.FAILED)),
            "Delete root credentials. Deleted: nothing. Done as planned in 0 of 1 account. 1 "
            "account failed.",
        ),
        (
            execution_of_deletion(
                account_result(FIRST_ID, Outcome.UNKNOWN),
                account_result(SECOND_ID, Outcome.NOTHING_TO_DO),
            ),
            "Delete root credentials. Deleted: unknown. Done as planned in 0 of 2 accounts. "
            "1 account is unknown and 1 had nothing to do.",
        ),
        (
            execution_of_deletion(
                account_result(
                    FIRST_ID,
                    Outcome.DONE,
                    items=(
                        Item(type=ItemType.PASSWORD, outcome=Outcome.DONE),
                        Item(type=ItemType.ACCESS_KEY, id="AKIA", outcome=Outcome.SKIPPED),
                    ),
                ),
                account_result(
                    SECOND_ID,
                    Outcome.FAILED,
                    items=(Item(type=ItemType.PASSWORD, outcome=Outcome.FAILED),),
                ),
            ),
            "Delete root credentials. Deleted: 1 password. Done as planned in 1 of 2 accounts. "
            "Still there: 1 password and 1 access key, in 2 accounts. 1 account failed.",
        ),
        (
            plan_of_passwords_used(1, 5, 91),
            "Plan: delete root credentials. To be deleted in 1 of 1 account: 3 passwords. "
            "Of the credentials, 2 were used in the last 90 days (the last one yesterday). "
            "Nothing has been changed.",
        ),
        (
            report_of(accepted_account(FIRST_ID), full=False),
            "1 account has accepted credentials.",
        ),
        (
            report_of(accepted_account(FIRST_ID), account_result(SECOND_ID), full=False),
            "None of the 2 accounts has root credentials that are not accepted. "
            "1 account has accepted credentials.",
        ),
    ],
    ids=[
        "audit",
        "only inaccessible",
        "no account",
        "plan",
        "details unread",
        "failed",
        "unknown",
        "done in part",
        "in use",
        "only accepted",
        "accepted and clean",
    ],
)
def test_the_summary_says_what_came_of_the_run(report: Report, words: str) -> None:
    assert summary(report) == words
    assert json.loads(as_json(report))["summary"] == words


@pytest.mark.parametrize("outcome", [Outcome.INACCESSIBLE, Outcome.FAILED, Outcome.UNKNOWN])
def test_credentials_that_could_not_be_read_are_never_called_none(outcome: Outcome) -> None:
    audit = report_of(account_result(FIRST_ID), account_result(SECOND_ID, outcome))
    # That is the first one: the second one could not be read, so it was not audited.
    assert summary(audit).startswith("The one account that was audited has no")


# The page


@pytest.mark.parametrize("element", ["style", "script"])
def test_the_page_runs_only_what_its_policy_names_by_hash(element: str) -> None:
    page = html_page_of(example_audit())
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    contents = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    assert policy
    assert len(contents) == 1
    digest = base64.b64encode(hashlib.sha256(contents[0].encode()).digest()).decode()
    directives = dict(directive.split(maxsplit=1) for directive in policy[1].split("; "))
    assert directives[f"{element}-src"] == f"'sha256-{digest}'"
    assert (
        directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"
    )


def test_the_page_is_one_small_file_that_needs_nothing_else() -> None:
    page = html_page_of(report_of())
    # A page without accounts: its own code and style.
    assert len(page.encode()) < 64_000
    # No address, no attribute that runs or loads anything, and no call that parses HTML or code.
    assert re.findall(r"https?://[^\s\"']+", page) == []
    assert not re.search(r"<[^>]+\s(on\w+|style|src|href)\s*=", page)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|url\(|@import", page
    )


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (
            example_audit(),
            ["Audit of root credentials", "Audit of every account", "<dd>audit</dd>"],
        ),
        (
            report_of(full=False),
            ["Audit of selected accounts", "222222222222, the delegated administrator"],
        ),
        (
            replace(example_plan(), plan_expires_at=datetime(2026, 11, 25, 4, 33, tzinfo=UTC)),
            [
                "Plan: delete root credentials",
                "This is a plan to delete root credentials.",
                "It can be executed once, exactly as listed, until 2026-11-25 04:33 UTC.",
            ],
        ),
        (
            replace(example_plan(), plan_expires_at=None),
            ["It cannot be executed: its run ended"],
        ),
        (
            replace(
                example_plan(),
                selection=PlanSelection(
                    all_accounts=True,
                    exclude=("Root/Sandbox",),
                    credential_types=(ItemType.PASSWORD,),
                    unused_for_days=7,
                ),
            ),
            [
                "<dd>every account; left out: Root/Sandbox; only passwords; credentials used or "
                "created in the last 7 days are left out</dd>"
            ],
        ),
        (NOTHING_PLANNED, ["It lists nothing to execute."]),
        (example_execution(), ["Delete root credentials", "Execution of plan plan-2026-11-20"]),
        (
            replace(report_of(), account_id="111111111111"),
            ["111111111111, the management account", "2026-11-20 04:10 UTC, took 1 min 37 s"],
        ),
        (
            replace(report_of(), finished_at=report_of().started_at),
            ["UTC, took under a second"],
        ),
    ],
    ids=[
        "audit",
        "selected",
        "plan",
        "unfinished",
        "asked for",
        "empty",
        "execution",
        "management",
        "short",
    ],
)
def test_the_page_says_what_run_it_was(report: Report, words: list[str]) -> None:
    before_the_data = html_page_of(report).partition('<script type="application/json"')[0]
    assert [each for each in words if each not in before_the_data] == []
    is_plan = report.task is not Task.AUDIT and report.executed_plan is None
    assert ("This is a plan" in before_the_data) is is_plan


def test_the_plan_of_a_recovery_says_who_can_become_root() -> None:
    item = Item(type=ItemType.PASSWORD, outcome=Outcome.PLANNED)
    account = account_result(FIRST_ID, Outcome.PLANNED, items=(item,))
    plan_of_one, plan_of_many = (
        report_of(*accounts, task=Task.RECOVER) for accounts in ([account], [account] * 6)
    )
    assert 'class="notice warn"' in html_page_of(plan_of_one)
    one, many = (" ".join(warnings_before_execution(plan)) for plan in (plan_of_one, plan_of_many))
    assert one.startswith(f"Anyone who reads {account.email} can become root in {FIRST_ID}. ")
    # Under a guardrail the recovery does not help: an approver learns it only here.
    assert "A policy that denies root users, such as RootUserGuardrail's" in one
    # More than five addresses are not named.
    assert "Anyone who reads the e-mail address of an account can become root in it." in many


@pytest.mark.parametrize(
    ("planner", "executor", "said"),
    [
        ("jane", "jane", "jane, the same principal that planned it"),
        ("jane", "john", "john; planned by jane"),
        ("jane", None, "an unknown principal; planned by jane"),
        (None, "john", "john; planned by an unknown principal"),
        (None, None, "an unknown principal; planned by an unknown principal"),
    ],
    ids=["the same", "another", "not stated", "no planner", "neither"],
)
def test_the_page_of_an_execution_says_who_asked_for_it_and_who_planned_it(
    planner: str | None, executor: str | None, said: str
) -> None:
    execution = replace(example_execution(), planned_by=planner, requested_by=executor)
    assert f"<dd>{said}, as the command states</dd>" in html_page_of(execution)


def change_in_first(type_: ChangeType, *credentials: ItemType, audited: bool = True) -> Change:
    """A change in the first account."""
    return Change(type=type_, account_id=FIRST_ID, credentials=credentials, audited=audited)


PASSWORD, ACCESS_KEY, MFA_DEVICE = ItemType.PASSWORD, ItemType.ACCESS_KEY, ItemType.MFA_DEVICE
SKIPPED_FIRST, UNLISTED_KEYS = (
    account_result(FIRST_ID, Outcome.SKIPPED),
    account_with_credentials(FIRST_ID, access_keys=None),
)
APPEARED, DISAPPEARED = ChangeType.CREDENTIALS_APPEARED, ChangeType.CREDENTIALS_DISAPPEARED
JOINED, AUDITED_AGAIN = ChangeType.JOINED, ChangeType.AUDITED_AGAIN
NO_LONGER_ACCEPTED = ChangeType.CREDENTIALS_NO_LONGER_ACCEPTED
NO_LONGER_AUDITED = change_in_first(ChangeType.NO_LONGER_AUDITED, audited=False)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (account_result(FIRST_ID), account_result(FIRST_ID), []),
        (
            account_result(FIRST_ID),
            account_with_keys(FIRST_ID, 1, 2, password=True),
            [change_in_first(APPEARED, PASSWORD, ACCESS_KEY, ACCESS_KEY)],
        ),
        (
            account_with_keys(FIRST_ID, 1),
            account_with_keys(FIRST_ID, 2),
            [change_in_first(APPEARED, ACCESS_KEY), change_in_first(DISAPPEARED, ACCESS_KEY)],
        ),
        (account_with_keys(FIRST_ID, 1, 2), UNLISTED_KEYS, []),
        (UNLISTED_KEYS, account_with_keys(FIRST_ID, 1, 2), []),
        (account_result(FIRST_ID), UNLISTED_KEYS, [change_in_first(APPEARED, ACCESS_KEY)]),
        (
            account_with_credentials(FIRST_ID, password=True),
            UNLISTED_KEYS,
            [change_in_first(APPEARED, ACCESS_KEY), change_in_first(DISAPPEARED, PASSWORD)],
        ),
        (UNLISTED_KEYS, account_result(FIRST_ID), [change_in_first(DISAPPEARED, ACCESS_KEY)]),
        (account_result(FIRST_ID), SKIPPED_FIRST, [NO_LONGER_AUDITED]),
        (
            inaccessible_account(FIRST_ID),
            account_with_keys(FIRST_ID, 1),
            [change_in_first(AUDITED_AGAIN, ACCESS_KEY)],
        ),
        (SKIPPED_FIRST, account_result(FIRST_ID), [change_in_first(AUDITED_AGAIN)]),
        (None, account_result(FIRST_ID), [change_in_first(JOINED)]),
        (None, inaccessible_account(FIRST_ID), [change_in_first(JOINED, audited=False)]),
        (account_with_keys(FIRST_ID, 1), None, [change_in_first(ChangeType.LEFT, audited=False)]),
        (
            accepted_account(FIRST_ID),
            account_with_credentials(FIRST_ID, password=True),
            [change_in_first(NO_LONGER_ACCEPTED, PASSWORD)],
        ),
        (
            account_with_credentials(FIRST_ID, password=True),
            accepted_account(FIRST_ID),
            [change_in_first(ChangeType.CREDENTIALS_ACCEPTED, PASSWORD)],
        ),
    ],
    ids=[
        "clean as before",
        "credentials appear",
        "one key replaces another",
        "keys can no longer be listed",
        "keys can be listed again",
        "keys that cannot be listed appear",
        "unlisted keys replace a password",
        "unlisted keys disappear",
        "skipped from now on",
        "accessible again",
        "no longer skipped",
        "joined",
        "joined and inaccessible",
        "left",
        "no longer accepted",
        "accepted from now on",
    ],
)
def test_changes_in_an_account_are_found(
    before: AccountResult | None, after: AccountResult | None, expected: list[Change]
) -> None:
    found = changes(report_of(*filter(None, [before])), report_of(*filter(None, [after])))
    assert found == tuple(expected)


def audit_of_own_root_user(**has: Any) -> Report:
    """A full audit in the management account, whose own root user has MFA and something else.

    Without arguments, the audit could not read its own root user.
    """
    # None: there are some MFA devices, and which ones is not known.
    default: dict[str, Any] = {"password": False, "mfa_devices": None}
    read = RootCredentials(**default | has) if has else None
    return replace(report_of(reports.management_account_result(read)), account_id=MANAGEMENT)


def notice_after(before: Report, after: Report) -> Notice:
    """The notice about an audit that comes after another one."""
    after = replace(after, run_id="newer")
    published = audit_notice(with_history(after, previous=before), previous=before, problem=None)
    assert published is not None
    return published


OWN_UNREAD, OWN_PROTECTED, OWN_WITH_PASSWORD = (
    audit_of_own_root_user(),
    audit_of_own_root_user(password=False),
    audit_of_own_root_user(password=True),
)
OWN_WITH_KEY = audit_of_own_root_user(access_keys=None)
NINE_WITH_KEYS = report_of(
    *(account_with_keys(f"{300000000000 + number}", 1) for number in range(9))
)
NINE_CLEAN = report_of(*(account_result(each.account_id) for each in NINE_WITH_KEYS.results))
NINE_INACCESSIBLE = report_of(
    *(inaccessible_account(each.account_id) for each in NINE_WITH_KEYS.results)
)


def clean_audit_with(*results: AccountResult) -> Report:
    """The audit of nine clean accounts, with other results of some of them, or of more accounts."""
    by_account = {each.account_id: each for each in NINE_CLEAN.results + results}
    return replace(NINE_CLEAN, results=tuple(by_account.values()))


@pytest.mark.parametrize(
    ("before", "after", "subject"),
    [
        (NINE_WITH_KEYS, NINE_CLEAN, "Root credentials disappeared: 9 accounts"),
        (
            NINE_WITH_KEYS,
            clean_audit_with(
                account_with_keys(FIRST_ID, 1, 2),
                account_with_keys("400000000001", 1),
                account_result("400000000002"),
            ),
            "Root credentials appeared: 1 account",
        ),
        (
            NINE_CLEAN,
            clean_audit_with(account_with_keys("400000000001", 1), account_result("400000000002")),
            "Root credentials in accounts that joined: 1 account",
        ),
        (
            NINE_INACCESSIBLE,
            clean_audit_with(account_with_keys(FIRST_ID, 1)),
            "Root credentials audited again: 1 account",
        ),
        (NINE_INACCESSIBLE, NINE_CLEAN, "Root credentials audited again: 9 accounts"),
        (NINE_CLEAN, NINE_INACCESSIBLE, "Root credentials no longer audited: 9 accounts"),
        (
            NINE_WITH_KEYS,
            clean_audit_with(SKIPPED_FIRST),
            "Root credentials changed: 9 accounts",
        ),
        (
            NINE_CLEAN,
            clean_audit_with(SKIPPED_FIRST),
            "Root credentials no longer audited: 1 account",
        ),
        (OWN_PROTECTED, OWN_WITH_PASSWORD, "Root credentials appeared: the management account"),
        (OWN_WITH_PASSWORD, OWN_PROTECTED, "Root credentials changed: the management account"),
        (OWN_PROTECTED, OWN_UNREAD, "Root credentials no longer audited: the management account"),
        (OWN_UNREAD, OWN_WITH_KEY, "Root credentials audited again: the management account"),
        (
            report_of(accepted_account(FIRST_ID)),
            clean_audit_with(
                account_with_credentials(FIRST_ID, password=True),
                account_result(SECOND_ID),
            ),
            "Root credentials no longer accepted: 1 account",
        ),
        (
            report_of(account_with_credentials(FIRST_ID, password=True)),
            clean_audit_with(accepted_account(FIRST_ID)),
            "Root credentials accepted: 1 account",
        ),
        (
            NINE_WITH_KEYS,
            clean_audit_with(inaccessible_account(FIRST_ID)),
            "Root credentials no longer audited: 1 account",
        ),
    ],
    ids=[
        "clean-up",
        "new",
        "joined",
        "audited again",
        "all audited again",
        "none audited",
        "closed",
        "only closed",
        "own",
        "own better",
        "own unread",
        "own again",
        "until",
        "moved",
        "unread",
    ],
)
def test_the_subject_says_the_worst_first(before: Report, after: Report, subject: str) -> None:
    assert notice_after(before, after).subject == subject


@pytest.mark.parametrize(
    ("before", "after", "had", "has"),
    [
        (
            OWN_PROTECTED,
            OWN_WITH_KEY,
            "had no password, MFA and no access key",
            "has no password, MFA and an access key",
        ),
        (
            audit_of_own_root_user(mfa_devices=()),
            OWN_WITH_PASSWORD,
            "had no password, no MFA and no access key",
            "has a password, MFA and no access key",
        ),
        (
            OWN_PROTECTED,
            OWN_UNREAD,
            "had no password, MFA and no access key",
            "could not be read",
        ),
        (OWN_UNREAD, OWN_WITH_KEY, "was not looked at", "has no password, MFA and an access key"),
    ],
    ids=["a key", "two", "unread", "read again"],
)
def test_the_message_says_what_changed_at_the_management_accounts_root_user(
    before: Report, after: Report, had: str, has: str
) -> None:
    message = notice_after(before, after).message
    assert (
        f"\nBefore, the management account's root user {had}.\n\nNothing changed in the member"
        in message
    )
    assert has in message.partition("\nBefore")[0]


def test_accounts_that_are_audited_again_are_listed_if_they_have_credentials() -> None:
    after = clean_audit_with(account_with_keys(FIRST_ID, 1))
    message = notice_after(NINE_INACCESSIBLE, after).message
    assert message.endswith(
        f"\nAudited again (9)\n  {FIRST_ID}: 1 access key\n  8 accounts without credentials\n"
    )


@pytest.mark.parametrize("problem", [None, "It is damaged."], ids=["the first", "not comparable"])
def test_an_audit_that_could_read_no_account_says_so_with_its_runbook(problem: str | None) -> None:
    notice = audit_notice(NINE_INACCESSIBLE, previous=None, problem=problem)
    assert notice is not None
    assert notice.subject == "Root credentials: no account could be audited"
    assert notice.runbook == "Inaccessible accounts"
    assert notice_after(NINE_CLEAN, NINE_INACCESSIBLE).runbook == "Inaccessible accounts"


def test_the_message_has_no_names_and_no_addresses() -> None:
    after = replace(hostile_audit(), organization_id="o-8j81brsjuj")
    without_reasons = [replace(result, reason=None) for result in after.results]
    after = replace(after, results=tuple(without_reasons))
    text = change_message(changes(report_of(), after), after, previous=report_of())
    assert "@" not in text
    # A shorter name, such as "-1", may be in any text.
    assert [name for name in HOSTILE_NAMES if len(name) > 2 and name in text] == []
    assert SCP_HINT not in text
    assert HIDDEN_CHARACTERS.isdisjoint(text)


@pytest.mark.parametrize("accounts", [0, 1, 250, 2_000])
def test_the_message_stays_short_and_counts_what_it_leaves_out(accounts: int) -> None:
    ids = [f"{300000000000 + number}" for number in range(accounts)]
    after = report_of(*(account_with_keys(account_id, 1) for account_id in ids))
    text = change_message(changes(report_of(), after), after, previous=report_of())
    listed = re.findall(r"^  ([0-9]{12})", text, re.MULTILINE)
    left_out = accounts - len(listed)
    # The lines end at 7,900 bytes, and one sentence follows. SNS would take 256 KB, but people read
    # it.
    assert len(text.encode()) < 8192
    assert listed == ids[: len(listed)]
    assert (f"\nand {left_out:,} more." in text) == (left_out > 0)
