"""The RootSessionGuardrail construct: policies that let only certain roles open root sessions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from aws_cdk import Stack
from constructs import Construct

from ..base.arguments import (
    parse_account_ids,
    parse_members,
    parse_targets,
    require_region_with_root_access,
)
from ..base.enums import TASK_POLICIES, RootTask
from ..base.organization_policies import OrganizationPolicyType, create_policy
from ..base.resource_arguments import parse_session_roles, role_arn

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_organizations as organizations


class RootSessionGuardrail(Construct):
    """A guardrail that denies ``sts:AssumeRoot`` to everyone but certain roles.

    Without it, anyone with ``sts:AssumeRoot`` in the management account or in a delegated
    administrator can open root sessions in every member account. It is two policies with the same
    statements: a service control policy on the accounts of delegated administrators, and a resource
    control policy on the member accounts, which should also bind callers in the management account.
    That it does is not confirmed.

    **The stack is deployed in the organization's management account, or in one that may manage
    policies by the organization's delegation policy.** The types of both policies must be enabled
    in the organization: otherwise the deployment fails with ``PolicyTypeNotEnabledException``.
    Removing the construct or the stack detaches the policies. Attach the resource control policy to
    one organizational unit first, and audit it, before you list more.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html

    Example::

        RootSessionGuardrail(
            stack,
            "RootSessionGuardrail",
            session_roles=["arn:aws:iam::222222222222:role/centralized-root-access/*"],
            delegated_administrators=["222222222222"],
            targets=["r-a1b2"],
        )

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id, which is part of the policies' names.
        session_roles: The roles that may open root sessions: roles of the CDK, such as the
            ``RootTasks.session_roles`` of the same stack, or ARNs as strings, with a ``*`` at the
            end or without. A role for emergencies is one more entry.
        tasks: The tasks that they may open root sessions for. Default: the five that AWS has.
        delegated_administrators: The accounts of the delegated administrators for IAM: the service
            control policy is attached to them. Default: none, and no such policy.
        targets: The IDs of the organization's root, of organizational units and of accounts that
            the resource control policy is attached to. Default: none, and no such policy.

    Attributes:
        delegate_policy: The service control policy. None without ``delegated_administrators``.
        member_policy: The resource control policy. None without ``targets``.

    Raises:
        ValueError: An argument is malformed; no role, no task, or neither an account nor a target
            is listed; or the stack is in a China Region.
        TypeError: An argument has another type, such as an iterator.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        session_roles: Iterable[iam.IRole | str],
        tasks: Iterable[RootTask | str] = tuple(RootTask),
        delegated_administrators: Iterable[str] = (),
        targets: Iterable[str] = (),
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self._roles = parse_session_roles(session_roles)
        if not self._roles:
            raise ValueError(
                "session_roles is empty: nothing could open a root session. List a role."
            )
        self._tasks = parse_members("tasks", tasks, RootTask)
        delegates = parse_account_ids("delegated_administrators", delegated_administrators)
        # The root needs no opt-in, as in RootUserGuardrail: only AssumeRoot is denied.
        attached_to = parse_targets(targets, allow_organization_root=True, stack=stack)
        if not (delegates or attached_to):
            raise ValueError(
                "targets and delegated_administrators are empty. List r-a1b2, for example."
            )
        require_region_with_root_access(self)
        self.delegate_policy: organizations.CfnPolicy | None = self._create_policy(
            "DelegatePolicy",
            OrganizationPolicyType.SERVICE_CONTROL,
            part="Delegates-",
            target_ids=delegates,
        )
        self.member_policy: organizations.CfnPolicy | None = self._create_policy(
            "MemberPolicy",
            OrganizationPolicyType.RESOURCE_CONTROL,
            part="Members-",
            target_ids=attached_to,
        )

    def _create_policy(
        self, id: str, type: OrganizationPolicyType, *, part: str, target_ids: Sequence[str]
    ) -> organizations.CfnPolicy | None:
        """Create a policy that denies AssumeRoot, and attach it; without targets there is none."""
        if not target_ids:
            return None
        # The partition is a wildcard, so that the text is the same in each.
        tasks = [f"arn:*:iam::aws:policy/root-task/{TASK_POLICIES[task]}" for task in self._tasks]
        roles = [role_arn(role) for role in self._roles]
        # The same statements in both: only the type decides which callers they bind.
        conditions: dict[str, Any] = {
            "OnlySessionRoles": {"ArnNotLike": {"aws:PrincipalArn": roles}},
            "OnlyTheirTasks": {"StringNotLike": {"sts:TaskPolicyArn": tasks}},
        }
        statements: list[dict[str, Any]] = []
        for sid, condition in conditions.items():
            statement = {"Sid": sid, "Effect": "Deny"}
            # A service control policy has no principals.
            if type is OrganizationPolicyType.RESOURCE_CONTROL:
                statement["Principal"] = "*"
            call = {"Action": "sts:AssumeRoot", "Resource": "*", "Condition": condition}
            statements.append(statement | call)
        return create_policy(
            self,
            id,
            type=type,
            description="Denies sts:AssumeRoot to everyone but certain roles.",
            document={"Version": "2012-10-17", "Statement": statements},
            target_ids=target_ids,
            part=part,
        )
