"""The root tasks: what each does in the root session of one account.

To add a task, for which AWS must have a policy of root sessions (`root-task/...`):

1. a member of `Task` in `model/task.py`, with the name of that policy, and one of `ItemType` in
   `model/report_schema.py` if the task is about a new kind of thing;
2. a module here with its `TaskDefinition`, and its entry in `DEFINITIONS`;
3. a member of `RootTask` in the constructs' `base/enums.py`, and its entries in the tables there,
   from which the role's permission, the functions and the outputs follow;
4. its calls in `preflight/task_calls.py`; for those of a service other than IAM, S3 or SQS also
   what they act on (`call_of` in `preflight/session_calls.py`) and the condition keys that they
   have (`_BY_SERVICE` in `preflight/condition_keys.py`); and its command in `cli/commands/plan.py`;
5. an option of the templates in `cloudformation/templates.py`;
6. what AWS's policy allows in `local_aws/emulation/task_policies.py`, so that tests can run it, and
   a case in `acceptance/cases`, which compares the emulation with AWS;
7. its input in `docs/reference/machine-interface.md`; then `make docs` and `make snapshots`.
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
