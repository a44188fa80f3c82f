"""Restores what a run has changed from its journal, after it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acceptance.resources import observe
from acceptance.scene import Scene
from acceptance.state import FEATURES

if TYPE_CHECKING:
    from acceptance.callers import Callers
    from acceptance.deployment import Deployment
    from acceptance.journal import Journal, Unfinished
    from acceptance.state import Resource


def restore_from_journal(
    unfinished: Unfinished, callers: Callers, *, journal: Journal, deployment: Deployment | None = None
) -> tuple[Resource, ...]:
    """Restore everything that a run may have changed, and return what that was.

    What a run was about to change when it ended may have been changed or not, so AWS is asked. A restoration
    that is killed can be repeated.

    Args:
        unfinished: What the journal says.
        callers: The clients.
        journal: Where the changes of the restoration are written as well.
        deployment: The stack of the run.
    """
    touched = frozenset(unfinished.before)
    state = observe(callers, touched, deployment=deployment)
    scene = Scene(callers, journal=journal, state=state, deployment=deployment)
    features = touched & frozenset(FEATURES.values())
    if features and not state.trusted_access and any(unfinished.before[f] is not None for f in features):
        # A feature can be seen and changed only while trusted access is enabled.
        scene.enable_trusted_access()
    scene.restore(unfinished.before)
    journal.finish()
    return tuple(unfinished.before)
