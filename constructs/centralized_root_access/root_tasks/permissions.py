"""The IAM statements of RootTasks' functions: the calls that they make, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Aws, Fn, Stack, Token
from aws_cdk import aws_iam as iam

from ..base.enums import TASK_POLICIES, RootTask
from ..base.permissions import allow

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_stepfunctions as sfn


def organization_statement(*more_actions: str) -> iam.PolicyStatement:
    """Return the statement by which the functions that start runs read the organization."""
    return allow(
        "ReadOrganization",
        [
            "iam:ListOrganizationsFeatures",
            "organizations:DescribeAccount",
            "organizations:DescribeOrganization",
            "organizations:DescribeOrganizationalUnit",
            "organizations:ListAccounts",
            "organizations:ListOrganizationalUnitsForParent",
            *more_actions,
        ],
    )


def root_session_statement(task: RootTask) -> iam.PolicyStatement:
    """Return the statement by which a function opens root sessions for one task only."""
    policy = f"arn:{Aws.PARTITION}:iam::aws:policy/root-task/{TASK_POLICIES[task]}"
    return allow(
        "OpenRootSessions",
        ["sts:AssumeRoot"],
        [f"arn:{Aws.PARTITION}:iam::*:root"],
        conditions={"StringEquals": {"sts:TaskPolicyArn": policy}},
    )


def deny_root_sessions_statement(account_ids: list[str]) -> iam.PolicyStatement:
    """Return the statement that denies root sessions in the protected accounts.

    Args:
        account_ids: The accounts, or the list token of a parameter.
    """
    # In any partition: what joins the accounts of a parameter is plain text, without references.
    before, after = "arn:*:iam::", ":root"
    if Token.is_unresolved(account_ids):
        joined = Fn.join(f"{after},{before}", account_ids)
        resources = Fn.split(",", f"{before}{joined}{after}")
    else:
        resources = [f"{before}{account_id}{after}" for account_id in account_ids]
    return iam.PolicyStatement(
        sid="DenyProtectedAccounts",
        effect=iam.Effect.DENY,
        actions=["sts:AssumeRoot"],
        resources=resources,
    )


def own_root_user_statement() -> iam.PolicyStatement:
    """Return the statement by which an audit reads what the account's own root user has."""
    return allow("ReadOwnRootUser", ["iam:GetAccountSummary"])


def encryption_key_statement(key: kms.IKey) -> iam.PolicyStatement:
    """Return the statement by which objects that a key encrypts are read and written."""
    return allow("UseEncryptionKey", ["kms:Decrypt", "kms:GenerateDataKey"], [key.key_arn])


def executions_statement(
    sid: str, actions: list[str], state_machine: sfn.StateMachine
) -> iam.PolicyStatement:
    """Return the statement by which a function reads the executions of a state machine."""
    return allow(sid, actions, [execution_arn(state_machine)])


def execution_arn(state_machine: sfn.StateMachine) -> str:
    """Return the pattern of the ARNs of a state machine's executions, ``…:execution:<name>:*``."""
    return arn_of_runs(state_machine, "execution", ":*")


def arn_of_runs(state_machine: sfn.StateMachine, resource: str, runs: str) -> str:
    """Return the ARN of executions or of Map Runs of a state machine.

    Args:
        state_machine: The state machine.
        resource: ``execution`` or ``mapRun``.
        runs: Which of them, as a pattern that follows the state machine's name.
    """
    name = state_machine.state_machine_name
    return Stack.of(state_machine).format_arn(
        service="states",
        resource=resource,
        resource_name=f"{name}{runs}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
