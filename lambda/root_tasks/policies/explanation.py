"""Why AWS denied a call: by the policy that its message names, otherwise by those on the account's path.

AWS's response is the truth. What is read afterwards adds the statement, its place, and how to fix it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, describe
from aws_calls.retry import ATTEMPT_RESERVE_SECONDS
from scp.calls import ASSUME_ROOT
from scp.condition_keys import SessionRequest
from scp.evaluate import Cause, Decision, Level, Reason, denying_statements

from ..messages import UNEXPECTED_ERROR
from ..tasks import DEFINITIONS
from .aws_denial import parse_denial
from .check import PolicyCheck, call_in
from .reader import PolicyReader
from .sentences import denial_hint, denial_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import Clock
    from scp.calls import SessionFacts
    from scp.evaluate import Verdict

    from ..model.report_schema import Item
    from ..model.run import Account
    from .aws_denial import AwsDenial

# An attempt takes up to 20 s: none starts in the last 20 s of the time for an explanation.
_MAX_ATTEMPT_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class DeniedAccount:
    """An account in which AWS denied a call.

    Attributes:
        account: The account.
        message: AWS's message, or a sentence that contains it.
        items: What the task could not act on.
    """

    account: Account
    message: str
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What AWS's message does not say about a denial.

    Attributes:
        reason: Which statement of which policy denies the call, and where it is attached.
        hint: What would end it.
    """

    reason: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """The explanations of denied accounts.

    Attributes:
        by_account: The explanations that were found, by account ID.
        problem: Why denials are left unexplained; None if nothing got in the way.
    """

    by_account: Mapping[str, Explanation] = field(default_factory=dict)
    problem: str | None = None


def explain_denials(
    denied: Iterable[DeniedAccount],
    *,
    organizations: OrganizationsClient,
    clock: Clock,
    session: SessionFacts,
    target_names: Mapping[str, str],
    seconds: float = 30.0,
) -> Explanations:
    """Read the policies that denied calls, and return which statements did.

    A failure costs explanations, and nothing else.

    Args:
        denied: The accounts.
        organizations: A client that makes one attempt per call.
        clock: The time.
        session: What is known of root sessions in any account, with the organization.
        target_names: The names of accounts and units, by their IDs.
        seconds: How long it may take.
    """
    reader = PolicyReader(
        organizations=organizations,
        clock=clock,
        deadline=clock.now() + seconds + ATTEMPT_RESERVE_SECONDS - _MAX_ATTEMPT_SECONDS,
    )
    explainer = _Explainer(reader=reader, session=session, target_names=target_names)
    groups: dict[AwsDenial, list[DeniedAccount]] = {}
    for each in denied:
        denial = parse_denial(each.message)
        is_readable = denial is not None and (denial.policy_id or not denial.is_on_caller)
        if denial is not None and is_readable and denial.action in _KNOWN_CALLS:
            groups.setdefault(denial, []).append(each)
    explanations: dict[str, Explanation] = {}
    problems = explainer.problems
    for denial, accounts in groups.items():
        try:
            explanations.update(explainer.explain(denial, accounts))
        except CallError as error:
            problems.append(describe(error.failure))
        # A policy that surprises the evaluation must not cost AWS's own message.
        except Exception as error:
            problems.append(f"{UNEXPECTED_ERROR} {type(error).__name__}.")
    return Explanations(by_account=explanations, problem=next(iter(problems), None))


_KNOWN_CALLS = {ASSUME_ROOT, *(action for definition in DEFINITIONS.values() for action in definition.calls)}


@dataclass(frozen=True, kw_only=True)
class _Explainer:
    """Reads policies, each once, and finds the statements that deny."""

    reader: PolicyReader
    session: SessionFacts
    target_names: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def explain(
        self, denial: AwsDenial, denied: Sequence[DeniedAccount]
    ) -> Iterator[tuple[str, Explanation]]:
        """Yield the explanation of one denial for each account that has one."""
        find = self._causes_in_named_policy if denial.policy_id else self._causes_on_path
        for account_id, causes in find(denial, denied):
            found = tuple({cause.place: cause for cause in causes}.values())
            if found:
                reason = denial_reason(found, action=denial.action)
                yield account_id, Explanation(reason=reason, hint=denial_hint(found, action=denial.action))

    def _causes_in_named_policy(
        self, denial: AwsDenial, denied: Sequence[DeniedAccount]
    ) -> Iterator[tuple[str, list[Cause]]]:
        policy, targets = self.reader.policy_and_targets(denial.policy_id or "", denial.policy_type)
        if policy.problem:
            self.problems.append(policy.problem)
        for each in denied:
            account = each.account
            session = self.session.in_account(account.account_id, account.unit_ids)
            calls = (call_in(session, denial.action, target=item) for item in each.items or (None,))
            path = () if denial.is_on_caller else (*(account.unit_ids or ()), account.account_id)
            # A single target must be the place, even if the account's units are not known.
            places = [id_ for id_ in path if id_ in targets] or ([*targets] if len(targets) == 1 else [""])
            statements = {
                statement.number: statement
                for call in calls
                for statement in denying_statements(policy, SessionRequest(session=session, call=call))
            }
            causes = [
                Cause(
                    reason=Reason.EXPLICIT_DENY,
                    policy_type=denial.policy_type,
                    level=Level(target_id=place, name=targets.get(place, ""), policies=(policy,)),
                    policy=policy,
                    # AWS is right even if none of the statements seems to deny the call.
                    statement=statement,
                )
                for place in places
                for statement in statements.values() or (None,)
            ]
            yield account.account_id, causes

    def _causes_on_path(
        self, denial: AwsDenial, denied: Sequence[DeniedAccount]
    ) -> Iterator[tuple[str, list[Cause]]]:
        unit_ids = {each.account.account_id: each.account.unit_ids for each in denied}
        policies = self.reader.read(
            self.reader.attachments({denial.policy_type}, unit_ids=unit_ids),
            unit_ids=unit_ids,
            target_names=self.target_names,
        )
        check = PolicyCheck(policies, session=self.session)
        for each in denied:
            verdicts = [
                check.verdict(denial.action, each.account, target=item) for item in each.items or (None,)
            ]
            causes = [cause for verdict in verdicts for cause in _denials(verdict)]
            if not causes:
                self.problems.extend(_unread(verdicts))
            yield each.account.account_id, causes


def _denials(verdict: Verdict) -> Sequence[Cause]:
    """Return what denies a call that AWS denied: the only candidate does, even if that was not certain."""
    if verdict.decision is Decision.DENIED:
        return verdict.causes
    reasons = {cause.reason for cause in verdict.causes}
    is_certain = reasons <= {Reason.UNCONFIRMED, Reason.NO_RESOURCE} or (
        reasons == {Reason.UNDECIDED_DENY} and len(verdict.causes) == 1
    )
    return verdict.causes if is_certain else ()


def _unread(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield why policies that may deny a call could not be read."""
    for verdict in verdicts:
        for cause in verdict.causes:
            if cause.policy is not None and cause.reason is Reason.UNREADABLE_POLICY:
                yield cause.policy.problem
