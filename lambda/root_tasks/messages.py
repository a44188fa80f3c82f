"""What the root tasks say to people: why a run is refused, why an account is skipped, what to do."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from datetime import UTC
from enum import StrEnum, auto
from typing import TYPE_CHECKING

from aws_calls.errors import RootAccessError, truncate_json
from aws_calls.failures import Failure, FailureKind, describe
from aws_calls.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from scp.evaluate import Cause, Verdict

    from .model.report import Preflight, Task

MANAGEMENT_ACCOUNT = "Root sessions are not supported for the management account."
PROTECTED = "The stack lists this account in protected_accounts."
NO_LONGER_A_MEMBER = "The account is no longer in the organization."
NO_RESULT_LOOKING = "Its batch ended without a result. Nothing was changed."
NO_RESULT_ACTING = (
    "Its batch ended without a result: the task may have been partially completed. Audit this account."
)
DAMAGED_RESULT_LOOKING = "The result of its batch is damaged. Nothing was changed."
DAMAGED_RESULT_ACTING = (
    "The result of its batch is damaged: the task may have been completed, or not. Audit this account."
)
EXPIRED = "Not attempted: the plan expired before this account's turn. Create a new plan."
DETAILS_UNAVAILABLE = "Some details could not be read."
MFA_STAYS = "Not deactivated: a password, an access key or a signing certificate still exists."
MFA_NOT_CHECKED = "Not deactivated: whether other credentials still exist could not be read."
UNEXPECTED_ERROR = "An error that this release does not expect:"
AUDIT_THIS_ACCOUNT = "The task may have been partially completed. Audit this account."
MFA_LEFT_OUT = "Left out: an MFA device is deactivated only once no other credential is left."
PASSWORD_REPLACED = "Not deleted: this password was created after the plan. Create a new plan."
PASSWORD_NOT_CHECKED = "Not deleted: whether it is the planned password could not be read."
NOT_IN_PLAN = "Left unchanged: it is not in the plan."
OTHERS_NOT_READ = "Whether other credentials exist could not be read."
LAST_USE_UNREAD = (
    "Left out: whether it is in use could not be read. To plan it anyway: --include-in-use, or "
    '"includeInUse": true in the input.'
)
LAST_USE_UNKNOWN = "Whether it is in use could not be read."
NO_SESSION = "Not attempted: there is no root session."
NO_SESSION_OPENED = "No root session was opened."
CHANGED_SINCE_PLAN = "The policy has changed since the plan. Create a new plan."
CHANGED_SINCE_BACKUP = "A policy has been attached since; restoring would overwrite it."
NO_SUCH_BUCKET = "The account does not have a bucket with this name."
POLICY_LOST = "The policy cannot be read: it would be removed without a backup."
POLICY_UNREADABLE = (
    "The policy cannot be read, so it cannot be backed up. To remove it anyway: --skip-backup, or "
    '"skipBackup": true in the input.'
)
BACKUP_EXISTS = (
    "Not removed: something else is stored where this backup belongs. Create a new plan and execute it."
)
RUN_NOT_KNOWN = "The bucket does not have this run."
EXECUTION_DENIED = "Its execution is of another state machine, or this one may not read it."
EXECUTION_GONE = "Step Functions does not have its execution, which it keeps for 90 days."
EXECUTION_NOT_ENDED = "Its execution has not ended."
EXECUTION_WITHOUT_REPORT = "Its execution does not hold the SHA-256 of a report."
REPORT_UNREADABLE = "Its report cannot be read."
BATCH_LOST = "The batch of this account ended without a result."
CORRECTED_POLICY = "A corrected policy, not the one of the backup."
REMOVED_WITHOUT_BACKUP = "Removed without a backup: the policy could not be read."


# Step Functions keeps 32 KB of a cause; a person reads less.
MAX_REFUSAL_BYTES = 3000
_MAX_LISTED = 20
_MAX_LISTED_CHARACTERS = 100
_MAX_VALUE_CHARACTERS = 1000
_MAX_KEY_CHARACTERS = 200
# The longest that Organizations allows.
_MAX_NAME_CHARACTERS = 128
_MAX_CAUSES = 3
_EXEMPT_ROOT_SESSIONS = (
    'To exempt root sessions, add the condition "Null": {"aws:AssumedRoot": "true"} to the statement.'
)
_ALLOW_IT = "Allow it there, at least in root sessions."
_DENIED_ON_PURPOSE = (
    "{} statement denies root sessions on purpose. Detach its policy from this account, or except it."
)
_PREFLIGHT_SHOWS = "The command `centralized-root-access preflight` shows the statement and its change."


class RefusalReason(StrEnum):
    """Why a run is refused."""

    INPUT_TOO_LARGE = auto()
    INPUT_TOO_DEEP = auto()
    INPUT_NOT_UNICODE = auto()
    INPUT_NOT_AN_OBJECT = auto()
    UNKNOWN_KEYS = auto()
    UNKNOWN_TASK = auto()
    TASK_NOT_IN_STACK = auto()
    KEYS_NOT_ACCEPTED = auto()
    MISSING_KEY = auto()
    INVALID_VALUE = auto()
    INVALID_ENTRY = auto()
    ACCOUNTS_NOT_NAMED = auto()
    ALL_ACCOUNTS_AND_UNITS = auto()
    INPUT_NOT_A_PLAN = auto()
    PLAN_NOT_EXECUTED_HERE = auto()
    QUEUE_IN_ANOTHER_PARTITION = auto()
    OVERRIDE_NOT_ALLOWED = auto()
    OVERRIDE_OF_SEVERAL_BACKUPS = auto()
    OVERRIDE_NOT_JSON = auto()

    NO_ORGANIZATION = auto()
    NOT_AN_ADMINISTRATOR = auto()
    TRUSTED_ACCESS_NOT_ENABLED = auto()
    FEATURE_NOT_ENABLED = auto()
    NOT_MEMBERS = auto()
    UNIT_NOT_FOUND = auto()
    SEVERAL_UNITS = auto()
    NAME_ALREADY_USED = auto()
    NOT_AN_EXECUTION = auto()
    CALL_FAILED = auto()

    PLAN_NOT_FOUND = auto()
    PLAN_NOT_SUCCEEDED = auto()
    PLAN_EXPIRED = auto()
    NOT_A_PLAN = auto()
    PLAN_FROM_THE_FUTURE = auto()
    PLAN_ALREADY_EXECUTED = auto()
    PLAN_REPORT_ALTERED = auto()
    PLAN_ALTERED = auto()
    PLAN_NOT_READABLE = auto()
    PLAN_RESTORES_BACKUP_OF_SAME_NAME = auto()

    BACKUP_NOT_FOUND = auto()
    BACKUP_ALTERED = auto()
    NOT_A_BACKUP = auto()
    BACKUP_OF_ANOTHER_TYPE = auto()
    BACKUP_OF_FOREIGN_RUN = auto()
    BACKUP_REPORT_ALTERED = auto()
    BACKUP_NOT_IN_REPORT = auto()


def _plan_refusal(why: str) -> str:
    return f"Run {{run_id}} cannot be executed: {why} Create a new plan. Nothing was changed."


def _backup_refusal(why: str) -> str:
    return f"{{reference}} cannot be restored: {why} Nothing was changed."


# The sentence of each reason, with the names of its data.
_SENTENCES = {
    RefusalReason.INPUT_TOO_LARGE: '"{key}" is larger than {max_bytes} bytes.',
    RefusalReason.INPUT_TOO_DEEP: '"{key}" is nested too deeply.',
    RefusalReason.INPUT_NOT_UNICODE: '"{key}" contains half of a surrogate pair, which is not Unicode text.',
    RefusalReason.INPUT_NOT_AN_OBJECT: (
        "The input must be a JSON object, for example {{}} for an audit; got {value}."
    ),
    RefusalReason.UNKNOWN_KEYS: "Unknown in the input: {keys}. Valid keys: {valid}.",
    RefusalReason.UNKNOWN_TASK: "Unknown task {value}. Valid tasks: {valid}.",
    RefusalReason.TASK_NOT_IN_STACK: (
        "{task} is not enabled in this stack. Add it to RootTasks(tasks=[{in_code}]) and deploy."
    ),
    RefusalReason.KEYS_NOT_ACCEPTED: "{task} does not accept {keys} here. Valid keys: {valid}.",
    RefusalReason.MISSING_KEY: "{task} needs one of the keys {keys}.",
    RefusalReason.INVALID_VALUE: '"{key}" must be {expected}; got {value}.',
    RefusalReason.INVALID_ENTRY: '"{key}" must contain {expected}; {value} is not one.',
    RefusalReason.ACCOUNTS_NOT_NAMED: (
        '{task} accepts accounts only by their IDs: "accounts": ["222222222222"].'
    ),
    RefusalReason.ALL_ACCOUNTS_AND_UNITS: (
        'Use either "accounts": "all" or "organizationalUnits", not both.'
    ),
    RefusalReason.INPUT_NOT_A_PLAN: (
        'Executing a plan acts on exactly what the plan lists: the input must be {{"plan": "<run ID>"}}, '
        'which may have the "reportSha256" of its report.json, and nothing else; got {value}.'
    ),
    RefusalReason.PLAN_NOT_EXECUTED_HERE: (
        "This state machine audits and plans. To execute a plan, start the Execute state machine with "
        '{{"plan": "<run ID>"}}.'
    ),
    RefusalReason.QUEUE_IN_ANOTHER_PARTITION: (
        "{queue} is in another partition: this stack acts in the partition {partition} only."
    ),
    RefusalReason.OVERRIDE_NOT_ALLOWED: (
        'This stack restores backups unchanged. To use "policyOverride", deploy RootTasks with '
        "allow_policy_override=True."
    ),
    RefusalReason.OVERRIDE_OF_SEVERAL_BACKUPS: (
        '"policyOverride" replaces the policy of one backup: list exactly one in "restore".'
    ),
    RefusalReason.OVERRIDE_NOT_JSON: '"policyOverride" is not valid JSON: {error}.',
    RefusalReason.NO_ORGANIZATION: (
        "Account {account_id} is not a member of an organization, so there are no member accounts."
    ),
    RefusalReason.NOT_AN_ADMINISTRATOR: (
        "Account {account_id} cannot open root sessions: it is neither the management account nor a "
        "delegated administrator for IAM. Add it to delegated_administrators of the construct "
        "CentralizedRootAccess in the management account {management_account_id}, or deploy this stack there."
    ),
    RefusalReason.TRUSTED_ACCESS_NOT_ENABLED: (
        "{task} needs centralized root access, and trusted access for IAM is not enabled in this "
        "organization. Deploy the construct CentralizedRootAccess in the management account "
        "{management_account_id}."
    ),
    RefusalReason.FEATURE_NOT_ENABLED: (
        "{task} needs the feature {feature}, which is not enabled for this organization. Deploy the "
        "construct CentralizedRootAccess with it in the management account {management_account_id}."
    ),
    RefusalReason.NOT_MEMBERS: (
        "{account_ids}: not in organization {organization_id}. No account was accessed."
    ),
    RefusalReason.UNIT_NOT_FOUND: (
        '"organizationalUnits": {unit} is neither the ID nor the path of an organizational unit. No account '
        "was accessed."
    ),
    RefusalReason.SEVERAL_UNITS: (
        '"organizationalUnits": {unit} means several units: {candidates}. Use an ID or a longer path. No '
        "account was accessed."
    ),
    RefusalReason.NAME_ALREADY_USED: (
        "An earlier execution named {run_id} already has a report. Start this one under another name."
    ),
    RefusalReason.NOT_AN_EXECUTION: (
        "Execution {execution} is not running. Start the state machine instead of its functions."
    ),
    RefusalReason.CALL_FAILED: "{failure} (in account {account_id}; no account was accessed)",
    RefusalReason.PLAN_NOT_FOUND: _plan_refusal("the Audit state machine has no execution of that name."),
    RefusalReason.PLAN_NOT_SUCCEEDED: _plan_refusal("its execution has the status {status}."),
    RefusalReason.PLAN_EXPIRED: _plan_refusal("it is older than {lifetime}."),
    RefusalReason.NOT_A_PLAN: _plan_refusal("it is not a plan."),
    RefusalReason.PLAN_FROM_THE_FUTURE: _plan_refusal("it was created after this execution started."),
    RefusalReason.PLAN_ALREADY_EXECUTED: _plan_refusal("another execution has executed it already."),
    RefusalReason.PLAN_REPORT_ALTERED: _plan_refusal(
        "the report that was approved is not the one that this run wrote. Somebody may have altered it."
    ),
    RefusalReason.PLAN_ALTERED: _plan_refusal("its plan was altered after it was created."),
    RefusalReason.PLAN_NOT_READABLE: _plan_refusal("another release of this construct created its plan."),
    RefusalReason.PLAN_RESTORES_BACKUP_OF_SAME_NAME: (
        "Run {run_id} restores a backup that names the run {name}: an execution of that name would seem to "
        "have made it. Start it under another name. Nothing was changed."
    ),
    RefusalReason.BACKUP_NOT_FOUND: _backup_refusal("there is no such backup."),
    RefusalReason.BACKUP_ALTERED: _backup_refusal("it was altered after it was created."),
    RefusalReason.NOT_A_BACKUP: _backup_refusal("it is not a backup."),
    RefusalReason.BACKUP_OF_ANOTHER_TYPE: _backup_refusal("it is of a {type}, and the task is {task}."),
    RefusalReason.BACKUP_OF_FOREIGN_RUN: _backup_refusal(
        "executions/{run_id}/run.json names an execution that is not of this run, account and Region."
    ),
    RefusalReason.BACKUP_REPORT_ALTERED: _backup_refusal(
        "executions/{run_id}/report.json was altered after the run wrote it."
    ),
    RefusalReason.BACKUP_NOT_IN_REPORT: _backup_refusal(
        "run {run_id} did not make it, as its report does not list it."
    ),
}


class RunRefusedError(RootAccessError):
    """Raised where a run cannot start; the message says why, and what to do.

    Attributes:
        reason: Why.
        data: What the sentence names, by the names that its template has.
    """

    def __init__(self, reason: RefusalReason, **data: object) -> None:
        self.reason = reason
        self.data = data
        sentence = _SENTENCES[reason].format(**{name: _text(value) for name, value in data.items()})
        super().__init__(truncate_json(sentence, max_bytes=MAX_REFUSAL_BYTES))


def task_not_in_stack(task: Task, *, tasks: Collection[Task]) -> RunRefusedError:
    """Return the refusal of a task for which the stack has no function."""
    in_code = [f"RootTask.{each.name}" for each in (*tasks, task)]
    return RunRefusedError(RefusalReason.TASK_NOT_IN_STACK, task=task, in_code=in_code)


def describe_with_hint(failure: Failure) -> str:
    """Return a failed call with AWS's code and message, and its likely cause."""
    return " ".join(filter(None, (describe(failure), hint(failure))))


def hint(failure: Failure) -> str | None:
    """Return the likely cause of a failure in a member account; None where it is not known."""
    if failure.kind is FailureKind.ACCESS_DENIED and "service control policy" in failure.message:
        return (
            "A service control policy denies this account's root user, and root sessions with it. To exempt "
            'root sessions, add the condition "Null": {"aws:AssumedRoot": "true"} to its statement.'
        )
    # These cover S3, SQS and STS, and so the root sessions in whatever account they act.
    if failure.kind is FailureKind.ACCESS_DENIED and "resource control policy" in failure.message:
        return (
            "A resource control policy denies this account's root user, and root sessions with it. To exempt "
            'root sessions, add the condition "Null": {"aws:AssumedRoot": "true"} to its statement.'
        )
    if failure.name == "RegionDisabled":
        return (
            "This account has not enabled the stack's Region. Deploy RootTasks in a Region that is enabled "
            "by default, for example us-east-1."
        )
    return None


def describe_preflight(preflight: Preflight) -> str:
    """Return what a run's pre-flight came to."""
    if not preflight.checked:
        return f"Skipped: the organization's policies could not be checked. {preflight.reason}"
    found = [
        f"{_accounts(preflight.denied)} denied by policies" if preflight.denied else "",
        f"{_accounts(preflight.unknown)} undecided" if preflight.unknown else "",
    ]
    return ", ".join(filter(None, found)) or "No policy denies the task"


def denial_reason(verdict: Verdict) -> str:
    """Return which policies deny a call, and where they are attached. People chose their names."""
    causes = verdict.causes[:_MAX_CAUSES]
    more = len(verdict.causes) - len(causes)
    sentences = [NO_SESSION_OPENED, *(denial_cause(cause, action=verdict.call.action) for cause in causes)]
    return " ".join([*sentences, *([f"So do {more} more."] if more else [])])


def denial_cause(cause: Cause, *, action: str) -> str:
    """Return which policy denies a call, and where it is attached."""
    policies = cause.policy_type.lower().replace("_", " ")
    place = _name_and_id(cause.level.name, cause.level.target_id)
    if cause.policy is None or cause.statement is None:
        return f"No {policies} attached to {place} allows {action}."
    statement = cause.statement.sid or f"number {cause.statement.number}"
    return (
        f"The {policies} {_name_and_id(cause.policy.name, cause.policy.policy_id)}, statement "
        f"{excerpt(statement, _MAX_LISTED_CHARACTERS)}, attached to {place}, denies {action}."
    )


def denial_hint(verdict: Verdict) -> str:
    """Return what would mend a denial by policies."""
    on_purpose = [each.is_about_root_sessions for each in verdict.causes if each.statement is not None]
    changes = [
        "" if all(on_purpose) else _EXEMPT_ROOT_SESSIONS,
        _ALLOW_IT if len(on_purpose) < len(verdict.causes) else "",
    ]
    sentences = [*changes, _PREFLIGHT_SHOWS] if any(changes) else []
    if any(on_purpose):
        sentences.append(_DENIED_ON_PURPOSE.format("Another" if any(changes) else "The"))
    return " ".join(filter(None, sentences))


def _accounts(count: int) -> str:
    return f"{count:,} {'account' if count == 1 else 'accounts'}"


def _name_and_id(name: str, id_: str) -> str:
    return f"{excerpt(name, _MAX_NAME_CHARACTERS)} ({id_})" if name else id_


def contradiction(summary_call: str, listing_call: str) -> str:
    """Return that a list is empty although the account's summary has something of the kind."""
    return f"{summary_call} reports credentials that {listing_call} did not return."


def in_use_since(moment: datetime) -> str:
    """Return why a credential that was used since a moment is left out of a plan."""
    return (
        f"Left out: it was used since {moment.astimezone(UTC):%Y-%m-%d}. To plan it anyway: "
        '--include-in-use, or "includeInUse": true in the input.'
    )


def skip_reason_for_state(state: str) -> str:
    """Return why an account that is not active is skipped."""
    return f"Its state is {state}."


def backup_note(run_id: str, why: str) -> str:
    """Return that it is not known whether a run made a backup."""
    return (
        f"Whether run {printable(run_id)} made this backup is not known. {why} Read the policy before you "
        "execute this plan."
    )


def object_warning(key: str) -> str:
    """Return that an object in the bucket was not followed."""
    return f"{excerpt(key, _MAX_KEY_CHARACTERS)} was not written by this run, and was ignored."


def result_warning(batch: int, problem: str) -> str:
    """Return that the result of a batch was not followed."""
    return f"The result of batch {batch} was not followed. {problem}"


def comparison_warning(problem: str) -> str:
    """Return that the latest full audit was not compared with."""
    return f"This audit was not compared with the latest one. {problem}"


def listing_warning(reason: str) -> str:
    """Return that it is not known what else is stored among the results of a run."""
    return f"Whether anybody else has written to this run's results is not known. {reason}"


def first_sentences(sentences: Iterable[str], *, of: str) -> tuple[str, ...]:
    """Return the first of many sentences, and that there are more.

    Args:
        sentences: The sentences, of which no more are read than are returned.
        of: What they are about, such as "objects".
    """
    listed = tuple(itertools.islice(sentences, _MAX_LISTED + 1))
    return listed if len(listed) <= _MAX_LISTED else (*listed[:-1], f"There are more of such {of}.")


def describe_duration(duration: timedelta) -> str:
    """Return a duration in its largest whole unit: "24 hours", "90 minutes"."""
    count, unit = int(duration.total_seconds()), "second"
    for size, larger_unit in ((3600, "hour"), (60, "minute")):
        if count % size == 0:
            count, unit = count // size, larger_unit
            break
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _text(value: object) -> str:
    if isinstance(value, Failure):
        return printable(describe(value))
    if isinstance(value, Collection) and not isinstance(value, str):
        listed = [excerpt(str(each), _MAX_LISTED_CHARACTERS) for each in itertools.islice(value, _MAX_LISTED)]
        more = len(value) - len(listed)
        return ", ".join(listed) + (f" and {more:,} more" if more else "")
    return excerpt(str(value), _MAX_VALUE_CHARACTERS)
