"""The pre-flight of an organization, with its present policies or after a change to one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aws_calls.failures import CallError, FailureKind
from common.arn import Arn
from common.untrusted import ACCOUNT_ID
from root_access.organization import OrganizationIdentity, list_delegated_administrators
from root_tasks.aws.invocation import Aws
from root_tasks.model.report_schema import PlanSelection
from root_tasks.model.run_documents import Account
from root_tasks.model.task import Task
from root_tasks.organization.directory import MemberDirectory, merged
from root_tasks.organization.unit_names import with_unit_names
from root_tasks.organization.units import ROOT_NAME
from root_tasks.run.prepare import with_skip_reasons
from root_tasks.tasks.request import Request

from .attachments import OrganizationPolicies
from .documents import PolicyType
from .evaluate import PolicyCheck
from .fixes import StatementFix, find_fixes
from .policy_change import PolicyChange, PreflightError, new_denials
from .reader import PolicyReader
from .session_calls import SessionFacts, SessionOpener
from .verdicts import AccountVerdict, TaskResult, judge_account

UnitIds = tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class OrganizationVerdict:
    """The verdict on root tasks in an organization.

    Attributes:
        organization_id: The organization.
        tasks: The tasks that were checked.
        enabled_types: The types of policies that are enabled.
        accounts: The accounts, by their IDs; without those in which no root session is possible
            anyway.
        skipped: Why accounts that were named are not among them, by their IDs.
        unjudged_delegates: The delegated administrators that the change may keep from opening root
            sessions, which was not judged.
        change: The change that they were checked with: for the tasks that are not denied today and
            of which it denies more, and for those that stay possible. None: there is no change.
        fixes: What would let root sessions through where they are denied.
    """

    organization_id: str
    tasks: tuple[Task, ...]
    enabled_types: tuple[PolicyType, ...]
    accounts: tuple[AccountVerdict, ...]
    skipped: Mapping[str, str]
    unjudged_delegates: tuple[str, ...]
    change: PolicyChange | None
    fixes: tuple[StatementFix, ...]

    def count(self, result: TaskResult) -> int:
        """Return how many accounts have a result."""
        return sum(account.result is result for account in self.accounts)

    @property
    def has_unread_policies(self) -> bool:
        """True if an account is undecided because a policy, or its targets, could not be read."""
        return any(
            denial.cause.policy is not None and denial.cause.policy.problem
            for account in self.accounts
            for denial in account.causes
        )


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """The accounts to judge, and the role or user that opens root sessions in them.

    Attributes:
        accounts: The accounts, in order.
        opener: The role or user.
    """

    accounts: tuple[Account, ...]
    opener: SessionOpener

    @property
    def paths(self) -> dict[str, UnitIds]:
        """The units of each account whose policies count, the opener's included."""
        paths = {account.account_id: account.unit_ids for account in self.accounts}
        if not self.opener.is_in_management_account:
            paths[self.opener.account_id] = self.opener.unit_ids
        return paths

    @property
    def target_ids(self) -> set[str]:
        """The IDs of these accounts, and of the root and the units that they are in."""
        target_ids = set(self.paths)
        for unit_ids in self.paths.values():
            target_ids.update(unit_ids or ())
        return target_ids

    def bound_by_policies_of(self, target_ids: Collection[str]) -> _Scope:
        """Return the scope with only the accounts for which the policies of some targets count.

        Args:
            target_ids: The IDs of the root, units or accounts that have the policies.
        """
        opener = self.opener
        if not opener.is_in_management_account and _inherits_from(
            target_ids, opener.account_id, opener.unit_ids
        ):
            # These policies decide for every account whether the opener gets a session.
            return self
        accounts = tuple(
            account
            for account in self.accounts
            if _inherits_from(target_ids, account.account_id, account.unit_ids)
        )
        return replace(self, accounts=accounts)


def _inherits_from(target_ids: Collection[str], account_id: str, unit_ids: UnitIds) -> bool:
    """Return whether an account is one of some targets, or in one of them.

    An account whose units are not known (None) may be in any of them, so it counts.
    """
    return unit_ids is None or not {account_id, *unit_ids}.isdisjoint(target_ids)


def judge_organization(
    aws: Aws,
    *,
    tasks: tuple[Task, ...],
    organizational_units: Sequence[str],
    account_ids: frozenset[str],
    change: PolicyChange | None,
    session_roles: tuple[str, ...],
    show: Callable[[int, int], None],
) -> OrganizationVerdict:
    """Read the organization's policies, and return what they let root tasks do.

    Args:
        aws: The caller: the management account or a delegated administrator.
        tasks: The tasks.
        organizational_units: Units whose accounts are checked, by ID, path or the end of their
            path.
        account_ids: Accounts that are checked; with neither, all are.
        change: A change of the policies to check; None to check the present ones.
        session_roles: The ARNs of the roles that open root sessions, all of one account; none if
            not known.
        show: Shows how many policies are read, and of how many.

    Raises:
        CallError: A read failed.
        PreflightError: An account is not in the organization, or the change is about nothing that
            is.
        RunRefusedError: There is no organization, or no such unit.
    """
    directory = MemberDirectory.of(aws)
    selection = PlanSelection(
        all_accounts=not organizational_units and not account_ids,
        accounts=tuple(account_ids),
        organizational_units=tuple(organizational_units),
    )

    # Read the accounts to check, and find out who opens root sessions in them.
    organization, members = _read_members(directory, selection)
    opener = _opener(directory, organization, session_roles)
    members = with_unit_names(directory.units, members)
    # As an audit does: no root session is possible in the management account, for example.
    classified = with_skip_reasons(
        members.values(), management_account_id=organization.management_account_id, audits=True
    )
    possible = [account for account in classified if account.skip_reason is None]
    possible.sort(key=lambda account: account.account_id)
    scope = _Scope(accounts=tuple(possible), opener=opener)

    # Read what is attached on their paths. A change is checked only where it changes something.
    reader = PolicyReader(aws)
    attachments = reader.attachments(scope.target_ids, everywhere=selection.all_accounts)
    unjudged_delegates: tuple[str, ...] = ()
    if change is not None:
        change = _with_target_ids(change, directory, scope)
        changed_targets = change.changed_targets(attachments)
        if opener.is_in_management_account and not session_roles:
            # Roles of these accounts may open root sessions as well, and the policy binds them.
            unjudged_delegates = _delegates_bound_by(changed_targets, directory)
        scope = scope.bound_by_policies_of(changed_targets)

    # Read the documents of these policies.
    policies = reader.read(
        attachments,
        scope.target_ids,
        target_names=_target_names(directory, members),
        show=show,
    )

    # Judge, without a call.
    session = SessionFacts(
        partition=aws.function.partition,
        region=aws.function.region,
        organization_id=organization.organization_id,
        opener=opener,
    )
    verdicts = _judge(policies, session, scope.accounts, tasks)
    if change is not None:
        changed = _judge(change.resulting_policies(policies), session, scope.accounts, tasks)
        verdicts = list(new_denials(verdicts, changed))
    return OrganizationVerdict(
        organization_id=organization.organization_id,
        tasks=tasks,
        enabled_types=tuple(policies.attachments),
        accounts=tuple(verdicts),
        skipped={
            account.account_id: account.skip_reason
            for account in classified
            if account.skip_reason is not None and account.account_id in account_ids
        },
        unjudged_delegates=unjudged_delegates,
        change=change,
        fixes=tuple(find_fixes(verdicts, opener)),
    )


def _judge(
    policies: OrganizationPolicies,
    session: SessionFacts,
    accounts: Iterable[Account],
    tasks: tuple[Task, ...],
) -> list[AccountVerdict]:
    """Return the verdict on each account, in the same order."""
    check = PolicyCheck(policies, session=session)
    return [judge_account(check, account, tasks=tasks) for account in accounts]


# The accounts


def _read_members(
    directory: MemberDirectory, selection: PlanSelection
) -> tuple[OrganizationIdentity, dict[str, Account]]:
    """Return the organization, and the selected accounts by their IDs."""
    try:
        organization = directory.identify()
        members = merged(directory.pages(Request(task=Task.AUDIT, selection=selection)))
    except CallError as error:
        # A missing permission has "not authorized" in its message; AWS denies an account that may
        # not see the organization without these words.
        is_denied = error.failure.kind is FailureKind.ACCESS_DENIED
        if not is_denied or "not authorized" in error.failure.message:
            raise
        raise PreflightError(
            f"Account {directory.aws.account_id} is neither the management account nor a delegated "
            "administrator of its organization. Use credentials of one of these."
        ) from error
    strangers = sorted(set(selection.accounts) - members.keys())
    if strangers:
        raise PreflightError(
            f"{', '.join(strangers)}: not in organization {organization.organization_id}."
        )
    return organization, members


def _opener(
    directory: MemberDirectory,
    organization: OrganizationIdentity,
    session_roles: tuple[str, ...],
) -> SessionOpener:
    """Return who opens root sessions: the session roles, or a role of the caller's account."""
    account_id = directory.aws.account_id
    if session_roles:
        account_id = Arn.parse(session_roles[0]).account_id
    if account_id == organization.management_account_id:
        # No service control policy applies there, so its units do not matter.
        return SessionOpener(
            account_id=account_id, is_in_management_account=True, principal_arns=session_roles
        )
    opener = directory.find_by_ids([account_id]).get(account_id)
    if opener is None:
        raise PreflightError(f"{account_id}: not in organization {organization.organization_id}.")
    return SessionOpener(
        account_id=account_id, unit_ids=opener.unit_ids, principal_arns=session_roles
    )


def _target_names(directory: MemberDirectory, members: Mapping[str, Account]) -> dict[str, str]:
    """Return the names of accounts and of their units, as far as these were read, by their IDs."""
    names = dict(directory.units.names)
    for account_id, member in members.items():
        names[account_id] = member.name or ""
        if member.unit_ids:
            # They begin with the root, which has the same name in each organization.
            root_id = member.unit_ids[0]
            names[root_id] = ROOT_NAME
    return names


# A change


def _with_target_ids(
    change: PolicyChange, directory: MemberDirectory, scope: _Scope
) -> PolicyChange:
    """Return a change with the IDs of its targets, of which units may be given by their names.

    Raises:
        PreflightError: There is no account to check below a target: its ID may be mistyped.
    """
    if not scope.accounts:
        raise PreflightError("There is no member account to check.")
    target_ids = []
    for target in change.target_ids:
        is_account = ACCOUNT_ID.fullmatch(target) is not None
        target_ids.append(target if is_account else directory.units.id_of(target))
    without_accounts = sorted(set(target_ids) - scope.target_ids)
    # An account whose units are not known may be below any of them.
    if without_accounts and None not in scope.paths.values():
        raise PreflightError(f"{', '.join(without_accounts)}: there is no member account to check.")
    return replace(change, target_ids=tuple(target_ids))


def _delegates_bound_by(target_ids: Collection[str], directory: MemberDirectory) -> tuple[str, ...]:
    """Return the delegated administrators for IAM that inherit the policies of some targets."""
    delegates = directory.find_by_ids(list_delegated_administrators(directory.aws))
    return tuple(
        account_id
        for account_id, delegate in delegates.items()
        if _inherits_from(target_ids, account_id, delegate.unit_ids)
    )
