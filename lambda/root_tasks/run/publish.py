"""The publication of a full audit: its report becomes the latest one, with metrics and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aws_calls.notices import Notice
from aws_calls.security_hub import import_findings
from common.log import ORGANIZATION_ID, STATE_MACHINE_NAME, metric_line

from ..aws.executions import state_machine_name
from ..aws.invocation import Aws
from ..aws.latest_report_store import LatestReport, LatestReportStore, WriteContentionError
from ..aws.run_store import REPORT_JSON, File
from ..messages import quantity
from ..model.report_schema import Outcome, Report
from ..model.run_documents import Run
from ..report import changes
from ..report.asff import findings_of
from ..report.audit_notice import audit_notice
from ..report.facts import is_audited
from ..report.render import as_csv, as_html, as_json
from .settings import WriteReportSettings

HTML = "report.html"
_MAX_ATTEMPTS = 10
# A hundred calls, at ten a second, and as long again for AWS to accept them. Then the report is
# written.
_IMPORT_SECONDS = 180.0
_WITHHELD = (
    "Another full audit was published after this one had begun, and counts. This one found no root "
    "credentials: it has no comparison, no metrics of accounts, no findings in Security Hub and no "
    "notice, and is not the latest."
)
_OVERLAPPING = "That one was published after this audit had begun."
_OWN_ROOT_USER = "ManagementRootUserUnprotected"
# The metrics that set off an alarm if they are not zero.
_ALARMING = (
    "AccountsWithRootCredentials",
    "AccountsInaccessible",
    _OWN_ROOT_USER,
    "FindingsRefused",
)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A report as it is published: stored beside its run, and that of a full audit as the latest.

    Attributes:
        report: The report; that of a full audit has its history.
        files: The files of the report, report.json first.
        is_latest: Whether it is the latest full audit. No other run is, and no audit that is
            withheld because another one counts instead.
        notice: The notice about a full audit; None if there is nothing new.
        previous: The full audit before it; None if there is none that can be compared.
    """

    report: Report
    files: Sequence[File]
    is_latest: bool = False
    notice: Notice | None = None
    previous: Report | None = None


def publish_audit(
    aws: Aws,
    reports: LatestReportStore,
    run: Run,
    report: Report,
    *,
    settings: WriteReportSettings,
    began: datetime,
) -> Publication:
    """Publish a full audit, unless another one counts, and return it.

    Its report.json becomes the latest one, and its metrics are written. The caller writes its other
    files, and sends the notice last: what fails then can be repeated by a redrive.

    Args:
        aws: The function.
        reports: The latest full audit.
        run: The run.
        report: Its report, without its history.
        settings: The function's settings.
        began: When the function began to collect the results.

    Raises:
        WriteContentionError: Other audits kept writing the latest report.
    """
    for _ in range(_MAX_ATTEMPTS):
        latest = reports.read()
        publication = _compare(aws, report, latest)
        if not publication.is_latest:
            if Outcome.UNPROTECTED in report.totals:
                # This root user was read just now, not with the accounts.
                _log_metrics(aws, run, report, {_OWN_ROOT_USER: 1}, began=began)
            return publication
        if reports.write(publication.files[0], replaces=latest):
            _log_metrics(aws, run, report, _metrics(report), began=began)
            # Only now: findings of an audit that is withheld would replace those of a later look.
            if settings.security_hub_findings:
                return _import_findings(aws, reports, run, publication, began=began)
            return publication
        # Another audit was published meanwhile.
    raise WriteContentionError


def files_of(report: Report) -> Sequence[File]:
    """Return the files of a report, report.json first."""
    body = as_json(report)
    return (
        File(name=REPORT_JSON, content_type="application/json", body=body),
        File(name="report.csv", content_type="text/csv; charset=utf-8", body=as_csv(report)),
        File(name=HTML, content_type="text/html; charset=utf-8", body=as_html(report, body)),
    )


def _compare(aws: Aws, report: Report, latest: LatestReport) -> Publication:
    """Return a full audit with what has changed since the latest one, or as one to withhold."""
    now = aws.now()
    previous, problem = None, latest.problem
    if latest.body is not None:
        try:
            previous = changes.parse_previous_audit(latest.body, current=report, now=now)
        except changes.NotComparableError as error:
            problem = str(error)

    if previous is not None and changes.is_overtaken(report, by=previous):
        # An audit that found no credentials would end an alarm that the other one may have set off.
        if Outcome.HAS_CREDENTIALS not in report.totals:
            report = report.with_warning(_WITHHELD)
            return Publication(report=report, files=files_of(report))
        previous, problem = None, _OVERLAPPING
    if problem is not None:
        aws.log(event="comparison_skipped", runId=report.run_id, reason=problem)
        report = report.with_warning(f"This audit was not compared with the latest one. {problem}")
    report = changes.with_history(replace(report, published_at=now), previous=previous)
    return Publication(
        report=report,
        files=files_of(report),
        is_latest=True,
        notice=audit_notice(report, previous=previous, problem=problem),
        previous=previous,
    )


def _import_findings(
    aws: Aws, reports: LatestReportStore, run: Run, publication: Publication, *, began: datetime
) -> Publication:
    """Import the findings of the latest audit, whose report then says how many were refused.

    An import that fails never ends the audit.
    """
    report = publication.report
    # The import gives up after this time, so that enough is left to store the report.
    import_aws = aws.within(_IMPORT_SECONDS)
    findings = findings_of(report, previous=publication.previous)
    result = import_findings(findings, aws=import_aws, importer=aws.function)
    refused = len(result.refused)
    # Of many refusals, the reason of one is told.
    reason = next(iter(result.refused.values()), None)
    aws.log(
        event="findings_imported",
        runId=report.run_id,
        imported=result.imported,
        refused=refused,
        reason=reason,
    )
    values = {"FindingsImported": result.imported, "FindingsRefused": refused}
    _log_metrics(aws, run, report, values, began=began)
    if not refused:
        return publication

    of_all = quantity(result.imported + refused, "finding")
    report = report.with_warning(f"Security Hub did not import {refused:,} of {of_all}. {reason}")
    files = files_of(report)
    # An import takes minutes: another audit may be the latest one by now.
    latest = reports.read()
    if latest.body == publication.files[0].body:
        reports.write(files[0], replaces=latest)
    return replace(publication, report=report, files=files)


def _metrics(report: Report) -> dict[str, int]:
    """Return the metrics of a full audit by their names; what is not known has none."""
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
        values[_OWN_ROOT_USER] = totals.get(Outcome.UNPROTECTED, 0)
    return values


def _log_metrics(
    aws: Aws, run: Run, report: Report, values: Mapping[str, int], *, began: datetime
) -> None:
    """Write metrics of a full audit.

    Args:
        aws: The function.
        run: The run.
        report: The report of the audit.
        values: The metrics by their names.
        began: When the function began to collect the results.
    """
    # Alarms only look at recent minutes, so what sets one off has the time of now. What ends one
    # has the time of the last look into an account: another audit may have looked since, and has
    # set off an alarm that must not end. The minutes that the report has taken do not count.
    timestamp = now = aws.now()
    if not any(values.get(name) for name in _ALARMING):
        timestamp = report.finished_at + (now - began)
    line = metric_line(
        dimension_sets=[
            {ORGANIZATION_ID: report.organization_id},
            # The construct's alarms use it: the construct does not know the organization.
            {STATE_MACHINE_NAME: state_machine_name(run.execution_arn)},
        ],
        values=values,
        timestamp=timestamp.timestamp(),
    )
    aws.log(**line)
