"""Reading what an organization's policies let root tasks do, for the preflight command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, FailureKind
from aws_calls.retry import ATTEMPT_RESERVE_SECONDS
from root_tasks.policies.check import PolicyCheck
from root_tasks.policies.fixes import find_fixes
from root_tasks.policies.preflight import CLOCK_SKEW_SECONDS
from root_tasks.policies.reader import PolicyReader
from root_tasks.policies.verdicts import judge_account
from root_tasks.run.accounts import MemberDirectory, classify
from scp.calls import SessionFacts, SessionOpener
from scp.documents import PolicyType
from scp.evaluate import Decision

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from root_tasks.model.run import Account, Member
    from root_tasks.policies.attachments import OrganizationPolicies
    from root_tasks.policies.fixes import StatementFix
    from root_tasks.policies.verdicts import AccountVerdict, TaskResult, TaskVerdict
    from root_tasks.run.accounts import OrganizationContext, Selection
    from scp.task import Task

    from .aws import Caller
    from .policy_change import PolicyChange

# Two documents a second, of which an organization can have thousands.
_MAX_SECONDS = 1800.0


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the policies let root tasks do in an organization.

    Attributes:
        organization_id: The organization.
        tasks: The tasks that were checked.
        enabled_types: The types of policies that are enabled.
        accounts: The accounts, by their IDs; without those in which no root session is possible anyway.
        skipped: Why accounts that were named are not among them, by their IDs.
        change: The change that they were checked with, for the tasks of which it denies more than is denied
            today, and for those that stay possible; None: they were checked as they are.
        fixes: What would let root sessions through where they are denied.
    """

    organization_id: str
    tasks: tuple[Task, ...]
    enabled_types: tuple[PolicyType, ...]
    accounts: tuple[AccountVerdict, ...]
    skipped: Mapping[str, str]
    change: PolicyChange | None
    fixes: tuple[StatementFix, ...]

    def count(self, result: TaskResult) -> int:
        """Return how many accounts have a result."""
        return sum(account.result is result for account in self.accounts)

    @property
    def has_unread_policies(self) -> bool:
        """Whether an account is undecided because a policy, or what it is attached to, could not be read."""
        return any(
            cause.cause.policy is not None and cause.cause.policy.problem
            for account in self.accounts
            for cause in account.causes
        )


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """The accounts to check, and who opens root sessions in them."""

    organization: OrganizationContext
    classified: tuple[Account, ...]
    members: Mapping[str, Member]
    is_whole: bool
    opener: SessionOpener

    @property
    def accounts(self) -> list[Account]:
        """The accounts in which root sessions are possible, by their IDs."""
        possible = [account for account in self.classified if account.skip_reason is None]
        return sorted(possible, key=lambda account: account.account_id)

    @property
    def unit_ids(self) -> dict[str, tuple[str, ...] | None]:
        """The units that each account is in, from the root down; None if they are not known."""
        return {account.account_id: self.members[account.account_id].unit_ids for account in self.accounts}

    @property
    def paths(self) -> dict[str, tuple[str, ...] | None]:
        """The units of each account whose policies count, the one that opens the sessions included."""
        of_opener = {self.opener.account_id: self.opener.unit_ids}
        return self.unit_ids if self.opener.is_in_management_account else {**self.unit_ids, **of_opener}

    def under(self, places: Collection[str]) -> _Scope:
        """Return the accounts for which policies in some places count."""
        wanted = set(places)
        opener_path = self.paths.get(self.opener.account_id, ())
        if opener_path is None or wanted.intersection((self.opener.account_id, *opener_path)):
            return self
        affected = {
            id_ for id_, path in self.unit_ids.items() if path is None or wanted.intersection((id_, *path))
        }
        return replace(
            self, classified=tuple(account for account in self.classified if account.account_id in affected)
        )


def survey(
    caller: Caller,
    *,
    tasks: tuple[Task, ...],
    selection: Selection,
    change: PolicyChange | None,
    session_role: str | None,
    show: Callable[[int, int, str], None],
) -> Survey:
    """Read the organization's policies, and return what they let root tasks do.

    Args:
        caller: The caller: the management account or a delegated administrator.
        tasks: The tasks.
        selection: The accounts.
        change: A change of the policies to check; None to check them as they are.
        session_role: The ARN of the role that opens root sessions; None if not known.
        show: Shows how much is read, and of how much.

    Raises:
        CallError: A read failed.
        CommandError: An account is not in the organization, or the change is about nothing that is.
        RunRefusedError: There is no organization, or no such unit.
    """
    aws = caller.aws(seconds=_MAX_SECONDS)
    directory = MemberDirectory.of(aws)
    scope = _find_scope(caller, directory, selection, session_role=session_role)
    reader = PolicyReader(
        organizations=aws.clients.organizations,
        clock=caller.clock,
        deadline=caller.clock.now() + _MAX_SECONDS + ATTEMPT_RESERVE_SECONDS,
    )
    attachments = reader.attachments(tuple(PolicyType), unit_ids=scope.paths, everywhere=scope.is_whole)
    checked = scope
    if change is not None:
        change = change.with_targets(directory.units.id_of)
        _require_places(change.target_ids, scope.paths)
        checked = scope.under(change.places(attachments))
    policies = reader.read(
        attachments,
        unit_ids=checked.paths,
        target_names=directory.target_names(scope.members),
        show=lambda done, total: show(done, total, "policies"),
    )
    session = SessionFacts(
        partition=caller.partition,
        organization_id=scope.organization.organization_id,
        region=caller.region,
        outside_vpc=True,
        opener=scope.opener,
        opened_after=int(caller.now().timestamp()) - CLOCK_SKEW_SECONDS,
    )
    accounts = _judge(checked, policies, session, tasks)
    if change is not None:
        changed = _judge(checked, change.resulting_policies(policies), session, tasks)
        accounts = [*_new_results(accounts, changed)]
    return Survey(
        organization_id=scope.organization.organization_id,
        tasks=tasks,
        enabled_types=tuple(policies.attachments),
        accounts=tuple(accounts),
        skipped={
            account.account_id: account.skip_reason
            for account in scope.classified
            if account.skip_reason is not None and account.account_id in selection.account_ids
        },
        change=change,
        fixes=tuple(find_fixes(accounts)),
    )


def _find_scope(
    caller: Caller, directory: MemberDirectory, selection: Selection, *, session_role: str | None
) -> _Scope:
    # The policies on the caller's own account count for the call that opens a session.
    opener_id = session_role.split(":")[4] if session_role else caller.account_id
    wanted = replace(selection, account_ids=selection.account_ids | {opener_id})
    try:
        organization, members = directory.find(selection if selection.all_accounts else wanted)
    except CallError as error:
        if error.failure.kind is not FailureKind.ACCESS_DENIED or "not authorized" in error.failure.message:
            raise
        raise CommandError(
            f"Account {caller.account_id} is neither the management account nor a delegated administrator of "
            "its organization. Use credentials of one of these."
        ) from error
    if strangers := sorted(selection.account_ids - members.keys()):
        raise CommandError(f"{', '.join(strangers)}: not in organization {organization.organization_id}.")
    opener = members.get(opener_id)
    if opener_id not in selection.account_ids and not selection.all_accounts:
        in_units = directory.in_units(selection.organizational_units)
        members = {id_: member for id_, member in members.items() if id_ != opener_id or id_ in in_units}
    members = directory.with_unit_names(members, whole=selection.all_accounts)
    return _Scope(
        organization=organization,
        classified=classify(
            members.values(), management_account_id=organization.management_account_id, audits=True
        ),
        members=members,
        is_whole=selection.all_accounts,
        opener=SessionOpener(
            account_id=opener_id,
            unit_ids=None if opener is None else opener.unit_ids,
            is_in_management_account=opener_id == organization.management_account_id,
            principal_arn=session_role,
        ),
    )


def _judge(
    scope: _Scope, policies: OrganizationPolicies, session: SessionFacts, tasks: tuple[Task, ...]
) -> list[AccountVerdict]:
    check = PolicyCheck(policies, session=session)
    return [
        judge_account(check, account, unit_ids=scope.members[account.account_id].unit_ids, tasks=tasks)
        for account in scope.accounts
    ]


def _new_results(
    before: Iterable[AccountVerdict], after: Iterable[AccountVerdict]
) -> Iterator[AccountVerdict]:
    """Yield the accounts after a change, without tasks that are denied today already."""
    for old, new in zip(before, after, strict=True):
        tasks = tuple(
            task
            for was, task in zip(old.tasks, new.tasks, strict=True)
            if not (denied := _denials_of(task)) or denied - _denials_of(was)
        )
        if tasks:
            yield replace(new, tasks=tasks)


def _denials_of(task: TaskVerdict) -> set[object]:
    return {(call.call.action, call.call.task) for call in task.calls if call.decision is Decision.DENIED}


def _require_places(target_ids: Iterable[str], unit_ids: Mapping[str, tuple[str, ...] | None]) -> None:
    """Refuse what is not on the path of an account, such as a mistyped ID, if all paths are known.

    Raises:
        CommandError: There is no account below one of them.
    """
    known = {id_ for account_id, path in unit_ids.items() for id_ in (account_id, *(path or ()))}
    missing = sorted(set(target_ids) - known)
    if missing and None not in unit_ids.values():
        raise CommandError(f"{', '.join(missing)}: there is no member account to check.")
