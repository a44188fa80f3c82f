"""Arguments are accepted rightly, or refused with the argument, the value and the remedy."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_cdk import App, Aws, CfnParameter, Duration, Environment, Fn, ScopedAws, Stack, Token
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_organizations as organizations
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm

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
from support.accounts import MEMBER, OTHER_MEMBER
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    arguments_in_stack,
    bootstrap_stack,
    new_key,
    only_resource,
    template_of,
)

if TYPE_CHECKING:
    Build = Callable[..., None]

TOPIC_ARN = "arn:aws:sns:us-east-1:111111111111:News"
KEY_ARN = "arn:aws:kms:us-east-1:111111111111"
ROLES = "arn:aws:iam::222222222222:role/centralized-root-access/*"


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
    RootUserGuardrail(stack, "Guardrail", **{"targets": [OTHER_MEMBER], **arguments})


def session_guardrail(stack: Stack, **arguments: Any) -> None:
    RootSessionGuardrail(
        stack, "Guardrail", **{"session_roles": [ROLES], "targets": [OTHER_MEMBER], **arguments}
    )


def delegates(stack: Stack) -> Any:
    return only_resource(template_of(stack), "Custom::CentralizedRootAccess")["Properties"][
        "DelegatedAdministrators"
    ]


# Lists


LISTS: list[tuple[Build, str]] = [
    (root_access, "features"),
    (root_access, "delegated_administrators"),
    (root_tasks, "tasks"),
    (root_tasks, "protected_accounts"),
    (root_tasks, "root_email_domains"),
    (guardrail, "targets"),
    (guardrail, "exempt_accounts"),
    (session_guardrail, "tasks"),
    (session_guardrail, "delegated_administrators"),
    (session_guardrail, "targets"),
]


@pytest.mark.parametrize("listed", [list, tuple, set, frozenset])
def test_a_list_a_tuple_and_a_set_are_accepted(listed: Callable[[list[str]], Any]) -> None:
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    root_access(stack, delegated_administrators=listed([MEMBER]))
    assert delegates(stack) == [MEMBER]


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        (iter([MEMBER]), "list_iterator"),
        ({MEMBER: False}, "dict"),
        ({MEMBER: False}.keys(), "dict_keys"),
        (False, "bool"),
        ([222222222222], "222222222222 of type int"),
        ([MEMBER, None], "None of type NoneType"),
        ([[MEMBER]], "of type list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_a_list_of_strings_is_refused(wrong: Any, shown: str) -> None:
    refusal = rf"^delegated_administrators must be .*{shown}.*\. Write .*\.$"
    with pytest.raises(TypeError, match=refusal):
        root_access(bootstrap_stack(env=MANAGEMENT_ENVIRONMENT), delegated_administrators=wrong)


@pytest.mark.parametrize(("build", "argument"), LISTS)
def test_each_list_refuses_a_string(build: Build, argument: str) -> None:
    refusal = (
        f"^{argument} must be a list, a tuple or a set, got 'one' of type str. Write its "
        "values as a"
    )
    with pytest.raises(TypeError, match=refusal):
        build(bootstrap_stack(env=MANAGEMENT_ENVIRONMENT), **{argument: "one"})


@pytest.mark.parametrize(
    "token",
    [
        lambda parameter: [*parameter.value_as_list, MEMBER],
        lambda parameter: Fn.split(",", Fn.import_value("Listed")),
    ],
    ids=["parameter", "import"],
)
def test_a_list_token_is_refused(token: Callable[[CfnParameter], list[str]]) -> None:
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    parameter = CfnParameter(stack, "Listed", type="CommaDelimitedList")
    refusal = r"^delegated_administrators is a list token.*Token.*Write a list"
    with pytest.raises(ValueError, match=refusal):
        root_access(stack, delegated_administrators=token(parameter))


# Accounts that may be tokens


@pytest.mark.parametrize("names", [["A", "B"], ["B", "A"]])
def test_the_place_of_a_token_does_not_depend_on_when_it_was_created(names: list[str]) -> None:
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    tokens = [CfnParameter(stack, name).value_as_string for name in names]
    root_access(stack, delegated_administrators=tokens + [MEMBER] + tokens)
    assert delegates(stack) == [MEMBER, {"Ref": "A"}, {"Ref": "B"}]


@pytest.mark.parametrize("env", [MANAGEMENT_ENVIRONMENT, None], ids=["account", "any account"])
@pytest.mark.parametrize(
    "own",
    [
        lambda stack: Aws.ACCOUNT_ID,
        lambda stack: stack.account,
        lambda stack: ScopedAws(stack).account_id,
    ],
    ids=["pseudo parameter", "account of the stack", "scoped pseudo parameter"],
)
def test_the_stacks_own_account_is_refused_by_every_name(
    env: Environment | None, own: Callable[[Stack], str]
) -> None:
    stack = bootstrap_stack(env=env)
    refusal = r"lists [^$]*, the account of this stack.*List member accounts"
    with pytest.raises(ValueError, match=refusal):
        root_access(stack, delegated_administrators=[own(stack)])


def test_accounts_of_two_stacks_with_the_same_logical_id_are_two() -> None:
    app = App(analytics_reporting=False)
    accounts = [
        organizations.CfnAccount(
            Stack(app, name, env=MANAGEMENT_ENVIRONMENT),
            "Account",
            account_name="Security",
            email="security@example.com",
        )
        for name in ("One", "Two")
    ]
    stack = Stack(app, "Bootstrap", env=MANAGEMENT_ENVIRONMENT)
    root_access(stack, delegated_administrators=[account.attr_account_id for account in accounts])
    assert len(delegates(stack)) == 2


# What is refused, by argument


def parameter(stack: Stack) -> str:
    return CfnParameter(stack, "One").value_as_string


def looked_up(stack: Stack) -> list[str]:
    """What the first synth gets for a value that the CDK CLI looks up afterwards."""
    return [ssm.StringParameter.value_from_lookup(stack, "/organization/security-account")]


def elsewhere(stack: Stack) -> Stack:
    env = Environment(account=stack.account, region="eu-west-1")
    return Stack(cast("App", stack.node.root), "Elsewhere", env=env)


def topic(stack: Stack, region: str = "us-east-1", **parts: str) -> sns.ITopic:
    arn = TOPIC_ARN.replace("us-east-1", region) + parts.get("suffix", "")
    return sns.Topic.from_topic_arn(stack, "News", arn)


def key(stack: Stack, name: str, region: str = "us-east-1") -> kms.IKey:
    return kms.Key.from_key_arn(stack, "Key", f"{KEY_ARN.replace('us-east-1', region)}:{name}")


def trail(stack: Stack, region: str = "us-east-1", account: str = "111111111111") -> logs.ILogGroup:
    arn = f"arn:aws:logs:{region}:{account}:log-group:trail:*"
    return logs.LogGroup.from_log_group_arn(stack, "There", arn)


ANOTHER_TYPE: list[tuple[Build, str, Any, str]] = [
    (drift_check, "interval", 3600, "a Duration, .*Write Duration.hours\\(1\\)"),
    (root_tasks, "audit_interval", 86400, "a Duration, .*Write Duration.hours\\(1\\)"),
    (drift_check, "repair", "false", "True or False, .*Write True or False"),
    (drift_check, "security_hub_findings", "false", "True or False, .*Write True or False"),
    (root_tasks, "security_hub_findings", "true", "True or False, .*Write True or False"),
    (root_tasks, "allow_policy_override", 1, "True or False, .*Write True or False"),
    (root_use_alarm, "root_user_notices", "true", "True or False, .*Write True or False"),
    (root_use_alarm, "emergency_policy", "true", "True or False, .*Write True or False"),
    (guardrail, "allow_organization_root", "false", "True or False, .*Write True or False"),
    (
        drift_check,
        "notification_topic",
        TOPIC_ARN,
        "a topic of the CDK, .*sns.Topic.from_topic_arn",
    ),
    (root_tasks, "notification_topic", False, "a topic of the CDK, .*sns.Topic.from_topic_arn"),
    (root_use_alarm, "notification_topic", "", "a topic of the CDK, .*sns.Topic.from_topic_arn"),
    (root_use_alarm, "trail_log_group", "trail", "a log group of the CDK, .*from_log_group_name"),
    (root_use_alarm, "session_roles", "arn", "a list, a tuple or a set, .*Write arn:aws:iam::"),
    (
        root_use_alarm,
        "session_roles",
        [None],
        "a list of roles of the CDK and ARNs, .*Write arn:aws:iam::",
    ),
    (session_guardrail, "session_roles", None, "a list, a tuple or a set, .*Write arn:aws:iam::"),
    (root_access, "encryption_key", f"{KEY_ARN}:key/1", "a key of the CDK, .*kms.Key.from_key_arn"),
    (root_tasks, "encryption_key", True, "a key of the CDK, .*kms.Key.from_key_arn"),
    (root_access, "log_retention", 365, "a RetentionDays, .*RetentionDays.ONE_YEAR"),
    (root_tasks, "log_retention", None, "a RetentionDays, .*RetentionDays.ONE_YEAR"),
    (root_tasks, "accepted_credentials", "x", "a mapping, .*AcceptedCredentials"),
]


@pytest.mark.parametrize(("build", "argument", "value", "expected"), ANOTHER_TYPE)
def test_an_argument_of_another_type_is_refused(
    build: Build, argument: str, value: Any, expected: str
) -> None:
    with pytest.raises(TypeError, match=rf"^{argument} must be {expected}.*\.$") as refused:
        build(bootstrap_stack(env=MANAGEMENT_ENVIRONMENT), **{argument: value})
    shown = value[0] if isinstance(value, list) else value
    assert f"got {shown!r} of type {type(shown).__name__}. " in str(refused.value)


WITHOUT_DIGITS = (
    r"must contain 12-digit account IDs as strings; '2222' is not one\. Write all 12 digits"
)
A_TOKEN = r"contains a token, .*TOKEN.*must be known at synth\. Write the value"
NOT_LOOKED_UP = r"contains dummy-value-for-/.*, because .* value_from_lookup a valid default"
NOT_A_DOMAIN = r"must contain names of domains; '{}' is not one\. Write example.com"
NOT_A_PATH = (
    r"must be an IAM path of at most 512 .* a slash, got '{}'\. Write /security/root-access/"
)
UNKNOWN = r"must be known at synth, got a token\. Write Duration.hours\(1\)"
MINUTES = r"must be whole minutes, from 1 minute to {}, got {}\. Write Duration.hours\(1\)"
NOT_ROLES = "must contain roles of the CDK and ARNs of roles, .*; '{}'"
FIFO = r"is .*/News, a FIFO topic, .*Use a standard topic"
ELSEWHERE = "is .*/{0}, in eu-west-1; the stack is in us-east-1.*Use a {1} in us-east-1"
TRAIL_ELSEWHERE = ELSEWHERE.format("There", "log group")
TRAIL_OF_ANOTHER = TRAIL_ELSEWHERE.replace("eu-west-1", MEMBER).replace("us-east-1", "111111111111")
TOPIC_ELSEWHERE, KEY_ELSEWHERE = ELSEWHERE.format("News", "topic"), ELSEWHERE.format("Key", "key")
ALIAS = r"is the alias [^$]*[aA]lias[^$]*: .*kms\.Key\.from_lookup.*kms\.Key\.from_key_arn"
NUMBER = r"is {}\. Write a number from 1 to 1000"
AUDIT = r"needs the audit\. Add RootTask.AUDIT to tasks"

UNIT = "ou-a1b2-c3d4e5f6"


def accepted(**changed: Any) -> AcceptedCredentials:
    return AcceptedCredentials(
        **{"types": ["PASSWORD"], "reason": "Billing", "until": "2027-03-31", **changed}
    )


REFUSED_ENTRIES: list[tuple[dict[str, Any], str]] = [
    ({"types": []}, r"is empty\. List CredentialType.PASSWORD"),
    ({"types": ["policy"]}, r"contains 'policy'\. Valid .*: PASSWORD, ACCESS_KEY"),
    ({"reason": " "}, r"must be one line of text, got ' '\. Write why they stay"),
    ({"reason": "a\nb"}, r"must be one line of text"),
    ({"reason": "a" * 201}, r"has 201 characters; reports show 200\. Shorten it"),
    ({"until": "2027-02-30"}, r"must be a day, got '2027-02-30'\. Write 2027-03-31"),
    ({"until": "20270331"}, r"must be a day"),
    ({"until": date(2027, 3, 31)}, r"must be a day"),
]
NOT_TARGETS = ("ou-a1b2", "OU-A1B2-C3D4E5F6", f"{UNIT} ", "12345")
DELETION = [RootTask.DELETE]
SECONDS = Duration.seconds(Token.as_number({"Ref": "Seconds"}))
# A key by its alias: imported, imported with its key, new, and by an ARN with a token.
ALIASES: list[Callable[[Stack], kms.IKey]] = [
    lambda stack: kms.Alias.from_alias_name(stack, "Alias", "alias/audits"),
    lambda stack: kms.Alias.from_alias_attributes(
        stack, "Alias", alias_name="alias/audits", alias_target_key=new_key(stack)
    ),
    lambda stack: kms.Alias(stack, "Alias", alias_name="alias/audits", target_key=new_key(stack)),
    lambda stack: kms.Key.from_key_arn(
        stack, "Alias", f"arn:aws:kms:us-east-1:{Aws.ACCOUNT_ID}:alias/audits"
    ),
]

# The first argument is the one that is refused. A function gets the stack.
REFUSED: list[tuple[Build, dict[str, Any], str]] = [
    (
        root_access,
        {"features": ["RootPasswords"]},
        "contains 'RootPasswords'. Valid features: RootCr",
    ),
    (root_access, {"features": [RootTask.AUDIT]}, "contains 'audit.*Valid features: RootCr"),
    (root_access, {"features": lambda stack: [parameter(stack)]}, A_TOKEN),
    (root_access, {"delegated_administrators": ["2222"]}, WITHOUT_DIGITS),
    (root_access, {"delegated_administrators": looked_up}, NOT_LOOKED_UP),
    (guardrail, {"targets": looked_up}, NOT_LOOKED_UP),
    (
        root_tasks,
        {"tasks": [RootAccessFeature.ROOT_SESSIONS]},
        "contains 'RootSessions'. Valid tasks: audit",
    ),
    (root_tasks, {"tasks": []}, "is empty. List RootTask.AUDIT, for example"),
    (root_tasks, {"tasks": lambda stack: [parameter(stack)]}, A_TOKEN),
    (root_tasks, {"protected_accounts": ["2222"]}, WITHOUT_DIGITS),
    (root_tasks, {"protected_accounts": lambda stack: [parameter(stack)]}, A_TOKEN),
    (root_tasks, {"protected_accounts": looked_up}, NOT_LOOKED_UP),
    (
        root_tasks,
        {"protected_accounts": [UNIT]},
        f".* '{UNIT}' is an organizational unit. List its accounts",
    ),
    *(
        (root_tasks, {"root_email_domains": [domain]}, NOT_A_DOMAIN.format(re.escape(domain)))
        for domain in ("root@example.com", "*.example.com", "localhost", "-a.com", "a..com")
    ),
    (root_tasks, {"root_email_domains": lambda stack: [parameter(stack)]}, A_TOKEN),
    *(
        (root_tasks, {"role_path": path}, NOT_A_PATH.format(path))
        for path in ("", "root", "/root", "//", "/ä/", f"/{'a' * 511}/")
    ),
    (root_tasks, {"role_path": parameter}, A_TOKEN),
    *(
        (
            root_tasks,
            {"accepted_credentials": {id_: accepted()}},
            "must have IDs of accounts or .* as keys; ",
        )
        for id_ in ("2222", "r-a1b2", MEMBER + " ", 222222222222)
    ),
    *(
        (root_tasks, {"accepted_credentials": {MEMBER: accepted(**changed)}}, why)
        for changed, why in REFUSED_ENTRIES
    ),
    (
        root_tasks,
        {"accepted_credentials": {f"{number:012}": accepted() for number in range(40)}},
        "would have .* environment, which has room for 3558: for 209 protected accounts .* List "
        "less",
    ),
    (
        root_tasks,
        {
            "protected_accounts": [f"{number:012}" for number in range(208)],
            "root_email_domains": ["the-longest-of-names.example.com"],
        },
        "and root_email_domains would have .* characters in a function's environment",
    ),
    (guardrail, {"targets": []}, "is empty"),
    *((guardrail, {"targets": [target]}, f".* '{target}' is not one") for target in NOT_TARGETS),
    (guardrail, {"targets": [UNIT, "r-a1b2"]}, "lists r-a1b2, the organization's root"),
    (guardrail, {"exempt_accounts": ["2222"]}, WITHOUT_DIGITS),
    (
        session_guardrail,
        {"session_roles": []},
        "is empty: nothing could open a root session. List a role",
    ),
    (session_guardrail, {"tasks": []}, "is empty. List RootTask.AUDIT, for example"),
    (session_guardrail, {"targets": []}, "and delegated_administrators are empty. List r-a1b2"),
    (session_guardrail, {"targets": ["r-A"]}, ".* 'r-A' is not one"),
    (session_guardrail, {"delegated_administrators": ["2222"]}, WITHOUT_DIGITS),
    (root_use_alarm, {"session_roles": ["Audit"]}, NOT_ROLES.format("Audit")),
    *(
        (session_guardrail, {"session_roles": [role]}, NOT_ROLES.format(re.escape(role)))
        for role in (
            "arn:aws:iam::222222222222:role/*",
            "arn:aws:iam::222222222222:role/a*b",
            "arn:aws:iam::*:role/Audit",
            "arn:aws:sts::222222222222:assumed-role/Audit/session",
        )
    ),
    (
        root_use_alarm,
        {"session_roles": lambda stack: [parameter(stack)]},
        "contains a token, .*Pass the role",
    ),
    (
        drift_check,
        {"interval": Duration.millis(60_001)},
        MINUTES.format("1 day", "1 minute 1 milli"),
    ),
    (drift_check, {"interval": Duration.hours(25)}, MINUTES.format("1 day", "1 day 1 hour")),
    (drift_check, {"interval": SECONDS}, UNKNOWN),
    (root_tasks, {"audit_interval": Duration.days(366)}, MINUTES.format("365 days", "366 days")),
    (root_tasks, {"security_hub_findings": True, "tasks": DELETION}, AUDIT),
    (root_tasks, {"audit_interval": Duration.days(1), "tasks": DELETION}, AUDIT),
    (
        root_use_alarm,
        {"root_user_notices": True},
        "publishes what root users do. Add a notification_topic",
    ),
    (drift_check, {"notification_topic": lambda stack: sns.Topic(stack, "News", fifo=True)}, FIFO),
    (root_tasks, {"notification_topic": lambda stack: topic(stack, suffix=".fifo")}, FIFO),
    (drift_check, {"notification_topic": lambda stack: topic(stack, "eu-west-1")}, TOPIC_ELSEWHERE),
    (
        drift_check,
        {"notification_topic": lambda stack: sns.Topic(elsewhere(stack), "News")},
        TOPIC_ELSEWHERE,
    ),
    (root_use_alarm, {"trail_log_group": lambda stack: trail(stack, "eu-west-1")}, TRAIL_ELSEWHERE),
    (
        root_use_alarm,
        {"trail_log_group": lambda stack: trail(stack, account=MEMBER)},
        TRAIL_OF_ANOTHER,
    ),
    (
        root_access,
        {"encryption_key": lambda stack: key(stack, "key/1", "eu-west-1")},
        KEY_ELSEWHERE,
    ),
    (
        root_access,
        {"encryption_key": lambda stack: kms.Key(elsewhere(stack), "Key")},
        KEY_ELSEWHERE,
    ),
    (root_tasks, {"encryption_key": lambda stack: key(stack, "alias/audits")}, ALIAS),
    *((root_access, {"encryption_key": alias}, ALIAS) for alias in ALIASES),
    (root_tasks, {"max_concurrency": True}, NUMBER.format(True)),
    (root_tasks, {"max_concurrency": "10"}, NUMBER.format("'10'")),
    (root_tasks, {"max_concurrency": 0}, NUMBER.format(0)),
    (root_tasks, {"max_concurrency": 1001}, NUMBER.format(1001)),
]


@pytest.mark.parametrize(("build", "arguments", "why"), REFUSED)
def test_what_cannot_work_is_refused_with_its_argument_and_a_remedy(
    build: Build, arguments: dict[str, Any], why: str
) -> None:
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    with pytest.raises(ValueError, match=rf"^{next(iter(arguments))}(\['\d+'\]\.\w+)? {why}.*\.$"):
        build(stack, **arguments_in_stack(stack, arguments))


@pytest.mark.parametrize(
    "build", [root_access, root_tasks, root_use_alarm, guardrail, session_guardrail]
)
def test_the_china_regions_are_refused(build: Build) -> None:
    why = r"^OrganizationBootstrap/\w+ is in cn-north-1: .*China Regions\. Use a Region of another"
    with pytest.raises(ValueError, match=why):
        build(bootstrap_stack(env=Environment(account="111111111111", region="cn-north-1")))


def test_a_second_drift_check_is_refused_with_a_sentence() -> None:
    root_access = CentralizedRootAccess(bootstrap_stack(env=MANAGEMENT_ENVIRONMENT), "RootAccess")
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
        (MANAGEMENT_ENVIRONMENT, parameter),
        (None, lambda stack: "arn:aws:sns:eu-west-1:111111111111:News"),
    ],
    ids=["parameter", "no env"],
)
def test_a_topic_whose_region_may_be_the_stacks_is_accepted(
    env: Environment | None, arn: Callable[[Stack], str]
) -> None:
    stack = bootstrap_stack(env=env)
    drift_check(stack, notification_topic=sns.Topic.from_topic_arn(stack, "Topic", arn(stack)))


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (root_tasks, {"audit_interval": Duration.days(365)}),
        (root_tasks, {"max_concurrency": 1}),
        (root_tasks, {"max_concurrency": 1000}),
        (
            root_access,
            {"encryption_key": lambda stack: kms.Key(stack, "Key", alias="alias/audits")},
        ),
        (
            root_access,
            {"encryption_key": lambda stack: kms.Key.from_key_arn(stack, "Key", parameter(stack))},
        ),
    ],
)
def test_what_is_just_within_the_limits_is_accepted(
    build: Build, arguments: dict[str, Any]
) -> None:
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    build(stack, **arguments_in_stack(stack, arguments))
