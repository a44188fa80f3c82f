"""The policies of an organization, and their attachments, as read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .documents import Policy, PolicyType, parse_policy

# AWS's defaults, whose content never changes. RCPFullAWSAccess cannot be detached; FullAWSAccess
# can, where another service control policy is attached.
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


def _unknown_policy(problem: str) -> Policy:
    """Return what stands for policies that could not be read: it may allow or deny anything."""
    return Policy(policy_id="", name="", problem=problem)


_NOT_LISTED = _unknown_policy(
    "No policy was listed for it, and AWS refuses to detach the last one."
)
_UNKNOWN_PATH = _unknown_policy("The organizational units of the account could not be read.")


@dataclass(frozen=True, kw_only=True)
class Level:
    """A root, an organizational unit or an account, and the policies that are attached to it.

    For example, an account in one unit has three levels: the root, the unit and the account. Each
    level has to allow a call.

    Attributes:
        target_id: Its ID.
        policies: What is attached to it itself, not what it inherits.
    """

    target_id: str
    name: str
    policies: tuple[Policy, ...]


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """The attachments of the policies of one type.

    Attributes:
        policy_ids: The IDs of the policies that are attached to a target itself, by the target's
            ID. A target that is not listed only has AWS's own policy.
        problems: Why it is not known what is attached to a target, by the target's ID.
    """

    policy_ids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OrganizationPolicies:
    """The policies of an organization that limit root sessions.

    Attributes:
        attachments: What they are attached to, by their type; without types that are disabled or
            not wanted.
        policies: The policies that were read, by their IDs.
        target_names: The names of the root, of units and of accounts, by their IDs.
    """

    attachments: Mapping[PolicyType, Attachments]
    policies: Mapping[str, Policy]
    target_names: Mapping[str, str] = field(default_factory=dict)

    def level(self, policy_type: PolicyType, target_id: str | None) -> Level:
        """Return the level of the root, of a unit or of an account, with its policies of a type.

        Args:
            policy_type: The type, which is not disabled.
            target_id: Its ID; None for all levels of an account whose units are not known.
        """
        if target_id is None:
            return Level(target_id="", name="", policies=(_UNKNOWN_PATH,))
        attached = self.attachments[policy_type]
        policies = [self.policies[id_] for id_ in attached.policy_ids.get(target_id, ())]
        if policy_type is PolicyType.RESOURCE_CONTROL_POLICY:
            # Every target has AWS's own policy, so the reader leaves it out.
            policies.insert(0, RCP_FULL_ACCESS)
        elif target_id not in attached.policy_ids:
            # A target that no list names has only AWS's own policy.
            policies = [FULL_ACCESS]
        elif not policies:
            # AWS lets no target be without one.
            policies = [_NOT_LISTED]
        if target_id in attached.problems:
            policies.append(_unknown_policy(attached.problems[target_id]))
        name = self.target_names.get(target_id, "")
        return Level(target_id=target_id, name=name, policies=tuple(policies))
