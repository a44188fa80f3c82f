"""Reading an organization's service control policies and resource control policies, each once."""

from __future__ import annotations

import functools
import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

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

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_LIST_POLICIES = "organizations:ListPolicies"
_LIST_TARGETS = "organizations:ListTargetsForPolicy"
_LIST_OF_TARGET = "organizations:ListPoliciesForTarget"
_DESCRIBE_POLICY = "organizations:DescribePolicy"
# Each call has a limit of its own. Of documents, AWS lets through two at once, and two a second: calls that
# leave evenly do not arrive evenly.
_PERIODS = dict.fromkeys((LIST_ROOTS, _LIST_POLICIES, _LIST_TARGETS, _LIST_OF_TARGET), 0.0) | {
    _DESCRIBE_POLICY: 0.52
}
_ENABLED = "ENABLED"
_MAY_BE_ATTACHED = "Whether FullAWSAccess is attached to it could not be read. {}"
_UNREAD = "The policies that are attached to it could not be read. {}"


class PolicyReader:
    """Reads an organization's policies, as its management account or a delegated administrator.

    For a few accounts, what is attached on their paths is read, whatever else the organization has. For many,
    the cost grows with the number of policies, hardly with that of accounts: what each policy is attached to
    is read instead of what each account has. FullAWSAccess, which is attached nearly everywhere, is then read
    only where another policy is attached: everywhere else it must be. Each document is read once, for AWS
    allows two a second. Several threads may read at once.

    Args:
        organizations: A client that makes one attempt a call.
        clock: The time.
        deadline: When the reading ends, on the clock.
        abandoned: Whether nobody waits for the policies any more.
    """

    def __init__(
        self,
        *,
        organizations: OrganizationsClient,
        clock: Clock,
        deadline: float,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._organizations = organizations
        self._interrupted = threading.Event()
        self._budgets: dict[str, RetryBudget] = {
            operation: PacedRetryBudget(
                clock=clock,
                deadline=deadline,
                abandoned=lambda: abandoned() or self._interrupted.is_set(),
                pace=Pace(clock=clock, period=period),
            )
            for operation, period in _PERIODS.items()
        }
        self._lock = threading.Lock()
        # What was read for some accounts is not read again for others.
        self._names_at: dict[tuple[PolicyType, str], Future[dict[str, str]]] = {}
        self._documents: dict[str, Future[Policy]] = {}
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
            unit_ids: The accounts that it is about, each with the units that it is in, or with None where
                these are not known; without it, every account of the organization.

        Raises:
            CallError: A read failed.
        """
        if unit_ids is not None and len(_target_ids(unit_ids)) <= MAX_ENTRIES_PER_PAGE:
            of_targets = functools.partial(self._attachments_of, target_ids=sorted(_target_ids(unit_ids)))
            return self._of_enabled_types(types, of_targets)
        # The list does not wait for the answer: it is in vain only where the type is not enabled.
        with self._pool(max_workers=len(PolicyType)) as pool:
            names = {type_: pool.submit(self._names, type_) for type_ in types}
            return self._of_enabled_types(
                types, lambda type_: self._attachments(type_, names[type_].result())
            )

    def _of_enabled_types(
        self, types: Collection[PolicyType], read: Callable[[PolicyType], Attachments]
    ) -> tuple[Attachments, ...]:
        return tuple(
            read(policy_type)
            if self.statuses[policy_type] == _ENABLED
            else Attachments(policy_type=policy_type, is_pending=True)
            for policy_type in PolicyType
            if policy_type in types and policy_type in self.statuses
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
            unit_ids: The units that each account is in, by its ID; None where they are not known.
            account_count: How many accounts the organization has; None where nobody has counted them.
            show: Shows how many documents are read, and of how many.

        Raises:
            CallError: Policies may not be read.
        """
        target_ids = _target_ids(unit_ids)
        with self._pool(max_workers=1) as pool:
            completing = pool.submit(
                lambda: [
                    self._with_full_access(of_type, target_ids=target_ids, account_count=account_count)
                    for of_type in attachments
                ]
            )
            # Wherever FullAWSAccess is attached, the others are wanted.
            self._read_documents(attachments, target_ids, show)
        completed = completing.result()
        self._read_documents(completed, target_ids, show)
        return OrganizationPolicies(
            attachments={of_type.policy_type: of_type for of_type in completed}, policies=self._policies
        )

    def policy_and_targets(self, policy_id: str, policy_type: PolicyType) -> tuple[Policy, dict[str, str]]:
        """Return a policy, and the name of each target that it is attached to, by its ID.

        Raises:
            CallError: The policy may not be read, or its targets could not be.
        """
        policy = self._document(policy_id, {}, policy_type)
        return policy, {id_: target.get("Name", "") for id_, target in self._targets(policy_id)}

    def _read_documents(
        self,
        attachments: Collection[Attachments],
        target_ids: Collection[str],
        show: Callable[[int, int], None],
    ) -> None:
        # In reverse order the root comes first, then units, then accounts: the more accounts wait for it, the
        # earlier.
        wanted = {
            policy_id: of_type
            for of_type in attachments
            for target_id in sorted(target_ids, reverse=True)
            for policy_id in of_type.policy_ids.get(target_id, ())
            if policy_id not in self._policies
        }
        for done, (policy_id, of_type) in enumerate(wanted.items()):
            show(done, len(wanted))
            self._policies[policy_id] = self._document(policy_id, of_type.policy_names, of_type.policy_type)

    @contextmanager
    def _pool(self, *, max_workers: int) -> Iterator[Executor]:
        """Yield a pool whose threads read no more once this thread is interrupted, which waits for them."""
        with ThreadPoolExecutor(max_workers=max_workers) as pool:
            try:
                yield pool
            except KeyboardInterrupt:
                self._interrupted.set()
                raise

    def _read_once(self, reads: dict[_Key, Future[_Value]], key: _Key, read: Callable[[], _Value]) -> _Value:
        """Return what is read, by this thread unless another one has begun to."""
        with self._lock:
            begun = key in reads
            future = reads.setdefault(key, Future())
        if not begun:
            try:
                future.set_result(read())
            # Whoever waits for it learns why it ended.
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    @functools.cached_property
    def statuses(self) -> Mapping[str, str]:
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

    def _attachments(self, policy_type: PolicyType, policy_names: Mapping[str, str]) -> Attachments:
        policy_ids: dict[str, list[str]] = {}
        target_names: dict[str, str] = {}
        with self._pool(max_workers=MAX_CALLS_IN_PARALLEL) as pool:
            for policy_id in [*policy_names][:1]:
                # Hardly any policy is attached to nothing: a first document is read while that is asked.
                pool.submit(self._document, policy_id, policy_names, policy_type)
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
            # It was deleted since the list was read, so that it is not attached to anything.
            return []

    def _with_full_access(
        self, attachments: Attachments, *, target_ids: Collection[str], account_count: int | None
    ) -> Attachments:
        """Return the attachments with those of FullAWSAccess, as far as they are known."""
        if attachments.is_complete or attachments.policy_type is PolicyType.RESOURCE_CONTROL_POLICY:
            return attachments
        # AWS refuses to detach the last policy: FullAWSAccess can be missing only where there is another one.
        open_ids = sorted(attachments.policy_ids.keys() & set(target_ids))
        unread = sum((attachments.policy_type, id_) not in self._names_at for id_ in open_ids)
        if account_count is None or unread <= math.ceil(account_count / MAX_ENTRIES_PER_PAGE):
            return self._with_policies_of(open_ids, attachments, problem=_MAY_BE_ATTACHED)
        return self._with_targets_of_full_access(open_ids, attachments)

    def _attachments_of(self, policy_type: PolicyType, *, target_ids: Sequence[str]) -> Attachments:
        """Return what is attached to some targets, each of which is asked for."""
        # Of one that cannot be read, nothing is known.
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
        with self._pool(max_workers=MAX_CALLS_IN_PARALLEL) as pool:
            for target_id in target_ids:
                at = (attachments.policy_type, target_id)
                read = functools.partial(self._policies_of, target_id, attachments.policy_type)
                pool.submit(self._read_once, self._names_at, at, read)
        for target_id in target_ids:
            names = self._names_at[attachments.policy_type, target_id]
            try:
                policy_names |= names.result()
                policy_ids[target_id] = [*names.result()]
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

    def _document(self, policy_id: str, policy_names: Mapping[str, str], policy_type: PolicyType) -> Policy:
        read = functools.partial(self._policy, policy_id, policy_names.get(policy_id, ""), policy_type)
        return self._read_once(self._documents, policy_id, read)

    def _policy(self, policy_id: str, name: str, policy_type: PolicyType) -> Policy:
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
