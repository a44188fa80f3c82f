"""Apps of every form, synthesized one after another in one process.

Also a script for other Pythons.

It needs the library and the CDK, and nothing else: `python many_apps.py FOLDER`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from aws_cdk import App, Duration, Environment, NestedStack, Stack, Stage
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    AcceptedCredentials,
    CentralizedRootAccess,
    CredentialType,
    RootAccessFeature,
    RootTask,
    RootTasks,
    RootUseAlarm,
)

MANAGEMENT_ENVIRONMENT = Environment(account="111111111111", region="us-east-1")
TEST_ENVIRONMENT = Environment(account="999999999999", region="eu-central-1")


def agnostic_environment(app: App) -> None:
    """A stack for the account and Region of the credentials."""
    CentralizedRootAccess(Stack(app, "OrganizationBootstrap"), "RootAccess")


def concrete_environment(app: App) -> None:
    """A stack with the same ids, in another app of the same process."""
    CentralizedRootAccess(
        Stack(app, "OrganizationBootstrap", env=MANAGEMENT_ENVIRONMENT), "RootAccess"
    )


def all_arguments(app: App) -> None:
    """Every argument, in one stack."""
    add_all_arguments(Stack(app, "OrganizationBootstrap", env=MANAGEMENT_ENVIRONMENT))


def add_all_arguments(
    stack: Stack, *, encrypted_topic: bool = False
) -> tuple[CentralizedRootAccess, RootTasks, RootUseAlarm]:
    """Add root access, root tasks and the alarms on root users with every argument to a stack.

    Args:
        stack: The stack.
        encrypted_topic: Whether the topic has a key.
    """
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    topic = sns.Topic(stack, "Topic", enforce_ssl=True, master_key=key if encrypted_topic else None)
    root_access = CentralizedRootAccess(
        stack,
        "RootAccess",
        features=[RootAccessFeature.ROOT_SESSIONS],
        delegated_administrators=["222222222222"],
        revision="a5e88a06",
        encryption_key=key,
        log_retention=logs.RetentionDays.TEN_YEARS,
    )
    root_access.add_drift_check(repair=True, notification_topic=topic, security_hub_findings=True)
    root_tasks = RootTasks(
        stack,
        "RootTasks",
        tasks=list(RootTask),
        protected_accounts=["444444444444"],
        accepted_credentials={
            "222222222222": AcceptedCredentials(
                types=[CredentialType.MFA_DEVICE, "PASSWORD"],
                reason="Billing, until it has moved",
                until="2027-03-31",
            )
        },
        audit_interval=Duration.days(1),
        allow_policy_override=True,
        notification_topic=topic,
        security_hub_findings=True,
        max_concurrency=3,
        encryption_key=key,
        log_retention=logs.RetentionDays.TEN_YEARS,
    )
    root_use = RootUseAlarm(
        stack,
        "RootUse",
        trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail"),
        session_roles=root_tasks.session_roles,
        notification_topic=topic,
        root_user_notices=True,
        management_account=stack.account,
        emergency_policy=True,
    )
    return root_access, root_tasks, root_use


def nested_stack(app: App) -> None:
    """The construct in a nested stack."""
    stack = Stack(app, "OrganizationBootstrap", env=MANAGEMENT_ENVIRONMENT)
    CentralizedRootAccess(NestedStack(stack, "Security"), "RootAccess")


def stages(app: App) -> None:
    """A stage for each of two organizations: one for tests, and production."""
    for id, env in (("Test", TEST_ENVIRONMENT), ("Production", MANAGEMENT_ENVIRONMENT)):
        CentralizedRootAccess(Stack(Stage(app, id, env=env), "OrganizationBootstrap"), "RootAccess")


APPS: list[Callable[[App], None]] = [
    agnostic_environment,
    concrete_environment,
    all_arguments,
    nested_stack,
    stages,
]


def synthesize_all(folder: Path) -> None:
    """Synthesize each app into a folder of its name."""
    for build in APPS:
        app = App(outdir=str(folder / build.__name__), analytics_reporting=False)
        build(app)
        app.synth()


if __name__ == "__main__":
    synthesize_all(Path(sys.argv[1]))
