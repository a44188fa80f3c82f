"""The audit: which credentials the root user of a member account has."""

from __future__ import annotations

from dataclasses import asdict

from aws_calls.failures import Failure
from root_access.state import Feature

from ..messages import DETAILS_UNAVAILABLE, hint
from ..model.report_schema import AccessKey, CredentialDetails, ItemType, Outcome, RootCredentials
from ..model.run_documents import Finding
from .credentials import Credential, list_credentials, with_last_uses
from .task_definition import AccountTask, TaskDefinition, TaskWords
from .task_input import SCOPE_KEYS, parse_accounts_or_all

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

    # The credentials of each type that AWS lists. None: there are some, and which ones could not be
    # read.
    failures: list[Failure] = []
    credentials: dict[ItemType, tuple[Credential, ...] | None] = dict.fromkeys(_LISTED, ())
    for type_, found in listed.items():
        if isinstance(found, Failure):
            failures.append(found)
            credentials[type_] = None
        else:
            credentials[type_] = found

    # The last use of the password and of each key. When the password was created, which would take
    # a call more, is not shown.
    keys = credentials[ItemType.ACCESS_KEY]
    used = list(keys or ())
    if ItemType.PASSWORD in existing:
        used.append(_PASSWORD)
    used = with_last_uses(session, used)
    failures += [credential.unread for credential in used if credential.unread is not None]
    password = _PASSWORD.details
    access_keys = []
    for credential in used:
        if credential.type is ItemType.PASSWORD:
            password = credential.details
        else:
            key = AccessKey(access_key_id=credential.id or "", **asdict(credential.details))
            access_keys.append(key)

    reason = None
    # A failure of several keys is reported once.
    notes = list(dict.fromkeys(map(str, failures)))
    if notes:
        reason = " ".join([DETAILS_UNAVAILABLE] + notes)
    return Finding(
        account_id=session.account_id,
        outcome=Outcome.HAS_CREDENTIALS,
        credentials=RootCredentials(
            password=ItemType.PASSWORD in existing,
            password_last_used_at=password.last_used_at,
            password_last_use_unread=password.last_use_unread,
            access_keys=None if keys is None else tuple(access_keys),
            mfa_devices=_ids(credentials[ItemType.MFA_DEVICE]),
            signing_certificates=_ids(credentials[ItemType.SIGNING_CERTIFICATE]),
        ),
        reason=reason,
        hint=next(filter(None, map(hint, failures)), None),
    )


def _ids(credentials: tuple[Credential, ...] | None) -> tuple[str, ...] | None:
    """Return the IDs of credentials; None if these could not be read."""
    if credentials is None:
        return None
    return tuple(credential.id or "" for credential in credentials)


DEFINITION = TaskDefinition(
    words=TaskWords(title="Audit of root credentials"),
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=SCOPE_KEYS,
    parse=parse_accounts_or_all,
    plan=audit,
)
