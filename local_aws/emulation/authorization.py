"""Denials by the organization's policies and by a session's task policy, in any service."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .organization_policies import (
    NOTHING_ALLOWS,
    POLICY_TYPE_NAMES,
    RESOURCE_CONTROL_POLICY,
    SERVICE_CONTROL_POLICY,
    find_policy_denial,
)
from .state import Emulation

# No policy denies it.
_NEVER_DENIED = "sts:GetCallerIdentity"
# The services here to which resource control policies apply.
_RESOURCE_CONTROLLED_SERVICES = ("s3", "sqs", "sts")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The caller, as policies see it.

    Attributes:
        account_id: The caller's account.
        principal_arn: The ARN of the root user, the IAM user or the role.
        context: The condition keys that only callers of this kind have, in lower case.
    """

    account_id: str
    principal_arn: str
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A call to authorize.

    Attributes:
        action: The action as in a policy.
        resource: What it acts on; None if that is not known.
        resource_account_id: The account of what it acts on.
        region: The Region of the endpoint.
        context: The condition keys of this operation, in lower case.
    """

    action: str
    resource: str | None
    resource_account_id: str
    region: str
    context: Mapping[str, str] = field(default_factory=dict)


def root_arn(account_id: str) -> str:
    """Return the ARN of an account's root user."""
    return f"arn:aws:iam::{account_id}:root"


def root_caller(account_id: str, *, in_root_session: bool) -> Caller:
    """Return an account's root user as a caller, by its own credentials or in a root session."""
    # A root user's type is Account, never Root.
    context = {"aws:principaltype": "Account", "aws:userid": account_id}
    if in_root_session:
        context["aws:assumedroot"] = "true"
    return Caller(account_id=account_id, principal_arn=root_arn(account_id), context=context)


def access_denied_message(*, caller: str, action: str, resource: str, reason: str) -> str:
    """Return AWS's message for a caller that lacks a permission."""
    call = _message_action(action)
    denied = f"User: {caller} is not authorized to perform: {call} on resource: {resource}"
    return f"{denied} {reason}".rstrip()


def _message_action(action: str) -> str:
    """Return an action as a message names it: SQS writes its own in lower case."""
    return action.lower() if action.startswith("sqs:") else action


def reason_of_policy_denial(emulation: Emulation, caller: Caller, request: Request) -> str | None:
    """Return why the organization's policies deny a call, as AWS's message says it, or None.

    Service control policies on the path of the caller's account apply, and resource control
    policies on the path of the resource's account. The management account has neither.

    Args:
        emulation: The emulation.
        caller: The caller.
        request: The call.

    Raises:
        UnsupportedPolicyError: A policy has something that the emulation does not know.
    """
    organization = emulation.organization
    if request.action == _NEVER_DENIED or not organization.exists:
        return None
    accounts = {SERVICE_CONTROL_POLICY: caller.account_id}
    if request.action.startswith(_RESOURCE_CONTROLLED_SERVICES):
        accounts[RESOURCE_CONTROL_POLICY] = request.resource_account_id
    context = {
        "aws:principalarn": caller.principal_arn,
        "aws:principalaccount": caller.account_id,
        "aws:resourceaccount": request.resource_account_id,
        "aws:requestedregion": request.region,
        "aws:principalisawsservice": "false",
        "aws:viaawsservice": "false",
        # AWS's callers use TLS, regardless of how the emulation is served.
        "aws:securetransport": "true",
        **_organization_ids(emulation, caller, request),
        **caller.context,
        **request.context,
    }
    for policy_type, account_id in accounts.items():
        levels = organization.policies_by_level(account_id, policy_type=policy_type)
        if not levels:
            continue
        denial = find_policy_denial(
            levels, action=request.action, resource=request.resource, context=context
        )
        name = POLICY_TYPE_NAMES[policy_type]
        if denial == NOTHING_ALLOWS:
            return f"because no {name} allows the {_message_action(request.action)} action"
        if denial is not None:
            return explicit_deny(name, policy_arn=denial)
    return None


def explicit_deny(policy: str, *, policy_arn: str | None = None) -> str:
    """Return the reason of a denial by a kind of policy, with the policy's ARN as since 2026."""
    return f"with an explicit deny in a {policy}" + (f": {policy_arn}" if policy_arn else "")


def root_session_denial(
    emulation: Emulation, token: str, *, action: str, resource: str, region: str
) -> str | None:
    """Return the message that denies a call of another service in a root session, or None."""
    session = emulation.root_session(token)
    if session is None:
        return None
    denial = emulation.denial(account_id=session.account_id, action=action)
    if denial:
        return denial
    reason = explicit_deny("service control policy") if denial is not None else None
    reason = reason or reason_of_policy_denial(
        emulation,
        root_caller(session.account_id, in_root_session=True),
        Request(
            action=action, resource=resource, resource_account_id=session.account_id, region=region
        ),
    )
    if reason is None and action not in session.task_policy.allows:
        reason = explicit_deny("session policy")
    if reason is None:
        return None
    return access_denied_message(
        caller=root_arn(session.account_id), action=action, resource=resource, reason=reason
    )


def _organization_ids(emulation: Emulation, caller: Caller, request: Request) -> dict[str, str]:
    """Return the organization's ID for the caller and the resource, if their accounts are in it."""
    organization = emulation.organization
    accounts = {
        "aws:principalorgid": caller.account_id,
        "aws:resourceorgid": request.resource_account_id,
    }
    return {
        key: organization.id
        for key, account_id in accounts.items()
        if organization.account(account_id) is not None
    }
