"""Two accounts: the management account enables root access, and the security account runs the root tasks.

Only the roles of the root tasks may open root sessions, and an alarm reports all others. The
guardrail needs both types of policies enabled, and the alarm a trail's log group:
docs/guides/two-accounts.md has the ten commands.
"""

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    CentralizedRootAccess,
    RootSessionGuardrail,
    RootTask,
    RootTasks,
    RootUseAlarm,
)

MANAGEMENT = "111111111111"
SECURITY = "222222222222"
SESSION_ROLES = [f"arn:aws:iam::{SECURITY}:role/centralized-root-access/*"]

app = App()
bootstrap = Stack(
    app, "OrganizationBootstrap", env=Environment(account=MANAGEMENT, region="us-east-1")
)
CentralizedRootAccess(bootstrap, "RootAccess", delegated_administrators=[SECURITY])
RootSessionGuardrail(
    bootstrap,
    "RootSessionGuardrail",
    session_roles=SESSION_ROLES,
    delegated_administrators=[SECURITY],
    # One account first; then organizational units, or the organization's root.
    targets=["333333333333"],
)
RootUseAlarm(
    bootstrap,
    "RootUse",
    trail_log_group=logs.LogGroup.from_log_group_name(bootstrap, "Trail", "organization-trail"),
    session_roles=SESSION_ROLES,
    notification_topic=sns.Topic(bootstrap, "SecurityNews", enforce_ssl=True),
    root_user_notices=True,
)

security = Stack(app, "RootTasks", env=Environment(account=SECURITY, region="us-east-1"))
# Only a delegated administrator may open root sessions.
security.node.add_dependency(bootstrap)
RootTasks(
    security,
    "RootTasks",
    tasks=list(RootTask),
    protected_accounts=[SECURITY],
    audit_interval=Duration.days(1),
    notification_topic=sns.Topic(security, "SecurityNews", enforce_ssl=True),
)
app.synth()
