"""The place where a command works: profile, Region and stack."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .terminal import PROGRAM

if TYPE_CHECKING:
    from .terminal import Environment


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """The place where a command works. None leaves it to the SDK, or stands for the only stack."""

    environment: Environment
    profile: str | None
    region: str | None
    stack: str | None

    def command(self, *words: str) -> str:
        """Return a command line that works in the same place, to be pasted into a shell."""
        options = {"--profile": self.profile, "--region": self.region, "--stack": self.stack}
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return shlex.join([PROGRAM, *words, *given])
