"""A guardrail for root users, and alarms on root users in use and on root sessions of others.

The guardrail is attached to one organizational unit first. `aws organizations list-roots` and
`aws organizations list-organizational-units-for-parent` return the ids.
"""

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from centralized_root_access import (
    CentralizedRootAccess,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)

app = App()
stack = Stack(
    app, "OrganizationBootstrap", env=Environment(account="111111111111", region="us-east-1")
)
topic = sns.Topic(stack, "SecurityNews", enforce_ssl=True)
topic.add_subscription(subscriptions.EmailSubscription("security@example.com"))
CentralizedRootAccess(stack, "RootAccess")
tasks = RootTasks(stack, "RootTasks", audit_interval=Duration.days(1), notification_topic=topic)
RootUserGuardrail(stack, "RootUserGuardrail", targets=["ou-a1b2-c3d4e5f6"])
RootUseAlarm(
    stack,
    "RootUse",
    trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail"),
    session_roles=tasks.session_roles,
    notification_topic=topic,
    root_user_notices=True,
    management_account=stack.account,
)
app.synth()
