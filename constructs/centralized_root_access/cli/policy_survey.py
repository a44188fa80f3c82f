"""Reading what an organization's policies let root tasks do, for the preflight command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.retry import ATTEMPT_RESERVE_SECONDS
from root_tasks.policies.check import PolicyCheck
from root_tasks.policies.findings import check_tasks
from root_tasks.policies.fixes import find_fixes
from root_tasks.policies.reader import PolicyReader
from root_tasks.run.accounts import MemberDirectory, classify
from root_tasks.run.members import Selection
from scp.calls import SessionFacts
from scp.documents import PolicyType
from scp.evaluate import Decision

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from root_tasks.policies.attachments import OrganizationPolicies
    from root_tasks.policies.findings import CheckedAccount
    from root_tasks.policies.fixes import StatementFix
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
        change: The change that they were checked with, where it counts, and for what is not denied
            today; None: they were checked as they are.
        fixes: What would let root sessions through where they are denied.
    """

    organization_id: str
    tasks: tuple[Task, ...]
    enabled_types: tuple[PolicyType, ...]
    accounts: tuple[CheckedAccount, ...]
    skipped: Mapping[str, str]
    change: PolicyChange | None
    fixes: tuple[StatementFix, ...]

    def ids(self, decision: Decision) -> list[str]:
        """Return the accounts with a decision."""
        return [account.account.account_id for account in self.accounts if account.decision is decision]

    @property
    def has_unread_policies(self) -> bool:
        """Whether an account is undecided because a policy, or what it is attached to, could not be read."""
        return any(
            finding.cause.policy is not None and finding.cause.policy.problem
            for account in self.accounts
            for finding in account.findings
        )


def survey(
    caller: Caller,
    *,
    tasks: tuple[Task, ...],
    account_ids: tuple[str, ...],
    organizational_units: tuple[str, ...],
    change: PolicyChange | None,
    show: Callable[[int, int, str], None],
) -> Survey:
    """Read the organization's policies, and return what they let root tasks do.

    Args:
        caller: The caller: the management account or a delegated administrator.
        tasks: The tasks.
        account_ids: The accounts.
        organizational_units: Units whose accounts are meant; without accounts and units, every account.
        change: A change of the policies to check; None to check them as they are.
        show: Shows how much is read, and of how much.

    Raises:
        CallError: A read failed.
        CommandError: An account is not in the organization, or the change is about nothing that is.
        RunRefusedError: There is no organization, or no such unit.
    """
    aws = caller.aws(seconds=_MAX_SECONDS)
    directory = MemberDirectory(aws=aws)
    reader = PolicyReader(
        organizations=aws.clients.organizations,
        clock=caller.clock,
        deadline=caller.clock.now() + _MAX_SECONDS + ATTEMPT_RESERVE_SECONDS,
    )
    selection = Selection(
        all_accounts=not account_ids and not organizational_units,
        organizational_units=organizational_units,
        account_ids=frozenset(account_ids),
    )
    organization, members = directory.find(selection)
    if strangers := sorted(selection.account_ids - members.keys()):
        raise CommandError(f"{', '.join(strangers)}: not in organization {organization.organization_id}.")
    members = directory.with_unit_names(members, whole=selection.all_accounts)
    classified = classify(
        (member.account for member in members.values()),
        management_account_id=organization.management_account_id,
        protected_accounts=(),
        audits=True,
    )
    accounts = [account for account in classified if account.skip_reason is None]
    unit_ids = {account.account_id: members[account.account_id].unit_ids for account in accounts}
    attachments = reader.attachments(tuple(PolicyType), unit_ids=None if selection.all_accounts else unit_ids)
    names = directory.target_names(members)
    if change is not None:
        _require_places(change.target_ids, unit_ids)
        places = change.places(attachments)
        unit_ids = {
            account_id: path
            for account_id, path in unit_ids.items()
            if path is None or places.intersection((account_id, *path))
        }
        accounts = [account for account in accounts if account.account_id in unit_ids]
    policies = reader.read(
        [of_type.with_names(names) for of_type in attachments],
        unit_ids=unit_ids,
        account_count=len(members) if selection.all_accounts else None,
        show=lambda done, total: show(done, total, "policies"),
    )
    session = SessionFacts(
        partition=caller.partition,
        organization_id=organization.organization_id,
        region=caller.region,
        outside_vpc=True,
    )

    def accounts_with(
        policies: OrganizationPolicies, tasks_of: Mapping[str, tuple[Task, ...]]
    ) -> list[CheckedAccount]:
        check = PolicyCheck(policies, session=session)
        return [
            check_tasks(
                check, account, unit_ids=unit_ids[account.account_id], tasks=tasks_of[account.account_id]
            )
            for account in accounts
        ]

    found = accounts_with(policies, dict.fromkeys(unit_ids, tasks))
    if change is not None:
        possible = {account.account.account_id: _possible_tasks(account) for account in found}
        found = [
            account
            for account in accounts_with(change.resulting_policies(policies), possible)
            if account.verdicts
        ]
    return Survey(
        organization_id=organization.organization_id,
        tasks=tasks,
        enabled_types=tuple(policies.attachments),
        accounts=tuple(sorted(found, key=lambda account: account.account.account_id)),
        skipped={
            account.account_id: account.skip_reason
            for account in classified
            if account.skip_reason is not None and account.account_id in account_ids
        },
        change=change,
        fixes=tuple(find_fixes(found)),
    )


def _possible_tasks(account: CheckedAccount) -> tuple[Task, ...]:
    return tuple(verdict.task for verdict in account.verdicts if verdict.decision is not Decision.DENIED)


def _require_places(target_ids: Iterable[str], unit_ids: Mapping[str, tuple[str, ...] | None]) -> None:
    """Refuse what is not on the path of an account, such as a mistyped ID, as far as paths are known.

    Raises:
        CommandError: There is no account below one of them.
    """
    known = {id_ for account_id, path in unit_ids.items() for id_ in (account_id, *(path or ()))}
    missing = sorted(set(target_ids) - known)
    if missing and None not in unit_ids.values():
        raise CommandError(f"{', '.join(missing)}: there is no member account to check.")
