"""The input of an execution: parsed, and refused with a sentence where it asks for what is not to be."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..messages import RunRefusedError, task_not_deployed
from ..model.report import ItemType, Task
from ..model.run import Assignment, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KEYS = (
    "task",
    "accounts",
    "organizationalUnits",
    "buckets",
    "queues",
    "skipBackup",
    "restore",
    "policyOverride",
    "plan",
)
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_UNIT_ID = re.compile(r"(r-[a-z0-9]{4,32})|(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32})")
_QUEUE_ARN = re.compile(
    r"arn:[a-z-]+:sqs:(?P<region>[a-z0-9-]+):(?P<account_id>[0-9]{12}):[A-Za-z0-9_.-]{1,80}"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
# Step Functions names executions more freely, but not with these.
_RUN_ID = re.compile(r"[^\s/:]{1,80}")
_REFERENCE = re.compile(r"backups/[^/]+/[0-9]{12}/[^/]+/[0-9a-f]{64}\.json")
_NAMED_ONLY = (Task.ALLOW_PASSWORD_RECOVERY,)
_UNLOCKS = {
    Task.UNLOCK_BUCKET_POLICY: "buckets",
    Task.UNLOCK_QUEUE_POLICY: "queues",
}


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """A backup that is to be put back.

    Attributes:
        reference: the backup's key in the bucket.
        policy: the corrected text to put in its place; "" for the backup's own.
    """

    reference: str
    policy: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one execution is asked to do.

    Attributes:
        task: the task.
        execute: the run id of the plan to execute; None: a plan or an audit.
        everywhere: whether every account of the organization is meant.
        account_ids: the accounts that are named.
        organizational_units: the organizational units whose accounts are meant.
        assignments: the buckets or queues that are named, by account.
        put_back: the backups to put back.
    """

    task: Task
    execute: str | None = None
    everywhere: bool = False
    account_ids: tuple[str, ...] = ()
    organizational_units: tuple[str, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    put_back: tuple[PutBack, ...] = ()


def parsed(given: object, *, tasks: Iterable[Task], allow_policy_override: bool) -> Request:
    """Returns what an execution's input asks for.

    Args:
        given: the input.
        tasks: the tasks that the stack was deployed with.
        allow_policy_override: whether a policy may be given as text.

    Raises:
        RunRefusedError: it asks for what this stack does not do, or for something unclear.
    """
    if not isinstance(given, dict):
        raise RunRefusedError(f"The input is a JSON object, such as {{}} for an audit; not {_shown(given)}.")
    if unknown := sorted(set(given).difference(_KEYS)):
        raise RunRefusedError(f"The input has {', '.join(unknown)}; known is {', '.join(_KEYS)}.")
    task = _task(given.get("task", Task.AUDIT), deployed=tuple(tasks))
    if "plan" in given:
        return Request(task=task, execute=_execute(given, task))
    if task in _UNLOCKS:
        return _unlock(given, task, allow_policy_override=allow_policy_override)
    _refuse_keys(given, task, allowed={"task", "accounts", "organizationalUnits"})
    return _by_account(given, task)


def _task(given: object, *, deployed: tuple[Task, ...]) -> Task:
    if given not in list(Task):
        raise RunRefusedError(f"The task {_shown(given)} is none of AWS's: {', '.join(Task)}.")
    task = Task(str(given))
    if task not in deployed:
        raise task_not_deployed(task, deployed=deployed)
    return task


def _execute(given: Mapping[str, Any], task: Task) -> str:
    if task is Task.AUDIT:
        raise RunRefusedError(
            "An audit changes nothing, so that there is nothing to execute. Name the plan's task."
        )
    if set(given) != {"task", "plan"}:
        raise RunRefusedError(
            'With "plan" a run acts on exactly what the plan lists: besides it give "task", nothing else.'
        )
    run_id = given["plan"]
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise RunRefusedError(f'"plan" is the run id of a plan, not {_shown(run_id)}.')
    return run_id


def _by_account(given: Mapping[str, Any], task: Task) -> Request:
    accounts = given.get("accounts", None if "organizationalUnits" in given else "all")
    if "accounts" not in given and "organizationalUnits" not in given and task is not Task.AUDIT:
        raise RunRefusedError(
            f'{task} needs "accounts": a list of account ids'
            + ("." if task in _NAMED_ONLY else ', or "all"; or "organizationalUnits".')
        )
    if task in _NAMED_ONLY and (accounts == "all" or "organizationalUnits" in given):
        raise RunRefusedError(f'{task} takes accounts by their ids: "accounts": ["222222222222"].')
    units = _texts(given, "organizationalUnits", _UNIT_ID, "ids of organizational units")
    if accounts == "all":
        if units:
            raise RunRefusedError('Give "accounts": "all" or "organizationalUnits", not both.')
        return Request(task=task, everywhere=True)
    return Request(
        task=task,
        account_ids=_texts(given, "accounts", _ACCOUNT_ID, "account ids of 12 digits"),
        organizational_units=units,
    )


def _unlock(given: Mapping[str, Any], task: Task, *, allow_policy_override: bool) -> Request:
    named = _UNLOCKS[task]
    if "restore" in given:
        _refuse_keys(given, task, allowed={"task", "restore", "policyOverride"})
        return Request(task=task, put_back=_put_back(given, allow_policy_override=allow_policy_override))
    _refuse_keys(
        given,
        task,
        allowed={"task", named} | ({"skipBackup"} if task is Task.UNLOCK_QUEUE_POLICY else set()),
    )
    if named not in given:
        raise RunRefusedError(f'{task} takes its {named} by name: give "{named}", or "restore".')
    assignments = _buckets(given) if task is Task.UNLOCK_BUCKET_POLICY else _queues(given)
    return Request(task=task, assignments=assignments)


def _put_back(given: Mapping[str, Any], *, allow_policy_override: bool) -> tuple[PutBack, ...]:
    references = _texts(given, "restore", _REFERENCE, "references of backups, as reports have them")
    if "policyOverride" not in given:
        return tuple(PutBack(reference=reference) for reference in references)
    if not allow_policy_override:
        raise RunRefusedError(
            'This stack restores backups unchanged. To use "policyOverride", deploy RootTasks with '
            "allow_policy_override=True."
        )
    if len(references) != 1:
        raise RunRefusedError('A corrected "policyOverride" is for one backup: list one in "restore".')
    policy = given["policyOverride"]
    text = policy if isinstance(policy, str) else json.dumps(policy)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise RunRefusedError(f'"policyOverride" is no JSON: {error}.') from error
    if not isinstance(document, dict):
        raise RunRefusedError('"policyOverride" is a policy document: a JSON object.')
    return (PutBack(reference=references[0], policy=text),)


def _buckets(given: Mapping[str, Any]) -> tuple[Assignment, ...]:
    by_account = given["buckets"]
    if not isinstance(by_account, dict) or not by_account:
        raise RunRefusedError('"buckets" lists names by account: {"222222222222": ["a-bucket"]}.')
    wrong = [account_id for account_id in by_account if not _ACCOUNT_ID.fullmatch(account_id)]
    if wrong:
        raise RunRefusedError(f'"buckets" lists names by account; {_shown(wrong[0])} is no id of 12 digits.')
    return tuple(
        Assignment(
            account_id=account_id,
            targets=tuple(
                Target(type=ItemType.BUCKET_POLICY, id=name)
                for name in _texts(by_account, account_id, _BUCKET, "names of buckets")
            ),
        )
        for account_id in sorted(by_account)
    )


def _queues(given: Mapping[str, Any]) -> tuple[Assignment, ...]:
    without_backup = given.get("skipBackup", False)
    if not isinstance(without_backup, bool):
        raise RunRefusedError(f'"skipBackup" is true or false, not {_shown(without_backup)}.')
    by_account: dict[str, list[Target]] = {}
    for arn in _texts(given, "queues", _QUEUE_ARN, "ARNs of queues"):
        queue = _QUEUE_ARN.fullmatch(arn)
        if queue:
            by_account.setdefault(queue["account_id"], []).append(
                Target(
                    type=ItemType.QUEUE_POLICY,
                    id=arn,
                    region=queue["region"],
                    skip_backup=without_backup,
                )
            )
    return tuple(
        Assignment(account_id=account_id, targets=tuple(targets))
        for account_id, targets in sorted(by_account.items())
    )


def _texts(given: Mapping[str, Any], key: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
    if key not in given:
        return ()
    listed = given[key]
    if not isinstance(listed, list) or not listed:
        raise RunRefusedError(f'"{key}" is a list of {what}, not {_shown(listed)}.')
    for text in listed:
        if not isinstance(text, str) or not pattern.fullmatch(text):
            raise RunRefusedError(f'"{key}" lists {what}; {_shown(text)} is none.')
    return tuple(dict.fromkeys(listed))


def _refuse_keys(given: Mapping[str, Any], task: Task, *, allowed: set[str]) -> None:
    if refused := sorted(set(given) - allowed):
        raise RunRefusedError(
            f"{task} does not take {', '.join(refused)}; it takes {', '.join(sorted(allowed))}."
        )


def _shown(value: object) -> str:
    return json.dumps(value)[:100]
