"""The account ids of the tests' organizations."""

from __future__ import annotations

MANAGEMENT = "111111111111"
MEMBER = "222222222222"
OTHER = "333333333333"
THIRD = "444444444444"
SUSPENDED = "555555555555"

# Not in the organization.
STRANGER = "999999999999"
