"""The templates with parameters: what each parameter is, and what it switches."""

from __future__ import annotations

from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

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

from .parameter_template import REGION_OF_EVENTS, Option, ParameterTemplate, Row
from .placeholders import Placeholders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TARGET = r"(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|[0-9]{12})"
_ACCOUNTS = r"[0-9]{12}(,[0-9]{12})"
_EXAMPLE_ACCOUNTS = "such as 222222222222,333333333333"
_SEPARATED = "separated by commas without spaces"
# The numbers that CloudWatch Logs offers.
_DAYS = (
    1,
    3,
    5,
    7,
    14,
    *range(30, 181, 30),
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)

# Nothing but the interval, and how long a new alarm waits, differs between them.
_HOURS = {"1 hour": 1, "6 hours": 6, "12 hours": 12, "1 day": 24}
# These can be listed after it, in this order.
_OTHER_TASKS = {
    "delete": (RootTask.DELETE,),
    "recover": (RootTask.RECOVER,),
    "unlock": (RootTask.UNLOCK_BUCKET, RootTask.UNLOCK_QUEUE),
}
_TASKS = [
    ",".join((RootTask.AUDIT, *chain(*others)))
    for number in range(len(_OTHER_TASKS) + 1)
    for others in combinations(_OTHER_TASKS.values(), number)
]


def _text(description: str, pattern: str, must: str, default: str | None = None) -> dict[str, Any]:
    """Return a parameter that is a text; without a default it is required."""
    parameter = {
        "Type": "String",
        "Description": description,
        "AllowedPattern": pattern,
        "ConstraintDescription": f"must be {must}.",
    }
    return parameter if default is None else {**parameter, "Default": default}


def _one_of(description: str, values: Sequence[str | int], default: str | int) -> dict[str, Any]:
    return {
        "Type": "Number" if isinstance(default, int) else "String",
        "Description": description,
        "AllowedValues": [*values],
        "Default": default,
        "ConstraintDescription": f"must be one of: {' | '.join(map(str, values))}.",
    }


def _switch(description: str) -> dict[str, Any]:
    return _one_of(description, ["true", "false"], "false")


def _equals(parameter: str, value: str) -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": parameter}, value]}


def _differs(parameter: str, value: str) -> dict[str, Any]:
    return {"Fn::Not": [_equals(parameter, value)]}


def _either(
    condition: str, argument: str, value: object, otherwise: object
) -> tuple[Option, Option]:
    """Return the options of a choice: an argument has the value under a condition, and otherwise another."""
    return (
        Option(condition=condition, arguments={argument: value}),
        Option(condition=None, arguments={argument: otherwise}),
    )


def _parameter(stack: Stack, name: str) -> str:
    # The parameter's own definition takes the place of this one.
    return CfnParameter(stack, name).value_as_string


def _key(stack: Stack) -> kms.IKey:
    return kms.Key.from_key_arn(stack, "Key", _parameter(stack, "KmsKeyArn"))


def _topic(stack: Stack) -> sns.ITopic:
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
        "cloudwatch.amazonaws.com to publish; the key of an encrypted topic must allow it and the roles "
        "that publish. With none no one is notified.",
        r"none|arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
        "none, or the ARN of an SNS topic that is not a FIFO topic",
        # Not empty: the CDK's validation refuses an alarm's action that may be.
        default="none",
    )
}
_OPERATION = {
    **_NOTIFICATION,
    "KmsKeyArn": _text(
        "The KMS key of the bucket and the logs. Its policy must allow CloudWatch Logs of the Region.",
        r"none|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
        "none, or the ARN of a KMS key; an alias is not one",
        default="none",
    ),
    "LogRetentionDays": _one_of("How many days the logs are kept.", _DAYS, 365),
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
_OPERATION_CHOICES = {
    "notifies": _either("Notifies", "notification_topic", _topic, None),
    "key": _either("HasKey", "encryption_key", _key, None),
}
_STACK_NAME = {"OrganizationBootstrap": {"Ref": "AWS::StackName"}}

_BOTH = ",".join(RootAccessFeature)
_DELEGATES = ("100000000001", "100000000002")


def _add_root_access(
    stack: Stack, *, repair: bool, notification_topic: sns.ITopic | None, **arguments: Any
) -> None:
    root_access = CentralizedRootAccess(stack, "RootAccess", **arguments)
    root_access.add_drift_check(repair=repair, notification_topic=notification_topic)


ROOT_ACCESS = ParameterTemplate(
    name="root-access",
    description="Enables centralized root access for the organization, and detects drift.",
    parameters={
        **_CODE,
        "Features": _one_of(
            "The features to enable. Any other is disabled for the organization, whichever stack enabled it.",
            [_BOTH, *RootAccessFeature, "none"],
            _BOTH,
        ),
        "DelegatedAdministrators": _text(
            f"The member accounts to register as delegated administrators for IAM, {_EXAMPLE_ACCOUNTS}. Any "
            "other is deregistered; with none every one is. With unmanaged they are not changed.",
            f"unmanaged|none|{_ACCOUNTS}*",
            f"unmanaged, none, or account IDs of 12 digits, {_SEPARATED}",
            default="unmanaged",
        ),
        "Repair": _switch(
            "Whether the drift check enables again what was disabled: trusted access and listed features."
        ),
        **_OPERATION,
    },
    conditions={
        **_OPERATION_CONDITIONS,
        "BothFeatures": _equals("Features", _BOTH),
        "OnlyRootCredentialsManagement": _equals(
            "Features", RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT
        ),
        "OnlyRootSessions": _equals("Features", RootAccessFeature.ROOT_SESSIONS),
        "UnmanagedDelegates": _equals("DelegatedAdministrators", "unmanaged"),
        "NoDelegates": _equals("DelegatedAdministrators", "none"),
        "Repairs": _equals("Repair", "true"),
        "InRegionOfEvents": _equals("AWS::Region", REGION_OF_EVENTS),
    },
    choices={
        **_OPERATION_CHOICES,
        "repair": _either("Repairs", "repair", True, False),
        "delegates": (
            Option(condition="UnmanagedDelegates", arguments={"delegated_administrators": None}),
            *_either("NoDelegates", "delegated_administrators", (), _DELEGATES),
        ),
        "features": (
            Option(condition="BothFeatures", arguments={"features": tuple(RootAccessFeature)}),
            *(
                Option(condition=f"Only{feature}", arguments={"features": (feature,)})
                for feature in RootAccessFeature
            ),
            Option(condition=None, arguments={"features": ()}),
        ),
    },
    table=(
        Row(ids="RootAccessDriftCheckCalls", condition="InRegionOfEvents"),
        Row(ids="RootAccessDriftCheckRoleDefaultPolicy", choices=("repair", "features")),
        Row(
            ids="RootAccessDriftCheckFunction[0-9A-F]{8}$",
            choices=("notifies", "repair", "delegates", "features"),
        ),
        Row(ids="RootAccess(RoleDefaultPolicy)?[0-9A-F]{8}$", choices=("delegates", "features")),
    ),
    placeholders=Placeholders(lists={_DELEGATES: "DelegatedAdministrators"}),
    add=_add_root_access,
)


_PROTECTED = ("100000000003", "100000000004")
# Stand for the others. No other number of the template is one of their own.
_INTERVAL = Duration.hours(11)


def _by_interval(values: Mapping[str, int]) -> Any:
    """Return the function that has a value for each interval."""
    *others, (_, last) = values.items()
    by_interval: Any = last
    for name, value in reversed(others):
        by_interval = {"Fn::If": [_interval_condition(name), value, by_interval]}
    return by_interval


def _interval_condition(name: str) -> str:
    return f"Every{name.title().replace(' ', '')}"


def _task_condition(name: str) -> str:
    return f"{name.title()}s"


def _add_root_tasks(
    stack: Stack, *, notification_topic: sns.ITopic | None, **arguments: Any
) -> None:
    others = [task for name in _OTHER_TASKS for task in arguments.pop(name)]
    RootTasks(
        stack,
        "RootTasks",
        tasks=[RootTask.AUDIT, *others],
        notification_topic=notification_topic,
        **arguments,
    )


ROOT_TASKS = ParameterTemplate(
    name="root-tasks",
    description="Audits the root users of the organization's member accounts, and runs root tasks.",
    parameters={
        **_CODE,
        "Tasks": _one_of(
            "The root tasks that can be planned and executed: delete credentials, allow password recovery, "
            "unlock bucket and queue policies. An audit changes nothing.",
            _TASKS,
            RootTask.AUDIT.value,
        ),
        "ProtectedAccounts": _text(
            f"The accounts in which no run makes changes, {_EXAMPLE_ACCOUNTS}. Empty: none.",
            f"|{_ACCOUNTS}{{0,{MAX_PROTECTED_ACCOUNTS - 1}}}",
            f"empty, or at most {MAX_PROTECTED_ACCOUNTS} account IDs of 12 digits, {_SEPARATED}",
            default="",
        ),
        "AuditInterval": _one_of(
            "How often every account is audited.", ["never", *_HOURS], "never"
        ),
        "SecurityHubFindings": _switch(
            "Whether each full audit imports a finding for every account into Security Hub CSPM."
        ),
        **_OPERATION,
    },
    conditions={
        **{
            _task_condition(name): {
                "Fn::Or": [
                    _equals("Tasks", listed) for listed in _TASKS if tasks[0] in listed.split(",")
                ]
            }
            for name, tasks in _OTHER_TASKS.items()
        },
        "MakesChanges": _differs("Tasks", RootTask.AUDIT.value),
        "ProtectsAccounts": _differs("ProtectedAccounts", ""),
        **{
            f"ProtectsAnd{name}": {
                "Fn::And": [{"Condition": "ProtectsAccounts"}, {"Condition": name}]
            }
            for name in map(_task_condition, _OTHER_TASKS)
        },
        "Audits": _differs("AuditInterval", "never"),
        # The last one is what remains.
        **{_interval_condition(name): _equals("AuditInterval", name) for name in list(_HOURS)[:-1]},
        "ImportsFindings": _equals("SecurityHubFindings", "true"),
        **_OPERATION_CONDITIONS,
    },
    choices={
        "findings": _either("ImportsFindings", "security_hub_findings", True, False),
        "interval": _either("Audits", "audit_interval", _INTERVAL, None),
        "protected": _either("ProtectsAccounts", "protected_accounts", _PROTECTED, ()),
        **_OPERATION_CHOICES,
        **{
            name: _either(_task_condition(name), name, tasks, ())
            for name, tasks in _OTHER_TASKS.items()
        },
    },
    table=(
        Row(ids="RootTasksDeleteCredentialsProtected", condition="ProtectsAndDeletes"),
        Row(ids="RootTasksAllowPasswordRecoveryProtected", condition="ProtectsAndRecovers"),
        Row(
            ids="RootTasks(Plan)?Unlock(Bucket|Queue)PolicyProtected",
            condition="ProtectsAndUnlocks",
        ),
        Row(ids="RootTasksDeleteCredentials", condition="Deletes"),
        Row(ids="RootTasksAllowPasswordRecovery", condition="Recovers"),
        Row(
            ids="RootTasks(Plan)?Unlock(Bucket|Queue)Policy",
            condition="Unlocks",
        ),
        Row(
            ids="RootTasksStartExecution[0-9A-F]{8}$",
            condition="MakesChanges",
            choices=("protected", *_OTHER_TASKS),
        ),
        Row(
            ids="RootTasks(Execute|StartExecution|WriteExecutionReport)",
            condition="MakesChanges",
            choices=(*_OTHER_TASKS,),
        ),
        Row(ids="RootTasks(Interval|AuditsStopped|NotStarted)", condition="Audits"),
        Row(ids="RootTasksBucket[0-9A-F]{8}$", choices=("key",)),
        Row(ids="RootTasksStartRun[0-9A-F]{8}$", choices=("protected", *_OTHER_TASKS)),
        Row(ids="RootTasksWriteReport[0-9A-F]{8}$", choices=("notifies", "findings")),
        Row(ids="RootTasksFailed", choices=(*_OTHER_TASKS,)),
        Row(
            ids="RootTasks(BucketPolicy|StartRunRole|Audit[0-9A-F]{8}$|AuditRole|AuditStateMachine|WriteReportRole)",
            choices=(*_OTHER_TASKS,),
        ),
    ),
    placeholders=Placeholders(
        lists={_PROTECTED: "ProtectedAccounts"},
        texts={"rate(11 hours)": {"Fn::Join": ["", ["rate(", {"Ref": "AuditInterval"}, ")"]]}},
        numbers={
            11 * 3600: _by_interval({name: hours * 3600 for name, hours in _HOURS.items()}),
            11 * 180: _by_interval(
                {name: min(hours * 180, 2880) for name, hours in _HOURS.items()}
            ),
        },
    ),
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
            f"The accounts under the targets whose root users are not denied anything, {_EXAMPLE_ACCOUNTS}. "
            "Empty: none.",
            f"|{_ACCOUNTS}*",
            f"empty, or account IDs of 12 digits, {_SEPARATED}",
            default="",
        ),
    },
    conditions={"ExemptsAccounts": _differs("ExemptAccounts", "")},
    choices={"exempt": _either("ExemptsAccounts", "exempt_accounts", _EXEMPT, ())},
    table=(Row(ids="RootUserGuardrailPolicy", choices=("exempt",)),),
    placeholders=Placeholders(
        lists={_EXEMPT: "ExemptAccounts", _TARGETS: "Targets"}, texts=_STACK_NAME
    ),
    add=lambda stack, **arguments: RootUserGuardrail(
        stack, "RootUserGuardrail", targets=_TARGETS, **arguments
    ),
)

_SESSION_ROLES = (
    "arn:aws:iam::100000000008:role/centralized-root-access/*",
    "arn:aws:iam::100000000009:role/centralized-root-access/*",
)
_ROLE_ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+\*?"
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
    choices={},
    table=(
        Row(ids="RootSessionGuardrailDelegatePolicy", condition="HasDelegates"),
        Row(ids="RootSessionGuardrailMemberPolicy", condition="HasTargets"),
    ),
    placeholders=Placeholders(
        lists={
            _SESSION_ROLES: "SessionRoleArns",
            _DELEGATES: "DelegatedAdministrators",
            _TARGETS: "Targets",
        },
        texts=_STACK_NAME,
    ),
    add=lambda stack: RootSessionGuardrail(
        stack,
        "RootSessionGuardrail",
        session_roles=_SESSION_ROLES,
        delegated_administrators=_DELEGATES,
        targets=_TARGETS,
    ),
)

# Stands for the parameter.
_ROLE = "arn:aws:iam::100000000007:role/centralized-root-access/*"

ROOT_USE_ALARM = ParameterTemplate(
    name="root-use-alarm",
    description="Alarms on used root users, and on root sessions that others than the session role open.",
    parameters={
        "TrailLogGroup": _text(
            "The log group of the organization's trail, in the stack's account and Region.",
            r"[A-Za-z0-9_/.#-]{1,512}",
            "the name of a log group",
        ),
        "SessionRoleArn": _text(
            "The ARN of the roles that open root sessions, with a * for several, such as "
            "arn:aws:iam::222222222222:role/centralized-root-access/*. With none each AssumeRoot fires.",
            f"none|{_ROLE_ARN}",
            "none, or the ARN of a role, with or without a * at its end",
            default="none",
        ),
        **_NOTIFICATION,
    },
    conditions={"Notifies": _NOTIFIES, "NamesRole": _differs("SessionRoleArn", "none")},
    choices={"role": _either("NamesRole", "session_roles", (_ROLE,), ())},
    table=(Row(ids="RootUseUnexpectedAssumeRoot[0-9A-F]{8}$", choices=("role",)),),
    placeholders=Placeholders(texts={**_STACK_NAME, _ROLE: {"Ref": "SessionRoleArn"}}),
    add=lambda stack, **arguments: RootUseAlarm(
        stack,
        "RootUse",
        trail_log_group=logs.LogGroup.from_log_group_name(
            stack, "Trail", _parameter(stack, "TrailLogGroup")
        ),
        notification_topic=_topic(stack),
        **arguments,
    ),
)

TEMPLATES = (ROOT_ACCESS, ROOT_TASKS, GUARDRAIL, SESSION_GUARDRAIL, ROOT_USE_ALARM)
