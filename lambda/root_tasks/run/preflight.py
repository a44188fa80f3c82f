"""The pre-flight: what the organization's policies let root sessions do, before any of them is opened."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, describe
from scp.calls import SessionFacts, call_of
from scp.context import Request
from scp.evaluate import Decision, evaluate_call, without_certainties
from scp.matching import IndexedStatement
from scp.policies import PolicyType

from ..aws.policies import PolicyReader
from ..messages import UNEXPECTED_ERROR, denial_hint, denial_reason
from ..model.report import Preflight
from ..model.run import Assignment, Denial, Target
from ..tasks import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from concurrent.futures import Future

    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import Clock
    from scp.evaluate import Level, Verdict

    from ..aws.policies import Attachments, OrganizationPolicies, PoliciesOfType
    from ..model.report import Task
    from ..model.run import CredentialSelection, Mode
    from ..tasks.definition import TaskDefinition
    from .accounts import Member

# A run waits no longer for its pre-flight: 10,000 accounts and 500 policies take less at AWS's limits.
_MAX_SECONDS = 480.0
# The run is stored after it, in time to repeat an attempt: none starts in the last 35 seconds of a function.
_STORING_SECONDS = 90.0
_OUT_OF_TIME = "The time was up when {} of {} accounts were checked."


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where root sessions are opened.

    Attributes:
        partition: For example aws.
        region: The Region that calls without a Region of their own are sent to.
        outside_vpc: Whether the calls surely do not pass a VPC endpoint.
    """

    partition: str
    region: str
    outside_vpc: bool


class PolicyCheck:
    """What the policies say of calls in root sessions, account by account. Pure.

    Args:
        policies: The organization's policies.
        organization_id: The organization.
        origin: Where the sessions are opened.
    """

    def __init__(self, policies: OrganizationPolicies, *, organization_id: str, origin: Origin) -> None:
        self._service_control = _for_many_requests(policies.service_control)
        self._resource_control = _for_many_requests(policies.resource_control)
        self._organization_id = organization_id
        self._origin = origin
        self._levels: dict[tuple[PolicyType, str, str], Level] = {}

    def verdict(
        self, action: str, *, account_id: str, unit_ids: tuple[str, ...] | None, target: Target | None = None
    ) -> Verdict:
        """Return what the policies say of a call in an account.

        Args:
            action: The call, one that a task makes.
            account_id: The account.
            unit_ids: The units that it is in, from the root down; None where they are not known.
            target: The bucket or queue; None where there is none yet.
        """
        path = None if unit_ids is None else "/".join((self._organization_id, *unit_ids, ""))
        session = self._session(account_id=account_id, path=path)
        # Of a queue it is the ARN.
        name = None if target is None or target.id is None else target.id.rpartition(":")[2]
        call = call_of(
            action, session=session, target=name, target_region=None if target is None else target.region
        )
        target_ids = None if unit_ids is None else (*unit_ids, account_id)
        return evaluate_call(
            call,
            session=session,
            service_control=self._levels_for(self._service_control, target_ids, action),
            resource_control=self._levels_for(self._resource_control, target_ids, action),
        )

    def _session(self, *, account_id: str | None, path: str | None) -> SessionFacts:
        return SessionFacts(
            account_id=account_id,
            partition=self._origin.partition,
            organization_id=self._organization_id,
            organization_path=path,
            region=self._origin.region,
            outside_vpc=self._origin.outside_vpc,
        )

    def _levels_for(
        self, policies: PoliciesOfType | None, target_ids: tuple[str, ...] | None, action: str
    ) -> tuple[Level, ...] | None:
        """Return the levels without what is certain in whatever account: most accounts share most levels."""
        if policies is None:
            return None
        if target_ids is None:
            return policies.levels(None)
        policy_type = policies.attachments.policy_type
        keys = [(policy_type, target_id, action) for target_id in target_ids]
        for key in keys:
            if key not in self._levels:
                (level,) = policies.levels(key[1:2])
                self._levels[key] = self._without_certainties(level, action)
        return tuple(self._levels[key] for key in keys)

    def _without_certainties(self, level: Level, action: str) -> Level:
        session = self._session(account_id=None, path=None)
        request = Request(session=session, call=call_of(action, session=session))
        return replace(
            level,
            policies=tuple(
                replace(
                    policy,
                    statements=tuple(
                        left
                        for each in policy.statements
                        if (left := without_certainties(each, request)) is not None
                    ),
                )
                for policy in level.policies
            ),
        )


def _for_many_requests(policies: PoliciesOfType | None) -> PoliciesOfType | None:
    if policies is None:
        return None
    return replace(
        policies,
        policies={
            id_: replace(policy, statements=tuple(map(IndexedStatement.of, policy.statements)))
            for id_, policy in policies.policies.items()
        },
    )


@dataclass(frozen=True, kw_only=True)
class AccountCheck:
    """Whether the policies let a task do anything in an account.

    Attributes:
        decision: Denied only where nothing of the task is possible; unknown where a part of it is.
        denied: Of a denied account, the call that is.
    """

    decision: Decision
    denied: Verdict | None = None


def check_account(
    check: PolicyCheck,
    task: Task,
    mode: Mode,
    assignment: Assignment,
    *,
    unit_ids: tuple[str, ...] | None,
    credentials: CredentialSelection,
) -> AccountCheck:
    """Return whether the policies let a task do anything in an account.

    Args:
        check: The policies.
        task: The task.
        mode: What the run is for.
        assignment: The account, and what to act on there.
        unit_ids: The units that the account is in, from the root down; None where they are not known.
        credentials: Which credentials a plan may list.
    """
    definition = DEFINITIONS[task]
    verdicts: dict[tuple[str, Target | None], Verdict] = {}

    def verdict(action: str, target: Target) -> Verdict:
        key = (action, target if assignment.targets else None)
        if key not in verdicts:
            verdicts[key] = check.verdict(
                action, account_id=assignment.account_id, unit_ids=unit_ids, target=target
            )
        return verdicts[key]

    denials: list[Verdict] = []
    decisions: set[Decision] = set()
    for target in _possible_targets(definition, assignment, credentials):
        of_target = [verdict(action, target) for action in definition.necessary_calls(mode, target)]
        denied = [each for each in of_target if each.decision is Decision.DENIED]
        denials += denied[:1]
        decisions.add(Decision.DENIED if denied else Decision.ALLOWED)
        decisions |= {
            Decision.UNKNOWN for each in of_target if each.decision is Decision.UNKNOWN and not denied
        }
    if decisions == {Decision.DENIED}:
        return AccountCheck(decision=Decision.DENIED, denied=denials[0])
    return AccountCheck(decision=Decision.UNKNOWN if Decision.UNKNOWN in decisions else Decision.ALLOWED)


def _possible_targets(
    definition: TaskDefinition, assignment: Assignment, credentials: CredentialSelection
) -> tuple[Target, ...]:
    if assignment.targets:
        return assignment.targets
    types = [each for each in definition.found_types if not credentials.types or each in credentials.types]
    return tuple(Target(type=type_) for type_ in types)


@dataclass(frozen=True, kw_only=True)
class PolicyPreflight:
    """Reads the policies while a run starts, and finds the accounts in which they deny its task.

    Whatever goes wrong, the run goes on without it.

    Attributes:
        organizations: A client that makes one attempt a call.
        origin: Where root sessions are opened.
        clock: The time.
        deadline: When the function ends, on the clock.
        log: Writes one event, given as keyword arguments.
    """

    organizations: OrganizationsClient
    origin: Origin
    clock: Clock
    deadline: float
    log: Callable[..., None]

    @contextmanager
    def begin(self, task: Task) -> Iterator[PendingPreflight]:
        """Begin to read the policies, in a thread of its own: nobody waits for them if the run is refused."""
        types = {PolicyType.SERVICE_CONTROL_POLICY}
        if DEFINITIONS[task].policy_type is not None:
            # They apply to the calls of S3 and SQS, not to those of IAM.
            types.add(PolicyType.RESOURCE_CONTROL_POLICY)
        ended = threading.Event()
        deadline = min(self.deadline - _STORING_SECONDS, self.clock.now() + _MAX_SECONDS)
        reader = PolicyReader(
            organizations=self.organizations,
            clock=self.clock,
            deadline=deadline,
            abandoned=ended.is_set,
        )
        with ThreadPoolExecutor(max_workers=1) as pool:
            try:
                yield PendingPreflight(
                    task=task,
                    origin=self.origin,
                    reader=reader,
                    attachments=pool.submit(reader.attachments, types),
                    clock=self.clock,
                    deadline=deadline,
                    log=self.log,
                )
            finally:
                ended.set()


@dataclass(frozen=True, kw_only=True)
class PendingPreflight:
    """A pre-flight whose policies are being read.

    Attributes:
        task: The task.
        origin: Where root sessions are opened.
        reader: Reads the policies.
        attachments: What they are attached to.
        clock: The time.
        deadline: When it is skipped, on the clock, if not every account is checked by then.
        log: Writes one event, given as keyword arguments.
    """

    task: Task
    origin: Origin
    reader: PolicyReader
    attachments: Future[tuple[Attachments, ...]]
    clock: Clock
    deadline: float
    log: Callable[..., None]

    def find_denials(
        self,
        mode: Mode,
        assignments: Collection[Assignment],
        *,
        members: Mapping[str, Member],
        organization_id: str,
        account_count: int,
        credentials: CredentialSelection,
    ) -> tuple[Preflight, tuple[Denial, ...]]:
        """Return what the pre-flight came to, and the accounts in which the policies deny the task.

        Args:
            mode: What the run is for.
            assignments: The accounts, and what to act on there.
            members: The accounts with their units, by their IDs.
            organization_id: The organization.
            account_count: How many accounts it has.
            credentials: Which credentials a plan may list.
        """
        try:
            units = {it.account_id: members[it.account_id].unit_ids for it in assignments}
            policies = self.reader.read(
                self.attachments.result(),
                target_ids={*units, *(id_ for path in units.values() for id_ in path or ())},
                account_count=account_count,
            )
            check = PolicyCheck(policies, organization_id=organization_id, origin=self.origin)
            checked: dict[str, AccountCheck] = {}
            for it in assignments:
                if self.clock.now() > self.deadline:
                    return self._skip(_OUT_OF_TIME.format(len(checked), len(assignments)))
                checked[it.account_id] = check_account(
                    check, self.task, mode, it, unit_ids=units[it.account_id], credentials=credentials
                )
        except CallError as error:
            return self._skip(describe(error.failure))
        # A policy that surprises the evaluation must not stop a run that AWS may let through.
        except Exception as error:
            return self._skip(f"{UNEXPECTED_ERROR} {type(error).__name__}.")
        denials = tuple(_denials(checked))
        preflight = Preflight(
            checked=True,
            denied=sum(len(each.account_ids) for each in denials),
            unknown=sum(each.decision is Decision.UNKNOWN for each in checked.values()),
        )
        self.log(event="preflight_finished", denied=preflight.denied, unknown=preflight.unknown)
        return preflight, denials

    def _skip(self, reason: str) -> tuple[Preflight, tuple[Denial, ...]]:
        self.log(event="preflight_skipped", reason=reason)
        return Preflight(checked=False, reason=reason), ()


def _denials(checked: Mapping[str, AccountCheck]) -> Iterator[Denial]:
    """Yield the denials, each with all the accounts in which it is the same."""
    by_sentences: dict[tuple[str, str], list[str]] = {}
    for account_id, each in checked.items():
        if each.denied is not None:
            sentences = (denial_reason(each.denied), denial_hint(each.denied))
            by_sentences.setdefault(sentences, []).append(account_id)
    for (reason, hint), account_ids in by_sentences.items():
        yield Denial(reason=reason, hint=hint, account_ids=tuple(account_ids))
