"""The journal of a run: what it is about to change, written to the disk before each change."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acceptance.names import Names
from acceptance.state import StateField

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VERSION = 1


class JournalError(Exception):
    """Raised for a file that is not a journal of this suite."""


class Journal:
    """A journal that is being written.

    Args:
        path: The file. A run creates it; a restoration appends to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, names: Names) -> None:
        """Write the first line: where the run is, and what its own resources are called.

        Raises:
            FileExistsError: There is a file of this name.
        """
        with self.path.open("x"):
            pass
        self._write({"journal": _VERSION, **names.to_json()})

    def write_change(self, resource: StateField, *, before: object, after: object) -> None:
        """Write what is about to change, and what undoes it: the value before."""
        self._write({"change": resource.value, "undo": before, "to": after})

    def finish(self) -> None:
        """Write that everything is as it was before the run."""
        self._write({"restored": True})

    def _write(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """What a run may have changed.

    Attributes:
        names: Where it was, and what its own resources are called.
        before: The value of each changed resource before the run.
        restored: Whether everything was restored already.
    """

    names: Names
    before: Mapping[StateField, Any]
    restored: bool


def read_journal(path: Path) -> Unfinished:
    """Read a journal.

    Raises:
        JournalError: It is not one.
    """
    try:
        first, *lines = _lines(path)
        if first.pop("journal") != _VERSION:
            raise JournalError(f"{path} is the journal of another version.")
        names = Names(**first)
        before: dict[StateField, Any] = {}
        for line in lines:
            if "change" in line:
                before.setdefault(StateField(line["change"]), line["undo"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalError(f"{path} is not a journal of the acceptance suite.") from error
    return Unfinished(names=names, before=before, restored=any("restored" in line for line in lines))


def _lines(path: Path) -> list[dict[str, Any]]:
    *complete, last = path.read_bytes().split(b"\n")
    # A last line without its end was cut off by the kill, so its change did not begin.
    del last
    return [json.loads(line) for line in complete]
