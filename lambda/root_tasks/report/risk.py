"""The urgency of an account: the order of everything that lists accounts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import IntEnum

from ..model.report_schema import (
    AccessKey,
    AccountResult,
    CredentialDetails,
    ItemType,
    RootCredentials,
)

# A use this long ago is a recent one; a plan leaves out by default what was used or created since.
RECENT = timedelta(days=90)


class Risk(IntEnum):
    """The most urgent credential of a root user; the most urgent is first."""

    KEY_USED_RECENTLY = 0
    PASSWORD_USED_RECENTLY = 1
    KEY_USE_UNKNOWN = 2
    ACTIVE_KEY = 3
    PASSWORD_WITHOUT_MFA = 4
    PASSWORD = 5
    OTHER_CREDENTIAL = 6
    NOTHING = 7


def in_order_of_risk(results: Iterable[AccountResult], *, at: datetime) -> list[AccountResult]:
    """Return the results by outcome, risk, last use (the latest first) and account ID.

    Args:
        results: The results, in any order.
        at: The end of the run.
    """

    def sort_key(result: AccountResult) -> tuple[int, int, float, str]:
        risks_and_uses = list(_risks_and_uses(result, at))
        uses = [used.timestamp() for _, used in risks_and_uses if used is not None]
        return (
            result.outcome.rank,
            min((risk for risk, _ in risks_and_uses), default=Risk.NOTHING),
            -max(uses, default=0.0),
            result.account_id,
        )

    return sorted(results, key=sort_key)


def all_credentials(result: AccountResult) -> RootCredentials | None:
    """Return the credentials that an audit found, or that a plan lists, to be deleted or not."""
    if result.credentials is not None:
        return result.credentials
    # A plan has them as items, which are put together here as an audit has them.
    listed = [(item, item.credential) for item in result.items if item.credential is not None]
    if not listed:
        return None

    def ids_of(type_: ItemType) -> tuple[str, ...]:
        return tuple(item.id or "" for item, _ in listed if item.type is type_)

    password = next((details for item, details in listed if item.type is ItemType.PASSWORD), None)
    return RootCredentials(
        password=password is not None,
        password_last_used_at=None if password is None else password.last_used_at,
        access_keys=tuple(
            AccessKey(access_key_id=item.id or "", **asdict(details))
            for item, details in listed
            if item.type is ItemType.ACCESS_KEY
        ),
        mfa_devices=ids_of(ItemType.MFA_DEVICE),
        signing_certificates=ids_of(ItemType.SIGNING_CERTIFICATE),
    )


def _risks_and_uses(result: AccountResult, at: datetime) -> Iterator[tuple[Risk, datetime | None]]:
    """Yield the risk and the last use of each credential of an account, or of its plan."""
    has = all_credentials(result)
    if has is None:
        return
    if has.access_keys is None:
        yield Risk.KEY_USE_UNKNOWN, None
    for key in has.access_keys or ():
        yield _key_risk(key, at), key.last_used_at
    if has.password:
        used = has.password_last_used_at
        yield _password_risk(used, has_mfa=has.mfa_devices != (), at=at), used
    # () stands for none, and None for some that could not be listed.
    if has.mfa_devices != () or has.signing_certificates != ():
        yield Risk.OTHER_CREDENTIAL, None


def _key_risk(key: CredentialDetails, at: datetime) -> Risk:
    """Return the risk of an access key at the end of a run."""
    if key.status != "Active":
        return Risk.OTHER_CREDENTIAL
    if key.last_use_unread:
        return Risk.KEY_USE_UNKNOWN
    return Risk.KEY_USED_RECENTLY if is_recent(key.last_used_at, at) else Risk.ACTIVE_KEY


def _password_risk(last_used_at: datetime | None, *, has_mfa: bool, at: datetime) -> Risk:
    """Return the risk of a password at the end of a run."""
    if is_recent(last_used_at, at):
        return Risk.PASSWORD_USED_RECENTLY
    return Risk.PASSWORD if has_mfa else Risk.PASSWORD_WITHOUT_MFA


def is_recent(moment: datetime | None, at: datetime) -> bool:
    """Return whether a credential that was last used at a moment is in use at the end of a run."""
    return moment is not None and at - moment <= RECENT
