"""The input of an execution: what is accepted, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from string import Formatter
from typing import TYPE_CHECKING

import pytest

from aws_calls.failures import Failure, FailureKind
from root_tasks.model.report import ItemType, Task
from root_tasks.model.run import Assignment, Target
from root_tasks.refusals import RefusalReason, RunRefusedError, task_not_in_stack
from root_tasks.run.plans import parse_plan_request
from root_tasks.run.request import parse_request
from root_tasks.tasks.scope import RestoreRequest, Scope
from support.accounts import MEMBER, OTHER

if TYPE_CHECKING:
    from root_tasks.run.request import Request

QUEUE = f"arn:aws:sqs:eu-west-1:{MEMBER}:orders.fifo"
BACKUP = f"backups/run-1/{MEMBER}/a-bucket/{'0' * 64}.json"
DELETE, RECOVER = Task.DELETE_CREDENTIALS, Task.ALLOW_PASSWORD_RECOVERY
BUCKETS, QUEUES = Task.UNLOCK_BUCKET_POLICY, Task.UNLOCK_QUEUE_POLICY


def parse(input_: object, *, allow_policy_override: bool = False) -> Request:
    return parse_request(
        input_, tasks=tuple(Task), allow_policy_override=allow_policy_override, partition="aws"
    )


@pytest.mark.parametrize("input_", [{}, {"task": Task.AUDIT}, {"accounts": "all"}])
def test_by_default_every_account_is_audited(input_: dict[str, object]) -> None:
    request = parse(input_)
    assert request.task is Task.AUDIT
    assert request.scope == Scope(all_accounts=True)


@pytest.mark.parametrize("task", [Task.AUDIT, DELETE])
def test_audit_and_deletion_accept_accounts_units_or_all(task: Task) -> None:
    # A deletion leaves out what was used lately.
    of_task = Scope(unused_for=timedelta(days=90) if task is DELETE else None)
    assert parse({"task": task, "accounts": [OTHER, MEMBER, OTHER]}).scope == replace(
        of_task, account_ids=(OTHER, MEMBER)
    )
    assert parse({"task": task, "accounts": "all"}).scope == replace(of_task, all_accounts=True)
    units = ["ou-a1b2-c3d4e5f6", "r-a1b2", "Workloads/Prod"]
    assert parse({"task": task, "organizationalUnits": units}).scope == replace(
        of_task, organizational_units=tuple(units)
    )
    assert parse({"task": task, "organizationalUnits": ["r-a1b2"], "accounts": [MEMBER]}).scope == replace(
        of_task, account_ids=(MEMBER,), organizational_units=("r-a1b2",)
    )


def test_buckets_are_named_by_account_and_queues_by_arn() -> None:
    assert parse({"task": BUCKETS, "buckets": {MEMBER: ["a-bucket", "b.bucket"]}}).scope.assignments == (
        Assignment(
            account_id=MEMBER,
            targets=(
                Target(type=ItemType.BUCKET_POLICY, id="a-bucket"),
                Target(type=ItemType.BUCKET_POLICY, id="b.bucket"),
            ),
        ),
    )
    assert parse({"task": QUEUES, "queues": [QUEUE], "skipBackup": True}).scope.assignments == (
        Assignment(
            account_id=MEMBER,
            targets=(Target(type=ItemType.QUEUE_POLICY, id=QUEUE, region="eu-west-1", skip_backup=True),),
        ),
    )


def test_a_corrected_policy_may_be_text_or_json() -> None:
    for policy in ('{"Version": "2012-10-17"}', {"Version": "2012-10-17"}):
        request = parse(
            {"task": BUCKETS, "restore": [BACKUP], "policyOverride": policy}, allow_policy_override=True
        )
        assert request.scope.restores == (
            RestoreRequest(reference=BACKUP, policy_override='{"Version": "2012-10-17"}'),
        )


@pytest.mark.parametrize(
    ("input_", "reason", "data"),
    [
        ([], RefusalReason.INPUT_NOT_AN_OBJECT, {"value": "[]"}),
        ("all", RefusalReason.INPUT_NOT_AN_OBJECT, {"value": '"all"'}),
        ({"Accounts": "all"}, RefusalReason.UNKNOWN_KEYS, {"keys": ["Accounts"]}),
        ({"execute": "run-1"}, RefusalReason.UNKNOWN_KEYS, {"keys": ["execute"]}),
        ({"task": "audit"}, RefusalReason.UNKNOWN_TASK, {"value": '"audit"'}),
        ({"task": ["x"]}, RefusalReason.UNKNOWN_TASK, {"value": '["x"]'}),
        ({"accounts": []}, RefusalReason.INVALID_VALUE, {"key": "accounts", "value": "[]"}),
        ({"accounts": MEMBER}, RefusalReason.INVALID_VALUE, {"key": "accounts"}),
        ({"accounts": None}, RefusalReason.INVALID_VALUE, {"key": "accounts", "value": "null"}),
        ({"accounts": [222222222222]}, RefusalReason.INVALID_ENTRY, {"value": "222222222222"}),
        ({"accounts": ["22222222222"]}, RefusalReason.INVALID_ENTRY, {"value": '"22222222222"'}),
        ({"accounts": [f"{MEMBER}\n"]}, RefusalReason.INVALID_ENTRY, {"key": "accounts"}),
        ({"organizationalUnits": [""]}, RefusalReason.INVALID_ENTRY, {"value": '""'}),
        ({"organizationalUnits": ["x" * 1001]}, RefusalReason.INVALID_ENTRY, {"key": "organizationalUnits"}),
        ({"organizationalUnits": [["Root"]]}, RefusalReason.INVALID_ENTRY, {"value": '["Root"]'}),
        ({"organizationalUnits": []}, RefusalReason.INVALID_VALUE, {"key": "organizationalUnits"}),
        (
            {"organizationalUnits": ["r-a1b2"], "accounts": "all"},
            RefusalReason.ALL_ACCOUNTS_AND_UNITS,
            {},
        ),
        (
            {"buckets": {MEMBER: ["a-bucket"]}},
            RefusalReason.KEYS_NOT_ACCEPTED,
            {"task": Task.AUDIT, "keys": ["buckets"]},
        ),
        ({"plan": "run-1"}, RefusalReason.PLAN_NOT_EXECUTED_HERE, {}),
        ({"task": DELETE, "plan": "run-1"}, RefusalReason.PLAN_NOT_EXECUTED_HERE, {}),
        ({"task": DELETE}, RefusalReason.MISSING_KEY, {"keys": ("accounts", "organizationalUnits")}),
        (
            {"task": DELETE, "accounts": [MEMBER], "skipBackup": True},
            RefusalReason.KEYS_NOT_ACCEPTED,
            {"keys": ["skipBackup"]},
        ),
        ({"task": RECOVER}, RefusalReason.MISSING_KEY, {"task": RECOVER, "keys": ("accounts",)}),
        ({"task": RECOVER, "accounts": "all"}, RefusalReason.ACCOUNTS_NOT_NAMED, {"task": RECOVER}),
        ({"task": RECOVER, "organizationalUnits": ["r-a1b2"]}, RefusalReason.ACCOUNTS_NOT_NAMED, {}),
        ({"task": BUCKETS}, RefusalReason.MISSING_KEY, {"keys": ("buckets", "restore")}),
        ({"task": BUCKETS, "accounts": "all"}, RefusalReason.KEYS_NOT_ACCEPTED, {"keys": ["accounts"]}),
        ({"task": BUCKETS, "buckets": ["a-bucket"]}, RefusalReason.INVALID_VALUE, {"key": "buckets"}),
        ({"task": BUCKETS, "buckets": {}}, RefusalReason.INVALID_VALUE, {"key": "buckets"}),
        ({"task": BUCKETS, "buckets": {"me": ["a-bucket"]}}, RefusalReason.INVALID_ENTRY, {"value": '"me"'}),
        ({"task": BUCKETS, "buckets": {MEMBER: []}}, RefusalReason.INVALID_VALUE, {"key": MEMBER}),
        (
            {"task": BUCKETS, "buckets": {MEMBER: ["a bucket"]}},
            RefusalReason.INVALID_ENTRY,
            {"key": MEMBER, "value": '"a bucket"'},
        ),
        (
            {"task": BUCKETS, "buckets": {MEMBER: ["a-b"]}, "skipBackup": True},
            RefusalReason.KEYS_NOT_ACCEPTED,
            {"keys": ["skipBackup"]},
        ),
        (
            {"task": BUCKETS, "buckets": {MEMBER: ["a-b"]}, "policyOverride": {}},
            RefusalReason.KEYS_NOT_ACCEPTED,
            {"keys": ["policyOverride"]},
        ),
        ({"task": QUEUES}, RefusalReason.MISSING_KEY, {"keys": ("queues", "restore")}),
        ({"task": QUEUES, "queues": ["orders"]}, RefusalReason.INVALID_ENTRY, {"value": '"orders"'}),
        (
            {"task": QUEUES, "queues": [QUEUE], "skipBackup": "yes"},
            RefusalReason.INVALID_VALUE,
            {"key": "skipBackup", "value": '"yes"'},
        ),
        ({"task": QUEUES, "restore": []}, RefusalReason.INVALID_VALUE, {"key": "restore"}),
        ({"task": QUEUES, "restore": [f"runs/{BACKUP}"]}, RefusalReason.INVALID_ENTRY, {"key": "restore"}),
        (
            {"task": QUEUES, "restore": [BACKUP], "queues": [QUEUE]},
            RefusalReason.KEYS_NOT_ACCEPTED,
            {"keys": ["queues"]},
        ),
        (
            {"task": QUEUES, "restore": [BACKUP], "policyOverride": {}},
            RefusalReason.OVERRIDE_NOT_ALLOWED,
            {},
        ),
    ],
)
def test_what_is_unclear_is_refused(input_: object, reason: RefusalReason, data: dict[str, object]) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse(input_)
    assert raised.value.reason is reason
    assert data.items() <= raised.value.data.items()


@pytest.mark.parametrize("name", ["A_Legacy.Bucket-Name", "abc", "x" * 255, "1.2.3.4.5", "192.168.0.1a"])
def test_a_bucket_may_have_a_name_of_the_time_when_capitals_were_allowed(name: str) -> None:
    (assignment,) = parse({"task": BUCKETS, "buckets": {MEMBER: [name]}}).scope.assignments
    assert [target.id for target in assignment.targets] == [name]


@pytest.mark.parametrize(
    "name",
    ["a..b", "192.168.0.1", "ab", "x" * 256, ".abc", "abc.", "a/b", "a%b", "bücket", "abc\n", "abc..", ""],
)
def test_what_cannot_be_the_name_of_a_bucket_is_refused(name: str) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": BUCKETS, "buckets": {MEMBER: [name]}})
    assert raised.value.reason is RefusalReason.INVALID_ENTRY


@pytest.mark.parametrize(
    "region", ["us-east-1", "us-gov-west-1", "ap-southeast-7", "us-isob-east-1", "mx-central-1"]
)
def test_a_queue_is_in_a_region(region: str) -> None:
    arn = f"arn:aws:sqs:{region}:{MEMBER}:orders"
    (assignment,) = parse({"task": QUEUES, "queues": [arn]}).scope.assignments
    assert [target.region for target in assignment.targets] == [region]


@pytest.mark.parametrize(
    "region",
    ["-", "123", "us-east-1-", "moon-1", "us-east-\u0661", "US-EAST-1", "us--east-1", "us-east-10", ""],
)
def test_a_queue_in_what_is_not_a_region_is_refused(region: str) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": QUEUES, "queues": [f"arn:aws:sqs:{region}:{MEMBER}:orders"]})
    assert raised.value.reason is RefusalReason.INVALID_ENTRY


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-iso-b"])
def test_a_queue_in_another_partition_is_refused(partition: str) -> None:
    arn = f"arn:{partition}:sqs:us-east-1:{MEMBER}:orders"
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": QUEUES, "queues": [QUEUE, arn]})
    assert raised.value.reason is RefusalReason.QUEUE_IN_ANOTHER_PARTITION
    assert raised.value.data == {"queue": arn, "partition": "aws"}


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("no JSON", RefusalReason.OVERRIDE_NOT_JSON),
        ("[]", RefusalReason.INVALID_VALUE),
        (7, RefusalReason.INVALID_VALUE),
    ],
)
def test_a_corrected_policy_that_is_not_a_policy_is_refused(policy: object, reason: RefusalReason) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": BUCKETS, "restore": [BACKUP], "policyOverride": policy}, allow_policy_override=True)
    assert raised.value.reason is reason


def test_a_corrected_policy_is_for_one_backup() -> None:
    two = [BACKUP, BACKUP.replace("a-bucket", "b-bucket")]
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": BUCKETS, "restore": two, "policyOverride": {}}, allow_policy_override=True)
    assert raised.value.reason is RefusalReason.OVERRIDE_OF_SEVERAL_BACKUPS


@pytest.mark.parametrize(
    "values",
    [
        {"unusedForDays": -1},
        {"unusedForDays": 3651},
        {"unusedForDays": True},
        {"unusedForDays": 1.5},
        {"unusedForDays": "90"},
        {"unusedForDays": None},
        {"includeInUse": 1},
        {"includeInUse": "true"},
        {"includeInUse": None},
        {"credentialTypes": []},
        {"credentialTypes": "password"},
        {"credentialTypes": None},
        {"credentialTypes": ["bucket policy"]},
        {"credentialTypes": ["password", 1]},
        {"credentialTypes": [["password"]]},
        {"credentialTypes": [{}]},
    ],
    ids=str,
)
def test_an_unclear_selection_of_credentials_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": DELETE, "accounts": "all", **values})
    assert (raised.value.reason, raised.value.data["key"]) == (RefusalReason.INVALID_VALUE, *values)


@pytest.mark.parametrize("task", [Task.AUDIT, RECOVER])
@pytest.mark.parametrize("key", ["unusedForDays", "includeInUse", "credentialTypes"])
def test_only_a_deletion_selects_credentials(task: Task, key: str) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse({"task": task, "accounts": [MEMBER], key: 1})
    assert raised.value.reason is RefusalReason.KEYS_NOT_ACCEPTED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("plan", value) for value in (True, "", "../run", "a:b", "a b", "x" * 81)),
        *(("reportSha256", value) for value in (None, "", True, "0" * 63, "G" * 64, f"{'0' * 64}\n")),
    ],
)
def test_what_is_not_the_run_id_of_a_plan_or_the_hash_of_a_report_is_refused(key: str, value: object) -> None:
    with pytest.raises(RunRefusedError) as raised:
        parse_plan_request({"plan": "run-1", key: value})
    assert (raised.value.reason, raised.value.data["key"]) == (RefusalReason.INVALID_VALUE, key)


# Sentences

SENTENCES = [
    (
        RunRefusedError(RefusalReason.INPUT_NOT_AN_OBJECT, value="[]"),
        "The input must be a JSON object, for example {} for an audit; got [].",
    ),
    (
        task_not_in_stack(DELETE, tasks=[Task.AUDIT]),
        "IAMDeleteRootUserCredentials is not enabled in this stack. Add it to "
        "RootTasks(tasks=[RootTask.AUDIT, RootTask.DELETE_CREDENTIALS]) and deploy.",
    ),
    (
        RunRefusedError(RefusalReason.INVALID_ENTRY, key="accounts", expected="account IDs", value='"12"'),
        '"accounts" must contain account IDs; "12" is not one.',
    ),
    (
        RunRefusedError(
            RefusalReason.CALL_FAILED,
            failure=Failure(
                operation="iam:GetUser", kind=FailureKind.ACCESS_DENIED, code="AccessDenied", message="no"
            ),
            account_id=MEMBER,
        ),
        "iam:GetUser: AccessDenied: no. (in account 222222222222; no account was accessed)",
    ),
    (
        RunRefusedError(RefusalReason.PLAN_EXPIRED, run_id="run-1", lifetime="10 minutes"),
        "Run run-1 cannot be executed: it is older than 10 minutes. Create a new plan. Nothing was changed.",
    ),
    (
        RunRefusedError(
            RefusalReason.BACKUP_OF_ANOTHER_TYPE, reference="backups/x", type="queue policy", task=BUCKETS
        ),
        "backups/x cannot be restored: it is of a queue policy, and the task is S3UnlockBucketPolicy. "
        "Nothing was changed.",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES, ids=[error.reason.name for error, _ in SENTENCES])
def test_a_refusal_says_what_is_wrong_and_what_to_do(error: RunRefusedError, sentence: str) -> None:
    assert str(error) == sentence


@pytest.mark.parametrize("reason", RefusalReason, ids=lambda reason: reason.name)
def test_the_sentence_of_each_reason_has_its_data(reason: RefusalReason) -> None:
    names = {name for _, name, _, _ in Formatter().parse(reason.value) if name}
    data = {name: f"<{name}>" for name in names}
    sentence = str(RunRefusedError(reason, **data))
    assert sentence.endswith((".", ")"))
    assert all(value in sentence for value in data.values())
