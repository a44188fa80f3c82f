"""The report of a large organization needs hardly more memory than that of a small one."""

from __future__ import annotations

import io
import json
import tracemalloc
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aws_calls.retry import RetryBudget
from root_tasks.aws.storage import Storage
from root_tasks.model.report import AccessKey, Outcome, RootCredentials, Task
from root_tasks.model.run import Account, BatchResult, Finding, Mode, Run, Work
from root_tasks.run.finish import RunFinisher
from support.accounts import MANAGEMENT
from support.function import FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STARTED_AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
_ACCOUNTS_PER_BATCH = 25
_ACCOUNTS = 10_000
# A function with the SDK has 60 MB before it does anything. This is less than a third of that.
_MAX_BYTES = 17_000_000


@dataclass(frozen=True)
class FolderS3:
    """An S3 whose objects are files, so that they take no memory of the process.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    def put_object(self, *, Key: str, Body: bytes, Metadata: dict[str, str], **_: object) -> dict[str, Any]:  # noqa: N803
        self._file(Key).write_bytes(Body)
        self._file(f"{Key}.metadata").write_text(json.dumps(Metadata))
        return {}

    def get_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(self._file(Key).read_bytes())}

    def head_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        return {"Metadata": json.loads(self._file(f"{Key}.metadata").read_text())}

    def list_objects_v2(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803
        exists = self._file(Prefix).exists()
        return {"Contents": [{"Key": Prefix, "ETag": "etag"}] if exists else [], "IsTruncated": False}

    def _file(self, key: str) -> Path:
        return self.folder / key.replace("/", " ")


@pytest.mark.slow
def test_the_report_of_ten_thousand_accounts_needs_little_memory(tmp_path: Path) -> None:
    storage = Storage(
        s3=FolderS3(tmp_path),  # type: ignore[arg-type]
        bucket="root-tasks",
        account_id=MANAGEMENT,
        budget=RetryBudget(clock=FakeTime().clock(), deadline=600),
    )
    # Each compares its results with those of the audit before it.
    first, second = (store_audit(storage, number=number) for number in range(2))
    first()
    tracemalloc.start()
    try:
        output = second()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(output["totals"].values()) == _ACCOUNTS
    assert len(json.loads((tmp_path / "runs audit-1 report.json").read_text())["changes"]) == 1000
    assert peak < _MAX_BYTES


def store_audit(storage: Storage, *, number: int) -> Callable[[], dict[str, Any]]:
    """Store an audit whose batches have run, and return what finishes it."""
    run_id, started_at = f"audit-{number}", _STARTED_AT + timedelta(days=number)
    ids = [f"{account:012}" for account in range(_ACCOUNTS)]
    batches = tuple(
        tuple(ids[start : start + _ACCOUNTS_PER_BATCH]) for start in range(0, _ACCOUNTS, _ACCOUNTS_PER_BATCH)
    )
    run = Run(
        run_id=run_id,
        execution_arn=f"arn:aws:states:us-east-1:{MANAGEMENT}:execution:RootTasksAudit:{run_id}",
        task=Task.AUDIT,
        mode=Mode.AUDIT,
        full=True,
        organization_id="o-8j81brsjuj",
        management_account_id=MANAGEMENT,
        account_id=MANAGEMENT,
        started_at=started_at,
        accounts=tuple(
            Account(
                account_id=id_,
                name=f"workload-{id_}",
                email=f"aws+{id_}@example.com",
                organizational_unit=f"Root/Workloads/Team {int(id_) % 100}",
                state="ACTIVE",
            )
            for id_ in ids
        ),
        batches=batches,
    )
    checksum = storage.runs.write_run(run)
    work = Work(run_id=run_id, task=Task.AUDIT, mode=Mode.AUDIT, batches=())
    results = [
        {
            "batch": batch,
            "sha256": storage.runs.write_result(
                work, batch, BatchResult(findings=tuple(finding_of(id_, number=number) for id_ in own))
            ),
        }
        for batch, own in enumerate(batches)
    ]
    finisher = RunFinisher(
        runs=storage.runs,
        reports=storage.reports,
        backups=storage.backups,
        notify=lambda subject, message: None,
        plan_lifetime=timedelta(hours=24),
        now=lambda: started_at + timedelta(minutes=5),
        log=lambda **event: None,
    )
    return lambda: finisher.finish(run_id, run_sha256=checksum, results=results)


def finding_of(account_id: str, *, number: int) -> Finding:
    """Return the finding of an account; from one audit to the next some have other credentials."""
    match (int(account_id) + number) % 20:
        case 0:
            key = AccessKey(
                access_key_id=f"AKIA{account_id}",
                status="Active",
                created_at=_STARTED_AT - timedelta(days=500),
                last_used_at=_STARTED_AT - timedelta(days=int(account_id) % 300),
            )
            device = f"arn:aws:iam::{account_id}:mfa/root"
            credentials = RootCredentials(password=True, access_keys=(key,), mfa_devices=(device,))
            return Finding(account_id=account_id, outcome=Outcome.HAS_CREDENTIALS, credentials=credentials)
        case _:
            return Finding(
                account_id=account_id, outcome=Outcome.CLEAN, credentials=RootCredentials(password=False)
            )
