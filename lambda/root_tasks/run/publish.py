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
from ..report.asff import findings_of, is_open_failure
from ..report.audit_notice import audit_notice
from ..report.facts import is_audited
from ..report.render import as_csv, as_html, as_json
from .settings import WriteReportSettings

HTML = "report.html"
_MAX_ATTEMPTS = 10
# A hundred calls, at ten a second, and as long again for AWS to accept them. Then the report is
# written.
_IMPORT_SECONDS = 180.0
_OVERTAKEN = "Another full audit was published after this one had begun."
_WITHHELD = (
    f"{_OVERTAKEN} This one found no root credentials, so the other one counts: this one has no "
    "comparison, no findings in Security Hub, no notice, and only the metrics that set off alarms. "
    "It is not the latest."
)
_COMPARED_IN_PART = (
    f"{_OVERTAKEN} This one does not say what has disappeared or is accepted since, or who left."
)
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
        body: Its report.json.
        notice: The notice about a full audit; None if there is nothing new.
        overtaken: Whether another full audit was published after this one had begun. Each of the
            two may have read an account before the other one did, so this one reports nothing that
            could end an alarm: it imports only findings that failed, for example.
        sent_again: Whether an earlier attempt of the run has published the report.
    """

    report: Report
    body: bytes
    notice: Notice | None = None
    overtaken: bool = False
    sent_again: bool = False


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
    publication = _write_latest(aws, reports, report)
    report = publication.report
    values = _metrics(report)
    if publication.overtaken:
        values = _alarming(values)
    _log_metrics(aws, run, report, values, began=began)
    # Only now: findings of an audit that is withheld would replace those of a later look.
    if settings.security_hub_findings and report.published_at is not None:
        return _import_findings(aws, reports, run, publication, began=began)
    return publication


def files_of(report: Report, body: bytes) -> Sequence[File]:
    """Return the files of a report, report.json first, whose bytes are given."""
    return (
        File(name=REPORT_JSON, content_type="application/json", body=body),
        File(name="report.csv", content_type="text/csv; charset=utf-8", body=as_csv(report)),
        File(name=HTML, content_type="text/html; charset=utf-8", body=as_html(report, body)),
    )


def _write_latest(aws: Aws, reports: LatestReportStore, report: Report) -> Publication:
    """Make a full audit the latest one, unless another one counts or it was, and return it."""
    for _ in range(_MAX_ATTEMPTS):
        latest = reports.read(since=report.started_at)
        publication = _publication(aws, report, latest)
        if publication.sent_again or publication.report.published_at is None:
            return publication
        if reports.write(publication.body, replaces=latest):
            return publication
        # Another audit was published meanwhile.
    raise WriteContentionError


def _publication(aws: Aws, report: Report, latest: LatestReport) -> Publication:
    """Return a full audit as it was published, with what has changed, or as one to withhold."""
    own, others = [], 0
    for body in latest.published_since:
        published, _ = _parse(body, report)
        if body is not None and published and changes.is_of_same_run(published, report):
            own.append((published, body))
        else:
            others += 1
    overtaken = others > 0

    # What was published stays so.
    if own:
        # The newest comes first.
        published, body = own[0]
        return Publication(
            report=published,
            body=body,
            notice=_notice(published, previous=published, overtaken=overtaken),
            overtaken=overtaken,
            sent_again=True,
        )
    # An audit that found no credentials would end an alarm that the other one may have set off.
    if overtaken and Outcome.HAS_CREDENTIALS not in report.totals:
        report = report.with_warning(_WITHHELD)
        return Publication(report=report, body=as_json(report), overtaken=True)

    previous, problem = _parse(latest.body, report)
    problem = problem or latest.problem
    if problem is not None:
        aws.log(event="comparison_skipped", runId=report.run_id, reason=problem)
        report = report.with_warning(f"This audit was not compared with the latest one. {problem}")
    report = changes.with_history(
        replace(report, published_at=aws.clock.utc_now()), previous=previous
    )
    if overtaken:
        report = changes.without_doubt(report).with_warning(_COMPARED_IN_PART)
    return Publication(
        report=report,
        body=as_json(report),
        notice=_notice(report, previous=previous, problem=problem, overtaken=overtaken),
        overtaken=overtaken,
    )


def _notice(
    report: Report, *, previous: Report | None, overtaken: bool, problem: str | None = None
) -> Notice | None:
    """Return the notice about a full audit; None if there is nothing new.

    That of an audit that was overtaken says so, and has no good news.
    """
    if overtaken:
        report = changes.without_doubt(report)
        problem = problem or _OVERTAKEN
        if not report.changes and Outcome.HAS_CREDENTIALS not in report.totals:
            return None
    return audit_notice(report, previous=previous, problem=problem)


def _parse(body: bytes | None, report: Report) -> tuple[Report | None, str | None]:
    """Return a report that was published, or why it cannot be compared with a newer one."""
    if body is None:
        return None, None
    try:
        return changes.parse_previous_audit(body, current=report), None
    except changes.NotComparableError as error:
        return None, str(error)


def _import_findings(
    aws: Aws, reports: LatestReportStore, run: Run, publication: Publication, *, began: datetime
) -> Publication:
    """Import the findings of a full audit, whose report then says how many were refused.

    An import that fails never ends the audit.
    """
    report = publication.report
    # The import gives up after this time, so that enough is left to store the report.
    import_aws = aws.within(_IMPORT_SECONDS)
    findings = findings_of(report)
    if publication.overtaken:
        findings = filter(is_open_failure, findings)
    result = import_findings(findings, aws=import_aws)
    refused = len(result.refusals)
    # Of many refusals, the reason of one is told.
    reason = next(iter(result.refusals), None)
    aws.log(
        event="findings_imported",
        runId=report.run_id,
        imported=result.imported,
        refused=refused,
        reason=reason,
    )
    values = {"FindingsImported": result.imported, "FindingsRefused": refused}
    _log_metrics(aws, run, report, values, began=began)
    if not refused or publication.sent_again:
        return publication

    of_all = quantity(result.imported + refused, "finding")
    report = report.with_warning(f"Security Hub did not import {refused:,} of {of_all}. {reason}")
    body = as_json(report)
    # An import takes minutes: another audit may be the latest one by now.
    latest = reports.read(since=report.started_at)
    if latest.body == publication.body:
        reports.write(body, replaces=latest)
    return replace(publication, report=report, body=body)


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


def _alarming(values: Mapping[str, int]) -> dict[str, int]:
    """Return the metrics that set off an alarm."""
    return {name: value for name, value in values.items() if value and name in _ALARMING}


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
    now = aws.clock.utc_now()
    looked_at = report.finished_at + (now - began)
    alarming = _alarming(values)
    others = {name: value for name, value in values.items() if name not in alarming}
    for timestamp, metrics in ((looked_at, others), (now, alarming)):
        if not metrics:
            continue
        line = metric_line(
            dimension_sets=[
                {ORGANIZATION_ID: report.organization_id},
                # The construct's alarms use it: the construct does not know the organization.
                {STATE_MACHINE_NAME: state_machine_name(run.execution_arn)},
            ],
            values=metrics,
            timestamp=timestamp.timestamp(),
        )
        aws.log(**line)
