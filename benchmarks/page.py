"""The page with the measurements."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.limits import ASSUME_ROOT, ORGANIZATIONS
from benchmarks.meter import Comparison, Figures
from benchmarks.stand_in import ONE_IN_N_HAS_CREDENTIALS, Scenario
from benchmarks.stand_in_aws import UNITS
from root_tasks.aws.invocation import MAX_ENTRIES_PER_PAGE

_PEERS_COLUMNS = (
    "aws-root-manager",
    "its calls",
    "its throttled",
    "its CPU per account",
    "lost",
    "from here / aws-root-manager",
)
_VERSIONS = ("boto3", "moto")

_INTRODUCTION = """\
# Benchmarks

`make bench` measures audits from here, and writes this page up to *Deployed*; `make bench
PEER=path` also measures a binary of
[aws-root-manager](https://github.com/unicrons/aws-root-manager).

AWS is a stand-in for STS, IAM and Organizations that is made for load, over TLS. Its organization
has {units} units in two levels. Lists have AWS's pages, and each call of Organizations has the
limit that AWS documents: ListAccounts {list_accounts:.0f} a second. AWS has published no limit for
AssumeRoot: {assume_root:.0f} a second is that of STS's other
calls. One account in {one_in_n} has root credentials. Clients trust the authorities of the SDKs,
and the stand-in's. `stand_in.py` says where it is still kinder than AWS.

Measured on {day}, on {machine} with a load of {load:.1f} before; {versions}.

## Audit

`audit --from-here`{peer}, each as a process of its own{in_turn}. The time is the median of five
runs, of three for 300 accounts, and of one for more. *ListAccounts* is the time of its pages,
which come one after the other: no audit of all accounts is faster.
"""

_PEER = """\
aws-root-manager makes five calls in each account, and names no units. *Lost* are the accounts
without a result; from here none is. It still needs the `Status` of an account, which AWS no
longer sends and the stand-in does.
"""


@dataclass(kw_only=True)
class Measurements:
    """All measurements; the load is that of the machine before, which makes the times longer.

    Attributes:
        peer: The version of aws-root-manager, if it was measured.
    """

    peer: str | None = None
    from_here: list[Comparison] = field(default_factory=list)
    load: float = 0.0


def page(measurements: Measurements) -> str:
    """Return the page."""
    return "\n".join(_parts_of_page(measurements))


def _parts_of_page(measurements: Measurements) -> Iterable[str]:
    """Yield the texts and tables of the page."""
    versions = [f"{name} {version(name)}" for name in _VERSIONS]
    yield _INTRODUCTION.format(
        units=len(UNITS),
        list_accounts=ORGANIZATIONS["ListAccounts"].rate,
        assume_root=ASSUME_ROOT.rate,
        one_in_n=ONE_IN_N_HAS_CREDENTIALS,
        load=measurements.load,
        day=datetime.now(UTC).date(),
        peer=f" and aws-root-manager {measurements.peer}" if measurements.peer else "",
        in_turn=", in turn" if measurements.peer else "",
        machine=f"{os.cpu_count()} cores ({platform.system()}, {platform.machine()})",
        versions=f"Python {platform.python_version()}, {', '.join(versions)}",
    )
    columns = ["", "ListAccounts", "from here", "calls", "throttled", "CPU per account"]
    if measurements.peer:
        yield _PEER
        columns += _PEERS_COLUMNS
    # The columns after the first are aligned to the right.
    rules = ["---", *["---:"] * (len(columns) - 1)]
    rows = (columns, rules, *map(_comparison_row, measurements.from_here))
    yield "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def _comparison_row(comparison: Comparison) -> Sequence[str]:
    """Return the cells of an audit from here, and of the peer's if there is one."""
    ours, peer, scenario = comparison.from_here, comparison.peer, comparison.scenario
    chosen = "one of " if comparison.one_account else ""
    row = (
        f"{chosen}{scenario.members:,} accounts, {_milliseconds(scenario.latency)} a call",
        "" if chosen else f"{_seconds_of_list_accounts(scenario):.2f} s",
        *_cells_of_figures(ours),
    )
    if peer is None:
        return row
    return *row, *_cells_of_figures(peer), f"{peer.lost:,}", f"{ours.seconds / peer.seconds:.2f}"


def _seconds_of_list_accounts(scenario: Scenario) -> float:
    """Return the least time of all pages of ListAccounts, by AWS's limit and latency."""
    # With the management account.
    pages: int = math.ceil((scenario.members + 1) / MAX_ENTRIES_PER_PAGE)
    limit = ORGANIZATIONS["ListAccounts"]
    return max(pages * scenario.latency, (pages - limit.burst) / limit.rate)


def _cells_of_figures(figures: Figures) -> Sequence[str]:
    """Return the cells of the figures that all tables have."""
    return (
        f"{figures.seconds:.2f} s",
        f"{figures.calls:,}",
        f"{figures.throttled:,}",
        _milliseconds(figures.cpu),
    )


def _milliseconds(seconds: float) -> str:
    """Return a time as a cell has it."""
    return f"{seconds * 1000:.0f} ms"
