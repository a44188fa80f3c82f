"""The query that finds out who uses an access key, for the page, the terminal and the docs. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# What is not an ID gets into no query.
_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")
# The page puts the quoted IDs in place of the braces.
KEY_QUERY = (
    "fields eventTime | filter userIdentity.accessKeyId in [{}]"
    " | stats count(*) as calls, min(eventTime) as earliest, max(eventTime) as latest"
    " by userIdentity.accessKeyId, recipientAccountId, eventSource, eventName, sourceIPAddress, userAgent"
    " | sort calls desc"
)


def key_query(key_ids: Iterable[str]) -> str | None:
    """Return the query for CloudWatch Logs Insights, on the log group of the organization's trail.

    Args:
        key_ids: The IDs of the access keys.

    Returns:
        The query; None if there is no key.
    """
    quoted = ", ".join(f'"{key_id}"' for key_id in key_ids if _KEY_ID.fullmatch(key_id))
    return KEY_QUERY.format(quoted) if quoted else None
