"""The report of a run as it is stored, and what is known about where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from root_tasks.aws.run_store import REPORT_JSON
from root_tasks.model.codec import DecodingError, decode
from root_tasks.model.report_schema import Report
from root_tasks.model.run_documents import RUN_ID
from root_tasks.report.render import as_csv, as_html

from .exit_codes import explicit_accounts

REPORT_HTML = "report.html"


class Doubt(Enum):
    """The reason for which a report is not known to be what its run wrote, as a sentence."""

    EXECUTION_GONE = (
        "Step Functions has no such execution; it keeps those that ended in the last 90 days."
    )
    EXECUTION_DENIED = "These credentials may not read its execution."
    HASH_NOT_HELD = "Its execution does not hold the hash of a report."
    # The report is made of the results of its batches.
    ENDED_WITHOUT_REPORT = "The run ended without a report."


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A report, and the bytes that it is stored as.

    Only report.json is held by hash, so the page and the CSV are made of it here, not read.

    Attributes:
        body: Its report.json.
        named_accounts: The accounts that the input of its run names one by one.
        doubt: Why it is not known to be what its run wrote; None if it is.
    """

    report: Report
    body: bytes
    named_accounts: frozenset[str]
    doubt: Doubt | None = None

    @classmethod
    def parse(cls, body: bytes, *, input_: Mapping[str, object] | None = None) -> StoredReport:
        """Return the report of a report.json.

        Args:
            body: The bytes of report.json.
            input_: The input of its run; None if it is not known.

        Raises:
            DecodingError: The body is not a report, or of another version, or its run ID is none.
        """
        report = decode(Report, body)
        if not RUN_ID.fullmatch(report.run_id):
            # Messages repeat the run ID, so it must be harmless.
            raise DecodingError(kind=Report.KIND, problem="is not the name of a run", path="runId")
        return cls(report=report, body=body, named_accounts=explicit_accounts(input_, report))

    def with_doubt(self, doubt: Doubt) -> StoredReport:
        """Return this report with the reason why it is not known to be what its run wrote."""
        return replace(self, doubt=doubt)

    def files(self) -> dict[str, bytes]:
        """Return the bytes of report.json, report.csv and report.html, by these names."""
        return {
            REPORT_JSON: self.body,
            "report.csv": as_csv(self.report),
            REPORT_HTML: as_html(self.report, self.body),
        }
