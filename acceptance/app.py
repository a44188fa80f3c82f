"""The CDK app of the level that deploys: root access, its drift check with repair, and every root task."""

from __future__ import annotations

import json
import os

from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_s3 as s3

from acceptance.deployment import INTERVAL_MINUTES, NAMES_VARIABLE
from acceptance.names import Names
from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks


def main() -> None:
    """Synthesize the stack of the run that the environment names, for its account and Region."""
    names = Names(**json.loads(os.environ[NAMES_VARIABLE]))
    app = App()
    stack = Stack(
        app,
        names.stack,
        env=Environment(account=names.management, region=names.region),
        description="Created by the acceptance suite of centralized-root-access; it deletes it at the end.",
    )
    interval = Duration.minutes(INTERVAL_MINUTES)
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(interval=interval, repair=True)
    tasks = RootTasks(stack, "RootTasks", tasks=list(RootTask), audit_interval=interval)
    bucket = tasks.bucket.node.default_child
    if isinstance(bucket, s3.CfnBucket):
        bucket.bucket_name = names.report_bucket
    app.synth()


if __name__ == "__main__":
    main()
