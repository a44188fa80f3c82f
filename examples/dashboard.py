"""Root credentials, runs, drift and alarms on one CloudWatch dashboard."""

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from centralized_root_access import CentralizedRootAccess, RootAccessDashboard, RootTasks

app = App()
stack = Stack(
    app, "OrganizationBootstrap", env=Environment(account="111111111111", region="us-east-1")
)
topic = sns.Topic(stack, "SecurityNews", enforce_ssl=True)
topic.add_subscription(subscriptions.EmailSubscription("security@example.com"))
root_access = CentralizedRootAccess(stack, "RootAccess")
drift_check = root_access.add_drift_check(notification_topic=topic)
root_tasks = RootTasks(
    stack, "RootTasks", audit_interval=Duration.days(1), notification_topic=topic
)
RootAccessDashboard(stack, "Dashboard", root_tasks=root_tasks, drift_check=drift_check)
app.synth()
