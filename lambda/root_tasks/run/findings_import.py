"""The import of a full audit's findings into Security Hub. An import that fails never ends the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.security_hub import import_findings

from ..messages import quantity
from ..report.asff import findings_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from aws_calls.security_hub import ImportResult

    from ..aws.context import Aws
    from ..model.report_schema import Report

# A hundred calls, at ten a second, and as long again for AWS to accept them. Then the report is written.
_IMPORT_SECONDS = 180.0


def import_audit(aws: Aws, report: Report, *, checked: Collection[str]) -> tuple[Report, ImportResult]:
    """Import the findings of a full audit, and return its report with a warning if that did not succeed.

    Args:
        aws: The function that imports them.
        report: The report.
        checked: The accounts whose root user's e-mail address the audit before checked.

    Returns:
        The report and the result of the import.
    """
    aws = aws.within(_IMPORT_SECONDS)
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
