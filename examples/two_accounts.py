"""Two accounts: the management account enables root access, the security account runs the tasks.

A guardrail denies root sessions to all but the roles of the root tasks. Alarms and notices report
root users that are used, root sessions that anyone else opens, and changes of root access. Both
types of policies have to be enabled before it is deployed, and the trail's log group has to exist.
"""

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from centralized_root_access import (
    CentralizedRootAccess,
    RootSessionGuardrail,
    RootTask,
    RootTasks,
    RootUseAlarm,
)

MANAGEMENT = "111111111111"
SECURITY = "222222222222"
# Who reads the notices; AWS asks this address to confirm each of the two subscriptions.
ON_CALL = "security@example.com"
SESSION_ROLES = [f"arn:aws:iam::{SECURITY}:role/centralized-root-access/*"]


def security_news(stack: Stack) -> sns.Topic:
    """Return the topic of a stack's alarms and notices."""
    topic = sns.Topic(stack, "SecurityNews", enforce_ssl=True)
    topic.add_subscription(subscriptions.EmailSubscription(ON_CALL))
    return topic


app = App()
bootstrap = Stack(
    app, "OrganizationBootstrap", env=Environment(account=MANAGEMENT, region="us-east-1")
)
news = security_news(bootstrap)
root_access = CentralizedRootAccess(bootstrap, "RootAccess", delegated_administrators=[SECURITY])
root_access.add_drift_check(notification_topic=news)
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
    notification_topic=news,
    root_user_notices=True,
    management_account=MANAGEMENT,
    emergency_policy=True,
)

security = Stack(app, "RootTasks", env=Environment(account=SECURITY, region="us-east-1"))
# Only a delegated administrator may open root sessions.
security.node.add_dependency(bootstrap)
RootTasks(
    security,
    "RootTasks",
    tasks=list(RootTask),
    audit_interval=Duration.days(1),
    notification_topic=security_news(security),
)
app.synth()
