"""The verdict on root tasks in an account: one result per task, and its causes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from common.identifier import Identifier
from root_tasks.model.run_documents import Account
from root_tasks.model.task import ASSUME_ROOT, Task
from root_tasks.tasks import DEFINITIONS

from .evaluate import Cause, Decision, PolicyCheck, Verdict, strictest
from .task_calls import TASK_CALLS


class TaskResult(Identifier):
    """The verdict on a task in an account; the worst comes first."""

    DENIED = "DENIED"
    PARTLY = "PARTLY"
    UNKNOWN = "UNKNOWN"
    ALLOWED = "ALLOWED"


WORST_FIRST = tuple(TaskResult)


@dataclass(frozen=True, kw_only=True)
class TaskVerdict:
    """The verdict on a task in an account.

    Attributes:
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

    def deciding_causes(self) -> Iterator[tuple[Verdict, Cause]]:
        """Yield each denied call with each of its causes; if none is denied, each undecided one."""
        decision = strictest({call.decision for call in self.calls})
        for call in self.calls:
            if call.decision is decision:
                for cause in call.causes:
                    yield call, cause


@dataclass(frozen=True, kw_only=True)
class DenialCause:
    """A cause of denied or undecided tasks in an account.

    It is one statement at one place, or a missing Allow. For example, DenyRootUsers at the root
    denies delete by iam:DeleteAccessKey and iam:DeleteLoginProfile.

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

    def with_call(self, task: Task, action: str) -> DenialCause:
        """Return the same cause, which also denies one more call of a task."""
        tasks, calls = self.tasks, self.calls
        if task not in tasks:
            tasks += (task,)
        if action not in calls:
            calls += (action,)
        return replace(self, tasks=tasks, calls=calls)


@dataclass(frozen=True, kw_only=True)
class AccountVerdict:
    """The verdict on root tasks in an account."""

    account: Account
    tasks: tuple[TaskVerdict, ...]

    @property
    def result(self) -> TaskResult:
        """The worst result of a task."""
        return min((task.result for task in self.tasks), key=WORST_FIRST.index)

    @property
    def session(self) -> Decision:
        """The strictest decision on opening sessions of its tasks."""
        return strictest({task.session for task in self.tasks})

    @cached_property
    def causes(self) -> list[DenialCause]:
        """The causes of denied or undecided tasks; the worst first."""
        # A statement that denies several calls, or tasks with the same result, is one cause.
        denials: dict[tuple[TaskResult, object], DenialCause] = {}
        for task in self.tasks:
            for verdict, cause in task.deciding_causes():
                key = (task.result, cause.place)
                denial = denials.get(key) or DenialCause(
                    cause=cause, decision=verdict.decision, result=task.result, tasks=(), calls=()
                )
                denials[key] = denial.with_call(task.task, verdict.call.action)
        return sorted(denials.values(), key=lambda denial: WORST_FIRST.index(denial.result))


def judge_account(check: PolicyCheck, account: Account, *, tasks: Iterable[Task]) -> AccountVerdict:
    """Return what policies let tasks do in an account, regardless of what there is to do.

    Args:
        check: The policies.
        account: The account.
        tasks: The tasks.
    """
    judged = tuple(judge_task(check, task, account) for task in tasks)
    return AccountVerdict(account=account, tasks=judged)


def judge_task(check: PolicyCheck, task: Task, account: Account) -> TaskVerdict:
    """Return what policies let a task do in an account: an audit, or a plan and its execution.

    Args:
        check: The policies.
        task: The task.
        account: The account.
    """
    # Ask the policies about every call. A plan is made in sessions of a task that can change
    # nothing, such as an audit's; for some tasks that is the same task, which is asked about once.
    session_tasks = dict.fromkeys((DEFINITIONS[task].plans_in_sessions_of or task, task))
    opening = [
        check.verdict(ASSUME_ROOT, account, task=session_task) for session_task in session_tasks
    ]
    needed = TASK_CALLS[task]
    calls = {action: check.verdict(action, account) for action in needed.all}
    verdicts = opening + list(calls.values())

    # The task is denied as a whole if it needs a call for everything, or a call for each type of
    # what it plans.
    for_everything = opening + [calls[action] for action in needed.for_everything]
    is_type_denied = [
        _is_denied(calls[action] for action in actions) for actions in needed.for_each_type
    ]
    decisions = {verdict.decision for verdict in verdicts}
    # A task without types, such as an audit, has an empty list, of which all would be true.
    if _is_denied(for_everything) or (is_type_denied and all(is_type_denied)):
        result = TaskResult.DENIED
    elif Decision.DENIED in decisions:
        result = TaskResult.PARTLY
    elif Decision.UNKNOWN in decisions:
        result = TaskResult.UNKNOWN
    else:
        result = TaskResult.ALLOWED
    return TaskVerdict(task=task, result=result, calls=tuple(verdicts))


def _is_denied(calls: Iterable[Verdict]) -> bool:
    """Return whether one of some calls is denied."""
    return any(call.decision is Decision.DENIED for call in calls)
