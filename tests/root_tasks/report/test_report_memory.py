"""The report of a large organization needs hardly more memory than that of a small one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.report_writer import store_audit, write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="the peak of a program's memory is read from /proc"
    ),
]
ROOT = Path(__file__).parents[3]
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("lambda", "tests", ".")),
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def measured(folder: Path, accounts: int) -> dict[str, Any]:
    """What it takes to write the report of the second of two audits, in a program of its own."""
    folder.mkdir()
    write_report(folder, store_audit(folder, accounts, number=0))
    process = subprocess.run(
        [sys.executable, "-m", "support.report_writer", str(folder)],
        input=json.dumps(store_audit(folder, accounts, number=1)),
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def test_ten_thousand_accounts_need_hardly_more_memory_than_a_hundred(tmp_path: Path) -> None:
    small, large = (measured(tmp_path / str(accounts), accounts) for accounts in (100, 10_000))
    assert (small["output"]["totals"], large["output"]["totals"]) == (
        {"HAS_CREDENTIALS": 5, "CLEAN": 95},
        {"HAS_CREDENTIALS": 500, "CLEAN": 9_500},
    )
    report = json.loads((tmp_path / "10000" / "latest report.json").read_bytes())
    assert (report["runId"], len(report["changes"]), report["warnings"]) == ("audit-1", 1_000, [])
    assert large["peakKilobytes"] <= 1.3 * small["peakKilobytes"]
