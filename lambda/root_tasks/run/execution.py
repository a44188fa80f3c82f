"""The execution that a run is, as the state machine names it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution of a state machine.

    Attributes:
        arn: Its ARN.
        name: Its name, which is the run's ID.
        started_at: When it started.
    """

    arn: str
    name: str
    started_at: datetime

    @classmethod
    def parse(cls, payload: Mapping[str, str]) -> Execution:
        """Return the execution that the state machine names in a payload."""
        return cls(
            arn=payload["id"],
            name=payload["name"],
            started_at=datetime.fromisoformat(payload["startedAt"]),
        )
