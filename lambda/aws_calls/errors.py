"""The base of every error that is meant for people, and what fits into a response."""

from __future__ import annotations

import json

# CloudFormation takes 4,096 bytes; the Provider framework adds about 900 to the message.
_MAX_MESSAGE = 2500


class RootAccessError(Exception):
    """Raised with a message that says what failed, in which account, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(truncate_json(message, limit=_MAX_MESSAGE))


class PartitionNotSupportedError(RootAccessError):
    """Raised in the China partition.

    Attributes:
        account_id: the account of the function.
    """

    def __init__(self, *, account_id: str) -> None:
        super().__init__(
            f"Account {account_id} is in the China partition, where centralized root access is not "
            "available. Deploy this stack in a management account of another partition. Nothing was changed."
        )
        self.account_id = account_id


class SettingsError(RootAccessError):
    """Raised where a function's settings are not those that its code reads."""


def truncate_json(text: str, *, limit: int) -> str:
    """Return the text, shortened to so many bytes as JSON spells it."""
    if len(json.dumps(text)) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if len(json.dumps(text[:middle] + "…")) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…"
