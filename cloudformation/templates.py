"""The plain templates: each construct as most organizations deploy it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aws_cdk import App, CfnParameter, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_organizations as organizations
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    CentralizedRootAccess,
    PlainTemplateSynthesizer,
    RootSessionGuardrail,
    RootTask,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)

# As in the examples: a stack of theirs can be updated with the template.
_STACK = "OrganizationBootstrap"
_ACCOUNT = "[0-9]{12}"
_TARGET = f"ou-[a-z0-9]{{4,32}}-[a-z0-9]{{8,32}}|{_ACCOUNT}"
_ROLE = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_-][A-Za-z0-9+=,.@_/-]*\*?"
# The guardrails check their lists at synth, and a parameter's list is known at deployment: these
# stand for it until the policy gets it.
_SOME_ACCOUNT = "222222222222"
_SOME_TARGET = "ou-a1b2-c3d4e5f6"


@dataclass(frozen=True, kw_only=True)
class ReleaseTemplate:
    """A template of a release.

    Attributes:
        name: The beginning of its file's name.
        description: What it deploys.
        add: Adds the construct to its stack.
    """

    name: str
    description: str
    add: Callable[[Stack], None]

    def write(self, folder: Path, *, output: Path) -> list[Path]:
        """Write the template, and the zip files of its functions; return the files.

        Args:
            folder: An empty folder, for what the CDK writes.
            output: The folder to write to.
        """
        app = App(outdir=str(folder), analytics_reporting=False)
        synthesizer = PlainTemplateSynthesizer()
        stack = Stack(app, _STACK, description=self.description, synthesizer=synthesizer)
        self.add(stack)
        app.synth()
        template = output / f"{self.name}.template.json"
        shutil.copy(folder / stack.template_file, template)
        archives = [shutil.copy(archive, output) for archive in folder.glob("*.zip")]
        return [template, *map(Path, archives)]


# What each template has.


def _add_root_access(stack: Stack) -> None:
    """Add root access with both features, and its drift check."""
    root_access = CentralizedRootAccess(stack, "RootAccess")
    root_access.add_drift_check(notification_topic=_topic(stack))


def _add_root_tasks(stack: Stack) -> None:
    """Add root tasks that audit every account daily, and can delete root credentials."""
    protected = CfnParameter(
        stack,
        "ProtectedAccounts",
        type="CommaDelimitedList",
        description="The accounts in which no run makes changes, such as 222222222222,333333333333."
        " If there are none: the management account, in which no run makes changes anyway.",
        allowed_pattern=_ACCOUNT,
        constraint_description="must be account IDs of 12 digits, separated by commas.",
    )
    RootTasks(
        stack,
        "RootTasks",
        tasks=[RootTask.AUDIT, RootTask.DELETE],
        protected_accounts=protected.value_as_list,
        audit_interval=Duration.days(1),
        notification_topic=_topic(stack),
    )


def _add_root_user_guardrail(stack: Stack) -> None:
    """Add the guardrail of root users, on the targets that a parameter lists."""
    guardrail = RootUserGuardrail(stack, "RootUserGuardrail", targets=[_SOME_TARGET])
    policy = cast("organizations.CfnPolicy", guardrail.node.find_child("Policy"))
    policy.target_ids = CfnParameter(
        stack,
        "Targets",
        type="CommaDelimitedList",
        description="The organizational units and accounts to attach the policy to, such as "
        f"{_SOME_TARGET},{_SOME_ACCOUNT}. Not the organization's root: begin with one unit.",
        allowed_pattern=_TARGET,
        constraint_description="must be IDs of organizational units or accounts, separated by "
        "commas.",
    ).value_as_list


def _add_root_session_guardrail(stack: Stack) -> None:
    """Add the guardrail of root sessions, on the accounts and targets that parameters list."""
    guardrail = RootSessionGuardrail(
        stack,
        "RootSessionGuardrail",
        session_roles=[_session_role(stack)],
        delegated_administrators=[_SOME_ACCOUNT],
        targets=[_SOME_TARGET],
    )
    delegates = cast("organizations.CfnPolicy", guardrail.delegate_policy)
    delegates.target_ids = CfnParameter(
        stack,
        "DelegatedAdministrators",
        type="CommaDelimitedList",
        description="The accounts of the delegated administrators for IAM, to which a service "
        f"control policy is attached, such as {_SOME_ACCOUNT}.",
        allowed_pattern=_ACCOUNT,
        constraint_description="must be account IDs of 12 digits, separated by commas.",
    ).value_as_list
    members = cast("organizations.CfnPolicy", guardrail.member_policy)
    members.target_ids = CfnParameter(
        stack,
        "Targets",
        type="CommaDelimitedList",
        description="The organization's root, or the organizational units and accounts, to which "
        f"a resource control policy is attached, such as {_SOME_TARGET},{_SOME_ACCOUNT}.",
        allowed_pattern=f"r-[a-z0-9]{{4,32}}|{_TARGET}",
        constraint_description="must be IDs of the root, organizational units or accounts, "
        "separated by commas.",
    ).value_as_list


def _add_root_use_alarm(stack: Stack) -> None:
    """Add the alarms on the log group that a parameter names."""
    trail = CfnParameter(
        stack,
        "TrailLogGroup",
        description="The log group of the organization's trail, in the stack's account and Region.",
        allowed_pattern="[A-Za-z0-9_/.#-]{1,512}",
        constraint_description="must be the name of a log group.",
    )
    RootUseAlarm(
        stack,
        "RootUse",
        trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", trail.value_as_string),
        session_roles=[_session_role(stack)],
        notification_topic=_topic(stack),
    )


# Their parameters.


def _topic(stack: Stack) -> sns.ITopic:
    """Return the topic that a parameter names."""
    arn = CfnParameter(
        stack,
        "NotificationTopicArn",
        description="The SNS topic for alarms and notices, in the stack's Region. Its policy must "
        "allow cloudwatch.amazonaws.com to publish; the key of an encrypted topic must allow it "
        "and the roles that publish.",
        allowed_pattern="arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
        constraint_description="must be the ARN of an SNS topic that is not a FIFO topic.",
    )
    return sns.Topic.from_topic_arn(stack, "Topic", arn.value_as_string)


def _session_role(stack: Stack) -> iam.IRole:
    """Return the role, or with a * at its end the roles, that a parameter names."""
    arn = CfnParameter(
        stack,
        "SessionRoleArn",
        description="The ARN of the roles that open root sessions, with a * at the end for "
        "several, such as arn:aws:iam::222222222222:role/centralized-root-access/*.",
        allowed_pattern=_ROLE,
        constraint_description="must be the ARN of a role, with or without a * at its end.",
    )
    return iam.Role.from_role_arn(stack, "SessionRole", arn.value_as_string)


TEMPLATES = (
    ReleaseTemplate(
        name="root-access",
        description="Enables centralized root access for the organization, and detects drift.",
        add=_add_root_access,
    ),
    ReleaseTemplate(
        name="root-tasks",
        description="Audits root users of member accounts daily, and deletes root credentials by "
        "plan.",
        add=_add_root_tasks,
    ),
    ReleaseTemplate(
        name="root-user-guardrail",
        description="Denies every action to root users of member accounts, except in root "
        "sessions.",
        add=_add_root_user_guardrail,
    ),
    ReleaseTemplate(
        name="root-session-guardrail",
        description="Denies sts:AssumeRoot to everyone but the roles that open root sessions.",
        add=_add_root_session_guardrail,
    ),
    ReleaseTemplate(
        name="root-use-alarm",
        description="Alarms on used root users, and on root sessions that other roles open.",
        add=_add_root_use_alarm,
    ),
)
