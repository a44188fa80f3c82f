"""Root tasks: a daily audit of every member account, and all tasks on demand.

Two accounts are protected: audits include them, and no run makes changes there. One role may audit
and plan, another one executes plans, and both read the reports.
"""

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks

app = App()
stack = Stack(
    app, "OrganizationBootstrap", env=Environment(account="111111111111", region="us-east-1")
)
topic = sns.Topic(stack, "SecurityNews", enforce_ssl=True)
topic.add_subscription(subscriptions.EmailSubscription("security@example.com"))
CentralizedRootAccess(stack, "RootAccess")
root_tasks = RootTasks(
    stack,
    "RootTasks",
    tasks=list(RootTask),
    protected_accounts=["444444444444", "555555555555"],
    audit_interval=Duration.days(1),
    notification_topic=topic,
)
planner = iam.Role.from_role_name(stack, "Planner", "root-tasks-planner")
executor = iam.Role.from_role_name(stack, "Executor", "root-tasks-executor")
root_tasks.grant_plan(planner)
root_tasks.grant_execute(executor)
for reader in (planner, executor):
    root_tasks.grant_read_reports(reader)
app.synth()
