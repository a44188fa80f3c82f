"""Deleting a root user's credentials, in the order that never weakens the account."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError, describe
from root_access.state import Feature

from ..messages import MFA_NOT_CHECKED, MFA_STAYS
from ..model.report import ItemType, Outcome
from ..model.run import Finding, Target
from .credentials import access_key_ids, has_password, mfa_devices, signing_certificates
from .definition import TaskDefinition
from .outcomes import already_done, failure_item, finding_of, item_of
from .scope import ACCOUNT_KEYS, parse_accounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iam import IAMClient

    from ..aws.sessions import RootSession
    from ..model.report import Item
    from .definition import AccountTask

# MFA comes last: as long as another credential exists, it protects the account.
_ORDER = (
    ItemType.PASSWORD,
    ItemType.ACCESS_KEY,
    ItemType.SIGNING_CERTIFICATE,
    ItemType.MFA_DEVICE,
)


def plan(task: AccountTask) -> Finding:
    """Plan to delete every credential.

    Raises:
        CallError: The credentials could not be read.
    """
    session = task.session
    iam: IAMClient = session.client("iam")
    targets = (
        *([Target(type=ItemType.PASSWORD)] if has_password(session, iam) else ()),
        *(Target(type=ItemType.ACCESS_KEY, id=id_) for id_ in access_key_ids(session, iam)),
        *(Target(type=ItemType.SIGNING_CERTIFICATE, id=id_) for id_ in signing_certificates(session, iam)),
        *(Target(type=ItemType.MFA_DEVICE, id=id_) for id_ in mfa_devices(session, iam)),
    )
    items = [item_of(target, Outcome.PLANNED) for target in targets]
    return finding_of(session.account_id, items, planned=targets)


def execute(task: AccountTask) -> Finding:
    """Delete what was planned, and nothing else."""
    session = task.session
    iam: IAMClient = session.client("iam")
    items: list[Item] = []
    reason_to_keep_mfa: str | None = None
    for target in sorted(task.targets, key=lambda target: _ORDER.index(target.type)):
        if target.type is ItemType.MFA_DEVICE:
            if reason_to_keep_mfa is None:
                reason_to_keep_mfa = _reason_to_keep_mfa(session, iam)
            if reason_to_keep_mfa:
                items.append(item_of(target, Outcome.FAILED, reason_to_keep_mfa))
                continue
        items.append(_delete(session, iam, target))
    return finding_of(session.account_id, items)


def _reason_to_keep_mfa(session: RootSession, iam: IAMClient) -> str:
    """Read again: somebody may have created a key since, and a deletion may have failed."""
    try:
        exists = (
            has_password(session, iam) or access_key_ids(session, iam) or signing_certificates(session, iam)
        )
    except CallError as error:
        return f"{MFA_NOT_CHECKED} {describe(error.failure)}"
    return MFA_STAYS if exists else ""


def _delete(session: RootSession, iam: IAMClient, target: Target) -> Item:
    operation, function = _deletion(iam, target)
    try:
        session.call(function, operation=operation)
    except CallError as error:
        if error.failure.name == "NoSuchEntity":
            return already_done(target, error.failure)
        return failure_item(target, error.failure)
    return item_of(target, Outcome.DONE)


def _deletion(iam: IAMClient, target: Target) -> tuple[str, Callable[[], Any]]:
    id_ = target.id or ""
    match target.type:
        case ItemType.PASSWORD:
            return "iam:DeleteLoginProfile", iam.delete_login_profile
        case ItemType.ACCESS_KEY:
            return "iam:DeleteAccessKey", functools.partial(iam.delete_access_key, AccessKeyId=id_)
        case ItemType.SIGNING_CERTIFICATE:
            return "iam:DeleteSigningCertificate", functools.partial(
                iam.delete_signing_certificate, CertificateId=id_
            )
        case ItemType.MFA_DEVICE:
            return "iam:DeactivateMFADevice", functools.partial(iam.deactivate_mfa_device, SerialNumber=id_)
        case _:
            raise ValueError(f"A {target.type} is not a credential.")


DEFINITION = TaskDefinition(
    title="Delete root credentials",
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=ACCOUNT_KEYS,
    parse=parse_accounts,
    plan=plan,
    execute=execute,
)
