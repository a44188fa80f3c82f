"""The report of a run, and its plan, from the findings of its accounts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from ..messages import PROTECTED_AUDIT
from ..model.report_schema import AccountResult, Outcome, Report, Result
from ..model.run_documents import Account, Assignment, Finding, Plan, RootAddress, Run
from ..model.task import Task
from ..report.accepted import with_acceptance
from ..report.facts import is_audited
from ..report.risk import in_order_of_risk


def make_report(
    run: Run,
    findings: Mapping[str, Finding],
    *,
    finished_at: datetime,
    own_root_user: Result | None = None,
    warnings: Iterable[str] = (),
    plan_expires_at: datetime | None = None,
) -> Report:
    """Return the report of a run.

    Args:
        run: The run.
        findings: The finding of each account that was not skipped, by account ID.
        finished_at: When the last account was looked into.
        own_root_user: The result of the management account, if the run is an audit of it there.
        warnings: What the reader has to know besides the results, in sentences.
        plan_expires_at: When the plan can no longer be executed; None if it is not a plan.
    """
    accepted = {entry.target_id: entry for entry in run.accepted_credentials if not entry.recovered}
    recovered = {entry.target_id: entry for entry in run.accepted_credentials if entry.recovered}
    named: Collection[str] = ()
    if run.selection is not None:
        named = run.selection.named_accounts
    results = []
    for account in run.accounts:
        result = _result_without_names(account, findings, own_root_user)
        results.append(
            with_acceptance(
                _with_names(result, account),
                accepted,
                recovered,
                unit_path=account.unit_path,
                at=run.started_at,
                named=account.account_id in named,
            )
        )
    return Report(
        **run.details(),
        finished_at=finished_at,
        results=tuple(in_order_of_risk(results, at=finished_at)),
        warnings=(*run.warnings, *warnings),
        plan_expires_at=plan_expires_at,
    )


def plan_of(run: Run, findings: Mapping[str, Finding], report: Report) -> Plan:
    """Return the plan of a run: what its report shows as planned, and nothing else.

    The findings have more: the report leaves out credentials that are accepted.
    """
    shown_as_planned = {
        (result.account_id, item.type, item.id)
        for result in report.results
        for item in result.items
        if item.outcome is Outcome.PLANNED
    }
    assignments = []
    for account_id, finding in sorted(findings.items()):
        targets = [
            target
            for target in finding.planned
            if (account_id, target.type, target.id) in shown_as_planned
        ]
        if targets:
            assignments.append(Assignment(account_id=account_id, targets=tuple(targets)))
    # The mailboxes that a recovery is about, because its execution compares them.
    addresses = []
    if run.task is Task.RECOVER:
        planned = {assignment.account_id for assignment in assignments}
        addresses = [
            RootAddress(account_id=account.account_id, email=account.email)
            for account in run.accounts
            if account.account_id in planned
        ]
    return Plan(
        run_id=run.run_id,
        task=run.task,
        requested_by=run.requested_by,
        reason=run.reason,
        until=run.until,
        open_hours=run.open_hours,
        selection=run.selection,
        assignments=tuple(assignments),
        addresses=tuple(addresses),
    )


def _with_names(result: Result, account: Account) -> AccountResult:
    """Return the result of an account with what only the report has of it, such as its name."""
    reasons = [result.reason]
    if account.protected and is_audited(result):
        reasons.append(PROTECTED_AUDIT)
    return AccountResult(
        account_id=result.account_id,
        outcome=result.outcome,
        reason=" ".join(filter(None, reasons)) or None,
        hint=result.hint,
        credentials=result.credentials,
        items=result.items,
        name=account.name,
        email=account.email,
        organizational_unit=account.organizational_unit,
        joined_at=account.joined_at,
        protected=account.protected,
    )


def _result_without_names(
    account: Account, findings: Mapping[str, Finding], own_root_user: Result | None
) -> Result:
    """Return the result of an account: of the management account, of one skipped, or of a batch."""
    if own_root_user is not None and account.account_id == own_root_user.account_id:
        return own_root_user
    if account.skip_reason is not None:
        return Result(
            account_id=account.account_id, outcome=Outcome.SKIPPED, reason=account.skip_reason
        )
    return findings[account.account_id]
