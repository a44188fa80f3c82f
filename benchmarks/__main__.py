"""`make bench`: measure audits, and a plan and its execution; write benchmarks/README.md.

`python -m benchmarks --accounts 30 100` measures audits of these sizes from here, and prints them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.meter import AuditFailedError, Meter
from benchmarks.page import Measurements, page
from benchmarks.stand_in import Scenario, StandInFailedError
from benchmarks.stand_in_server import running_stand_in
from local_aws.processes import StartError, raise_interrupted_on_signals
from local_aws.services import running_local_aws

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAGE = Path(__file__).with_name("README.md")
_SLOW, _FAST = 0.3, 0.1
_SINGLE_ACCOUNTS = (10, 10_000)
_SIZES = (30, 100, 300, 1_000, 10_000)
_DEPLOYED = (1_000, 10_000)
_LARGE = 10_000


def main(arguments: Sequence[str]) -> int:
    """Measure, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", help="only audits of so many accounts, from here")
    options = parser.parse_args(arguments)
    raise_interrupted_on_signals()
    started_at = time.monotonic()
    try:
        measurements = _measure(options.accounts)
    except (StartError, AuditFailedError, StandInFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.accounts:
        print(page(measurements))
    else:
        _PAGE.write_text(page(measurements), encoding="utf-8")
    _say(f"Done in {time.monotonic() - started_at:.0f} s")
    return 0


def _measure(sizes: Sequence[int] | None) -> Measurements:
    found = Measurements(load=os.getloadavg()[0])
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as folder,
        running_local_aws() as aws,
        running_stand_in(Path(folder)) as stand_in,
    ):
        meter = Meter(aws, stand_in)
        for members in () if sizes else _SINGLE_ACCOUNTS:
            _say(f"One account of {members:,}")
            found.from_here.append(meter.compare(Scenario(members=members, latency=_SLOW), one_account=True))
        for scenario in map(_scenario, sizes or _SIZES):
            _say(f"{scenario.members:,} accounts, from here")
            found.from_here.append(meter.compare(scenario))
        for scenario in () if sizes else map(_scenario, _DEPLOYED):
            _say(f"{scenario.members:,} accounts, by the deployed functions")
            found.deployed.append(meter.audit(scenario))
        if not sizes:
            _say("A plan, and its execution")
            found.deployed += meter.plan_and_execute(Scenario(members=_LARGE, latency=_SLOW))
    return found


def _scenario(members: int) -> Scenario:
    return Scenario(members=members, latency=_FAST if members >= _LARGE else _SLOW)


def _say(sentence: str) -> None:
    print(f"== {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
