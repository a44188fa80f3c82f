"""Deleting a root user's credentials, in the order that never weakens the account."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from aws_calls.failures import CallError

from ..messages import MFA_NOT_LOOKED, MFA_STAYS, told
from ..model.report import Item, ItemType, Outcome
from ..model.run import Finding, Target
from .credentials import access_key_ids, has_password, mfa_devices, signing_certificates
from .outcomes import already_so, failed_item, finding_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iam import IAMClient

    from ..aws.sessions import RootSession
    from ..model.run import Assignment

# MFA comes last: as long as another credential is left, it protects the account.
_ORDER = (
    ItemType.PASSWORD,
    ItemType.ACCESS_KEY,
    ItemType.SIGNING_CERTIFICATE,
    ItemType.MFA_DEVICE,
)


def planned(session: RootSession) -> Finding:
    """Returns the credentials that would be deleted.

    Raises:
        CallError: what is there could not be seen.
    """
    iam = session.iam()
    targets = (
        *([Target(type=ItemType.PASSWORD)] if has_password(session, iam) else ()),
        *(Target(type=ItemType.ACCESS_KEY, id=id_) for id_ in access_key_ids(session, iam)),
        *(Target(type=ItemType.SIGNING_CERTIFICATE, id=id_) for id_ in signing_certificates(session, iam)),
        *(Target(type=ItemType.MFA_DEVICE, id=id_) for id_ in mfa_devices(session, iam)),
    )
    return Finding(
        account_id=session.account_id,
        outcome=Outcome.PLANNED if targets else Outcome.NOTHING_TO_DO,
        items=tuple(Item(type=it.type, id=it.id, outcome=Outcome.PLANNED) for it in targets),
        planned=targets,
    )


def executed(session: RootSession, assignment: Assignment) -> Finding:
    """Deletes what was planned, and nothing else."""
    iam = session.iam()
    items: list[Item] = []
    kept: str | None = None
    for target in sorted(assignment.targets, key=lambda target: _ORDER.index(target.type)):
        if target.type is ItemType.MFA_DEVICE:
            if kept is None:
                kept = _why_mfa_stays(session, iam)
            if kept:
                items.append(Item(type=target.type, id=target.id, outcome=Outcome.FAILED, message=kept))
                continue
        items.append(_deleted(session, iam, target))
    return finding_of(session.account_id, items)


def _why_mfa_stays(session: RootSession, iam: IAMClient) -> str:
    """Looks anew: somebody may have made a key since, and a deletion may have failed."""
    try:
        left = (
            has_password(session, iam) or access_key_ids(session, iam) or signing_certificates(session, iam)
        )
    except CallError as error:
        return f"{MFA_NOT_LOOKED} {told(error.failure)}"
    return MFA_STAYS if left else ""


def _deleted(session: RootSession, iam: IAMClient, target: Target) -> Item:
    operation, call = _call(iam, target)
    try:
        session.made(call, operation=operation)
    except CallError as error:
        if error.failure.name == "NoSuchEntity":
            return already_so(target, error.failure)
        return failed_item(target, error.failure)
    return Item(type=target.type, id=target.id, outcome=Outcome.DONE)


def _call(iam: IAMClient, target: Target) -> tuple[str, Callable[[], object]]:
    match target.type:
        case ItemType.PASSWORD:
            return "iam:DeleteLoginProfile", iam.delete_login_profile
        case ItemType.ACCESS_KEY:
            return "iam:DeleteAccessKey", functools.partial(iam.delete_access_key, AccessKeyId=target.id)
        case ItemType.SIGNING_CERTIFICATE:
            return "iam:DeleteSigningCertificate", functools.partial(
                iam.delete_signing_certificate, CertificateId=target.id
            )
        case ItemType.MFA_DEVICE:
            return "iam:DeactivateMFADevice", functools.partial(
                iam.deactivate_mfa_device, SerialNumber=target.id
            )
        case _:
            raise ValueError(f"{target.type} is no credential.")
