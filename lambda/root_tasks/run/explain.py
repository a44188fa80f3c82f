"""What policies have to do with a run's results: why AWS denied calls, and what a plan could not do.

Only the policies of denied and of planned accounts are read, and only after AWS was asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scp.calls import SessionOpener

from ..model.report_schema import Outcome
from ..model.run import Finding, Mode
from ..policies.explanation import DeniedAccount, explain_denials
from ..policies.planned_accounts import STORING_SECONDS, PlannedAccounts, check_plan
from .make_report import plan_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..aws.context import Aws
    from ..model.report_schema import Preflight
    from ..model.run import Account, Run
    from ..policies.planned_accounts import PreflightResult


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The findings of a run with what the policies add to them.

    Attributes:
        findings: The finding of each account, by account ID.
        preflight: What the policies say of what is planned; None if nothing is.
        warnings: Why denials are left unexplained.
    """

    findings: Mapping[str, Finding]
    preflight: Preflight | None = None
    warnings: tuple[str, ...] = ()


def explain(aws: Aws, run: Run, findings: Mapping[str, Finding], *, seconds: float) -> Explained:
    """Return the findings of a read-only run with the policies that deny calls.

    A failure costs the explanation alone: AWS's code and message stay as they are.

    Args:
        aws: The account that reads the policies.
        run: The run.
        findings: The finding of each account, by account ID.
        seconds: How long an explanation may take.
    """
    members = {account.account_id: account for account in run.accounts}
    # The reason of an account in which a part was denied can be about another part.
    denied = [
        DeniedAccount(
            account=members[id_],
            message=" ".join(messages),
            items=tuple(item for item in finding.items if item.outcome is Outcome.INACCESSIBLE),
        )
        for id_, finding in findings.items()
        if (messages := [*filter(None, (finding.reason, *(item.message for item in finding.items)))])
    ]
    planned = plan_of(run, findings).assignments if run.mode is Mode.PLAN else ()
    if not denied and not planned:
        return Explained(findings=findings)
    unit_names = dict(_unit_names(run.accounts))
    explanations = explain_denials(
        denied,
        organizations=aws.clients.organizations,
        clock=aws.clock,
        session=replace(aws.root_session, organization_id=run.organization_id),
        target_names=unit_names,
        seconds=min(seconds, aws.deadline - STORING_SECONDS - aws.clock.now()),
    )
    explained = {**findings}
    for account_id, explanation in explanations.by_account.items():
        reason = " ".join(filter(None, (findings[account_id].reason, explanation.reason)))
        explained[account_id] = replace(findings[account_id], reason=reason, hint=explanation.hint)
    warnings: tuple[str, ...] = ()
    if explanations.problem:
        warnings = (f"The policies that deny calls could not all be read. {explanations.problem}",)
    if not planned:
        return Explained(findings=explained, warnings=warnings)
    opener = SessionOpener(account_id=aws.account_id, is_in_management_account=True)
    accounts = PlannedAccounts(
        task=run.task,
        assignments=planned,
        members=members,
        organization_id=run.organization_id,
        target_names=lambda: unit_names,
        # An execution judges the policies on a delegate's own account.
        opener=lambda: opener if aws.account_id == run.management_account_id else None,
    )
    checked = check_plan(aws, accounts)
    return Explained(
        findings={**explained, **_with_policies(explained, checked)},
        preflight=checked.preflight,
        warnings=warnings,
    )


def _with_policies(findings: Mapping[str, Finding], checked: PreflightResult) -> dict[str, Finding]:
    """Return the findings of planned accounts about which the policies say something."""
    noted = {
        account_id: replace(
            findings[account_id], reason=" ".join(filter(None, (findings[account_id].reason, note)))
        )
        for account_id, note in checked.notes.items()
    }
    denied = {
        account_id: Finding(
            account_id=account_id, outcome=Outcome.INACCESSIBLE, reason=denial.reason, hint=denial.hint
        )
        for denial in checked.denials
        for account_id in denial.account_ids
    }
    return {**noted, **denied}


def _unit_names(accounts: Iterable[Account]) -> Iterator[tuple[str, str]]:
    """Yield the ID and the name of each unit that accounts are in."""
    for account in accounts:
        names = (account.organizational_unit or "").split("/")
        # A name can have a slash: which part of the path it is, is then unknown.
        if account.unit_ids is not None and len(account.unit_ids) == len(names):
            yield from zip(account.unit_ids, names, strict=True)
