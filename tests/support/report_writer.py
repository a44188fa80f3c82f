"""Write the report of a large audit, and measure what it takes.

`store_audit` stores what the batches of an audit leave in a folder. `python -m
support.report_writer FOLDER` then reads the event of the function on stdin, writes the report, and
prints its output and what it took.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.session import Session

# Its memory is a part of the function's.
import root_tasks.handlers  # noqa: F401
from aws_calls.calls import AwsCalls
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn, one_attempt
from root_tasks.aws.bucket import Bucket
from root_tasks.aws.clients import RunClients, create_clients
from root_tasks.aws.invocation import Aws
from root_tasks.aws.session_clients import SessionClients
from root_tasks.aws.stores import Storage
from root_tasks.model.report_schema import Outcome, RootCredentials, Task
from root_tasks.model.run import Account, BatchResult, Finding, Mode, Run, Work
from root_tasks.run import finish
from root_tasks.run.settings import WriteReportSettings
from support.function import FakeTime
from support.reports import NONE, STARTED, key, report
from support.responding import client_error, respond_to

if TYPE_CHECKING:
    from collections.abc import Callable


_ACCOUNTS_PER_BATCH = 100
_OWN_ACCOUNT = "111111111111"


@dataclass(frozen=True)
class FolderS3:
    """An S3 whose objects are files: they take no memory of the process.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    def put_object(
        self,
        *,
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        Metadata: dict[str, str],  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        self._file(Key).write_bytes(Body)
        self._file(f"{Key}.metadata").write_text(json.dumps(Metadata))
        return {}

    def get_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        return {"Body": self._file(Key).open("rb")}

    def head_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        if not self._file(Key).exists():
            raise client_error("404", "Not Found", operation="HeadObject")
        return {"Metadata": json.loads(self._file(f"{Key}.metadata").read_text())}

    def list_objects_v2(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803
        prefix = self._file(Prefix).name
        names = sorted(file.name for file in self.folder.iterdir() if file.name.startswith(prefix))
        keys = [name.replace(" ", "/") for name in names if not name.endswith(".metadata")]
        return {"Contents": [{"Key": key, "ETag": "etag"} for key in keys], "IsTruncated": False}

    def _file(self, key: str) -> Path:
        return self.folder / key.replace("/", " ")


def store_audit(folder: Path, accounts: int, *, number: int) -> dict[str, Any]:
    """Store an audit whose batches have run.

    Args:
        folder: The bucket's folder.
        accounts: How many accounts it has.
        number: Its place among the audits. From one to the next a tenth of the accounts changes.

    Returns:
        The event of the function that writes the report.
    """
    storage = _storage(folder)
    run_id = f"audit-{number}"
    ids = [f"{account:012}" for account in range(accounts)]
    batches = tuple(
        tuple(ids[start : start + _ACCOUNTS_PER_BATCH])
        for start in range(0, accounts, _ACCOUNTS_PER_BATCH)
    )
    example = report(run_id=run_id, started_at=STARTED + timedelta(days=number))
    run = Run(
        **example.details(),
        execution_arn=f"arn:aws:states:us-east-1:{_OWN_ACCOUNT}:execution:RootTasksAudit:{run_id}",
        mode=Mode.AUDIT,
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
    results = []
    for batch, own in enumerate(batches):
        findings = tuple(_finding(id_, number=number) for id_ in own)
        result = BatchResult(findings=findings, finished_at=run.started_at)
        results.append({"batch": batch, "sha256": storage.runs.write_result(work, batch, result)})
    ended_at = (run.started_at + timedelta(hours=1)).isoformat()
    return {"runId": run_id, "runSha256": checksum, "results": results, "endedAt": ended_at}


def write_report(folder: Path, event: dict[str, Any]) -> dict[str, Any]:
    """Write the report of an audit that was stored, and return the function's output."""
    stand_ins: dict[str, Callable[[], object]] = {
        "s3": lambda: FolderS3(folder),
        "securityhub": _security_hub,
        # Called only if AWS denied a call.
        "organizations": object,
    }
    aws = Aws(
        find_function=lambda: FunctionArn(
            partition="aws", region="us-east-1", account_id=_OWN_ACCOUNT
        ),
        clients=RunClients(
            lambda service: stand_ins[service](),
            sessions=SessionClients(Session(), config=one_attempt()),
        ),
        now=lambda: datetime.fromisoformat(event["endedAt"]),
        log=lambda **event: None,
        budget=_budget(),
    )
    settings = WriteReportSettings(
        bucket="root-tasks",
        notification_topic_arn=None,
        security_hub_findings=True,
    )
    return finish.write_report(aws, event, settings=settings)


def main(folder: Path) -> None:
    """Write the report of the event on stdin; print the output and the peak of memory."""
    # Their memory, too.
    clients = create_clients()
    output = write_report(folder, json.load(sys.stdin))
    print(json.dumps({"output": output, "peakKilobytes": _peak()}))
    del clients


def _security_hub() -> Any:
    """Return boto3's client, whose model is large; Security Hub accepts each request without a connection."""

    def accept(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"FailedCount": 0, "SuccessCount": len(parameters["Findings"]), "FailedFindings": []}

    client: Any = boto3.client("securityhub", region_name="us-east-1", config=one_attempt())
    respond_to(client, accept)
    return client


def _storage(folder: Path) -> Storage:
    return Storage(
        Bucket(
            aws=AwsCalls(clients=lambda service: FolderS3(folder), budget=_budget()),
            name="root-tasks",
            account_id=_OWN_ACCOUNT,
        )
    )


def _budget() -> RetryBudget:
    return RetryBudget(clock=FakeTime().clock(), deadline=600)


def _finding(account_id: str, *, number: int) -> Finding:
    if (int(account_id) + number) % 20:
        return Finding(account_id=account_id, outcome=Outcome.CLEAN, credentials=NONE)
    device = f"arn:aws:iam::{account_id}:mfa/root"
    keys = (key(int(account_id), used=int(account_id) % 300),)
    credentials = RootCredentials(password=True, access_keys=keys, mfa_devices=(device,))
    return Finding(account_id=account_id, outcome=Outcome.HAS_CREDENTIALS, credentials=credentials)


def _peak() -> int:
    # This program alone: getrusage also has the process that started it.
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match
    return int(match[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
