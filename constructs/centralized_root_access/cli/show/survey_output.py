"""The output of the pre-flight: a table for people, JSON and CSV for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from root_tasks.messages import quantity
from root_tasks.model.task import ASSUME_ROOT
from root_tasks.report.render import csv_table

from ...preflight.evaluate import Reason
from ...preflight.fixes import Keep
from ...preflight.verdicts import TaskResult
from . import screen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table
    from rich.text import Text

    from root_tasks.model.task import Task

    from ...preflight.evaluate import Cause
    from ...preflight.fixes import StatementFix
    from ...preflight.survey import Survey
    from ...preflight.verdicts import AccountVerdict, DenialCause

# A line that stands for many accounts names so many of their units.
_MAX_UNITS = 3
_STYLES = {"denied": "bold red", "partly": "red", "unknown": "yellow"}
_COLUMNS = (
    "accountId", "name", "organizationalUnit", "task", "result", "session", "policyType", "policyId",
    "policyName", "statement", "attachedToId", "attachedToName", "calls", "undecided",
)  # fmt: skip

# What to do instead about a statement that is to be kept. AWS's command takes this parameter as
# JSON only.
_INSTEAD_OF_AN_EDIT = {
    Keep.ON_PURPOSE: (
        "It denies root sessions on purpose. Detach the policy from these accounts, or exempt them.",
    ),
    Keep.LISTS_ROLES: (
        "Only the roles that it lists may open root sessions. Use RootTasks, or list your role as "
        "well: RootSessionGuardrail takes it in session_roles.",
    ),
    Keep.CONTROL: (
        "Control Tower manages it: do not edit the policy. Change or disable the control instead.",
    ),
    Keep.CONTROL_WITH_EXEMPTION: (
        "Control Tower manages it: do not edit the policy, because AWS updates no control whose "
        "policy was edited.",
        "Instead, set the parameter ExemptAssumeRoot of the control AWS-GR_RESTRICT_ROOT_USER on "
        "each OU that has it. `aws controltower list-enabled-controls` shows each ARN:",
        "  aws controltower update-enabled-control --enabled-control-identifier ARN "
        """--parameters '[{"key":"ExemptAssumeRoot","value":true}]'""",
        "If the control has other parameters, such as ExemptedPrincipalArns, add them there.",
    ),
}


# As a table


def show_survey(found: Survey) -> None:
    """Show a table of the denials, what would fix them, and the numbers."""
    lines: list[Table | Text] = []
    table = screen.new_table("result", "account", "name", "OU", "tasks", "policy", "attached to")
    for result, *cells in _rows(found):
        table.add_row(
            screen.safe_text(result, _STYLES.get(result, "")), *map(screen.safe_text, cells)
        )
    if table.row_count:
        lines.append(table)
        lines.append(screen.safe_text())
    for fix in found.fixes:
        lines += [*map(screen.whole_line, _fix_lines(fix)), screen.safe_text()]
    screen.show_lines([*lines, screen.safe_text(_summary(found), "bold")])


def _rows(found: Survey) -> Iterator[tuple[str, ...]]:
    """Yield the rows, the worst first, and once for all accounts that have the same."""
    groups: dict[tuple[tuple[str, ...], ...], list[AccountVerdict]] = {}
    for account in sorted(found.accounts, key=lambda account: [*TaskResult].index(account.result)):
        groups.setdefault(tuple(_reasons(account, found)), []).append(account)
    for reasons, accounts in groups.items():
        names = _names(accounts)
        yield from ((result, *names, *reason) for result, *reason in reasons)


def _names(accounts: Sequence[AccountVerdict]) -> tuple[str, str, str]:
    """Return an account and its name, or how many accounts there are, and the units that they are in."""
    units = sorted({account.account.organizational_unit or "" for account in accounts})
    in_units = ", ".join([*units[:_MAX_UNITS], *([] if len(units) <= _MAX_UNITS else ["..."])])
    if len(accounts) == 1:
        return accounts[0].account.account_id, accounts[0].account.name or "", in_units
    return quantity(len(accounts), "account"), "", in_units


def _reasons(account: AccountVerdict, found: Survey) -> Iterator[tuple[str, ...]]:
    """Yield the result, the tasks, the policy and its place for each reason."""
    for reason in account.causes:
        names_calls = reason.result is TaskResult.PARTLY or ASSUME_ROOT in reason.calls
        calls = f": {', '.join(reason.calls)}" if names_calls else ""
        policy = f"{_policy(reason.cause)}{_condition(reason.cause)}{calls}"
        yield (
            reason.result.words,
            _tasks(reason.tasks, of=found.tasks),
            policy,
            _place(reason.cause),
        )


def _tasks(tasks: Sequence[Task], *, of: Sequence[Task]) -> str:
    if len(tasks) == len(of) > 1:
        return "all"
    return ", ".join(tasks)


def _policy(cause: Cause) -> str:
    if cause.policy is None:
        return f"no {cause.policy_type.words} allows it"
    if cause.statement is None:
        return cause.policy.problem
    statement = cause.statement.sid or f"statement {cause.statement.number}"
    return f"{cause.policy.name} ({cause.policy.policy_id}), {statement}"


def _condition(cause: Cause) -> str:
    if cause.reason in (Reason.UNCONFIRMED, Reason.NO_RESOURCE):
        return f": {cause.reason.words}"
    return f": depends on {'; '.join(_open_conditions(cause))}" if cause.undecided else ""


def _open_conditions(cause: Cause) -> list[str]:
    """Return the parts of a statement that could not be decided."""
    return [f"{undecided.part} {', '.join(undecided.values[:3])}" for undecided in cause.undecided]


def _place(cause: Cause) -> str:
    level = cause.level
    return f"{level.name} ({level.target_id})" if level.name else level.target_id


def _fix_lines(fix: StatementFix) -> Iterator[str]:
    cause = fix.cause
    accounts = quantity(len(fix.account_ids), "account")
    if fix.statement is None:
        where = f"a {cause.policy_type.words} attached to {_place(cause)}"
        yield f"To allow root sessions in {accounts}, add this statement to {where}:"
        yield from _json_lines(fix.suggested)
        return
    yield f"{_policy(cause)}, denies root sessions in {accounts}:"
    yield from _json_lines(fix.statement)
    if fix.keep is not None:
        yield from _INSTEAD_OF_AN_EDIT[fix.keep]
        return
    yield "To exempt root sessions, change it to:"
    yield from _json_lines(fix.suggested)


def _json_lines(statement: object) -> list[str]:
    return [f"  {line}" for line in json.dumps(statement, indent=2).splitlines()]


def _summary(found: Survey) -> str:
    counts = {result: count for result in TaskResult if (count := found.count(result))}
    sentences = []
    if found.change is not None:
        becoming = [
            f"{quantity(count, 'account')} would become {words}"
            for result, words in (
                (TaskResult.DENIED, "denied"),
                (TaskResult.PARTLY, "partly denied"),
            )
            if (count := counts.pop(result, 0))
        ]
        sentences.append(
            f"With {found.change.policy.name}, {', '.join(becoming) or 'nothing more is denied'}."
        )
    listed = ", ".join(
        f"{result.words}: {quantity(count, 'account')}" for result, count in counts.items()
    )
    if listed or not sentences:
        listed = listed or "no account to check"
        sentences.append(f"{listed[0].upper()}{listed[1:]}.")
    if not found.enabled_types:
        sentences.append("Service control policies and resource control policies are disabled.")
    elif found.change is not None and found.change.policy_type not in found.enabled_types:
        kind = found.change.policy_type.words
        sentences.append(f"AWS attaches it only when its type, {kind}, is enabled.")
    return " ".join(sentences)


# For programs


def to_json(found: Survey) -> str:
    """Return the whole survey as one line of JSON."""
    change = found.change
    return json.dumps(
        {
            "organizationId": found.organization_id,
            "tasks": found.tasks,
            "enabledPolicyTypes": found.enabled_types,
            "change": change
            and {
                "policyType": change.policy_type,
                "targetIds": change.target_ids,
                "replacedPolicyId": change.replaced_id,
                "delegatesNotJudged": found.delegates,
            },
            "accounts": [
                {
                    "accountId": checked.account.account_id,
                    "name": checked.account.name,
                    "organizationalUnit": checked.account.organizational_unit,
                    "result": checked.result,
                    "session": checked.session,
                    "tasks": {task.task: task.result for task in checked.tasks},
                    "causes": [_explanation(cause) for cause in checked.causes],
                }
                for checked in found.accounts
            ],
            "fixes": [
                {
                    **_cause(fix.cause),
                    "accountIds": fix.account_ids,
                    "current": fix.statement,
                    "suggested": fix.suggested,
                }
                for fix in found.fixes
            ],
        }
    )


def _explanation(denial: DenialCause) -> dict[str, Any]:
    return {
        "result": denial.decision,
        **_cause(denial.cause),
        "tasks": denial.tasks,
        "calls": denial.calls,
        "undecided": _open_conditions(denial.cause),
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "reason": cause.reason,
        "policyType": cause.policy_type,
        "policyId": cause.policy.policy_id if cause.policy else None,
        "policyName": cause.policy.name if cause.policy else None,
        "statement": cause.statement.number if cause.statement else None,
        "sid": cause.statement.sid or None if cause.statement else None,
        "attachedToId": cause.level.target_id,
        "attachedToName": cause.level.name,
    }


def to_csv(found: Survey) -> str:
    """Return a row for each account, task and statement that denies it or may deny it."""
    rows = (
        [row.get(column) for column in _COLUMNS]
        for account in found.accounts
        for row in _csv_rows(account)
    )
    return csv_table(_COLUMNS, rows)


def _csv_rows(account: AccountVerdict) -> Iterator[dict[str, Any]]:
    for task in account.tasks:
        own = {call.call.action for call in task.calls}
        row = {
            "accountId": account.account.account_id,
            "name": account.account.name,
            "organizationalUnit": account.account.organizational_unit,
            "task": task.task,
            "result": task.result,
            "session": task.session,
        }
        denials = [_explanation(denial) for denial in account.causes if task.task in denial.tasks]
        for about in denials or [{}]:
            if about:
                about["statement"] = about["sid"] or about["statement"]
                about["calls"] = " ".join(call for call in about["calls"] if call in own)
                about["undecided"] = "; ".join(about["undecided"])
            yield about | row
