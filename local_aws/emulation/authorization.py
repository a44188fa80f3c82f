"""What is denied to root users and root sessions, in any service."""

from .service_control_policies import PolicyRequest, find_policy_denial
from .state import Emulation, RootSession

# No policy denies it.
_NEVER_DENIED = "sts:GetCallerIdentity"


def root_arn(account_id: str) -> str:
    """Return the ARN of an account's root user."""
    return f"arn:aws:iam::{account_id}:root"


def access_denied_message(*, caller: str, action: str, resource: str, reason: str) -> str:
    """Return AWS's message for a caller that lacks a permission."""
    return f"User: {caller} is not authorized to perform: {action} on resource: {resource} {reason}".rstrip()


def reason_of_policy_denial(
    emulation: Emulation,
    *,
    account_id: str,
    action: str,
    resource: str | None,
    region: str,
    in_root_session: bool,
) -> str | None:
    """Return why the organization's policies deny a root user a call, as AWS's message says it, or None.

    Args:
        emulation: The emulation.
        account_id: The root user's account.
        action: The action as in a policy.
        resource: What it acts on; None if that is not known.
        region: The Region of the endpoint.
        in_root_session: Whether the caller is a root session, not the root user itself.

    Raises:
        UnsupportedPolicyError: If a policy has something that the emulation does not know.
    """
    organization = emulation.organization
    if action == _NEVER_DENIED or not organization.exists:
        return None
    levels = organization.service_control_policies(account_id)
    if not levels:
        return None
    context = {
        "aws:principalarn": root_arn(account_id),
        "aws:principalaccount": account_id,
        "aws:principalorgid": organization.id,
        # A root user's type is Account, never Root.
        "aws:principaltype": "Account",
        "aws:userid": account_id,
        "aws:resourceaccount": account_id,
        "aws:resourceorgid": organization.id,
        "aws:requestedregion": region,
        "aws:principalisawsservice": "false",
        "aws:viaawsservice": "false",
        # The caller of AWS has TLS, whatever the emulation is served with.
        "aws:securetransport": "true",
    }
    if in_root_session:
        context["aws:assumedroot"] = "true"
    denial = find_policy_denial(levels, PolicyRequest(action=action, resource=resource, context=context))
    if denial is None:
        return None
    if denial.policy_arn is None:
        return f"because no service control policy allows the {action} action"
    return f"with an explicit deny in a service control policy: {denial.policy_arn}"


def root_session_denial(
    emulation: Emulation, session: RootSession, *, action: str, resource: str, region: str
) -> str | None:
    """Return the message with which a call of another service is denied in a root session, or None."""
    denial = emulation.denial(account_id=session.account_id, action=action)
    if denial is not None and denial.message is not None:
        return denial.message
    reason = (
        "with an explicit deny in a service control policy"
        if denial is not None
        else reason_of_policy_denial(
            emulation,
            account_id=session.account_id,
            action=action,
            resource=resource,
            region=region,
            in_root_session=True,
        )
    )
    if reason is None and action not in session.task_policy.allows:
        reason = "with an explicit deny in a session policy"
    if reason is None:
        return None
    return access_denied_message(
        caller=root_arn(session.account_id), action=action, resource=resource, reason=reason
    )
