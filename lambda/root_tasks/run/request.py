"""The input of an execution: what is common to all tasks. The rest is in each task's definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.report_schema import Action, Task
from ..model.run import Assignment, Mode
from ..refusals import RefusalReason, RunRefusedError, task_not_in_stack
from ..tasks import DEFINITIONS
from ..tasks.scope import REQUESTED_BY, TaskInput, parse_requester, quote, require_bounded
from .accounts import Selection
from .plans import INPUT, PLAN

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from ..tasks.scope import Scope

_TASK = "task"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a run is to do.

    Attributes:
        task: The task.
        mode: What the run is for.
        scope: The accounts that it is about, besides those that have an assignment.
        assignments: What to act on, by account.
        planned_action: The action of the plan that it executes; None if there is none, or it does not say.
        executed_plan: The run of the plan that it executes.
        expires_at: From when on no batch may make changes.
        requested_by: The requester, as the input states.
    """

    task: Task
    mode: Mode
    scope: Scope
    assignments: Mapping[str, Assignment]
    planned_action: Action | None = None
    executed_plan: str | None = None
    expires_at: datetime | None = None
    requested_by: str | None = None

    @property
    def full(self) -> bool:
        """Whether it is an audit of every account of the organization."""
        return self.task is Task.AUDIT and self.scope.full

    @property
    def selection(self) -> Selection:
        """The accounts to read: those that it is about, and those that it excludes by their IDs."""
        scope = self.scope
        return Selection(
            all_accounts=scope.all_accounts,
            organizational_units=scope.organizational_units,
            account_ids=scope.member_ids.union(self.assignments),
        )

    @property
    def action(self) -> Action:
        """What the run does: an input, and so a plan, restores policies or removes them, never both."""
        restores = any(target.restore for work in self.assignments.values() for target in work.targets)
        own = DEFINITIONS[self.task].words_of(Action.RESTORE if restores else None).action
        # With nothing planned, no target says it.
        return self.planned_action or own

    def assignment(self, account_id: str) -> Assignment:
        """Return what to do in an account."""
        return self.assignments.get(account_id, Assignment(account_id=account_id))


def parse_request(input_: object, *, tasks: Collection[Task], allow_policy_override: bool) -> Order:
    """Return what an execution's input asks for; without the policies to restore, which only storage knows.

    Args:
        input_: The input.
        tasks: The tasks of the stack.
        allow_policy_override: Whether the input may give a corrected policy.

    Raises:
        RunRefusedError: The stack does not do what it asks for, or it is unclear.
    """
    require_bounded(input_, key=INPUT)
    if not isinstance(input_, dict):
        raise RunRefusedError(RefusalReason.INPUT_NOT_AN_OBJECT, value=quote(input_))
    if PLAN in input_:
        raise RunRefusedError(RefusalReason.PLAN_NOT_EXECUTED_HERE)
    of_tasks = [key for definition in DEFINITIONS.values() for key in definition.input_keys]
    valid = tuple(dict.fromkeys((_TASK, *of_tasks, REQUESTED_BY)))
    if unknown := sorted(set(input_).difference(valid)):
        raise RunRefusedError(RefusalReason.UNKNOWN_KEYS, keys=unknown, valid=valid)
    task = _parse_task(input_.get(_TASK, Task.AUDIT), tasks=tasks)
    values = {key: value for key, value in input_.items() if key != REQUESTED_BY}
    scope = DEFINITIONS[task].parse(
        TaskInput(task=task, values=values, allow_policy_override=allow_policy_override)
    )
    return Order(
        task=task,
        mode=Mode.PLAN if DEFINITIONS[task].makes_changes else Mode.AUDIT,
        scope=scope,
        assignments={assignment.account_id: assignment for assignment in scope.assignments},
        requested_by=parse_requester(input_),
    )


def _parse_task(value: object, *, tasks: Collection[Task]) -> Task:
    if value not in list(Task):
        raise RunRefusedError(RefusalReason.UNKNOWN_TASK, value=quote(value), valid=list(Task))
    task = Task(str(value))
    if task not in tasks:
        raise task_not_in_stack(task, tasks=tasks)
    return task
