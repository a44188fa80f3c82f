"""The reference app: a stack in the management account for root access, drift and root tasks."""

import os

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks

app = App()
stack = Stack(
    app,
    "OrganizationBootstrap",
    env=Environment(
        account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")
    ),
)
topic = sns.Topic(stack, "SecurityNews", enforce_ssl=True)
topic.add_subscription(subscriptions.EmailSubscription("security@example.com"))
root_access = CentralizedRootAccess(stack, "RootAccess")
root_access.add_drift_check(repair=True, notification_topic=topic)
RootTasks(stack, "RootTasks", tasks=[RootTask.AUDIT, RootTask.DELETE], notification_topic=topic)
app.synth()
