"""The end of a run: its report, its plan, the metrics, and the notice of changes."""

from __future__ import annotations

import dataclasses
import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_calls.errors import RootAccessError
from aws_calls.failures import CallError, describe
from aws_calls.metrics import NAMESPACE, ORGANIZATION_ID, STATE_MACHINE_NAME, metric_line
from aws_calls.text import printable

from .. import messages
from ..aws.bucket import UnreadableObjectError
from ..aws.stores import REPORT_JSON, ChecksumMismatchError, File, sha256
from ..model.codec import DecodingError, format_time
from ..model.report import AccountResult, Outcome, Report, Result
from ..model.run import Assignment, Finding, Mode, Plan, Run
from ..report import changes
from ..report.acceptance import with_acceptance
from ..report.email_domains import is_outside
from ..report.management_root_user import is_unprotected, management_credentials
from ..report.render import as_csv, as_html, as_json
from ..report.risk import in_order_of_risk
from ..report.summary import is_audited, minute, summary
from ..tasks import DEFINITIONS
from .later_audits import SUCCEEDED
from .plans import PLAN_EXPIRES_AT, PLAN_SHA256, TASK
from .report_hash import REPORT_SHA256, cause_of_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from aws_calls.notices import Notice
    from aws_calls.security_hub import ImportResult

    from ..aws.stores import BackupStore, ReportStore, RunStore
    from ..model.accepted_credentials import AcceptedCredentials
    from ..model.run import Account, Target
    from .later_audits import LaterAudits

# An execution in which an account has one of these has failed.
_FAILURES = frozenset({Outcome.FAILED, Outcome.UNKNOWN})
# The outcomes with which the report shows an account's note.
_NOTED = frozenset({Outcome.PLANNED, Outcome.CLEAN, Outcome.HAS_CREDENTIALS})
# What somebody has stored in place of a result can be as large as any document, and is in memory until its
# hash is known.
_MAX_READS_IN_PARALLEL = 4
_HTML = "report.html"
# A redrive can finish a run two weeks after its start.
_MAX_AGE = timedelta(days=1)


@dataclass(eq=False, kw_only=True)
class OutdatedRunError(RootAccessError):
    """Raised where a run that looks is finished too late: what it saw would count as new.

    Attributes:
        run_id: The run.
        started_at: When it started.
    """

    run_id: str
    started_at: datetime

    def __str__(self) -> str:
        return (
            f"Run {printable(self.run_id)} started at {minute(self.started_at)}, over a day ago: what it "
            "saw is outdated, so no report was written. Start a new run."
        )


@dataclass(frozen=True, kw_only=True)
class RunFinisher:
    """Finishes runs.

    Attributes:
        runs: The runs of the state machine.
        reports: The latest full audit.
        backups: The policies that runs removed.
        later_audits: The full audits that started later.
        management_account: Returns what the functions' own account has, where that is the management account.
        notify: Publishes a notice; None where nobody is notified.
        import_findings: Imports the findings of full audits into Security Hub; None: they are not imported.
        accepted_credentials: What stays on purpose, by the ID of an account or of a unit.
        plan_lifetime: How long a plan can be executed.
        now: The time in UTC.
        log: Writes one event, given as keyword arguments.
    """

    runs: RunStore
    reports: ReportStore
    backups: BackupStore
    later_audits: LaterAudits
    management_account: Callable[[str], Result]
    notify: Callable[[Notice], None] | None
    import_findings: Callable[..., tuple[Report, ImportResult | None]] | None
    accepted_credentials: Mapping[str, AcceptedCredentials]
    plan_lifetime: timedelta
    now: Callable[[], datetime]
    log: Callable[..., None]

    def finish(self, run_id: str, *, run_sha256: str, results: Sequence[object]) -> dict[str, Any]:
        """Finish a run, whatever came of its batches.

        Args:
            run_id: The run.
            run_sha256: The SHA-256 of the run as it was started.
            results: What the batches returned: each a number and the SHA-256 of its result. One that ended
                without a result has returned something else.

        Returns:
            The output of the execution. It has no names.

        Raises:
            ChecksumMismatchError: The run was altered.
            OutdatedRunError: It is a run that looks, and started over a day ago.
        """
        run = self.runs.read_run(run_id, checksum=run_sha256)
        began = self.now()
        if run.mode is not Mode.EXECUTE and began - run.started_at > _MAX_AGE:
            raise OutdatedRunError(run_id=run_id, started_at=run.started_at)
        checksums = _checksums(results)
        findings, damaged, finished_at = self._findings(run, checksums)
        results_ = in_order_of_risk(self._results(run, findings), at=finished_at)
        warnings = (*damaged, *self._foreign_objects(run, checksums))
        plan = _plan(run, findings) if run.mode is Mode.PLAN else None
        report = Report(
            **run.details(),
            finished_at=finished_at,
            results=tuple(results_),
            warnings=warnings,
            plan_expires_at=None if plan is None else run.started_at + self.plan_lifetime,
        )
        # From here on only the report is needed. What it is made of would be half of the memory.
        del findings, results_
        run = dataclasses.replace(run, accounts=(), batches=())
        notice, imported = None, None
        if run.full:
            report, notice = self._compare(report)
            if self.import_findings is not None:
                report, imported = self.import_findings(run, report, later_audits=self.later_audits)
        files = functools.partial(_files, report)
        urls, file_checksums = {}, {}
        for file in files():
            urls[file.name] = self.runs.write_file(run_id, file)
            file_checksums[file.name] = sha256(file.body)
            # Before the next one is made, and before all are made once more.
            del file
        totals = {str(outcome): count for outcome, count in report.totals.items()}
        self.log(event="run_finished", runId=run_id, task=run.task, mode=run.mode, totals=totals)
        if run.full:
            self._publish_audit(run, report, files, notice, imported, began=began)
        output: dict[str, Any] = {
            "runId": run_id,
            TASK: run.task,
            "action": run.action,
            "mode": run.mode,
            "report": urls[_HTML],
            REPORT_SHA256: file_checksums[REPORT_JSON],
            "totals": totals,
        }
        if plan is not None:
            output[PLAN_SHA256] = self.runs.write_plan(plan)
        if Outcome.PLANNED in report.totals and report.plan_expires_at is not None:
            output[PLAN_EXPIRES_AT] = format_time(report.plan_expires_at)
        if run.mode is Mode.EXECUTE:
            output["failed"] = not _FAILURES.isdisjoint(report.totals)
            # The cause of an execution that failed: it has no output.
            output["summary"] = cause_of_failure(
                summary(report), url=urls[_HTML], report_sha256=output[REPORT_SHA256]
            )
        else:
            # For the notice of an account that has joined.
            output["summary"] = summary(report)
        return output

    def _findings(
        self, run: Run, checksums: Mapping[int, str]
    ) -> tuple[dict[str, Finding], tuple[str, ...], datetime]:
        """Return the findings by account, warnings of damaged results, and when the last batch ended.

        That is not now: this can be a redrive. Where no batch has a result, nothing can be old.
        """
        batches = [number for number in sorted(checksums) if number < len(run.batches)]
        with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
            found = list(
                pool.map(lambda batch: self._findings_of_batch(run, batch, checksums[batch]), batches)
            )
        warnings = (
            messages.result_warning(batch, problem)
            for batch, (_, problem, _) in zip(batches, found, strict=True)
            if problem is not None
        )
        return (
            {finding.account_id: finding for findings, *_ in found for finding in findings},
            messages.first_sentences(warnings, of="results"),
            max((ended_at for *_, ended_at in found if ended_at is not None), default=self.now()),
        )

    def _findings_of_batch(
        self, run: Run, batch: int, checksum: str
    ) -> tuple[Sequence[Finding], str | None, datetime | None]:
        """Return the findings of a batch, what is wrong with its result, and when it ended, if it says so."""
        try:
            result = self.runs.read_result(run, batch, checksum=checksum)
        except (ChecksumMismatchError, DecodingError, UnreadableObjectError) as error:
            problem = str(error)
        else:
            own = set(run.batches[batch])
            foreign = [finding for finding in result.findings if finding.account_id not in own]
            if not foreign:
                return result.findings, None, result.finished_at
            problem = "It has an account that is not in the batch."
        self.log(event="result_damaged", runId=run.run_id, batch=batch, reason=problem)
        damaged = functools.partial(
            self._without_result,
            run,
            looking=messages.DAMAGED_RESULT_LOOKING,
            acting=messages.DAMAGED_RESULT_ACTING,
        )
        return tuple(map(damaged, run.batches[batch])), problem, None

    def _foreign_objects(self, run: Run, checksums: Mapping[int, str]) -> tuple[str, ...]:
        """Return warnings of what somebody else has written among the results. None of it is read."""
        try:
            keys = self.runs.keys_written_by_others(run, checksums)
            warnings = messages.first_sentences(map(messages.object_warning, keys), of="objects")
        except CallError as error:
            warnings = (messages.listing_warning(describe(error.failure)),)
        if warnings:
            self.log(event="foreign_results", runId=run.run_id, count=len(warnings))
        return warnings

    def _results(self, run: Run, findings: Mapping[str, Finding]) -> Iterator[AccountResult]:
        # What many accounts have in common is kept once.
        shared: dict[object, Any] = {}
        for account in run.accounts:
            result = self._result(run, account, findings)
            fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(Result)}
            if account.note is not None and result.outcome in _NOTED:
                fields["reason"] = " ".join(filter(None, (result.reason, account.note)))
            for name in ("reason", "hint", "credentials"):
                fields[name] = shared.setdefault(fields[name], fields[name])
            unit = account.organizational_unit
            yield with_acceptance(
                AccountResult(
                    **fields,
                    name=account.name,
                    email=account.email,
                    organizational_unit=shared.setdefault(unit, unit),
                    joined_at=account.joined_at,
                    email_outside=is_outside(account.email, run.root_email_domains),
                ),
                self.accepted_credentials,
                unit_path=account.unit_path,
                on=run.started_at.date(),
            )

    def _result(self, run: Run, account: Account, findings: Mapping[str, Finding]) -> Result:
        account_id = account.account_id
        if run.full and account_id == run.management_account_id == run.account_id:
            return self.management_account(account_id)
        if account.skip_reason is not None:
            return Result(account_id=account_id, outcome=Outcome.SKIPPED, reason=account.skip_reason)
        if account_id in findings:
            return findings[account_id]
        return self._without_result(
            run, account_id, looking=messages.NO_RESULT_LOOKING, acting=messages.NO_RESULT_ACTING
        )

    def _without_result(self, run: Run, account_id: str, *, looking: str, acting: str) -> Finding:
        """Return the finding of an account of whose batch nothing is known, and why, by what it was for."""
        if run.mode is not Mode.EXECUTE:
            return Finding(account_id=account_id, outcome=Outcome.INACCESSIBLE, reason=looking)
        if DEFINITIONS[run.task].policy_type is not None:
            # A policy of theirs may have been removed.
            references = self.backups.references(run.run_id, account_id)
            acting = f"{acting} Backups of this run: {', '.join(references) or 'none'}."
        return Finding(account_id=account_id, outcome=Outcome.UNKNOWN, reason=acting)

    def _compare(self, report: Report) -> tuple[Report, Notice | None]:
        """Return a full audit with its history, and the notice about it."""
        previous, problem = self._previous_audit(report)
        if problem is not None:
            self.log(event="comparison_skipped", runId=report.run_id, reason=problem)
            report = dataclasses.replace(
                report, warnings=(*report.warnings, messages.comparison_warning(problem))
            )
        report = changes.with_history(report, previous=previous)
        return report, changes.notice(report, previous=previous, problem=problem)

    def _publish_audit(
        self,
        run: Run,
        report: Report,
        files: Callable[[], Iterator[File]],
        notice: Notice | None,
        imported: ImportResult | None,
        *,
        began: datetime,
    ) -> None:
        """Write the metrics, send the notice, and write the latest report.

        The notice comes first: if it fails, the next audit finds the same changes, and sends it.
        """
        later = self.later_audits.statuses(run, looked_at=report.finished_at)
        if SUCCEEDED not in later:
            now = self.now()
            # An import of findings may have taken minutes, which make the look no older for the alarms.
            looked_at = report.finished_at + (now - began)
            # One that runs, or has failed, may have written its metrics: this one ends no alarm.
            self.log(**_metrics(run, report, imported, ends_alarms=not later, looked_at=looked_at, now=now))
        if notice is not None and self.notify is not None:
            self.notify(notice)
        # Each file is attempted: a later run may have come between two of them.
        for file in files():
            self.reports.write_latest(file, started_at=report.started_at, now=self.now(), log=self.log)

    def _previous_audit(self, report: Report) -> tuple[Report | None, str | None]:
        """Return the full audit before this one, if there is one, or why it cannot be compared."""
        try:
            data = self.reports.read_latest(REPORT_JSON)
            if data is None:
                return None, None
            previous = changes.parse_previous_audit(data, current=report)
        except (changes.NotComparableError, UnreadableObjectError) as error:
            return None, str(error)
        if previous.started_at > report.started_at:
            # An audit that began later and ended earlier, or no audit at all: it must not hide a change.
            return None, "The run of this report has started later."
        return previous, None


def _checksums(results: Sequence[object]) -> dict[int, str]:
    """Return the SHA-256 of each batch's result, by the number of the batch."""
    return {
        result["batch"]: result["sha256"]
        for result in results
        if isinstance(result, dict) and result.keys() >= {"batch", "sha256"}
    }


def _files(report: Report) -> Iterator[File]:
    """Yield the files of a report, one after another: each takes as much memory as the report itself."""
    yield File(name=REPORT_JSON, content_type="application/json", body=as_json(report))
    # With the mark by which spreadsheets recognize UTF-8.
    yield File(
        name="report.csv", content_type="text/csv; charset=utf-8", body=as_csv(report).encode("utf-8-sig")
    )
    yield File(name=_HTML, content_type="text/html; charset=utf-8", body=as_html(report))


def _plan(run: Run, findings: Mapping[str, Finding]) -> Plan:
    """Return the plan: it has what the report shows as planned, and nothing else."""
    assignments = [
        Assignment(account_id=finding.account_id, targets=_targets_in_report(finding))
        for _, finding in sorted(findings.items())
    ]
    return Plan(
        run_id=run.run_id,
        task=run.task,
        assignments=tuple(assignment for assignment in assignments if assignment.targets),
    )


def _targets_in_report(finding: Finding) -> tuple[Target, ...]:
    shown = {(item.type, item.id) for item in finding.items if item.outcome is Outcome.PLANNED}
    return tuple(target for target in finding.planned if (target.type, target.id) in shown)


def _metrics(
    run: Run,
    report: Report,
    imported: ImportResult | None,
    *,
    ends_alarms: bool,
    looked_at: datetime,
    now: datetime,
) -> dict[str, object]:
    """Return the metrics. The alarms take the last value: what may not end them has no zeros for them.

    What sets one off has the time at which it is written, for an alarm looks at the last minutes only.
    """
    totals = report.totals
    with_credentials = totals.get(Outcome.HAS_CREDENTIALS, 0)
    audited = sum(is_audited(result) for result in report.results)
    inaccessible = totals.get(Outcome.INACCESSIBLE, 0)
    values = {"AccountsAudited": audited}
    # Of an audit that saw no account the number is not zero, but unknown.
    if with_credentials or (ends_alarms and (audited or not inaccessible)):
        values["AccountsWithRootCredentials"] = with_credentials
    if inaccessible or ends_alarms:
        values["AccountsInaccessible"] = inaccessible
    if (own := management_credentials(report)) is not None:
        values["ManagementRootUserUnprotected"] = int(is_unprotected(own))
    if imported is not None:
        values |= {"FindingsImported": imported.imported, "FindingsRefused": len(imported.refused)}
    return metric_line(
        namespace=NAMESPACE,
        dimensions={ORGANIZATION_ID: report.organization_id},
        # For the construct's alarms: it does not know the organization.
        other_dimensions={STATE_MACHINE_NAME: run.execution_arn.split(":")[6]},
        values=values,
        timestamp=(now if with_credentials or inaccessible else looked_at).timestamp(),
    )
