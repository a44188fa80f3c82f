"""Checks at synth of constructs against the others of the app."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

import jsii
from aws_cdk import Stack, Stage, Token
from aws_cdk.region_info import RegionInfo
from constructs import Construct, IConstruct, IValidation

from .resource_arguments import role_arn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aws_cdk import aws_iam as iam

    from .enums import RootTask


class SessionRoleOwner(IConstruct, Protocol):
    """A construct whose roles open root sessions: a RootTasks, which this room does not import.

    Attributes:
        role_path: The IAM path of its roles, for example ``/root-tasks/``.
        session_roles: The roles that open root sessions.
        tasks: The tasks that it runs.
    """

    role_path: str
    session_roles: list[iam.IRole]
    tasks: list[RootTask]


_MANAGEMENT_ACCOUNT = "CentralizedRootAccess in {}"


@jsii.implements(IValidation)
class AppCheck:
    """A check at synth.

    Attributes:
        problems: Returns what is wrong.
    """

    def __init__(self, problems: Callable[[], Iterable[str]]) -> None:
        self.problems = problems

    def validate(self) -> list[str]:
        """Return what is wrong."""
        return [*self.problems()]


def problems_of(root_tasks: SessionRoleOwner) -> Iterator[str]:
    """Yield what other constructs of the same organization lack for a RootTasks.

    These have a method ``_problems_with``: an app that has no RootTasks does not load it.
    """
    for construct in Stage.of(root_tasks).node.find_all():  # type: ignore[union-attr]
        check: Callable[[SessionRoleOwner], Iterator[str]] | None = getattr(
            construct, "_problems_with", None
        )
        if check is not None and not _are_in_two_organizations(construct, root_tasks):
            for problem in check(root_tasks):
                yield f"{construct.node.path}: {problem}"


def missing_session_roles(
    entries: Sequence[iam.IRole | str], root_tasks: SessionRoleOwner
) -> Iterator[str]:
    """Yield a sentence if a list lacks roles of a RootTasks. The names of roles are not known at synth."""
    if all(
        any(
            _may_name(role_arn(entry), root_tasks)
            or (not isinstance(entry, str) and entry.node.path == role.node.path)
            for entry in entries
        )
        for role in root_tasks.session_roles
    ):
        return
    place = _place(root_tasks).replace("arn:*", "arn:aws").replace("::*", "::ACCOUNT")
    # With the path / this would be every role of the account, which session_roles refuses.
    path = root_tasks.role_path
    fix = "Give it a role_path, and add that" if path == "/" else f"Add {place}:role{path}*"
    yield f"session_roles lacks roles of {root_tasks.node.path}. {fix}, for example."


def add_management_account(holder: Construct, account: str) -> bool:
    """Note in an app or a stack that it has the CentralizedRootAccess of an account; False if it has one."""
    marker = _MANAGEMENT_ACCOUNT.format(account)
    if holder.node.try_find_child(marker):
        return False
    Construct(holder, marker)
    return True


def is_management_account(construct: IConstruct, account: str) -> bool:
    """Return whether the app has a CentralizedRootAccess in a stack whose ``env`` names the account."""
    return construct.node.root.node.try_find_child(_MANAGEMENT_ACCOUNT.format(account)) is not None


def _are_in_two_organizations(one: IConstruct, other: IConstruct) -> bool:
    accounts = {Stack.of(construct).account for construct in (one, other)}
    return len(accounts) > 1 and all(is_management_account(one, account) for account in accounts)


def _may_name(arn: str, root_tasks: SessionRoleOwner) -> bool:
    """Return whether an ARN, with or without a * at its end, may be that of a session role."""
    path, name = root_tasks.role_path, arn.partition(":role")[2]
    is_above = name.endswith("*") and path.startswith(name.removesuffix("*"))
    # A token has no such beginning.
    return fnmatchcase(arn, f"{_place(root_tasks)}:role/*") and (
        is_above or name.rpartition("/")[0] == path.removesuffix("/")
    )


def _place(root_tasks: SessionRoleOwner) -> str:
    """Return the beginning of the ARNs of the roles, with a * for what is not known at synth."""
    stack = Stack.of(root_tasks)
    account_id = "*" if Token.is_unresolved(stack.account) else stack.account
    # The stack's own partition is a token in most apps.
    return f"arn:{RegionInfo.get(stack.region).partition or '*'}:iam::{account_id}"
