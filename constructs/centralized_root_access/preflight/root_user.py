"""The statements that deny a root user everything outside root sessions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .condition_keys import ABSENT, ANYTHING, SessionRequest
from .conditions import condition_holds
from .documents import Effect, PolicyType
from .evaluate import Cause, Reason
from .policy_text import lowercase
from .truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .condition_keys import Possible
    from .documents import Statement
    from .evaluate import Level

# The start of what a root user's own requests have in common with those of a root session in its account.
_SAME = ("aws:principal", "aws:userid", "aws:username", "aws:federatedprovider")


@dataclass(frozen=True, kw_only=True)
class RootUserRequest(SessionRequest):
    """A request of the root user itself, of which no more is known than who it is."""

    def possible(self, key: str) -> Possible:
        """Return what a condition key may be."""
        key = lowercase(key)
        if key == "aws:assumedroot":
            return ABSENT
        return super().possible(key) if key.startswith(_SAME) else ANYTHING


def denials_of_everything(levels: Iterable[Level], request: RootUserRequest) -> Iterator[Cause]:
    """Yield the statements that certainly deny a root user every action, and where they are attached.

    Args:
        levels: The levels from the root to the account, with their service control policies.
        request: Any request of the root user.
    """
    for level in levels:
        for policy in level.policies:
            for statement in policy.statements:
                if _denies_everything(statement, request):
                    yield Cause(
                        reason=Reason.EXPLICIT_DENY,
                        policy_type=PolicyType.SERVICE_CONTROL_POLICY,
                        level=level,
                        policy=policy,
                        statement=statement,
                    )


def _denies_everything(statement: Statement, request: RootUserRequest) -> bool:
    return (
        statement.effect is Effect.DENY
        and not (statement.not_action or statement.not_resource)
        and any(action.matches_everything for action in statement.actions)
        and any(resource.matches_everything for resource in statement.resources)
        and all(condition_holds(condition, request) is Truth.TRUE for condition in statement.conditions)
    )
