"""What policies let each root task do, account by account, and what would mend a denial."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.retry import ATTEMPT_RESERVE_SECONDS
from root_tasks.aws.policies import PolicyReader
from root_tasks.run.accounts import MemberDirectory, accounts_in_scope, classify
from root_tasks.run.preflight import Origin, PolicyCheck
from root_tasks.tasks.scope import Scope
from scp.calls import TASK_CALLS, TaskPolicy
from scp.evaluate import Decision, TaskVerdict, is_about_root_sessions
from scp.policies import PolicyType, parse_policy

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from root_tasks.aws.policies import OrganizationPolicies
    from root_tasks.model.run import Account
    from scp.evaluate import Cause, Verdict
    from scp.policies import Policy

    from .aws import Caller

# Two documents a second, of which an organization can have thousands.
_MAX_SECONDS = 1800.0
_NULL, _ASSUMED_ROOT = "Null", "aws:AssumedRoot"
# AWS's limits for a policy of each type.
MAX_CHARACTERS = {PolicyType.SERVICE_CONTROL_POLICY: 10_240, PolicyType.RESOURCE_CONTROL_POLICY: 5120}
_STRICTNESS = (Decision.DENIED, Decision.UNKNOWN, Decision.ALLOWED)


@dataclass(frozen=True, kw_only=True)
class CheckedAccount:
    """What the policies let the root tasks do in an account.

    Attributes:
        account: The account.
        verdicts: Of each task.
    """

    account: Account
    verdicts: tuple[TaskVerdict, ...]

    @property
    def decision(self) -> Decision:
        """Denied if a task is, otherwise unknown if one is."""
        return min((each.decision for each in self.verdicts), key=_STRICTNESS.index)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Why tasks are denied or undecided in an account: one statement at one place, or a missing Allow.

    Attributes:
        cause: The statement, and where it is attached.
        decision: Whether it denies or may deny.
        tasks: The tasks, in their order.
        calls: Their calls that it is about, in their order.
    """

    cause: Cause
    decision: Decision
    tasks: tuple[TaskPolicy, ...]
    calls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What would mend a denial.

    Attributes:
        finding: The denial, in one of its accounts.
        account_ids: Its accounts.
        statement: The statement as it is; None where an Allow is missing.
        mended: The statement as it would let root sessions through; None where it cannot.
        excess_characters: How many characters too long for AWS the policy would be with it, and with the
            changes before this one; 0 where it fits.
    """

    finding: Finding
    account_ids: tuple[str, ...]
    statement: dict[str, Any] | None
    mended: dict[str, Any] | None
    excess_characters: int = 0


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the policies let root tasks do in an organization.

    Attributes:
        organization_id: The organization.
        tasks: The tasks that were checked.
        enabled_types: The types of policies that are enabled.
        accounts: The accounts, by their IDs; without those in which no root session is possible anyway.
        changes: What would mend the denials.
    """

    organization_id: str
    tasks: tuple[TaskPolicy, ...]
    enabled_types: tuple[PolicyType, ...]
    accounts: tuple[CheckedAccount, ...]
    changes: tuple[Change, ...]

    def ids(self, decision: Decision) -> list[str]:
        """Return the accounts with a decision."""
        return [each.account.account_id for each in self.accounts if each.decision is decision]

    @property
    def has_unread_policies(self) -> bool:
        """Whether an account is undecided because a policy, or what it is attached to, could not be read."""
        return any(
            finding.cause.policy is not None and finding.cause.policy.problem
            for account in self.accounts
            for finding in findings(account)
        )


def survey(
    caller: Caller,
    *,
    tasks: Sequence[TaskPolicy],
    account_ids: Sequence[str],
    organizational_units: Sequence[str],
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
        account_ids=tuple(account_ids),
        organizational_units=tuple(organizational_units),
    )
    members = accounts_in_scope(scope, directory, everybody, named=account_ids)
    accounts = [
        account
        for account in classify(
            (member.account for member in members.values()),
            management_account_id=organization.management_account_id,
            protected_accounts=(),
        )
        if account.skip_reason is None
    ]
    policies = reader.read(
        attachments,
        target_ids={
            target_id
            for account in accounts
            for target_id in (account.account_id, *(members[account.account_id].unit_ids or ()))
        },
        account_count=len(everybody),
        show=lambda done, total: show(done, total, "policies"),
    )
    check = PolicyCheck(
        policies,
        organization_id=organization.organization_id,
        origin=Origin(partition=caller.partition, region=caller.region, outside_vpc=True),
    )
    checked = tuple(
        check_tasks(check, account, unit_ids=members[account.account_id].unit_ids, tasks=tasks)
        for account in accounts
    )
    return Survey(
        organization_id=organization.organization_id,
        tasks=tuple(tasks),
        enabled_types=tuple(it.policy_type for it in attachments),
        accounts=tuple(sorted(checked, key=lambda each: each.account.account_id)),
        changes=tuple(find_changes(checked, policies)),
    )


def findings(account: CheckedAccount) -> list[Finding]:
    """Return why tasks are denied or undecided in an account; the denials first."""
    causes: dict[tuple[Decision, object], Cause] = {}
    tasks: dict[tuple[Decision, object], dict[TaskPolicy, None]] = {}
    calls: dict[tuple[Decision, object], dict[str, None]] = {}
    for task_verdict in account.verdicts:
        for verdict, cause in _deciding(task_verdict):
            key = verdict.decision, cause.place
            causes.setdefault(key, cause)
            tasks.setdefault(key, {})[task_verdict.task] = None
            calls.setdefault(key, {})[verdict.call.action] = None
    found = [
        Finding(cause=cause, decision=key[0], tasks=tuple(tasks[key]), calls=tuple(calls[key]))
        for key, cause in causes.items()
    ]
    return sorted(found, key=lambda each: _STRICTNESS.index(each.decision))


def _deciding(task_verdict: TaskVerdict) -> Iterator[tuple[Verdict, Cause]]:
    for verdict in task_verdict.verdicts:
        if verdict.decision is task_verdict.decision:
            for cause in verdict.causes:
                yield verdict, cause


def check_tasks(
    check: PolicyCheck, account: Account, *, unit_ids: tuple[str, ...] | None, tasks: Iterable[TaskPolicy]
) -> CheckedAccount:
    """Return what policies let tasks do in an account.

    Args:
        check: The policies.
        account: The account.
        unit_ids: The units that it is in, from the root down; None where they are not known.
        tasks: The tasks.
    """
    return CheckedAccount(
        account=account,
        verdicts=tuple(
            TaskVerdict(
                task=task,
                verdicts=tuple(
                    check.verdict(action, account_id=account.account_id, unit_ids=unit_ids)
                    for action, _ in TASK_CALLS[task]
                ),
            )
            for task in tasks
        ),
    )


def find_changes(accounts: Iterable[CheckedAccount], policies: OrganizationPolicies) -> Iterator[Change]:
    """Yield what would mend each denial, once for all accounts that it is in.

    Args:
        accounts: The accounts.
        policies: The policies that they were checked with.
    """
    by_place: dict[object, list[tuple[str, Finding]]] = {}
    for account in accounts:
        for finding in findings(account):
            if finding.decision is Decision.DENIED:
                key = _statement_key(finding.cause)
                by_place.setdefault(key, []).append((account.account.account_id, finding))
    documents = _Documents(policies)
    for denied in by_place.values():
        account_ids = tuple(sorted({account_id for account_id, _ in denied}))
        yield _change([finding for _, finding in denied], account_ids, documents)


class _Documents:
    """The documents of policies, in which statements are replaced by their changes.

    Args:
        policies: The policies.
    """

    def __init__(self, policies: OrganizationPolicies) -> None:
        self._contents = {
            policy_id: content
            for of_type in (policies.service_control, policies.resource_control)
            if of_type is not None
            for policy_id, content in of_type.contents.items()
        }
        self._changed: dict[str, dict[str, Any]] = {}

    def statements(self, policy_id: str) -> list[dict[str, Any]]:
        """Return the statements of a policy."""
        if policy_id not in self._changed:
            document = json.loads(self._contents[policy_id])
            listed = document["Statement"]
            self._changed[policy_id] = {
                **document,
                "Statement": listed if isinstance(listed, list) else [listed],
            }
        statements: list[dict[str, Any]] = self._changed[policy_id]["Statement"]
        return statements

    def length(self, policy_id: str) -> int:
        """Return how many characters a policy has, without white space between them."""
        return len(json.dumps(self._changed[policy_id], ensure_ascii=False, separators=(",", ":")))


def _statement_key(cause: Cause) -> tuple[str, ...]:
    """Return what one change is about: a statement, wherever it is attached, or a level without an Allow."""
    if cause.policy is None or cause.statement is None:
        return (cause.level.target_id,)
    return cause.policy.policy_id, str(cause.statement.number)


def _change(denied: Sequence[Finding], account_ids: tuple[str, ...], documents: _Documents) -> Change:
    finding = denied[0]
    policy, statement = finding.cause.policy, finding.cause.statement
    if policy is None or statement is None:
        calls = sorted({call for each in denied for call in each.calls})
        return Change(
            finding=finding,
            account_ids=account_ids,
            statement=None,
            mended={
                "Effect": "Allow",
                "Action": calls,
                "Resource": "*",
                "Condition": {_NULL: {_ASSUMED_ROOT: "false"}},
            },
        )
    statements = documents.statements(policy.policy_id)
    current = statements[statement.number - 1]
    policy_type = finding.cause.policy_type
    mended = statement_with_exemption(current, policy_type=policy_type)
    if mended is None:
        return Change(finding=finding, account_ids=account_ids, statement=current, mended=None)
    statements[statement.number - 1] = mended
    return Change(
        finding=finding,
        account_ids=account_ids,
        statement=current,
        mended=mended,
        excess_characters=max(0, documents.length(policy.policy_id) - MAX_CHARACTERS[policy_type]),
    )


def statement_with_exemption(
    statement: Mapping[str, Any], *, policy_type: PolicyType = PolicyType.SERVICE_CONTROL_POLICY
) -> dict[str, Any] | None:
    """Return a Deny statement that spares root sessions; None where it denies them on purpose.

    Args:
        statement: The statement.
        policy_type: The type of its policy.
    """
    condition = dict(statement.get("Condition", {}))
    condition[_NULL] = {**condition.get(_NULL, {}), _ASSUMED_ROOT: "true"}
    mended = {**statement, "Condition": condition}
    parsed, parsed_mended = (_parse(each, policy_type) for each in (statement, mended))
    # Never a text that AWS would refuse.
    if parsed.problem or parsed_mended.problem:
        return None
    return None if any(map(is_about_root_sessions, parsed.statements)) else mended


def _parse(statement: Mapping[str, Any], policy_type: PolicyType) -> Policy:
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return parse_policy(document, policy_id="", name="", policy_type=policy_type)
