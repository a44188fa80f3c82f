"""The sections of the page about audits: what each candidate took, and the goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.audits import (
    FAST_SECONDS,
    LARGE,
    LOOP_ACCOUNTS,
    MAX_CONCURRENCY,
    MEDIUM,
    SLOW_SECONDS,
    SMALL,
    THROTTLED,
)
from benchmarks.goals import Goal, goal_table
from benchmarks.limits import DOCUMENTED_STS, LOW_STS, ORGANIZATIONS
from benchmarks.stand_in import ONE_IN_N_HAS_CREDENTIALS
from benchmarks.table import NO_VALUE, format_count, format_ratio, format_seconds, table
from root_tasks.aws.clients import MAX_ACCOUNTS_IN_PARALLEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.audits import Audit, Invocation, Loop, Setting, Unbounded, WarmBatch

_MAX_DOLLARS = 0.0000059 / 3

_INTRODUCTION = """\
Measured on a stand-in for STS, IAM and Organizations that is made for load, over TLS. It served {capacity}
calls a second on this machine, with a client that only sends; the busiest audit sent {busiest} a second.
It limits calls as Organizations documents it, ListAccounts to {list_accounts:.0f} a second. For AssumeRoot
AWS has published no limit: {documented:.0f} a second is that of STS's other calls, and {low:.0f} a second is
assumed, in case AssumeRoot has one of its own. One account in {one_in_n} has root credentials.
The organization has no policies but FullAWSAccess. Each policy that is attached costs two more calls of the
pre-flight, half a second, while the accounts are listed.

- **RootTasks**: the real functions, each in processes of its own: {concurrency} batches at once,
  {in_parallel} accounts at once in each. Time includes the cold start of the functions, but not Step
  Functions. Cost includes Step Functions and S3, and is by list prices of us-east-1. A function has a core
  here, and less on AWS.
- **unbounded**: all accounts at once, five calls in each, one shared pool of connections, three attempts a
  call and a retry quota, as the SDKs have them. It was run again for the accounts that it lost. Its list of
  the accounts is that of RootTasks: every client reads its pages one after another.
- **a loop**: AssumeRoot and GetAccountSummary for one account after another, by boto3 in one process, without
  the list of the accounts. It was measured with {loop} accounts.
"""

_SHARED_WAIT = (
    "The list of accounts takes {listing}, page by page, and AssumeRoot's limit at least {limit} more: no "
    "client that waits for the list could be more than {most} times as fast. Audits of the first accounts "
    "while the others are listed would be; that was not built, because a run's accounts are one document, "
    "which is held by its hash from the start."
)
_MEMORY = "The audit before this one is compared with it, account by account, and is read for that."


@dataclass(kw_only=True)
class AuditMeasurements:
    """All measurements of audits.

    Attributes:
        capacity: How many calls a second the stand-in serves.
        audits: The audits by RootTasks.
        unbounded: The audits by the client without a bound.
        loops: The loops, by the latency.
        warm: A warm batch.
        second_reports: The report of an audit of each of some organizations, compared with one as large.
    """

    capacity: float
    audits: dict[Setting, Audit] = field(default_factory=dict)
    unbounded: dict[Setting, Unbounded] = field(default_factory=dict)
    loops: dict[float, Loop] = field(default_factory=dict)
    warm: WarmBatch | None = None
    second_reports: dict[Setting, Invocation] = field(default_factory=dict)


def sections(measurements: AuditMeasurements) -> Iterable[str]:
    """Yield the sections of the page about audits."""
    yield "## Audit\n"
    yield _INTRODUCTION.format(
        capacity=format_count(measurements.capacity),
        busiest=format_count(max((_calls_a_second(it) for it in measurements.audits.values()), default=None)),
        list_accounts=ORGANIZATIONS["ListAccounts"].rate,
        documented=DOCUMENTED_STS.rate,
        low=LOW_STS.rate,
        one_in_n=ONE_IN_N_HAS_CREDENTIALS,
        concurrency=MAX_CONCURRENCY,
        in_parallel=MAX_ACCOUNTS_IN_PARALLEL,
        loop=LOOP_ACCOUNTS,
    )
    for setting in measurements.audits:
        yield (
            f"### {setting.accounts:,} accounts, {setting.latency * 1000:.0f} ms a call, "
            f"AssumeRoot {setting.sts.rate:.0f} a second\n"
        )
        yield table(
            (
                "",
                "time",
                "listing among it",
                "lost",
                "runs until none is lost",
                "calls",
                "throttled",
                "connections",
                "CPU an account",
                "function-seconds",
                "cost",
            ),
            _rows(measurements, setting),
        )
    yield ("Time is until no account is lost; lost are the accounts without a result in the first run.\n")
    goals = list(goals_of(measurements))
    if goals:
        yield "## Goals of the audit\n"
        yield goal_table(goals)


def _rows(measurements: AuditMeasurements, setting: Setting) -> Iterable[Sequence[str]]:
    audit = measurements.audits[setting]
    yield (
        "RootTasks",
        format_seconds(audit.seconds),
        format_seconds(audit.listing),
        format_count(audit.lost),
        "1" if not audit.lost else NO_VALUE,
        format_count(audit.traffic.total),
        format_count(sum(audit.traffic.throttled.values())),
        format_count(sum(audit.traffic.connections.values())),
        _milliseconds(audit.cpu / setting.accounts),
        format_count(audit.function_seconds),
        f"${audit.dollars:.4f}",
    )
    if setting in measurements.unbounded:
        unbounded = measurements.unbounded[setting]
        yield (
            "unbounded",
            ("more than " if unbounded.lost[-1] else "") + format_seconds(unbounded.seconds_until_complete),
            format_seconds(unbounded.listing),
            format_count(unbounded.lost[0]),
            format_count(len(unbounded.lost)) if not unbounded.lost[-1] else NO_VALUE,
            format_count(unbounded.traffic.total + audit.traffic.calls["ListAccounts"]),
            format_count(sum(unbounded.traffic.throttled.values())),
            format_count(sum(unbounded.traffic.connections.values())),
            _milliseconds(unbounded.cpu / setting.accounts),
            NO_VALUE,
            NO_VALUE,
        )
    if setting.latency in measurements.loops:
        loop = measurements.loops[setting.latency]
        factor = setting.accounts / loop.accounts
        yield (
            "a loop, extrapolated",
            format_seconds(loop.seconds * factor),
            NO_VALUE,
            "0",
            "1",
            format_count(loop.traffic.total * factor),
            "0",
            format_count(sum(loop.traffic.connections.values()) * factor),
            _milliseconds(loop.cpu / loop.accounts),
            NO_VALUE,
            NO_VALUE,
        )


def goals_of(measurements: AuditMeasurements) -> Iterable[Goal]:
    """Yield the goals of what was measured."""
    warm = measurements.warm
    if warm is not None:
        yield Goal(
            name="CPU of the function, an account without credentials, handshakes apart",
            measured=warm.cpu,
            bound=0.003,
            text=_milliseconds(warm.cpu),
            target="at most 3 ms",
        )
        yield Goal(
            name="new connections to a service, for each account that is looked into at once",
            measured=warm.connections,
            bound=1.0,
            text=f"{warm.connections:.2f}",
            target="at most 1",
        )
        yield Goal(
            name=f"a warm batch of {MAX_ACCOUNTS_IN_PARALLEL} accounts without credentials, "
            f"{SLOW_SECONDS * 1000:.0f} ms a call",
            measured=warm.seconds,
            bound=0.8,
            text=format_seconds(warm.seconds),
            target="at most 0.8 s",
        )
    for setting in (MEDIUM, THROTTLED):
        if setting in measurements.audits and setting in measurements.unbounded:
            yield from _comparison(setting, measurements.audits[setting], measurements.unbounded[setting])
    lost = sum(it.lost for it in measurements.audits.values())
    if measurements.audits:
        yield Goal(
            name="accounts that RootTasks lost, in all audits",
            measured=lost,
            bound=0,
            text=format_count(lost),
            target="none",
        )
    if MEDIUM in measurements.audits:
        cost = measurements.audits[MEDIUM].dollars / MEDIUM.accounts
        yield Goal(
            name=f"cost of an account, of {MEDIUM.accounts:,}",
            measured=cost,
            bound=_MAX_DOLLARS,
            text=f"${cost:.8f}",
            target=f"at most ${_MAX_DOLLARS:.8f}",
        )
    if LARGE in measurements.audits:
        large = measurements.audits[LARGE]
        more = large.seconds - large.listing
        yield Goal(
            name=f"{LARGE.accounts:,} accounts, {FAST_SECONDS * 1000:.0f} ms a call: "
            "time that is not spent listing them",
            measured=more,
            bound=60.0,
            text=format_seconds(more),
            target="at most 60 s",
        )
    second_reports = measurements.second_reports
    if LARGE in second_reports:
        second = second_reports[LARGE]
        yield Goal(
            name=f"the report of {LARGE.accounts:,} accounts",
            measured=second.seconds,
            bound=10.0,
            text=format_seconds(second.seconds),
            target="less than 10 s",
        )
        if SMALL in second_reports:
            ratio = second.memory / second_reports[SMALL].memory
            yield Goal(
                name=f"its memory ÷ that of the report of {SMALL.accounts:,} accounts",
                measured=ratio,
                bound=1.3,
                text=f"{ratio:.2f}",
                target="at most 1.30",
                obstacle=_MEMORY,
            )


def _comparison(setting: Setting, audit: Audit, unbounded: Unbounded) -> Iterable[Goal]:
    seconds = unbounded.seconds_until_complete
    after = (seconds - unbounded.listing) / (audit.seconds - audit.listing)
    limit = (setting.accounts - setting.sts.burst) / setting.sts.rate
    yield Goal(
        name=f"{setting.accounts:,} accounts, AssumeRoot {setting.sts.rate:.0f} a second: "
        "unbounded ÷ RootTasks, until no account is lost",
        measured=seconds / audit.seconds,
        bound=2.0,
        text=f"{format_ratio(seconds, audit.seconds)}; after the list {after:.2f}",
        target="at least 2",
        is_minimum=True,
        obstacle=_SHARED_WAIT.format(
            listing=format_seconds(audit.listing),
            limit=format_seconds(limit),
            most=format_ratio(seconds, audit.listing + limit),
        ),
    )


def _calls_a_second(audit: Audit) -> float:
    return audit.traffic.total / (audit.seconds - audit.listing)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
