"""Which task restores a backup: the report of the run that made it says what it is of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from root_tasks.tasks import DEFINITIONS

from .errors import CommandError
from .executions import RUN_ID
from .reports import StoredReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from root_tasks.model.report import ItemType, Task

    from .flow import Runs

_REFERENCE = re.compile(r"backups/(?P<run_id>[^/\s]{1,80})/.+")


def task_of_backups(runs: Runs, references: Sequence[str]) -> Task:
    """Return the task that removed, and so restores, the policies of backups.

    Raises:
        CommandError: They are of several tasks, or of a run whose report does not name them.
    """
    types = {_type_of(runs, reference) for reference in references}
    if len(types) > 1:
        raise CommandError("One plan restores policies of buckets or of queues: plan them apart.")
    (type_,) = types
    return next(task for task, definition in DEFINITIONS.items() if definition.policy_type is type_)


def _type_of(runs: Runs, reference: str) -> ItemType:
    match = _REFERENCE.fullmatch(reference)
    if match is None or not RUN_ID.fullmatch(match["run_id"]):
        raise CommandError(f"{reference} is not a backup: the report of the run that made it has its key.")
    report = StoredReport.read(runs.files_in(f"executions/{match['run_id']}")).report
    type_ = DEFINITIONS[report.task].policy_type
    if type_ is None:
        raise CommandError(f"Run {match['run_id']} did not remove policies, so it has no backup {reference}.")
    return type_
