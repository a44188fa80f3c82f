"""The account ids of the tests' organizations."""

from __future__ import annotations

MANAGEMENT = "111111111111"
MEMBER = "222222222222"
OTHER_MEMBER = "333333333333"
THIRD_MEMBER = "444444444444"
SUSPENDED_MEMBER = "555555555555"

# Not in the organization.
OUTSIDE_ORGANIZATION = "999999999999"
