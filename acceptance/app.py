"""The CDK app of the level that deploys: what people deploy, with a topic that has a key."""

from __future__ import annotations

import json
import os

from aws_cdk import App, Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from acceptance.deployment import APP_VARIABLE, INTERVAL_MINUTES
from acceptance.names import Names
from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks, RootUserGuardrail


def main() -> None:
    """Synthesize the stack of the run that the environment names, for its account and Region."""
    given = json.loads(os.environ[APP_VARIABLE])
    names = Names(**given["names"])
    app = App()
    stack = Stack(
        app,
        names.stack,
        env=Environment(account=names.management, region=names.region),
        description="Created, and at the end deleted, by the acceptance suite.",
    )
    interval = Duration.minutes(INTERVAL_MINUTES)
    key = kms.Key(
        stack,
        "Key",
        removal_policy=RemovalPolicy.DESTROY,
        pending_window=Duration.days(7),
        enable_key_rotation=True,
    )
    topic = sns.Topic(stack, "Topic", master_key=key)
    root_access = CentralizedRootAccess(stack, "RootAccess")
    root_access.add_drift_check(interval=interval, repair=True, notification_topic=topic)
    tasks = RootTasks(
        stack,
        "RootTasks",
        tasks=list(RootTask),
        audit_interval=interval,
        notification_topic=topic,
        security_hub_findings=given["security_hub"],
    )
    if given["guardrail"]:
        RootUserGuardrail(stack, "Guardrail", targets=[names.member or ""])
    bucket = tasks.bucket.node.default_child
    if isinstance(bucket, s3.CfnBucket):
        bucket.bucket_name = names.report_bucket
    app.synth()


if __name__ == "__main__":
    main()
