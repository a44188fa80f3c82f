"""`make bench`: measure audits from here, and write them into benchmarks/README.md.

`--peer` also measures a binary of aws-root-manager, in turn: one of its releases, or what `go
build` makes of its source.

It takes about ten minutes, and needs two cores that nothing else uses.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.meter import AuditFailedError, Meter
from benchmarks.page import Measurements, page
from benchmarks.stand_in import Scenario, StandInFailedError
from benchmarks.stand_in_server import running_stand_in
from local_aws.processes import raise_interrupted_on_signals

_PAGE = Path(__file__).with_name("README.md")
_LATENCY = 0.3
_SINGLE_ACCOUNTS = (10, 10_000)
_TIMES = 5
# How often each is audited: a second more or less counts only where an audit takes few. The largest
# has a shorter latency.
_AUDITS = {
    Scenario(members=30, latency=_LATENCY): _TIMES,
    Scenario(members=100, latency=_LATENCY): _TIMES,
    Scenario(members=300, latency=_LATENCY): 3,
    Scenario(members=1_000, latency=_LATENCY): 1,
    Scenario(members=10_000, latency=0.1): 1,
}


def main(arguments: Sequence[str]) -> int:
    """Measure, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peer", type=Path, help="a binary of aws-root-manager to measure, too")
    options = parser.parse_args(arguments)
    raise_interrupted_on_signals()
    started_at = time.monotonic()
    try:
        measurements = _measure(options.peer)
    except (AuditFailedError, StandInFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    # What the functions took once they were deployed stays as it was measured.
    _, heading, deployed = _PAGE.read_text(encoding="utf-8").partition("\n## Deployed\n")
    _PAGE.write_text(page(measurements) + heading + deployed, encoding="utf-8")
    _print_heading(f"Done in {time.monotonic() - started_at:.0f} s")
    return 0


def _measure(peer: Path | None) -> Measurements:
    """Take all measurements."""
    measurements = Measurements(load=os.getloadavg()[0], peer=_version_of(peer) if peer else None)
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as folder,
        running_stand_in(Path(folder)) as stand_in,
    ):
        meter = Meter(stand_in, peer=peer)
        for members in _SINGLE_ACCOUNTS:
            _print_heading(f"One account of {members:,}")
            one = Scenario(members=members, latency=_LATENCY)
            measurements.from_here.append(meter.compare(one, one_account=True, times=_TIMES))
        for scenario, times in _AUDITS.items():
            _print_heading(f"{scenario.members:,} accounts, from here")
            measurements.from_here.append(meter.compare(scenario, times=times))
    return measurements


def _version_of(peer: Path) -> str:
    """Return the version that a binary of aws-root-manager prints."""
    shown = subprocess.run([peer, "version"], check=True, capture_output=True, text=True).stdout
    return shown.removeprefix("Version:").strip()


def _print_heading(sentence: str) -> None:
    """Print what is measured next."""
    print(f"== {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
