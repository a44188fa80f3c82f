"""The commands, one module each, and how they find the runs of a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..deployed_runs import Runs
    from ..options import TargetOptions


def find_runs(target: TargetOptions) -> Runs:
    """Return the runs of the deployment that a command works with.

    Raises:
        CommandError: There is no such deployment, or more than one.
        CallError: It cannot be looked for.
    """
    # Not at the top: the SDK takes a second to import.
    from ..deployed_runs import Runs

    return Runs.find(target)
