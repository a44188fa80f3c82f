"""What to do about root use: how to contain it, how to see what it did, and how to undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.notices import MAX_LISTED
from common.next_step import NextStep
from common.untrusted import UNKNOWN

from .root_use_events import Use

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .root_use_events import RootUse

# To fill in, where no command can name an account.
_ACCOUNT = "ACCOUNT"


def next_steps(
    uses: Sequence[RootUse],
    *,
    management_account: str,
    emergency_policy_id: str | None,
    partition: str,
) -> list[NextStep]:
    """Return what to do about root users that were used; of an attempt, only how it ended.

    Args:
        uses: The events, the worst first.
        management_account: The organization's management account, whose root user no policy binds.
        emergency_policy_id: The policy that denies root users everything, if there is one.
        partition: The partition of the root users' ARNs.
    """
    got_in = [use for use in uses if use.use is not Use.SIGN_IN_ATTEMPTED]
    if not got_in:
        return [_step_for_sign_ins(_accounts(uses))]
    accounts = _accounts(got_in)
    members = [account for account in accounts if account != management_account]
    steps = []
    if management_account in accounts:
        steps += _management_steps(management_account, partition)
    if members:
        steps += _member_steps(members[:MAX_LISTED], emergency_policy_id, partition)
    if more := len(members[MAX_LISTED:]):
        steps.append(NextStep(what=f"Do the same for {more} more accounts, which the query finds."))
    steps += _steps_to_see(accounts[:MAX_LISTED])
    if members:
        steps.append(_step_to_undo(members[:MAX_LISTED], emergency_policy_id))
    return steps


def _accounts(uses: Sequence[RootUse]) -> list[str]:
    """Return the accounts of events, each once."""
    accounts = [use.account_id for use in uses]
    return [_ACCOUNT if account == UNKNOWN else account for account in dict.fromkeys(accounts)]


def _management_steps(account: str, partition: str) -> list[NextStep]:
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
            "trail. There, see whether root access is still enabled",
            command="centralized-root-access status",
        ),
        *_steps_for_sessions("There", account, partition),
    ]


def _member_steps(
    accounts: Sequence[str], emergency_policy_id: str | None, partition: str
) -> list[NextStep]:
    only, where = _ACCOUNT, "In each account"
    if len(accounts) == 1:
        only = accounts[0]
        where = f"In account {only}"
    return [
        *_steps_to_deny(accounts, emergency_policy_id, only=only),
        NextStep(
            what="In the account of RootTasks, which is the delegated administrator's if you have "
            "one, plan the deletion of the root credentials",
            command="centralized-root-access plan delete "
            f"--account {','.join(accounts)} --include-in-use",
        ),
        NextStep(
            what="There, read the plan, and execute it",
            command="centralized-root-access execute PLAN",
        ),
        *_steps_for_sessions(f"{where}, before you detach the policy", only, partition),
    ]


def _steps_to_deny(accounts: Sequence[str], policy_id: str | None, *, only: str) -> list[NextStep]:
    if policy_id is None:
        return [
            NextStep(
                what="In the management account, create the policy that denies root users "
                f"everything, and attach it to {' and '.join(accounts)}: the runbook has both "
                "commands, aws organizations create-policy and attach-policy."
            )
        ]
    return [
        NextStep(
            what="In the management account, attach the policy that denies root users everything. "
            "It prints nothing; DuplicatePolicyAttachmentException means that it is attached "
            "already",
            command=_for_each(accounts, "attach-policy", policy_id),
        ),
        NextStep(
            what="If AWS says that an account has the maximum number of policies, attach it to its "
            "organizational unit instead, and at the end detach it from there. This shows the unit",
            command=f"aws organizations list-parents --child-id {only}",
        ),
    ]


def _step_to_undo(accounts: Sequence[str], policy_id: str | None) -> NextStep:
    if policy_id is None:
        return NextStep(what="When it is over, in the management account, detach the policy.")
    return NextStep(
        what="When it is over, in the management account, detach the policy. "
        "PolicyNotAttachedException means that it is detached already",
        command=_for_each(accounts, "detach-policy", policy_id),
    )


def _for_each(accounts: Sequence[str], operation: str, policy_id: str) -> str:
    return "; ".join(
        f"aws organizations {operation} --policy-id {policy_id} --target-id {account}"
        for account in accounts
    )


def _steps_for_sessions(where: str, account: str, partition: str) -> list[NextStep]:
    owner = f"--principal-arn arn:{partition}:iam::{account}:root"
    return [
        NextStep(
            what=f"{where}, with a role, list its sessions of the AWS CLI and of agents, in each "
            "Region above (not confirmed)",
            command=f"aws signin list-sessions {owner} --status ACTIVE",
        ),
        NextStep(
            what="Revoke them. They are then not renewed, and what they hold works for up to an "
            "hour. No command ends a session of the console",
            command=f"aws signin batch-revoke-sessions {owner} --session-arns SESSION",
        ),
    ]


def _steps_to_see(accounts: Sequence[str]) -> list[NextStep]:
    """Return the queries for what root users did, and for what they left, such as keys."""
    listed = _listed(accounts)
    return [
        NextStep(
            what="In CloudWatch Logs Insights, on the log group above, see what it did",
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
            " and eventName not like /^(Get|List|Generate|Simulate)/"
            " | sort eventTime desc",
        ),
    ]


def _step_for_sign_ins(accounts: Sequence[str]) -> NextStep:
    return NextStep(
        what="In CloudWatch Logs Insights, on the log group above, see whether it succeeded",
        command="fields eventTime, recipientAccountId, eventName, responseElements.ConsoleLogin, "
        "sourceIPAddress"
        f' | filter userIdentity.type = "Root" and userIdentity.accountId in {_listed(accounts)}'
        ' and eventSource = "signin.amazonaws.com"'
        " | sort eventTime desc",
    )


def _listed(accounts: Sequence[str]) -> str:
    quoted = ", ".join(f'"{account}"' for account in accounts[:MAX_LISTED])
    return f"[{quoted}]"
