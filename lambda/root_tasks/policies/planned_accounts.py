"""The accounts of a plan in which the organization's policies deny what its execution would do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, describe
from scp.documents import PolicyType
from scp.evaluate import Decision

from ..messages import DENIED_IN_PART, UNEXPECTED_ERROR
from ..model.report_schema import Action, Preflight
from ..model.run import Denial
from ..tasks import DEFINITIONS
from .check import PolicyCheck
from .reader import PolicyReader
from .sentences import denial_hint, denial_reason, root_user_note
from .verdicts import TaskResult, judge_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scp.calls import SessionOpener
    from scp.evaluate import Cause
    from scp.task import Task

    from ..aws.context import Aws
    from ..model.run import Account, Assignment
    from .verdicts import TaskVerdict

# A run waits no longer for policies: 10,000 accounts and 500 policies take less at AWS's limits.
_MAX_SECONDS = 480.0
# What follows is stored in time to repeat an attempt: none starts in the last 35 seconds of a function.
STORING_SECONDS = 90.0
# Requests are signed with clocks that differ by five minutes at most.
CLOCK_SKEW_SECONDS = 300
_OUT_OF_TIME = "The time was up when {} of {} accounts were checked."


@dataclass(frozen=True, kw_only=True)
class PlannedAccounts:
    """The accounts in which something is planned.

    Attributes:
        task: The task.
        assignments: What is planned in each account.
        members: The accounts, by their IDs.
        organization_id: The organization.
        target_names: Returns the names of the accounts and of their units, by their IDs.
        opener: Returns who opens the sessions; None if the policies on its account are not judged.
    """

    task: Task
    assignments: Sequence[Assignment]
    members: Mapping[str, Account]
    organization_id: str
    target_names: Callable[[], Mapping[str, str]]
    opener: Callable[[], SessionOpener | None]


@dataclass(frozen=True, kw_only=True)
class PreflightResult:
    """What the policies say of what is planned.

    Attributes:
        preflight: The result in numbers.
        denials: The accounts in which they deny the task.
        notes: What to know before the plan is executed in an account, by its ID.
    """

    preflight: Preflight
    denials: tuple[Denial, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def check_plan(aws: Aws, accounts: PlannedAccounts) -> PreflightResult:
    """Read the policies on the paths of accounts, and return what they deny there.

    No failure ends the run, which may be allowed what could not be checked.
    """
    deadline = min(aws.deadline - STORING_SECONDS, aws.clock.now() + _MAX_SECONDS)
    total = len(accounts.assignments)
    checked: dict[str, TaskVerdict] = {}
    try:
        check = _read_policies(aws, accounts, deadline=deadline)
        for number, assignment in enumerate(accounts.assignments):
            if aws.clock.now() > deadline:
                return _skip(aws, _OUT_OF_TIME.format(number, total))
            member = accounts.members[assignment.account_id]
            checked[member.account_id] = judge_task(check, accounts.task, member, targets=assignment.targets)
        notes = dict(_notes(check, accounts, checked))
    except CallError as error:
        return _skip(aws, describe(error.failure))
    # A policy that surprises the evaluation must not stop a run that AWS may let through.
    except Exception as error:
        return _skip(aws, f"{UNEXPECTED_ERROR} {type(error).__name__}.")
    denials = tuple(_denials(checked))
    result = Preflight(
        checked=True,
        denied=sum(len(denial.account_ids) for denial in denials),
        unknown=sum(verdict.result is TaskResult.UNKNOWN for verdict in checked.values()),
    )
    aws.log(event="preflight_finished", denied=result.denied, unknown=result.unknown)
    return PreflightResult(preflight=result, denials=denials, notes=notes)


def _read_policies(aws: Aws, accounts: PlannedAccounts, *, deadline: float) -> PolicyCheck:
    opener = accounts.opener()
    planned = (accounts.members[assignment.account_id] for assignment in accounts.assignments)
    unit_ids = {member.account_id: member.unit_ids for member in planned}
    if opener is not None and not opener.is_in_management_account:
        unit_ids[opener.account_id] = opener.unit_ids
    reader = PolicyReader(organizations=aws.clients.organizations, clock=aws.clock, deadline=deadline)
    policies = reader.read(
        reader.attachments(tuple(PolicyType), unit_ids=unit_ids),
        unit_ids=unit_ids,
        target_names=accounts.target_names(),
    )
    session = replace(
        aws.root_session,
        organization_id=accounts.organization_id,
        opener=opener,
        opened_after=int(aws.now().timestamp()) - CLOCK_SKEW_SECONDS,
    )
    return PolicyCheck(policies, session=session)


def _notes(
    check: PolicyCheck, accounts: PlannedAccounts, checked: Mapping[str, TaskVerdict]
) -> Iterator[tuple[str, str]]:
    """Yield the accounts about which an approver has to know something, and what."""
    recovers = DEFINITIONS[accounts.task].words.action is Action.ALLOW_RECOVERY
    for account_id, verdict in checked.items():
        notes = []
        if verdict.result is TaskResult.PARTLY:
            causes, action = _first_denial(verdict)
            notes.append(f"{DENIED_IN_PART} {denial_reason(causes, action=action)}")
        if recovers and (causes := check.root_user_denials(accounts.members[account_id])):
            notes.append(root_user_note(causes))
        if notes:
            yield account_id, " ".join(notes)


def _first_denial(verdict: TaskVerdict) -> tuple[Sequence[Cause], str]:
    """Return what denies the first call that is denied, and the call."""
    call = next(call for call in verdict.calls if call.decision is Decision.DENIED)
    return call.causes, call.call.action


def _skip(aws: Aws, reason: str) -> PreflightResult:
    aws.log(event="preflight_skipped", reason=reason)
    return PreflightResult(preflight=Preflight(checked=False, reason=reason))


def _denials(checked: Mapping[str, TaskVerdict]) -> Iterator[Denial]:
    """Yield the denials, each with all the accounts in which it is the same."""
    by_sentences: dict[tuple[str, str], list[str]] = {}
    for account_id, verdict in checked.items():
        if verdict.result is TaskResult.DENIED:
            causes, action = _first_denial(verdict)
            sentences = (denial_reason(causes, action=action), denial_hint(causes, action=action))
            by_sentences.setdefault(sentences, []).append(account_id)
    for (reason, hint), account_ids in by_sentences.items():
        yield Denial(reason=reason, hint=hint, account_ids=tuple(account_ids))
