"""The publication of a full audit: changes, findings for Security Hub, metrics, notice, latest report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.notices import publish
from aws_calls.security_hub import import_findings
from common.metrics import ORGANIZATION_ID, STATE_MACHINE_NAME, metric_line

from ..aws.bucket import UnreadableObjectError
from ..aws.stores import REPORT_JSON
from ..messages import quantity
from ..model.report_schema import Outcome
from ..report import changes
from ..report.asff import findings_of
from ..report.summary import is_audited

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from aws_calls.notices import Notice
    from aws_calls.security_hub import ImportResult

    from ..aws.invocation import Aws
    from ..aws.stores import File, ReportStore
    from ..model.report_schema import Report
    from ..model.run import Run

# A hundred calls, at ten a second, and as long again for AWS to accept them. Then the report is
# written.
_IMPORT_SECONDS = 180.0


def compare(
    aws: Aws, reports: ReportStore, report: Report
) -> tuple[Report, Notice | None, frozenset[str]]:
    """Return a full audit with its history, the notice about it, and the accounts of the audit before.

    These are only those whose root user's e-mail address was checked: the whole report would take
    up memory.
    """
    previous, problem = _previous_audit(reports, report)
    if problem is not None:
        aws.log(event="comparison_skipped", runId=report.run_id, reason=problem)
        report = report.with_warning(f"This audit was not compared with the latest one. {problem}")
    report = changes.with_history(report, previous=previous)
    before = () if previous is None else previous.results
    checked = frozenset(result.account_id for result in before if result.email_outside is not None)
    return report, changes.notice(report, previous=previous, problem=problem), checked


def import_audit(
    aws: Aws, report: Report, *, checked: Collection[str]
) -> tuple[Report, ImportResult]:
    """Import the findings of a full audit, and return its report with a warning if that did not succeed.

    An import that fails never ends the audit.

    Args:
        aws: The function that imports them.
        report: The report.
        checked: The accounts whose root user's e-mail address the audit before checked.

    Returns:
        The report and the result of the import.
    """
    aws = aws.within(_IMPORT_SECONDS)
    found = findings_of(report, checked=checked)
    result = import_findings(found, aws=aws, importer=aws.function)
    aws.log(
        event="findings_imported",
        runId=report.run_id,
        imported=result.imported,
        refused=len(result.refused),
        reason=next(iter(result.refused.values()), None),
    )
    if result.refused:
        findings = quantity(result.imported + len(result.refused), "finding")
        warning = f"Security Hub did not import {len(result.refused):,} of {findings}."
        report = report.with_warning(f"{warning} {next(iter(result.refused.values()))}")
    return report, result


def publish_audit(
    aws: Aws,
    reports: ReportStore,
    run: Run,
    report: Report,
    *,
    files: Sequence[File],
    topic_arn: str | None,
    notice: Notice | None,
    imported: ImportResult | None,
    began: datetime,
) -> None:
    """Write the metrics, send the notice, and write the latest report.

    The notice comes first: if it fails, the next audit finds the same changes, and sends it.
    """
    now = aws.now()
    # An import of findings may have taken minutes, which make the look no older for the alarms.
    looked_at = report.finished_at + (now - began)
    aws.log(**_metrics(run, report, imported, looked_at=looked_at, now=now))
    if notice is not None and topic_arn is not None:
        publish(notice, aws=aws, topic_arn=topic_arn)
    # Each file is attempted: a newer audit may have come between two of them.
    for file in files:
        reports.write_latest(file, looked_at=report.finished_at, now=aws.now())


def _previous_audit(reports: ReportStore, report: Report) -> tuple[Report | None, str | None]:
    """Return the full audit before this one, if there is one, or why it cannot be compared."""
    try:
        data = reports.read_latest(REPORT_JSON)
        if data is None:
            return None, None
        return changes.parse_previous_audit(data, current=report), None
    except (changes.NotComparableError, UnreadableObjectError) as error:
        return None, str(error)


def _metrics(
    run: Run,
    report: Report,
    imported: ImportResult | None,
    *,
    looked_at: datetime,
    now: datetime,
) -> dict[str, object]:
    """Return the metrics.

    Values that set off an alarm are timestamped now, because alarms only look at recent minutes.
    """
    totals = report.totals
    with_credentials = totals.get(Outcome.HAS_CREDENTIALS, 0)
    audited = sum(is_audited(result) for result in report.results)
    inaccessible = totals.get(Outcome.INACCESSIBLE, 0)
    values = {"AccountsAudited": audited, "AccountsInaccessible": inaccessible}
    # If no account could be read, the number is unknown, not zero.
    if with_credentials or audited or not inaccessible:
        values["AccountsWithRootCredentials"] = with_credentials
    # Only an audit in the management account reads its root user.
    if Outcome.UNPROTECTED in totals or Outcome.PROTECTED in totals:
        values["ManagementRootUserUnprotected"] = totals.get(Outcome.UNPROTECTED, 0)
    if imported is not None:
        values |= {"FindingsImported": imported.imported, "FindingsRefused": len(imported.refused)}
    # No value of these two sets off an alarm.
    is_alarming = any(
        values[name] for name in values.keys() - {"AccountsAudited", "FindingsImported"}
    )
    return metric_line(
        dimensions={ORGANIZATION_ID: report.organization_id},
        # The construct's alarms use it: the construct does not know the organization.
        other_dimensions={STATE_MACHINE_NAME: run.execution_arn.split(":")[6]},
        values=values,
        timestamp=(now if is_alarming else looked_at).timestamp(),
    )
