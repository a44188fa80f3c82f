"""The request limits of AWS, as token buckets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit of a call.

    Attributes:
        rate: How many calls a second AWS lets through.
        burst: How many it lets through at once after a pause.
    """

    rate: float
    burst: float


# Organizations documents them, for one account.
_LISTS = Limit(rate=5, burst=8)
ORGANIZATIONS = {
    "DescribeAccount": Limit(rate=20, burst=30),
    "DescribeOrganization": Limit(rate=1, burst=2),
    # This one is assumed.
    "DescribeOrganizationalUnit": _LISTS,
    "ListAccounts": Limit(rate=8, burst=12),
    "ListOrganizationalUnitsForParent": _LISTS,
    "ListRoots": Limit(rate=1, burst=2),
}

# STS documents this one for AssumeRole and the other calls that are made with an account's own
# keys. No limit of AssumeRoot is published or recorded.
ASSUME_ROOT = Limit(rate=600, burst=600)


class TokenBucket:
    """What is left of a limit: at first all that it lets through at once.

    Attributes:
        limit: The limit.
        tokens: How many calls it lets through at once now.
        updated_at: When the tokens were counted, on a clock that never goes back.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.tokens = limit.burst
        self.updated_at = 0.0

    def take(self, now: float) -> bool:
        """Take a token, and return whether there was one."""
        elapsed, self.updated_at = now - self.updated_at, now
        self.tokens = min(self.limit.burst, self.tokens + elapsed * self.limit.rate)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
