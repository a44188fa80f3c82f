"""The next steps after a run, as commands to paste. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from common.next_step import NextStep

from ..base.options import TargetOptions
from ..base.terminal import PROGRAM


def sentences(steps: Iterable[NextStep], *, target: TargetOptions) -> Iterator[str]:
    """Yield next steps as sentences, with commands that work where this one does."""
    for place, step in enumerate(steps):
        # A terminal says "Next" once.
        what, command = step.what, step.command
        if place == 0:
            what = f"Next, {what[0].lower()}{what[1:]}"
        if command is None:
            yield what
            continue
        # A query has no options.
        if command.startswith(f"{PROGRAM} "):
            command = target.complete(command)
        yield f"{what}: {command}"
