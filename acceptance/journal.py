"""The journal of a run: what it is about to change, written to the disk before each change."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acceptance.model import Level
from acceptance.names import Names
from acceptance.state import StateField

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VERSION = 1


class JournalError(Exception):
    """Raised for a file that is not the journal of a run, or not as the run wrote it."""


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
        with self.path.open("r+b") as file:
            before = file.read()
            # What a kill cut off announced a change that did not begin.
            end = before.rfind(b"\n") + 1
            file.truncate(end)
            file.seek(end)
            sealed = {**line, "sha256": _checksum(before[:end], line)}
            file.write(json.dumps(sealed).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """What a run may have changed.

    Attributes:
        names: Where it was, and what its own resources are called.
        before: The value of each changed resource before the run.
        set_by_run: Those that the run may have enabled, or created.
        restored: Whether everything was restored already.
    """

    names: Names
    before: Mapping[StateField, Any]
    set_by_run: frozenset[StateField]
    restored: bool

    @property
    def level(self) -> Level:
        """The lowest level of a run that changes this much."""
        levels = [field.level for field in self.before]
        return max(levels, key=list(Level).index, default=Level.READ)

    @property
    def of_others(self) -> frozenset[StateField]:
        """What a restoration would disable or delete, although the run has not enabled or created it."""
        absent = {field for field, value in self.before.items() if value is False}
        return frozenset(absent - self.set_by_run)


def read_journal(path: Path) -> Unfinished:
    """Read a journal.

    Raises:
        JournalError: It is not one, or it was altered.
    """
    try:
        first, *lines = _lines(path)
        if first.pop("journal") != _VERSION:
            raise JournalError(f"{path} is the journal of another version.")
        names = Names(**first)
        before: dict[StateField, Any] = {}
        set_by_run = set()
        for line in lines:
            if "change" in line:
                field = StateField(line["change"])
                before.setdefault(field, line["undo"])
                if line["to"] is not False:
                    set_by_run.add(field)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalError(f"{path} is not a journal of the acceptance suite.") from error
    return Unfinished(
        names=names,
        before=before,
        set_by_run=frozenset(set_by_run),
        restored=any("restored" in line for line in lines),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    # Without what a kill cut off.
    *complete, _ = path.read_bytes().split(b"\n")
    lines = []
    before = b""
    for number, text in enumerate(complete, start=1):
        line = json.loads(text)
        if line.pop("sha256") != _checksum(before, line):
            raise JournalError(
                f"{path} is not as the run wrote it: line {number} does not belong to those before it. "
                "Nothing was changed. Restore by hand what it names."
            )
        lines.append(line)
        before += text + b"\n"
    return lines


def _checksum(before: bytes, line: Mapping[str, Any]) -> str:
    return hashlib.sha256(before + json.dumps(line).encode()).hexdigest()
