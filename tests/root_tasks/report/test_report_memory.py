"""The report of a large organization needs hardly more memory than that of a small one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.report_writer import store_audit, write_report

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak of a program's memory is read from /proc"),
]
ROOT = Path(__file__).parents[3]
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("lambda", "tests", ".")),
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


# As the construct deploys the function.
FUNCTION_KILOBYTES = 1024 * 1024


def measured(folder: Path, accounts: int, *, latest: Mapping[str, bytes] = {}) -> dict[str, Any]:
    """What it takes to write the report of the second of two audits, which compares it with the first.

    Args:
        folder: A new folder.
        accounts: How many accounts it has.
        latest: What is forged of the first one, by its name.
    """
    folder.mkdir()
    write_report(folder, store_audit(folder, accounts, number=0))
    for name, stored in latest.items():
        (folder / f"latest {name}").write_bytes(stored)
    return report_of(folder, store_audit(folder, accounts, number=1))


def report_of(folder: Path, event: dict[str, Any]) -> dict[str, Any]:
    """What it takes to write a report, in a program of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "support.report_writer", str(folder)],
        input=json.dumps(event),
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
        {"has credentials": 5, "clean": 95},
        {"has credentials": 500, "clean": 9_500},
    )
    report = json.loads((tmp_path / "10000" / "latest report.json").read_bytes())
    assert (report["runId"], len(report["changes"]), report["warnings"]) == ("audit-1", 1_000, [])
    assert large["peakKilobytes"] <= 1.3 * small["peakKilobytes"]


@pytest.mark.parametrize("value", [b"{}", b'"\xf0\x9f\x94\x91"'], ids=["objects", "texts"])
def test_a_forged_latest_audit_cannot_fill_the_memory(tmp_path: Path, value: bytes) -> None:
    latest = b"[" + (value + b",") * (99_000_000 // (len(value) + 1)) + value + b"]"
    took = measured(tmp_path / "forged", 100, latest={"report.json": latest})
    report = json.loads((tmp_path / "forged" / "latest report.json").read_bytes())
    assert (report["runId"], report["changes"], len(report["warnings"])) == ("audit-1", None, 1)
    assert took["peakKilobytes"] <= 0.75 * FUNCTION_KILOBYTES


def test_forged_results_cannot_fill_the_memory(tmp_path: Path) -> None:
    event = store_audit(tmp_path, 1_500, number=0)
    for result in tmp_path.glob("runs audit-0 results *.json"):
        with result.open("r+b") as file:
            file.truncate(99_000_000)
    took = report_of(tmp_path, event)
    assert took["output"]["totals"] == {"inaccessible": 1_500}
    assert took["peakKilobytes"] <= 0.75 * FUNCTION_KILOBYTES
