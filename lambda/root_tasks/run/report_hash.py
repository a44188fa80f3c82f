"""The SHA-256 of a run's report.json, as the run's execution holds it, unalterable."""

from __future__ import annotations

import json
import re

# A key of an execution's output, and of the input of the Execute state machine.
REPORT_SHA256 = "reportSha256"

# An execution that failed has no output, but this at the end of its cause.
_CAUSE_WITH_REPORT = re.compile(r".*\(SHA-256 of report\.json: (?P<sha256>[0-9a-f]{64})\)", re.DOTALL)


def cause_of_failure(summary: str, *, url: str, report_sha256: str) -> str:
    """Return the cause of an execution in which accounts failed, which holds the hash of its report."""
    return f"{summary} Report: {url} (SHA-256 of report.json: {report_sha256})"


def report_sha256_of(*, status: str, output: str, cause: str) -> str | None:
    """Return the SHA-256 of the report that an execution holds; None if it holds none.

    Args:
        status: Its status in Step Functions.
        output: Its output, or an empty text.
        cause: The cause of its failure, or an empty text.
    """
    if status == "FAILED":
        found = _CAUSE_WITH_REPORT.fullmatch(cause)
        return found and found["sha256"]
    # A list of executions has no outputs.
    held = json.loads(output).get(REPORT_SHA256) if status == "SUCCEEDED" and output else None
    return held if isinstance(held, str) else None
