"""The input of an execution: what is accepted, and what is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import Formatter

import pytest

from root_tasks.model.report_schema import ItemType, PlanSelection, Task
from root_tasks.model.run_documents import Assignment, Target
from root_tasks.refusals import RefusalReason, RunRefusedError, task_not_in_stack
from root_tasks.run.parse_input import parse_request
from root_tasks.run.plans import parse_plan_request
from root_tasks.tasks.request import Request
from support.accounts import MEMBER, OTHER_MEMBER

QUEUE_ARN = f"arn:aws:sqs:eu-west-1:{MEMBER}:orders.fifo"
BACKUP_REFERENCE = f"backups/run-1/{MEMBER}/a-bucket/{'0' * 64}.json"
DELETE, RECOVER = Task.DELETE, Task.RECOVER
BUCKETS, QUEUES = Task.UNLOCK_BUCKET, Task.UNLOCK_QUEUE


def parse(input_: object) -> Request:
    """Return what an input asks for in a stack that has every task."""
    return parse_request(input_, tasks=tuple(Task))


@pytest.mark.parametrize(
    "input_",
    [{}, {"task": Task.AUDIT}, {"accounts": ["all"]}],
    ids=["no members", "only the task", "all accounts by their word"],
)
def test_by_default_every_account_is_audited(input_: dict[str, object]) -> None:
    assert parse(input_) == Request(task=Task.AUDIT, selection=PlanSelection(all_accounts=True))


UNITS = ["ou-a1b2-c3d4e5f6", "r-a1b2", "Workloads/Prod"]


@pytest.mark.parametrize("task", [Task.AUDIT, DELETE])
@pytest.mark.parametrize(
    ("scope", "selection"),
    [
        (
            {"accounts": [OTHER_MEMBER, MEMBER, OTHER_MEMBER]},
            PlanSelection(all_accounts=False, accounts=(OTHER_MEMBER, MEMBER)),
        ),
        ({"accounts": ["all"]}, PlanSelection(all_accounts=True)),
        (
            {"organizationalUnits": UNITS},
            PlanSelection(all_accounts=False, organizational_units=tuple(UNITS)),
        ),
        (
            {"organizationalUnits": UNITS[:1], "accounts": [MEMBER]},
            PlanSelection(all_accounts=False, accounts=(MEMBER,), organizational_units=(UNITS[0],)),
        ),
    ],
    ids=["accounts", "all", "units", "both"],
)
def test_audit_and_deletion_accept_accounts_units_or_all(
    task: Task, scope: Mapping[str, object], selection: PlanSelection
) -> None:
    # A deletion leaves out what was used or created in the last 90 days.
    unused_for_days = 90 if task is DELETE else None
    expected = replace(selection, unused_for_days=unused_for_days)
    assert parse({"task": task, **scope}).selection == expected


def test_buckets_are_named_by_account_and_queues_by_arn() -> None:
    assert parse({"task": BUCKETS, "buckets": {MEMBER: ["a-bucket", "b.bucket"]}}).assignments == (
        Assignment(
            account_id=MEMBER,
            targets=(
                Target(type=ItemType.BUCKET_POLICY, id="a-bucket"),
                Target(type=ItemType.BUCKET_POLICY, id="b.bucket"),
            ),
        ),
    )
    assert parse({"task": QUEUES, "queues": [QUEUE_ARN], "skipBackup": True}).assignments == (
        Assignment(
            account_id=MEMBER,
            targets=(
                Target(
                    type=ItemType.QUEUE_POLICY, id=QUEUE_ARN, region="eu-west-1", skip_backup=True
                ),
            ),
        ),
    )


def test_the_policy_to_set_may_be_text_or_json() -> None:
    for policy in ('{"Version": "2012-10-17"}', {"Version": "2012-10-17"}):
        for input_ in (
            {"task": BUCKETS, "buckets": {MEMBER: ["a-b"]}},
            {"task": QUEUES, "queues": [QUEUE_ARN]},
        ):
            (assignment,) = parse({**input_, "policyOverride": policy}).assignments
            (target,) = assignment.targets
            assert target.new_policy == '{"Version": "2012-10-17"}'


NOT_BUCKET_NAMES = [
    "a..b",
    "192.168.0.1",
    "ab",
    ".abc",
    "abc.",
    "a/b",
    "a%b",
    "bücket",
    "abc\n",
]
NOT_REGIONS = [
    "-",
    "123",
    "us-east-1-",
    "moon-1",
    "us-east-\u0661",
    "US-EAST-1",
    "us--east-1",
    "us-east-10",
]
# Values that are refused, by the keys of a plan to delete credentials.
INVALID_SELECTIONS: Mapping[str, Sequence[object]] = {
    "unusedForDays": [-1, 3651, True, None],
    "includeInUse": [1],
    "credentialTypes": [[], "PASSWORD"],
}
# Lists with an entry that is not a type of credentials.
NOT_TYPES: Sequence[Sequence[object]] = [["BUCKET_POLICY"], ["PASSWORD", 1]]
# Inputs by the reason for which they are refused, each with some of the data of its sentence.
REFUSED: Mapping[RefusalReason, Sequence[tuple[object, Mapping[str, object]]]] = {
    RefusalReason.INPUT_NOT_AN_OBJECT: [([], {"value": "[]"})],
    RefusalReason.UNKNOWN_KEYS: [({"Accounts": "all"}, {"keys": ["Accounts"]})],
    RefusalReason.UNKNOWN_TASK: [
        ({"task": "AUDIT"}, {"value": '"AUDIT"'}),
        ({"task": ["x"]}, {"value": '["x"]'}),
    ],
    RefusalReason.INVALID_VALUE: [
        ({"accounts": []}, {"key": "accounts", "value": "[]"}),
        ({"accounts": "all"}, {"key": "accounts", "value": '"all"'}),
        ({"fromReport": 5}, {"key": "fromReport", "value": "5"}),
        ({"accounts": ["all"], "fromReport": ["run-1"]}, {"key": "fromReport"}),
        ({"task": BUCKETS, "buckets": ["a-bucket"]}, {"key": "buckets"}),
        ({"task": BUCKETS, "buckets": {}}, {"key": "buckets"}),
        (
            {"task": QUEUES, "queues": [QUEUE_ARN], "skipBackup": "yes"},
            {"key": "skipBackup", "value": '"yes"'},
        ),
        # What is wrong with a long value may be its end.
        (
            {"task": BUCKETS, "buckets": {MEMBER: ["abc"]}, "backup": f"{BACKUP_REFERENCE}x"},
            {"value": f'"{BACKUP_REFERENCE}x"'},
        ),
        *(
            ({"task": DELETE, "accounts": ["all"], key: value}, {"key": key})
            for key, values in INVALID_SELECTIONS.items()
            for value in values
        ),
    ],
    RefusalReason.INVALID_ENTRY: [
        *(
            (
                {"task": DELETE, "accounts": ["all"], "credentialTypes": types},
                {"key": "credentialTypes"},
            )
            for types in NOT_TYPES
        ),
        ({"accounts": ["all", MEMBER]}, {"key": "accounts", "value": '"all"'}),
        ({"accounts": [222222222222]}, {"value": "222222222222"}),
        ({"accounts": [f"{MEMBER}\n"]}, {"key": "accounts"}),
        ({"organizationalUnits": [""]}, {"value": '""'}),
        ({"organizationalUnits": ["x" * 1001]}, {"key": "organizationalUnits"}),
        ({"task": BUCKETS, "buckets": {"me": ["a-bucket"]}}, {"value": '"me"'}),
        ({"task": BUCKETS, "buckets": {MEMBER: ["x" * 256]}}, {"key": MEMBER}),
        *(
            ({"task": BUCKETS, "buckets": {MEMBER: [name]}}, {"key": MEMBER})
            for name in NOT_BUCKET_NAMES
        ),
        ({"task": QUEUES, "queues": [f"arn:aws:sqs::{MEMBER}:orders"]}, {"key": "queues"}),
        *(
            (
                {"task": QUEUES, "queues": [f"arn:aws:sqs:{region}:{MEMBER}:orders"]},
                {"key": "queues"},
            )
            for region in NOT_REGIONS
        ),
    ],
    RefusalReason.EITHER_OR: [
        ({"organizationalUnits": ["r-a1b2"], "accounts": ["all"]}, {"one": '"accounts": ["all"]'}),
        (
            {"task": DELETE, "accounts": ["all"], "unusedForDays": 10, "includeInUse": True},
            {"one": '"unusedForDays"', "other": '"includeInUse"'},
        ),
    ],
    RefusalReason.KEYS_NOT_ACCEPTED: [
        ({"buckets": {MEMBER: ["a-bucket"]}}, {"task": Task.AUDIT, "keys": ["buckets"]}),
        ({"task": DELETE, "accounts": [MEMBER], "skipBackup": True}, {"keys": ["skipBackup"]}),
        ({"task": BUCKETS, "accounts": ["all"]}, {"keys": ["accounts"]}),
        (
            {"task": BUCKETS, "buckets": {MEMBER: ["a-b"]}, "skipBackup": True},
            {"keys": ["skipBackup"]},
        ),
        (
            {"task": QUEUES, "queues": [QUEUE_ARN], "skipBackup": True, "policyOverride": {}},
            {"keys": ["policyOverride"]},
        ),
        (
            {"task": QUEUES, "queues": [QUEUE_ARN], "skipBackup": True, "backup": BACKUP_REFERENCE},
            {"keys": ["backup"]},
        ),
        *(
            (
                {"task": task, "accounts": [MEMBER], key: 1},
                {"task": task, "keys": [key], "valid": valid},
            )
            for task, valid in (
                (Task.AUDIT, ("task", "accounts", "organizationalUnits", "exclude", "fromReport")),
                (RECOVER, ("task", "accounts", "until")),
            )
            for key in ("unusedForDays", "includeInUse", "credentialTypes")
        ),
        ({"task": RECOVER, "organizationalUnits": ["r-a1b2"]}, {"keys": ["organizationalUnits"]}),
    ],
    RefusalReason.PLAN_NOT_EXECUTED_HERE: [({"plan": "run-1"}, {})],
    RefusalReason.MISSING_KEY: [
        ({"task": DELETE}, {"keys": ("accounts", "organizationalUnits")}),
        ({"task": RECOVER}, {"task": RECOVER, "keys": ("accounts",)}),
        ({"task": BUCKETS}, {"keys": ("buckets",)}),
        ({"task": QUEUES}, {"keys": ("queues",)}),
    ],
    RefusalReason.ACCOUNTS_NOT_NAMED: [({"task": RECOVER, "accounts": ["all"]}, {"task": RECOVER})],
}


@pytest.mark.parametrize(
    ("reason", "input_", "data"),
    [(reason, input_, data) for reason, rows in REFUSED.items() for input_, data in rows],
    ids=lambda value: getattr(value, "name", repr(value)[-60:]),
)
def test_what_is_unclear_is_refused(
    reason: RefusalReason, input_: object, data: Mapping[str, object]
) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse(input_)
    assert raised.value.reason is reason
    assert data.items() <= raised.value.data.items()


@pytest.mark.parametrize("name", ["A_Legacy.Bucket-Name", "abc", "x" * 255, "192.168.0.1a"])
def test_a_bucket_may_have_a_name_of_the_time_when_capitals_were_allowed(name: str) -> None:
    (assignment,) = parse({"task": BUCKETS, "buckets": {MEMBER: [name]}}).assignments
    assert [target.id for target in assignment.targets] == [name]


@pytest.mark.parametrize(
    "region", ["us-east-1", "us-gov-west-1", "ap-southeast-7", "us-isob-east-1", "eusc-de-east-1"]
)
def test_a_queue_is_in_a_region(region: str) -> None:
    arn = f"arn:aws:sqs:{region}:{MEMBER}:orders"
    (assignment,) = parse({"task": QUEUES, "queues": [arn]}).assignments
    assert [target.region for target in assignment.targets] == [region]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (key, value)
        for key, values in {
            "plan": [True, "", "../run", "a:b", "a b", "x" * 81],
            "requestedBy": ["", ["arn"], "x", "arn:\x1b[2J", "arn:a b", "arn:" * 513],
            "reason": [
                "",
                " ",
                5,
                "x" * 201,
                "a\r\r<!--",
                "\x1b[2J",
                "a\nb",
                "\u202etxt",
                "\u3164",
            ],
            "reportSha256": [None, "", True, "0" * 63, "G" * 64, f"{'0' * 64}\n"],
        }.items()
        for value in values
    ],
    ids=lambda value: repr(value)[-20:],
)
def test_what_is_not_a_run_id_a_hash_a_caller_or_a_line_is_refused(key: str, value: object) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse_plan_request({"plan": "run-1", key: value})
    assert raised.value.reason is RefusalReason.INVALID_VALUE
    assert raised.value.data["key"] == key


@pytest.mark.parametrize(
    "input_",
    [
        {},
        [],
        None,
        {"task": DELETE},
        {"plan": "run-1", "task": DELETE},
        {"plan": "run-1", "accounts": [MEMBER]},
    ],
    ids=["no members", "a list", "null", "a task", "a plan and a task", "a plan and accounts"],
)
def test_an_execution_takes_the_run_id_of_a_plan_and_nothing_else(input_: object) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse_plan_request(input_)
    assert raised.value.reason is RefusalReason.INPUT_NOT_A_PLAN


ONE_BUCKET, TWO_BUCKETS = {MEMBER: ["abc"]}, {MEMBER: ["abc"], OTHER_MEMBER: ["abc"]}


@pytest.mark.parametrize(
    ("buckets", "given", "reason"),
    [
        (ONE_BUCKET, {"policyOverride": "no JSON"}, RefusalReason.INVALID_POLICY),
        (ONE_BUCKET, {"policyOverride": "[]"}, RefusalReason.INVALID_POLICY),
        (ONE_BUCKET, {"policyOverride": 7}, RefusalReason.INVALID_POLICY),
        (ONE_BUCKET, {"policyOverride": {}, "backup": BACKUP_REFERENCE}, RefusalReason.ONE_POLICY),
        ({MEMBER: ["abc", "abd"]}, {"policyOverride": {}}, RefusalReason.ONE_POLICY),
        (TWO_BUCKETS, {"policyOverride": {}}, RefusalReason.ONE_POLICY),
        (TWO_BUCKETS, {"backup": BACKUP_REFERENCE}, RefusalReason.ONE_POLICY),
    ],
    ids=[
        "no JSON",
        "a list",
        "a number",
        "two policies",
        "two buckets of an account",
        "two accounts",
        "a backup for two accounts",
    ],
)
def test_one_policy_is_set_for_one_bucket(
    buckets: dict[str, list[str]], given: Mapping[str, object], reason: RefusalReason
) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": BUCKETS, "buckets": buckets, **given})
    assert raised.value.reason is reason


# Sentences


def test_a_task_that_the_stack_lacks_is_refused_with_the_argument_that_adds_it() -> None:
    assert str(task_not_in_stack(Task.DELETE, tasks=[Task.AUDIT])) == (
        "This stack does not have the task delete. Add it to "
        "RootTasks(tasks=[RootTask.AUDIT, RootTask.DELETE]) and deploy."
    )


@pytest.mark.parametrize("reason", RefusalReason, ids=lambda reason: reason.name)
def test_the_sentence_of_each_reason_has_its_data(reason: RefusalReason) -> None:
    # The names of its placeholders.
    names = {name for _, name, _, _ in Formatter().parse(reason.value) if name}
    data = {name: f"<{name}>" for name in names}
    sentence = str(RunRefusedError(reason, **data))
    # A command that is to be pasted stands at the end.
    assert sentence.endswith((".", ")", "<command>"))
    assert all(value in sentence for value in data.values())
