"""The templates with parameters: what each parameter is, and what it switches."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from aws_cdk import CfnParameter, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    CentralizedRootAccess,
    RootAccessFeature,
    RootTask,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)
from centralized_root_access._permissions import MAX_PROTECTED_ACCOUNTS

from .merge import NO_VALUE
from .parameter_template import REGION_OF_EVENTS, Option, ParameterTemplate, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOPIC, _KEY, _BOUNDARY = "NotificationTopicArn", "KmsKeyArn", "PermissionsBoundaryArn"

_TARGET = r"(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|[0-9]{12})"
_ACCOUNTS = r"[0-9]{12}(,[0-9]{12})"
_TRUE = ["true", "false"]
_MAX_OTHER_PROTECTED_ACCOUNTS = MAX_PROTECTED_ACCOUNTS - 1

# Nothing but the interval, and how long a new alarm waits, differs between them.
_INTERVALS = {"1 hour": 1, "6 hours": 6, "12 hours": 12, "1 day": 24}
_AUDIT = "audit"
# These can be listed after it, in this order.
_ACTING_TASKS = {
    "delete": (RootTask.DELETE_CREDENTIALS,),
    "recover": (RootTask.ALLOW_PASSWORD_RECOVERY,),
    "unlock": (RootTask.UNLOCK_BUCKET_POLICY, RootTask.UNLOCK_QUEUE_POLICY),
}
_TASKS = [
    ",".join((_AUDIT, *names))
    for number in range(len(_ACTING_TASKS) + 1)
    for names in combinations(_ACTING_TASKS, number)
]


def _equals(parameter: str, value: str) -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": parameter}, value]}


def _not(expression: Mapping[str, Any]) -> dict[str, Any]:
    return {"Fn::Not": [expression]}


def _switch(description: str) -> dict[str, Any]:
    return {
        "Type": "String",
        "Description": description,
        "AllowedValues": _TRUE,
        "Default": "false",
        "ConstraintDescription": "must be true or false.",
    }


def _choice(*options: tuple[str | None, Mapping[str, object]]) -> tuple[Option, ...]:
    return tuple(Option(condition=condition, arguments=arguments) for condition, arguments in options)


_STACK_NAME = {"OrganizationBootstrap": {"Ref": "AWS::StackName"}}
_CODE = {
    "CodeBucket": {
        "Type": "String",
        "Description": "The S3 bucket that has the zip files of the functions, in the stack's Region.",
        "AllowedPattern": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "ConstraintDescription": "must be the name of an S3 bucket.",
    },
    "CodePrefix": {
        "Type": "String",
        "Description": "What the keys of the zip files begin with, such as releases/0.1.0/.",
        "AllowedPattern": r"([A-Za-z0-9!_.*'()-]+/)*",
        "Default": "",
        "ConstraintDescription": "must be empty, or end with a slash, such as releases/0.1.0/.",
    },
}
_NOTIFICATION = {
    _TOPIC: {
        "Type": "String",
        "Description": (
            "The SNS topic for alarms and notices, in the stack's Region. Its policy, and the key of an "
            "encrypted topic, must allow cloudwatch.amazonaws.com to publish. With none no one is notified."
        ),
        "AllowedPattern": r"none|arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
        # Not empty: the CDK's validation refuses an alarm's action that may be.
        "Default": "none",
        "ConstraintDescription": "must be none, or the ARN of an SNS topic that is not a FIFO topic.",
    }
}
_OPERATION = {
    _KEY: {
        "Type": "String",
        "Description": (
            "The KMS key of the bucket and the logs. Its policy must allow CloudWatch Logs of the Region to "
            "use it."
        ),
        "AllowedPattern": r"none|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
        "Default": "none",
        "ConstraintDescription": "must be none, or the ARN of a KMS key; an alias is not one.",
    },
    "LogRetentionDays": {
        "Type": "Number",
        "Description": "How many days the logs are kept.",
        "AllowedValues": [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653],
        "Default": 365,
        "ConstraintDescription": "must be one that CloudWatch Logs offers, such as 30, 90 or 365.",
    },
    _BOUNDARY: {
        "Type": "String",
        "Description": "The permissions boundary of each role.",
        "AllowedPattern": r"none|arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+",
        "Default": "none",
        "ConstraintDescription": "must be none, or the ARN of a managed policy.",
    },
}
_OFFERED = {
    "OfferedInRegion": {
        "Assertions": [
            {
                "Assert": _not({"Fn::Contains": [["cn-north-1", "cn-northwest-1"], {"Ref": "AWS::Region"}]}),
                "AssertDescription": (
                    "Centralized root access is not available in the China Regions. Use a Region of another "
                    "partition."
                ),
            }
        ]
    }
}
_IN_REGION_OF_EVENTS = {"Fn::Equals": [{"Ref": "AWS::Region"}, REGION_OF_EVENTS]}
_NOTIFIES = _not(_equals(_TOPIC, "none"))
_OPERATION_CONDITIONS = {
    "Notifies": _NOTIFIES,
    "HasKey": _not(_equals(_KEY, "none")),
    "HasBoundary": _not(_equals(_BOUNDARY, "none")),
}
_ACTIONS = {"AlarmActions": "Notifies", "OKActions": "Notifies"}
_OPTIONAL = {**_ACTIONS, "KmsKeyId": "HasKey"}
_STATEMENTS = {"kms:": "HasKey", "sns:Publish": "Notifies", "securityhub:": "ImportsFindings"}
_PROPERTIES = {
    ("AWS::IAM::Role", "PermissionsBoundary"): {"Fn::If": ["HasBoundary", {"Ref": _BOUNDARY}, NO_VALUE]},
    ("AWS::Logs::LogGroup", "RetentionInDays"): {"Ref": "LogRetentionDays"},
}


def _parameter(stack: Stack, name: str) -> str:
    # The parameter's own definition takes the place of this one.
    return CfnParameter(stack, name).value_as_string


def _key(stack: Stack, *, has_key: bool) -> kms.IKey | None:
    return kms.Key.from_key_arn(stack, "Key", _parameter(stack, _KEY)) if has_key else None


def _topic(stack: Stack, *, notifies: bool) -> sns.ITopic | None:
    return sns.Topic.from_topic_arn(stack, "Topic", _parameter(stack, _TOPIC)) if notifies else None


def _add_root_access(
    stack: Stack,
    *,
    features: tuple[RootAccessFeature, ...],
    delegated_administrators: tuple[str, ...] | None,
    repair: bool,
    notifies: bool,
    has_key: bool,
) -> None:
    root_access = CentralizedRootAccess(
        stack,
        "RootAccess",
        features=features,
        delegated_administrators=delegated_administrators,
        encryption_key=_key(stack, has_key=has_key),
    )
    root_access.add_drift_check(repair=repair, notification_topic=_topic(stack, notifies=notifies))


_BOTH = ",".join(RootAccessFeature)
_DELEGATES = ("100000000001", "100000000002")

ROOT_ACCESS = ParameterTemplate(
    name="root-access",
    description="Enables centralized root access for the organization, and detects drift.",
    parameters={
        **_CODE,
        "Features": {
            "Type": "String",
            "Description": (
                "The features to enable. Any other is disabled for the whole organization, whichever stack "
                "enabled it."
            ),
            "AllowedValues": [_BOTH, *RootAccessFeature, "none"],
            "Default": _BOTH,
            "ConstraintDescription": f"must be {_BOTH}, one of the two, or none.",
        },
        "DelegatedAdministrators": {
            "Type": "String",
            "Description": (
                "The member accounts to register as delegated administrators for IAM, such as "
                "222222222222,333333333333. Any other is deregistered; with none every one is. With "
                "unmanaged they stay as they are."
            ),
            "AllowedPattern": f"unmanaged|none|{_ACCOUNTS}*",
            "Default": "unmanaged",
            "ConstraintDescription": (
                "must be unmanaged, none, or account IDs of 12 digits, separated by commas without spaces."
            ),
        },
        "Repair": _switch(
            "Whether the drift check enables again what was disabled: trusted access and listed features."
        ),
        **_NOTIFICATION,
        **_OPERATION,
    },
    rules=_OFFERED,
    conditions={
        **_OPERATION_CONDITIONS,
        "BothFeatures": _equals("Features", _BOTH),
        "OnlyRootCredentialsManagement": _equals("Features", RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT),
        "OnlyRootSessions": _equals("Features", RootAccessFeature.ROOT_SESSIONS),
        "UnmanagedDelegates": _equals("DelegatedAdministrators", "unmanaged"),
        "NoDelegates": _equals("DelegatedAdministrators", "none"),
        "Repairs": _equals("Repair", "true"),
        "InRegionOfEvents": _IN_REGION_OF_EVENTS,
    },
    choices={
        "notifies": _choice(("Notifies", {"notifies": True}), (None, {"notifies": False})),
        "repair": _choice(("Repairs", {"repair": True}), (None, {"repair": False})),
        "delegates": _choice(
            ("UnmanagedDelegates", {"delegated_administrators": None}),
            ("NoDelegates", {"delegated_administrators": ()}),
            (None, {"delegated_administrators": _DELEGATES}),
        ),
        "features": _choice(
            ("BothFeatures", {"features": tuple(RootAccessFeature)}),
            ("OnlyRootCredentialsManagement", {"features": (RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT,)}),
            ("OnlyRootSessions", {"features": (RootAccessFeature.ROOT_SESSIONS,)}),
            (None, {"features": ()}),
        ),
        "key": _choice(("HasKey", {"has_key": True}), (None, {"has_key": False})),
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
    statements=_STATEMENTS,
    optional=_OPTIONAL,
    properties=_PROPERTIES,
    lists={_DELEGATES: "DelegatedAdministrators"},
    add=_add_root_access,
)


_PROTECTED = ("100000000003", "100000000004")
# Stands for the others. No other number of the template is one of its own.
_INTERVAL = Duration.hours(11)
_LIFETIME = Duration.minutes(667)
_WARM_UPS = {"1 hour": 180, "6 hours": 1080, "12 hours": 2160, "1 day": 2880}


def _by_interval(prefix: str, values: Mapping[str, int | str]) -> Any:
    """Return the function that has a value for each interval."""
    *others, (_, last) = values.items()
    by_interval: Any = last
    for name, value in reversed(others):
        by_interval = {"Fn::If": [_interval_condition(prefix, name), value, by_interval]}
    return by_interval


def _interval_condition(prefix: str, name: str) -> str:
    return f"{prefix}{name.title().replace(' ', '')}"


def _interval_conditions(prefix: str, parameter: str) -> dict[str, Any]:
    # The last one is what remains.
    return {_interval_condition(prefix, name): _equals(parameter, name) for name in list(_INTERVALS)[:-1]}


def _task_condition(name: str) -> str:
    return f"{name.title()}s"


def _add_root_tasks(
    stack: Stack,
    *,
    protected_accounts: tuple[str, ...],
    audit_interval: Duration | None,
    notifies: bool,
    security_hub_findings: bool,
    audit_new_accounts: bool,
    has_key: bool,
    **listed: bool,
) -> None:
    RootTasks(
        stack,
        "RootTasks",
        tasks=[
            RootTask.AUDIT,
            *(task for name in _ACTING_TASKS if listed[name] for task in _ACTING_TASKS[name]),
        ],
        protected_accounts=protected_accounts,
        audit_interval=audit_interval,
        audit_new_accounts=audit_new_accounts and notifies,
        plan_lifetime=_LIFETIME,
        security_hub_findings=security_hub_findings,
        notification_topic=_topic(stack, notifies=notifies),
        encryption_key=_key(stack, has_key=has_key),
    )


ROOT_TASKS = ParameterTemplate(
    name="root-tasks",
    description="Audits the root users of the organization's member accounts, and runs root tasks.",
    parameters={
        **_CODE,
        "Tasks": {
            "Type": "String",
            "Description": (
                "The root tasks that can be planned and executed: delete credentials, allow password "
                "recovery, unlock bucket and queue policies. An audit changes nothing."
            ),
            "AllowedValues": _TASKS,
            "Default": _AUDIT,
            "ConstraintDescription": f"must be one of: {' | '.join(_TASKS)}.",
        },
        "ProtectedAccounts": {
            "Type": "String",
            "Description": (
                "The accounts to exclude from every task, such as 222222222222,333333333333. Empty: none."
            ),
            "AllowedPattern": f"|{_ACCOUNTS}{{0,{_MAX_OTHER_PROTECTED_ACCOUNTS}}}",
            "Default": "",
            "ConstraintDescription": (
                f"must be empty, or at most {_MAX_OTHER_PROTECTED_ACCOUNTS + 1} account IDs of 12 digits, "
                "separated by commas without spaces."
            ),
        },
        "AuditInterval": {
            "Type": "String",
            "Description": "How often every account is audited.",
            "AllowedValues": ["never", *_INTERVALS],
            "Default": "never",
            "ConstraintDescription": f"must be one of: never | {' | '.join(_INTERVALS)}.",
        },
        "AuditNewAccounts": _switch(
            "Whether each account that joins the organization is audited at once. It needs the topic, and a "
            "stack in us-east-1."
        ),
        "SecurityHubFindings": _switch(
            "Whether each full audit imports a finding for every account into Security Hub CSPM."
        ),
        "PlanLifetime": {
            "Type": "String",
            "Description": "How long a plan can be executed.",
            "AllowedValues": [*_INTERVALS],
            "Default": "1 day",
            "ConstraintDescription": f"must be one of: {' | '.join(_INTERVALS)}.",
        },
        **_NOTIFICATION,
        **_OPERATION,
    },
    rules={
        **_OFFERED,
        "NewAccounts": {
            "RuleCondition": _equals("AuditNewAccounts", "true"),
            "Assertions": [
                {
                    "Assert": _NOTIFIES,
                    "AssertDescription": f"AuditNewAccounts publishes what it finds. Set {_TOPIC}.",
                },
                {
                    "Assert": _IN_REGION_OF_EVENTS,
                    "AssertDescription": (
                        f"AuditNewAccounts needs a stack in {REGION_OF_EVENTS}, where CloudTrail delivers "
                        "the events of Organizations."
                    ),
                },
            ],
        },
    },
    conditions={
        **{
            _task_condition(name): {
                "Fn::Or": [_equals("Tasks", tasks) for tasks in _TASKS if name in tasks.split(",")]
            }
            for name in _ACTING_TASKS
        },
        "Acts": _not(_equals("Tasks", _AUDIT)),
        "ProtectsAccounts": _not(_equals("ProtectedAccounts", "")),
        **{
            f"ProtectsAndActs{number}": {"Fn::And": [{"Condition": "ProtectsAccounts"}, {"Condition": name}]}
            for number, name in enumerate(map(_task_condition, _ACTING_TASKS))
        },
        "Audits": _not(_equals("AuditInterval", "never")),
        **_interval_conditions("Every", "AuditInterval"),
        **_interval_conditions("For", "PlanLifetime"),
        "AuditsNewAccounts": _equals("AuditNewAccounts", "true"),
        "StartsAudits": {"Fn::Or": [{"Condition": "Audits"}, {"Condition": "AuditsNewAccounts"}]},
        "ImportsFindings": _equals("SecurityHubFindings", "true"),
        **_OPERATION_CONDITIONS,
    },
    choices={
        "findings": _choice(
            ("ImportsFindings", {"security_hub_findings": True}), (None, {"security_hub_findings": False})
        ),
        "interval": _choice(("Audits", {"audit_interval": _INTERVAL}), (None, {"audit_interval": None})),
        "protected": _choice(
            ("ProtectsAccounts", {"protected_accounts": _PROTECTED}), (None, {"protected_accounts": ()})
        ),
        "new": _choice(
            ("AuditsNewAccounts", {"audit_new_accounts": True}), (None, {"audit_new_accounts": False})
        ),
        "notifies": _choice(("Notifies", {"notifies": True}), (None, {"notifies": False})),
        "key": _choice(("HasKey", {"has_key": True}), (None, {"has_key": False})),
        **{
            name: _choice((_task_condition(name), {name: True}), (None, {name: False}))
            for name in _ACTING_TASKS
        },
    },
    table=(
        Row(ids="RootTasksDeleteCredentialsProtected", condition="ProtectsAndActs0"),
        Row(ids="RootTasksAllowPasswordRecoveryProtected", condition="ProtectsAndActs1"),
        Row(ids="RootTasks(Plan)?Unlock(Bucket|Queue)PolicyProtected", condition="ProtectsAndActs2"),
        Row(ids="RootTasksAuditProtected", condition="ProtectsAccounts"),
        Row(ids="RootTasksDeleteCredentials", condition="Deletes"),
        Row(ids="RootTasksAllowPasswordRecovery", condition="Recovers"),
        Row(ids="RootTasks(Plan)?Unlock(Bucket|Queue)Policy|RootTasksStartRunRestores", condition="Unlocks"),
        Row(
            ids="RootTasksStartExecution[0-9A-F]{8}$", condition="Acts", choices=("protected", *_ACTING_TASKS)
        ),
        Row(
            ids="RootTasks(Execute|StartExecution|WriteExecutionReport)",
            condition="Acts",
            choices=(*_ACTING_TASKS,),
        ),
        Row(ids="RootTasksNewAccount", condition="AuditsNewAccounts", choices=("protected",)),
        Row(ids="RootTasks(Interval|AuditsStopped)", condition="Audits"),
        Row(ids="RootTasksNotStarted", condition="StartsAudits", choices=("interval", "new")),
        Row(ids="RootTasksBucket[0-9A-F]{8}$", choices=("key",)),
        Row(ids="RootTasksStartRun[0-9A-F]{8}$", choices=("protected", *_ACTING_TASKS)),
        Row(ids="RootTasksWriteReport[0-9A-F]{8}$", choices=("notifies", "findings")),
        Row(ids="RootTasksFailed", choices=("new", *_ACTING_TASKS)),
        Row(
            ids="RootTasks(BucketPolicy|StartRunRole|Audit[0-9A-F]{8}$|AuditRole|AuditStateMachine|WriteReportRole)",
            choices=(*_ACTING_TASKS,),
        ),
    ),
    statements=_STATEMENTS,
    optional=_OPTIONAL,
    properties=_PROPERTIES,
    lists={_PROTECTED: "ProtectedAccounts"},
    texts={
        "rate(11 hours)": {"Fn::Join": ["", ["rate(", {"Ref": "AuditInterval"}, ")"]]},
        str(667 * 60): _by_interval("For", {name: str(hours * 3600) for name, hours in _INTERVALS.items()}),
    },
    numbers={
        11 * 3600: _by_interval("Every", {name: hours * 3600 for name, hours in _INTERVALS.items()}),
        11 * 180: _by_interval("Every", _WARM_UPS),
    },
    add=_add_root_tasks,
)


_EXEMPT = ("100000000005", "100000000006")
_TARGETS = ("ou-a1b2-c3d4e5f6", "ou-a1b2-c3d4e5f7")


def _add_guardrail(stack: Stack, *, exempt_accounts: tuple[str, ...]) -> None:
    RootUserGuardrail(stack, "RootUserGuardrail", targets=_TARGETS, exempt_accounts=exempt_accounts)


GUARDRAIL = ParameterTemplate(
    name="root-user-guardrail",
    description="Denies every action to root users of member accounts, except in root sessions.",
    parameters={
        "Targets": {
            "Type": "String",
            "Description": (
                "The organizational units and accounts to attach the policy to, such as "
                "ou-a1b2-c3d4e5f6,222222222222. Not the organization's root: begin with one unit."
            ),
            "AllowedPattern": f"{_TARGET}(,{_TARGET})*",
            "ConstraintDescription": (
                "must be IDs of organizational units or accounts, separated by commas without spaces."
            ),
        },
        "ExemptAccounts": {
            "Type": "String",
            "Description": (
                "The accounts under the targets whose root users are not denied anything, such as "
                "222222222222,333333333333. Empty: none."
            ),
            "AllowedPattern": f"|{_ACCOUNTS}*",
            "Default": "",
            "ConstraintDescription": (
                "must be empty, or account IDs of 12 digits, separated by commas without spaces."
            ),
        },
    },
    rules=_OFFERED,
    conditions={"ExemptsAccounts": _not(_equals("ExemptAccounts", ""))},
    choices={
        "exempt": _choice(("ExemptsAccounts", {"exempt_accounts": _EXEMPT}), (None, {"exempt_accounts": ()}))
    },
    table=(Row(ids="RootUserGuardrailPolicy", choices=("exempt",)),),
    lists={_EXEMPT: "ExemptAccounts", _TARGETS: "Targets"},
    texts=_STACK_NAME,
    add=_add_guardrail,
)


def _add_root_use_alarm(stack: Stack, *, allows_role: bool) -> None:
    role = iam.Role.from_role_arn(stack, "Role", _parameter(stack, "AllowedRoleArn"))
    RootUseAlarm(
        stack,
        "RootUse",
        trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", _parameter(stack, "TrailLogGroup")),
        allowed_roles=[role] if allows_role else [],
        notification_topic=_topic(stack, notifies=True),
    )


ROOT_USE_ALARM = ParameterTemplate(
    name="root-use-alarm",
    description="Alarms on used root users, and on root sessions that others than the allowed role open.",
    parameters={
        "TrailLogGroup": {
            "Type": "String",
            "Description": "The log group of the organization's trail, in the stack's account and Region.",
            "AllowedPattern": r"[A-Za-z0-9_/.#-]{1,512}",
            "ConstraintDescription": "must be the name of a log group.",
        },
        "AllowedRoleArn": {
            "Type": "String",
            "Description": (
                "The ARN of the roles that open root sessions, with a * for several, such as "
                "arn:aws:iam::222222222222:role/centralized-root-access/*. With none each AssumeRoot fires."
            ),
            "AllowedPattern": r"none|arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+\*?",
            "Default": "none",
            "ConstraintDescription": "must be none, or the ARN of a role, with or without a * at its end.",
        },
        **_NOTIFICATION,
    },
    rules=_OFFERED,
    conditions={"Notifies": _NOTIFIES, "AllowsRole": _not(_equals("AllowedRoleArn", "none"))},
    choices={"role": _choice(("AllowsRole", {"allows_role": True}), (None, {"allows_role": False}))},
    table=(Row(ids="RootUseUnexpectedAssumeRoot[0-9A-F]{8}$", choices=("role",)),),
    optional=_ACTIONS,
    texts=_STACK_NAME,
    add=_add_root_use_alarm,
)

TEMPLATES = (ROOT_ACCESS, ROOT_TASKS, GUARDRAIL, ROOT_USE_ALARM)
