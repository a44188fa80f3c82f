"""Root credentials that stay in an account on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from ..base.arguments import ACCOUNT_ID, UNIT_ID, parse_members, require_known, wrong_type
from ..base.enums import CredentialType

_MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class AcceptedCredentials:
    """Root credentials that audits accept: reports show them, but they set off no alarm.

    Anything else that an audit finds in the account still counts: another type of credential, or a
    second one of a type. From the day after ``until`` everything counts again.

    Example::

        AcceptedCredentials(
            types=[CredentialType.MFA_DEVICE], reason="Billing, TICKET-1", until="2027-03-31"
        )

    Attributes:
        types: The types of credentials.
        reason: Why they stay, as reports show it: one line of at most 200 characters.
        until: The last day, in UTC, as ``YYYY-MM-DD``. No day is too late. A day in the past
            accepts nothing, and is not refused, because a template must not depend on the day of
            its synth.
    """

    types: Iterable[CredentialType | str]
    reason: str
    until: str


def parse_accepted_credentials(accepted: Mapping[str, AcceptedCredentials]) -> list[object]:
    """Return what is accepted as the functions' setting, sorted by the IDs of accounts and units.

    Raises:
        ValueError: An ID is malformed, or its entry has a value that cannot be.
        TypeError: The argument or a value in it has another type.
    """
    argument = "accepted_credentials"
    if not isinstance(accepted, Mapping):
        remedy = 'Write {"222222222222": AcceptedCredentials(types=…, reason=…, until=…)}.'
        raise wrong_type(argument, accepted, expected="a mapping", remedy=remedy)
    # Sorted by ID: the order in the code changes no template.
    setting: list[object] = []
    for id_, entry in sorted(accepted.items(), key=lambda item: str(item[0])):
        if not isinstance(id_, str) or not re.fullmatch(f"{ACCOUNT_ID}|{UNIT_ID}", id_):
            raise ValueError(
                f"{argument} must have IDs of accounts or organizational units as keys; {id_!r} is "
                "not one. Write all 12 digits of an account, or ou-a1b2-c3d4e5f6, for example."
            )
        where = f"{argument}[{id_!r}]"
        if not isinstance(entry, AcceptedCredentials):
            remedy = "Write AcceptedCredentials(types=…, reason=…, until=…)."
            raise wrong_type(where, entry, expected="AcceptedCredentials", remedy=remedy)
        setting.append(
            {
                "targetId": id_,
                "types": parse_members(f"{where}.types", entry.types, CredentialType),
                "reason": _parse_reason(f"{where}.reason", entry.reason),
                "until": _parse_day(f"{where}.until", entry.until),
            }
        )
    return setting


def _parse_reason(argument: str, reason: object) -> str:
    """Return the reason of an entry; refuse what reports could not show as it is."""
    # Terminals, mails and pages show the reason: one line, without control characters.
    if not isinstance(reason, str) or not reason.isprintable() or not reason.strip():
        raise ValueError(
            f"{argument} must be one line of text, got {reason!r}. Write why they stay."
        )
    require_known(argument, reason)
    if len(reason) > _MAX_REASON_CHARACTERS:
        raise ValueError(
            f"{argument} has {len(reason)} characters; reports show {_MAX_REASON_CHARACTERS}. "
            "Shorten it."
        )
    return reason


def _parse_day(argument: str, day: object) -> str:
    """Return the last day of an entry; refuse what is not a day as YYYY-MM-DD."""
    try:
        # Python also reads other forms, such as 2027-W13-3.
        if isinstance(day, str) and date.fromisoformat(day).isoformat() == day:
            return day
    except ValueError:
        pass
    raise ValueError(f"{argument} must be a day, got {day!r}. Write 2027-03-31, for example.")
