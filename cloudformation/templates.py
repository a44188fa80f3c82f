"""The templates with parameters: what each parameter is, and what it switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import CfnParameter, Duration, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    CentralizedRootAccess,
    RootAccessFeature,
    RootSessionGuardrail,
    RootTask,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)
from centralized_root_access.root_tasks.arguments import MAX_PROTECTED_ACCOUNTS

from .parameter_template import REGION_OF_EVENTS, Option, ParameterTemplate

_TARGET = r"(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|[0-9]{12})"
_ACCOUNTS = r"[0-9]{12}(,[0-9]{12})"
_EXAMPLE_ACCOUNTS = "such as 222222222222,333333333333"
_SEPARATED = "separated by commas without spaces"
# The tasks that make changes, by the conditions under which they are listed.
_TASKS_WITH_CHANGES = {
    "Deletes": (RootTask.DELETE,),
    "Recovers": (RootTask.RECOVER,),
    "Unlocks": (RootTask.UNLOCK_BUCKET, RootTask.UNLOCK_QUEUE),
}
# The values of the parameter Tasks.
_TASK_LISTS = [
    "audit",
    "audit,delete",
    "audit,recover",
    "audit,unlock-bucket,unlock-queue",
    "audit,delete,recover",
    "audit,delete,unlock-bucket,unlock-queue",
    "audit,recover,unlock-bucket,unlock-queue",
    "audit,delete,recover,unlock-bucket,unlock-queue",
]


# Parameters, and conditions of their values.


def _text(description: str, pattern: str, must: str, default: str | None = None) -> dict[str, Any]:
    """Return the definition of a parameter that is a text; without a default it is required.

    Args:
        description: Its description.
        pattern: The regular expression that its values match.
        must: What its values have to be, after "must be".
        default: Its default.
    """
    parameter = {
        "Type": "String",
        "Description": description,
        "AllowedPattern": pattern,
        "ConstraintDescription": f"must be {must}.",
    }
    if default is not None:
        parameter["Default"] = default
    return parameter


def _one_of(description: str, values: Sequence[str], default: str) -> dict[str, Any]:
    """Return the definition of a parameter that has one of some values."""
    return {
        "Type": "String",
        "Description": description,
        "AllowedValues": list(values),
        "Default": default,
        "ConstraintDescription": f"must be one of: {' | '.join(values)}.",
    }


def _switch(description: str) -> dict[str, Any]:
    """Return the definition of a parameter that is true, or false by default."""
    return _one_of(description, ["true", "false"], "false")


def _equals(parameter: str, value: str) -> dict[str, Any]:
    """Return the condition that a parameter has a value."""
    return {"Fn::Equals": [{"Ref": parameter}, value]}


def _differs(parameter: str, value: str) -> dict[str, Any]:
    """Return the condition that a parameter has another value."""
    return {"Fn::Not": [_equals(parameter, value)]}


def _either(
    condition: str, argument: str, value: object, otherwise: object
) -> tuple[Option, Option]:
    """Return the two options of an argument: its value under a condition, and otherwise.

    For example, of ``"Repairs", "repair", True, False``: the construct has the argument
    ``repair=True`` under the condition ``Repairs``, and otherwise ``repair=False``.
    """
    return Option(condition, {argument: value}), Option(None, {argument: otherwise})


def _parameter(stack: Stack, name: str) -> str:
    """Return the value of a parameter, as a token.

    Only the resources and outputs of the stack are used: the template has definitions of its own.
    """
    return CfnParameter(stack, name).value_as_string


def _key(stack: Stack, *, has_key: bool) -> kms.IKey | None:
    """Return the key that the parameter names; None for the case in which it names none."""
    if not has_key:
        return None
    return kms.Key.from_key_arn(stack, "Key", _parameter(stack, "KmsKeyArn"))


def _topic(stack: Stack, *, notifies: bool) -> sns.ITopic | None:
    """Return the topic that the parameter names; None for the case in which it names none."""
    if not notifies:
        return None
    return sns.Topic.from_topic_arn(stack, "Topic", _parameter(stack, "NotificationTopicArn"))


_CODE = {
    "CodeBucket": _text(
        "The S3 bucket that has the zip files of the functions, in the stack's Region.",
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "the name of an S3 bucket",
    ),
    "CodePrefix": _text(
        "What the keys of the zip files begin with, such as releases/0.1.0/.",
        r"([A-Za-z0-9!_.*'()-]+/)*",
        "empty, or end with a slash, such as releases/0.1.0/",
        default="",
    ),
}
_NOTIFICATION = {
    "NotificationTopicArn": _text(
        "The SNS topic for alarms and notices, in the stack's Region. Its policy must allow "
        "cloudwatch.amazonaws.com to publish; the key of an encrypted topic must allow it and the "
        "roles that publish. With none no one is notified.",
        r"none|arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
        "none, or the ARN of an SNS topic that is not a FIFO topic",
        # Not empty: the CDK's validation refuses an alarm's action that may be.
        default="none",
    )
}
_OPERATION = _NOTIFICATION | {
    "KmsKeyArn": _text(
        "The KMS key of the bucket and the logs. Its policy must allow CloudWatch Logs of the "
        "Region.",
        r"none|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
        "none, or the ARN of a KMS key; an alias is not one",
        default="none",
    ),
    "LogRetentionDays": {
        "Type": "Number",
        "Description": "How many days the logs are kept: a number that CloudWatch Logs offers.",
        "Default": 365,
    },
    "PermissionsBoundaryArn": _text(
        "The permissions boundary of each role.",
        r"none|arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+",
        "none, or the ARN of a managed policy",
        default="none",
    ),
}
_NOTIFIES = _differs("NotificationTopicArn", "none")
_OPERATION_CONDITIONS = {
    "Notifies": _NOTIFIES,
    "HasKey": _differs("KmsKeyArn", "none"),
    "HasBoundary": _differs("PermissionsBoundaryArn", "none"),
}
_NOTIFICATION_CHOICE = _either("Notifies", "notifies", True, False)
_KEY_CHOICE = _either("HasKey", "has_key", True, False)
# The policies' and the filters' names have the name of the stack.
_STACK_NAME = {"OrganizationBootstrap": {"Ref": "AWS::StackName"}}

_CREDENTIALS, _SESSIONS = RootAccessFeature
# As the parameter has them: a list with a fixed order is one value.
_BOTH = f"{_CREDENTIALS},{_SESSIONS}"
_DELEGATES = ("100000000001", "100000000002")


def _add_root_access(
    stack: Stack, *, notifies: bool, has_key: bool, repair: bool, **arguments: Any
) -> None:
    """Add the construct, and its drift check."""
    key = _key(stack, has_key=has_key)
    root_access = CentralizedRootAccess(stack, "RootAccess", encryption_key=key, **arguments)
    topic = _topic(stack, notifies=notifies)
    root_access.add_drift_check(repair=repair, notification_topic=topic)


ROOT_ACCESS = ParameterTemplate(
    name="root-access",
    description="Enables centralized root access for the organization, and detects drift.",
    parameters=_CODE
    | {
        "Features": _one_of(
            "The features to enable. Any other is disabled for the organization, whichever stack "
            "enabled it.",
            [_BOTH] + list(RootAccessFeature) + ["none"],
            _BOTH,
        ),
        "DelegatedAdministrators": _text(
            "The member accounts to register as delegated administrators for IAM, "
            f"{_EXAMPLE_ACCOUNTS}. Any other is deregistered; with none every one is. With "
            "unmanaged they are not changed.",
            f"unmanaged|none|{_ACCOUNTS}*",
            f"unmanaged, none, or account IDs of 12 digits, {_SEPARATED}",
            default="unmanaged",
        ),
        "Repair": _switch(
            "Whether the drift check enables again what was disabled: trusted access and listed "
            "features."
        ),
    }
    | _OPERATION,
    conditions=_OPERATION_CONDITIONS
    | {
        "BothFeatures": _equals("Features", _BOTH),
        "OnlyRootCredentialsManagement": _equals("Features", _CREDENTIALS),
        "OnlyRootSessions": _equals("Features", _SESSIONS),
        "UnmanagedDelegates": _equals("DelegatedAdministrators", "unmanaged"),
        "NoDelegates": _equals("DelegatedAdministrators", "none"),
        "Repairs": _equals("Repair", "true"),
        "InRegionOfEvents": _equals("AWS::Region", REGION_OF_EVENTS),
    },
    choices=(
        _NOTIFICATION_CHOICE,
        _either("Repairs", "repair", True, False),
        (
            Option("UnmanagedDelegates", {"delegated_administrators": None}),
            Option("NoDelegates", {"delegated_administrators": ()}),
            Option(None, {"delegated_administrators": _DELEGATES}),
        ),
        (
            Option("BothFeatures", {"features": (_CREDENTIALS, _SESSIONS)}),
            Option("OnlyRootCredentialsManagement", {"features": (_CREDENTIALS,)}),
            Option("OnlyRootSessions", {"features": (_SESSIONS,)}),
            Option(None, {"features": ()}),
        ),
        _KEY_CHOICE,
    ),
    existence={"RootAccessDriftCheckCalls": "InRegionOfEvents"},
    placeholder_lists={_DELEGATES: "DelegatedAdministrators"},
    add=_add_root_access,
)


# Two accounts that no one has, or two other values, stand for the list of a parameter.
_PROTECTED = ("100000000003", "100000000004")


def _root_task_conditions() -> dict[str, Any]:
    """Return the conditions of which tasks are listed, and those of protected accounts.

    For each group of tasks, such as the two that unlock policies: whether it is listed, and whether
    it is listed and there are protected accounts.
    """
    conditions: dict[str, Any] = {"ProtectsAccounts": _differs("ProtectedAccounts", "")}
    for condition, tasks in _TASKS_WITH_CHANGES.items():
        # A group's tasks are listed together, so the first one stands for all of them.
        lists = [listed for listed in _TASK_LISTS if tasks[0] in listed.split(",")]
        conditions[condition] = {"Fn::Or": [_equals("Tasks", listed) for listed in lists]}
        both = [{"Condition": "ProtectsAccounts"}, {"Condition": condition}]
        conditions[f"ProtectsAnd{condition}"] = {"Fn::And": both}
    return conditions


def _add_root_tasks(stack: Stack, *, notifies: bool, has_key: bool, **arguments: Any) -> None:
    """Add the construct, with an argument for each group of tasks that make changes."""
    tasks = [RootTask.AUDIT]
    # The arguments are named after the groups' conditions; a group that is not listed has no tasks.
    for condition in _TASKS_WITH_CHANGES:
        tasks += arguments.pop(condition)
    RootTasks(
        stack,
        "RootTasks",
        tasks=tasks,
        audit_interval=Duration.days(1),
        notification_topic=_topic(stack, notifies=notifies),
        encryption_key=_key(stack, has_key=has_key),
        **arguments,
    )


ROOT_TASKS = ParameterTemplate(
    name="root-tasks",
    description="Audits the root users of the organization's member accounts, and runs root tasks.",
    parameters=_CODE
    | {
        "Tasks": _one_of(
            "The root tasks that can be planned and executed: delete credentials, allow password "
            "recovery, unlock bucket and queue policies. An audit changes nothing.",
            _TASK_LISTS,
            "audit",
        ),
        "ProtectedAccounts": _text(
            f"The accounts in which no run makes changes, {_EXAMPLE_ACCOUNTS}. Empty: none.",
            f"|{_ACCOUNTS}{{0,{MAX_PROTECTED_ACCOUNTS - 1}}}",
            f"empty, or at most {MAX_PROTECTED_ACCOUNTS} account IDs of 12 digits, {_SEPARATED}",
            default="",
        ),
        "AuditInterval": _one_of(
            "How often every account is audited.", ["never", "1 day"], "never"
        ),
        "SecurityHubFindings": _switch(
            "Whether each full audit imports a finding for every account into Security Hub CSPM."
        ),
    }
    | _OPERATION,
    conditions=_root_task_conditions()
    | {
        "MakesChanges": _differs("Tasks", "audit"),
        "Audits": _differs("AuditInterval", "never"),
        "ImportsFindings": _equals("SecurityHubFindings", "true"),
    }
    | _OPERATION_CONDITIONS,
    choices=(
        _NOTIFICATION_CHOICE,
        _either("ImportsFindings", "security_hub_findings", True, False),
        _either("ProtectsAccounts", "protected_accounts", _PROTECTED, ()),
    )
    + tuple(
        _either(condition, condition, tasks, ()) for condition, tasks in _TASKS_WITH_CHANGES.items()
    )
    + (_KEY_CHOICE,),
    # The policies, with Protected in their IDs, come before the other resources of their functions.
    existence={
        "RootTasksDeleteCredentialsProtected": "ProtectsAndDeletes",
        "RootTasksAllowPasswordRecoveryProtected": "ProtectsAndRecovers",
        "RootTasks(Plan)?Unlock(Bucket|Queue)PolicyProtected": "ProtectsAndUnlocks",
        "RootTasksDeleteCredentials": "Deletes",
        "RootTasksAllowPasswordRecovery": "Recovers",
        "RootTasks(Plan)?Unlock(Bucket|Queue)Policy": "Unlocks",
        "RootTasks(Execute|StartExecution|WriteExecutionReport)": "MakesChanges",
        "RootTasks(Interval|AuditsStopped|NotStarted)": "Audits",
    },
    placeholder_lists={_PROTECTED: "ProtectedAccounts"},
    add=_add_root_tasks,
)


_EXEMPT = ("100000000005", "100000000006")
_TARGETS = ("ou-a1b2-c3d4e5f6", "ou-a1b2-c3d4e5f7")


GUARDRAIL = ParameterTemplate(
    name="root-user-guardrail",
    description="Denies every action to root users of member accounts, except in root sessions.",
    parameters={
        "Targets": _text(
            "The organizational units and accounts to attach the policy to, such as "
            "ou-a1b2-c3d4e5f6,222222222222. Not the organization's root: begin with one unit.",
            f"{_TARGET}(,{_TARGET})*",
            f"IDs of organizational units or accounts, {_SEPARATED}",
        ),
        "ExemptAccounts": _text(
            "The accounts under the targets whose root users are not denied anything, "
            f"{_EXAMPLE_ACCOUNTS}. Empty: none.",
            f"|{_ACCOUNTS}*",
            f"empty, or account IDs of 12 digits, {_SEPARATED}",
            default="",
        ),
    },
    conditions={"ExemptsAccounts": _differs("ExemptAccounts", "")},
    choices=(_either("ExemptsAccounts", "exempt_accounts", _EXEMPT, ()),),
    placeholder_texts=_STACK_NAME,
    placeholder_lists={_EXEMPT: "ExemptAccounts", _TARGETS: "Targets"},
    add=lambda stack, **arguments: RootUserGuardrail(
        stack, "RootUserGuardrail", targets=_TARGETS, **arguments
    ),
)

_SESSION_ROLES = (
    "arn:aws:iam::100000000008:role/centralized-root-access/*",
    "arn:aws:iam::100000000009:role/centralized-root-access/*",
)
_ROLE_ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+\*?"
# Without either the stack would have no resource.
_NO_TARGETS = {"Fn::And": [_equals("Targets", "none"), _equals("DelegatedAdministrators", "none")]}

SESSION_GUARDRAIL = ParameterTemplate(
    name="root-session-guardrail",
    description="Denies sts:AssumeRoot to everyone but the roles that are to open root sessions.",
    parameters={
        "SessionRoleArns": _text(
            "The ARNs of the roles that may open root sessions, with a * at the end for several, "
            "such as arn:aws:iam::222222222222:role/centralized-root-access/*.",
            f"{_ROLE_ARN}(,{_ROLE_ARN})*",
            f"ARNs of roles, with or without a * at the end, {_SEPARATED}",
        ),
        "DelegatedAdministrators": _text(
            "The accounts of the delegated administrators for IAM, to which a service control "
            f"policy is attached, {_EXAMPLE_ACCOUNTS}.",
            f"none|{_ACCOUNTS}*",
            f"none, or account IDs of 12 digits, {_SEPARATED}",
            default="none",
        ),
        "Targets": _text(
            "The organization's root, or the organizational units and accounts, to which a "
            "resource control policy is attached, such as ou-a1b2-c3d4e5f6,222222222222.",
            f"none|r-[a-z0-9]{{4,32}}|{_TARGET}(,{_TARGET})*",
            f"none, the ID of the root, or IDs of organizational units or accounts, {_SEPARATED}",
            default="none",
        ),
    },
    rules={
        "AttachedToSomething": {
            "Assertions": [
                {
                    "Assert": {"Fn::Not": [_NO_TARGETS]},
                    "AssertDescription": "List Targets, DelegatedAdministrators, or both.",
                }
            ]
        }
    },
    conditions={
        "HasDelegates": _differs("DelegatedAdministrators", "none"),
        "HasTargets": _differs("Targets", "none"),
    },
    existence={
        "RootSessionGuardrailDelegatePolicy": "HasDelegates",
        "RootSessionGuardrailMemberPolicy": "HasTargets",
    },
    placeholder_texts=_STACK_NAME,
    placeholder_lists={
        _SESSION_ROLES: "SessionRoleArns",
        _DELEGATES: "DelegatedAdministrators",
        _TARGETS: "Targets",
    },
    add=lambda stack: RootSessionGuardrail(
        stack,
        "RootSessionGuardrail",
        session_roles=_SESSION_ROLES,
        delegated_administrators=_DELEGATES,
        targets=_TARGETS,
    ),
)

# The ARN that stands for the parameter SessionRoleArn.
_ROLE = "arn:aws:iam::100000000007:role/centralized-root-access/*"


def _add_root_use_alarm(stack: Stack, *, notifies: bool, **arguments: Any) -> None:
    """Add the alarms on the log group that the parameter names."""
    trail = logs.LogGroup.from_log_group_name(stack, "Trail", _parameter(stack, "TrailLogGroup"))
    topic = _topic(stack, notifies=notifies)
    RootUseAlarm(stack, "RootUse", trail_log_group=trail, notification_topic=topic, **arguments)


ROOT_USE_ALARM = ParameterTemplate(
    name="root-use-alarm",
    description="Alarms on used root users, and on root sessions that other roles open.",
    parameters={
        "TrailLogGroup": _text(
            "The log group of the organization's trail, in the stack's account and Region.",
            r"[A-Za-z0-9_/.#-]{1,512}",
            "the name of a log group",
        ),
        "SessionRoleArn": _text(
            "The ARN of the roles that open root sessions, with a * for several, such as "
            "arn:aws:iam::222222222222:role/centralized-root-access/*. With none each AssumeRoot "
            "fires.",
            f"none|{_ROLE_ARN}",
            "none, or the ARN of a role, with or without a * at its end",
            default="none",
        ),
    }
    | _NOTIFICATION,
    conditions={"Notifies": _NOTIFIES, "NamesRole": _differs("SessionRoleArn", "none")},
    choices=(_NOTIFICATION_CHOICE, _either("NamesRole", "session_roles", (_ROLE,), ())),
    placeholder_texts=_STACK_NAME | {_ROLE: {"Ref": "SessionRoleArn"}},
    add=_add_root_use_alarm,
)

TEMPLATES = (ROOT_ACCESS, ROOT_TASKS, GUARDRAIL, SESSION_GUARDRAIL, ROOT_USE_ALARM)
