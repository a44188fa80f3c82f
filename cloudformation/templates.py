"""The templates with parameters: what each parameter is, and which argument of a construct it decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from aws_cdk import CfnParameter, Duration, Stack
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess, RootAccessFeature, RootTask, RootTasks
from centralized_root_access._permissions import MAX_PROTECTED_ACCOUNTS

from .merge import Option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REGION_OF_EVENTS = "us-east-1"
# Any other one.
_OTHER_REGION = "eu-west-1"
_TOPIC = "NotificationTopicArn"

_ACCOUNTS = r"[0-9]{12}(,[0-9]{12})"
_TRUE = ["true", "false"]
_MAX_OTHER_PROTECTED_ACCOUNTS = MAX_PROTECTED_ACCOUNTS - 1

# Between them nothing differs but the interval, and how long a new alarm waits.
_INTERVALS = {"1 hour": 1, "6 hours": 6, "12 hours": 12, "1 day": 24}
_AUDIT = "audit"
# What can be listed after it, in this order.
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


@dataclass(frozen=True, kw_only=True)
class ParameterTemplate:
    """A template with parameters.

    Attributes:
        name: The beginning of its file's name.
        description: What it deploys.
        parameters: Its section of parameters.
        rules: Its section of rules.
        conditions: The definitions of the options' conditions.
        choices: What its parameters decide.
        lists: The elements that stand for a list, and its parameter.
        texts: What stands for a text, and the function that takes its place.
        numbers: What stands for a number, and the function that takes its place.
        add: Adds the construct to a stack, with the arguments of an option of each choice.
    """

    name: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Any]
    conditions: Mapping[str, Any]
    choices: tuple[tuple[Option, ...], ...]
    lists: Mapping[tuple[str, str], str]
    add: Callable[..., None]
    texts: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[int, Any] = field(default_factory=dict)


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
            "encrypted topic, must allow cloudwatch.amazonaws.com to publish. With none nobody is notified."
        ),
        "AllowedPattern": r"none|arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
        # Not empty: the CDK's validation refuses an alarm's action that may be.
        "Default": "none",
        "ConstraintDescription": "must be none, or the ARN of an SNS topic that is not a FIFO topic.",
    }
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


def _topic(stack: Stack, *, notifies: bool) -> sns.ITopic | None:
    if not notifies:
        return None
    # The parameter's own definition takes the place of this one.
    return sns.Topic.from_topic_arn(stack, "Topic", CfnParameter(stack, _TOPIC).value_as_string)


def _add_root_access(
    stack: Stack,
    *,
    features: tuple[RootAccessFeature, ...],
    delegated_administrators: tuple[str, ...] | None,
    repair: bool,
    notifies: bool,
) -> None:
    root_access = CentralizedRootAccess(
        stack, "RootAccess", features=features, delegated_administrators=delegated_administrators
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
    },
    rules=_OFFERED,
    conditions={
        "BothFeatures": _equals("Features", _BOTH),
        "OnlyRootCredentialsManagement": _equals("Features", RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT),
        "OnlyRootSessions": _equals("Features", RootAccessFeature.ROOT_SESSIONS),
        "UnmanagedDelegates": _equals("DelegatedAdministrators", "unmanaged"),
        "NoDelegates": _equals("DelegatedAdministrators", "none"),
        "Repairs": _equals("Repair", "true"),
        "Notifies": _NOTIFIES,
        "InRegionOfEvents": _IN_REGION_OF_EVENTS,
    },
    choices=(
        _choice(("InRegionOfEvents", {"region": REGION_OF_EVENTS}), (None, {"region": _OTHER_REGION})),
        _choice(("Notifies", {"notifies": True}), (None, {"notifies": False})),
        _choice(("Repairs", {"repair": True}), (None, {"repair": False})),
        _choice(
            ("UnmanagedDelegates", {"delegated_administrators": None}),
            ("NoDelegates", {"delegated_administrators": ()}),
            (None, {"delegated_administrators": _DELEGATES}),
        ),
        _choice(
            ("BothFeatures", {"features": tuple(RootAccessFeature)}),
            ("OnlyRootCredentialsManagement", {"features": (RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT,)}),
            ("OnlyRootSessions", {"features": (RootAccessFeature.ROOT_SESSIONS,)}),
            (None, {"features": ()}),
        ),
    ),
    lists={_DELEGATES: "DelegatedAdministrators"},
    add=_add_root_access,
)


_PROTECTED = ("100000000003", "100000000004")
# Stands for the others. No other number of the template is one of its own.
_INTERVAL = Duration.hours(11)
_WARM_UPS = {"1 hour": 180, "6 hours": 1080, "12 hours": 2160, "1 day": 2880}


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
    stack: Stack,
    *,
    protected_accounts: tuple[str, ...],
    audit_interval: Duration | None,
    notifies: bool,
    security_hub_findings: bool,
    audit_new_accounts: bool = False,
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
        audit_new_accounts=audit_new_accounts,
        security_hub_findings=security_hub_findings,
        notification_topic=_topic(stack, notifies=notifies),
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
        **_NOTIFICATION,
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
        "ProtectsAccounts": _not(_equals("ProtectedAccounts", "")),
        "NeverAudits": _equals("AuditInterval", "never"),
        **{_interval_condition(name): _equals("AuditInterval", name) for name in _INTERVALS},
        "AuditsNewAccounts": _equals("AuditNewAccounts", "true"),
        "ImportsFindings": _equals("SecurityHubFindings", "true"),
        "Notifies": _NOTIFIES,
    },
    choices=(
        _choice(
            ("ImportsFindings", {"security_hub_findings": True}), (None, {"security_hub_findings": False})
        ),
        _choice(("NeverAudits", {"audit_interval": None}), (None, {"audit_interval": _INTERVAL})),
        _choice(("ProtectsAccounts", {"protected_accounts": _PROTECTED}), (None, {"protected_accounts": ()})),
        _choice(
            ("AuditsNewAccounts", {"notifies": True, "audit_new_accounts": True}),
            ("Notifies", {"notifies": True}),
            (None, {"notifies": False}),
        ),
        *(_choice((_task_condition(name), {name: True}), (None, {name: False})) for name in _ACTING_TASKS),
    ),
    lists={_PROTECTED: "ProtectedAccounts"},
    texts={"rate(11 hours)": {"Fn::Join": ["", ["rate(", {"Ref": "AuditInterval"}, ")"]]}},
    numbers={
        11 * 3600: _by_interval({name: hours * 3600 for name, hours in _INTERVALS.items()}),
        11 * 180: _by_interval(_WARM_UPS),
    },
    add=_add_root_tasks,
)

TEMPLATES = (ROOT_ACCESS, ROOT_TASKS)
