"""Root tasks: a daily audit of every member account, and the tasks that make changes, on demand.

Two accounts are protected: no execution opens a root session there.
"""

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks

app = App()
stack = Stack(app, "OrganizationBootstrap", env=Environment(account="111111111111", region="us-east-1"))
CentralizedRootAccess(stack, "RootAccess")
RootTasks(
    stack,
    "RootTasks",
    tasks=list(RootTask),
    protected_accounts=["444444444444", "555555555555"],
    audit_interval=Duration.days(1),
    notification_topic=sns.Topic(stack, "SecurityNews", enforce_ssl=True),
)
app.synth()
