"""The evaluation: what the policies of an account's levels say of a call.

A call passes if every level allows it and none denies it. A Deny that certainly applies denies,
regardless of what is unknown; what is unknown is never taken for an Allow.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from common.identifier import Identifier
from root_tasks.model.run_documents import Account
from root_tasks.model.task import ASSUME_ROOT, Task

from .attachments import Level, OrganizationPolicies
from .condition_keys import SessionRequest
from .conditions import condition_holds
from .documents import Effect, Policy, PolicyType, Statement
from .matching import action_matches, resource_matches
from .policy_text import Template
from .session_calls import Call, SessionFacts, SessionOpener, call_of
from .truth import Truth


class Decision(Identifier):
    """The policies' decision on a call or a task."""

    ALLOWED = "ALLOWED"
    DENIED = "DENIED"
    UNKNOWN = "UNKNOWN"


class Reason(Identifier):
    """The kind of a cause."""

    EXPLICIT_DENY = "EXPLICIT_DENY"
    NO_ALLOW = "NO_ALLOW"
    UNDECIDED_DENY = "UNDECIDED_DENY"
    UNDECIDED_ALLOW = "UNDECIDED_ALLOW"
    UNREADABLE_POLICY = "UNREADABLE_POLICY"
    NO_RESOURCE = (
        "NO_RESOURCE",
        "whether resource control policies apply to calls without a resource is not known",
    )
    UNCONFIRMED = (
        "UNCONFIRMED",
        "probably denied: that this type applies to sts:AssumeRoot is not confirmed",
    )


# The values of an undecided part that its text has.
_MAX_VALUES = 3


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A cause for which a call is denied or unknown, and its place.

    Attributes:
        reason: Why.
        policy_type: The type of the policies.
        level: Where the policy is attached.
        policy: The policy; None if no policy of the level allows the call.
        statement: The statement; None if there is none.
        undecided: The parts of the statement that could not be decided, with the first values that
            the policy has there: Action or Resource, NotAction or NotResource, or the operator and
            the key of a condition, as in "Bool aws:MultiFactorAuthPresent false".
    """

    reason: Reason
    policy_type: PolicyType
    level: Level
    policy: Policy | None = None
    statement: Statement | None = None
    undecided: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[Reason, str, str, str, int]:
        """The reason, and the IDs of what it names, which no other cause has."""
        return (
            self.reason,
            self.policy_type,
            self.level.target_id,
            self.policy.policy_id if self.policy else "",
            self.statement.number if self.statement else 0,
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The policies' verdict on a call.

    Attributes:
        decision: Allowed, denied or unknown.
        causes: Why; none if it is allowed. A denied call has only the causes that deny it.
    """

    call: Call
    decision: Decision
    causes: tuple[Cause, ...] = ()


class PolicyCheck:
    """The policies' verdict on the calls that open root sessions and on those in them. Pure.

    Args:
        policies: The organization's policies.
        session: What is known of the sessions in any account, and who opens them.
    """

    def __init__(self, policies: OrganizationPolicies, *, session: SessionFacts) -> None:
        self._policies = policies
        self._session = session

    def verdict(self, action: str, account: Account, *, task: Task | None = None) -> Verdict:
        """Return what the policies say of a call in an account.

        Args:
            action: The call, one that a task makes.
            account: The account.
            task: For the call that opens the session, the task whose policy it gets.
        """
        session = self._session.in_account(account.account_id, account.unit_ids)
        call = call_of(action, session=session, task=task)
        # Service control policies apply to the caller, resource control policies to what it acts
        # on.
        account_path = _ids_on_path_to(account)
        caller_path = account_path
        if action == ASSUME_ROOT:
            caller_path = _ids_on_path_to(session.opener)
            if session.opener.is_in_management_account:
                # No service control policy applies there.
                caller_path = ()
        return evaluate_request(
            SessionRequest(session=session, call=call),
            service_control=self._levels_on(caller_path, PolicyType.SERVICE_CONTROL_POLICY),
            resource_control=self._levels_on(account_path, PolicyType.RESOURCE_CONTROL_POLICY),
        )

    def _levels_on(
        self, path: tuple[str | None, ...], policy_type: PolicyType
    ) -> tuple[Level, ...]:
        """Return the levels with these IDs; none if the type of policies is disabled."""
        if policy_type not in self._policies.attachments:
            return ()
        return tuple(self._policies.level(policy_type, target_id) for target_id in path)


def _ids_on_path_to(account: Account | SessionOpener) -> tuple[str | None, ...]:
    """Return the IDs from the root down to an account; one None if they are not known."""
    if account.unit_ids is None:
        return (None,)
    return (*account.unit_ids, account.account_id)


# Resource control policies do not support IAM.
_RESOURCE_CONTROLLED_SERVICES = frozenset({"s3", "sqs", "sts"})


def evaluate_request(
    request: SessionRequest,
    *,
    service_control: Sequence[Level],
    resource_control: Sequence[Level],
) -> Verdict:
    """Return what the policies say of a call in a root session, or of the call that opens it.

    Args:
        request: The call and its context.
        service_control: The levels from the root to the caller's account with their service control
            policies; none if the type is disabled, or the caller is in the management account.
        resource_control: The levels from the root to the member account with their resource control
            policies; none if the type is disabled.
    """
    call = request.call
    by_level = [
        _verdict_at_level(level, PolicyType.SERVICE_CONTROL_POLICY, request)
        for level in service_control
    ]
    if call.service in _RESOURCE_CONTROLLED_SERVICES:
        by_level += [
            _with_doubt(_verdict_at_level(level, PolicyType.RESOURCE_CONTROL_POLICY, request))
            for level in resource_control
        ]
    decision = strictest({verdict.decision for verdict in by_level})
    # An allowed level has no causes, and those of an unknown one explain no denial.
    causes: list[Cause] = []
    for verdict in by_level:
        if verdict.decision is decision:
            causes += verdict.causes
    return Verdict(call=call, decision=decision, causes=tuple(causes))


def strictest(decisions: Collection[Decision]) -> Decision:
    """Return the decision on all: denied if one is, otherwise unknown if one is."""
    for decision in (Decision.DENIED, Decision.UNKNOWN):
        if decision in decisions:
            return decision
    return Decision.ALLOWED


def _with_doubt(verdict: Verdict) -> Verdict:
    """Return a verdict of resource control policies, undecided if they may not apply to the call.

    Only a denial becomes undecided: what they do not deny is allowed in both cases.
    """
    if verdict.decision is not Decision.DENIED:
        return verdict
    call = verdict.call
    if call.action == ASSUME_ROOT:
        # AWS lists a resource type for it, and STS among the services; no one has recorded what
        # AWS does.
        doubt = Reason.UNCONFIRMED
    elif call.resource is None:
        # AWS's guide excludes calls without a resource type, but stackd recorded that
        # sqs:ListQueues was denied (NOTICE).
        doubt = Reason.NO_RESOURCE
    else:
        return verdict
    causes = tuple(replace(cause, reason=doubt) for cause in verdict.causes)
    return Verdict(call=call, decision=Decision.UNKNOWN, causes=causes)


# What a statement means for a call, by its effect and whether it applies. An Allow that certainly
# applies is not a cause: it is what is wanted.
_REASONS = {
    (Effect.DENY, Truth.TRUE): Reason.EXPLICIT_DENY,
    (Effect.DENY, Truth.UNKNOWN): Reason.UNDECIDED_DENY,
    (Effect.ALLOW, Truth.UNKNOWN): Reason.UNDECIDED_ALLOW,
}


def _verdict_at_level(level: Level, policy_type: PolicyType, request: SessionRequest) -> Verdict:
    """Return what a level says: its policies together must allow, and none may deny."""
    causes: dict[Reason, list[Cause]] = {reason: [] for reason in Reason}
    cause_at_level = functools.partial(Cause, policy_type=policy_type, level=level)

    # Take what each statement says by itself.
    is_allowed = False
    for policy in level.policies:
        if policy.problem:
            cause = cause_at_level(reason=Reason.UNREADABLE_POLICY, policy=policy)
            causes[cause.reason].append(cause)
        for statement in policy.statements:
            applies, undecided = _applies(statement, request)
            if statement.effect is Effect.ALLOW and applies is Truth.TRUE:
                is_allowed = True
            # None for what denies nothing: an Allow that applies, or what does not apply.
            reason = _REASONS.get((statement.effect, applies))
            if reason is not None:
                causes[reason].append(
                    cause_at_level(
                        reason=reason, policy=policy, statement=statement, undecided=undecided
                    )
                )

    # Decide for all of them together. A Deny and a missing Allow are both reported, because fixing
    # only one would not help.
    denials = causes[Reason.EXPLICIT_DENY]
    may_be_allowed = causes[Reason.UNREADABLE_POLICY] or causes[Reason.UNDECIDED_ALLOW]
    if not is_allowed and not may_be_allowed:
        denials.append(cause_at_level(reason=Reason.NO_ALLOW))
    if denials:
        return Verdict(call=request.call, decision=Decision.DENIED, causes=tuple(denials))
    unknown = causes[Reason.UNREADABLE_POLICY] + causes[Reason.UNDECIDED_DENY]
    if not is_allowed:
        unknown += causes[Reason.UNDECIDED_ALLOW]
    if unknown:
        return Verdict(call=request.call, decision=Decision.UNKNOWN, causes=tuple(unknown))
    return Verdict(call=request.call, decision=Decision.ALLOWED)


def _applies(statement: Statement, request: SessionRequest) -> tuple[Truth, tuple[str, ...]]:
    """Return whether a statement applies to a request, and its parts that could not be decided."""
    undecided = []
    for holds, part, templates in _judged_parts(statement, request):
        if holds is Truth.FALSE:
            return holds, ()
        if holds is Truth.UNKNOWN:
            values = ", ".join(template.raw for template in templates[:_MAX_VALUES])
            undecided.append(f"{part} {values}")
    if undecided:
        return Truth.UNKNOWN, tuple(undecided)
    return Truth.TRUE, ()


def _judged_parts(
    statement: Statement, request: SessionRequest
) -> Iterator[tuple[Truth, str, tuple[Template, ...]]]:
    """Yield of each part of a statement whether it holds, what it is, and what it says."""
    action = "NotAction" if statement.not_action else "Action"
    yield action_matches(statement, request.call), action, statement.actions
    resource = "NotResource" if statement.not_resource else "Resource"
    yield resource_matches(statement, request), resource, statement.resources
    for condition in statement.conditions:
        part = f"{condition.operator_name} {condition.key}"
        yield condition_holds(condition, request), part, condition.values
