"""Arguments are accepted rightly, or refused with the argument, the value and the remedy."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_cdk import App, Aws, CfnParameter, Duration, Environment, ScopedAws, Stack, Token
from aws_cdk import aws_iam as iam
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
    add_root_use_alarm,
    arguments_in_stack,
    bootstrap_stack,
    new_key,
    new_topic,
    only_resource,
    template_of,
)

if TYPE_CHECKING:
    # Adds a construct with the given arguments to a stack.
    AddConstruct = Callable[..., None]

TOPIC_ARN = "arn:aws:sns:us-east-1:111111111111:News"
ROLES = "arn:aws:iam::222222222222:role/centralized-root-access/*"


# Each adds the construct with the arguments of a test, and valid ones where it needs more.


def add_root_access(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess", **arguments)


def add_drift_check(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(**arguments)


def add_root_tasks(stack: Stack, **arguments: Any) -> None:
    RootTasks(stack, "RootTasks", **arguments)


def add_guardrail(stack: Stack, **arguments: Any) -> None:
    RootUserGuardrail(stack, "Guardrail", **{"targets": [OTHER_MEMBER], **arguments})


def add_session_guardrail(stack: Stack, **arguments: Any) -> None:
    RootSessionGuardrail(
        stack, "Guardrail", **{"session_roles": [ROLES], "targets": [OTHER_MEMBER], **arguments}
    )


def listed_delegates(stack: Stack) -> Any:
    """Return the delegated administrators that the template of the stack lists."""
    return only_resource(template_of(stack), "Custom::CentralizedRootAccess")["Properties"][
        "DelegatedAdministrators"
    ]


# Lists


UNIT = "ou-a1b2-c3d4e5f6"
# The arguments that are lists, and values of each.
LISTS: list[tuple[AddConstruct, str, list[str]]] = [
    (add_root_access, "features", list(RootAccessFeature)),
    (add_root_access, "delegated_administrators", [MEMBER, OTHER_MEMBER]),
    (add_root_tasks, "tasks", list(RootTask)),
    (add_root_tasks, "protected_accounts", [MEMBER, OTHER_MEMBER]),
    (add_guardrail, "targets", [MEMBER, UNIT]),
    (add_guardrail, "exempt_accounts", [MEMBER, OTHER_MEMBER]),
    (add_session_guardrail, "tasks", list(RootTask)),
    (add_session_guardrail, "delegated_administrators", [MEMBER, OTHER_MEMBER]),
    (add_session_guardrail, "targets", [MEMBER, UNIT]),
]


def imported_roles(stack: Stack) -> list[iam.IRole]:
    """Return two roles of one account."""
    return [
        iam.Role.from_role_arn(stack, name, ROLES.replace("*", name)) for name in ("One", "Two")
    ]


@pytest.mark.parametrize(
    ("add_construct", "argument", "values"),
    [*LISTS, (add_root_use_alarm, "session_roles", imported_roles)],
)
def test_the_order_of_a_list_and_repetitions_do_not_change_the_template(
    add_construct: AddConstruct, argument: str, values: Any
) -> None:
    one, other = bootstrap_stack(), bootstrap_stack()
    add_construct(one, **arguments_in_stack(one, {argument: values}))
    reordered = arguments_in_stack(other, {argument: values})[argument][::-1]
    add_construct(other, **{argument: reordered + reordered})
    assert json.dumps(template_of(one)) == json.dumps(template_of(other))


@pytest.mark.parametrize("collection", [list, tuple, set, frozenset])
def test_a_list_a_tuple_and_a_set_are_accepted(collection: Callable[[list[str]], Any]) -> None:
    stack = bootstrap_stack()
    add_root_access(stack, delegated_administrators=collection([MEMBER]))
    assert listed_delegates(stack) == [MEMBER]


@pytest.mark.parametrize(
    ("value", "named_type"),
    [
        pytest.param(iter([MEMBER]), "list_iterator", id="iterator"),
        pytest.param({MEMBER: False}, "dict", id="mapping"),
        pytest.param({MEMBER: False}.keys(), "dict_keys", id="keys of a mapping"),
        pytest.param(False, "bool", id="boolean"),
        pytest.param([222222222222], "222222222222 of type int", id="number in a list"),
        pytest.param([MEMBER, None], "None of type NoneType", id="None in a list"),
        pytest.param([[MEMBER]], "of type list", id="list in a list"),
    ],
)
def test_what_is_not_a_list_of_strings_is_refused(value: Any, named_type: str) -> None:
    refusal = rf"^delegated_administrators must be .*{named_type}.*\. Write .*\.$"
    with pytest.raises(TypeError, match=refusal):
        add_root_access(bootstrap_stack(), delegated_administrators=value)


@pytest.mark.parametrize(("add_construct", "argument", "_values"), LISTS)
def test_each_list_refuses_a_string(
    add_construct: AddConstruct, argument: str, _values: list[str]
) -> None:
    refusal = (
        f"^{argument} must be a list, a tuple or a set, got 'one' of type str. "
        "Write its values as a"
    )
    with pytest.raises(TypeError, match=refusal):
        add_construct(bootstrap_stack(), **{argument: "one"})


def test_a_list_token_is_refused() -> None:
    stack = bootstrap_stack()
    listed = CfnParameter(stack, "Listed", type="CommaDelimitedList").value_as_list
    refusal = r"^delegated_administrators is a list token.*Token.*Write a list"
    with pytest.raises(ValueError, match=refusal):
        add_root_access(stack, delegated_administrators=listed + [MEMBER])


# Accounts that may be tokens


@pytest.mark.parametrize("names", [["A", "B"], ["B", "A"]], ids=["in order", "in reverse order"])
def test_the_place_of_a_token_does_not_depend_on_when_it_was_created(names: list[str]) -> None:
    stack = bootstrap_stack()
    tokens = [CfnParameter(stack, name).value_as_string for name in names]
    add_root_access(stack, delegated_administrators=tokens + [MEMBER] + tokens)
    assert listed_delegates(stack) == [MEMBER, {"Ref": "A"}, {"Ref": "B"}]


@pytest.mark.parametrize("env", [MANAGEMENT_ENVIRONMENT, None], ids=["account", "any account"])
@pytest.mark.parametrize(
    "own_account",
    [
        lambda stack: Aws.ACCOUNT_ID,
        lambda stack: stack.account,
        lambda stack: ScopedAws(stack).account_id,
    ],
    ids=["pseudo parameter", "account of the stack", "scoped pseudo parameter"],
)
def test_the_stacks_own_account_is_refused_by_every_name(
    env: Environment | None, own_account: Callable[[Stack], str]
) -> None:
    stack = bootstrap_stack(env=env)
    refusal = r"lists [^$]*, the account of this stack.*List member accounts"
    with pytest.raises(ValueError, match=refusal):
        add_root_access(stack, delegated_administrators=[own_account(stack)])


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
    add_root_access(
        stack, delegated_administrators=[account.attr_account_id for account in accounts]
    )
    assert len(listed_delegates(stack)) == 2


# What is refused, by argument


def value_of_parameter(stack: Stack) -> str:
    """Return a token: what the stack gets when it is deployed."""
    return CfnParameter(stack, "One").value_as_string


def value_not_looked_up(stack: Stack) -> list[str]:
    """Return what the first synth gets for a value that the CDK CLI looks up afterwards."""
    return [ssm.StringParameter.value_from_lookup(stack, "/organization/security-account")]


def stack_in_another_region(stack: Stack) -> Stack:
    """Return another stack of the same app and account."""
    env = Environment(account=stack.account, region="eu-west-1")
    return Stack(cast("App", stack.node.root), "Elsewhere", env=env)


def topic_in_another_region(stack: Stack) -> sns.ITopic:
    """Return a topic by its ARN."""
    return sns.Topic.from_topic_arn(stack, "News", TOPIC_ARN.replace("us-east-1", "eu-west-1"))


def imported_trail(
    stack: Stack, region: str = "us-east-1", account: str = "111111111111"
) -> logs.ILogGroup:
    """Return the log group of a trail by its ARN."""
    arn = f"arn:aws:logs:{region}:{account}:log-group:trail:*"
    return logs.LogGroup.from_log_group_arn(stack, "There", arn)


# What an error says that the argument must be.
DURATION = r"a Duration, .*Write Duration.hours\(1\)"
BOOLEAN = "True or False, .*Write True or False"
TOPIC = "a topic of the CDK, .*sns.Topic.from_topic_arn"
KEY = "a key of the CDK, .*kms.Key.from_key_arn"
RETENTION = "a RetentionDays, .*RetentionDays.ONE_YEAR"

ANOTHER_TYPE: dict[str, tuple[AddConstruct, str, Any, str]] = {
    "a number as interval": (add_drift_check, "interval", 3600, DURATION),
    "a number as audit_interval": (add_root_tasks, "audit_interval", 86400, DURATION),
    "a string as repair": (add_drift_check, "repair", "false", BOOLEAN),
    "a string as findings of the drift check": (
        add_drift_check,
        "security_hub_findings",
        "false",
        BOOLEAN,
    ),
    "a string as findings of audits": (add_root_tasks, "security_hub_findings", "true", BOOLEAN),
    "1 as allow_policy_override": (add_root_tasks, "allow_policy_override", 1, BOOLEAN),
    "a string as root_user_notices": (add_root_use_alarm, "root_user_notices", "true", BOOLEAN),
    "a string as emergency_policy": (add_root_use_alarm, "emergency_policy", "true", BOOLEAN),
    "a string as allow_organization_root": (
        add_guardrail,
        "allow_organization_root",
        "false",
        BOOLEAN,
    ),
    "an ARN as topic": (add_drift_check, "notification_topic", TOPIC_ARN, TOPIC),
    "False as topic": (add_root_tasks, "notification_topic", False, TOPIC),
    "an empty string as topic": (add_root_use_alarm, "notification_topic", "", TOPIC),
    "a name as trail_log_group": (
        add_root_use_alarm,
        "trail_log_group",
        "trail",
        "a log group of the CDK, .*from_log_group_name",
    ),
    "a string as roles of the alarm": (
        add_root_use_alarm,
        "session_roles",
        "arn",
        "a list, a tuple or a set, .*Write arn:aws:iam::",
    ),
    "None as a role": (
        add_root_use_alarm,
        "session_roles",
        [None],
        "a list of roles of the CDK and ARNs, .*Write arn:aws:iam::",
    ),
    "True as key": (add_root_tasks, "encryption_key", True, KEY),
    "a number as revision": (add_root_access, "revision", 7, "a string, .*Write a text"),
    "days as log_retention": (add_root_access, "log_retention", 365, RETENTION),
    "a string as accepted_credentials": (
        add_root_tasks,
        "accepted_credentials",
        "x",
        "a mapping, .*AcceptedCredentials",
    ),
}


@pytest.mark.parametrize(
    ("add_construct", "argument", "value", "expected"), ANOTHER_TYPE.values(), ids=ANOTHER_TYPE
)
def test_an_argument_of_another_type_is_refused(
    add_construct: AddConstruct, argument: str, value: Any, expected: str
) -> None:
    with pytest.raises(TypeError, match=rf"^{argument} must be {expected}.*\.$") as refused:
        add_construct(bootstrap_stack(), **{argument: value})
    # Of a list the error shows the first value.
    shown = value[0] if isinstance(value, list) else value
    assert f"got {shown!r} of type {type(shown).__name__}. " in str(refused.value)


# What an error says after the name of the argument.
WITHOUT_DIGITS = (
    r"must contain 12-digit account IDs as strings; '2222' is not one\. Write all 12 digits"
)
A_TOKEN = r"contains a token, .*TOKEN.*must be known at synth\. Write the value"
NOT_LOOKED_UP = r"contains dummy-value-for-/.*, because .* value_from_lookup a valid default"
NOT_A_PATH = (
    r"must be an IAM path of at most 512 .* a slash, got '{}'\. Write /security/root-access/"
)
UNKNOWN_DURATION = r"must be known at synth, got a token\. Write Duration.hours\(1\)"
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


def accepted_credentials(**changed: Any) -> AcceptedCredentials:
    """Return a valid entry, with these members changed."""
    return AcceptedCredentials(
        **{"types": ["PASSWORD"], "reason": "Billing", "until": "2027-03-31", **changed}
    )


REFUSED_ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "no types": ({"types": []}, r"is empty\. List CredentialType.PASSWORD"),
    "an unknown type": (
        {"types": ["policy"]},
        r"contains 'policy'\. Valid .*: PASSWORD, ACCESS_KEY",
    ),
    "a blank reason": (
        {"reason": " "},
        r"must be one line of text, got ' '\. Write why they stay",
    ),
    "a reason of two lines": ({"reason": "a\nb"}, r"must be one line of text"),
    "a long reason": (
        {"reason": "a" * 201},
        r"has 201 characters; reports show 200\. Shorten it",
    ),
    "a day that does not exist": (
        {"until": "2027-02-30"},
        r"must be a day, got '2027-02-30'\. Write 2027-03-31",
    ),
    "a day without hyphens": ({"until": "20270331"}, r"must be a day"),
    "a date object": ({"until": date(2027, 3, 31)}, r"must be a day"),
}
NOT_TARGETS = ("ou-a1b2", "OU-A1B2-C3D4E5F6", f"{UNIT} ", "12345", "r-A")
SECONDS = Duration.seconds(Token.as_number({"Ref": "Seconds"}))
ALIASES: dict[str, Callable[[Stack], kms.IKey]] = {
    "imported by its name": lambda stack: kms.Alias.from_alias_name(stack, "Alias", "alias/audits"),
    "new": lambda stack: kms.Alias(
        stack, "Alias", alias_name="alias/audits", target_key=new_key(stack)
    ),
    "imported by an ARN": lambda stack: kms.Key.from_key_arn(
        stack, "Alias", "arn:aws:kms:us-east-1:111111111111:alias/audits"
    ),
    "imported by an ARN with a token": lambda stack: kms.Key.from_key_arn(
        stack, "Alias", f"arn:aws:kms:us-east-1:{Aws.ACCOUNT_ID}:alias/audits"
    ),
}

# A function as value is called with the stack.
REFUSED: dict[str, tuple[AddConstruct, str, Any, str]] = {
    "features: unknown": (
        add_root_access,
        "features",
        ["RootPasswords"],
        "contains 'RootPasswords'. Valid features: RootCr",
    ),
    "revision: a variable that is not set": (
        add_root_access,
        "revision",
        "",
        r"is empty\. Write a text, or omit the argument",
    ),
    "features: a token": (
        add_root_access,
        "features",
        lambda stack: [value_of_parameter(stack)],
        A_TOKEN,
    ),
    "delegates: 4 digits": (add_root_access, "delegated_administrators", ["2222"], WITHOUT_DIGITS),
    "delegates: not looked up": (
        add_root_access,
        "delegated_administrators",
        value_not_looked_up,
        NOT_LOOKED_UP,
    ),
    "tasks: none": (add_root_tasks, "tasks", [], "is empty. List RootTask.AUDIT, for example"),
    "protected accounts: 4 digits": (
        add_root_tasks,
        "protected_accounts",
        ["2222"],
        WITHOUT_DIGITS,
    ),
    "protected accounts: a token": (
        add_root_tasks,
        "protected_accounts",
        lambda stack: [value_of_parameter(stack)],
        A_TOKEN,
    ),
    "protected accounts: a unit": (
        add_root_tasks,
        "protected_accounts",
        [UNIT],
        f".* '{UNIT}' is an organizational unit. List its accounts",
    ),
    **{
        f"role path: {path[:20]!r}": (
            add_root_tasks,
            "role_path",
            path,
            NOT_A_PATH.format(path),
        )
        for path in ("", "root", "/root", "//", "/ä/", f"/{'a' * 511}/")
    },
    "role path: a token": (add_root_tasks, "role_path", value_of_parameter, A_TOKEN),
    **{
        f"accepted credentials: of {account_id!r}": (
            add_root_tasks,
            "accepted_credentials",
            {account_id: accepted_credentials()},
            "must have IDs of accounts or .* as keys; ",
        )
        for account_id in ("2222", "r-a1b2", MEMBER + " ", 222222222222)
    },
    **{
        f"accepted credentials: {name}": (
            add_root_tasks,
            "accepted_credentials",
            {MEMBER: accepted_credentials(**changed)},
            sentence,
        )
        for name, (changed, sentence) in REFUSED_ENTRIES.items()
    },
    "protected accounts: too many for the environment": (
        functools.partial(add_root_tasks, accepted_credentials={MEMBER: accepted_credentials()}),
        "protected_accounts",
        [f"{number:012}" for number in range(208)],
        "and accepted_credentials would have .* characters in a function's environment, which has "
        "room for 3558: for 209 protected accounts .* List less",
    ),
    "targets: none": (add_guardrail, "targets", [], "is empty"),
    **{
        f"targets: {target!r}": (add_guardrail, "targets", [target], f".* '{target}' is not one")
        for target in NOT_TARGETS
    },
    "targets: the root": (
        add_guardrail,
        "targets",
        [UNIT, "r-a1b2"],
        "lists r-a1b2, the organization's root",
    ),
    "exempt accounts: 4 digits": (add_guardrail, "exempt_accounts", ["2222"], WITHOUT_DIGITS),
    "session guardrail: no roles": (
        add_session_guardrail,
        "session_roles",
        [],
        "is empty: nothing could open a root session. List a role",
    ),
    "session guardrail: no tasks": (
        add_session_guardrail,
        "tasks",
        [],
        "is empty. List RootTask.AUDIT, for example",
    ),
    "session guardrail: no targets": (
        add_session_guardrail,
        "targets",
        [],
        "and delegated_administrators are empty. List r-a1b2",
    ),
    "session guardrail: a delegate of 4 digits": (
        add_session_guardrail,
        "delegated_administrators",
        ["2222"],
        WITHOUT_DIGITS,
    ),
    **{
        f"session guardrail: {role}": (
            add_session_guardrail,
            "session_roles",
            [role],
            NOT_ROLES.format(re.escape(role)),
        )
        for role in (
            "Audit",
            "arn:aws:iam::222222222222:role/*",
            "arn:aws:iam::222222222222:role/a*b",
            "arn:aws:iam::*:role/Audit",
            "arn:aws:sts::222222222222:assumed-role/Audit/session",
        )
    },
    "alarm: a token as role": (
        add_root_use_alarm,
        "session_roles",
        lambda stack: [value_of_parameter(stack)],
        "contains a token, .*Pass the role",
    ),
    "interval: a minute and a millisecond": (
        add_drift_check,
        "interval",
        Duration.millis(60_001),
        MINUTES.format("1 day", "1 minute 1 milli"),
    ),
    "interval: more than a day": (
        add_drift_check,
        "interval",
        Duration.hours(25),
        MINUTES.format("1 day", "1 day 1 hour"),
    ),
    "interval: a token": (add_drift_check, "interval", SECONDS, UNKNOWN_DURATION),
    "audit interval: more than a year": (
        add_root_tasks,
        "audit_interval",
        Duration.days(366),
        MINUTES.format("365 days", "366 days"),
    ),
    "findings without the audit": (
        functools.partial(add_root_tasks, tasks=[RootTask.DELETE]),
        "security_hub_findings",
        True,
        AUDIT,
    ),
    "audit interval without the audit": (
        functools.partial(add_root_tasks, tasks=[RootTask.DELETE]),
        "audit_interval",
        Duration.days(1),
        AUDIT,
    ),
    "notices without a topic": (
        functools.partial(add_root_use_alarm, management_account="111111111111"),
        "root_user_notices",
        True,
        "needs a notification_topic, and the management_account",
    ),
    "notices without the management account": (
        lambda stack, **notices: add_root_use_alarm(
            stack, notification_topic=new_topic(stack), **notices
        ),
        "root_user_notices",
        True,
        "needs a notification_topic, and the management_account",
    ),
    "a FIFO topic": (
        add_root_tasks,
        "notification_topic",
        lambda stack: sns.Topic(stack, "News", fifo=True),
        FIFO,
    ),
    "a topic imported from another Region": (
        add_drift_check,
        "notification_topic",
        topic_in_another_region,
        TOPIC_ELSEWHERE,
    ),
    "a trail in another Region": (
        add_root_use_alarm,
        "trail_log_group",
        lambda stack: imported_trail(stack, "eu-west-1"),
        TRAIL_ELSEWHERE,
    ),
    "a trail in another account": (
        add_root_use_alarm,
        "trail_log_group",
        lambda stack: imported_trail(stack, account=MEMBER),
        TRAIL_OF_ANOTHER,
    ),
    "a key of a stack in another Region": (
        add_root_access,
        "encryption_key",
        lambda stack: kms.Key(stack_in_another_region(stack), "Key"),
        KEY_ELSEWHERE,
    ),
    **{
        f"the alias of a key, {how}": (add_root_access, "encryption_key", alias, ALIAS)
        for how, alias in ALIASES.items()
    },
    **{
        f"max concurrency: {number!r}": (
            add_root_tasks,
            "max_concurrency",
            number,
            NUMBER.format(repr(number)),
        )
        for number in (True, "10", 0, 1001)
    },
}


@pytest.mark.parametrize(
    ("add_construct", "argument", "value", "sentence"), REFUSED.values(), ids=REFUSED
)
def test_what_cannot_work_is_refused_with_its_argument_and_a_remedy(
    add_construct: AddConstruct, argument: str, value: Any, sentence: str
) -> None:
    stack = bootstrap_stack()
    # An argument that is a mapping is named with the key and the member of the entry.
    place_in_mapping = r"(\['\d+'\]\.\w+)?"
    with pytest.raises(ValueError, match=rf"^{argument}{place_in_mapping} {sentence}.*\.$"):
        add_construct(stack, **arguments_in_stack(stack, {argument: value}))


@pytest.mark.parametrize(
    "add_construct",
    [add_root_access, add_root_tasks, add_root_use_alarm, add_guardrail, add_session_guardrail],
)
def test_the_china_regions_are_refused(add_construct: AddConstruct) -> None:
    sentence = (
        r"^OrganizationBootstrap/\w+ is in cn-north-1: .*China Regions\. Use a Region of another"
    )
    with pytest.raises(ValueError, match=sentence):
        add_construct(bootstrap_stack(env=Environment(account="111111111111", region="cn-north-1")))


def test_a_second_drift_check_is_refused_with_a_sentence() -> None:
    root_access = CentralizedRootAccess(bootstrap_stack(), "RootAccess")
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


def test_a_topic_whose_region_may_be_the_stacks_is_accepted() -> None:
    stack = bootstrap_stack(env=None)
    add_drift_check(stack, notification_topic=topic_in_another_region(stack))


WITHIN_LIMITS: dict[str, tuple[AddConstruct, str, Any]] = {
    "the longest interval": (add_root_tasks, "audit_interval", Duration.days(365)),
    "the lowest concurrency": (add_root_tasks, "max_concurrency", 1),
    "the highest concurrency": (add_root_tasks, "max_concurrency", 1000),
    "a key that has an alias": (
        add_root_access,
        "encryption_key",
        lambda stack: kms.Key(stack, "Key", alias="alias/audits"),
    ),
    "a topic by a token": (
        add_drift_check,
        "notification_topic",
        lambda stack: sns.Topic.from_topic_arn(stack, "Topic", value_of_parameter(stack)),
    ),
    "a key by a token": (
        add_root_access,
        "encryption_key",
        lambda stack: kms.Key.from_key_arn(stack, "Key", value_of_parameter(stack)),
    ),
}


@pytest.mark.parametrize(
    ("add_construct", "argument", "value"), WITHIN_LIMITS.values(), ids=WITHIN_LIMITS
)
def test_what_is_just_within_the_limits_is_accepted(
    add_construct: AddConstruct, argument: str, value: Any
) -> None:
    stack = bootstrap_stack()
    add_construct(stack, **arguments_in_stack(stack, {argument: value}))
