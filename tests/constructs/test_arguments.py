"""The constructs' arguments: each value is accepted rightly, or refused with argument, value and remedy."""

from __future__ import annotations

import inspect
import json
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_cdk import App, Aws, CfnParameter, Duration, Environment, Fn, ScopedAws, Stack, Token
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_organizations as organizations
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    AcceptedCredentials,
    CentralizedRootAccess,
    RootAccessDashboard,
    RootAccessFeature,
    RootSessionGuardrail,
    RootTask,
    RootTasks,
    RootUseAlarm,
    RootUserGuardrail,
)
from support.accounts import MEMBER, OTHER
from support.templates import (
    MANAGEMENT,
    arguments_for,
    bootstrap_stack,
    new_key,
    new_topic,
    only_resource,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Build = Callable[..., None]

TOPIC_ARN = "arn:aws:sns:us-east-1:111111111111:News"
KEY_ARN = "arn:aws:kms:us-east-1:111111111111"
TRAIL_ARN = "arn:aws:logs:eu-west-1:111111111111:log-group:trail:*"
ROLES = "arn:aws:iam::222222222222:role/centralized-root-access/*"
CHINA = Environment(account="111111111111", region="cn-north-1")


def root_access(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess", **arguments)


def drift_check(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(**arguments)


def root_tasks(stack: Stack, **arguments: Any) -> None:
    RootTasks(stack, "RootTasks", **arguments)


def root_use_alarm(stack: Stack, **arguments: Any) -> None:
    trail = logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail")
    RootUseAlarm(stack, "RootUse", **{"trail_log_group": trail, **arguments})


def guardrail(stack: Stack, **arguments: Any) -> None:
    RootUserGuardrail(stack, "Guardrail", **{"targets": [OTHER], **arguments})


def session_guardrail(stack: Stack, **arguments: Any) -> None:
    RootSessionGuardrail(stack, "Guardrail", **{"session_roles": [ROLES], "targets": [OTHER], **arguments})


def delegates(stack: Stack) -> Any:
    return only_resource(template(stack), "Custom::CentralizedRootAccess")["Properties"][
        "DelegatedAdministrators"
    ]


# Lists


LISTS: list[tuple[Build, str, str]] = [
    (root_access, "features", "RootSessions"),
    (root_access, "delegated_administrators", MEMBER),
    (root_tasks, "tasks", "IAMAuditRootUserCredentials"),
    (root_tasks, "protected_accounts", MEMBER),
    (root_tasks, "root_email_domains", "example.com"),
    (guardrail, "targets", MEMBER),
    (guardrail, "exempt_accounts", MEMBER),
    (session_guardrail, "tasks", "IAMAuditRootUserCredentials"),
    (session_guardrail, "delegated_administrators", MEMBER),
    (session_guardrail, "targets", MEMBER),
]


@pytest.mark.parametrize("listed", [list, tuple, set, frozenset])
def test_a_list_a_tuple_and_a_set_are_accepted(listed: Callable[[list[str]], Any]) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    root_access(stack, delegated_administrators=listed([MEMBER]))
    assert delegates(stack) == [MEMBER]


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        (MEMBER.encode(), "of type bytes"),
        (iter([MEMBER]), "list_iterator"),
        (map(str, [MEMBER]), "map"),
        ((member for member in [MEMBER]), "generator"),
        ({MEMBER: False}, "dict"),
        ({MEMBER: False}.keys(), "dict_keys"),
        (1, "int"),
        (False, "bool"),
        ([MEMBER.encode()], "bytes"),
        ([222222222222], "222222222222 of type int"),
        ([None], "None of type NoneType"),
        ([MEMBER, 1], "got 1 of type int"),
        ([[MEMBER]], "of type list"),
        ([{}], "of type dict"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_a_list_of_strings_is_refused(wrong: Any, shown: str) -> None:
    refusal = rf"^delegated_administrators must be .*{shown}.*\. Write .*\.$"
    with pytest.raises(TypeError, match=refusal):
        root_access(bootstrap_stack(env=MANAGEMENT), delegated_administrators=wrong)


@pytest.mark.parametrize(("build", "argument", "value"), LISTS)
def test_each_list_refuses_a_string_and_none(build: Build, argument: str, value: str) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(
        TypeError, match=rf"^{argument} must be a list, got the string '{value}'\. Write \['{value}'\]\.$"
    ):
        build(stack, **{argument: value})
    if build is not root_access or argument != "delegated_administrators":
        with pytest.raises(TypeError, match=f"^{argument} must be a list, a tuple or a set, got None"):
            build(bootstrap_stack(env=MANAGEMENT), **{argument: None})


def test_a_list_token_is_refused() -> None:
    parameter = CfnParameter(bootstrap_stack(), "Listed", type="CommaDelimitedList")
    tokens = [
        parameter.value_as_list,
        [*parameter.value_as_list, MEMBER],
        Fn.split(",", Fn.import_value("Listed")),
        tuple(parameter.value_as_list),
    ]
    for token in tokens:
        refusal = r"^delegated_administrators is a list token.*Token.*Write a list"
        with pytest.raises(ValueError, match=refusal):
            root_access(bootstrap_stack(env=MANAGEMENT), delegated_administrators=token)


def test_a_member_of_an_enum_in_place_of_a_list_is_shown_as_python() -> None:
    with pytest.raises(TypeError, match=r"Write \[RootAccessFeature\.ROOT_SESSIONS\]\.$"):
        root_access(bootstrap_stack(), features=RootAccessFeature.ROOT_SESSIONS)


@pytest.mark.parametrize("grant", ["audit", "plan", "execute", "stop", "read_reports"])
def test_a_grant_to_an_arn_is_refused_with_a_remedy(grant: str) -> None:
    tasks = RootTasks(bootstrap_stack(env=MANAGEMENT), "RootTasks", tasks=RootTask)
    with pytest.raises(TypeError, match=r"^grantee must be a role .*got 'arn:x'.*iam.Role.from_role_arn"):
        getattr(tasks, f"grant_{grant}")("arn:x")


# Accounts that may be tokens


def test_an_account_id_may_be_a_token_whose_place_does_not_depend_on_when_it_was_created() -> None:
    for names in (["A", "B"], ["B", "A"]):
        stack = bootstrap_stack(env=MANAGEMENT)
        tokens = [CfnParameter(stack, name).value_as_string for name in names]
        root_access(stack, delegated_administrators=[*tokens, MEMBER])
        assert delegates(stack) == [MEMBER, {"Ref": "A"}, {"Ref": "B"}]


@pytest.mark.parametrize("env", [MANAGEMENT, None], ids=["account", "any account"])
def test_the_stacks_own_account_is_refused_by_every_name(env: Environment | None) -> None:
    for own in (
        lambda stack: Aws.ACCOUNT_ID,
        lambda stack: stack.account,
        lambda stack: ScopedAws(stack).account_id,
    ):
        stack = bootstrap_stack(env=env)
        refusal = r"lists [^$]*, the account of this stack.*List member accounts"
        with pytest.raises(ValueError, match=refusal):
            root_access(stack, delegated_administrators=[own(stack)])


def test_an_account_that_is_listed_twice_is_refused_also_as_a_token() -> None:
    for other, shown in (
        (lambda security: security.value_as_string, '{"Ref": "Security"}'),
        (lambda security: Fn.ref("Security"), '{"Ref": "Security"}'),
        (lambda security: OTHER, OTHER),
    ):
        stack = bootstrap_stack(env=MANAGEMENT)
        security = CfnParameter(stack, "Security")
        twice = [OTHER, security.value_as_string, other(security)]
        with pytest.raises(ValueError, match=r"^delegated_administrators lists .* twice") as refused:
            root_access(stack, delegated_administrators=twice)
        assert str(refused.value) == f"delegated_administrators lists {shown} twice. List it once."


@pytest.mark.parametrize(
    "account_id",
    [
        lambda account: account.attr_account_id,
        lambda account: Fn.select(4, Fn.split(":", account.attr_arn)),
    ],
    ids=["attribute", "part of an ARN"],
)
def test_accounts_of_two_stacks_with_the_same_logical_id_are_two(account_id: Callable[[Any], str]) -> None:
    listed = []
    for names in (["One", "Two"], ["Two", "One"]):
        app = App(analytics_reporting=False)
        accounts = [new_account(Stack(app, name, env=MANAGEMENT)) for name in names]
        stack = Stack(app, "Bootstrap", env=MANAGEMENT)
        root_access(stack, delegated_administrators=[account_id(account) for account in accounts])
        listed.append([json.dumps(delegate) for delegate in delegates(stack)])
    assert listed[0] == listed[1], "in the order of the stacks, not of the tokens"
    assert [name for delegate in listed[0] for name in ("One", "Two") if f'"{name}:' in delegate] == [
        "One",
        "Two",
    ]


def test_an_account_of_another_stack_that_is_listed_twice_is_refused_with_its_path() -> None:
    app = App(analytics_reporting=False)
    account = new_account(Stack(app, "One", env=MANAGEMENT)).attr_account_id
    with pytest.raises(ValueError, match=r'lists {"Fn::GetAtt": .*} of One/Account twice\. List it once'):
        root_access(Stack(app, "Bootstrap", env=MANAGEMENT), delegated_administrators=[account, account])


def new_account(stack: Stack) -> organizations.CfnAccount:
    return organizations.CfnAccount(stack, "Account", account_name="Security", email="security@example.com")


# What is refused, by argument


def parameter(stack: Stack) -> str:
    return CfnParameter(stack, "One").value_as_string


def elsewhere(stack: Stack) -> Stack:
    env = Environment(account=stack.account, region="eu-west-1")
    return Stack(cast("App", stack.node.root), "Elsewhere", env=env)


def topic(stack: Stack, region: str = "us-east-1", **parts: str) -> sns.ITopic:
    arn = TOPIC_ARN.replace("us-east-1", region) + parts.get("suffix", "")
    return sns.Topic.from_topic_arn(stack, "News", arn)


def key(stack: Stack, name: str, region: str = "us-east-1") -> kms.IKey:
    return kms.Key.from_key_arn(stack, "Key", f"{KEY_ARN.replace('us-east-1', region)}:{name}")


ANOTHER_TYPE: list[tuple[Build, str, list[Any], str]] = [
    (drift_check, "interval", [0, 3600, "1 hour", True, timedelta(hours=1)], "a Duration, .*hours\\(1\\)"),
    (root_tasks, "audit_interval", [86400], "a Duration, .*Write Duration.hours\\(1\\)"),
    (root_tasks, "plan_lifetime", [1.5], "a Duration, .*Write Duration.hours\\(1\\)"),
    (drift_check, "repair", ["false", "", 1, None], "True or False, .*Write True or False"),
    (drift_check, "security_hub_findings", ["false", None], "True or False, .*Write True or False"),
    (root_tasks, "security_hub_findings", ["true"], "True or False, .*Write True or False"),
    (root_tasks, "allow_policy_override", ["true"], "True or False, .*Write True or False"),
    (root_tasks, "audit_new_accounts", ["yes"], "True or False, .*Write True or False"),
    (root_use_alarm, "root_user_notices", ["true", 1], "True or False, .*Write True or False"),
    (guardrail, "allow_organization_root", ["false"], "True or False, .*Write True or False"),
    (drift_check, "notification_topic", [TOPIC_ARN, "", False, {}], "an SNS topic .*sns.Topic.from_topic_a"),
    (root_tasks, "notification_topic", [TOPIC_ARN], "an SNS topic of the CDK, .*sns.Topic.from_topic_arn"),
    (root_use_alarm, "notification_topic", [TOPIC_ARN], "an SNS topic of the CDK, .*sns.Topic.from_topic"),
    (root_use_alarm, "trail_log_group", ["trail", None], "a log group of the CDK, .*from_log_group_name"),
    (root_use_alarm, "allowed_roles", ["arn", iter(()), {}, None], "a list, a tuple or a set, .*Write arn:"),
    (root_use_alarm, "allowed_roles", [[1], [None]], "a list of roles of the CDK and ARNs, .*Write arn:aws"),
    (session_guardrail, "session_roles", ["arn", None], "a list, a tuple or a set, .*Write arn:aws:iam::"),
    (root_access, "encryption_key", [f"{KEY_ARN}:key/1", True, {}], "a KMS key .*kms.Key.from_key_arn"),
    (root_tasks, "encryption_key", [f"{KEY_ARN}:key/1"], "a KMS key of the CDK, .*kms.Key.from_key_arn"),
    (root_access, "log_retention", [365, "ONE_YEAR", None, True], "a RetentionDays.*RetentionDays.ONE_YEAR"),
    (root_tasks, "log_retention", [365], "a RetentionDays.*logs.RetentionDays.ONE_YEAR"),
    (root_tasks, "max_concurrency", [True, 2.5, "10", None], "an int, .*Write a number from 1 to 1000"),
    (root_tasks, "accepted_credentials", ["x", 1], "a mapping, .*AcceptedCredentials"),
    (root_tasks, "role_path", [None, 1, ("/a/",)], "a string, .*Write /security/root-access/"),
]


@pytest.mark.parametrize(("build", "argument", "values", "expected"), ANOTHER_TYPE)
def test_an_argument_of_another_type_is_refused(
    build: Build, argument: str, values: list[Any], expected: str
) -> None:
    for value in values:
        with pytest.raises(TypeError, match=rf"^{argument} must be {expected}.*\.$") as refused:
            build(bootstrap_stack(env=MANAGEMENT), **{argument: value})
        shown = value[0] if isinstance(value, list) else value
        assert f"got {shown!r} of type {type(shown).__name__}. " in str(refused.value)


WITHOUT_DIGITS = r"must contain 12-digit account IDs as strings; '2222' is not one\. Write all 12 digits"
A_TOKEN = r"contains a token, .*TOKEN.*must be known at synth\. Write the value"
NOT_A_DOMAIN = r"must contain names of domains; '{}' is not one\. Write example.com"
NOT_A_PATH = r"must begin and end with a slash, got '{}'\. Write /security/root-access/"
UNKNOWN = r"must be known at synth, got a token\. Write Duration.hours\(1\)"
MINUTES = r"must be whole minutes, from 1 minute to {}, got {}\. Write Duration.hours\(1\)"
LIFETIME = r"must be whole seconds, more than 0 and at most 24 hours, got .*\. Write Duration.hours\(24\)"
FIFO = r"is .*/News, a FIFO topic, .*Use a standard topic"
ELSEWHERE = "is .*/{0}, a {1} in eu-west-1; the stack is in us-east-1.*Use a {1} in us-east-1"
TOPIC_ELSEWHERE, KEY_ELSEWHERE = ELSEWHERE.format("News", "topic"), ELSEWHERE.format("Key", "key")
ALIAS = r"is the alias [^$]*[aA]lias[^$]*: .*kms\.Key\.from_lookup.*kms\.Key\.from_key_arn"
NUMBER = r"must be from 1 to 1000, got {}\. Write 5, for example"
AUDIT = r"starts the audit\. Add RootTask.AUDIT to tasks"

UNIT = "ou-a1b2-c3d4e5f6"


def accepted(**changed: Any) -> AcceptedCredentials:
    return AcceptedCredentials(
        **{"types": ["password"], "reason": "Billing", "until": "2027-03-31", **changed}
    )


REFUSED_ENTRIES: list[tuple[dict[str, Any], str]] = [
    ({"types": []}, r"is empty\. List CredentialType.MFA_DEVICE"),
    ({"types": ["policy"]}, r"contains 'policy'\. Valid .*: password, access key"),
    ({"reason": " "}, r"must be one line of text, got ' '\. Write why they stay"),
    ({"reason": "a\nb"}, r"must be one line of text"),
    ({"reason": "a" * 201}, r"has 201 characters; reports show 200\. Shorten it"),
    ({"until": "2027-02-30"}, r"must be a day, got '2027-02-30'\. Write 2027-03-31"),
    ({"until": "20270331"}, r"must be a day"),
    ({"until": date(2027, 3, 31)}, r"must be a day"),
]
NOT_TARGETS = ("ou-a1b2", "OU-A1B2-C3D4E5F6", f"{UNIT} ", "p-FullAWSAccess", "12345", "")
DELETION = [RootTask.DELETE_CREDENTIALS]
SECONDS = Duration.seconds(Token.as_number({"Ref": "Seconds"}))

# The first argument is the one that is refused. A function gets the stack.
REFUSED: list[tuple[Build, dict[str, Any], str]] = [
    (root_access, {"features": ["RootPasswords"]}, "contains 'RootPasswords'. Valid features: RootCr"),
    (root_access, {"features": [RootTask.AUDIT]}, "contains 'IAMAudit.*Valid features: RootCr"),
    (root_access, {"features": lambda stack: [parameter(stack)]}, A_TOKEN),
    (root_access, {"delegated_administrators": ["2222"]}, WITHOUT_DIGITS),
    (root_tasks, {"tasks": [RootAccessFeature.ROOT_SESSIONS]}, "contains 'RootSessions'. Valid tasks: IAMA"),
    (root_tasks, {"tasks": []}, "is empty. List at least RootTask.AUDIT"),
    (root_tasks, {"tasks": lambda stack: [parameter(stack)]}, A_TOKEN),
    (root_tasks, {"protected_accounts": ["2222"]}, WITHOUT_DIGITS),
    (root_tasks, {"protected_accounts": ["\u0662" * 12]}, "must contain 12-digit account IDs"),
    (root_tasks, {"protected_accounts": lambda stack: [parameter(stack)]}, A_TOKEN),
    (root_tasks, {"protected_accounts": [UNIT]}, f".* '{UNIT}' is an organizational unit. List its accounts"),
    *(
        (root_tasks, {"root_email_domains": [domain]}, NOT_A_DOMAIN.format(re.escape(domain)))
        for domain in (
            "root@example.com",
            "@example.com",
            "*.example.com",
            "localhost",
            "-a.com",
            "a..com",
            "",
        )
    ),
    (root_tasks, {"root_email_domains": lambda stack: [parameter(stack)]}, A_TOKEN),
    *(
        (root_tasks, {"role_path": path}, NOT_A_PATH.format(path))
        for path in ("", "root", "/root", "//", "/ä/")
    ),
    (root_tasks, {"role_path": f"/{'a' * 511}/"}, "must begin and end with a slash"),
    (root_tasks, {"role_path": parameter}, A_TOKEN),
    *(
        (root_tasks, {"accepted_credentials": {id_: accepted()}}, "must have IDs of accounts or .* as keys; ")
        for id_ in ("2222", "r-a1b2", MEMBER + " ", 222222222222)
    ),
    *(
        (root_tasks, {"accepted_credentials": {MEMBER: accepted(**changed)}}, why)
        for changed, why in REFUSED_ENTRIES
    ),
    (
        root_tasks,
        {"accepted_credentials": {f"{number:012}": accepted() for number in range(40)}},
        "would have .* characters in a function's environment, which has room for 3406. List less",
    ),
    (
        root_tasks,
        {
            "protected_accounts": [f"{number:012}" for number in range(199)],
            "root_email_domains": ["the-longest-of-names.example.com"],
        },
        "and root_email_domains would have .* characters in a function's environment",
    ),
    (guardrail, {"targets": []}, "is empty"),
    *((guardrail, {"targets": [target]}, f".* '{target}' is not one") for target in NOT_TARGETS),
    (guardrail, {"targets": [UNIT, "r-a1b2"]}, "lists r-a1b2, the organization's root"),
    (guardrail, {"exempt_accounts": [OTHER], "targets": [OTHER, UNIT]}, ".* is one of the targets as well"),
    (guardrail, {"exempt_accounts": [f"{number:012}" for number in range(800)]}, "lists 800 accounts"),
    (guardrail, {"exempt_accounts": ["2222"]}, WITHOUT_DIGITS),
    (guardrail, {"exempt_accounts": lambda stack: [parameter(stack)]}, A_TOKEN),
    (session_guardrail, {"session_roles": []}, "is empty: nothing could open a root session. List a role"),
    (session_guardrail, {"tasks": []}, "is empty. List at least RootTask.AUDIT"),
    (session_guardrail, {"targets": []}, "and delegated_administrators are empty. List r-a1b2"),
    (session_guardrail, {"targets": ["r-A"]}, ".* 'r-A' is not one"),
    (session_guardrail, {"delegated_administrators": ["2222"]}, WITHOUT_DIGITS),
    (session_guardrail, {"delegated_administrators": lambda stack: [parameter(stack)]}, A_TOKEN),
    *(
        (
            build,
            {argument: [role]},
            f"must contain roles of the CDK and ARNs of roles, .*; '{re.escape(role)}'",
        )
        for build, argument in ((session_guardrail, "session_roles"), (root_use_alarm, "allowed_roles"))
        for role in (
            "Audit",
            "arn:aws:iam::222222222222:role/*",
            "arn:aws:iam::222222222222:role/a*b",
            "arn:aws:iam::*:role/Audit",
            "arn:aws:iam::222222222222:user/Audit",
            "arn:aws:sts::222222222222:assumed-role/Audit/session",
        )
    ),
    (
        root_use_alarm,
        {"allowed_roles": lambda stack: [parameter(stack)]},
        "contains a token, .*Pass the role",
    ),
    (drift_check, {"interval": Duration.minutes(0)}, MINUTES.format("1 day", "0 minutes")),
    (drift_check, {"interval": Duration.seconds(30)}, MINUTES.format("1 day", "30 seconds")),
    (drift_check, {"interval": Duration.seconds(90)}, MINUTES.format("1 day", "1 minute 30 seconds")),
    (drift_check, {"interval": Duration.millis(60_001)}, MINUTES.format("1 day", "1 minute 1 milli")),
    (drift_check, {"interval": Duration.hours(25)}, MINUTES.format("1 day", "1 day 1 hour")),
    (drift_check, {"interval": SECONDS}, UNKNOWN),
    (root_tasks, {"audit_interval": Duration.seconds(90)}, MINUTES.format("365 days", "1 minute 30 seconds")),
    (root_tasks, {"audit_interval": Duration.days(366)}, MINUTES.format("365 days", "366 days")),
    (
        root_tasks,
        {"security_hub_findings": True, "tasks": DELETION},
        "imports what audits find. Add RootTask.A",
    ),
    (root_tasks, {"audit_interval": Duration.days(1), "tasks": DELETION}, "schedules the audit. Add RootTa"),
    (root_tasks, {"plan_lifetime": Duration.seconds(0)}, LIFETIME),
    (root_tasks, {"plan_lifetime": Duration.millis(1500)}, LIFETIME),
    (root_tasks, {"plan_lifetime": Duration.seconds(86_401)}, LIFETIME),
    (root_tasks, {"plan_lifetime": SECONDS}, UNKNOWN),
    (root_tasks, {"audit_new_accounts": True}, "publishes what it finds. Add a notification_topic"),
    (root_tasks, {"audit_new_accounts": True, "notification_topic": topic, "tasks": DELETION}, AUDIT),
    (root_use_alarm, {"root_user_notices": True}, "publishes what root users do. Add a notification_topic"),
    (drift_check, {"notification_topic": lambda stack: sns.Topic(stack, "News", fifo=True)}, FIFO),
    (drift_check, {"notification_topic": lambda stack: topic(stack, suffix=".fifo")}, FIFO),
    (root_tasks, {"notification_topic": lambda stack: topic(stack, suffix=".fifo")}, FIFO),
    (root_use_alarm, {"notification_topic": lambda stack: topic(stack, suffix=".fifo")}, FIFO),
    (drift_check, {"notification_topic": lambda stack: topic(stack, "eu-west-1")}, TOPIC_ELSEWHERE),
    (drift_check, {"notification_topic": lambda stack: sns.Topic(elsewhere(stack), "News")}, TOPIC_ELSEWHERE),
    (root_access, {"encryption_key": lambda stack: key(stack, "key/1", "eu-west-1")}, KEY_ELSEWHERE),
    (root_access, {"encryption_key": lambda stack: kms.Key(elsewhere(stack), "Key")}, KEY_ELSEWHERE),
    (root_tasks, {"encryption_key": lambda stack: key(stack, "alias/audits")}, ALIAS),
    (root_tasks, {"max_concurrency": -1}, NUMBER.format(-1)),
    (root_tasks, {"max_concurrency": 0}, NUMBER.format(0)),
    (root_tasks, {"max_concurrency": 1001}, NUMBER.format(1001)),
]


@pytest.mark.parametrize(("build", "arguments", "why"), REFUSED)
def test_what_cannot_work_is_refused_with_its_argument_and_a_remedy(
    build: Build, arguments: dict[str, Any], why: str
) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(ValueError, match=rf"^{next(iter(arguments))}(\['\d+'\]\.\w+)? {why}.*\.$"):
        build(stack, **arguments_for(stack, arguments))


@pytest.mark.parametrize(
    ("region", "where"), [("eu-west-1", "eu-west-1"), (None, "an unknown Region")], ids=["another", "unknown"]
)
def test_a_region_without_the_events_of_organizations_is_refused(region: str | None, where: str) -> None:
    stack = bootstrap_stack(env=Environment(account="111111111111", region=region))
    with pytest.raises(ValueError, match=rf"^audit_new_accounts needs .* us-east-1, .* is in {where}\."):
        root_tasks(stack, audit_new_accounts=True, notification_topic=new_topic(stack))


def test_a_trail_of_another_region_is_refused_because_a_group_of_its_name_would_be_watched() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    trail = logs.LogGroup.from_log_group_arn(stack, "There", TRAIL_ARN)
    why = r"^trail_log_group is .*/There, a log group in eu-west-1; the stack is in us-east-1"
    with pytest.raises(ValueError, match=why):
        root_use_alarm(stack, trail_log_group=trail)


@pytest.mark.parametrize("build", [root_access, root_tasks, root_use_alarm, guardrail, session_guardrail])
def test_the_china_regions_are_refused(build: Build) -> None:
    why = r"^OrganizationBootstrap/\w+ is in cn-north-1: .*China Regions\. Use a Region of another"
    with pytest.raises(ValueError, match=why):
        build(bootstrap_stack(env=CHINA))


ALIASES: dict[str, Callable[[Stack], kms.IKey]] = {
    "imported": lambda stack: kms.Alias.from_alias_name(stack, "Alias", "alias/audits"),
    "imported with its key": lambda stack: kms.Alias.from_alias_attributes(
        stack, "Alias", alias_name="alias/audits", alias_target_key=new_key(stack)
    ),
    "added": lambda stack: new_key(stack).add_alias("alias/audits"),
    "new": lambda stack: kms.Alias(stack, "Alias", alias_name="alias/audits", target_key=new_key(stack)),
    "ARN with a token": lambda stack: kms.Key.from_key_arn(
        stack, "Alias", f"arn:aws:kms:us-east-1:{Aws.ACCOUNT_ID}:alias/audits"
    ),
}


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES)
def test_an_alias_of_a_key_is_refused_in_every_form(alias: Callable[[Stack], kms.IKey]) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(ValueError, match=f"^encryption_key {ALIAS}"):
        root_access(stack, encryption_key=alias(stack))


def test_a_second_drift_check_is_refused_with_a_sentence() -> None:
    root_access = CentralizedRootAccess(bootstrap_stack(env=MANAGEMENT), "RootAccess")
    root_access.add_drift_check()
    with pytest.raises(ValueError, match=r"already has a drift check. Call add_drift_check once"):
        root_access.add_drift_check(repair=True)


def test_nothing_is_accepted_positionally() -> None:
    for construct in (
        CentralizedRootAccess,
        RootAccessDashboard,
        RootSessionGuardrail,
        RootTasks,
        RootUseAlarm,
        RootUserGuardrail,
    ):
        positional = [
            parameter.name
            for parameter in inspect.signature(construct.__init__).parameters.values()
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        assert positional == ["self", "scope", "id"]


# What is accepted


@pytest.mark.parametrize(
    ("env", "arn"),
    [
        (MANAGEMENT, parameter),
        (MANAGEMENT, lambda stack: f"arn:aws:sns:{Aws.REGION}:111111111111:News"),
        (None, lambda stack: "arn:aws:sns:eu-west-1:111111111111:News"),
        (None, parameter),
    ],
    ids=["parameter", "Aws.REGION", "no env", "neither"],
)
def test_a_topic_whose_region_may_be_the_stacks_is_accepted(
    env: Environment | None, arn: Callable[[Stack], str]
) -> None:
    stack = bootstrap_stack(env=env)
    drift_check(stack, notification_topic=sns.Topic.from_topic_arn(stack, "Topic", arn(stack)))


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (drift_check, {"interval": Duration.minutes(1)}),
        (root_tasks, {"audit_interval": Duration.days(365)}),
        (root_tasks, {"plan_lifetime": Duration.seconds(1)}),
        (root_tasks, {"plan_lifetime": Duration.millis(2000)}),
        (root_tasks, {"plan_lifetime": Duration.hours(24)}),
        (root_tasks, {"max_concurrency": 1}),
        (root_tasks, {"max_concurrency": 1000}),
        (root_access, {"encryption_key": lambda stack: kms.Key(stack, "Key", alias="alias/audits")}),
        (root_access, {"encryption_key": lambda stack: kms.Key.from_key_arn(stack, "Key", parameter(stack))}),
    ],
)
def test_what_is_just_within_the_limits_is_accepted(build: Build, arguments: dict[str, Any]) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    build(stack, **arguments_for(stack, arguments))
