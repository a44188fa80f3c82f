"""What to do about root use: how to contain it, how to see what it did, and how to undo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aws_calls.notices import MAX_LISTED
from common.next_step import NextStep
from common.untrusted import UNKNOWN

from .root_use_events import RootUse, Use

# To fill in, where a command cannot name the account or the policy.
_ACCOUNT_TO_FILL_IN = "ACCOUNT"
_POLICY_TO_FILL_IN = "POLICY"

_END_SESSIONS = (
    "With a role in the account, end its sessions of the AWS CLI and of agents: aws signin "
    "list-sessions and batch-revoke-sessions, in each Region above (not confirmed). Revoked "
    "sessions are not renewed, but what they hold works for up to an hour. A session of the "
    "console stays open."
)


def next_steps(
    uses: Sequence[RootUse],
    *,
    management_account: str,
    emergency_policy_id: str | None,
    trail: str,
) -> list[NextStep]:
    """Return what to do about root users that were used; about an attempt, how to see its end.

    Args:
        uses: The events, the worst first.
        management_account: The organization's management account, whose root user no policy binds.
        emergency_policy_id: The policy that denies root users everything, if there is one.
        trail: The log group of the organization's trail, with its Region and its account.
    """
    # A call that was denied was made by someone who has the root user's credentials.
    used_accounts = [use.account_id for use in uses if use.use is not Use.SIGN_IN_ATTEMPTED]
    if not used_accounts:
        attempted = _each_account_once(use.account_id for use in uses)
        return [_step_to_see_sign_ins(attempted, trail)]
    accounts = _each_account_once(used_accounts)
    members = [account for account in accounts if account != management_account]
    commands_for = members[:MAX_LISTED]
    policy_id = emergency_policy_id or _POLICY_TO_FILL_IN
    steps = []
    # First contain it: no step for a member helps against the management account's.
    if management_account in accounts:
        steps += _management_steps(management_account)
    if members:
        steps.append(_step_to_see_recoveries(commands_for))
        steps += _steps_to_deny(commands_for, policy_id)
        steps += _steps_to_delete(commands_for)
    if len(members) > MAX_LISTED:
        more = len(members) - MAX_LISTED
        what = f"Do the same for {more} more accounts, which the alarm's query finds."
        steps.append(NextStep(what=what))
    # Then see what is left of it, and undo the containment last.
    steps.append(NextStep(what=_END_SESSIONS))
    steps += _steps_to_see_calls(accounts, trail)
    if members:
        steps.append(_step_to_undo(commands_for, policy_id))
    return steps


def _each_account_once(account_ids: Iterable[str]) -> list[str]:
    """Return accounts in their order; one that is unknown is a word to fill in."""
    # A dictionary keeps the order.
    each_once = dict.fromkeys(account_ids)
    return [account_id.replace(UNKNOWN, _ACCOUNT_TO_FILL_IN) for account_id in each_once]


def _management_steps(account: str) -> list[NextStep]:
    """Return how to contain the use of the management account's root user."""
    return [
        NextStep(
            what="No SCP binds the root user of the management account. Sign in as this root user, "
            "change its password, and delete its access keys and every MFA device that is not "
            "yours. This sends another notice. If its password no longer works, choose Forgot "
            "password. If its e-mail address was changed, ask AWS Support."
        ),
        NextStep(
            what="In the management account, see which credentials it has",
            command=f"centralized-root-access audit --from-here --account {account}",
        ),
        NextStep(
            what="Unlike a member's, it can detach guardrails, disable root access and stop the "
            "trail. There, see whether root access is still enabled, and that every delegated "
            "administrator is yours",
            command="centralized-root-access status",
        ),
    ]


def _step_to_see_recoveries(accounts: Sequence[str]) -> NextStep:
    """Return how to see whether the use of root users is that of recoveries."""
    return NextStep(
        what="In the account of RootTasks, which is the delegated administrator's if you have one, "
        "see whether it is a recovery, of which the audit says Recovered until",
        command=f"centralized-root-access audit --account {','.join(accounts)}",
    )


def _steps_to_deny(accounts: Sequence[str], policy_id: str) -> list[NextStep]:
    """Return how to deny the root users of member accounts everything, by a policy."""
    steps = [
        NextStep(
            what="In the management account, attach the policy that denies root users everything. "
            "It prints nothing; DuplicatePolicyAttachmentException means that it is attached "
            "already",
            command=_command_for_each(accounts, "attach-policy", policy_id),
        ),
        NextStep(
            what="If AWS says that an account has the maximum number of policies, attach it to its "
            "organizational unit instead, which aws organizations list-parents shows, and at the "
            "end detach it from there."
        ),
    ]
    if policy_id == _POLICY_TO_FILL_IN:
        what = (
            "In the management account, create the policy that denies root users everything: the "
            "runbook has the command, aws organizations create-policy, which prints the ID."
        )
        steps.insert(0, NextStep(what=what))
    return steps


def _steps_to_delete(accounts: Sequence[str]) -> list[NextStep]:
    """Return how to delete the root credentials of member accounts, even those in use."""
    listed = ",".join(accounts)
    return [
        NextStep(
            what="In the account of RootTasks, plan the deletion of the root credentials",
            command=f"centralized-root-access plan delete --account {listed} --include-in-use",
        ),
        NextStep(
            what="There, read the plan, and execute it",
            command="centralized-root-access execute PLAN",
        ),
    ]


def _step_to_undo(accounts: Sequence[str], policy_id: str) -> NextStep:
    """Return how to detach the policy that denies the root users everything."""
    return NextStep(
        what="When it is over, in the management account, detach the policy. "
        "PolicyNotAttachedException means that it is detached already",
        command=_command_for_each(accounts, "detach-policy", policy_id),
    )


def _command_for_each(accounts: Sequence[str], operation: str, policy_id: str) -> str:
    """Return the command that attaches a policy to each account, or detaches it."""
    # One line, because chat shows a command in a line. The next one runs even if one fails.
    command = f"aws organizations {operation} --policy-id {policy_id} --target-id"
    return "; ".join(f"{command} {account}" for account in accounts)


def _steps_to_see_calls(accounts: Sequence[str], trail: str) -> list[NextStep]:
    """Return the queries for what root users did, and for what they left, such as keys."""
    listed = _query_list(accounts)
    return [
        NextStep(
            what=f"In CloudWatch Logs Insights, on the log group {trail}, see what it did",
            command="fields eventTime, recipientAccountId, eventSource, eventName, "
            "userIdentity.accessKeyId, sourceIPAddress, errorCode"
            f' | filter userIdentity.type = "Root" and userIdentity.accountId in {listed}'
            " and not ispresent(userIdentity.sessionContext.assumedRoot)"
            " | sort eventTime desc",
        ),
        NextStep(
            what="There, see what it can have left: keys, users, roles, policies and identity "
            "providers",
            command="fields eventTime, recipientAccountId, eventName, userIdentity.arn, "
            "sourceIPAddress"
            f' | filter recipientAccountId in {listed} and eventSource = "iam.amazonaws.com"'
            # Every change in IAM: a list of names would lack the next way to make a credential.
            " and eventName not like /^(Get|List|Generate|Simulate)/"
            " | sort eventTime desc",
        ),
    ]


def _step_to_see_sign_ins(accounts: Sequence[str], trail: str) -> NextStep:
    """Return the query for whether a later attempt to sign in has succeeded."""
    listed = _query_list(accounts)
    return NextStep(
        what=f"In CloudWatch Logs Insights, on the log group {trail}, see whether it succeeded: "
        "a ConsoleLogin with Success, or PasswordRecoveryCompleted",
        command="fields eventTime, recipientAccountId, eventName, responseElements.ConsoleLogin, "
        "sourceIPAddress"
        f' | filter userIdentity.type = "Root" and userIdentity.accountId in {listed}'
        ' and eventSource = "signin.amazonaws.com"'
        " | sort eventTime desc",
    )


def _query_list(accounts: Sequence[str]) -> str:
    """Return accounts as a query lists them: ["222222222222", "333333333333"]."""
    quoted = [f'"{account}"' for account in accounts[:MAX_LISTED]]
    return f"[{', '.join(quoted)}]"
