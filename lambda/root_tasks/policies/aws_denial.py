"""What AWS's message says about a denied call: which call it was, and which policy denied it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scp.calls import ASSUME_ROOT
from scp.documents import PolicyType

_DENIED = "is not authorized to perform: "
_DENIED_CALL = re.compile(rf"{_DENIED}([a-z0-9-]+:[A-Za-z0-9]+)(.*?)(?={_DENIED}|\Z)", re.DOTALL)
_POLICY_TYPE = re.compile(r"\b(service|resource) control policy\b")
# AWS names the policy since January 2026, not yet in every service.
_POLICY_ARN = re.compile(
    r"arn:[a-z-]+:organizations::(?:\d{12}|aws):policy/(?:o-[a-z0-9]+/)?(service|resource)_control_policy/"
    r"(p-[0-9a-zA-Z_]{8,128})"
)


@dataclass(frozen=True, kw_only=True)
class AwsDenial:
    """A call that AWS denied because of a policy of the organization.

    Attributes:
        action: The call, named as in an IAM policy.
        policy_type: The type of the policy.
        policy_id: The policy; None if the message does not name it.
    """

    action: str
    policy_type: PolicyType
    policy_id: str | None

    @property
    def is_on_caller(self) -> bool:
        """Whether the policy is on the account that opens root sessions, not on the member."""
        return self.action == ASSUME_ROOT and self.policy_type is PolicyType.SERVICE_CONTROL_POLICY


def parse_denial(message: str) -> AwsDenial | None:
    """Return the first denial in messages of AWS's whose cause is a policy of the organization, if any."""
    for action, cause in _DENIED_CALL.findall(message):
        named = _POLICY_ARN.search(cause)
        if found := named or _POLICY_TYPE.search(cause):
            policy_type = PolicyType(f"{found[1].upper()}_CONTROL_POLICY")
            return AwsDenial(action=action, policy_type=policy_type, policy_id=named and named[2])
    return None
