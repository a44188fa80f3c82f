"""The audit: which credentials the root user of a member account has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aws_calls.failures import Failure, describe
from root_access.state import Feature

from ..messages import DETAILS_UNAVAILABLE, contradiction, hint
from ..model.report_schema import AccessKey, CredentialDetails, ItemType, Outcome, RootCredentials
from ..model.run import Finding
from .credentials import (
    GET_ACCOUNT_SUMMARY,
    LISTING_CALLS,
    Credential,
    list_credentials,
    with_last_uses,
)
from .definition import TaskDefinition, TaskWords
from .task_input import SCOPE_KEYS, parse_accounts_or_all

if TYPE_CHECKING:
    from .definition import AccountTask

# The types of which AWS returns a list.
_LISTED = (ItemType.ACCESS_KEY, ItemType.MFA_DEVICE, ItemType.SIGNING_CERTIFICATE)
_PASSWORD = Credential(type=ItemType.PASSWORD, details=CredentialDetails())


def audit(task: AccountTask) -> Finding:
    """Return which credentials the account's root user has.

    One call if there are none; otherwise the details of what exists, in two more round trips. The
    summary decides: a detail that cannot be read is a note.

    Raises:
        CallError: Whether there are any could not be read.
    """
    session = task.session
    existing, listed = list_credentials(session, _LISTED)
    if not existing:
        return Finding(
            account_id=session.account_id,
            outcome=Outcome.CLEAN,
            credentials=RootCredentials(password=False),
        )
    failures = [found for found in listed.values() if isinstance(found, Failure)]
    contradictions = [
        contradiction(GET_ACCOUNT_SUMMARY, LISTING_CALLS[type_])
        for type_, found in listed.items()
        if found == ()
    ]
    # None for a type that exists, and could not be listed.
    credentials = {
        type_: None if isinstance(found, Failure) else found or None
        for type_, found in listed.items()
    }
    # The summary says if there is one, and the audit shows nothing else that only GetLoginProfile
    # has.
    passwords = [_PASSWORD] if ItemType.PASSWORD in existing else []
    keys = credentials.get(ItemType.ACCESS_KEY, ())
    used = with_last_uses(session, [*passwords, *(keys or ())])
    failures += [credential.unread for credential in used if credential.unread is not None]
    password = used[0].details if passwords else _PASSWORD.details
    # A failure of several keys is reported once.
    notes = dict.fromkeys([*map(describe, failures), *contradictions])
    return Finding(
        account_id=session.account_id,
        outcome=Outcome.HAS_CREDENTIALS,
        credentials=RootCredentials(
            password=bool(passwords),
            password_last_used_at=password.last_used_at,
            password_last_use_unread=password.last_use_unread,
            access_keys=None if keys is None else tuple(map(_access_key, used[len(passwords) :])),
            mfa_devices=_ids(credentials.get(ItemType.MFA_DEVICE, ())),
            signing_certificates=_ids(credentials.get(ItemType.SIGNING_CERTIFICATE, ())),
        ),
        reason=" ".join((DETAILS_UNAVAILABLE, *notes)) if notes else None,
        hint=next(filter(None, map(hint, failures)), None),
    )


def _ids(credentials: tuple[Credential, ...] | None) -> tuple[str, ...] | None:
    return None if credentials is None else tuple(credential.id or "" for credential in credentials)


def _access_key(key: Credential) -> AccessKey:
    return AccessKey(access_key_id=key.id or "", **asdict(key.details))


DEFINITION = TaskDefinition(
    words=TaskWords(title="Audit of root credentials"),
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=SCOPE_KEYS,
    parse=parse_accounts_or_all,
    plan=audit,
)
