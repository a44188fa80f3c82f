"""The CDK app of the level that deploys: root access, its drift check with repair, and audits."""

from __future__ import annotations

import os

from aws_cdk import App, Duration, Environment, Stack

from acceptance.deployment import INTERVAL_MINUTES, STACK_VARIABLE
from centralized_root_access import CentralizedRootAccess, RootTasks


def main() -> None:
    """Synthesize the stack that the environment names."""
    app = App()
    stack = Stack(
        app,
        os.environ[STACK_VARIABLE],
        env=Environment(
            account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")
        ),
        description="Created by the acceptance suite of centralized-root-access; it deletes it at the end.",
    )
    root_access = CentralizedRootAccess(stack, "RootAccess")
    interval = Duration.minutes(INTERVAL_MINUTES)
    root_access.add_drift_check(interval=interval, repair=True)
    RootTasks(stack, "RootTasks", audit_interval=interval)
    app.synth()


if __name__ == "__main__":
    main()
