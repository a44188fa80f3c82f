"""Something to do, as notices and reports say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class NextStep:
    """Something to do. Chat reads it as Markdown, so it has no text that others chose.

    Attributes:
        what: What to do: a sentence if there is no command, otherwise one without its full stop.
        command: A command or a query to paste; otherwise None.
    """

    what: str
    command: str | None = None

    def text(self, before: str = "\n   ", after: str = "") -> str:
        """Return it as text.

        Args:
            before: What stands before its command. By default, the command has a line of its own,
                as in mail; in chat it stands between backticks.
            after: What stands after its command.
        """
        if self.command is None:
            return self.what
        return f"{self.what}:{before}{self.command}{after}"
