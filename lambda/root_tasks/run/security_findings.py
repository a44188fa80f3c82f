"""The import of a full audit's findings into Security Hub. Nothing that it cannot import ends the audit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError
from aws_calls.security_hub import ImportResult, import_findings

from .. import messages
from ..aws.bucket import UnreadableObjectError
from ..aws.stores import File, WriteContentionError
from ..model.codec import DecodingError, decode, encode
from ..model.security_findings import ImportedFinding, ImportedFindings
from ..report.security_findings import findings_of
from .later_audits import SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from aws_calls.retry import RetryBudget

    from ..aws.context import Aws
    from ..aws.stores import ReportStore
    from ..model.report import Report
    from ..model.run import Run
    from .later_audits import LaterAudits

_FINDINGS_JSON = "findings.json"
# A hundred calls, at ten a second, and as long again for AWS to accept them. Then the report is written.
_IMPORT_SECONDS = 180.0
# 100,000 accounts have less. JSON takes up to 40 times its size in memory as it is parsed: what somebody has
# stored in place of the findings could fill it.
_MAX_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class FindingsImporter:
    """Imports findings.

    Attributes:
        aws: The function.
        reports: The latest full audit, with which it keeps the findings that it has imported.
    """

    aws: Aws
    reports: ReportStore

    def import_findings(
        self, run: Run, report: Report, *, later_audits: LaterAudits
    ) -> tuple[Report, ImportResult | None]:
        """Import the findings of a full audit, and return it with a warning where that did not succeed.

        Args:
            run: The run.
            report: Its report.
            later_audits: The full audits that started later.

        Returns:
            The report, and what came of the import; None where a later audit has ended or imports its own,
            and where it is not known.
        """
        aws = self.aws.ending_in(_IMPORT_SECONDS)
        try:
            if SUCCEEDED in replace(later_audits, aws=aws).statuses(run, looked_at=report.finished_at):
                return report, None
            imported = self._import(report, budget=aws.budget)
        except (CallError, WriteContentionError) as error:
            self.aws.log(event="findings_unknown", runId=report.run_id, reason=str(error))
            return _with_warning(report, messages.findings_unknown(str(error))), None
        if imported is None or not imported.refused:
            return report, imported
        return _with_warning(report, messages.findings_warning(imported)), imported

    def _import(self, report: Report, *, budget: RetryBudget) -> ImportResult | None:
        """Import the findings of a full audit; None where a later one has begun to import its own."""
        created_at = self._first_imports()
        findings = list(findings_of(report, created_at=created_at))
        created_at = {finding.account_id: finding.created_at for finding in findings}
        # First, so that an older audit stops here.
        if not self._write(created_at, report):
            return None
        result = import_findings(
            findings,
            client=self.aws.clients.security_hub,
            importer=self.aws.function,
            budget=budget,
        )
        archived = {
            finding.account_id
            for finding in findings
            if finding.archived and finding.id(self.aws.function) not in result.refused
        }
        if archived:
            self._write({id_: created_at[id_] for id_ in created_at.keys() - archived}, report)
        self.aws.log(
            event="findings_imported",
            runId=report.run_id,
            imported=result.imported,
            refused=len(result.refused),
            reason=next(iter(result.refused.values()), None),
        )
        return result

    def _first_imports(self) -> dict[str, datetime]:
        """Return when the finding of each account was imported first."""
        try:
            data = self.reports.read_latest(_FINDINGS_JSON)
            if data is not None and len(data) > _MAX_BYTES:
                raise DecodingError(
                    kind=ImportedFindings.KIND, problem=f"is larger than {_MAX_BYTES:,} bytes"
                )
            known = () if data is None else decode(ImportedFindings, data).findings
        except (DecodingError, UnreadableObjectError) as error:
            # Findings get a new date, and those of accounts that have left stay active for as long as
            # Security Hub keeps what nobody updates.
            self.aws.log(event="findings_forgotten", reason=str(error))
            known = ()
        return {finding.account_id: finding.created_at for finding in known}

    def _write(self, created_at: Mapping[str, datetime], report: Report) -> bool:
        findings = ImportedFindings(
            findings=tuple(
                ImportedFinding(account_id=account_id, created_at=moment)
                for account_id, moment in sorted(created_at.items())
            )
        )
        file = File(name=_FINDINGS_JSON, content_type="application/json", body=encode(findings))
        return self.reports.write_latest(
            file, started_at=report.started_at, now=self.aws.now(), log=self.aws.log
        )


def _with_warning(report: Report, warning: str) -> Report:
    return replace(report, warnings=(*report.warnings, warning))
