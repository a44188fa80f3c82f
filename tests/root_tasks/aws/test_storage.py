"""The bucket: nothing is overwritten, altered or lost without notice."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.response import StreamingBody
from moto import mock_aws
from urllib3.exceptions import ProtocolError

from aws_calls.calls import AwsCalls
from aws_calls.failures import CallError
from aws_calls.retry import RetryBudget
from aws_calls.runtime import one_attempt
from root_tasks.aws.checksums import ChecksumMismatchError, sha256
from root_tasks.aws.latest_report_store import LatestReport
from root_tasks.aws.report_bucket import Bucket
from root_tasks.aws.storage import Storage
from root_tasks.model.codec import Document
from root_tasks.model.report_schema import ItemType, Outcome, Task
from root_tasks.model.run_documents import (
    Assignment,
    Backup,
    BatchResult,
    ExecutionMark,
    Finding,
    Mode,
    Plan,
    Run,
    Work,
)
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER
from support.faults.clients import inject
from support.faults.vocabulary import error_response
from support.function import FakeTime
from support.reports import STARTED_AT, report_of

# Of another name than the one that other tests keep in memory: these calls are for an S3.
BUCKET, BUCKET_OWNER = "in-s3", "123456789012"
RUN = Run(
    **report_of(run_id="run-1").details(),
    execution_arn=f"arn:aws:states:us-east-1:{MANAGEMENT}:execution:RootTasks:run-1",
    mode=Mode.AUDIT,
    accounts=(),
    batches=(),
)
ASSIGNMENTS = (Assignment(account_id=MEMBER),)
WORK = Work(run_id="run-1", task=Task.AUDIT, mode=Mode.AUDIT, batches=(ASSIGNMENTS,))
PLAN = Plan(run_id="run-1", task=Task.DELETE, assignments=ASSIGNMENTS)
RESULT = BatchResult(
    findings=(Finding(account_id=MEMBER, outcome=Outcome.CLEAN),), finished_at=STARTED_AT
)
EXECUTION_MARK = ExecutionMark(execution_arn="arn", started_at=STARTED_AT)
MARK_OF_LATER_EXECUTION = replace(EXECUTION_MARK, started_at=STARTED_AT + timedelta(days=90))
# Later than anything is stored: what was published since then is in test_overlapping_audits.py.
SINCE = datetime(2999, 1, 1, tzinfo=UTC)
BACKUP = Backup(
    run_id="run-1",
    account_id=MEMBER,
    type=ItemType.QUEUE_POLICY,
    id=f"arn:aws:sqs:us-east-1:{MEMBER}:locked",
    region="us-east-1",
    policy='{"Statement": []}',
)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of S3, in moto, where the bucket is."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", config=one_attempt())
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def time() -> FakeTime:
    """The time of the storage's calls, which end after 300 seconds."""
    return FakeTime()


@pytest.fixture
def storage(s3: Any, time: FakeTime) -> Storage:
    """The contents of the bucket, as the functions read and write them."""
    clock = time.clock()
    budget = RetryBudget(clock=clock, deadline=clock.now() + 300)
    aws = AwsCalls(clients=lambda service: s3, budget=budget)
    return Storage(Bucket(aws=aws, name=BUCKET, account_id=BUCKET_OWNER))


def fail_calls(s3: Any, action: str, code: str, *, times: int = 1) -> None:
    """Have the next calls fail; the later ones succeed."""
    inject(s3.meta.events.register, action, error_response(code), times=times)


def stored_objects(s3: Any) -> dict[str, bytes]:
    """Return the objects of the bucket by their keys."""
    entries = s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return {
        entry["Key"]: s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
        for entry in entries
    }


def store_run(storage: Storage, run: Run) -> str:
    """Store a run, and return its hash."""
    checksum = storage.runs.write_run(run)
    assert checksum is not None
    return checksum


# Runs


def test_a_run_of_another_execution_is_never_replaced(s3: Any, storage: Storage) -> None:
    checksum = store_run(storage, RUN)
    # Step Functions lets a name be used again after 90 days.
    for other in (
        replace(RUN, started_at=STARTED_AT + timedelta(days=90)),
        replace(RUN, execution_arn=f"{RUN.execution_arn}-2"),
    ):
        assert storage.runs.write_run(other) is None
    assert storage.runs.read(Run, "run-1", checksum=checksum) == RUN


def test_a_retry_replaces_its_own_run_and_takes_nothing_over(s3: Any, storage: Storage) -> None:
    storage.runs.write_run(RUN)
    again = replace(RUN, batches=((MEMBER,),))
    checksum = store_run(storage, again)
    assert storage.runs.read(Run, "run-1", checksum=checksum) == again


@pytest.mark.parametrize("body", [b"{}", b"no JSON"])
def test_a_run_that_is_damaged_is_never_taken_over(s3: Any, storage: Storage, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key="runs/run-1/run.json", Body=body)
    assert storage.runs.write_run(RUN) is None


def test_a_batch_is_claimed_once(storage: Storage) -> None:
    assert storage.executions.claim_batch(WORK, 3, token="mine")
    assert storage.executions.claim_batch(WORK, 3, token="mine"), "a response may have been lost"
    assert not storage.executions.claim_batch(WORK, 3, token="another")
    # Its number begins with that of batch 3.
    assert storage.executions.claim_batch(WORK, 30, token="another")


def test_a_plan_is_claimed_by_one_execution(storage: Storage) -> None:
    assert storage.runs.claim_plan("run-1", EXECUTION_MARK)
    assert storage.runs.claim_plan("run-1", EXECUTION_MARK)
    assert not storage.runs.claim_plan("run-1", MARK_OF_LATER_EXECUTION)


def test_run_work_and_plan_are_read_only_as_they_were_stored(s3: Any, storage: Storage) -> None:
    runs = storage.runs
    documents: dict[str, tuple[str, Document]] = {
        "run": (store_run(storage, RUN), RUN),
        "work": (runs.write(WORK), WORK),
        "plan": (runs.write(PLAN), PLAN),
    }
    for name, (checksum, document) in documents.items():
        assert runs.read(type(document), "run-1", checksum=checksum) == document
        key = f"runs/run-1/{name}.json"
        # Each names an account, 1111... or 2222..., which becomes 3333...: valid, but another one.
        altered = stored_objects(s3)[key].replace(b"1111", b"2222").replace(b"2222", b"3333")
        s3.put_object(Bucket=BUCKET, Key=key, Body=altered)
        with pytest.raises(ChecksumMismatchError) as raised:
            runs.read(type(document), "run-1", checksum=checksum)
        assert (raised.value.key, str(raised.value)) == (
            key,
            f"{key} was altered after it was stored.",
        )


# Backups


def test_a_backup_is_found_by_the_checksum_of_its_stored_bytes(s3: Any, storage: Storage) -> None:
    reference = storage.backups.write(BACKUP)
    assert storage.backups.read(reference) == BACKUP
    assert (
        reference == f"backups/run-1/{MEMBER}/locked/{sha256(stored_objects(s3)[reference])}.json"
    )
    # A report names the backups, so what others have stored there must not be a sentence in it.
    s3.put_object(
        Bucket=BUCKET, Key=f"backups/run-1/{MEMBER}/none. Run centralized-root-access y.json"
    )
    assert storage.backups.references("run-1", MEMBER) == [reference]
    assert storage.backups.references("run-1", OTHER_MEMBER) == []


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
def test_a_backup_that_is_not_there_is_none_also_where_s3_denies_it(
    s3: Any, storage: Storage, code: str
) -> None:
    reference = storage.backups.write(BACKUP)
    missing = reference.replace("locked", "lock")
    fail_calls(s3, "s3:GetObject", code)
    assert storage.backups.read(missing) is None


def test_a_backup_that_is_there_and_denied_is_an_error(s3: Any, storage: Storage) -> None:
    reference = storage.backups.write(BACKUP)
    fail_calls(s3, "s3:GetObject", "AccessDenied")
    with pytest.raises(CallError):
        storage.backups.read(reference)


def test_a_backup_is_stored_whatever_is_at_its_key(s3: Any, storage: Storage) -> None:
    reference = storage.backups.write(BACKUP)
    s3.put_object(Bucket=BUCKET, Key=reference, Body=b"planted")
    assert storage.backups.write(BACKUP) == reference
    assert storage.backups.read(reference) == BACKUP


# Conditional writes


def test_a_conflict_or_a_missing_key_does_not_mean_that_another_has_claimed_a_plan(
    s3: Any, storage: Storage
) -> None:
    # A conflict is retried.
    fail_calls(s3, "s3:PutObject", "ConditionalRequestConflict", times=2)
    fail_calls(s3, "s3:PutObject", "NoSuchKey")
    with pytest.raises(CallError):
        storage.runs.claim_plan("run-1", EXECUTION_MARK)
    assert storage.runs.claim_plan("run-1", EXECUTION_MARK)


# Results


def test_a_body_that_is_cut_off_is_read_again(s3: Any, storage: Storage) -> None:
    checksum = storage.runs.write_result(WORK, 0, RESULT)
    (key,) = stored_objects(s3)
    cut_off = {"Body": StreamingBody(io.BytesIO(b'{"kind":'), content_length=100)}
    # botocore lets this one through if the body of an error breaks off.
    broken = ProtocolError("Connection broken")
    whole = s3.get_object(Bucket=BUCKET, Key=key)
    s3.get_object = Mock(side_effect=[cut_off, broken, whole])
    assert storage.runs.read_result(RUN, 0, checksum=checksum) == RESULT


def test_a_result_that_was_removed_was_altered_and_one_that_is_denied_was_not(
    s3: Any, storage: Storage
) -> None:
    checksum = storage.runs.write_result(WORK, 0, RESULT)
    (key,) = stored_objects(s3)
    fail_calls(s3, "s3:GetObject", "AccessDenied")
    with pytest.raises(CallError):
        storage.runs.read_result(RUN, 0, checksum=checksum)
    s3.put_object(Bucket=BUCKET, Key=key, Body=stored_objects(s3)[key] + b" ")
    with pytest.raises(ChecksumMismatchError):
        storage.runs.read_result(RUN, 0, checksum=checksum)
    s3.delete_object(Bucket=BUCKET, Key=key)
    # S3 denies an object that is not there to a role that may not list the whole bucket.
    for code in ("AccessDenied", "NoSuchKey"):
        fail_calls(s3, "s3:GetObject", code)
        with pytest.raises(ChecksumMismatchError):
            storage.runs.read_result(RUN, 0, checksum=checksum)


# The latest report


def test_the_latest_report_is_replaced_only_as_it_was_read(storage: Storage) -> None:
    none = storage.reports.read(since=SINCE)
    assert none == LatestReport()
    assert storage.reports.write(b"first", replaces=none)
    assert not storage.reports.write(b"lost", replaces=none)
    first = storage.reports.read(since=SINCE)
    assert first.body == b"first"
    assert storage.reports.write(b"second", replaces=first)
    assert not storage.reports.write(b"lost", replaces=first)
    assert storage.reports.read(since=SINCE).body == b"second"


def test_a_latest_report_that_s3_refuses_to_return_can_be_replaced(
    s3: Any, storage: Storage, time: FakeTime
) -> None:
    storage.reports.write(b"old", replaces=LatestReport())
    # S3 denies it, for example, if someone has encrypted it with another key.
    fail_calls(s3, "s3:GetObject", "AccessDenied")
    unread = storage.reports.read(since=SINCE)
    problem = "latest/report.json cannot be read: AccessDenied."
    assert (unread.body, unread.problem) == (None, problem)
    assert storage.reports.write(b"new", replaces=unread)
    # The time for calls is over: that does not mean that the report cannot be read.
    time.seconds = 300
    with pytest.raises(CallError, match="OutOfTime: no time was left"):
        storage.reports.read(since=SINCE)


@pytest.mark.parametrize(
    ("lost", "is_written"),
    [
        ("ConditionalRequestConflict", True),
        ("NoSuchKey", False),
        ("PreconditionFailed", False),
    ],
    ids=["another write is under way", "it was removed", "it was replaced"],
)
def test_a_lost_write_of_the_latest_report_is_noticed(
    s3: Any, storage: Storage, lost: str, *, is_written: bool
) -> None:
    storage.reports.write(b"old", replaces=LatestReport())
    fail_calls(s3, "s3:PutObject", lost)
    latest = storage.reports.read(since=SINCE)
    assert storage.reports.write(b"new", replaces=latest) is is_written


# The owner


def test_every_call_requires_that_the_bucket_is_still_the_accounts_own(
    s3: Any, storage: Storage
) -> None:
    called: set[tuple[str, str]] = set()

    def record(model: Any, params: dict[str, Any], **_: object) -> None:
        called.add((model.name, params["headers"].get("x-amz-expected-bucket-owner")))

    s3.meta.events.register("before-call.s3", record)
    storage.reports.write(b"latest", replaces=storage.reports.read(since=SINCE))
    assert storage.runs.claim_plan("run-1", EXECUTION_MARK)
    assert not storage.runs.claim_plan("run-1", MARK_OF_LATER_EXECUTION)
    operations = ("GetObject", "ListObjectVersions", "PutObject")
    assert sorted(called) == [(operation, BUCKET_OWNER) for operation in operations]


def test_a_bucket_that_was_deleted_is_named(s3: Any, storage: Storage) -> None:
    s3.delete_bucket(Bucket=BUCKET)
    with pytest.raises(CallError, match=rf"NoSuchBucket \({BUCKET}\): "):
        storage.runs.write(WORK)
