"""The pre-flight of an organization, with its present policies or after a change to one of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, FailureKind
from common.errors import RootAccessError
from common.untrusted import ACCOUNT_ID
from root_tasks.run.accounts import classify
from root_tasks.run.directory import MemberDirectory
from root_tasks.run.units import ROOT_NAME

from .attachments import FULL_ACCESS, RCP_FULL_ACCESS, Attachments, OrganizationPolicies
from .calls import SessionFacts, SessionOpener
from .documents import PolicyType, parse_policy
from .evaluate import Decision, PolicyCheck
from .fixes import find_fixes
from .reader import PolicyReader
from .verdicts import TaskResult, judge_account

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from root_tasks.aws.context import Aws
    from root_tasks.model.run import Account
    from root_tasks.model.task import Task
    from root_tasks.run.directory import OrganizationContext

    from .documents import Policy
    from .fixes import StatementFix
    from .verdicts import AccountVerdict, TaskVerdict

    UnitIds = tuple[str, ...] | None

# Requests are signed with clocks that differ by five minutes at most.
_CLOCK_SKEW_SECONDS = 300


class SurveyError(RootAccessError):
    """Policies, or a change to one, cannot be checked: what is asked for is not in the organization."""


# A change


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    """The change that a pipeline is about to make.

    Attributes:
        policy: The policy to attach, or an existing one with its new document.
        policy_type: Its type.
        target_ids: What it is attached to; none for an existing policy.
        replaced_id: The ID of the existing policy; None for a new one.
    """

    policy: Policy
    policy_type: PolicyType
    target_ids: tuple[str, ...] = ()
    replaced_id: str | None = None

    def places(self, attachments: Mapping[PolicyType, Attachments]) -> frozenset[str]:
        """Return the IDs of the root, units and accounts where something changes, or may change.

        Raises:
            SurveyError: The policy that is there is attached nowhere, as far as was read.
        """
        if self.replaced_id is None:
            return frozenset(self.target_ids)
        attached = attachments.get(self.policy_type, Attachments())
        places = frozenset(
            target_id
            for target_id in {*attached.policy_ids, *attached.problems}
            # A policy that could not be read of a target may be this one.
            if self.replaced_id in attached.policy_ids.get(target_id, [self.replaced_id])
        )
        if not places:
            kind = self.policy_type.words
            raise SurveyError(
                f"{self.replaced_id}: no {kind} of this ID applies to an account to check."
            )
        return places

    def resulting_policies(self, policies: OrganizationPolicies) -> OrganizationPolicies:
        """Return the organization's policies with the change."""
        attached = policies.attachments.get(self.policy_type, Attachments())
        if self.replaced_id is not None:
            # It is not there if it is attached where no account is checked.
            name = policies.policies.get(self.replaced_id, self.policy).name
            changed = replace(self.policy, policy_id=self.replaced_id, name=name)
            return replace(policies, policies={**policies.policies, self.replaced_id: changed})
        # A target without another policy has AWS's own.
        own = (
            (FULL_ACCESS.policy_id,)
            if self.policy_type is PolicyType.SERVICE_CONTROL_POLICY
            else ()
        )
        policy_ids = {
            target_id: [*attached.policy_ids.get(target_id, own), self.policy.policy_id]
            for target_id in self.target_ids
        }
        changed_attachments = replace(attached, policy_ids={**attached.policy_ids, **policy_ids})
        return replace(
            policies,
            attachments={**policies.attachments, self.policy_type: changed_attachments},
            policies={**policies.policies, self.policy.policy_id: self.policy},
        )


def parse_change(
    content: str, *, file: Path, target_ids: tuple[str, ...], replaced_id: str | None
) -> PolicyChange:
    """Return the change to a policy whose document is in a file.

    Args:
        content: The document. One with a Principal is that of a resource control policy.
        file: The file.
        target_ids: What the policy is to be attached to.
        replaced_id: The policy whose document it replaces.

    Raises:
        SurveyError: It is not a policy of AWS's language, or would replace AWS's own.
    """
    if replaced_id in (FULL_ACCESS.policy_id, RCP_FULL_ACCESS.policy_id):
        raise SurveyError(f"{replaced_id} is AWS's own policy: its document cannot be replaced.")
    policy_type = (
        PolicyType.RESOURCE_CONTROL_POLICY
        if _has_principal(content)
        else PolicyType.SERVICE_CONTROL_POLICY
    )
    policy = parse_policy(
        content, policy_id="not attached yet", name=file.stem, policy_type=policy_type
    )
    if policy.problem:
        raise SurveyError(f"{file} is not a policy that AWS would accept. {policy.problem}")
    return PolicyChange(
        policy=policy, policy_type=policy_type, target_ids=target_ids, replaced_id=replaced_id
    )


def _has_principal(content: str) -> bool:
    try:
        statements = json.loads(content)["Statement"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    listed = statements if isinstance(statements, list) else [statements]
    return any(isinstance(statement, dict) and "Principal" in statement for statement in listed)


# The survey


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The verdict on root tasks in an organization.

    Attributes:
        organization_id: The organization.
        tasks: The tasks that were checked.
        enabled_types: The types of policies that are enabled.
        accounts: The accounts, by their IDs; without those in which no root session is possible
            anyway.
        skipped: Why accounts that were named are not among them, by their IDs.
        delegates: The delegated administrators that the change may keep from opening root sessions,
            which was not judged.
        change: The change that they were checked with: for the tasks that are not denied today and
            of which it denies more, and for those that stay possible. None: there is no change.
        fixes: What would let root sessions through where they are denied.
    """

    organization_id: str
    tasks: tuple[Task, ...]
    enabled_types: tuple[PolicyType, ...]
    accounts: tuple[AccountVerdict, ...]
    skipped: Mapping[str, str]
    delegates: tuple[str, ...]
    change: PolicyChange | None
    fixes: tuple[StatementFix, ...]

    def count(self, result: TaskResult) -> int:
        """Return how many accounts have a result."""
        return sum(account.result is result for account in self.accounts)

    @property
    def has_unread_policies(self) -> bool:
        """True if an account is undecided because a policy, or its targets, could not be read."""
        return any(
            cause.cause.policy is not None and cause.cause.policy.problem
            for account in self.accounts
            for cause in account.causes
        )


def survey(
    aws: Aws,
    *,
    tasks: tuple[Task, ...],
    organizational_units: Sequence[str] = (),
    account_ids: frozenset[str] = frozenset(),
    change: PolicyChange | None,
    session_roles: tuple[str, ...],
    show: Callable[[int, int], None],
) -> Survey:
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
        SurveyError: An account is not in the organization, or the change is about nothing that is.
        RunRefusedError: There is no organization, or no such unit.
    """
    directory = MemberDirectory.of(aws)
    whole = not organizational_units and not account_ids
    try:
        organization = directory.describe_organization()
        members = directory.accounts.read(
            all_accounts=whole, organizational_units=organizational_units, account_ids=account_ids
        )
    except CallError as error:
        if (
            error.failure.kind is not FailureKind.ACCESS_DENIED
            or "not authorized" in error.failure.message
        ):
            raise
        raise SurveyError(
            f"Account {aws.account_id} is neither the management account nor a delegated administrator "
            "of its organization. Use credentials of one of these."
        ) from error
    if strangers := sorted(account_ids - members.keys()):
        raise SurveyError(
            f"{', '.join(strangers)}: not in organization {organization.organization_id}."
        )
    # The policies on the account that opens a session count for that call.
    opener_id = session_roles[0].split(":")[4] if session_roles else aws.account_id
    opener = replace(
        _opener(directory, organization, members, opener_id), principal_arns=session_roles
    )
    members = directory.units.with_names(members, whole=whole)
    classified = classify(
        members.values(), management_account_id=organization.management_account_id, audits=True
    )
    accounts = sorted(
        (account for account in classified if account.skip_reason is None),
        key=lambda account: account.account_id,
    )
    reader = PolicyReader(aws)
    paths = _paths(accounts, opener)
    attachments = reader.attachments(unit_ids=paths, everywhere=whole)
    delegates: tuple[str, ...] = ()
    if change is not None:
        if not accounts:
            raise SurveyError("There is no member account to check.")
        targets = (
            id_ if ACCOUNT_ID.fullmatch(id_) else directory.units.id_of(id_)
            for id_ in change.target_ids
        )
        change = replace(change, target_ids=tuple(targets))
        _require_places(change.target_ids, paths)
        places = change.places(attachments)
        if opener.is_in_management_account and not session_roles:
            delegates = _delegates_below(directory, members, places)
        accounts = _accounts_below(accounts, opener, places)
        paths = _paths(accounts, opener)
    policies = reader.read(
        attachments,
        unit_ids=paths,
        target_names=_target_names(directory, members),
        show=show,
    )
    session = SessionFacts(
        partition=aws.function.partition,
        region=aws.function.region,
        organization_id=organization.organization_id,
        opener=opener,
        opened_after=int(aws.now().timestamp()) - _CLOCK_SKEW_SECONDS,
    )

    def judge(policies: OrganizationPolicies) -> list[AccountVerdict]:
        check = PolicyCheck(policies, session=session)
        return [judge_account(check, account, tasks=tasks) for account in accounts]

    verdicts = judge(policies)
    if change is not None:
        verdicts = [*_new_results(verdicts, judge(change.resulting_policies(policies)))]
    return Survey(
        organization_id=organization.organization_id,
        tasks=tasks,
        enabled_types=tuple(policies.attachments),
        accounts=tuple(verdicts),
        skipped={
            account.account_id: account.skip_reason
            for account in classified
            if account.skip_reason is not None and account.account_id in account_ids
        },
        delegates=delegates,
        change=change,
        fixes=tuple(find_fixes(verdicts, opener)),
    )


def _target_names(directory: MemberDirectory, members: Mapping[str, Account]) -> dict[str, str]:
    """Return the names of accounts and of their units, as far as these were read, by their IDs."""
    roots = {member.unit_ids[0]: ROOT_NAME for member in members.values() if member.unit_ids}
    accounts = {id_: member.name or "" for id_, member in members.items()}
    return {**directory.units.unit_names(), **roots, **accounts}


def _opener(
    directory: MemberDirectory,
    organization: OrganizationContext,
    members: Mapping[str, Account],
    account_id: str,
) -> SessionOpener:
    """Return the account that opens root sessions, with its units if policies on them count."""
    if account_id == organization.management_account_id:
        return SessionOpener(account_id=account_id, is_in_management_account=True)
    unit_ids = members[account_id].unit_ids if account_id in members else None
    try:
        unit_ids = unit_ids or directory.units.parents_of(account_id)
    except CallError as error:
        if error.failure.name != "ChildNotFound":
            raise
        raise SurveyError(
            f"{account_id}: not in organization {organization.organization_id}."
        ) from error
    return SessionOpener(account_id=account_id, unit_ids=unit_ids)


def _delegates_below(
    directory: MemberDirectory, members: Mapping[str, Account], places: Collection[str]
) -> tuple[str, ...]:
    """Return the delegated administrators for IAM to which policies in some places apply."""
    listed = directory.aws.entries(
        "organizations:ListDelegatedAdministrators",
        items="DelegatedAdministrators",
        ServicePrincipal="iam.amazonaws.com",
    )
    ids = [delegate["Id"] for delegate in listed]
    paths = {
        id_: members[id_].unit_ids if id_ in members else directory.units.parents_of(id_)
        for id_ in ids
    }
    return tuple(id_ for id_, unit_ids in paths.items() if _is_below(id_, unit_ids, places))


def _paths(accounts: Iterable[Account], opener: SessionOpener) -> dict[str, UnitIds]:
    """Return the units of each account whose policies count, the one that opens the sessions included."""
    paths = {account.account_id: account.unit_ids for account in accounts}
    return (
        paths if opener.is_in_management_account else {**paths, opener.account_id: opener.unit_ids}
    )


def _accounts_below(
    accounts: list[Account], opener: SessionOpener, places: Collection[str]
) -> list[Account]:
    """Return the accounts for which policies in some places count."""
    if not opener.is_in_management_account and _is_below(
        opener.account_id, opener.unit_ids, places
    ):
        return accounts
    return [
        account for account in accounts if _is_below(account.account_id, account.unit_ids, places)
    ]


def _is_below(account_id: str, unit_ids: UnitIds, places: Collection[str]) -> bool:
    return unit_ids is None or not {account_id, *unit_ids}.isdisjoint(places)


def _require_places(target_ids: Iterable[str], paths: Mapping[str, UnitIds]) -> None:
    """Refuse what is not on the path of an account, such as a mistyped ID, if all paths are known.

    Raises:
        SurveyError: There is no account below one of them.
    """
    known = {id_ for account_id, path in paths.items() for id_ in (account_id, *(path or ()))}
    missing = sorted(set(target_ids) - known)
    if missing and None not in paths.values():
        raise SurveyError(f"{', '.join(missing)}: there is no member account to check.")


def _new_results(
    before: Iterable[AccountVerdict], after: Iterable[AccountVerdict]
) -> Iterator[AccountVerdict]:
    """Yield the accounts after a change, without tasks that are denied today, or in which nothing more is."""
    for old, new in zip(before, after, strict=True):
        tasks = tuple(
            task
            for was, task in zip(old.tasks, new.tasks, strict=True)
            if not (denied := _denials_of(task))
            or (was.result is not TaskResult.DENIED and denied - _denials_of(was))
        )
        if tasks:
            yield replace(new, tasks=tasks)


def _denials_of(task: TaskVerdict) -> set[object]:
    return {
        (call.call.action, call.call.task)
        for call in task.calls
        if call.decision is Decision.DENIED
    }
