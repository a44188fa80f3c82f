"""The audit: which credentials the root user of a member account has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aws_calls.failures import CallError, describe
from root_access.state import Feature

from ..messages import DETAILS_UNAVAILABLE, contradiction, hint
from ..model.report import AccessKey, ItemType, Outcome, RootCredentials
from ..model.run import Finding
from .credentials import (
    GET_ACCOUNT_SUMMARY,
    LISTING_CALLS,
    LastUse,
    access_keys,
    existing_types,
    mfa_devices,
    password_last_use,
    signing_certificates,
)
from .definition import TaskDefinition
from .scope import ACCOUNT_KEYS, parse_accounts_or_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iam import IAMClient

    from aws_calls.failures import Failure

    from ..aws.sessions import RootSession
    from .credentials import Credential
    from .definition import AccountTask

T = TypeVar("T")


def audit(task: AccountTask) -> Finding:
    """Return which credentials the account's root user has.

    One call where there are none; more only for what exists. That one call decides: a detail that cannot be
    read is a note.

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
    reader = _DetailsReader(session, iam, existing)
    return Finding(
        account_id=session.account_id,
        outcome=Outcome.HAS_CREDENTIALS,
        credentials=reader.read(),
        reason=reader.reason,
        hint=reader.hint,
    )


class _DetailsReader:
    """Reads the details of what exists, and remembers which of them it could not read."""

    def __init__(self, session: RootSession, iam: IAMClient, existing: frozenset[ItemType]) -> None:
        self._session = session
        self._iam = iam
        self._existing = existing
        self._failures: list[Failure] = []
        self._contradictions: list[str] = []

    @property
    def reason(self) -> str | None:
        """What could not be read; None where everything was."""
        # A failure of several keys is reported once.
        notes = dict.fromkeys([*map(describe, self._failures), *self._contradictions])
        return " ".join((DETAILS_UNAVAILABLE, *notes)) if notes else None

    @property
    def hint(self) -> str | None:
        """The likely cause of what could not be read."""
        return next(filter(None, map(hint, self._failures)), None)

    def read(self) -> RootCredentials:
        """Read the details."""
        has_password = ItemType.PASSWORD in self._existing
        password_use = password_last_use(self._session, self._iam) if has_password else LastUse()
        keys = self._list(ItemType.ACCESS_KEY, access_keys)
        self._failures += filter(None, (password_use.unread, *(key.unread for key in keys or ())))
        return RootCredentials(
            password=has_password,
            password_last_used_at=password_use.at,
            password_last_use_unread=password_use.unread is not None,
            access_keys=None if keys is None else tuple(map(_access_key, keys)),
            mfa_devices=self._list(ItemType.MFA_DEVICE, mfa_devices),
            signing_certificates=self._list(ItemType.SIGNING_CERTIFICATE, signing_certificates),
        )

    def _list(
        self, type_: ItemType, list_: Callable[[RootSession, IAMClient], tuple[T, ...]]
    ) -> tuple[T, ...] | None:
        """Return the credentials of a type; None where there are some that could not be listed."""
        if type_ not in self._existing:
            return ()
        try:
            found = list_(self._session, self._iam)
        except CallError as error:
            self._failures.append(error.failure)
            return None
        if not found:
            self._contradictions.append(contradiction(GET_ACCOUNT_SUMMARY, LISTING_CALLS[type_]))
        return found or None


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
    title="Audit of root credentials",
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=ACCOUNT_KEYS,
    parse=parse_accounts_or_all,
    plan=audit,
)
