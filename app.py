"""The reference bootstrap app: one stack in the management account enables root access, and repairs drift."""

import os

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess

app = App()
stack = Stack(
    app,
    "OrganizationBootstrap",
    env=Environment(
        account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")
    ),
)
root_access = CentralizedRootAccess(stack, "RootAccess")
root_access.add_drift_check(
    repair=True, notification_topic=sns.Topic(stack, "SecurityNews", enforce_ssl=True)
)
app.synth()
