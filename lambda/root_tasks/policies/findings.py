"""What the policies let each root task do in an account, and why a task is denied or undecided there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from scp.evaluate import Decision, strictest

from ..model.report import Action
from ..tasks import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scp.evaluate import Cause, Verdict
    from scp.task import Task

    from ..model.run import Account
    from .check import PolicyCheck


@dataclass(frozen=True, kw_only=True)
class TaskVerdict:
    """What the policies say of a task.

    Attributes:
        task: The task.
        verdicts: Of each call that the task makes.
    """

    task: Task
    verdicts: tuple[Verdict, ...]

    @property
    def decision(self) -> Decision:
        """Denied if a call is denied, otherwise unknown if one is unknown."""
        return strictest({verdict.decision for verdict in self.verdicts})

    def deciding(self) -> Iterator[tuple[Verdict, Cause]]:
        """Yield the calls that decide, each with what it is denied or undecided by."""
        decision = self.decision
        for verdict in self.verdicts:
            if verdict.decision is decision:
                for cause in verdict.causes:
                    yield verdict, cause


@dataclass(frozen=True, kw_only=True)
class CheckedAccount:
    """What the policies let the root tasks do in an account.

    Attributes:
        account: The account.
        verdicts: Of each task.
        root_user_denials: What would deny the root user itself every action, where recovery was checked and
            is not denied.
    """

    account: Account
    verdicts: tuple[TaskVerdict, ...]
    root_user_denials: tuple[Cause, ...] = ()

    @property
    def decision(self) -> Decision:
        """Denied if a task is, otherwise unknown if one is."""
        return strictest({verdict.decision for verdict in self.verdicts})

    @cached_property
    def findings(self) -> list[PolicyFinding]:
        """Why tasks are denied or undecided; the denials first."""
        by_place: dict[tuple[Decision, object], list[tuple[Cause, Task, str]]] = {}
        for task_verdict in self.verdicts:
            for verdict, cause in task_verdict.deciding():
                found = (cause, task_verdict.task, verdict.call.action)
                by_place.setdefault((verdict.decision, cause.place), []).append(found)
        in_order = [
            PolicyFinding(
                cause=found[0][0],
                decision=decision,
                tasks=tuple(dict.fromkeys(task for _, task, _ in found)),
                calls=tuple(dict.fromkeys(action for _, _, action in found)),
            )
            for (decision, _), found in by_place.items()
        ]
        return sorted(in_order, key=lambda finding: finding.decision is not Decision.DENIED)


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """Why tasks are denied or undecided in an account: one statement at one place, or a missing Allow.

    Attributes:
        cause: The statement, and where it is attached.
        decision: Whether it denies or may deny.
        tasks: The tasks, in their order.
        calls: Their calls that it is about, in their order.
    """

    cause: Cause
    decision: Decision
    tasks: tuple[Task, ...]
    calls: tuple[str, ...]


def check_tasks(
    check: PolicyCheck, account: Account, *, unit_ids: tuple[str, ...] | None, tasks: Iterable[Task]
) -> CheckedAccount:
    """Return what policies let tasks do in an account.

    Args:
        check: The policies.
        account: The account.
        unit_ids: The units that it is in, from the root down; None where they are not known.
        tasks: The tasks.
    """
    verdicts = tuple(
        TaskVerdict(
            task=task,
            verdicts=tuple(
                check.verdict(action, account_id=account.account_id, unit_ids=unit_ids)
                for action in DEFINITIONS[task].calls
            ),
        )
        for task in tasks
    )
    recovers = any(
        DEFINITIONS[verdict.task].words.action is Action.ALLOW_RECOVERY
        and verdict.decision is not Decision.DENIED
        for verdict in verdicts
    )
    denials = check.root_user_denials(account_id=account.account_id, unit_ids=unit_ids) if recovers else ()
    return CheckedAccount(account=account, verdicts=verdicts, root_user_denials=denials)
