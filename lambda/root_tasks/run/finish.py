"""The end of a run: its report, its plan, the metrics, and the notice of what has changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.storage import File
from ..messages import NO_RESULT_ACTING, NO_RESULT_LOOKING
from ..model.codec import DecodingError, decode
from ..model.report import AccountResult, Outcome, Report
from ..model.run import Assignment, Finding, Mode, Plan, Run
from ..report.changes import change_message, changes
from ..report.render import as_csv, as_html, as_json
from .plans import PLAN_SHA256, TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

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
        plan_lifetime: how long a plan can be executed.
        now: the time.
        log: takes one event as keyword arguments.
    """

    storage: Storage
    notify: Callable[[str, str], None] | None
    plan_lifetime: timedelta
    now: Callable[[], datetime]
    log: Callable[..., None]

    def concluded(self, run_id: str) -> dict[str, Any]:
        """Ends a run, whatever came of its batches.

        Returns:
            The output of the execution. There are no names in it.
        """
        run = self.storage.runs.read_run(run_id)
        findings = self._findings(run)
        report = Report.of_run(run, finished_at=self.now(), results=_results(run, findings))
        files = _files(report, plan_lifetime=self.plan_lifetime)
        places = {file.name: self.storage.reports.write(run_id, file) for file in files}
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
            output[PLAN_SHA256] = self.storage.runs.write_plan(_plan(run, findings))
        return output

    def _findings(self, run: Run) -> dict[str, Finding]:
        batches = sorted(self.storage.runs.batches_with_results(run.run_id))
        with ThreadPoolExecutor(max_workers=_READS_AT_A_TIME) as pool:
            results = pool.map(lambda batch: self.storage.runs.read_result(run.run_id, batch), batches)
            return {finding.account_id: finding for result in results for finding in result.findings}

    def _keep_latest(self, report: Report, files: Sequence[File]) -> None:
        self.log(**_metrics(report))
        previous = self._previous(report)
        # All are tried: each is the latest of its own, whichever run came between.
        kept = [self.storage.reports.write_latest(file, started_at=report.started_at) for file in files]
        if previous is None or self.notify is None or not all(kept):
            return
        if changed := changes(previous, report):
            self.notify(_subject(changed), change_message(changed, report))

    def _previous(self, report: Report) -> Report | None:
        """Returns the full audit before this one, if it is one to compare with."""
        data = self.storage.reports.read_latest(_JSON)
        if data is None:
            return None
        try:
            previous = decode(Report, data)
        except DecodingError as error:
            self.log(event="comparison_skipped", runId=report.run_id, reason=str(error))
            return None
        return previous if previous.organization_id == report.organization_id else None


def _files(report: Report, *, plan_lifetime: timedelta) -> tuple[File, ...]:
    return (
        File(name=_JSON, content_type="application/json", body=as_json(report)),
        # With the mark by which spreadsheets know UTF-8.
        File(
            name="report.csv", content_type="text/csv; charset=utf-8", body=as_csv(report).encode("utf-8-sig")
        ),
        File(name=_HTML, content_type="text/html; charset=utf-8", body=as_html(report, plan_lifetime=plan_lifetime).encode()),
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
        if account.skip_reason:
            finding = Finding(account_id=account.account_id, outcome=Outcome.SKIPPED, reason=account.skip_reason)
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
