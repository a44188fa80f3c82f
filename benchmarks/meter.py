"""Measures audits: from here, and by aws-root-manager."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.stand_in import Scenario, StandIn
from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID
from root_tasks.model.report_schema import Outcome


class AuditFailedError(Exception):
    """An audit failed or had a wrong result, so its numbers would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The numbers of one client, in one run.

    Attributes:
        seconds: The time.
        lost: The accounts without a result.
        calls: The calls that reached the stand-in.
        throttled: The throttled ones among them.
        cpu: The CPU time per account.
    """

    seconds: float
    lost: int = 0
    calls: int
    throttled: int
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An audit of the same accounts by the command line, and by the peer if there is one.

    Each has the median of its runs by time.
    """

    scenario: Scenario
    one_account: bool
    from_here: Figures
    peer: Figures | None


class Meter:
    """Measures audits.

    Args:
        stand_in: The stand-in for AWS.
        peer: The binary of aws-root-manager.
    """

    def __init__(self, stand_in: StandIn, *, peer: Path | None = None) -> None:
        self._peer = peer
        self._stand_in = stand_in

    def compare(
        self, scenario: Scenario, *, one_account: bool = False, times: int = 1
    ) -> Comparison:
        """Audit an organization, or only its first member, from here and by the peer in turn.

        Raises:
            AuditFailedError: An account is missing in the report, or has a wrong outcome.
        """
        expected = correct_outcomes(scenario)
        chosen = scenario.member_ids[:1] if one_account else ()
        if chosen:
            expected = {account_id: expected[account_id] for account_id in chosen}
        scenario = replace(scenario, status=self._peer is not None)
        ours, peers = [], []
        for _ in range(times):
            ours.append(self._audit_from_here(scenario, chosen, expected))
            if self._peer is not None:
                peers.append(self._audit_by_peer(self._peer, scenario, chosen))
        return Comparison(
            scenario=scenario,
            one_account=one_account,
            from_here=_median_by_time(ours),
            peer=_median_by_time(peers) if peers else None,
        )

    def _audit_from_here(
        self, scenario: Scenario, chosen: Sequence[str], expected: Mapping[str, Outcome]
    ) -> Figures:
        """Audit accounts by the command line; none chosen stands for all."""
        command = ["-m", "centralized_root_access", "audit", "--from-here", "--format", "json"]
        command += [f"--account={account_id}" for account_id in chosen]
        # An account has credentials.
        report, figures = self._run_command(
            scenario, sys.executable, *command, exit_code=1, accounts=len(expected)
        )
        require_outcomes(report["results"], expected=expected)
        return figures

    def _audit_by_peer(self, peer: Path, scenario: Scenario, chosen: Sequence[str]) -> Figures:
        """Audit accounts by aws-root-manager; none chosen stands for all."""
        command = (str(peer), "audit", "--output", "json", "--accounts", ",".join(chosen) or "all")
        accounts = len(chosen) or scenario.members
        found, figures = self._run_command(scenario, *command, accounts=accounts)
        return replace(figures, lost=accounts - len(found))

    def _run_command(
        self, scenario: Scenario, *command: str, accounts: int, exit_code: int | None = None
    ) -> tuple[Any, Figures]:
        """Run a command for a number of accounts; return its output and its figures."""
        self._stand_in.begin(scenario)
        started_at, cpu = time.monotonic(), _cpu_of_processes()
        finished = subprocess.run(
            command, env=self._stand_in.environment, check=False, capture_output=True, text=True
        )
        seconds = time.monotonic() - started_at
        try:
            output = json.loads(finished.stdout)
        except json.JSONDecodeError as error:
            raise AuditFailedError(f"{command} has no result: {finished.stderr[-2000:]}") from error
        if exit_code not in (None, finished.returncode):
            raise AuditFailedError(f"{command} ended with {finished.returncode}")
        traffic = self._stand_in.traffic()
        return output, Figures(
            seconds=seconds,
            calls=sum(traffic.calls.values()),
            throttled=sum(traffic.throttled.values()),
            cpu=(_cpu_of_processes() - cpu) / accounts,
        )


def _median_by_time(figures: list[Figures]) -> Figures:
    """Return the run whose time is the median."""
    return sorted(figures, key=lambda run: run.seconds)[len(figures) // 2]


def _cpu_of_processes() -> float:
    """Return the CPU time of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def correct_outcomes(scenario: Scenario) -> dict[str, Outcome]:
    """Return the outcome that each account has to have."""
    return {
        MANAGEMENT_ACCOUNT_ID: Outcome.PROTECTED,
        **{
            id_: Outcome.HAS_CREDENTIALS if scenario.has_credentials(id_) else Outcome.CLEAN
            for id_ in scenario.member_ids
        },
    }


def require_outcomes(
    results: Sequence[Mapping[str, Any]], *, expected: Mapping[str, Outcome]
) -> None:
    """Require a report that has each account once, with its outcome.

    Raises:
        AuditFailedError: An account is missing, has two results, or another outcome.
    """
    found = {result["accountId"]: result["outcome"] for result in results}
    if found != expected or len(results) != len(expected):
        wrong = sorted(dict(found.items() ^ expected.items()))
        raise AuditFailedError(
            f"{len(results)} results for {len(expected)} accounts; wrong outcomes: {wrong}"
        )
