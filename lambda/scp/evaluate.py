"""The evaluation: what the policies of an account's levels say of a call in a root session.

A call passes if every level allows it and none denies it. A Deny that surely applies denies, whatever else is
unknown; nothing that is unknown is ever taken for an Allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .calls import task_calls
from .context import Open, Request
from .operators import Undefined
from .policies import Effect, PolicyType, Quantifier
from .text import ARN_PARTS, Unresolved, Wildcard, pattern_of
from .truth import Truth, agreement, all_of, any_of, truth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .calls import Call, Resource, RootSession, TaskPolicy
    from .context import Value
    from .operators import Operator
    from .policies import Condition, Policy, Statement
    from .text import Template


class Decision(StrEnum):
    """What the policies say of a call or a task."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a call is denied or unknown."""

    EXPLICIT_DENY = "a statement denies it"
    NO_ALLOW = "no policy of the level allows it"
    UNDECIDED_DENY = "a statement may deny it"
    UNDECIDED_ALLOW = "only a statement that may not apply allows it"
    UNREADABLE_POLICY = "a policy could not be read or parsed"
    NO_RESOURCE = "whether resource control policies apply to calls without a resource is not known"


class Element(StrEnum):
    """The part of a statement that could not be decided."""

    ACTION = "Action"
    RESOURCE = "Resource"
    CONDITION = "Condition"


class Why(StrEnum):
    """Why a part of a statement could not be decided."""

    REQUEST = "what the request has is not known"
    LANGUAGE = "what AWS makes of this text is not known"
    OPERATOR = "the operator is not known"


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A part of a statement that could not be decided.

    Attributes:
        element: the part.
        why: what is not known.
        operator: of a condition, the operator as written; otherwise "".
        key: of a condition, the key as written; otherwise "".
        values: what the policy says there, as written.
    """

    element: Element
    why: Why
    operator: str = ""
    key: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Level:
    """A root, an organizational unit or an account, and the policies that are attached to it.

    Attributes:
        target_id: its id.
        name: its name.
        policies: what is attached to it itself, not what it inherits.
    """

    target_id: str
    name: str
    policies: tuple[Policy, ...]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a call is denied or unknown, and where.

    Attributes:
        reason: why.
        policy_type: the type of the policies.
        level: where the policy is attached.
        policy: the policy; None if there is none, since none of the level allows the call.
        statement: the statement; None if there is none.
        undecided: the parts of the statement that could not be decided.
    """

    reason: Reason
    policy_type: PolicyType
    level: Level
    policy: Policy | None = None
    statement: Statement | None = None
    undecided: tuple[Undecided, ...] = ()

    @property
    def place(self) -> tuple[Reason, str, str, str, int]:
        """What tells it from other causes: the reason, and the ids of what it names."""
        return (
            self.reason,
            self.policy_type,
            self.level.target_id,
            self.policy.policy_id if self.policy else "",
            self.statement.number if self.statement else 0,
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the policies say of a call.

    Attributes:
        call: the call.
        decision: allowed, denied or unknown.
        causes: why; none if it is allowed. Of a denied call only what denies it.
    """

    call: Call
    decision: Decision
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskVerdict:
    """What the policies say of a task.

    Attributes:
        task: the task.
        verdicts: of each call that the task makes.
    """

    task: TaskPolicy
    verdicts: tuple[Verdict, ...]

    @property
    def decision(self) -> Decision:
        """Denied if a call is denied, otherwise unknown if one is unknown."""
        decisions = {verdict.decision for verdict in self.verdicts}
        return next(
            (decision for decision in (Decision.DENIED, Decision.UNKNOWN) if decision in decisions),
            Decision.ALLOWED,
        )

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes of the calls that decide, each once."""
        decision = self.decision
        causes = {
            cause.place: cause
            for verdict in self.verdicts
            if verdict.decision is decision
            for cause in verdict.causes
        }
        return tuple(causes.values())


# Whose calls resource control policies apply to, of the services that the tasks call.
RESOURCE_CONTROLLED_SERVICES = frozenset({"s3", "sqs"})


def evaluate_task(
    task: TaskPolicy,
    *,
    session: RootSession,
    service_control: Sequence[Level] | None,
    resource_control: Sequence[Level] | None,
    target: str | None = None,
    target_region: str | None = None,
) -> TaskVerdict:
    """Return what the policies say of a task in an account.

    Args:
        task: the task.
        session: the account.
        service_control: the levels from the root to the account with their service control policies; None
            if the organization has the policy type disabled.
        resource_control: the same with resource control policies.
        target: the name of the bucket or queue; None if it is not known yet.
        target_region: the Region of the bucket or queue; None if it is not known yet.

    Raises:
        ValueError: a policy type is enabled and there are no levels.
    """
    return TaskVerdict(
        task=task,
        verdicts=tuple(
            evaluate_call(
                call, session=session, service_control=service_control, resource_control=resource_control
            )
            for call in task_calls(task, session=session, target=target, target_region=target_region)
        ),
    )


def evaluate_call(
    call: Call,
    *,
    session: RootSession,
    service_control: Sequence[Level] | None,
    resource_control: Sequence[Level] | None,
) -> Verdict:
    """Return what the policies say of a call in a root session.

    Args:
        call: the call.
        session: the account.
        service_control: the levels from the root to the account with their service control policies; None
            if the organization has the policy type disabled.
        resource_control: the same with resource control policies.

    Raises:
        ValueError: a policy type is enabled and there are no levels.
    """
    return evaluate_request(
        Request(session=session, call=call),
        service_control=service_control,
        resource_control=resource_control,
    )


def evaluate_request(
    request: Request, *, service_control: Sequence[Level] | None, resource_control: Sequence[Level] | None
) -> Verdict:
    """Return what the policies say of a request, whatever context it has.

    Args:
        request: the call and its context.
        service_control: as for a call.
        resource_control: as for a call.

    Raises:
        ValueError: a policy type is enabled and there are no levels.
    """
    call = request.call
    results = [*_levels(service_control, PolicyType.SERVICE_CONTROL_POLICY, request)]
    of_resources = _levels(resource_control, PolicyType.RESOURCE_CONTROL_POLICY, request)
    if call.service in RESOURCE_CONTROLLED_SERVICES:
        if call.resource is None:
            # AWS's guide excludes calls without a resource type; sqs:ListQueues was recorded to be denied.
            of_resources = [_with_doubt(decision, causes) for decision, causes in of_resources]
        results += of_resources
    decision = next(
        (
            decision
            for decision in (Decision.DENIED, Decision.UNKNOWN)
            if any(result is decision for result, _ in results)
        ),
        Decision.ALLOWED,
    )
    return Verdict(
        call=call,
        decision=decision,
        causes=tuple(
            cause
            for result, causes in results
            if result is decision and decision is not Decision.ALLOWED
            for cause in causes
        ),
    )


_Result = tuple[Decision, tuple[Cause, ...]]


def _with_doubt(decision: Decision, causes: tuple[Cause, ...]) -> _Result:
    if decision is not Decision.DENIED:
        return decision, causes
    return Decision.UNKNOWN, tuple(
        Cause(
            reason=Reason.NO_RESOURCE,
            policy_type=cause.policy_type,
            level=cause.level,
            policy=cause.policy,
            statement=cause.statement,
        )
        for cause in causes
    )


def _levels(levels: Sequence[Level] | None, policy_type: PolicyType, request: Request) -> list[_Result]:
    if levels is None:
        return []
    if not levels:
        message = f"{policy_type}: an account has levels, at least the root and itself."
        raise ValueError(message)
    return [_level(level, policy_type, request) for level in levels]


def _level(level: Level, policy_type: PolicyType, request: Request) -> _Result:
    """Return what a level says: its policies together must allow, and none may deny."""
    causes: dict[Reason, list[Cause]] = {reason: [] for reason in Reason}
    allowed = False
    for policy in level.policies:
        if policy.problem:
            causes[Reason.UNREADABLE_POLICY].append(
                Cause(reason=Reason.UNREADABLE_POLICY, policy_type=policy_type, level=level, policy=policy)
            )
        for statement in policy.statements:
            applies, undecided = _applies(statement, request)
            if applies is Truth.FALSE:
                continue
            if statement.effect is Effect.ALLOW:
                allowed = allowed or applies is Truth.TRUE
                reason = Reason.UNDECIDED_ALLOW
            else:
                reason = Reason.EXPLICIT_DENY if applies is Truth.TRUE else Reason.UNDECIDED_DENY
            if statement.effect is Effect.DENY or applies is Truth.UNKNOWN:
                causes[reason].append(
                    Cause(
                        reason=reason,
                        policy_type=policy_type,
                        level=level,
                        policy=policy,
                        statement=statement,
                        undecided=undecided,
                    )
                )
    if causes[Reason.EXPLICIT_DENY]:
        return Decision.DENIED, tuple(causes[Reason.EXPLICIT_DENY])
    unknown = [*causes[Reason.UNREADABLE_POLICY], *causes[Reason.UNDECIDED_DENY]]
    if not allowed:
        if not causes[Reason.UNREADABLE_POLICY] and not causes[Reason.UNDECIDED_ALLOW]:
            cause = Cause(reason=Reason.NO_ALLOW, policy_type=policy_type, level=level)
            return Decision.DENIED, (cause,)
        unknown += causes[Reason.UNDECIDED_ALLOW]
    return (Decision.UNKNOWN if unknown else Decision.ALLOWED), tuple(unknown)


def _applies(statement: Statement, request: Request) -> tuple[Truth, tuple[Undecided, ...]]:
    """Return whether a statement applies to a request, and what could not be decided of it."""
    undecided = []
    for truth, part in _parts(statement, request):
        if truth is Truth.FALSE:
            return truth, ()
        if truth is Truth.UNKNOWN:
            undecided.append(part())
    return (Truth.UNKNOWN if undecided else Truth.TRUE), tuple(undecided)


def _parts(statement: Statement, request: Request) -> Iterable[tuple[Truth, Callable[[], Undecided]]]:
    action = any_of(_action_matches(template, request.call.action.lower()) for template in statement.actions)
    yield (
        (action.negation if statement.not_action else action),
        lambda: Undecided(element=Element.ACTION, why=Why.LANGUAGE, values=_raw(statement.actions)),
    )
    resource = _resource_matches(statement, request)
    yield (
        resource,
        lambda: Undecided(
            element=Element.RESOURCE,
            why=Why.LANGUAGE if _is_known(request) else Why.REQUEST,
            values=_raw(statement.resources),
        ),
    )
    for condition in statement.conditions:
        truth, why = _condition_holds(condition, request)
        yield (
            truth,
            lambda condition=condition, why=why: Undecided(  # type: ignore[misc]
                element=Element.CONDITION,
                why=why,
                operator=condition.operator_name,
                key=condition.key,
                values=_raw(condition.values),
            ),
        )


def _is_known(request: Request) -> bool:
    return request.call.resource is None or None not in request.call.resource.parts


def _raw(templates: tuple[Template, ...]) -> tuple[str, ...]:
    return tuple(template.raw for template in templates)


# Actions


def _action_matches(template: Template, action: str) -> Truth:
    """Compare an action in lowercase. Wildcards in the name of the service are not documented."""
    if template.matches_everything:
        return Truth.TRUE
    if not template.pattern.matches(action):
        return Truth.FALSE
    service = template.raw.partition(":")[0]
    return truth_of(service == action.partition(":")[0]) if not _has_wildcard(service) else Truth.UNKNOWN


def _has_wildcard(text: str) -> bool:
    return Wildcard.MANY in text or Wildcard.ONE in text


# Resources


def _resource_matches(statement: Statement, request: Request) -> Truth:
    match = any_of(_one_resource_matches(template, statement, request) for template in statement.resources)
    return match.negation if statement.not_resource else match


def _one_resource_matches(template: Template, statement: Statement, request: Request) -> Truth:
    if template.matches_everything:
        return Truth.TRUE
    parts = template.arn_parts
    if parts[0].tokens != ("arn",):
        return Truth.UNKNOWN
    is_short = len(parts) < ARN_PARTS
    ends_with_asterisk = template.tokens[-1] is Wildcard.MANY
    is_scp = statement.policy_type is PolicyType.SERVICE_CONTROL_POLICY
    if is_short and not (ends_with_asterisk and is_scp):
        # AWS completes such an ARN in other policies; what Organizations makes of it is not known.
        return Truth.UNKNOWN
    resource = request.call.resource
    if resource is None:
        return _matches_without_resource(parts, request.call)
    truths = [
        _part_matches(part, known, request, variables=number == ARN_PARTS - 1, negated=statement.not_resource)
        for number, (part, known) in enumerate(zip(parts, resource.parts, strict=False))
    ]
    match = all_of(truths)
    # Of an ARN with all parts the wildcards stay within their parts: the resources have as many colons.
    return _short_arn_matches(template, match, resource) if is_short else match


def _short_arn_matches(template: Template, completed: Truth, resource: Resource) -> Truth:
    """Compare an ARN with fewer parts than an ARN has, and with an asterisk at its end.

    AWS completes the ARN with asterisks, and says that an asterisk at the end of a part "can" match beyond
    the colon. Only what is the same both ways is certain.

    Args:
        template: the ARN.
        completed: whether it matches if it is completed.
        resource: the resource.
    """
    if not template.is_fixed:
        return Truth.UNKNOWN
    known = resource.known_start
    start = template.raw.partition(Wildcard.MANY)[0].partition(Wildcard.ONE)[0]
    if not known.startswith(start) and not start.startswith(known):
        return Truth.FALSE
    if None in resource.parts:
        return Truth.UNKNOWN
    return agreement((completed, truth_of(template.pattern.matches(known))))


def _matches_without_resource(parts: tuple[Template, ...], call: Call) -> Truth:
    """Compare an ARN with the resource of a call that has no resource type.

    Such a call acts on "*", which an ARN does not match. But AWS's guides also allow s3:ListAllMyBuckets on
    arn:aws:s3:::*, so that an ARN whose name is an asterisk may match.
    """
    possible = ("arn", None, call.service, None, None, "*")
    return (
        Truth.UNKNOWN
        if all(
            text is None or not part.is_fixed or part.pattern.matches(text)
            for part, text in zip(parts, possible, strict=False)
        )
        else Truth.FALSE
    )


# The characters that the parts of an ARN that are not known beforehand can have: a Region, or the name of a
# bucket or queue.
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def _part_matches(
    part: Template, known: str | None, request: Request, *, variables: bool, negated: bool
) -> Truth:
    """Compare a part of an ARN; variables are documented for the last part alone."""
    if part.matches_everything:
        return Truth.TRUE
    if part.is_fixed:
        pattern = part.pattern
    else:
        tokens = part.resolve(_value_of(request))
        if not variables or tokens is Unresolved.UNKNOWN:
            return Truth.UNKNOWN
        if isinstance(tokens, Unresolved):
            # In Resource nothing is like a variable without a value; of NotResource AWS does not say it.
            return Truth.UNKNOWN if negated else Truth.FALSE
        pattern = pattern_of(tokens)
    if known is not None:
        return truth_of(pattern.matches(known))
    return Truth.UNKNOWN if pattern.characters <= _NAME_CHARACTERS else Truth.FALSE


# Conditions


def _value_of(request: Request) -> Callable[[str], str | Unresolved]:
    return lambda key: request.possible(key).text


def _condition_holds(condition: Condition, request: Request) -> tuple[Truth, Why]:
    """Return whether a condition holds for all that its key may be, and why not if that is not known."""
    if condition.operator is None and not condition.is_null:
        return Truth.UNKNOWN, Why.OPERATOR
    possible = request.possible(condition.key)
    cases = [_holds(condition, value, request) for value in possible.values]
    if possible.absent:
        cases.append(_holds(condition, None, request))
    if possible.open is not None:
        cases.append(_holds_for_any_value(condition, possible.open))
    elif len(cases) == 1:
        # The key is known. Not known is what AWS makes of a text of the policy, or the value of a variable.
        fixed = all(template.is_fixed for template in condition.values)
        return cases[0], Why.LANGUAGE if fixed else Why.REQUEST
    return agreement(cases), Why.REQUEST


def _holds_for_any_value(condition: Condition, what: Open) -> Truth:
    """Return whether a condition holds for every value that a key may have if it is there."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=False)
    everything = any(template.matches_everything for template in condition.values)
    if what is Open.ONE_VALUE and operator.takes_wildcards and everything:
        return truth_of(not operator.negated)
    return Truth.UNKNOWN


def _holds(condition: Condition, value: Value | None, request: Request) -> Truth:
    """Return whether a condition holds for a value; None is a key that is absent."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=value is None)
    if value is None:
        return _holds_without_key(condition, operator)
    if condition.quantifier is None:
        # AWS: a key with a list of values needs a quantifier. Without one nothing matches, negated or not.
        return _matches(condition, operator, value, request) if isinstance(value, str) else Truth.FALSE
    values = (value,) if isinstance(value, str) else value
    quantify = all_of if condition.quantifier is Quantifier.FOR_ALL_VALUES else any_of
    return quantify(_matches(condition, operator, each, request) for each in values)


def _holds_without_key(condition: Condition, operator: Operator) -> Truth:
    if condition.quantifier is Quantifier.FOR_ALL_VALUES:
        return Truth.TRUE
    if condition.quantifier is Quantifier.FOR_ANY_VALUE:
        # AWS: false without the key, and true without the key for IfExists; not which of the two wins.
        return Truth.UNKNOWN if condition.if_exists else Truth.FALSE
    return truth_of(condition.if_exists or operator.negated)


def _null(condition: Condition, *, absent: bool) -> Truth:
    texts = {template.raw.lower() for template in condition.values}
    if not texts <= {"true", "false"}:
        return Truth.UNKNOWN
    return truth_of(("true" if absent else "false") in texts)


def _matches(condition: Condition, operator: Operator, value: str, request: Request) -> Truth:
    """Return whether one value of the request is as the condition says."""
    match = Truth.FALSE
    for template in condition.values:
        result = operator.compare(template, value, _value_of(request))
        if result is Undefined.REQUEST_VALUE:
            return Truth.FALSE
        if result is Undefined.POLICY_VALUE:
            # AWS compares in order and stops at a match. What it does with such a value differs by effect.
            return Truth.UNKNOWN
        if result is Truth.TRUE:
            match = result
            break
        if result is Truth.UNKNOWN:
            match = result
    return match.negation if operator.negated else match
