"""The service control policies and resource control policies of an organization, each read once."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aws_calls.calls import call, require
from aws_calls.failures import CallError, Failure, FailureKind, describe
from aws_calls.pace import Pace, PacedRetryBudget
from scp.evaluate import Level
from scp.policies import PolicyType, parse_policy, unreadable_policy

from .organizations import MAX_ENTRIES_PER_PAGE, entries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import Clock, RetryBudget
    from scp.policies import Policy

_LIST_ROOTS = "organizations:ListRoots"
_LIST_POLICIES = "organizations:ListPolicies"
_LIST_TARGETS = "organizations:ListTargetsForPolicy"
_LIST_OF_TARGET = "organizations:ListPoliciesForTarget"
_DESCRIBE_POLICY = "organizations:DescribePolicy"
_ENABLED = "ENABLED"

# AWS's own policies: their content never changes. The second one is attached everywhere, and AWS refuses to
# detach it. The first one can be detached where another service control policy is attached: AWS refuses to
# detach the last one.
_FULL_ACCESS_ID = "p-FullAWSAccess"
_RCP_FULL_ACCESS_ID = "p-RCPFullAWSAccess"
_FULL_ACCESS = parse_policy(
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
    policy_id=_FULL_ACCESS_ID,
    name="FullAWSAccess",
)
_RCP_FULL_ACCESS = parse_policy(
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}',
    policy_id=_RCP_FULL_ACCESS_ID,
    name="RCPFullAWSAccess",
    policy_type=PolicyType.RESOURCE_CONTROL_POLICY,
)
_PENDING = "AWS is enabling or disabling this type of policies."
_NOT_LISTED = "No policy was listed for it, and AWS refuses to detach the last one."
_MAY_BE_ATTACHED = "Whether FullAWSAccess is attached to it could not be read. {}"
_UNKNOWN_PATH = "The organizational units of the account could not be read."


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """What the policies of one type are attached to.

    Attributes:
        policy_type: The type.
        is_pending: Whether AWS is enabling or disabling the type, so that nothing was listed.
        policy_names: The name of each policy, by its ID.
        policy_ids: The IDs of the policies that are attached to a target itself, by the target's ID. A target
            that is not listed has AWS's own policy alone.
        target_names: The name of each target that is listed, by its ID.
    """

    policy_type: PolicyType
    is_pending: bool
    policy_names: Mapping[str, str]
    policy_ids: Mapping[str, Sequence[str]]
    target_names: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class PoliciesOfType:
    """The policies of one type, and where they are attached.

    Attributes:
        attachments: Where they are attached.
        policies: Those that were read, by their IDs.
        contents: Their documents, by their IDs.
        problems: Why it is not known whether FullAWSAccess is attached to a target, by the target's ID.
    """

    attachments: Attachments
    policies: Mapping[str, Policy]
    contents: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)

    def levels(self, target_ids: Sequence[str] | None) -> tuple[Level, ...]:
        """Return the levels of an account: the root, the units down to the account, and the account.

        Args:
            target_ids: Their IDs; None where they are not known.
        """
        if target_ids is None:
            return (Level(target_id="", name="", policies=(_unknown(_UNKNOWN_PATH),)),)
        return tuple(self._level(target_id) for target_id in target_ids)

    def _level(self, target_id: str) -> Level:
        attached = self.attachments
        policies = [self.policies[id_] for id_ in attached.policy_ids.get(target_id, ())]
        if attached.is_pending:
            policies = [_unknown(_PENDING)]
        elif attached.policy_type is PolicyType.RESOURCE_CONTROL_POLICY:
            policies = [_RCP_FULL_ACCESS, *policies]
        elif target_id not in attached.policy_ids:
            policies = [_FULL_ACCESS]
        elif target_id in self.problems:
            policies = [*policies, _unknown(self.problems[target_id])]
        elif not policies:
            policies = [_unknown(_NOT_LISTED)]
        name = attached.target_names.get(target_id, "")
        return Level(target_id=target_id, name=name, policies=tuple(policies))


@dataclass(frozen=True, kw_only=True)
class OrganizationPolicies:
    """The policies of an organization that limit root sessions.

    Attributes:
        service_control: Its service control policies; None where the type is disabled.
        resource_control: Its resource control policies; None where the type is disabled, or not wanted.
    """

    service_control: PoliciesOfType | None
    resource_control: PoliciesOfType | None


def organization_roots(organizations: OrganizationsClient, *, budget: RetryBudget) -> list[Any]:
    """Return the roots of the organization, of which it has one.

    Args:
        organizations: A client that makes one attempt a call.
        budget: How long to retry transient failures.

    Raises:
        CallError: The read failed, or no root came back: nothing may be concluded from that.
    """
    roots = list(entries(organizations.list_roots, operation=_LIST_ROOTS, items="Roots", budget=budget))
    if not roots:
        raise CallError(
            Failure(
                operation=_LIST_ROOTS,
                kind=FailureKind.INCOMPLETE_RESPONSE,
                code="IncompleteResponse",
                message="the response has no root",
            )
        )
    return roots


class PolicyReader:
    """Reads an organization's policies, as its management account or a delegated administrator.

    The cost grows with the number of policies, hardly with that of accounts: what each policy is attached to
    is read instead of what each account has. FullAWSAccess, which is attached nearly everywhere, is read only
    where another policy is attached: everywhere else it must be. Each document is read once, for AWS allows
    two a second.

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
        self._budgets: dict[str, RetryBudget] = {
            # Each call has a limit of its own.
            operation: PacedRetryBudget(clock=clock, deadline=deadline, pace=Pace(clock=clock)).until(
                abandoned
            )
            for operation in (_LIST_ROOTS, _LIST_POLICIES, _LIST_TARGETS, _LIST_OF_TARGET, _DESCRIBE_POLICY)
        }

    def attachments(self, types: Collection[PolicyType]) -> tuple[Attachments, ...]:
        """Return what the policies of some types are attached to, for each type that is not disabled.

        FullAWSAccess is left out: `read` reads where it is attached.

        Raises:
            CallError: A read failed.
        """
        statuses = self._statuses()
        return tuple(
            self._attachments(policy_type)
            if statuses[policy_type] == _ENABLED
            else Attachments(
                policy_type=policy_type, is_pending=True, policy_names={}, policy_ids={}, target_names={}
            )
            for policy_type in PolicyType
            if policy_type in types and policy_type in statuses
        )

    def read(
        self,
        attachments: Collection[Attachments],
        *,
        target_ids: Collection[str],
        account_count: int,
        show: Callable[[int, int], None] = lambda *_: None,
    ) -> OrganizationPolicies:
        """Return the policies that are attached to some targets. One that cannot be read is a policy as well.

        Args:
            attachments: What the policies are attached to.
            target_ids: The targets.
            account_count: How many accounts the organization has.
            show: Shows how many documents are read, and of how many.

        Raises:
            CallError: Policies may not be read.
        """
        completed = [
            self._with_full_access(it, target_ids=target_ids, account_count=account_count)
            for it in attachments
        ]
        wanted = {
            it.policy_type: sorted(
                {policy_id for id_ in target_ids for policy_id in it.policy_ids.get(id_, ())}
                - {_FULL_ACCESS_ID}
            )
            for it, _ in completed
        }
        total = sum(map(len, wanted.values()))
        done = 0
        read = {}
        for it, problems in completed:
            policies = {_FULL_ACCESS_ID: _FULL_ACCESS}
            contents = {}
            for policy_id in wanted[it.policy_type]:
                show(done, total)
                policies[policy_id], content = self._policy(policy_id, it)
                done += 1
                if content is not None:
                    contents[policy_id] = content
            read[it.policy_type] = PoliciesOfType(
                attachments=it, policies=policies, contents=contents, problems=problems
            )
        return OrganizationPolicies(
            service_control=read.get(PolicyType.SERVICE_CONTROL_POLICY),
            resource_control=read.get(PolicyType.RESOURCE_CONTROL_POLICY),
        )

    def _statuses(self) -> dict[str, str]:
        """Return the status of each policy type that is not disabled."""
        return {
            require(each, "Type", operation=_LIST_ROOTS): require(each, "Status", operation=_LIST_ROOTS)
            for root in organization_roots(self._organizations, budget=self._budgets[_LIST_ROOTS])
            for each in require(root, "PolicyTypes", operation=_LIST_ROOTS)
        }

    def _attachments(self, policy_type: PolicyType) -> Attachments:
        policy_names: dict[str, str] = {}
        policy_ids: dict[str, list[str]] = {}
        target_names: dict[str, str] = {}
        for summary in self._entries(
            self._organizations.list_policies, _LIST_POLICIES, items="Policies", Filter=policy_type.value
        ):
            policy_id = require(summary, "Id", operation=_LIST_POLICIES)
            if policy_id in (_FULL_ACCESS_ID, _RCP_FULL_ACCESS_ID):
                continue
            policy_names[policy_id] = summary.get("Name", "")
            try:
                targets = [*self._targets(policy_id)]
            except CallError as error:
                if error.failure.name != "PolicyNotFound":
                    raise
                # It was deleted since the list was read, so that it is not attached to anything.
                continue
            for target_id, target in targets:
                policy_ids.setdefault(target_id, []).append(policy_id)
                target_names[target_id] = target.get("Name", "")
        return Attachments(
            policy_type=policy_type,
            is_pending=False,
            policy_names=policy_names,
            policy_ids=policy_ids,
            target_names=target_names,
        )

    def _with_full_access(
        self, attachments: Attachments, *, target_ids: Collection[str], account_count: int
    ) -> tuple[Attachments, Mapping[str, str]]:
        """Return the attachments with those of FullAWSAccess, and why these are not known of some targets."""
        if attachments.policy_type is PolicyType.RESOURCE_CONTROL_POLICY:
            return attachments, {}
        # AWS refuses to detach the last policy: FullAWSAccess can be missing only where there is another one.
        open_ids = sorted(attachments.policy_ids.keys() & set(target_ids))
        if len(open_ids) <= math.ceil(account_count / MAX_ENTRIES_PER_PAGE):
            return self._with_policies_of(open_ids, attachments)
        return self._with_targets_of_full_access(open_ids, attachments)

    def _with_policies_of(
        self, target_ids: Sequence[str], attachments: Attachments
    ) -> tuple[Attachments, Mapping[str, str]]:
        """Read what is attached to each of some targets."""
        policy_names = dict(attachments.policy_names)
        policy_ids = dict(attachments.policy_ids)
        problems = {}
        for target_id in target_ids:
            try:
                listed = {
                    require(it, "Id", operation=_LIST_OF_TARGET): it.get("Name", "")
                    for it in self._entries(
                        self._organizations.list_policies_for_target,
                        _LIST_OF_TARGET,
                        items="Policies",
                        TargetId=target_id,
                        Filter=attachments.policy_type.value,
                    )
                }
            except CallError as error:
                problems[target_id] = _problem_of(error)
            else:
                policy_ids[target_id] = [*listed]
                policy_names |= listed
        return replace(attachments, policy_names=policy_names, policy_ids=policy_ids), problems

    def _with_targets_of_full_access(
        self, target_ids: Sequence[str], attachments: Attachments
    ) -> tuple[Attachments, Mapping[str, str]]:
        """Read everything that FullAWSAccess is attached to."""
        having: set[str] = set()
        problems: dict[str, str] = {}
        try:
            # What was read before a failure is kept.
            having.update(target_id for target_id, _ in self._targets(_FULL_ACCESS_ID))
        except CallError as error:
            problems = dict.fromkeys(set(target_ids) - having, _problem_of(error))
        policy_ids = {
            target_id: [_FULL_ACCESS_ID, *attached] if target_id in having else attached
            for target_id, attached in attachments.policy_ids.items()
        }
        return replace(attachments, policy_ids=policy_ids), problems

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

    def _policy(self, policy_id: str, attachments: Attachments) -> tuple[Policy, str | None]:
        name = attachments.policy_names[policy_id]
        try:
            described = call(
                lambda: self._organizations.describe_policy(PolicyId=policy_id),
                operation=_DESCRIBE_POLICY,
                budget=self._budgets[_DESCRIBE_POLICY],
            ).require("Policy")
            content: str = require(described, "Content", operation=_DESCRIBE_POLICY)
        except CallError as error:
            if error.failure.kind is FailureKind.ACCESS_DENIED:
                raise
            problem = describe(error.failure)
            return unreadable_policy(policy_id=policy_id, name=name, problem=problem), None
        policy = parse_policy(content, policy_id=policy_id, name=name, policy_type=attachments.policy_type)
        return policy, content


def _problem_of(error: CallError) -> str:
    """Return why it is not known whether FullAWSAccess is attached to a target.

    Raises:
        CallError: Policies may not be read.
    """
    if error.failure.kind is FailureKind.ACCESS_DENIED:
        raise error
    return _MAY_BE_ATTACHED.format(describe(error.failure))


def _unknown(problem: str) -> Policy:
    return unreadable_policy(policy_id="", name="", problem=problem)
