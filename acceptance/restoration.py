"""Restores what a run has changed from its journal, after it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acceptance.scene import Scene
from acceptance.state import State

if TYPE_CHECKING:
    from acceptance.callers import Callers
    from acceptance.deployment import Deployment
    from acceptance.journal import Journal, Unfinished
    from acceptance.state import StateField


def restore_from_journal(
    unfinished: Unfinished, callers: Callers, *, journal: Journal, deployment: Deployment | None = None
) -> tuple[StateField, ...]:
    """Restore everything that a run may have changed, and return what that was.

    Args:
        unfinished: What the journal says.
        callers: The clients.
        journal: Where the changes of the restoration are written as well.
        deployment: The stack of the run.
    """
    scene = Scene(callers, journal=journal, state=State(), deployment=deployment)
    scene.restore(unfinished.before)
    return tuple(unfinished.before)
