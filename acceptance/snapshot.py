"""The snapshot of a run: the state before its first change."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from acceptance.model import Level
from acceptance.names import Names
from acceptance.state import State

_VERSION = 1


class SnapshotError(Exception):
    """The file is not the snapshot of a run."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state, before the run, that a run may change.

    Attributes:
        names: The organization, and the names of the run's own resources.
        level: The level of the run.
        before: The state before the run. None for a feature that is hidden, which the run does not
            change.
    """

    names: Names
    level: Level
    before: State

    def write(self, path: Path) -> None:
        """Write the snapshot; a run that is killed here leaves the previous one or this one."""
        document = {"snapshot": _VERSION, "level": self.level, "names": vars(self.names)}
        part = path.with_suffix(".part")
        with part.open("w") as file:
            json.dump({**document, "before": vars(self.before)}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot.

    Raises:
        SnapshotError: The file is not a snapshot of this version.
    """
    try:
        document = json.loads(path.read_text())
        if document["snapshot"] != _VERSION:
            raise SnapshotError(f"{path} is a snapshot of another version.")
        return Snapshot(
            names=Names(**document["names"]),
            level=Level(document["level"]),
            before=State(**document["before"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{path} is not a snapshot of the acceptance suite.") from error
