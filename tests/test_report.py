"""The report as JSON, as CSV, as a page and as a message."""

from __future__ import annotations

import base64
import copy
import csv
import dataclasses
import hashlib
import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from root_tasks.model.report import (
    AccessKey,
    AccountResult,
    Item,
    ItemType,
    Outcome,
    Report,
    RootCredentials,
    Task,
)
from root_tasks.report.render import (
    Change,
    ChangeType,
    UnreadableReportError,
    as_csv,
    as_html,
    as_json,
    change_message,
    changes,
    from_json,
    summary,
)
from support.reports import (
    HOSTILE_NAMES,
    SCP_HINT,
    STARTED,
    example_audit,
    example_execution,
    example_plan,
    hostile_audit,
    key,
    report,
    result,
    unseen,
)

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = {
    "an audit": example_audit(),
    "a plan": example_plan(),
    "an execution": example_execution(),
    "hostile names": hostile_audit(),
    "no account": report(),
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# However slow the machine is.
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FIRST, SECOND, THIRD = "300000000001", "300000000002", "300000000003"

texts = st.text(max_size=20) | st.sampled_from(HOSTILE_NAMES)
account_ids = st.from_regex(r"[0-9]{12}", fullmatch=True)
times = st.datetimes(
    min_value=datetime(2006, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.just(UTC),
)
maybe_times = st.none() | times
items = st.builds(
    Item, type=st.sampled_from(ItemType), id=texts, outcome=st.sampled_from(Outcome), message=texts
)
access_keys = st.builds(
    AccessKey,
    access_key_id=texts,
    status=texts,
    created_at=maybe_times,
    last_used_at=maybe_times,
    last_used_service=st.none() | texts,
)
credentials = st.builds(
    RootCredentials,
    password=st.booleans(),
    password_last_used_at=maybe_times,
    access_keys=st.lists(access_keys, max_size=2).map(tuple),
    mfa_devices=st.lists(texts, max_size=2).map(tuple),
    signing_certificates=st.lists(texts, max_size=2).map(tuple),
)
results = st.builds(
    AccountResult,
    account_id=account_ids,
    name=texts,
    email=texts,
    outcome=st.sampled_from(Outcome),
    reason=texts,
    hint=texts,
    credentials=st.none() | credentials,
    items=st.lists(items, max_size=2).map(tuple),
)
reports = st.builds(
    Report,
    run_id=texts,
    task=st.sampled_from(Task),
    executed_plan=st.none() | texts,
    full=st.booleans(),
    organization_id=texts,
    management_account_id=account_ids,
    account_id=account_ids,
    started_at=times,
    finished_at=times,
    results=st.lists(results, max_size=4).map(tuple),
)


def rows(text: str) -> list[dict[str, str]]:
    """The CSV as spreadsheets read it."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def embedded(page: str) -> Any:
    """The report that a page carries."""
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


# JSON


@given(reports)
@SOME
def test_a_report_read_back_is_the_report_that_was_written(written: Report) -> None:
    assert from_json(as_json(written)) == written


@given(reports)
@SOME
def test_every_report_keeps_to_the_documented_schema(written: Report) -> None:
    jsonschema.validate(json.loads(as_json(written)), documented_keys_only())


def documented_keys_only() -> dict[str, Any]:
    """The schema, which then refuses a key that it does not name."""
    schema: dict[str, Any] = json.loads((DOCS / "report.schema.json").read_text())
    for described in (schema, *schema["$defs"].values()):
        if "properties" in described:
            assert sorted(described["required"]) == sorted(described["properties"])
            described["additionalProperties"] = False
    return schema


def test_the_documentation_names_every_key_and_every_value() -> None:
    schema = documented_keys_only()
    described = [schema, *schema["$defs"].values()]
    words = {key for each in described for key in each.get("properties", {})}
    words |= {*Task, *Outcome, *ItemType}
    text = (DOCS / "report-schema.md").read_text()
    assert sorted(word for word in words if f"`{word}`" not in text) == []


def test_the_documentation_names_every_column() -> None:
    columns = rows(as_csv(example_audit()))[0].keys()
    text = (DOCS / "report-schema.md").read_text().partition("## report.csv")[2]
    assert [column for column in columns if f"`{column}`" not in text] == []


def test_times_are_written_in_utc_wherever_they_come_from() -> None:
    elsewhere = STARTED.astimezone(timezone(timedelta(hours=-7)))
    written = report(started_at=elsewhere)
    assert json.loads(as_json(written))["startedAt"] == "2026-11-20T04:10:00Z"
    assert from_json(as_json(written)) == written


def test_a_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        as_json(report(started_at=datetime(2026, 11, 20)))


def test_keys_that_a_later_release_adds_are_passed_over() -> None:
    document = json.loads(as_json(example_audit()))
    document["added"] = document["results"][0]["added"] = {"by": "a later release"}
    assert from_json(json.dumps(document)) == example_audit()


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_another_schema_version_is_refused_with_a_sentence(version: object) -> None:
    document = {**json.loads(as_json(example_audit())), "schemaVersion": version}
    with pytest.raises(UnreadableReportError) as refused:
        from_json(json.dumps(document))
    assert str(refused.value) == (
        f"This report has schema version {version!r}, and this release reads version 1. "
        "Read it with the release that wrote it, or run the task again."
    )


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}", '"schemaVersion"'])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(UnreadableReportError, match=r"^This is no report of a root task: .+[^.]\.$"):
        from_json(text)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("task",), "IAMEverything", "'IAMEverything' is not a valid Task"),
        (("full",), "true", "full is 'true'"),
        (("startedAt",), "2026-11-20T04:10:00", "startedAt has no time zone"),
        (("startedAt",), "yesterday", "Invalid isoformat string: 'yesterday'"),
        (("results",), {}, "results is {}"),
        (("results", 0), "clean", "an object is expected in place of 'clean'"),
        (("results", 0, "outcome"), "fine", "'fine' is not a valid Outcome"),
        (("results", 0, "name"), 7, "name is 7"),
        (("results", 3, "credentials", "password"), 1, "password is 1"),
        (("results", 3, "credentials", "mfaDevices"), "abc", "mfaDevices is 'abc'"),
    ],
)
def test_a_damaged_report_is_refused_with_what_is_wrong(
    path: tuple[str | int, ...], value: object, said: str
) -> None:
    document = json.loads(as_json(example_audit()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(UnreadableReportError) as refused:
        from_json(json.dumps(document))
    assert str(refused.value) == f"This report is damaged: {said}."


def test_a_report_with_a_key_missing_is_refused() -> None:
    document = copy.deepcopy(json.loads(as_json(example_audit())))
    del document["results"][0]["credentials"]
    with pytest.raises(UnreadableReportError, match="the key 'credentials' is missing"):
        from_json(json.dumps(document))


# CSV


@given(reports)
@SOME
def test_no_cell_of_the_csv_is_a_formula(written: Report) -> None:
    read = rows(as_csv(written))
    assert len(read) == len(written.results)
    assert not [cell for row in read for cell in row.values() if cell.startswith(FORMULA)]


def test_names_arrive_in_the_csv_as_they_are_but_for_formulas() -> None:
    names = [row["name"] for row in rows(as_csv(hostile_audit()))]
    assert names == [f"'{name}" if name.startswith(FORMULA) else name for name in HOSTILE_NAMES]


def test_a_name_that_no_utf_8_can_carry_does_not_lose_the_csv() -> None:
    text = as_csv(report(result(FIRST, name="half \ud83d an emoji")))
    assert rows(text.encode().decode())[0]["name"] == "half ? an emoji"


def test_every_line_of_the_csv_ends_with_crlf() -> None:
    text = as_csv(example_audit())
    assert text.count("\r\n") == text.count("\n") == len(example_audit().results) + 1


def test_the_csv_says_nothing_of_credentials_where_nobody_looked() -> None:
    read = {row["name"]: row for row in rows(as_csv(example_audit()))}
    assert (read["security"]["password"], read["security"]["accessKeys"]) == ("no", "0")
    for name in ("acquired-shop", "closed-lab"):
        assert (read[name]["password"], read[name]["accessKeys"], read[name]["mfaDevices"]) == ("", "", "")


def test_the_csv_has_what_a_root_user_has() -> None:
    assert rows(as_csv(example_audit()))[0] == {
        "accountId": "300000000002",
        "name": "payments-production",
        "email": "aws+0002@example.com",
        "outcome": "has credentials",
        "reason": "",
        "hint": "",
        "password": "yes",
        "passwordLastUsedAt": "2026-11-08T04:10:00Z",
        "accessKeys": "2",
        "activeAccessKeys": "1",
        "accessKeyIds": "AKIAIOSFODNN00000001 AKIAIOSFODNN00000002",
        "accessKeysLastUsedAt": "2026-11-17T04:10:00Z",
        "signingCertificates": "0",
        "mfaDevices": "1",
        "items": "",
    }


def test_the_csv_has_a_line_for_each_item() -> None:
    read = {row["name"]: row["items"] for row in rows(as_csv(example_execution()))}
    assert read["payments-production"].split("\n") == [
        "password: done",
        "access key AKIAIOSFODNN00000001: done",
        "access key AKIAIOSFODNN00000002: failed (iam:DeleteAccessKey: ServiceFailure: Try again.)",
    ]


# What comes first


def test_accounts_with_credentials_come_first_and_skipped_ones_last() -> None:
    one_each = [result(f"{300000000000 + place}", outcome) for place, outcome in enumerate(Outcome)]
    expected = [
        "has credentials",
        "unknown",
        "failed",
        "inaccessible",
        "planned",
        "done",
        "nothing to do",
        "clean",
        "skipped",
    ]
    written = report(*one_each)
    assert [row["outcome"] for row in rows(as_csv(written))] == expected
    assert [each["outcome"] for each in embedded(as_html(written))["results"]] == expected


def test_accounts_with_the_same_outcome_stay_in_the_order_of_their_ids() -> None:
    first = [row["accountId"] for row in rows(as_csv(example_audit())) if row["outcome"] == "clean"]
    assert first == sorted(first)


# The summary


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            example_audit(),
            "3 of the 10 accounts that were looked at have root credentials: 2 passwords, 3 access keys, "
            "1 signing certificate and 1 MFA device. 2 could not be looked at and 2 were skipped.",
        ),
        (report(result(FIRST), result(SECOND)), "None of 2 accounts has root credentials."),
        (
            report(result(FIRST), unseen(SECOND)),
            "None of the 1 account that was looked at has root credentials. 1 could not be looked at.",
        ),
        (report(unseen(FIRST)), "None of 1 account was looked at. 1 could not be looked at."),
        (report(), "No account was selected."),
        (
            example_plan(),
            "Plan: delete root credentials. Would be done in 1 of 3 accounts: 1 password and 2 access keys. "
            "Nothing has been changed. 1 had nothing to do and 1 was skipped.",
        ),
        (
            example_execution(),
            "Delete root credentials. Done in 1 of 3 accounts; 2 passwords and 1 access key in all. "
            "1 may have changed and 1 failed.",
        ),
        (
            report(
                result(
                    FIRST,
                    Outcome.DONE,
                    items=tuple(
                        Item(type=ItemType.BUCKET_POLICY, id=bucket, outcome=Outcome.DONE)
                        for bucket in ("locked-one", "locked-two")
                    ),
                ),
                task=Task.UNLOCK_BUCKET_POLICY,
                executed_plan="plan",
            ),
            "Unlock bucket policies. Done in 1 of 1 account; 2 bucket policies in all.",
        ),
    ],
)
def test_the_summary_says_what_came_of_the_run(written: Report, said: str) -> None:
    assert summary(written) == said
    assert json.loads(as_json(written))["summary"] == said


@given(reports)
@SOME
def test_the_totals_add_up_to_the_accounts(written: Report) -> None:
    assert sum(json.loads(as_json(written))["totals"].values()) == len(written.results)


def test_credentials_that_could_not_be_seen_are_never_called_none() -> None:
    for hidden in (unseen(SECOND), result(SECOND, Outcome.FAILED), result(SECOND, Outcome.UNKNOWN)):
        assert summary(report(result(FIRST), hidden)).startswith("None of the 1 account that was looked at")


# The page


@pytest.mark.parametrize("written", EXAMPLES.values(), ids=EXAMPLES)
def test_the_page_carries_the_whole_report(written: Report) -> None:
    carried = from_json(json.dumps(embedded(as_html(written))))
    by_id = tuple(sorted(carried.results, key=lambda each: each.account_id))
    assert dataclasses.replace(carried, results=by_id) == written


@given(reports)
@SOME
def test_no_text_of_a_report_leaves_its_place_in_the_page(written: Report) -> None:
    page, empty = as_html(written), as_html(report())
    assert page.count("<script") == empty.count("<script") == 2
    assert page.count("</script") == empty.count("</script") == 2
    assert page.count("<!--") == 0
    data = page.partition('id="report">')[2].partition("</script>")[0]
    assert data.isascii()
    assert not set("<>&") & set(data)


def test_what_names_the_run_is_escaped_where_the_page_says_it() -> None:
    written = dataclasses.replace(
        example_plan(), run_id="<img src=x>%%report%%", organization_id='"><script>alert(1)</script>'
    )
    page = as_html(written)
    assert "<img" not in page
    assert page.count("<script") == 2
    assert "&lt;img src=x&gt;%%report%%" in page


@pytest.mark.parametrize("element", ["style", "script"])
def test_the_page_runs_only_what_its_policy_names_by_hash(element: str) -> None:
    page = as_html(example_audit())
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    contents = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    assert policy
    assert len(contents) == 1
    digest = base64.b64encode(hashlib.sha256(contents[0].encode()).digest()).decode()
    directives = dict(each.split(maxsplit=1) for each in policy[1].split("; "))
    assert directives[f"{element}-src"] == f"'sha256-{digest}'"
    assert directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"


def test_the_page_is_one_small_file_that_needs_nothing_else() -> None:
    page = as_html(report())
    assert len(page.encode()) < 40_000
    assert re.findall(r"https?://[^\s\"']+", page) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<[^>]+\s(on\w+|style|src|href)\s*=", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|url\(|@import", page)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            example_audit(),
            ["Audit of root credentials", "Audit of every account", "IAMAuditRootUserCredentials"],
        ),
        (report(full=False), ["Audit of selected accounts"]),
        (
            example_plan(),
            ["Plan: delete root credentials", "This is a plan: nothing has been changed.", "plan-2026-11-20"],
        ),
        (example_execution(), ["Delete root credentials", "Execution of plan plan-2026-11-20"]),
        (
            dataclasses.replace(report(), account_id="111111111111"),
            ["111111111111, the management account", "2026-11-20 04:10 UTC, took 1 min 37 s"],
        ),
        (report(), ["222222222222, the delegated administrator", "o-8j81brsjuj"]),
    ],
)
def test_the_page_says_what_run_it_was(written: Report, said: list[str]) -> None:
    before_the_data = as_html(written).partition('<script type="application/json"')[0]
    assert [words for words in said if words not in before_the_data] == []


def test_an_audit_is_not_called_a_plan() -> None:
    assert "This is a plan" not in as_html(example_audit())
    assert "This is a plan" not in as_html(example_execution())


# Changes


def having(account_id: str, *keys: int, password: bool = False, mfa: bool = False) -> AccountResult:
    """An account whose root user has these access keys."""
    return result(
        account_id,
        Outcome.HAS_CREDENTIALS,
        name="<a name>",
        credentials=RootCredentials(
            password=password,
            access_keys=tuple(key(number) for number in keys),
            mfa_devices=("a device",) if mfa else (),
        ),
    )


def change(type_: ChangeType, *credentials: ItemType, looked_at: bool = True) -> Change:
    """A change in the first account."""
    return Change(type=type_, account_id=FIRST, credentials=credentials, looked_at=looked_at)


PASSWORD, ACCESS_KEY, MFA_DEVICE = ItemType.PASSWORD, ItemType.ACCESS_KEY, ItemType.MFA_DEVICE
SKIPPED = result(FIRST, Outcome.SKIPPED)
APPEARED, DISAPPEARED = ChangeType.CREDENTIALS_APPEARED, ChangeType.CREDENTIALS_DISAPPEARED
JOINED, AGAIN = ChangeType.JOINED, ChangeType.LOOKED_AT_AGAIN
NO_LONGER = change(ChangeType.NO_LONGER_LOOKED_AT, looked_at=False)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (result(FIRST), result(FIRST), []),
        (having(FIRST, 1, password=True), having(FIRST, 1, password=True), []),
        (
            result(FIRST),
            having(FIRST, 1, 2, password=True),
            [change(APPEARED, PASSWORD, ACCESS_KEY, ACCESS_KEY)],
        ),
        (having(FIRST, 1), result(FIRST), [change(DISAPPEARED, ACCESS_KEY)]),
        (having(FIRST, 1), having(FIRST, 2), [change(APPEARED, ACCESS_KEY), change(DISAPPEARED, ACCESS_KEY)]),
        (having(FIRST, 1, mfa=True), having(FIRST, 1), [change(DISAPPEARED, MFA_DEVICE)]),
        (having(FIRST, 1), unseen(FIRST), [NO_LONGER]),
        (result(FIRST), SKIPPED, [NO_LONGER]),
        (unseen(FIRST), having(FIRST, 1), [change(AGAIN, ACCESS_KEY)]),
        (SKIPPED, result(FIRST), [change(AGAIN)]),
        (unseen(FIRST), SKIPPED, []),
        (None, result(FIRST), [change(JOINED)]),
        (None, having(FIRST, password=True), [change(JOINED, PASSWORD)]),
        (None, unseen(FIRST), [change(JOINED, looked_at=False)]),
        (having(FIRST, 1), None, [change(ChangeType.LEFT, looked_at=False)]),
    ],
)
def test_what_changed_in_an_account_is_told(
    before: AccountResult | None, after: AccountResult | None, expected: list[Change]
) -> None:
    found = changes(report(*filter(None, [before])), report(*filter(None, [after])))
    assert found == tuple(expected)


@given(reports)
@SOME
def test_nothing_changes_between_an_audit_and_itself(written: Report) -> None:
    audit = dataclasses.replace(written, full=True)
    assert changes(audit, audit) == ()


def test_what_matters_most_is_told_first() -> None:
    before = report(having(FIRST, 1), result(SECOND), result(THIRD))
    after = report(result(FIRST), having(SECOND, 1), unseen(THIRD), result("300000000004"))
    assert [each.account_id for each in changes(before, after)] == [SECOND, THIRD, "300000000004", FIRST]


@pytest.mark.parametrize(
    "other",
    [
        report(full=False),
        example_plan(),
        dataclasses.replace(report(), organization_id="o-anotherone"),
    ],
    ids=["selected accounts", "a plan", "another organization"],
)
def test_only_full_audits_of_one_organization_are_compared(other: Report) -> None:
    for pair in ((report(), other), (other, report())):
        with pytest.raises(ValueError, match="full audits of the same organization"):
            changes(*pair)


def test_the_message_tells_the_changes_by_account_id() -> None:
    before = report(having(FIRST, 1, 2, password=True), result(SECOND), result("300000000009"))
    after = report(
        result(FIRST),
        having(SECOND, 1, 2, password=True),
        unseen(THIRD),
        result("300000000004"),
        having("300000000005", 7),
    )
    assert change_message(changes(before, after), after) == (
        "Root credentials in organization o-8j81brsjuj: changes since the last full audit.\n"
        "2 of the 4 accounts that were looked at have root credentials: 1 password and 3 access keys. "
        "1 could not be looked at.\n"
        "Audited 2026-11-20 04:10 UTC, run audit-2026-11-20.\n"
        "\n"
        "Credentials appeared (1)\n"
        "  300000000002: 1 password and 2 access keys\n"
        "\n"
        "Joined the organization (3)\n"
        "  300000000003: not looked at\n"
        "  300000000004: no credentials\n"
        "  300000000005: 1 access key\n"
        "\n"
        "Credentials disappeared (1)\n"
        "  300000000001: 1 password and 2 access keys\n"
        "\n"
        "Left the organization (1)\n"
        "  300000000009\n"
    )


def test_the_message_has_no_names_and_no_addresses() -> None:
    after = hostile_audit()
    text = change_message(changes(report(), after), after)
    assert "@" not in text
    assert [name for name in HOSTILE_NAMES if len(name) > 2 and name in text] == []
    assert SCP_HINT not in text


@pytest.mark.parametrize("accounts", [0, 1, 100, 250, 10_000])
def test_the_message_stays_short_and_counts_what_it_leaves_out(accounts: int) -> None:
    ids = [f"{300000000000 + number}" for number in range(accounts)]
    after = report(*(having(account_id, 1) for account_id in ids))
    text = change_message(changes(report(), after), after)
    told = re.findall(r"^  ([0-9]{12})", text, re.MULTILINE)
    left_out = re.search(r"^and ([0-9,]+) more\.", text, re.MULTILINE)
    assert len(text.encode()) < 8192
    assert told == ids[: len(told)]
    assert len(told) + (int(left_out[1].replace(",", "")) if left_out else 0) == accounts


def test_the_message_says_so_where_nothing_changed() -> None:
    assert change_message((), example_audit()).endswith("\n\nNothing changed.\n")
