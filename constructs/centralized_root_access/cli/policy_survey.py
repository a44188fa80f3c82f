"""Reading what an organization's policies let root tasks do, for the preflight command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.retry import ATTEMPT_RESERVE_SECONDS
from root_tasks.policies.check import PolicyCheck
from root_tasks.policies.findings import check_tasks
from root_tasks.policies.fixes import find_fixes
from root_tasks.policies.reader import PolicyReader
from root_tasks.run.accounts import MemberDirectory, accounts_in_scope, classify
from root_tasks.tasks.scope import Scope
from scp.calls import SessionFacts
from scp.documents import PolicyType

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from root_tasks.policies.findings import CheckedAccount
    from root_tasks.policies.fixes import StatementFix
    from scp.evaluate import Decision
    from scp.task import Task

    from .aws import Caller

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
        fixes: What would let root sessions through where they are denied.
    """

    organization_id: str
    tasks: tuple[Task, ...]
    enabled_types: tuple[PolicyType, ...]
    accounts: tuple[CheckedAccount, ...]
    skipped: Mapping[str, str]
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
    show: Callable[[int, int, str], None],
) -> Survey:
    """Read the organization's policies, and return what they let root tasks do.

    Args:
        caller: The caller: the management account or a delegated administrator.
        tasks: The tasks.
        account_ids: The accounts.
        organizational_units: Units whose accounts are meant; without accounts and units, every account.
        show: Shows how much is read, and of how much.

    Raises:
        CallError: A read failed.
        CommandError: An account is not in the organization.
        RunRefusedError: There is no organization, or no such unit.
    """
    organizations = caller.client("organizations")
    directory = MemberDirectory(
        organizations=organizations,
        iam=caller.client("iam"),
        account_id=caller.account_id,
        budget=caller.budget(seconds=_MAX_SECONDS),
        clock=caller.clock,
        log=lambda **event: None,  # noqa: ARG005
    )
    reader = PolicyReader(
        organizations=organizations,
        clock=caller.clock,
        deadline=caller.clock.now() + _MAX_SECONDS + ATTEMPT_RESERVE_SECONDS,
    )
    attachments = reader.attachments(tuple(PolicyType))
    organization, everybody = directory.everybody()
    if strangers := sorted(set(account_ids) - set(everybody)):
        raise CommandError(f"{', '.join(strangers)}: not in organization {organization.organization_id}.")
    scope = Scope(
        all_accounts=not account_ids and not organizational_units,
        organizational_units=organizational_units,
    )
    members = accounts_in_scope(scope, directory, everybody, named=account_ids)
    classified = classify(
        (member.account for member in members.values()),
        management_account_id=organization.management_account_id,
        protected_accounts=(),
    )
    accounts = [account for account in classified if account.skip_reason is None]
    unit_ids = {account.account_id: members[account.account_id].unit_ids for account in accounts}
    policies = reader.read(
        attachments,
        unit_ids=unit_ids,
        account_count=len(everybody),
        show=lambda done, total: show(done, total, "policies"),
    )
    check = PolicyCheck(
        policies,
        session=SessionFacts(
            partition=caller.partition,
            organization_id=organization.organization_id,
            region=caller.region,
            outside_vpc=True,
        ),
    )
    checked = [
        check_tasks(check, account, unit_ids=unit_ids[account.account_id], tasks=tasks)
        for account in accounts
    ]
    return Survey(
        organization_id=organization.organization_id,
        tasks=tasks,
        enabled_types=tuple(policies.attachments),
        accounts=tuple(sorted(checked, key=lambda account: account.account.account_id)),
        skipped={
            account.account_id: account.skip_reason
            for account in classified
            if account.skip_reason is not None and account.account_id in account_ids
        },
        fixes=tuple(find_fixes(checked)),
    )
