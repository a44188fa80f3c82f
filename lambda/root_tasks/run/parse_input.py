"""The input of an execution: what is common to all tasks. The rest is in each task's definition."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..model.report_schema import Task
from ..refusals import RefusalReason, RunRefusedError, task_not_in_stack
from ..tasks import DEFINITIONS
from ..tasks.request import Request
from ..tasks.task_input import STATED_KEYS, TASK, TaskInput, parse_reason, parse_requester, quote
from .plans import PLAN


def parse_request(input_: object, *, tasks: Collection[Task]) -> Request:
    """Return what an execution's input asks for.

    It does not have the policy of a backup, which only storage knows.

    Args:
        input_: The input.
        tasks: The tasks of the stack.

    Raises:
        RunRefusedError: The stack does not do what it asks for, or it is unclear.
    """
    if not isinstance(input_, dict):
        raise RunRefusedError(RefusalReason.INPUT_NOT_AN_OBJECT, value=quote(input_))
    if PLAN in input_:
        raise RunRefusedError(RefusalReason.PLAN_NOT_EXECUTED_HERE)

    # A key that no task has may be misspelled: a run that ignored it would do something else.
    known_keys = [TASK]
    for definition in DEFINITIONS.values():
        known_keys += definition.input_keys
    known_keys += STATED_KEYS
    unknown = sorted(set(input_).difference(known_keys))
    if unknown:
        # Several tasks have the same keys.
        valid = tuple(dict.fromkeys(known_keys))
        raise RunRefusedError(RefusalReason.UNKNOWN_KEYS, keys=unknown, valid=valid)

    # The rest is read by the task. Who asks, and why, is stated with any task.
    task = _parse_task(input_.get(TASK, Task.AUDIT), tasks=tasks)
    values = {key: value for key, value in input_.items() if key not in STATED_KEYS}
    task_input = TaskInput(task=task, values=values)
    task_input.require_no_other_keys(*DEFINITIONS[task].input_keys)
    request = DEFINITIONS[task].parse(task_input)
    return replace(request, requested_by=parse_requester(input_), reason=parse_reason(input_))


def _parse_task(value: object, *, tasks: Collection[Task]) -> Task:
    """Return the task that an input names, if the stack has it."""
    if value not in list(Task):
        raise RunRefusedError(RefusalReason.UNKNOWN_TASK, value=quote(value), valid=list(Task))
    task = Task(str(value))
    if task not in tasks:
        raise task_not_in_stack(task, tasks=tasks)
    return task
