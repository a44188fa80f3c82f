"""Reading an organization's service control policies and resource control policies, each once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import replace

from aws_calls.calls import require
from aws_calls.failures import CallError, FailureKind, ignoring
from root_tasks.aws.invocation import LIST_ROOTS, MAX_ENTRIES_PER_PAGE, Aws, reading_threads

from .attachments import FULL_ACCESS, RCP_FULL_ACCESS, Attachments, OrganizationPolicies
from .documents import Policy, PolicyType, parse_policy

_LIST_POLICIES = "organizations:ListPolicies"
_LIST_TARGETS = "organizations:ListTargetsForPolicy"
_LIST_OF_TARGET = "organizations:ListPoliciesForTarget"
_DESCRIBE_POLICY = "organizations:DescribePolicy"
_UNREAD = "The policies that are attached to it could not be read. {}"


class PolicyReader:
    """Reads an organization's policies, as its management account or a delegated administrator.

    For a few accounts, what is attached on their paths is read, regardless of the rest of the
    organization. For many, the cost grows with the number of policies, hardly with that of
    accounts: what each policy is attached to is read instead of what each account has.
    FullAWSAccess, which is attached nearly everywhere, is then read only where another policy is
    attached: everywhere else it must be. Each document is read once, because AWS allows two per
    second.

    Args:
        aws: The account that reads them.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def attachments(
        self, target_ids: Set[str], *, everywhere: bool
    ) -> dict[PolicyType, Attachments]:
        """Return the attachments of the policies, by each type that is not disabled.

        Args:
            target_ids: The root, units and accounts on the paths of the accounts to check.
            everywhere: Whether to read what each policy is attached to, even if the accounts are
                few.

        Raises:
            CallError: A list of policies could not be read, or policies may not be read.
        """
        # With more targets than a page has entries, asking each policy for its targets takes fewer
        # calls than asking each target for its policies.
        everywhere |= len(target_ids) > MAX_ENTRIES_PER_PAGE
        enabled_types = self._enabled_types()
        return {
            policy_type: self._attachments(policy_type, target_ids, everywhere=everywhere)
            for policy_type in PolicyType
            if policy_type in enabled_types
        }

    def read(
        self,
        attachments: Mapping[PolicyType, Attachments],
        target_ids: Set[str],
        *,
        target_names: Mapping[str, str],
        show: Callable[[int, int], None],
    ) -> OrganizationPolicies:
        """Return the policies that apply to some accounts.

        One that cannot be read is a policy with a problem.

        Args:
            attachments: What the policies are attached to, by their type.
            target_ids: The root, units and accounts on the paths of the accounts to check.
            target_names: The names of accounts and units, by their IDs.
            show: Shows how many documents are read, and of how many.

        Raises:
            CallError: Policies may not be read.
        """
        # In reverse order the root comes first, then units, then accounts: what applies to most
        # accounts.
        wanted = {
            policy_id: policy_type
            for policy_type, attached in attachments.items()
            for target_id in sorted(target_ids, reverse=True)
            for policy_id in attached.policy_ids.get(target_id, ())
            if policy_id != FULL_ACCESS.policy_id
        }
        policies = {FULL_ACCESS.policy_id: FULL_ACCESS}
        for done, (policy_id, policy_type) in enumerate(wanted.items()):
            show(done, len(wanted))
            policies[policy_id] = self._read_policy(policy_id, policy_type)
        return OrganizationPolicies(
            attachments=attachments, policies=policies, target_names=target_names
        )

    def _enabled_types(self) -> set[str]:
        """Return the types of policies that are not disabled.

        A type that AWS is just enabling or disabling counts: its policies may deny.
        """
        return {
            require(listed, "Type", operation=LIST_ROOTS)
            for root in self._aws.organization_roots()
            for listed in require(root, "PolicyTypes", operation=LIST_ROOTS)
        }

    def _attachments(
        self, policy_type: PolicyType, target_ids: Set[str], *, everywhere: bool
    ) -> Attachments:
        """Return what the policies of a type are attached to, read by target or by policy.

        Args:
            policy_type: The type.
            target_ids: The root, units and accounts on the paths of the accounts to check.
            everywhere: Whether to ask each policy for its targets, not each target for its
                policies.
        """
        attached: dict[str, list[str]] = {}
        targets_to_ask: Collection[str] = target_ids
        if everywhere:
            attached = self._policy_ids_by_target(policy_type)
            targets_to_ask = ()
            # AWS's own resource control policy cannot be detached, so there is nothing to ask.
            if policy_type is PolicyType.SERVICE_CONTROL_POLICY:
                # AWS refuses to detach the last policy, so FullAWSAccess can be missing only where
                # there is another one.
                targets_to_ask = attached.keys() & target_ids
        problems: dict[str, str] = {}
        with reading_threads() as pool:
            reads = {
                target_id: pool.submit(self._policy_ids_of, target_id, policy_type)
                for target_id in sorted(targets_to_ask)
            }
            for target_id, read in reads.items():
                try:
                    attached[target_id] = read.result()
                except CallError as error:
                    # A caller that may not read policies gets no verdict at all.
                    if error.failure.kind is FailureKind.ACCESS_DENIED:
                        raise
                    problems[target_id] = _UNREAD.format(error)
        return Attachments(policy_ids=attached, problems=problems)

    def _policy_ids_by_target(self, policy_type: PolicyType) -> dict[str, list[str]]:
        """Return the IDs of the policies of each target that has others than AWS's own."""
        summaries = self._aws.entries(_LIST_POLICIES, items="Policies", Filter=policy_type.value)
        ids = [require(summary, "Id", operation=_LIST_POLICIES) for summary in summaries]
        ids = [id_ for id_ in ids if id_ not in (FULL_ACCESS.policy_id, RCP_FULL_ACCESS.policy_id)]
        attached: dict[str, list[str]] = {}
        with reading_threads() as pool:
            listed = pool.map(self._target_ids_of, ids)
            for policy_id, target_ids in zip(ids, listed, strict=True):
                for target_id in target_ids:
                    attached.setdefault(target_id, []).append(policy_id)
        return attached

    def _target_ids_of(self, policy_id: str) -> list[str]:
        """Return what a policy is attached to; nothing if it was deleted after it was listed."""
        with ignoring("PolicyNotFound"):
            targets = self._aws.entries(_LIST_TARGETS, items="Targets", PolicyId=policy_id)
            return [require(target, "TargetId", operation=_LIST_TARGETS) for target in targets]
        return []

    def _policy_ids_of(self, target_id: str, policy_type: PolicyType) -> list[str]:
        """Return the IDs of a target's policies, without the one that every target has."""
        summaries = self._aws.entries(
            _LIST_OF_TARGET, items="Policies", TargetId=target_id, Filter=policy_type.value
        )
        ids = (require(summary, "Id", operation=_LIST_OF_TARGET) for summary in summaries)
        return [id_ for id_ in ids if id_ != RCP_FULL_ACCESS.policy_id]

    def _read_policy(self, policy_id: str, policy_type: PolicyType) -> Policy:
        """Return a policy; one that cannot be read has a problem.

        Raises:
            CallError: Policies may not be read.
        """
        try:
            response = self._aws.call(_DESCRIBE_POLICY, PolicyId=policy_id)
            described = response.require("Policy")
            content: str = require(described, "Content", operation=_DESCRIBE_POLICY)
        except CallError as error:
            if error.failure.kind is FailureKind.ACCESS_DENIED:
                raise
            return Policy(policy_id=policy_id, name="", problem=f"{policy_id}: {error}")
        name = described.get("PolicySummary", {}).get("Name", "")
        policy = parse_policy(content, policy_id=policy_id, name=name, policy_type=policy_type)
        if policy.problem:
            return replace(policy, problem=f"{policy_id}: {policy.problem}")
        return policy
