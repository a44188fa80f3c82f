"""Drift detection: a check every 15 minutes, two alarms, and repair of what was disabled.

In us-east-1 the check also runs shortly after a call that can change root access. That needs a
trail that logs management events, and the Region in the stack's env. The topic then gets the call,
its caller and its time.
"""

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from centralized_root_access import CentralizedRootAccess

app = App()
stack = Stack(
    app, "OrganizationBootstrap", env=Environment(account="111111111111", region="us-east-1")
)
topic = sns.Topic(stack, "SecurityNews", enforce_ssl=True)
topic.add_subscription(subscriptions.EmailSubscription("security@example.com"))
root_access = CentralizedRootAccess(stack, "RootAccess")
root_access.add_drift_check(interval=Duration.minutes(15), repair=True, notification_topic=topic)
app.synth()
