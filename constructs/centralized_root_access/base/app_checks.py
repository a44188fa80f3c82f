"""Checks at synth of constructs against the others of the app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

import jsii
from aws_cdk import Stack, Stage, Token
from aws_cdk.region_info import RegionInfo
from constructs import Construct, IConstruct, IValidation

from .enums import RootTask
from .resource_arguments import role_arn

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam


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


# The id of the empty construct that marks an app or a stack, with the account.
_MANAGEMENT_ACCOUNT = "CentralizedRootAccess in {}"


@jsii.implements(IValidation)
class AppCheck:
    """A check of an app at synth, when all of its constructs are there.

    Attributes:
        problems: Returns what is wrong; it may also add warnings to constructs.
    """

    def __init__(self, problems: Callable[[], Iterable[str]]) -> None:
        """Take the function that finds the problems, which is not called before the synth."""
        self.problems = problems

    def validate(self) -> list[str]:
        """Return what is wrong, as the CDK asks for it at synth."""
        return list(self.problems())


def problems_of(root_tasks: SessionRoleOwner) -> Iterator[str]:
    """Yield what other constructs of the same organization lack for a RootTasks.

    These constructs have a method ``_problems_with``, which is looked up by its name because their
    modules are loaded only in apps that use them.
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
    """Yield a sentence if a list of session roles lacks one of a RootTasks.

    The names of roles are not known at synth, so an ARN that may be that of one of them counts for
    all: they share the path.
    """
    if any(_may_be_session_role(role_arn(entry), root_tasks) for entry in entries):
        return
    # The ARN of a role that the app creates is a token: whether it is listed is decided by its
    # place in the app.
    listed = {entry.node.path for entry in entries if not isinstance(entry, str)}
    if listed.issuperset(role.node.path for role in root_tasks.session_roles):
        return
    # As a person would write the ARN, with a word for what is not known, for example
    # arn:aws:iam::ACCOUNT:role/root-tasks/*.
    prefix = _role_arn_prefix(root_tasks).replace("arn:*", "arn:aws").replace("::*", "::ACCOUNT")
    path = root_tasks.role_path
    fix = f"Add {prefix}:role{path}*"
    if path == "/":
        # Its pattern would be every role of the account, which session_roles refuses.
        fix = "Give it a role_path, and add that"
    yield f"session_roles lacks roles of {root_tasks.node.path}. {fix}, for example."


def add_management_account(holder: Construct, account: str) -> bool:
    """Note in an app or a stack that it has the CentralizedRootAccess of an account.

    The note is an empty construct whose id names the account, so :func:`is_management_account`
    finds it without loading the module of CentralizedRootAccess.

    Returns:
        False if it had one already.
    """
    marker = _MANAGEMENT_ACCOUNT.format(account)
    if holder.node.try_find_child(marker):
        return False
    Construct(holder, marker)
    return True


def is_management_account(construct: IConstruct, account: str) -> bool:
    """Return whether the app has a CentralizedRootAccess in a stack of this account."""
    return construct.node.root.node.try_find_child(_MANAGEMENT_ACCOUNT.format(account)) is not None


def _are_in_two_organizations(one: IConstruct, other: IConstruct) -> bool:
    """Return whether two constructs are in different accounts that both manage an organization."""
    accounts = {Stack.of(construct).account for construct in (one, other)}
    return len(accounts) > 1 and all(is_management_account(one, account) for account in accounts)


def _may_be_session_role(arn: str, root_tasks: SessionRoleOwner) -> bool:
    """Return whether an ARN, with or without a * at its end, may be that of a session role."""
    # A token has no such beginning.
    if not fnmatchcase(arn, f"{_role_arn_prefix(root_tasks)}:role/*"):
        return False
    # For example /root-tasks/Audit, /root-tasks/*, or /* above the path.
    path_and_name = arn.partition(":role")[2]
    if path_and_name.endswith("*") and root_tasks.role_path.startswith(path_and_name[:-1]):
        return True
    path = path_and_name.rpartition("/")[0]
    return f"{path}/" == root_tasks.role_path


def _role_arn_prefix(root_tasks: SessionRoleOwner) -> str:
    """Return what the ARNs of the roles begin with, with a * for what is not known at synth.

    For example ``arn:aws:iam::222222222222``, or ``arn:*:iam::*``.
    """
    stack = Stack.of(root_tasks)
    account_id = "*" if Token.is_unresolved(stack.account) else stack.account
    # The stack's own partition is a token in most apps.
    partition = RegionInfo.get(stack.region).partition or "*"
    return f"arn:{partition}:iam::{account_id}"
