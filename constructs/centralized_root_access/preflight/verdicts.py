"""The verdict on root tasks in an account: one result per task, and its causes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from common.identifier import Identifier
from root_tasks.model.task import ASSUME_ROOT
from root_tasks.tasks import DEFINITIONS

from .evaluate import Decision, strictest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from root_tasks.model.run import Account
    from root_tasks.model.task import Task

    from .evaluate import Cause, PolicyCheck, Verdict


class TaskResult(Identifier):
    """The verdict on a task in an account; the worst comes first."""

    DENIED = "DENIED"
    PARTLY = "PARTLY"
    UNKNOWN = "UNKNOWN"
    ALLOWED = "ALLOWED"


@dataclass(frozen=True, kw_only=True)
class TaskVerdict:
    """The verdict on a task in an account.

    Attributes:
        task: The task.
        result: Denied if nothing of it is possible, partly if a part of it is denied.
        calls: The calls that open its sessions, and those in them.
    """

    task: Task
    result: TaskResult
    calls: tuple[Verdict, ...]

    @property
    def session(self) -> Decision:
        """The decision on opening its sessions."""
        return strictest({call.decision for call in self.calls if call.call.action == ASSUME_ROOT})

    def deciding(self) -> Iterator[tuple[Verdict, Cause]]:
        """Yield the calls that are denied, otherwise those that are undecided, each with its causes."""
        decision = strictest({call.decision for call in self.calls})
        for call in self.calls:
            if call.decision is decision:
                for cause in call.causes:
                    yield call, cause


@dataclass(frozen=True, kw_only=True)
class DenialCause:
    """A cause of denied or undecided tasks in an account: one statement at one place, or a missing Allow.

    Attributes:
        cause: The statement, and where it is attached.
        decision: Whether it denies or may deny.
        result: What the policies let the tasks do.
        tasks: The tasks with this result, in their order.
        calls: Their calls that it is about, in their order.
    """

    cause: Cause
    decision: Decision
    result: TaskResult
    tasks: tuple[Task, ...]
    calls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AccountVerdict:
    """The verdict on root tasks in an account.

    Attributes:
        account: The account.
        tasks: The tasks.
    """

    account: Account
    tasks: tuple[TaskVerdict, ...]

    @property
    def result(self) -> TaskResult:
        """The worst result of a task; allowed if there is none."""
        return min(
            (task.result for task in self.tasks),
            key=[*TaskResult].index,
            default=TaskResult.ALLOWED,
        )

    @property
    def session(self) -> Decision:
        """The strictest decision on opening sessions of its tasks."""
        return strictest({task.session for task in self.tasks})

    @cached_property
    def causes(self) -> list[DenialCause]:
        """The causes of denied or undecided tasks; the worst first."""
        by_place: dict[tuple[TaskResult, object], list[tuple[Verdict, Cause, Task]]] = {}
        for task in self.tasks:
            for call, cause in task.deciding():
                by_place.setdefault((task.result, cause.place), []).append((call, cause, task.task))
        in_order = [
            DenialCause(
                cause=found[0][1],
                decision=found[0][0].decision,
                result=result,
                tasks=tuple(dict.fromkeys(task for _, _, task in found)),
                calls=tuple(dict.fromkeys(call.call.action for call, _, _ in found)),
            )
            for (result, _), found in by_place.items()
        ]
        return sorted(in_order, key=lambda cause: [*TaskResult].index(cause.result))


def judge_account(check: PolicyCheck, account: Account, *, tasks: Iterable[Task]) -> AccountVerdict:
    """Return what policies let tasks do in an account, regardless of what there is to do.

    Args:
        check: The policies.
        account: The account.
        tasks: The tasks.
    """
    return AccountVerdict(
        account=account, tasks=tuple(judge_task(check, task, account) for task in tasks)
    )


def judge_task(check: PolicyCheck, task: Task, account: Account) -> TaskVerdict:
    """Return what policies let a task do in an account: an audit, or a plan and its execution.

    Args:
        check: The policies.
        task: The task.
        account: The account.
    """
    definition = DEFINITIONS[task]
    # A plan has sessions of its own, in which nothing can be changed.
    sessions = dict.fromkeys((definition.planned_by or task, task))
    opening = [check.verdict(ASSUME_ROOT, account, task=session) for session in sessions]
    calls = {action: check.verdict(action, account) for action in definition.calls}
    types = definition.item_types or filter(None, [definition.policy_type])
    by_type = [[calls[action] for action in definition.necessary_calls(type_)] for type_ in types]
    necessary = [*opening, *(calls[action] for action in definition.necessary_reads)]
    verdicts = (*opening, *calls.values())
    decisions = {verdict.decision for verdict in verdicts}
    if _is_denied(necessary) or (by_type and all(map(_is_denied, by_type))):
        result = TaskResult.DENIED
    elif Decision.DENIED in decisions:
        result = TaskResult.PARTLY
    else:
        result = TaskResult.UNKNOWN if Decision.UNKNOWN in decisions else TaskResult.ALLOWED
    return TaskVerdict(task=task, result=result, calls=verdicts)


def _is_denied(calls: Collection[Verdict]) -> bool:
    return any(call.decision is Decision.DENIED for call in calls)
