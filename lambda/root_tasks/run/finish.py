"""The end of a run: its report, its plan, the metrics, and the notice of what has changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.storage import File
from ..messages import NO_RESULT_ACTING, NO_RESULT_LOOKING
from ..model.report import AccountResult, Outcome, Report
from ..model.run import Assignment, Finding, Mode, Plan, Run
from ..report.changes import change_message, changes
from ..report.render import UnreadableReportError, as_csv, as_html, as_json, from_json
from .plans import PLAN_SHA256, TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ..aws.storage import Storage
    from ..report.changes import Change

# As many connections as a client has by default.
_READS_AT_A_TIME = 10
_JSON = "report.json"
_HTML = "report.html"
_NAMESPACE = "CentralizedRootAccess"


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """Ends runs.

    Attributes:
        storage: the bucket.
        notify: sends a subject and a message to whoever wants to know of changes; None: to nobody.
        now: the time.
        log: takes one event as keyword arguments.
    """

    storage: Storage
    notify: Callable[[str, str], None] | None
    now: Callable[[], datetime]
    log: Callable[..., None]

    def concluded(self, run_id: str) -> dict[str, Any]:
        """Ends a run, whatever came of its batches.

        Returns:
            The output of the execution. There are no names in it.
        """
        run = self.storage.run(run_id)
        findings = self._findings(run)
        report = _report(run, findings, finished_at=self.now())
        files = _files(report)
        places = {file.name: self.storage.put_report(run_id, file) for file in files}
        totals = {str(outcome): number for outcome, number in report.totals.items()}
        self.log(event="run_finished", runId=run_id, task=run.task, mode=run.mode, totals=totals)
        if run.full:
            self._keep_latest(report, files)
        output: dict[str, Any] = {
            "runId": run_id,
            TASK: run.task,
            "mode": run.mode,
            "report": places[_HTML],
            "totals": totals,
        }
        if run.mode is Mode.PLAN:
            output[PLAN_SHA256] = self.storage.put_plan(_plan(run, findings))
        return output

    def _findings(self, run: Run) -> dict[str, Finding]:
        batches = sorted(self.storage.batches_with_results(run.run_id))
        with ThreadPoolExecutor(max_workers=_READS_AT_A_TIME) as pool:
            results = pool.map(lambda batch: self.storage.result(run.run_id, batch), batches)
            return {finding.account_id: finding for result in results for finding in result.findings}

    def _keep_latest(self, report: Report, files: Sequence[File]) -> None:
        self.log(**_metrics(report))
        previous = self._previous(report)
        # All are tried: each is the latest of its own, whichever run came between.
        kept = [self.storage.put_latest(file, started_at=report.started_at) for file in files]
        if previous is None or self.notify is None or not all(kept):
            return
        if changed := changes(previous, report):
            self.notify(_subject(changed), change_message(changed, report))

    def _previous(self, report: Report) -> Report | None:
        """Returns the full audit before this one, if it is one to compare with."""
        text = self.storage.latest(_JSON)
        if text is None:
            return None
        try:
            previous = from_json(text.decode())
        except UnreadableReportError as error:
            self.log(event="comparison_skipped", runId=report.run_id, reason=str(error))
            return None
        return previous if previous.organization_id == report.organization_id else None


def _files(report: Report) -> tuple[File, ...]:
    return (
        File(name=_JSON, content_type="application/json", body=as_json(report).encode()),
        # With the mark by which spreadsheets know UTF-8.
        File(
            name="report.csv", content_type="text/csv; charset=utf-8", body=as_csv(report).encode("utf-8-sig")
        ),
        File(name=_HTML, content_type="text/html; charset=utf-8", body=as_html(report).encode()),
    )


def _report(run: Run, findings: Mapping[str, Finding], *, finished_at: datetime) -> Report:
    return Report(
        run_id=run.run_id,
        task=run.task,
        executed_plan=run.executed_plan,
        full=run.full,
        organization_id=run.organization_id,
        management_account_id=run.management_account_id,
        account_id=run.account_id,
        started_at=run.started_at,
        finished_at=finished_at,
        results=tuple(_results(run, findings)),
    )


def _results(run: Run, findings: Mapping[str, Finding]) -> Sequence[AccountResult]:
    acts = run.mode is Mode.EXECUTE
    lost = Finding(
        account_id="",
        outcome=Outcome.UNKNOWN if acts else Outcome.INACCESSIBLE,
        reason=NO_RESULT_ACTING if acts else NO_RESULT_LOOKING,
    )
    results = []
    for account in run.accounts:
        if account.skipped:
            finding = Finding(account_id=account.account_id, outcome=Outcome.SKIPPED, reason=account.skipped)
        else:
            finding = findings.get(account.account_id, lost)
        results.append(
            AccountResult(
                account_id=account.account_id,
                name=account.name,
                email=account.email,
                outcome=finding.outcome,
                reason=finding.reason,
                hint=finding.hint,
                credentials=finding.credentials,
                items=finding.items,
            )
        )
    return results


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
    """The embedded metric format: CloudWatch makes metrics of the log line."""
    totals = report.totals
    values = {
        "AccountsAudited": totals.get(Outcome.CLEAN, 0) + totals.get(Outcome.HAS_CREDENTIALS, 0),
        "AccountsWithRootCredentials": totals.get(Outcome.HAS_CREDENTIALS, 0),
        "AccountsInaccessible": totals.get(Outcome.INACCESSIBLE, 0),
    }
    return {
        "_aws": {
            "Timestamp": int(report.finished_at.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": _NAMESPACE,
                    "Dimensions": [["OrganizationId"]],
                    "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
                }
            ],
        },
        "OrganizationId": report.organization_id,
        **values,
    }


def _subject(changed: Sequence[Change]) -> str:
    accounts = len({change.account_id for change in changed})
    return f"Root credentials changed: {accounts} {'account' if accounts == 1 else 'accounts'}"
