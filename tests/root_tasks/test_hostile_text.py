"""Text and objects that others chose: they end in a sentence, never in a traceback or a log."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aws_calls.failures import Failure, FailureKind
from centralized_root_access.cli.show.screen import show_report
from root_tasks.messages import DAMAGED_RESULT, LOOK_AGAIN, NO_SESSION, NOTHING_CHANGED, hint
from root_tasks.model.report_schema import Item, ItemType, Outcome, Task
from root_tasks.refusals import MAX_REFUSAL_BYTES, RefusalReason, RunRefusedError
from root_tasks.report.render import as_csv
from root_tasks.run.parse_input import parse_request
from root_tasks.run.plans import parse_plan_request
from support.accounts import MEMBER, OTHER_MEMBER
from support.properties import JSON_VALUES
from support.reports import HIDDEN_CHARACTERS, account_result, hostile_audit, report_of
from support.root_tasks import Execution, RootTasks, lock_bucket_and_queue

UNLOCK_BUCKET = Task.UNLOCK_BUCKET
SECRET = "secret-name@example.com"


# Inputs


def input_with_policy(policy: object) -> dict[str, object]:
    """Return an input of the Audit state machine that sets this policy in a bucket."""
    return {"task": UNLOCK_BUCKET, "buckets": {MEMBER: ["abc"]}, "policyOverride": policy}


LONG = "x" * 100_000
# Why an input is refused, and the input.
MALFORMED: dict[str, tuple[RefusalReason, object]] = {
    "100,000 lists in a policy's text": (
        RefusalReason.INVALID_POLICY,
        input_with_policy("[" * 100_000 + "]" * 100_000),
    ),
    "NaN in a policy": (
        RefusalReason.INVALID_POLICY,
        input_with_policy({"Version": float("nan")}),
    ),
    "infinity in a policy's text": (
        RefusalReason.INVALID_POLICY,
        input_with_policy('{"Version": -Infinity}'),
    ),
    "a number of 5,000 digits in a policy's text": (
        RefusalReason.INVALID_POLICY,
        input_with_policy(f'{{"Version": {"1" * 5_000}}}'),
    ),
    "the same key twice in a statement": (
        RefusalReason.INVALID_POLICY,
        input_with_policy('{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}'),
    ),
    "a long key": (RefusalReason.UNKNOWN_KEYS, {LONG: 1}),
    "1,000 keys": (RefusalReason.UNKNOWN_KEYS, {f"key-{number}": 1 for number in range(1_000)}),
    "line breaks in a key": (RefusalReason.UNKNOWN_KEYS, {"a\nb\r\u2028\u202e\x1b[31m": 1}),
    "a long task": (RefusalReason.UNKNOWN_TASK, {"task": LONG}),
    "a long value": (RefusalReason.INVALID_VALUE, {"accounts": LONG}),
    "a long key among the buckets": (
        RefusalReason.INVALID_ENTRY,
        {"task": UNLOCK_BUCKET, "buckets": {LONG: ["a-bucket"]}},
    ),
}


def assert_is_one_short_line(message: str) -> None:
    """Assert that a refusal is one line, and no longer than what Step Functions keeps of it."""
    assert len(json.dumps(message)) <= MAX_REFUSAL_BYTES
    assert message.isprintable()


@pytest.mark.parametrize(("reason", "input_"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_input_is_refused_with_one_short_line(
    reason: RefusalReason, input_: object
) -> None:
    with pytest.raises(RunRefusedError) as by_audit:
        parse_request(input_, tasks=tuple(Task))
    assert by_audit.value.reason is reason
    with pytest.raises(RunRefusedError) as by_execute:
        parse_plan_request(input_)
    for refused in (by_audit.value, by_execute.value):
        assert_is_one_short_line(str(refused))


# Keys that inputs of tasks have.
KEYS = ("task", "accounts", "organizationalUnits", "buckets", "queues", "skipBackup", "backup")
inputs = JSON_VALUES | st.dictionaries(
    st.sampled_from([*KEYS, "policyOverride"]) | st.text(max_size=8),
    JSON_VALUES | st.sampled_from(list(Task)),
    max_size=5,
)


@given(inputs)
@settings(deadline=None, max_examples=40)
def test_every_input_is_a_request_or_a_refusal_of_one_short_line(input_: object) -> None:
    try:
        parse_request(input_, tasks=tuple(Task))
    except RunRefusedError as refused:
        assert_is_one_short_line(str(refused))


def test_the_refusal_of_many_strangers_is_short() -> None:
    strangers = [f"{number:012}" for number in range(5_000)]
    refused = RunRefusedError(
        RefusalReason.NOT_MEMBERS, account_ids=strangers, organization_id="o-1"
    )
    assert str(refused).split(". ")[0].endswith("000000000019 and 4,980 more")
    assert len(str(refused)) < 500


# Causes


@pytest.mark.parametrize("policy", ["service control policy", "resource control policy"])
def test_the_hint_knows_which_policy_of_the_organization_denies(policy: str) -> None:
    failure = Failure(
        operation="s3:GetBucketPolicy",
        kind=FailureKind.ACCESS_DENIED,
        code="AccessDenied",
        message=f"User is not authorized because of an explicit deny in a {policy}",
    )
    assert policy in (hint(failure) or "").lower()
    assert "--session-role" in (hint(replace(failure, operation="sts:AssumeRoot")) or "")
    missing = replace(failure, message=f"because no {policy} allows the s3:GetBucketPolicy action")
    assert (hint(missing) or "").endswith(f"a {policy} has to allow this call."), (
        "no statement denies it"
    )
    assert hint(replace(failure, kind=FailureKind.REFUSED)) is None
    assert hint(replace(failure, message="no")) is None


# CSV

# OWASP's list, with the minus sign.
FORMULA_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\u2212"
DELIMITERS = (";", ",", "\t", "\r", "\n", "|")
csv_texts = st.text(
    st.sampled_from(FORMULA_SIGNS + ";,|\t\r\n\"' \xa0\u200b\x00\u2028a1"), max_size=12
)


def is_formula(cell: str) -> bool:
    """Return whether a spreadsheet may take a cell for a formula: some skip blanks and quotes."""
    return cell.lstrip(' \xa0\u200b\ufeff\x00"').startswith(tuple(FORMULA_SIGNS))


def cells_of(text: str, delimiter: str) -> Iterator[str]:
    """Yield the cells as a program sees them that splits at a delimiter, with or without quotes."""
    for line in re.split(r"[\r\n\u2028]+", text):
        yield from line.split(delimiter)
    if delimiter not in "\r\n":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            yield from row


@given(csv_texts, csv_texts, csv_texts)
@example("x;=cmd|' /C calc'!A0;", 'a;"=1', "\n=1")
@example("\uff1d1", "a\t\uff0b1", '"=1')
@settings(deadline=None)
def test_no_cell_of_the_csv_is_a_formula_wherever_a_program_splits_it(
    name: str, message: str, reason: str
) -> None:
    item = Item(type=ItemType.ACCESS_KEY, id=name, outcome=Outcome.FAILED, message=message)
    failed = report_of(
        account_result(MEMBER, Outcome.FAILED, name=name, reason=reason, items=(item,))
    )
    text = as_csv(replace(failed, reason=name)).decode("utf-8-sig")
    for delimiter in DELIMITERS:
        assert [cell for cell in cells_of(text, delimiter) if is_formula(cell)] == []


# What a person decides by


@pytest.mark.parametrize("task", [Task.AUDIT, UNLOCK_BUCKET])
@pytest.mark.parametrize("columns", ["80", "400"])
def test_nothing_is_invisible_in_the_terminal_and_in_the_csv(
    task: Task, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    written = hostile_audit(task)
    show_report(written, everything=True)
    for text in (capsys.readouterr().out, as_csv(written).decode("utf-8-sig")):
        assert HIDDEN_CHARACTERS.intersection(text) == set()
        assert r"\u2066" in text
        assert r"\U000e0041" in text


# Objects in the bucket


@pytest.fixture
def root_tasks(root_tasks: RootTasks) -> RootTasks:
    """The deployed construct, in whose organization the root user of MEMBER has a password."""
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    return root_tasks


def logged_events(root_tasks: RootTasks) -> list[object]:
    """Return the names of the events that the functions have logged."""
    return [event.get("event") for event in root_tasks.log]


# In a foreign report, and in one with commands for IDs.
@pytest.mark.parametrize("key", ["organizationId", "accountId"])
def test_one_damaged_or_foreign_latest_report_never_silences_a_later_audit(
    root_tasks: RootTasks, key: str
) -> None:
    root_tasks.run()
    latest = root_tasks.read_object("latest/report.json").decode()
    spoiled = re.sub(f'"{key}":"[^"]+"', f'"{key}":"{SECRET}"', latest)
    root_tasks.write_object("latest/report.json", spoiled.encode())
    root_tasks.advance(hours=1)
    audit = root_tasks.run()
    assert_is_the_latest(root_tasks, audit)
    assert "comparison_skipped" in logged_events(root_tasks)
    (warning,) = root_tasks.report(audit)["warnings"]
    assert warning.startswith("This audit was not compared with the latest one.")
    assert root_tasks.report(audit)["changes"] is None
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, password=True)
    root_tasks.advance(hours=1)
    root_tasks.run()
    _, message = root_tasks.notices[-1]
    assert OTHER_MEMBER in message
    assert "secret" not in json.dumps([root_tasks.log, root_tasks.notices, warning])


def assert_is_the_latest(root_tasks: RootTasks, audit: Execution) -> None:
    """Assert that an audit succeeded, and that the latest report is its own."""
    assert audit.status == "SUCCEEDED"
    assert root_tasks.read_object("latest/report.json") == root_tasks.read_object(
        f"runs/{audit.run_id}/report.json"
    )


def test_a_damaged_result_costs_its_accounts_and_not_the_report(root_tasks: RootTasks) -> None:
    plan = root_tasks.run({"task": Task.DELETE, "accounts": [MEMBER]})

    def overwrite() -> None:
        """Replace every result right before the report is written."""
        for key in root_tasks.object_keys(""):
            if "/results/" in key:
                root_tasks.write_object(key, f"\xff {SECRET}".encode("latin-1"))

    root_tasks.before_report = overwrite
    for execution, outcome, reason in (
        (
            root_tasks.run({"accounts": [MEMBER]}),
            "INACCESSIBLE",
            f"{DAMAGED_RESULT} {NOTHING_CHANGED}",
        ),
        (root_tasks.execute(plan), "UNKNOWN", f"{DAMAGED_RESULT} {LOOK_AGAIN}"),
    ):
        result = root_tasks.results(execution)[MEMBER]
        assert (result["outcome"], result["reason"]) == (outcome, reason)
        (warning,) = root_tasks.report(execution)["warnings"]
        assert warning.startswith("The result of batch 0 was not followed.")
    assert logged_events(root_tasks).count("result_damaged") == 2
    # The damaged results have SECRET in them.
    assert "secret" not in json.dumps(root_tasks.log)


# Surprises


def raise_unexpected_error(root_tasks: RootTasks, *, service: str, account_id: str = "") -> None:
    """Have each call of a service raise an error that no code expects, with a secret in it.

    Args:
        root_tasks: The deployed construct.
        service: The service, or the service and its operation.
        account_id: The account whose calls fail; empty: the one that the construct is in.
    """

    def fail(**_: object) -> None:
        raise KeyError(SECRET)

    root_tasks.on_event(f"before-call.{service}", fail, account_id=account_id)


def test_a_surprise_in_one_account_costs_that_account_alone(root_tasks: RootTasks) -> None:
    raise_unexpected_error(root_tasks, service="iam", account_id=MEMBER)
    audit = root_tasks.run({"accounts": [MEMBER, OTHER_MEMBER]})
    assert root_tasks.outcomes(audit) == {MEMBER: "INACCESSIBLE", OTHER_MEMBER: "CLEAN"}
    reason = root_tasks.results(audit)[MEMBER]["reason"]
    # The type of the error is said, and its text, which has SECRET in it, is not.
    assert "KeyError" in reason
    assert "secret" not in json.dumps([reason, root_tasks.log])
    ((logged),) = [event for event in root_tasks.log if event.get("event") == "account_failed"]
    assert (logged["accountId"], logged["error"]) == (MEMBER, "KeyError")


def test_a_surprise_while_acting_is_unknown_and_names_the_backups(root_tasks: RootTasks) -> None:
    plan = root_tasks.run(
        {"task": UNLOCK_BUCKET, **lock_bucket_and_queue(root_tasks)[UNLOCK_BUCKET]}
    )
    raise_unexpected_error(root_tasks, service="s3.DeleteBucketPolicy", account_id=MEMBER)
    executed = root_tasks.execute(plan)
    result = root_tasks.results(executed)[MEMBER]
    assert result["outcome"] == "UNKNOWN"
    assert "KeyError" in result["reason"]
    assert LOOK_AGAIN in result["reason"]
    (backup,) = root_tasks.object_keys("backups/")
    assert [(item["outcome"], item["backup"]) for item in result["items"]] == [("UNKNOWN", backup)]


def test_a_surprise_before_there_is_a_session_changes_nothing_and_says_so(
    root_tasks: RootTasks,
) -> None:
    plan = root_tasks.run({"task": Task.DELETE, "accounts": [MEMBER]})
    raise_unexpected_error(root_tasks, service="sts.AssumeRoot")
    audit = root_tasks.run({"accounts": [MEMBER]})
    assert root_tasks.outcomes(audit) == {MEMBER: "INACCESSIBLE"}
    result = root_tasks.results(root_tasks.execute(plan))[MEMBER]
    assert result["outcome"] == "FAILED"
    assert [item["message"] for item in result["items"]] == [NO_SESSION]
    assert root_tasks.organization.root_credentials(account_id=MEMBER).password
