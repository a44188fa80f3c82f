"""The import of a full audit's findings into Security Hub. An import that fails never ends the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.failures import CallError
from aws_calls.security_hub import ImportResult, import_findings

from ..messages import quantity
from ..report.asff import findings_of
from .other_audits import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..aws.context import Aws
    from ..model.report_schema import Report

# A hundred calls, at ten a second, and as long again for AWS to accept them. Then the report is written.
_IMPORT_SECONDS = 180.0


def import_audit(
    aws: Aws, report: Report, *, checked: Collection[str], find_standing: Callable[[], Standing]
) -> tuple[Report, ImportResult | None]:
    """Import the findings of a full audit, and return its report with a warning if that did not succeed.

    Args:
        aws: The function that imports them.
        report: The report.
        checked: The accounts whose root user's e-mail address the audit before checked.
        find_standing: Returns what it is next to the other audits.

    Returns:
        The report and the result of the import; None if a newer audit has succeeded, or if that is not known.
    """
    aws = aws.within(_IMPORT_SECONDS)
    try:
        if find_standing() is Standing.SUPERSEDED:
            return report, None
    except CallError as error:
        aws.log(event="findings_unknown", runId=report.run_id, reason=str(error))
        warning = f"Whether Security Hub has this audit's findings is not known. {error}"
        return report.with_warning(warning), None
    found = findings_of(report, checked=checked)
    result = import_findings(found, client=aws.clients.security_hub, importer=aws.function, budget=aws.budget)
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
