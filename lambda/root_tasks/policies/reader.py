"""Reading an organization's service control policies and resource control policies, each once."""

from __future__ import annotations

import functools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_calls.calls import call, require
from aws_calls.failures import CallError, FailureKind, describe
from aws_calls.pace import Pace, PacedRetryBudget
from scp.documents import PolicyType, parse_policy, unreadable_policy

from ..aws.organizations import (
    LIST_ROOTS,
    MAX_CALLS_IN_PARALLEL,
    MAX_ENTRIES_PER_PAGE,
    entries,
    organization_roots,
)
from .attachments import (
    FULL_ACCESS,
    RCP_FULL_ACCESS,
    Attachments,
    OrganizationPolicies,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import Clock, RetryBudget
    from scp.documents import Policy

_LIST_POLICIES = "organizations:ListPolicies"
_LIST_TARGETS = "organizations:ListTargetsForPolicy"
_LIST_OF_TARGET = "organizations:ListPoliciesForTarget"
_DESCRIBE_POLICY = "organizations:DescribePolicy"
# Each call has a limit of its own. AWS allows two documents per second, and two at once: calls that leave
# evenly do not arrive evenly.
_PERIODS = dict.fromkeys((LIST_ROOTS, _LIST_POLICIES, _LIST_TARGETS, _LIST_OF_TARGET), 0.0) | {
    _DESCRIBE_POLICY: 0.52
}
_ENABLED = "ENABLED"
_MAY_BE_ATTACHED = "Whether FullAWSAccess is attached to it could not be read. {}"
_UNREAD = "The policies that are attached to it could not be read. {}"


class PolicyReader:
    """Reads an organization's policies, as its management account or a delegated administrator.

    For a few accounts, what is attached on their paths is read, regardless of the rest of the organization.
    For many, the cost grows with the number of policies, hardly with that of accounts: what each policy is
    attached to is read instead of what each account has. FullAWSAccess, which is attached nearly everywhere,
    is then read only where another policy is attached: everywhere else it must be. Each document is read
    once, because AWS allows two per second.

    Args:
        organizations: A client that makes one attempt per call.
        clock: The time.
        deadline: When the reading ends, on the clock.
    """

    def __init__(self, *, organizations: OrganizationsClient, clock: Clock, deadline: float) -> None:
        self._organizations = organizations
        self._interrupted = threading.Event()
        self._budgets: dict[str, RetryBudget] = {
            operation: PacedRetryBudget(
                clock=clock,
                deadline=deadline,
                abandoned=self._interrupted.is_set,
                pace=Pace(clock=clock, period=period),
            )
            for operation, period in _PERIODS.items()
        }
        self._policies = {FULL_ACCESS.policy_id: FULL_ACCESS}

    def attachments(
        self,
        types: Collection[PolicyType],
        *,
        unit_ids: Mapping[str, Sequence[str] | None] | None = None,
    ) -> tuple[Attachments, ...]:
        """Return what the policies of some types are attached to, for each type that is not disabled.

        Unless the accounts are few, FullAWSAccess is left out: `read` reads where it is attached.

        Args:
            types: The types.
            unit_ids: The accounts, each with the units that it is in, or None if these are not known; without
                it, every account of the organization.

        Raises:
            CallError: A read failed.
        """
        read: Callable[[PolicyType], Attachments] = self._attachments
        if unit_ids is not None and len(_target_ids(unit_ids)) <= MAX_ENTRIES_PER_PAGE:
            read = functools.partial(self._attachments_of, target_ids=sorted(_target_ids(unit_ids)))
        return tuple(
            read(policy_type)
            if self._statuses[policy_type] == _ENABLED
            else Attachments(policy_type=policy_type, is_pending=True)
            for policy_type in PolicyType
            if policy_type in types and policy_type in self._statuses
        )

    def read(
        self,
        attachments: Collection[Attachments],
        *,
        unit_ids: Mapping[str, Sequence[str] | None],
        account_count: int | None = None,
        show: Callable[[int, int], None] = lambda *_: None,
    ) -> OrganizationPolicies:
        """Return the policies that apply to some accounts. One that cannot be read is a policy as well.

        Args:
            attachments: What the policies are attached to.
            unit_ids: The units that each account is in, by its ID; None if they are not known.
            account_count: How many accounts the organization has; None if not known.
            show: Shows how many documents are read, and of how many.

        Raises:
            CallError: Policies may not be read.
        """
        target_ids = _target_ids(unit_ids)
        completed = [
            self._with_full_access(of_type, target_ids=target_ids, account_count=account_count)
            for of_type in attachments
        ]
        # In reverse order the root comes first, then units, then accounts: what applies to most accounts.
        wanted = {
            policy_id: of_type
            for of_type in completed
            for target_id in sorted(target_ids, reverse=True)
            for policy_id in of_type.policy_ids.get(target_id, ())
        }
        for done, (policy_id, of_type) in enumerate(wanted.items()):
            show(done, len(wanted))
            self._document(policy_id, of_type.policy_names.get(policy_id, ""), of_type.policy_type)
        return OrganizationPolicies(
            attachments={of_type.policy_type: of_type for of_type in completed}, policies=self._policies
        )

    def policy_and_targets(self, policy_id: str, policy_type: PolicyType) -> tuple[Policy, dict[str, str]]:
        """Return a policy, and the name of each target that it is attached to, by its ID.

        Raises:
            CallError: The policy may not be read, or its targets could not be.
        """
        policy = self._document(policy_id, "", policy_type)
        return policy, {id_: target.get("Name", "") for id_, target in self._targets(policy_id)}

    @contextmanager
    def _pool(self) -> Iterator[Executor]:
        """Yield a pool whose threads read no more once this thread is interrupted, which waits for them."""
        with ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as pool:
            try:
                yield pool
            except KeyboardInterrupt:
                self._interrupted.set()
                raise

    @functools.cached_property
    def _statuses(self) -> Mapping[str, str]:
        """The status of each policy type that is not disabled."""
        return {
            require(type_, "Type", operation=LIST_ROOTS): require(type_, "Status", operation=LIST_ROOTS)
            for root in organization_roots(self._organizations, budget=self._budgets[LIST_ROOTS])
            for type_ in require(root, "PolicyTypes", operation=LIST_ROOTS)
        }

    def _names(self, policy_type: PolicyType) -> dict[str, str]:
        """Return the name of each policy of a type, by its ID, without AWS's own ones."""
        summaries = self._entries(
            self._organizations.list_policies, _LIST_POLICIES, items="Policies", Filter=policy_type.value
        )
        names = {
            require(summary, "Id", operation=_LIST_POLICIES): summary.get("Name", "") for summary in summaries
        }
        return {
            id_: name
            for id_, name in names.items()
            if id_ not in (FULL_ACCESS.policy_id, RCP_FULL_ACCESS.policy_id)
        }

    def _attachments(self, policy_type: PolicyType) -> Attachments:
        policy_names = self._names(policy_type)
        policy_ids: dict[str, list[str]] = {}
        target_names: dict[str, str] = {}
        with self._pool() as pool:
            for policy_id, targets in zip(
                policy_names, pool.map(self._targets_if_any, policy_names), strict=True
            ):
                for target_id, target in targets:
                    policy_ids.setdefault(target_id, []).append(policy_id)
                    target_names[target_id] = target.get("Name", "")
        return Attachments(
            policy_type=policy_type,
            policy_names=policy_names,
            policy_ids=policy_ids,
            target_names=target_names,
        )

    def _targets_if_any(self, policy_id: str) -> list[tuple[str, Mapping[str, Any]]]:
        try:
            return [*self._targets(policy_id)]
        except CallError as error:
            if error.failure.name != "PolicyNotFound":
                raise
            # Deleted after listing, so no longer attached anywhere.
            return []

    def _with_full_access(
        self, attachments: Attachments, *, target_ids: Collection[str], account_count: int | None
    ) -> Attachments:
        """Return the attachments with those of FullAWSAccess, if they could be read."""
        if attachments.is_complete or attachments.policy_type is PolicyType.RESOURCE_CONTROL_POLICY:
            return attachments
        # AWS refuses to detach the last policy: FullAWSAccess can be missing only where there is another one.
        open_ids = sorted(attachments.policy_ids.keys() & set(target_ids))
        if account_count is None or len(open_ids) <= math.ceil(account_count / MAX_ENTRIES_PER_PAGE):
            return self._with_policies_of(open_ids, attachments, problem=_MAY_BE_ATTACHED)
        return self._with_targets_of_full_access(open_ids, attachments)

    def _attachments_of(self, policy_type: PolicyType, *, target_ids: Sequence[str]) -> Attachments:
        """Return what is attached to some targets; a target that cannot be read has a problem."""
        empty = Attachments(
            policy_type=policy_type, policy_ids=dict.fromkeys(target_ids, ()), is_complete=True
        )
        return self._with_policies_of(target_ids, empty, problem=_UNREAD)

    def _with_policies_of(
        self, target_ids: Sequence[str], attachments: Attachments, *, problem: str
    ) -> Attachments:
        """Read what is attached to each of some targets."""
        policy_names = dict(attachments.policy_names)
        policy_ids = dict(attachments.policy_ids)
        problems = dict(attachments.problems)
        with self._pool() as pool:
            reads = [
                pool.submit(self._policies_of, target_id, attachments.policy_type) for target_id in target_ids
            ]
        for target_id, read in zip(target_ids, reads, strict=True):
            try:
                policy_names |= read.result()
                policy_ids[target_id] = [*read.result()]
            except CallError as error:
                problems[target_id] = _problem_of(error, problem)
        return replace(attachments, policy_names=policy_names, policy_ids=policy_ids, problems=problems)

    def _policies_of(self, target_id: str, policy_type: PolicyType) -> dict[str, str]:
        """Return the name of each policy of a target, by its ID, without what every target has."""
        summaries = self._entries(
            self._organizations.list_policies_for_target,
            _LIST_OF_TARGET,
            items="Policies",
            TargetId=target_id,
            Filter=policy_type.value,
        )
        listed = {
            require(summary, "Id", operation=_LIST_OF_TARGET): summary.get("Name", "")
            for summary in summaries
        }
        return {id_: name for id_, name in listed.items() if id_ != RCP_FULL_ACCESS.policy_id}

    def _with_targets_of_full_access(
        self, target_ids: Sequence[str], attachments: Attachments
    ) -> Attachments:
        """Read everything that FullAWSAccess is attached to."""
        having: set[str] = set()
        problems: dict[str, str] = {}
        try:
            # What was read before a failure is kept.
            having.update(target_id for target_id, _ in self._targets(FULL_ACCESS.policy_id))
        except CallError as error:
            problems = dict.fromkeys(set(target_ids) - having, _problem_of(error, _MAY_BE_ATTACHED))
        policy_ids = {
            target_id: [FULL_ACCESS.policy_id, *attached]
            if target_id in having.intersection(target_ids)
            else attached
            for target_id, attached in attachments.policy_ids.items()
        }
        return replace(attachments, policy_ids=policy_ids, problems=problems)

    def _targets(self, policy_id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what a policy is attached to, each with its ID."""
        for target in self._entries(
            self._organizations.list_targets_for_policy, _LIST_TARGETS, items="Targets", PolicyId=policy_id
        ):
            yield require(target, "TargetId", operation=_LIST_TARGETS), target

    def _entries(
        self, function: Callable[..., Mapping[str, Any]], operation: str, *, items: str, **parameters: str
    ) -> Iterator[Any]:
        return entries(
            functools.partial(function, **parameters),
            operation=operation,
            items=items,
            budget=self._budgets[operation],
        )

    def _document(self, policy_id: str, name: str, policy_type: PolicyType) -> Policy:
        """Return a policy, whose document is read once."""
        if policy_id not in self._policies:
            self._policies[policy_id] = self._describe(policy_id, name, policy_type)
        return self._policies[policy_id]

    def _describe(self, policy_id: str, name: str, policy_type: PolicyType) -> Policy:
        try:
            described = call(
                lambda: self._organizations.describe_policy(PolicyId=policy_id),
                operation=_DESCRIBE_POLICY,
                budget=self._budgets[_DESCRIBE_POLICY],
            ).require("Policy")
            content: str = require(described, "Content", operation=_DESCRIBE_POLICY)
            name = name or described.get("PolicySummary", {}).get("Name", "")
        except CallError as error:
            if error.failure.kind is FailureKind.ACCESS_DENIED:
                raise
            return unreadable_policy(policy_id=policy_id, name=name, problem=describe(error.failure))
        return parse_policy(content, policy_id=policy_id, name=name, policy_type=policy_type)


def _target_ids(unit_ids: Mapping[str, Sequence[str] | None]) -> set[str]:
    """Return some accounts, and the units that they are in."""
    return {*unit_ids, *(id_ for path in unit_ids.values() for id_ in path or ())}


def _problem_of(error: CallError, problem: str) -> str:
    """Return why it is not known what is attached to a target.

    Raises:
        CallError: Policies may not be read.
    """
    if error.failure.kind is FailureKind.ACCESS_DENIED:
        raise error
    return problem.format(describe(error.failure))
