"""Unlocking buckets and queues: a policy is backed up, then removed, or another one is set."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aws_calls.failures import CallError, Failure, FailureKind
from common.arn import Arn
from common.untrusted import ACCOUNT_ID
from root_access.state import Feature

from .. import messages
from ..aws.backup_store import BACKUP_REFERENCE
from ..aws.checksums import sha256
from ..aws.sessions import RootSession
from ..model.report_schema import Item, ItemType, Outcome
from ..model.run_documents import Assignment, Finding, Target
from ..refusals import RefusalReason, RunRefusedError
from .outcomes import account_finding, failed_item, report_item
from .policy_documents import difference, effect_of, policy_text
from .request import Request
from .resource_policies import ResourcePolicy, find_bucket_region, policy_of
from .task_definition import AccountTask, TaskDefinition, TaskWords
from .task_input import TaskInput, invalid_value, optional_text, string_list

_BUCKETS = "buckets"
_QUEUES = "queues"
_SKIP_BACKUP = "skipBackup"
_BACKUP = "backup"
_POLICY_OVERRIDE = "policyOverride"

# Until 2018 us-east-1 allowed capitals, underscores and 255 characters.
_BUCKET_NAME = re.compile(
    r"(?!.*\.\.)(?![0-9]+(\.[0-9]+){3}\Z)[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]"
)
_QUEUE_ARN = re.compile(
    r"arn:aws(-[a-z]+)*:sqs:[a-z]{2,4}(-[a-z]+)+-[0-9]:[0-9]{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?"
)
# SQS has the same error by two names: its older protocol's, and its model's.
_DOES_NOT_EXIST = {
    "NoSuchBucket": messages.NO_SUCH_BUCKET,
    "AWS.SimpleQueueService.NonExistentQueue": messages.NO_SUCH_QUEUE,
    "QueueDoesNotExist": messages.NO_SUCH_QUEUE,
}
# After setting a policy has failed: which one the bucket or the queue has now.
_WHAT_IS_ATTACHED_NOW = {
    Outcome.FAILED: messages.POLICY_UNCHANGED,
    Outcome.UNKNOWN: messages.POLICY_UNKNOWN,
}


def plan(task: AccountTask) -> Finding:
    """Plan to remove each policy, or to set the one that is given."""
    items_and_targets = task.session.in_parallel(
        [functools.partial(_plan_target, task.session, target) for target in task.targets]
    )
    items = [item for item, _ in items_and_targets]
    planned = [target for _, target in items_and_targets if target is not None]
    return account_finding(task.session.account_id, items, planned=planned)


def execute(task: AccountTask) -> Finding:
    """Remove or set each policy as planned."""
    items = [_execute_target(task, target) for target in task.targets]
    return account_finding(task.session.account_id, items)


def _plan_target(session: RootSession, target: Target) -> tuple[Item, Target | None]:
    """Return the item of a target, and the target to execute: None if nothing is planned for it."""
    try:
        if target.type is ItemType.BUCKET_POLICY:
            region = find_bucket_region(session, target.id or "")
            if region is None:
                return report_item(target, Outcome.FAILED, messages.NO_SUCH_BUCKET), None
            target = replace(target, region=region)
        text = policy_of(session, target).read()
    except CallError as error:
        return _plan_unread_policy(target, error.failure)
    item = _item_with_policy(target, Outcome.PLANNED, text, account_id=session.account_id)
    # The policy that is there means the same as the one to set, or there is none to remove.
    if item.difference == "":
        return report_item(target, Outcome.NOTHING_TO_DO), None
    return item, replace(target, policy_sha256=_sha256_of(text))


def _plan_unread_policy(target: Target, failure: Failure) -> tuple[Item, Target | None]:
    """Return the item and the target, or None, of a policy that could not be read.

    Without a backup, only the removal of a queue's policy is planned, if the input has skip_backup.
    """
    if failure.name in _DOES_NOT_EXIST:
        # As for a bucket that is not in the account's list: the name may be mistyped.
        return report_item(target, Outcome.FAILED, _DOES_NOT_EXIST[failure.name]), None
    item = report_item(target, Outcome.INACCESSIBLE, messages.describe_with_hint(failure))
    if target.type is not ItemType.QUEUE_POLICY or failure.kind is not FailureKind.ACCESS_DENIED:
        return item, None
    if not target.skip_backup:
        return replace(item, message=f"{messages.POLICY_UNREADABLE} {item.message}"), None
    return report_item(target, Outcome.PLANNED, messages.POLICY_LOST), target


def _item_with_policy(
    target: Target, outcome: Outcome, text: str | None, *, account_id: str
) -> Item:
    """Return the item of a policy to remove or to set.

    Args:
        target: The bucket or queue.
        outcome: The outcome.
        text: The policy that it has; None if it has none.
        account_id: The account that has it.
    """
    sentences = []
    if target.backup is not None:
        sentences.append(messages.policy_of_backup(target.backup))
    if target.new_policy is not None:
        sentences.append(effect_of(target.new_policy, account_id=account_id))
    return replace(
        report_item(target, outcome, " ".join(filter(None, sentences)) or None),
        policy=text,
        difference=difference(text, target.new_policy),
    )


def _sha256_of(text: str | None) -> str | None:
    """Return the SHA-256 of a policy; None if there is no policy."""
    return None if text is None else sha256(text.encode())


def _execute_target(task: AccountTask, target: Target) -> Item:
    """Back up a policy, change it if it is the one that the plan shows, and return its item."""
    policy = policy_of(task.session, target)
    # A policy that could be read for the plan, which shows it, has to be backed up.
    if target.skip_backup and target.policy_sha256 is None and _is_reading_denied(policy):
        item = report_item(target, Outcome.DONE, messages.REMOVED_WITHOUT_BACKUP)
        return _apply_change(policy, target, done=item)
    # Otherwise it has to be the one that the plan has shown.
    text, left = _read_as_planned(policy, target)
    if left is not None:
        return left
    # Without a policy there is nothing to back up: one is only set.
    done = _item_with_policy(target, Outcome.DONE, text, account_id=task.session.account_id)
    if text is None:
        return _apply_change(policy, target, done=done)
    try:
        reference = task.back_up(target, text)
    except CallError as error:
        return report_item(target, Outcome.FAILED, messages.describe_with_hint(error.failure))
    # That can take minutes. It is changed only if it is still the one that was backed up.
    _, left = _read_as_planned(policy, target)
    return replace(left or _apply_change(policy, target, done=done), backup=reference)


def _is_reading_denied(policy: ResourcePolicy) -> bool:
    """Return whether the policy itself, as far as one can tell, denies that it is read."""
    try:
        policy.read()
    except CallError as error:
        return error.failure.kind is FailureKind.ACCESS_DENIED
    return False


def _read_as_planned(policy: ResourcePolicy, target: Target) -> tuple[str | None, Item | None]:
    """Return a policy's text, and the item if it is left unchanged, because it is not as planned.

    The text is None if there is no policy, or it could not be read. The item is None if the policy
    may be changed.
    """
    try:
        text = policy.read()
    except CallError as error:
        return None, _item_left_unread(target, error.failure)
    if text is None and target.new_policy is None:
        return None, report_item(target, Outcome.NOTHING_TO_DO)
    if _sha256_of(text) != target.policy_sha256:
        return text, report_item(target, Outcome.FAILED, messages.CHANGED_SINCE_PLAN)
    return text, None


def _item_left_unread(target: Target, failure: Failure) -> Item:
    """Return the item of a policy that is unchanged, or gone with its bucket or queue."""
    if failure.name not in _DOES_NOT_EXIST:
        return report_item(target, Outcome.FAILED, messages.describe_with_hint(failure))
    # A policy that was to be removed is gone; one that was to be set cannot be.
    outcome = Outcome.FAILED
    if target.new_policy is None:
        outcome = Outcome.NOTHING_TO_DO
    return report_item(target, outcome, _DOES_NOT_EXIST[failure.name])


def _apply_change(policy: ResourcePolicy, target: Target, *, done: Item) -> Item:
    """Remove or set a policy, and return its item.

    Args:
        policy: The policy.
        target: The bucket or queue.
        done: The item if it succeeds.
    """
    try:
        policy.replace(target.new_policy)
    except CallError as error:
        if error.failure.name in _DOES_NOT_EXIST:
            item = _item_left_unread(target, error.failure)
            return replace(done, outcome=item.outcome, message=item.message)
        item = failed_item(target, error.failure)
        message = item.message
        if target.new_policy is not None:
            message = f"{message} {_WHAT_IS_ATTACHED_NOW[item.outcome]}"
        return replace(done, outcome=item.outcome, message=message)
    return done


# The input


def _parse_bucket_input(input_: TaskInput) -> Request:
    """Return the request of an input such as {"buckets": {"222222222222": ["a-bucket"]}}.

    Raises:
        RunRefusedError: It names no buckets, or something unclear.
    """
    input_.require_one_of(_BUCKETS)
    by_account = input_.values[_BUCKETS]
    if not isinstance(by_account, dict) or not by_account:
        expected = 'bucket names by account, for example {"222222222222": ["a-bucket"]}'
        raise invalid_value(by_account, key=_BUCKETS, expected=expected)
    account_ids = string_list(
        list(by_account), key=_BUCKETS, pattern=ACCOUNT_ID, expected="12-digit account IDs as keys"
    )
    targets: dict[str, list[Target]] = {}
    for account_id in account_ids:
        names = string_list(
            by_account[account_id], key=account_id, pattern=_BUCKET_NAME, expected="bucket names"
        )
        targets[account_id] = [Target(type=ItemType.BUCKET_POLICY, id=name) for name in names]
    return _unlock_request(input_, targets)


def _parse_queue_input(input_: TaskInput) -> Request:
    """Return the request of an input such as {"queues": [ARN]}; the ARNs have the accounts.

    Raises:
        RunRefusedError: It names no queues, or something unclear.
    """
    input_.require_one_of(_QUEUES)
    skip_backup = input_.flag(_SKIP_BACKUP)
    if skip_backup:
        # A policy that cannot be backed up is not replaced.
        input_.require_no_other_keys(_QUEUES, _SKIP_BACKUP)
    targets: dict[str, list[Target]] = {}
    for arn in input_.strings(_QUEUES, _QUEUE_ARN, "queue ARNs"):
        queue = Arn.parse(arn)
        target = Target(
            type=ItemType.QUEUE_POLICY, id=arn, region=queue.region, skip_backup=skip_backup
        )
        targets.setdefault(queue.account_id, []).append(target)
    return _unlock_request(input_, targets)


def _unlock_request(input_: TaskInput, targets: Mapping[str, Sequence[Target]]) -> Request:
    """Return the request to remove the policies of targets, or to set that of the only one.

    Args:
        input_: The input, which may have a policy to set, or the reference of a backup.
        targets: The buckets or queues that the input names, by account.

    Raises:
        RunRefusedError: The policy is not one, or there are two, or several targets to set it to.
    """
    given = input_.values.keys() & {_POLICY_OVERRIDE, _BACKUP}
    assignments = [
        Assignment(account_id=account_id, targets=tuple(targets_there))
        for account_id, targets_there in sorted(targets.items())
    ]
    if given and (len(given) != 1 or sum(map(len, targets.values())) != 1):
        raise RunRefusedError(RefusalReason.ONE_POLICY)
    # The policy of a backup is read from the bucket when the run is prepared.
    expected = "the backup of a policy, from a report"
    backup = optional_text(input_.values, _BACKUP, pattern=BACKUP_REFERENCE, expected=expected)
    if _POLICY_OVERRIDE in given:
        try:
            policy = policy_text(input_.values[_POLICY_OVERRIDE])
        except ValueError as error:
            raise RunRefusedError(RefusalReason.INVALID_POLICY, error=error) from error
        (assignment,) = assignments
        (target,) = assignment.targets
        assignments = [replace(assignment, targets=(replace(target, new_policy=policy),))]
    return Request(task=input_.task, assignments=tuple(assignments), backup=backup)


def _definition(resource: str, **fields: Any) -> TaskDefinition:
    """Return the definition of unlocking a type of resource: "bucket" or "queue"."""
    return TaskDefinition(
        words=TaskWords(
            title=f"Unlock {resource} policies", planned="to be removed", done="removed"
        ),
        setting_words=TaskWords(title=f"Set {resource} policies", planned="to be set", done="set"),
        feature=Feature.ROOT_SESSIONS,
        plan=plan,
        execute=execute,
        **fields,
    )


BUCKET_DEFINITION = _definition(
    "bucket", input_keys=(_BUCKETS, _POLICY_OVERRIDE, _BACKUP), parse=_parse_bucket_input
)
QUEUE_DEFINITION = _definition(
    "queue",
    input_keys=(_QUEUES, _SKIP_BACKUP, _POLICY_OVERRIDE, _BACKUP),
    parse=_parse_queue_input,
)
