"""The policies of an organization as they were read, and what they are attached to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scp.documents import PolicyType, parse_policy, unreadable_policy
from scp.evaluate import Level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scp.documents import Policy

# AWS's own policies: their content never changes. The second one is attached everywhere, and AWS refuses to
# detach it. The first one can be detached where another service control policy is attached: AWS refuses to
# detach the last one.
FULL_ACCESS = parse_policy(
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
    policy_id="p-FullAWSAccess",
    name="FullAWSAccess",
)
RCP_FULL_ACCESS = parse_policy(
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}',
    policy_id="p-RCPFullAWSAccess",
    name="RCPFullAWSAccess",
    policy_type=PolicyType.RESOURCE_CONTROL_POLICY,
)
_PENDING = "AWS is enabling or disabling this type of policies."
_NOT_LISTED = "No policy was listed for it, and AWS refuses to detach the last one."
_UNKNOWN_PATH = "The organizational units of the account could not be read."


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """What the policies of one type are attached to.

    Attributes:
        policy_type: The type.
        is_pending: Whether AWS is enabling or disabling the type; nothing was listed then.
        policy_names: The name of each policy, by its ID.
        policy_ids: The IDs of the policies that are attached to a target itself, by the target's ID. A target
            that is not listed has AWS's own policy alone.
        target_names: The name of each target that is listed, by its ID.
        problems: Why it is not known whether FullAWSAccess is attached to a target, by the target's ID.
        is_complete: Whether FullAWSAccess is listed as well: each target was asked for itself.
    """

    policy_type: PolicyType
    is_pending: bool = False
    policy_names: Mapping[str, str] = field(default_factory=dict)
    policy_ids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    target_names: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    is_complete: bool = False

    def with_names(self, target_names: Mapping[str, str]) -> Attachments:
        """Return the same with the names of targets, unless these came with the lists of targets."""
        return replace(self, target_names=target_names) if self.is_complete else self


@dataclass(frozen=True, kw_only=True)
class OrganizationPolicies:
    """The policies of an organization that limit root sessions.

    Attributes:
        attachments: What they are attached to, by their type; without types that are disabled or not wanted.
        policies: The policies that were read, by their IDs.
    """

    attachments: Mapping[PolicyType, Attachments]
    policies: Mapping[str, Policy]

    def level(self, policy_type: PolicyType, target_id: str | None) -> Level:
        """Return the level of the root, of a unit or of an account, with its policies of a type.

        Args:
            policy_type: The type, one that is not disabled.
            target_id: Its ID; None for all levels of an account whose units are not known.
        """
        if target_id is None:
            return Level(target_id="", name="", policies=(_unknown(_UNKNOWN_PATH),))
        attached = self.attachments[policy_type]
        policies = [self.policies[id_] for id_ in attached.policy_ids.get(target_id, ())]
        if attached.is_pending:
            policies = [_unknown(_PENDING)]
        elif policy_type is PolicyType.RESOURCE_CONTROL_POLICY:
            policies = [RCP_FULL_ACCESS, *policies]
        elif target_id not in attached.policy_ids:
            policies = [FULL_ACCESS]
        elif not policies and target_id not in attached.problems:
            policies = [_unknown(_NOT_LISTED)]
        if target_id in attached.problems:
            policies = [*policies, _unknown(attached.problems[target_id])]
        name = attached.target_names.get(target_id, "")
        return Level(target_id=target_id, name=name, policies=tuple(policies))


def _unknown(problem: str) -> Policy:
    return unreadable_policy(policy_id="", name="", problem=problem)
