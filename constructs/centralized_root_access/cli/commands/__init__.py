"""The commands, one module each, and how they find the runs of a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..terminal import waiting_line

if TYPE_CHECKING:
    from ..runs import Runs
    from ..target import TargetOptions


def find_runs(target: TargetOptions) -> Runs:
    """Return the runs of the deployment that a command works with, and show that it is looked for.

    Raises:
        CommandError: There is no such deployment, or more than one.
        CallError: It cannot be looked for.
    """
    with waiting_line("Looking for RootTasks ..."):
        # Not at the top: the SDK takes a second to import.
        from ..runs import Runs

        return Runs.find(target)
