"""The sections of the page about audits: what each candidate took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.audits import LOOP_ACCOUNTS, MAX_CONCURRENCY
from benchmarks.limits import DOCUMENTED_STS, LIST_ACCOUNTS, LOW_STS, ORGANIZATIONS
from benchmarks.stand_in import ONE_IN_N_HAS_CREDENTIALS
from benchmarks.table import NO_VALUE, format_count, format_seconds, table
from root_tasks.aws.clients import MAX_ACCOUNTS_IN_PARALLEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.audits import Figures, Setting

_INTRODUCTION = """\
Measured on a stand-in for STS, IAM and Organizations that is made for load, over TLS.
It limits each call of Organizations as AWS documents it: ListAccounts to {list_accounts:.0f} a second,
DescribePolicy to {documents:.0f}. For AssumeRoot AWS has published no limit: {documented:.0f} a second is
that of STS's other calls, and {low:.0f} a second is assumed, in case AssumeRoot has one of its own. One
account in {one_in_n} has root credentials. The organization has three units, and five service control
policies on these and on the root.

- **RootTasks**: the real functions, each in processes of its own: {concurrency} batches at once,
  {in_parallel} accounts at once in each. Time includes the start of these processes, but not Step
  Functions. Cost includes Step Functions and S3, and is by list prices of us-east-1. A function has a core
  here, and less on AWS.
- **audit --from-here**: the command, as a process of its own.
- **unbounded**: the list, then all accounts at once, five calls in each, one shared pool of connections,
  three attempts a call and a retry quota, as the SDKs have them, in a process of its own, without policies.
  It was run again for the accounts that it lost.
- **a loop**: AssumeRoot and GetAccountSummary for one account after another, by boto3 in one process, without
  the list of the accounts. It was measured with {loop} accounts.
"""

_COLUMNS: Mapping[str, Callable[[Figures], str]] = {
    "": lambda figures: figures.candidate,
    "time": lambda figures: ("more than " if figures.runs is None else "") + format_seconds(figures.seconds),
    "listing among it": lambda figures: format_seconds(figures.listing),
    "lost": lambda figures: format_count(figures.lost),
    "runs until none is lost": lambda figures: format_count(figures.runs),
    "calls": lambda figures: format_count(figures.calls),
    "throttled": lambda figures: format_count(figures.throttled),
    "connections": lambda figures: format_count(figures.connections),
    "CPU an account": lambda figures: _milliseconds(figures.cpu),
    "function-seconds": lambda figures: format_count(figures.function_seconds),
    "cost": lambda figures: NO_VALUE if figures.dollars is None else f"${figures.dollars:.4f}",
}


def sections(audits: Mapping[Setting, Sequence[Figures]]) -> Iterable[str]:
    """Yield the sections of the page about audits.

    Args:
        audits: What each candidate took for an audit, RootTasks first, by the setting.
    """
    yield "## Audit\n"
    yield _INTRODUCTION.format(
        list_accounts=LIST_ACCOUNTS.rate,
        documents=ORGANIZATIONS["DescribePolicy"].rate,
        documented=DOCUMENTED_STS.rate,
        low=LOW_STS.rate,
        one_in_n=ONE_IN_N_HAS_CREDENTIALS,
        concurrency=MAX_CONCURRENCY,
        in_parallel=MAX_ACCOUNTS_IN_PARALLEL,
        loop=LOOP_ACCOUNTS,
    )
    for setting, candidates in audits.items():
        yield (
            f"### {setting.accounts:,} accounts, {setting.latency * 1000:.0f} ms a call, "
            f"AssumeRoot {setting.sts.rate:.0f} a second\n"
        )
        yield table(
            tuple(_COLUMNS), ([text(figures) for text in _COLUMNS.values()] for figures in candidates)
        )
    yield "Time is until no account is lost; lost are the accounts without a result in the first run.\n"


def section_of_single_accounts(found: Mapping[Setting, Sequence[Figures]]) -> Iterable[str]:
    """Yield the section of the page about one account of organizations of several sizes.

    Args:
        found: What each candidate took, in the same order for each setting.
    """
    yield "## One account\n"
    yield (
        "The account is in a unit of a unit, and has root credentials. A plan and its execution are those of "
        "the functions, from the start to the report, without Step Functions. Each cell is the time, and the "
        "calls.\n"
    )
    names = [figures.candidate for figures in next(iter(found.values()))]
    yield table(
        ("accounts", *names),
        (
            (
                format_count(setting.accounts),
                *(f"{format_seconds(each.seconds)}, {format_count(each.calls)}" for each in candidates),
            )
            for setting, candidates in found.items()
        ),
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
