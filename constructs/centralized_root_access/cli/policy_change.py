"""A policy that is not attached yet, or a new document of one that is, for the preflight command."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.text import ACCOUNT_ID
from root_tasks.messages import quantity
from root_tasks.policies.attachments import FULL_ACCESS, Attachments, OrganizationPolicies
from scp.documents import PolicyType, parse_policy

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from scp.documents import Policy

# AWS's limits for a policy of each type; white space can be left out.
_MAX_CHARACTERS = {PolicyType.SERVICE_CONTROL_POLICY: 10_240, PolicyType.RESOURCE_CONTROL_POLICY: 5120}
_NOT_ATTACHED = "not attached yet"


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    """What a pipeline is about to do.

    Attributes:
        policy: The policy that is attached, or the one that is there with its new document.
        policy_type: Its type.
        target_ids: What it is attached to; none for a policy that is there.
        replaced_id: The ID of the policy that is there; None for a new one.
    """

    policy: Policy
    policy_type: PolicyType
    target_ids: tuple[str, ...] = ()
    replaced_id: str | None = None

    def with_targets(self, unit_id: Callable[[str], str]) -> PolicyChange:
        """Return the same with the IDs of targets that are given by their names.

        Args:
            unit_id: Returns the ID of a unit that is given by its ID, its path or the end of its path.
        """
        ids = (id_ if ACCOUNT_ID.fullmatch(id_) else unit_id(id_) for id_ in self.target_ids)
        return replace(self, target_ids=tuple(ids))

    def places(self, attachments: Iterable[Attachments]) -> frozenset[str]:
        """Return the IDs of the root, units and accounts where something changes.

        Raises:
            CommandError: The policy that is there is not attached to anything.
        """
        if self.replaced_id is None:
            return frozenset(self.target_ids)
        places = frozenset(
            target_id
            for of_type in attachments
            if of_type.policy_type is self.policy_type
            for target_id, policy_ids in of_type.policy_ids.items()
            if self.replaced_id in policy_ids
        )
        if not places:
            kind = self.policy_type.lower().replace("_", " ")
            raise CommandError(f"{self.replaced_id}: no {kind} of this ID is attached to anything.")
        return places

    def resulting_policies(self, policies: OrganizationPolicies) -> OrganizationPolicies:
        """Return the organization's policies with the change."""
        attached = policies.attachments.get(self.policy_type, Attachments(policy_type=self.policy_type))
        if self.replaced_id is not None:
            there = policies.policies.get(self.replaced_id)
            if there is None:
                # It is attached where no account is checked.
                return policies
            changed = replace(self.policy, policy_id=there.policy_id, name=there.name)
            return replace(policies, policies={**policies.policies, there.policy_id: changed})
        # What has no other policy has AWS's own.
        own = (FULL_ACCESS.policy_id,) if self.policy_type is PolicyType.SERVICE_CONTROL_POLICY else ()
        policy_ids = {
            target_id: [*attached.policy_ids.get(target_id, own), self.policy.policy_id]
            for target_id in self.target_ids
        }
        changed_attachments = replace(attached, policy_ids={**attached.policy_ids, **policy_ids})
        return replace(
            policies,
            attachments={**policies.attachments, self.policy_type: changed_attachments},
            policies={**policies.policies, self.policy.policy_id: self.policy},
        )


def read_change(file: Path, *, target_ids: tuple[str, ...], replaced_id: str | None) -> PolicyChange:
    """Return the change to a policy of which a file has the document.

    Args:
        file: The file. A document with a Principal is one of a resource control policy.
        target_ids: What the policy is to be attached to.
        replaced_id: The policy whose document it replaces.

    Raises:
        CommandError: The file cannot be read, or has no policy of today's language.
    """
    try:
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}.") from error
    policy_type = (
        PolicyType.RESOURCE_CONTROL_POLICY if _has_principal(content) else PolicyType.SERVICE_CONTROL_POLICY
    )
    policy = parse_policy(content, policy_id=_NOT_ATTACHED, name=file.stem, policy_type=policy_type)
    if policy.problem:
        raise CommandError(f"{file} is not a policy that AWS would accept. {policy.problem}")
    shortest = json.dumps(json.loads(content), ensure_ascii=False, separators=(",", ":"))
    excess = len(shortest) - _MAX_CHARACTERS[policy_type]
    if excess > 0:
        raise CommandError(f"{file} is {quantity(excess, 'character')} too long for AWS.")
    return PolicyChange(
        policy=policy, policy_type=policy_type, target_ids=target_ids, replaced_id=replaced_id
    )


def _has_principal(content: str) -> bool:
    try:
        statements = json.loads(content)["Statement"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    listed = statements if isinstance(statements, list) else [statements]
    return any(isinstance(statement, dict) and "Principal" in statement for statement in listed)
