"""The input of an execution: what is common to all tasks. The rest is in each task's definition."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..messages import RefusalReason, RunRefusedError, task_not_in_stack
from ..model.report import Task
from ..tasks import DEFINITIONS
from ..tasks.scope import Scope, TaskInput, quote, require_bounded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TASK = "task"
_PLAN = "plan"
# What the whole input is called in a refusal.
_INPUT = "input"
# Step Functions allows more in the names of executions, but not these.
_RUN_ID = re.compile(r"[^\s/:]{1,80}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an execution is asked to do.

    Attributes:
        task: The task.
        plan: The run ID of the plan to execute; None for an audit, and to create a plan.
        scope: What the input names; nothing where a plan is executed.
    """

    task: Task
    plan: str | None = None
    scope: Scope = field(default_factory=Scope)


def parse_request(
    input_: object, *, tasks: Collection[Task], allow_policy_override: bool, partition: str
) -> Request:
    """Return what an execution's input asks for.

    Args:
        input_: The input.
        tasks: The tasks of the stack.
        allow_policy_override: Whether the input may give a corrected policy.
        partition: The partition that the function runs in, for example aws.

    Raises:
        RunRefusedError: The stack does not do what it asks for, or it is unclear.
    """
    require_bounded(input_, key=_INPUT)
    if not isinstance(input_, dict):
        raise RunRefusedError(RefusalReason.INPUT_NOT_AN_OBJECT, value=quote(input_))
    valid = _valid_keys()
    if unknown := sorted(set(input_).difference(valid)):
        raise RunRefusedError(RefusalReason.UNKNOWN_KEYS, keys=unknown, valid=valid)
    task = _parse_task(input_.get(_TASK, Task.AUDIT), tasks=tasks)
    if _PLAN in input_:
        return Request(task=task, plan=_parse_plan(input_, task))
    scope = DEFINITIONS[task].parse(
        TaskInput(task=task, values=input_, allow_policy_override=allow_policy_override, partition=partition)
    )
    return Request(task=task, scope=scope)


def _valid_keys() -> tuple[str, ...]:
    of_tasks = [key for definition in DEFINITIONS.values() for key in definition.input_keys]
    return tuple(dict.fromkeys((_TASK, *of_tasks, _PLAN)))


def _parse_task(value: object, *, tasks: Collection[Task]) -> Task:
    if value not in list(Task):
        raise RunRefusedError(RefusalReason.UNKNOWN_TASK, value=quote(value), valid=list(Task))
    task = Task(str(value))
    if task not in tasks:
        raise task_not_in_stack(task, tasks=tasks)
    return task


def _parse_plan(input_: Mapping[str, Any], task: Task) -> str:
    if not DEFINITIONS[task].makes_changes:
        raise RunRefusedError(RefusalReason.NOTHING_TO_EXECUTE, task=task)
    if others := sorted(set(input_) - {_TASK, _PLAN}):
        raise RunRefusedError(RefusalReason.PLAN_WITH_OTHER_KEYS, keys=others)
    run_id = input_[_PLAN]
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise RunRefusedError(
            RefusalReason.INVALID_VALUE, key=_PLAN, expected="the run ID of a plan", value=quote(run_id)
        )
    return run_id
