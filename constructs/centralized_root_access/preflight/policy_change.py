"""A change to one policy that a pipeline is about to make, and what it would newly deny."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import RootAccessError

from .attachments import FULL_ACCESS, RCP_FULL_ACCESS, Attachments, OrganizationPolicies
from .documents import Policy, PolicyType, parse_policy
from .evaluate import Decision
from .verdicts import AccountVerdict, TaskResult, TaskVerdict

# Only the statements of resource control policies have it.
_PRINCIPAL_ELEMENT = re.compile(r'"Principal"\s*:')


class PreflightError(RootAccessError):
    """Policies, or a change to one, cannot be checked: what is named is not there."""


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    """A change to one policy, before it is made.

    For example, a document that is about to be attached to the unit ou-ab12-11111111, or the new
    document of p-a1b2c3d4, which stays attached where it is.

    Attributes:
        policy: The policy to attach, or an existing one with its new document.
        policy_type: Its type.
        target_ids: What it is attached to; none for an existing policy.
        replaced_id: The ID of the existing policy; None for a new one.
    """

    policy: Policy
    policy_type: PolicyType
    target_ids: tuple[str, ...]
    replaced_id: str | None

    def changed_targets(self, attachments: Mapping[PolicyType, Attachments]) -> frozenset[str]:
        """Return the IDs of the root, units and accounts whose own policies change, or may change.

        Raises:
            PreflightError: The policy that is there is attached nowhere, as far as was read.
        """
        if self.replaced_id is None:
            return frozenset(self.target_ids)
        attached = attachments.get(self.policy_type, Attachments())
        target_ids = {
            target_id
            for target_id, policy_ids in attached.policy_ids.items()
            if self.replaced_id in policy_ids
        }
        # Where the policies could not be read, this one may be among them.
        target_ids.update(attached.problems.keys() - attached.policy_ids.keys())
        if not target_ids:
            kind = self.policy_type.words
            raise PreflightError(
                f"{self.replaced_id}: no {kind} of this ID applies to an account to check."
            )
        return frozenset(target_ids)

    def resulting_policies(self, policies: OrganizationPolicies) -> OrganizationPolicies:
        """Return the organization's policies with the change."""
        if self.replaced_id is not None:
            # The existing policy was not read if it is attached where no account is checked.
            name = policies.policies.get(self.replaced_id, self.policy).name
            changed = replace(self.policy, policy_id=self.replaced_id, name=name)
            return replace(policies, policies={**policies.policies, self.replaced_id: changed})

        # A target that no list names has only AWS's own policy. The one for resource control
        # policies is never listed, because every target has it.
        ids_if_unlisted = []
        if self.policy_type is PolicyType.SERVICE_CONTROL_POLICY:
            ids_if_unlisted.append(FULL_ACCESS.policy_id)
        attached = policies.attachments.get(self.policy_type, Attachments())
        policy_ids = dict(attached.policy_ids)
        for target_id in self.target_ids:
            ids_before = policy_ids.get(target_id, ids_if_unlisted)
            policy_ids[target_id] = [*ids_before, self.policy.policy_id]
        changed_attachments = replace(attached, policy_ids=policy_ids)
        return replace(
            policies,
            attachments={**policies.attachments, self.policy_type: changed_attachments},
            policies={**policies.policies, self.policy.policy_id: self.policy},
        )


def parse_change(
    content: str, *, file: Path, target_ids: tuple[str, ...], replaced_id: str | None
) -> PolicyChange:
    """Return the change to a policy whose document is in a file.

    Args:
        content: The document. One with a Principal is that of a resource control policy.
        file: The file.
        target_ids: What the policy is to be attached to.
        replaced_id: The policy whose document it replaces.

    Raises:
        PreflightError: It is not a policy of AWS's language, or would replace AWS's own.
    """
    # AWS's own policies cannot be edited.
    # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    if replaced_id in (FULL_ACCESS.policy_id, RCP_FULL_ACCESS.policy_id):
        raise PreflightError(f"{replaced_id} is AWS's own policy: its document cannot be replaced.")
    policy_type = PolicyType.SERVICE_CONTROL_POLICY
    if _PRINCIPAL_ELEMENT.search(content):
        policy_type = PolicyType.RESOURCE_CONTROL_POLICY
    policy = parse_policy(
        content, policy_id="not attached yet", name=file.stem, policy_type=policy_type
    )
    if policy.problem:
        raise PreflightError(f"{file} is not a policy that AWS would accept. {policy.problem}")
    return PolicyChange(
        policy=policy, policy_type=policy_type, target_ids=target_ids, replaced_id=replaced_id
    )


def new_denials(
    before: Iterable[AccountVerdict], after: Iterable[AccountVerdict]
) -> Iterator[AccountVerdict]:
    """Yield the verdicts after a change, without what is denied today already.

    A task stays if nothing of it is denied, or if more of it is denied than before. A task that was
    denied as a whole is left out, and so is an account that has no task left.

    Args:
        before: The verdicts with today's policies.
        after: The verdicts on the same accounts and tasks with the change.
    """
    for old, new in zip(before, after, strict=True):
        tasks = tuple(
            task
            for task_before, task in zip(old.tasks, new.tasks, strict=True)
            if _stays(task_before, task)
        )
        if tasks:
            yield replace(new, tasks=tasks)


def _stays(before: TaskVerdict, after: TaskVerdict) -> bool:
    """Return whether the verdict on a task after a change is shown, by today's verdict on it.

    A task stays if nothing of it is denied, so that the account is shown as allowed. It also stays
    if a call of it is newly denied, unless the task was denied as a whole already.
    """
    denied = _denied_calls(after)
    if not denied:
        return True
    denies_more = bool(denied - _denied_calls(before))
    return denies_more and before.result is not TaskResult.DENIED


def _denied_calls(task: TaskVerdict) -> set[object]:
    """Return the denied calls of a task; AssumeRoot once for each task policy."""
    return {
        (verdict.call.action, verdict.call.task)
        for verdict in task.calls
        if verdict.decision is Decision.DENIED
    }
