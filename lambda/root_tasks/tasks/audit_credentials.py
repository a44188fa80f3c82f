"""The audit: which credentials the root user of a member account has."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, Failure, describe
from root_access.state import Feature

from ..messages import DETAILS_UNAVAILABLE, contradiction, hint
from ..model.report_schema import AccessKey, Action, CredentialDetails, ItemType, Outcome, RootCredentials
from ..model.run import Finding
from .credentials import (
    DETAIL_CALLS,
    GET_ACCOUNT_SUMMARY,
    LISTING_CALLS,
    Credential,
    credentials_of_type,
    existing_types,
    with_last_uses,
)
from .definition import ActionWords, TaskDefinition
from .scope import SCOPE_KEYS, parse_accounts_or_all

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

    from ..aws.sessions import RootSession
    from .definition import AccountTask

# The types of which AWS returns a list.
_LISTED = (ItemType.ACCESS_KEY, ItemType.MFA_DEVICE, ItemType.SIGNING_CERTIFICATE)
_PASSWORD = Credential(type=ItemType.PASSWORD, details=CredentialDetails())


def audit(task: AccountTask) -> Finding:
    """Return which credentials the account's root user has.

    One call if there are none; otherwise the details of what exists, in two more round trips. That one call
    decides: a detail that cannot be read is a note.

    Raises:
        CallError: Whether there are any could not be read.
    """
    session = task.session
    iam: IAMClient = session.client("iam")
    existing = existing_types(session, iam)
    if not existing:
        return Finding(
            account_id=session.account_id,
            outcome=Outcome.CLEAN,
            credentials=RootCredentials(password=False),
        )
    types = [type_ for type_ in _LISTED if type_ in existing]
    responses = session.in_parallel(*(functools.partial(_list, session, iam, type_) for type_ in types))
    failures = [response for response in responses if isinstance(response, Failure)]
    contradictions = [
        contradiction(GET_ACCOUNT_SUMMARY, LISTING_CALLS[type_])
        for type_, response in zip(types, responses, strict=True)
        if response == ()
    ]
    # None for a type that exists, and could not be listed.
    listed = {
        type_: None if isinstance(response, Failure) else response or None
        for type_, response in zip(types, responses, strict=True)
    }
    # Whether there is one is known, and the audit shows nothing else that only GetLoginProfile has.
    passwords = [_PASSWORD] if ItemType.PASSWORD in existing else []
    keys = listed.get(ItemType.ACCESS_KEY, ())
    used = with_last_uses(session, iam, [*passwords, *(keys or ())])
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
            mfa_devices=_ids(listed.get(ItemType.MFA_DEVICE, ())),
            signing_certificates=_ids(listed.get(ItemType.SIGNING_CERTIFICATE, ())),
        ),
        reason=" ".join((DETAILS_UNAVAILABLE, *notes)) if notes else None,
        hint=next(filter(None, map(hint, failures)), None),
    )


def _list(session: RootSession, iam: IAMClient, type_: ItemType) -> tuple[Credential, ...] | Failure:
    try:
        return credentials_of_type(session, iam, type_)
    except CallError as error:
        failure: Failure = error.failure
        return failure


def _ids(credentials: tuple[Credential, ...] | None) -> tuple[str, ...] | None:
    return None if credentials is None else tuple(credential.id or "" for credential in credentials)


def _access_key(key: Credential) -> AccessKey:
    return AccessKey(
        access_key_id=key.id or "",
        status=key.details.status or "",
        created_at=key.details.created_at,
        last_used_at=key.details.last_used_at,
        last_used_service=key.details.last_used_service,
        last_use_unread=key.details.last_use_unread,
    )


DEFINITION = TaskDefinition(
    words=ActionWords(action=Action.AUDIT, title="Audit of root credentials"),
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    necessary_reads=(GET_ACCOUNT_SUMMARY,),
    calls=(GET_ACCOUNT_SUMMARY, *DETAIL_CALLS),
    input_keys=SCOPE_KEYS,
    parse=parse_accounts_or_all,
    plan=audit,
)
