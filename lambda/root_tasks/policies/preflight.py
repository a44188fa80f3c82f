"""The pre-flight of a run: in which accounts policies deny its task, before a root session is opened."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, describe
from scp.documents import PolicyType
from scp.evaluate import Decision

from ..messages import NO_SESSION_OPENED, UNEXPECTED_ERROR
from ..model.report import Action, Preflight
from ..model.run import Denial, Mode
from ..tasks import DEFINITIONS
from .check import PolicyCheck, check_account
from .reader import PolicyReader
from .sentences import denial_hint, denial_reason, root_user_note

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from concurrent.futures import Executor, Future

    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import Clock
    from scp.calls import SessionFacts
    from scp.task import Task

    from ..model.run import Assignment, CredentialSelection, Member
    from .attachments import Attachments
    from .check import AccountCheck

# A run waits no longer for its pre-flight: 10,000 accounts and 500 policies take less at AWS's limits.
_MAX_SECONDS = 480.0
# The run is stored after it, in time to repeat an attempt: none starts in the last 35 seconds of a function.
_STORING_SECONDS = 90.0
_OUT_OF_TIME = "The time was up when {} of {} accounts were checked."


@dataclass(frozen=True, kw_only=True)
class PolicyPreflight:
    """Reads the policies while a run starts, and finds the accounts in which they deny its task.

    Whatever goes wrong, the run goes on without it.

    Attributes:
        organizations: A client that makes one attempt a call.
        session: What is known of root sessions in whatever account.
        clock: The time.
        deadline: When the function ends, on the clock.
        log: Writes one event, given as keyword arguments.
    """

    organizations: OrganizationsClient
    session: SessionFacts
    clock: Clock
    deadline: float
    log: Callable[..., None]

    @contextmanager
    def begin(self, task: Task, *, whole: bool) -> Iterator[PendingPreflight]:
        """Begin to read the policies, in a thread of its own: nobody waits for them if the run is refused.

        Args:
            task: The task.
            whole: Whether the run is about the whole organization. Otherwise its policies are read once it is
                known where its accounts are.
        """
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
            pending = PendingPreflight(
                task=task,
                preflight=self,
                reader=reader,
                types=types,
                pool=pool,
                deadline=deadline,
                abandoned=ended.is_set,
            )
            try:
                if whole:
                    pending.attachments = pool.submit(reader.attachments, types)
                else:
                    pool.submit(lambda: reader.statuses)
                yield pending
            finally:
                ended.set()


@dataclass(frozen=True, kw_only=True)
class CheckedAccounts:
    """Accounts that a pre-flight is about.

    Attributes:
        mode: What the run is for.
        assignments: The accounts, and what to act on there.
        members: The accounts with their units, by their IDs.
        organization_id: The organization.
        account_count: How many accounts it has; None where nobody has counted them.
        target_names: The names of the accounts and of their units, by their IDs.
        credentials: Which credentials a plan may list.
    """

    mode: Mode
    assignments: Sequence[Assignment]
    members: Mapping[str, Member]
    organization_id: str
    account_count: int | None
    target_names: Mapping[str, str]
    credentials: CredentialSelection

    @property
    def unit_ids(self) -> dict[str, tuple[str, ...] | None]:
        """The units that each account is in, by its ID; None where they are not known."""
        return {work.account_id: self.members[work.account_id].unit_ids for work in self.assignments}

    def without(self, account_ids: Collection[str]) -> CheckedAccounts:
        """Return the others of them whose units are known."""
        return replace(
            self,
            assignments=[
                work
                for work in self.assignments
                if work.account_id not in account_ids and self.members[work.account_id].unit_ids is not None
            ],
        )


@dataclass(frozen=True, kw_only=True)
class PolicyFindings:
    """What the policies say of a run.

    Attributes:
        preflight: What the pre-flight came to.
        denials: The accounts in which they deny the task.
        notes: What to know before the task is executed in an account, by its ID.
    """

    preflight: Preflight
    denials: tuple[Denial, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class PendingPreflight:
    """A pre-flight whose policies are being read.

    Attributes:
        task: The task.
        preflight: What is known of root sessions, the time and the log.
        reader: Reads the policies.
        types: The types of policies that count.
        pool: Reads in a thread of its own.
        deadline: When it is skipped, on the clock, if not every account is checked by then.
        abandoned: Whether nobody waits for it any more.
        attachments: What the policies are attached to; None until it is known for which accounts.
        checked: What the policies say of each account that was checked, by its ID.
        early_checks: The policies of the units that accounts without policies of their own are in.
    """

    task: Task
    preflight: PolicyPreflight
    reader: PolicyReader
    types: Collection[PolicyType]
    pool: Executor
    deadline: float
    abandoned: Callable[[], bool]
    attachments: Future[tuple[Attachments, ...]] | None = None
    checked: dict[str, AccountCheck] = field(default_factory=dict)
    early_checks: dict[frozenset[tuple[str, ...] | None], PolicyCheck] = field(default_factory=dict)

    def read(self, unit_ids: Mapping[str, tuple[str, ...] | None]) -> Future[tuple[Attachments, ...]]:
        """Begin to read the policies of some accounts, unless it has begun, and return their attachments.

        Args:
            unit_ids: The units that each account is in, by its ID; None where they are not known.
        """
        if self.attachments is None:
            self.attachments = self.pool.submit(self.reader.attachments, self.types, unit_ids=unit_ids)
        return self.attachments

    def findings(self, accounts: CheckedAccounts) -> PolicyFindings:
        """Return what the pre-flight came to, and what the policies say of the accounts."""
        assignments = accounts.assignments
        try:
            check = self._read_policies(accounts)
            for number, assignment in enumerate(assignments):
                if self.preflight.clock.now() > self.deadline:
                    return self._skip(_OUT_OF_TIME.format(number, len(assignments)))
                self._check(check, assignment, accounts)
            notes = self._notes(check, accounts)
        except CallError as error:
            return self._skip(describe(error.failure))
        # A policy that surprises the evaluation must not stop a run that AWS may let through.
        except Exception as error:
            return self._skip(f"{UNEXPECTED_ERROR} {type(error).__name__}.")
        checked = {work.account_id: self.checked[work.account_id] for work in assignments}
        denials = tuple(_denials(checked))
        result = Preflight(
            checked=True,
            denied=sum(len(denial.account_ids) for denial in denials),
            unknown=sum(account.decision is Decision.UNKNOWN for account in checked.values()),
        )
        self.preflight.log(event="preflight_finished", denied=result.denied, unknown=result.unknown)
        return PolicyFindings(preflight=result, denials=denials, notes=notes)

    def find_accessible(self, accounts: CheckedAccounts) -> list[str]:
        """Return in which accounts nothing denies the task, before the other accounts are known.

        One that has policies of its own is left out: what is the cheapest way to read whether it has
        FullAWSAccess, too, is known once all accounts are. It waits for the policies to be read.
        """
        accessible = self._find_accessible(accounts)
        # Of policies that were not read any more, nothing is known.
        return [] if self.abandoned() else accessible

    def _find_accessible(self, accounts: CheckedAccounts) -> list[str]:
        try:
            attachments = self.read(accounts.unit_ids).result()
        # The run goes on without a pre-flight, and says why where all accounts are checked.
        except Exception:
            return [work.account_id for work in accounts.assignments]
        having = {target_id for of_type in attachments for target_id in of_type.policy_ids}
        early = accounts.without(having)
        paths = frozenset(early.unit_ids.values())
        try:
            if paths not in self.early_checks:
                self.early_checks[paths] = self._read_policies(early)
            for assignment in early.assignments:
                self._check(self.early_checks[paths], assignment, early)
        # It comes again where all accounts are checked, and is reported there.
        except Exception:
            return []
        ids = [work.account_id for work in early.assignments]
        return [id_ for id_ in ids if self.checked[id_].denied is None]

    def _read_policies(self, accounts: CheckedAccounts) -> PolicyCheck:
        policies = self.reader.read(
            [of_type.with_names(accounts.target_names) for of_type in self.read(accounts.unit_ids).result()],
            unit_ids=accounts.unit_ids,
            account_count=accounts.account_count,
        )
        session = replace(self.preflight.session, organization_id=accounts.organization_id)
        return PolicyCheck(policies, session=session)

    def _check(self, check: PolicyCheck, assignment: Assignment, accounts: CheckedAccounts) -> None:
        account_id = assignment.account_id
        if account_id not in self.checked:
            self.checked[account_id] = check_account(
                check,
                self.task,
                accounts.mode,
                assignment,
                unit_ids=accounts.members[account_id].unit_ids,
                credentials=accounts.credentials,
            )

    def _notes(self, check: PolicyCheck, accounts: CheckedAccounts) -> dict[str, str]:
        """Return where a root user that is recovered could do nothing, and why."""
        if accounts.mode is not Mode.PLAN or DEFINITIONS[self.task].words.action is not Action.ALLOW_RECOVERY:
            return {}
        denials = {
            account_id: check.root_user_denials(account_id=account_id, unit_ids=units)
            for account_id, units in accounts.unit_ids.items()
        }
        return {account_id: root_user_note(causes) for account_id, causes in denials.items() if causes}

    def _skip(self, reason: str) -> PolicyFindings:
        self.preflight.log(event="preflight_skipped", reason=reason)
        return PolicyFindings(preflight=Preflight(checked=False, reason=reason))


def _denials(checked: Mapping[str, AccountCheck]) -> Iterator[Denial]:
    """Yield the denials, each with all the accounts in which it is the same."""
    by_sentences: dict[tuple[str, str], list[str]] = {}
    for account_id, account in checked.items():
        if account.denied is not None:
            causes = account.denied.causes
            action = account.denied.call.action
            reason = denial_reason(causes, action=action)
            sentences = (f"{NO_SESSION_OPENED} {reason}", denial_hint(causes, action=action))
            by_sentences.setdefault(sentences, []).append(account_id)
    for (reason, hint), account_ids in by_sentences.items():
        yield Denial(reason=reason, hint=hint, account_ids=tuple(account_ids))
