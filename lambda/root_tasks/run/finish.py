"""The end of a run by its state machine: the report is made from verified results, and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aws_calls.notices import publish
from common.errors import RootAccessError
from common.typed_json import format_time
from common.untrusted import printable

from ..aws.checksums import sha256
from ..aws.executions import REPORT_SHA256, cause_of_failure
from ..aws.invocation import Aws
from ..aws.storage import Storage
from ..model.outcome import FAILURES
from ..model.run_documents import Mode, Run
from ..report.facts import executable_until
from ..report.render import as_json
from ..report.summary import summary
from ..report.words import minute
from .collect import collect_results
from .make_report import make_report, plan_of
from .plans import PLAN_EXPIRES_AT, PLAN_SHA256, expiry_of_plan
from .publish import HTML, Publication, files_of, publish_audit
from .read_management_account import read_own_root_user
from .recoveries import store_recoveries
from .settings import WriteReportSettings

# Step Functions can redrive an execution for two weeks.
_MAX_AGE = timedelta(days=1)


@dataclass(eq=False, kw_only=True)
class OutdatedRunError(RootAccessError):
    """A read-only run ended too late for its results to count as current.

    Attributes:
        run_id: The run.
        started_at: When it started.
    """

    run_id: str
    started_at: datetime

    def __str__(self) -> str:
        return (
            f"Run {printable(self.run_id)} started at {minute(self.started_at)}, over a day ago: "
            "its results are outdated, so no report was written. Start a new run."
        )


def write_report(
    aws: Aws,
    event: Mapping[str, Any],
    *,
    settings: WriteReportSettings,
    makes_changes: bool = False,
) -> dict[str, Any]:
    """Write the report of a run, even if batches have no result.

    Args:
        aws: The function.
        event: `runId`, `runSha256` and `results`, as the state machine passes them.
        settings: The function's settings.
        makes_changes: Whether the run executes a plan.

    Returns:
        The execution's output, without names: `runId`, `task`, `mode`, `report`, `reportSha256`,
        `totals`, `summary`; `planSha256` of a plan, and whether the execution of one `failed`.

    Raises:
        ChecksumMismatchError: The run was altered.
        OutdatedRunError: The run is read-only, and started over a day ago.
        CallError: A result could not be read, or something could not be written or published.
    """
    began = aws.clock.utc_now()
    storage = Storage.of(aws, settings.bucket)
    runs = storage.executions if makes_changes else storage.runs
    run = runs.read(Run, event["runId"], checksum=event["runSha256"])
    # A redrive can come days later. Only an execution is reported then: its changes were made.
    if run.mode is not Mode.EXECUTE and began - run.started_at > _MAX_AGE:
        raise OutdatedRunError(run_id=run.run_id, started_at=run.started_at)

    plan_expires_at = None
    if run.mode is Mode.PLAN:
        plan_expires_at = expiry_of_plan(run.started_at, until=run.until)
    results = collect_results(aws, runs, run, event["results"], backups=storage.backups)
    report = make_report(
        run,
        results.findings,
        finished_at=results.finished_at,
        own_root_user=read_own_root_user(aws, run),
        warnings=results.warnings,
        plan_expires_at=plan_expires_at,
    )

    # Publish a full audit, then store its report, or that of any other run.
    if run.full:
        publication = publish_audit(
            aws, storage.reports, run, report, settings=settings, began=began
        )
    else:
        publication = Publication(report=report, body=as_json(report))
    report, body = publication.report, publication.body
    urls = {file.name: runs.write_file(run.run_id, file) for file in files_of(report, body)}
    store_recoveries(storage.recoveries, run, report)
    aws.log(
        event="run_finished",
        runId=run.run_id,
        task=run.task,
        mode=run.mode,
        totals=report.totals,
    )
    if publication.notice is not None and settings.notification_topic_arn is not None:
        publish(publication.notice, aws=aws, topic_arn=settings.notification_topic_arn)

    output: dict[str, Any] = {
        "runId": run.run_id,
        "task": run.task,
        "mode": run.mode,
        "report": urls[HTML],
        REPORT_SHA256: sha256(body),
        "totals": report.totals,
        "summary": summary(report),
    }
    if run.mode is Mode.PLAN:
        output[PLAN_SHA256] = runs.write(plan_of(run, results.findings, report))
        until = executable_until(report)
        if until is not None:
            output[PLAN_EXPIRES_AT] = format_time(until)
    if run.mode is Mode.EXECUTE:
        output["failed"] = not FAILURES.isdisjoint(report.totals)
        # The state machine fails with this as its cause, because a failed execution has no output.
        output["summary"] = cause_of_failure(
            output["summary"], url=urls[HTML], report_sha256=output[REPORT_SHA256]
        )
    return output
