"""The urgency of an account: the order of everything that lists accounts. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

from ..model.report_schema import ItemType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ..model.report_schema import AccountResult, CredentialDetails

# A use this long ago is a recent one; a plan leaves out by default what has been used since.
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
    """Return the results by outcome, then by risk, then by last use, the latest first, then by account ID.

    Args:
        results: The results, in any order.
        at: The end of the run.
    """

    def key(result: AccountResult) -> tuple[int, int, float, str]:
        risks = list(_risks(result, at))
        last_use = max((used.timestamp() for _, used in risks if used is not None), default=0.0)
        return (
            result.outcome.rank,
            min((risk for risk, _ in risks), default=Risk.NOTHING),
            -last_use,
            result.account_id,
        )

    return sorted(results, key=key)


def is_all_in_use(result: AccountResult, *, at: datetime) -> bool:
    """Return whether a plan leaves out all that an audited account has, because it was used recently."""
    has = result.credentials
    if has is None or has.access_keys is None or has.signing_certificates != ():
        return False
    uses = [key.last_used_at for key in has.access_keys]
    if has.password:
        uses.append(has.password_last_used_at)
    return bool(uses) and all(is_recent(used, at) for used in uses)


def _risks(result: AccountResult, at: datetime) -> Iterator[tuple[Risk, datetime | None]]:
    """Yield the risk and the last use of each credential that an account has, or that a plan lists."""
    has = result.credentials
    if has is not None:
        if has.access_keys is None:
            yield Risk.KEY_USE_UNKNOWN, None
        for key in has.access_keys or ():
            yield _key_risk(key, at), key.last_used_at
        if has.password:
            used = has.password_last_used_at
            yield _password_risk(used, has_mfa=has.mfa_devices != (), at=at), used
        if has.mfa_devices != () or has.signing_certificates != ():
            yield Risk.OTHER_CREDENTIAL, None
    has_mfa = any(item.type is ItemType.MFA_DEVICE for item in result.items)
    for item in result.items:
        details = item.credential
        if details is None:
            continue
        if item.type is ItemType.ACCESS_KEY:
            yield _key_risk(details, at), details.last_used_at
        elif item.type is ItemType.PASSWORD:
            used = details.last_used_at
            yield _password_risk(used, has_mfa=has_mfa, at=at), used
        else:
            yield Risk.OTHER_CREDENTIAL, None


def _key_risk(key: CredentialDetails, at: datetime) -> Risk:
    if key.status != "Active":
        return Risk.OTHER_CREDENTIAL
    if key.last_use_unread:
        return Risk.KEY_USE_UNKNOWN
    return Risk.KEY_USED_RECENTLY if is_recent(key.last_used_at, at) else Risk.ACTIVE_KEY


def _password_risk(last_used_at: datetime | None, *, has_mfa: bool, at: datetime) -> Risk:
    if is_recent(last_used_at, at):
        return Risk.PASSWORD_USED_RECENTLY
    return Risk.PASSWORD if has_mfa else Risk.PASSWORD_WITHOUT_MFA


def is_recent(moment: datetime | None, at: datetime) -> bool:
    """Return whether a credential that was used then is in use."""
    return moment is not None and at - moment <= RECENT
