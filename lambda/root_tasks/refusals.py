"""The refusals of a run: each reason, its sentence, and the error that has both."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from aws_calls.failures import CallError
from common.errors import RootAccessError
from common.json_text import truncate_json
from common.untrusted import excerpt, printable

from .model.report_schema import Task

# Step Functions keeps 32 KB of a cause; a person reads less.
MAX_REFUSAL_BYTES = 3000
_MAX_LISTED = 20
_MAX_ENTRY_CHARACTERS = 100
_MAX_VALUE_CHARACTERS = 1000


def _plan_refusal(why: str) -> str:
    """Return the sentence of a plan that cannot be executed; run_id is filled in later."""
    return f"Run {{run_id}} cannot be executed: {why} Create a new plan. Nothing was changed."


def _backup_refusal(why: str) -> str:
    """Return the sentence of a backup that no plan can use; reference is filled in later."""
    return f"The policy of {{reference}} cannot be given back: {why} Nothing was changed."


class _Failing(str):
    """A sentence of a refusal that no other input would have avoided.

    The organization is not as the stack needs it, or what is stored was altered.
    Such an execution fails, so those who watch failures learn of it.
    """

    __slots__ = ()


@dataclass(eq=False)
class StartFailedError(CallError):
    """Raised if a call fails before a run has begun: no account was accessed."""

    account_id: str

    def __str__(self) -> str:
        return f"{printable(super().__str__())} (in account {self.account_id}; nothing was changed)"


class RefusalReason(Enum):
    """The reason for which a run is refused: the sentence, with the names of its data."""

    INPUT_NOT_AN_OBJECT = (
        "The input must be a JSON object, for example {{}} for an audit; got {value}."
    )
    UNKNOWN_KEYS = "Unknown in the input: {keys}. Valid keys: {valid}."
    UNKNOWN_TASK = "Unknown task {value}. Valid tasks: {valid}."
    TASK_NOT_IN_STACK = (
        "This stack does not have the task {task}. Add it to RootTasks(tasks=[{in_code}]) and "
        "deploy."
    )
    KEYS_NOT_ACCEPTED = "{task} does not accept {keys} here. Valid keys: {valid}."
    MISSING_KEY = "{task} needs one of these keys: {keys}."
    INVALID_VALUE = '"{key}" must be {expected}; got {value}.'
    INVALID_ENTRY = '"{key}" must contain {expected}; {value} is not one.'
    ACCOUNTS_NOT_NAMED = '{task} accepts accounts only by their IDs: "accounts": ["222222222222"].'
    EITHER_OR = "Use either {one} or {other}, not both."
    INPUT_NOT_A_PLAN = (
        "Executing a plan acts on exactly what the plan lists: the input must be "
        '{{"plan": "<run ID>"}}, which may have the "reportSha256" of its report.json, '
        '"requestedBy", "reason", and nothing else; got {value}.'
    )
    PLAN_NOT_EXECUTED_HERE = (
        "This state machine audits and plans. To execute a plan, start the Execute state machine "
        'with {{"plan": "<run ID>"}}.'
    )
    OVERRIDE_NOT_ALLOWED = (
        "This stack sets no other policies than those of backups. To use "
        '"policyOverride", deploy RootTasks with allow_policy_override=True.'
    )
    ONE_POLICY = (
        'A plan sets one policy: name exactly one bucket or queue, and either "policyOverride" or '
        '"backup".'
    )
    INVALID_POLICY = '"policyOverride" is not a policy: {error}.'

    NO_ORGANIZATION = _Failing(
        "Account {account_id} is not a member of an organization, so there are no member accounts."
    )
    NOT_AN_ADMINISTRATOR = _Failing(
        "Account {account_id} cannot open root sessions: it is neither the management account nor "
        "a delegated administrator for IAM. If a CentralizedRootAccess lists "
        "delegated_administrators, add the account there, too. Register it in the management "
        "account {management_account_id}: {command}"
    )
    TRUSTED_ACCESS_NOT_ENABLED = _Failing(
        "{task} needs centralized root access, and trusted access for IAM is not enabled in this "
        "organization. Enable it in the management account {management_account_id}: {command}"
    )
    FEATURE_NOT_ENABLED = _Failing(
        "{task} needs the feature {feature}, which is not enabled for this organization. Enable "
        "it in the management account {management_account_id}: {command}"
    )
    NOT_MEMBERS = (
        "Not in organization {organization_id}: {account_ids}. Leave them out, or use "
        "credentials of "
        "their organization. No account was accessed."
    )
    UNIT_NOT_FOUND = (
        "There is no organizational unit {unit}. Name a unit by its ID, its name or its path, as "
        "in Root/Workloads. No account was accessed."
    )
    SEVERAL_UNITS = (
        "{unit} means several units: {candidates}. Use an ID or a longer path. "
        "No account was accessed."
    )
    RECOVERY_UNREAD = _Failing(
        "{warning} Plan again, or leave the account out: --exclude {account_id}. Nothing was "
        "changed."
    )
    NAME_ALREADY_USED = _Failing(
        "An earlier execution named {run_id} already has a report. Start this one under another "
        "name."
    )
    INVALID_NAME = (
        "A run cannot have the name {name}. Start it under one of letters, digits, periods, "
        "hyphens and underscores that begins with a letter or a digit."
    )

    PLAN_NOT_FOUND = _plan_refusal("the Audit state machine has no execution of that name.")
    PLAN_NOT_SUCCEEDED = _plan_refusal("its execution has the status {status}.")
    PLAN_EXPIRED = _plan_refusal("it expired at {expires_at}.")
    NOT_A_PLAN = _plan_refusal("it is not a plan.")
    PLAN_CLAIMED = _plan_refusal("the execution {execution} has claimed it.")
    PLAN_REPORT_ALTERED = _Failing(
        _plan_refusal(
            "the report that was approved is not the one that this run wrote. It may have been "
            "altered."
        )
    )
    PLAN_ALTERED = _Failing(_plan_refusal("its plan was altered after it was created."))
    PLAN_NOT_READABLE = _plan_refusal("another release of this construct created its plan.")

    BACKUP_NOT_FOUND = _backup_refusal(
        "there is no such backup. A RootTasks that was deleted and deployed again, renamed or "
        "moved starts with an empty bucket."
    )
    BACKUP_ALTERED = _Failing(_backup_refusal("it is not what a run stores under this key."))
    NOT_A_BACKUP = _backup_refusal("it is not a backup.")
    BACKUP_OF_ANOTHER = _backup_refusal("it is of {id} in account {account_id}.")


# The keys of what the execution of a refused run holds, which ends as SUCCEEDED in Step Functions.
REFUSED = "refused"
CAUSE = "cause"


class RunRefusedError(RootAccessError):
    """The run cannot start; the message says why, and what to do.

    Attributes:
        reason: Why.
        data: What the sentence names, by the names that its template has.
    """

    def __init__(self, reason: RefusalReason, **data: object) -> None:
        self.reason = reason
        self.data = data
        # The sentence becomes an execution's output or cause: Step Functions limits these.
        sentence = reason.value.format(**{name: _text(value) for name, value in data.items()})
        super().__init__(truncate_json(sentence, max_bytes=MAX_REFUSAL_BYTES))

    @property
    def is_failure(self) -> bool:
        """True if the execution fails, as another input would have failed as well."""
        return isinstance(self.reason.value, _Failing)

    def output(self) -> dict[str, str]:
        """Return the output of an execution that is refused, and does not fail."""
        return {REFUSED: self.reason.name, CAUSE: str(self)}


def task_not_in_stack(task: Task, *, tasks: Iterable[Task]) -> RunRefusedError:
    """Return the refusal of a run of a task for which the stack has no function."""
    in_code = [f"RootTask.{listed.name}" for listed in [*tasks, task]]
    return RunRefusedError(RefusalReason.TASK_NOT_IN_STACK, task=task, in_code=in_code)


def _text(value: object) -> str:
    """Return a value of a refusal in words: the first entries of a list, or a text.

    For example ["a", "b"] → "a, b". What others chose is cut, and has no control characters.
    """
    if isinstance(value, Collection) and not isinstance(value, str):
        listed = [
            excerpt(str(entry), _MAX_ENTRY_CHARACTERS)
            for entry in itertools.islice(value, _MAX_LISTED)
        ]
        text = ", ".join(listed)
        left_out = len(value) - len(listed)
        if left_out:
            text += f" and {left_out:,} more"
        return text
    return excerpt(str(value), _MAX_VALUE_CHARACTERS)
