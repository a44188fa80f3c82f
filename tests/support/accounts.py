"""The account ids of the tests' organizations."""

from __future__ import annotations

MANAGEMENT = "111111111111"
MEMBER = "222222222222"
OTHER_MEMBER = "333333333333"
THIRD_MEMBER = "444444444444"

# Not in the organization.
OUTSIDE_ORGANIZATION = "999999999999"
