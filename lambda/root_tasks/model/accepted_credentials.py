"""Credentials that stay on purpose: which types, why, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Self

from .report import ItemType

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class AcceptedCredentials:
    """What an account, or each account of a unit, may have until the end of a day in UTC."""

    types: frozenset[ItemType]
    reason: str
    until: date

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """Return what a setting says.

        Raises:
            ValueError: The setting has another form.
        """
        match value:
            case {"types": [*types], "reason": str(reason), "until": str(until)} if len(value) == 3:
                accepted = frozenset(map(ItemType, types))
                return cls(types=accepted, reason=reason, until=date.fromisoformat(until))
        raise ValueError(f"{value!r} is not an object with types, reason and until.")
