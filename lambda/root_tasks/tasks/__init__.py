"""The root tasks: what each does in the root session of one account.

A task is a member of `Task`, a module here, its entry in `DEFINITIONS`, and its calls in the
pre-flight's table.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..model.report_schema import Task
from . import allow_password_recovery, audit_credentials, delete_credentials, unlock_policy
from .task_definition import TaskDefinition

DEFINITIONS: Mapping[Task, TaskDefinition] = {
    Task.AUDIT: audit_credentials.DEFINITION,
    Task.DELETE: delete_credentials.DEFINITION,
    Task.RECOVER: allow_password_recovery.DEFINITION,
    Task.UNLOCK_BUCKET: unlock_policy.BUCKET_DEFINITION,
    Task.UNLOCK_QUEUE: unlock_policy.QUEUE_DEFINITION,
}
