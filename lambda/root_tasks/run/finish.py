"""The end of a run by its state machine: the report is made from verified results, stored, and published."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from common.typed_json import format_time

from ..aws.executions import REPORT_SHA256, ROOT_FREE, cause_of_failure
from ..aws.stores import REPORT_JSON, File, Storage, sha256
from ..model.report_schema import Outcome
from ..model.run import PLAN_LIFETIME, Mode, Run
from ..report.render import as_csv, as_html, as_json
from ..report.summary import root_free_sentence, summary
from .collect import collect_results
from .make_report import make_report, plan_of
from .own_root_user import own_root_user
from .plans import PLAN_EXPIRES_AT, PLAN_SHA256
from .publish import compare, import_audit, publish_audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..aws.invocation import Aws
    from ..aws.stores import RunStore
    from ..model.report_schema import Report
    from ..model.run import Plan
    from .settings import WriteReportSettings

# An execution in which an account has one of these has failed.
_FAILURES = frozenset({Outcome.FAILED, Outcome.UNKNOWN})
_HTML = "report.html"
_SUPERSEDED = (
    "A full audit that looked later ended before this one, which therefore has no comparison, no metrics, no "
    "notice, and is not the latest."
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
    """
    storage = Storage.of(aws, settings.bucket)
    runs = storage.executions if makes_changes else storage.runs
    began = aws.now()
    while True:
        run, report, plan = _make(aws, storage, runs, event)
        notice, imported, superseded, latest = None, None, False, None
        if run.full:
            latest = storage.reports.find_etag(REPORT_JSON)
            # The numbers and the report of an audit that looked later count.
            superseded = storage.reports.has_later(
                REPORT_JSON, than=report.finished_at, now=aws.now()
            )
            if superseded:
                report = report.with_warning(_SUPERSEDED)
            else:
                report, notice, checked = compare(aws, storage.reports, report)
                if settings.security_hub_findings:
                    report, imported = import_audit(aws, report, checked=checked)
        files = _files(report)
        urls = {file.name: runs.write_file(run.run_id, file) for file in files}
        if not run.full or storage.reports.find_etag(REPORT_JSON) == latest:
            break
        # Another audit has ended meanwhile, for example while findings were imported: compare with
        # that one.
        del report, files, plan
    totals = {str(outcome): count for outcome, count in report.totals.items()}
    aws.log(event="run_finished", runId=run.run_id, task=run.task, mode=run.mode, totals=totals)
    if run.full and not superseded:
        publish_audit(
            aws,
            storage.reports,
            run,
            report,
            files=files,
            topic_arn=settings.notification_topic_arn,
            notice=notice,
            imported=imported,
            began=began,
        )
    output: dict[str, Any] = {
        "runId": run.run_id,
        "task": run.task,
        "mode": run.mode,
        "report": urls[_HTML],
        REPORT_SHA256: sha256(files[0].body),
        "totals": totals,
        **({ROOT_FREE: root_free_sentence(report)} if run.full else {}),
    }
    if plan is not None:
        output[PLAN_SHA256] = runs.write(plan)
    if Outcome.PLANNED in report.totals and report.plan_expires_at is not None:
        output[PLAN_EXPIRES_AT] = format_time(report.plan_expires_at)
    output["summary"] = summary(report)
    if run.mode is Mode.EXECUTE:
        output["failed"] = not _FAILURES.isdisjoint(report.totals)
        # The cause of an execution that failed, which has no output.
        output["summary"] = cause_of_failure(
            output["summary"], url=urls[_HTML], report_sha256=output[REPORT_SHA256]
        )
    return output


def _make(
    aws: Aws, storage: Storage, runs: RunStore, event: Mapping[str, Any]
) -> tuple[Run, Report, Plan | None]:
    """Return a run without its accounts, which are half of the memory, its report, and its plan."""
    run = runs.read(Run, event["runId"], checksum=event["runSha256"])
    results = collect_results(aws, runs, run, event["results"], backups=storage.backups)
    report = make_report(
        run,
        results.findings,
        finished_at=results.finished_at,
        own_root_user=own_root_user(aws, run),
        warnings=results.warnings,
        plan_expires_at=run.started_at + PLAN_LIFETIME if run.mode is Mode.PLAN else None,
    )
    plan = plan_of(run, results.findings) if run.mode is Mode.PLAN else None
    return replace(run, accounts=(), batches=()), report, plan


def _files(report: Report) -> tuple[File, ...]:
    """Return the files of a report, report.json first."""
    body = as_json(report)
    return (
        File(name=REPORT_JSON, content_type="application/json", body=body),
        File(name="report.csv", content_type="text/csv; charset=utf-8", body=as_csv(report)),
        File(name=_HTML, content_type="text/html; charset=utf-8", body=as_html(report, body)),
    )
