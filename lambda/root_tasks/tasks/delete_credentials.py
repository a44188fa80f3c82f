"""Deleting a root user's credentials, in the order that never weakens the account."""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import replace
from datetime import datetime

from aws_calls.failures import CallError, Failure, FailureKind, error_of_call
from root_access.state import Feature

from .. import messages
from ..model.report_schema import DEFAULT_UNUSED_FOR_DAYS, Item, ItemType, Outcome, Task
from ..model.run_documents import Finding, Target
from ..refusals import RefusalReason, RunRefusedError
from .credentials import (
    Credential,
    credentials_of_type,
    list_credentials,
    with_last_uses,
)
from .outcomes import account_finding, change_target, report_item
from .request import Request
from .task_definition import AccountTask, TaskDefinition, TaskWords
from .task_input import SCOPE_KEYS, TaskInput, invalid_value, parse_accounts

_CREDENTIAL_TYPES = "credentialTypes"
_UNUSED_FOR_DAYS = "unusedForDays"
_INCLUDE_IN_USE = "includeInUse"
_MAX_UNUSED_FOR_DAYS = 3650

_PROTECTED_BY_MFA = (ItemType.PASSWORD, ItemType.ACCESS_KEY, ItemType.SIGNING_CERTIFICATE)
# MFA comes last: as long as another credential exists, it protects the account.
_ORDER = _PROTECTED_BY_MFA + (ItemType.MFA_DEVICE,)
_CREDENTIAL_TYPE = re.compile("|".join(_ORDER))
# The call that deletes a credential, and its parameter for the credential's ID. A password has
# none.
_DELETIONS = {
    ItemType.PASSWORD: ("iam:DeleteLoginProfile", None),
    ItemType.ACCESS_KEY: ("iam:DeleteAccessKey", "AccessKeyId"),
    ItemType.SIGNING_CERTIFICATE: ("iam:DeleteSigningCertificate", "CertificateId"),
    ItemType.MFA_DEVICE: ("iam:DeactivateMFADevice", "SerialNumber"),
}
# A password has no ID, and another MFA device can have the serial number of one that was
# deactivated: these are identified by when they were created or enabled as well.
_IDENTIFIED_BY_DATE = (ItemType.PASSWORD, ItemType.MFA_DEVICE)
# A list of IAM may still have what was deleted a moment ago.
_MAX_LOOKS = 5


# The plan


def plan(task: AccountTask) -> Finding:
    """Plan to delete the credentials that the input selects and that are not in use.

    Raises:
        CallError: The credentials could not be read.
    """
    # What exists of the types that the input selects.
    session, wanted = task.session, task.credentials.types or _ORDER
    existing, listed = list_credentials(session, wanted)
    exist: list[Credential] = []
    for found in listed.values():
        if isinstance(found, Failure):
            raise CallError(found)
        exist += found

    # What of it is planned. MFA, the last, stays if anything does.
    items: list[Item] = []
    planned: list[Target] = []
    # What the input does not select stays, and MFA protects it.
    mfa_is_needed = not existing.issubset([*wanted, ItemType.MFA_DEVICE])
    for credential in with_last_uses(session, exist):
        target = _target_of(credential)
        in_use_since = task.credentials.in_use_since
        # What a recovery brought was made to be used, and is to go when that is overdue.
        is_of_recovery = credential.type in (ItemType.PASSWORD, ItemType.MFA_DEVICE)
        if is_of_recovery and session.account_id in task.credentials.overdue:
            in_use_since = None
        outcome, message = _planned_or_why_not(
            credential, in_use_since=in_use_since, mfa_is_needed=mfa_is_needed
        )
        items.append(replace(report_item(target, outcome, message), credential=credential.details))
        if outcome is Outcome.PLANNED:
            planned.append(target)
        else:
            mfa_is_needed = True
    return account_finding(session.account_id, items, planned=planned)


def _target_of(credential: Credential) -> Target:
    """Return what a plan has of a credential, by which the execution recognizes it."""
    # Others are recognized by their IDs, and one that was inactive has to be so still.
    created_at = None
    if credential.type in _IDENTIFIED_BY_DATE:
        created_at = credential.details.created_at
    return Target(
        type=credential.type,
        id=credential.id,
        created_at=created_at,
        inactive=credential.details.status == "Inactive",
    )


def _planned_or_why_not(
    credential: Credential, *, in_use_since: datetime | None, mfa_is_needed: bool
) -> tuple[Outcome, str | None]:
    """Return the outcome of a credential in a plan, and the sentence about it, if there is one.

    Args:
        credential: The credential, with its last use.
        in_use_since: Since when a use leaves it out; None to plan it all the same, also if its last
            use is not known.
        mfa_is_needed: Whether a credential stays that MFA protects.
    """
    if credential.type is ItemType.MFA_DEVICE and mfa_is_needed:
        return Outcome.SKIPPED, messages.MFA_LEFT_OUT
    if credential.unread is not None:
        why = messages.describe_with_hint(credential.unread)
        if in_use_since is None:
            return Outcome.PLANNED, f"{messages.LAST_USE_UNKNOWN} {why}"
        return Outcome.INACCESSIBLE, f"{messages.LAST_USE_UNREAD} {why}"
    if in_use_since is None:
        return Outcome.PLANNED, None
    last_used_at, created_at = credential.details.last_used_at, credential.details.created_at
    if last_used_at is not None and last_used_at >= in_use_since:
        return Outcome.IN_USE, messages.in_use_since(in_use_since)
    # What is newer than that cannot have been unused for that long.
    if created_at is not None and created_at >= in_use_since:
        return Outcome.IN_USE, messages.created_since(in_use_since)
    return Outcome.PLANNED, None


# The execution


def execute(task: AccountTask) -> Finding:
    """Delete what was planned, and nothing else. What else exists is reported as left out."""
    deletion = _Deletion(task)
    targets = sorted(task.targets, key=lambda target: _ORDER.index(target.type))
    items = [deletion.delete(target) for target in targets]
    # MFA is only deactivated once the others were listed, so they may be listed already.
    if not any(target.type is ItemType.MFA_DEVICE for target in targets):
        deletion.list_protected_by_mfa()
    finding = account_finding(task.session.account_id, items + deletion.items_not_in_plan())
    return replace(finding, reason=finding.reason or deletion.others_unread)


class _Deletion:
    """The deletion of the planned credentials of one account.

    Attributes:
        others_unread: Why it could not be read which other credentials exist; None if it could.
    """

    def __init__(self, task: AccountTask) -> None:
        self._session = task.session
        # The targets that have an item in the report, so that none has two.
        self._reported = set(task.targets)
        self._deleted: set[Target] = set()
        # All credentials that were seen, each once, in the order in which they were seen.
        self._seen: dict[Target, None] = {}
        # Why the other credentials could not be listed; None if nothing has failed.
        self.others_unread: str | None = None

    def delete(self, target: Target) -> Item:
        """Delete a credential, unless that would weaken the account."""
        # All others are listed first, so that nothing is between the check of an MFA device itself
        # and its deactivation.
        reason_to_keep = None
        if target.type is ItemType.MFA_DEVICE:
            reason_to_keep = self._reason_to_keep_mfa()
        item = self._item_if_not_as_planned(target)
        if item is not None:
            return item
        if reason_to_keep is not None:
            return report_item(target, Outcome.FAILED, reason_to_keep)
        item = self._call_to_delete(target)
        if item.outcome in (Outcome.DONE, Outcome.NOTHING_TO_DO):
            self._deleted.add(target)
        return item

    def list_protected_by_mfa(self) -> tuple[Target, ...] | None:
        """Return which credentials exist that MFA protects; None if that could not be read."""
        lists = [functools.partial(credentials_of_type, self._session, type_) for type_ in _ORDER]
        try:
            by_type = self._session.in_parallel(lists)
        except CallError as error:
            self.others_unread = f"{messages.OTHERS_NOT_READ} {error}"
            return None
        exist = tuple(map(_target_of, itertools.chain.from_iterable(by_type)))
        self._seen |= dict.fromkeys(exist)
        return tuple(target for target in exist if target.type in _PROTECTED_BY_MFA)

    def items_not_in_plan(self) -> list[Item]:
        """Return the items of what was seen, is not in the plan, and so was left unchanged."""
        # A device that was enabled again is another target with the same ID.
        ids = {target.id for target in self._reported if target.id}
        left = [each for each in self._seen if each not in self._reported and each.id not in ids]
        return [report_item(target, Outcome.SKIPPED, messages.NOT_IN_PLAN) for target in left]

    def _reason_to_keep_mfa(self) -> str | None:
        """Return why MFA has to stay: another credential exists; None if none does.

        They are listed again: a key may have been created since, and a deletion may have failed.
        """
        # How the waiting for a list without what was deleted ends, if it does not appear in time.
        message = "the list still has what was deleted"
        outdated = error_of_call("iam:ListAccessKeys", FailureKind.INCONSISTENT_READS, message)
        for attempt in range(1, _MAX_LOOKS + 1):
            exist = self.list_protected_by_mfa()
            if exist is None:
                return f"Not deactivated. {self.others_unread}"
            if not exist:
                return None
            # What was just deleted may still be listed, and what was not deleted stays.
            if not self._deleted.issuperset(exist):
                break
            try:
                self._session.budget.pause(times=attempt, error=outdated)
            except CallError:
                # The time is up.
                break
        return messages.MFA_STAYS

    def _item_if_not_as_planned(self, target: Target) -> Item | None:
        """Return the item of a credential that is not as planned; None if it may be deleted."""
        # A key that was active is deleted, whatever it is by now.
        if target.type not in _IDENTIFIED_BY_DATE and not target.inactive:
            return None
        try:
            exist = map(_target_of, credentials_of_type(self._session, target.type))
            current = next((existing for existing in exist if existing.id == target.id), None)
        except CallError as error:
            why = messages.describe_with_hint(error.failure)
            message = f"{messages.CREDENTIAL_UNREAD} {why}"
            return report_item(target, Outcome.FAILED, message)
        if current is None:
            return report_item(target, Outcome.NOTHING_TO_DO)
        # Another one of the same ID, or a key that is active again and may be in use.
        if current != target or (target.inactive and not current.inactive):
            self._reported.add(current)
            return report_item(target, Outcome.FAILED, messages.CREDENTIAL_CHANGED)
        return None

    def _call_to_delete(self, target: Target) -> Item:
        """Make the call that deletes a credential, and return its item."""
        operation, parameter = _DELETIONS[target.type]
        parameters = {}
        if parameter is not None:
            parameters[parameter] = target.id
        return change_target(
            target,
            functools.partial(self._session.call, operation, **parameters),
            already_done_code="NoSuchEntity",
        )


# The input


def parse(input_: TaskInput) -> Request:
    """Return the accounts of an input, and which of their credentials to plan.

    Raises:
        RunRefusedError: It names no accounts, or something unclear.
    """
    request = parse_accounts(input_)
    selection = replace(
        request.selection,
        credential_types=_parse_credential_types(input_),
        unused_for_days=_parse_unused_for_days(input_),
    )
    return replace(request, selection=selection)


def _parse_credential_types(input_: TaskInput) -> tuple[ItemType, ...]:
    """Return the types that an input names, in the order of deletion; none stands for all."""
    expected = f"types of credentials: {', '.join(_ORDER)}"
    types = input_.strings(_CREDENTIAL_TYPES, _CREDENTIAL_TYPE, expected)
    return tuple(type_ for type_ in _ORDER if type_ in types)


def _parse_unused_for_days(input_: TaskInput) -> int | None:
    """Return for how many days a credential has to be unused; None to plan those in use as well."""
    days: object = input_.values.get(_UNUSED_FOR_DAYS, DEFAULT_UNUSED_FOR_DAYS)
    # A bool is an int, too.
    if type(days) is not int or not 0 <= days <= _MAX_UNUSED_FOR_DAYS:
        expected = f"a whole number of days from 0 to {_MAX_UNUSED_FOR_DAYS}"
        raise invalid_value(days, key=_UNUSED_FOR_DAYS, expected=expected)
    if input_.flag(_INCLUDE_IN_USE):
        if _UNUSED_FOR_DAYS in input_.values:
            raise RunRefusedError(
                RefusalReason.EITHER_OR, one=f'"{_UNUSED_FOR_DAYS}"', other=f'"{_INCLUDE_IN_USE}"'
            )
        return None
    return days


DEFINITION = TaskDefinition(
    words=TaskWords(
        title="Delete root credentials",
        planned="to be deleted",
        done="deleted",
        warning="This cannot be undone.",
    ),
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=SCOPE_KEYS + (_CREDENTIAL_TYPES, _UNUSED_FOR_DAYS, _INCLUDE_IN_USE),
    parse=parse,
    plan=plan,
    execute=execute,
    plans_in_sessions_of=Task.AUDIT,
)
