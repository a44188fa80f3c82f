"""Many connections in one process, for the stand-in and for the client without a bound."""

from __future__ import annotations

import resource
from asyncio.sslproto import SSLProtocol

_BUFFER_BYTES = 32 * 1024


def allow_many_connections() -> None:
    """Let this process have as many connections as the system allows, with a small buffer for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # asyncio has 256 KB for each, which is gigabytes for those of 10,000 accounts.
    SSLProtocol.max_size = _BUFFER_BYTES
