"""The end of a run: its report, its plan, the metrics, and the notice of changes."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.metrics import NAMESPACE, ORGANIZATION_ID, metric_line

from ..aws.storage import File, UnreadableObjectError
from ..messages import NO_RESULT_ACTING, NO_RESULT_LOOKING
from ..model.codec import DecodingError
from ..model.report import AccountResult, Outcome, Report, Result
from ..model.run import Assignment, Finding, Mode, Plan, Run
from ..report.changes import NotComparableError, change_message, changes, parse_previous_audit
from ..report.render import as_csv, as_html, as_json
from ..tasks.outcomes import finding_of_damaged_result
from .plans import PLAN_SHA256, TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from ..aws.storage import Storage
    from ..model.run import Account
    from ..report.changes import Change

# As many connections as a client has by default.
_MAX_READS_IN_PARALLEL = 10
_JSON = "report.json"
_HTML = "report.html"


@dataclass(frozen=True, kw_only=True)
class RunFinisher:
    """Finishes runs.

    Attributes:
        storage: The bucket.
        notify: Publishes a notice, given as subject and message; None where nobody is notified.
        plan_lifetime: How long a plan can be executed.
        now: The time in UTC.
        log: Writes one event, given as keyword arguments.
    """

    storage: Storage
    notify: Callable[[str, str], None] | None
    plan_lifetime: timedelta
    now: Callable[[], datetime]
    log: Callable[..., None]

    def finish(self, run_id: str) -> dict[str, Any]:
        """Finish a run, whatever came of its batches.

        Returns:
            The output of the execution. It has no names.
        """
        run = self.storage.runs.read_run(run_id)
        findings = self._findings(run)
        report = Report.of_run(run, finished_at=self.now(), results=_results(run, findings))
        files = _files(report, plan_lifetime=self.plan_lifetime)
        urls = {file.name: self.storage.reports.write(run_id, file) for file in files}
        totals = {str(outcome): count for outcome, count in report.totals.items()}
        self.log(event="run_finished", runId=run_id, task=run.task, mode=run.mode, totals=totals)
        if run.full:
            self._publish_audit(report, files)
        output: dict[str, Any] = {
            "runId": run_id,
            TASK: run.task,
            "mode": run.mode,
            "report": urls[_HTML],
            "totals": totals,
        }
        if run.mode is Mode.PLAN:
            output[PLAN_SHA256] = self.storage.runs.write_plan(_plan(run, findings))
        return output

    def _findings(self, run: Run) -> dict[str, Finding]:
        stored = self.storage.runs.find_results(run.run_id, batches=len(run.batches))
        if stored.other_objects:
            self.log(event="other_objects_skipped", runId=run.run_id, objects=stored.other_objects)
        with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
            findings = pool.map(lambda batch: self._batch_findings(run, batch), sorted(stored.batches))
            return {finding.account_id: finding for of_batch in findings for finding in of_batch}

    def _batch_findings(self, run: Run, batch: int) -> tuple[Finding, ...]:
        """Return the findings of a batch; those of a damaged result say that nothing is known."""
        try:
            return self.storage.runs.read_result(run.run_id, batch).findings
        except (DecodingError, UnreadableObjectError) as error:
            self.log(event="result_damaged", runId=run.run_id, batch=batch, reason=str(error))
            return tuple(finding_of_damaged_result(account_id, run.mode) for account_id in run.batches[batch])

    def _publish_audit(self, report: Report, files: Sequence[File]) -> None:
        """Write the metrics and the latest report, and send a notice if something has changed."""
        self.log(**_metrics(report))
        previous = self._previous_audit(report)
        # Each file is attempted: a later run may have come between two of them.
        is_latest = [
            self.storage.reports.write_latest(
                file, started_at=report.started_at, now=report.finished_at, log=self.log
            )
            for file in files
        ]
        if previous is None or self.notify is None or not all(is_latest):
            return
        if found := changes(previous, report):
            self.notify(_subject(found), change_message(found, report))

    def _previous_audit(self, report: Report) -> Report | None:
        """Return the full audit before this one; None where it cannot be compared."""
        try:
            data = self.storage.reports.read_latest(_JSON)
            return None if data is None else parse_previous_audit(data, current=report)
        except (NotComparableError, UnreadableObjectError) as error:
            self.log(event="comparison_skipped", runId=report.run_id, reason=str(error))
            return None


def _files(report: Report, *, plan_lifetime: timedelta) -> tuple[File, ...]:
    page = as_html(report, plan_lifetime=plan_lifetime)
    return (
        File(name=_JSON, content_type="application/json", body=as_json(report)),
        # With the mark by which spreadsheets recognize UTF-8.
        File(
            name="report.csv", content_type="text/csv; charset=utf-8", body=as_csv(report).encode("utf-8-sig")
        ),
        File(name=_HTML, content_type="text/html; charset=utf-8", body=page.encode()),
    )


def _results(run: Run, findings: Mapping[str, Finding]) -> Iterator[AccountResult]:
    for account in run.accounts:
        result = _result(account, run.mode, findings)
        fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(Result)}
        yield AccountResult(**fields, name=account.name, email=account.email)


def _result(account: Account, mode: Mode, findings: Mapping[str, Finding]) -> Result:
    account_id = account.account_id
    if account.skip_reason is not None:
        return Result(account_id=account_id, outcome=Outcome.SKIPPED, reason=account.skip_reason)
    if account_id in findings:
        return findings[account_id]
    if mode is Mode.EXECUTE:
        return Result(account_id=account_id, outcome=Outcome.UNKNOWN, reason=NO_RESULT_ACTING)
    return Result(account_id=account_id, outcome=Outcome.INACCESSIBLE, reason=NO_RESULT_LOOKING)


def _plan(run: Run, findings: Mapping[str, Finding]) -> Plan:
    return Plan(
        run_id=run.run_id,
        task=run.task,
        assignments=tuple(
            Assignment(account_id=finding.account_id, targets=finding.planned)
            for _, finding in sorted(findings.items())
            if finding.planned
        ),
    )


def _metrics(report: Report) -> dict[str, object]:
    totals = report.totals
    return metric_line(
        namespace=NAMESPACE,
        dimensions={ORGANIZATION_ID: report.organization_id},
        values={
            "AccountsAudited": totals.get(Outcome.CLEAN, 0) + totals.get(Outcome.HAS_CREDENTIALS, 0),
            "AccountsWithRootCredentials": totals.get(Outcome.HAS_CREDENTIALS, 0),
            "AccountsInaccessible": totals.get(Outcome.INACCESSIBLE, 0),
        },
        timestamp=report.finished_at.timestamp(),
    )


def _subject(found: Sequence[Change]) -> str:
    accounts = len({change.account_id for change in found})
    return f"Root credentials changed: {accounts} {'account' if accounts == 1 else 'accounts'}"
