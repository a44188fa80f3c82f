"""The constructs' arguments: each value is accepted rightly, or refused with argument, value and remedy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_cdk import App, Aws, CfnParameter, Duration, Environment, Fn, ScopedAws, Stack, Token
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_organizations as organizations
from aws_cdk import aws_sns as sns

from centralized_root_access import (
    CentralizedRootAccess,
    RootAccessFeature,
    RootTask,
    RootTasks,
    RootUseAlarm,
)
from support.accounts import MEMBER, OTHER
from support.templates import MANAGEMENT, bootstrap_stack, only_resource, template

if TYPE_CHECKING:
    from collections.abc import Callable

TOPIC = "sns.Topic.from_topic_arn"
TOPIC_ARN = "arn:aws:sns:us-east-1:111111111111:News"
KEY_ARN = "arn:aws:kms:us-east-1:111111111111"


def root_access(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess", **arguments)


def drift_check(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(**arguments)


def root_tasks(stack: Stack, **arguments: Any) -> None:
    RootTasks(stack, "RootTasks", **{"tasks": list(RootTask), **arguments})


def root_use_alarm(stack: Stack, **arguments: Any) -> None:
    trail = logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail")
    RootUseAlarm(stack, "RootUse", trail_log_group=trail, **arguments)


LISTS: list[tuple[Callable[..., None], str, Any]] = [
    (root_access, "features", "RootSessions"),
    (root_access, "delegated_administrators", MEMBER),
    (root_tasks, "tasks", "IAMAuditRootUserCredentials"),
    (root_tasks, "protected_accounts", MEMBER),
]
NAMES = [it[1] for it in LISTS]


@pytest.mark.parametrize("listed", [list, tuple, set, frozenset])
@pytest.mark.parametrize(("build", "argument", "value"), LISTS, ids=NAMES)
def test_a_list_a_tuple_and_a_set_are_accepted(
    build: Callable[..., None], argument: str, value: str, listed: Callable[..., Any]
) -> None:
    build(bootstrap_stack(env=MANAGEMENT), **{argument: listed([value])})


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        (lambda value: value, "got the string"),
        (lambda value: value.encode(), "of type bytes"),
        (lambda value: iter([value]), "list_iterator"),
        (lambda value: map(str, [value]), "map"),
        (lambda value: (it for it in [value]), "generator"),
        (lambda value: {value: False}, "dict"),
        (lambda value: {value: False}.keys(), "dict_keys"),
        (lambda value: 1, "int"),
        (lambda value: False, "bool"),
        (lambda value: [value.encode()], "bytes"),
        (lambda value: [222222222222], "222222222222 of type int"),
        (lambda value: [None], "None of type NoneType"),
        (lambda value: [value, 1], "got 1 of type int"),
        (lambda value: [[value]], "of type list"),
        (lambda value: [{}], "of type dict"),
    ],
)
@pytest.mark.parametrize(("build", "argument", "value"), LISTS, ids=NAMES)
def test_what_is_not_a_list_of_strings_is_refused(
    build: Callable[..., None], argument: str, value: str, wrong: Callable[[str], Any], shown: str
) -> None:
    with pytest.raises(TypeError, match=rf"^{argument} must be .*{shown}.*\. Write .*\.$"):
        build(bootstrap_stack(env=MANAGEMENT), **{argument: wrong(value)})


@pytest.mark.parametrize("argument", ["features", "tasks", "protected_accounts"])
def test_none_is_not_a_list(argument: str) -> None:
    build = root_access if argument == "features" else root_tasks
    with pytest.raises(TypeError, match=f"{argument} must be a list.*NoneType"):
        build(bootstrap_stack(env=MANAGEMENT), **{argument: None})


@pytest.mark.parametrize(("build", "argument", "value"), LISTS, ids=NAMES)
def test_a_list_token_is_refused(build: Callable[..., None], argument: str, value: str) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    parameter = CfnParameter(stack, "Listed", type="CommaDelimitedList")
    tokens = [
        parameter.value_as_list,
        [*parameter.value_as_list, value],
        Fn.split(",", Fn.import_value("Listed")),
        tuple(parameter.value_as_list),
    ]
    for token in tokens:
        with pytest.raises(ValueError, match=rf"^{argument} is a list token.*Token.*Write a list"):
            build(bootstrap_stack(env=MANAGEMENT), **{argument: token})


@pytest.mark.parametrize("argument", ["features", "tasks", "protected_accounts"])
def test_a_token_is_refused_where_the_template_depends_on_the_value(argument: str) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    parameter = CfnParameter(stack, "One")
    build = root_access if argument == "features" else root_tasks
    with pytest.raises(ValueError, match=rf"^{argument} contains a token, .*Write the value\.$"):
        build(stack, **{argument: [parameter.value_as_string]})


def test_an_account_id_may_be_a_token() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    security = CfnParameter(stack, "Security").value_as_string
    CentralizedRootAccess(stack, "RootAccess", delegated_administrators=[security, MEMBER])
    properties = only_resource(template(stack), "Custom::CentralizedRootAccess")["Properties"]
    assert properties["DelegatedAdministrators"] == [MEMBER, {"Ref": "Security"}]


def test_the_order_of_tokens_does_not_depend_on_when_they_were_created() -> None:
    listed = []
    for names in (["A", "B"], ["B", "A"]):
        stack = bootstrap_stack(env=MANAGEMENT)
        tokens = [CfnParameter(stack, name).value_as_string for name in names]
        CentralizedRootAccess(stack, "RootAccess", delegated_administrators=tokens)
        properties = only_resource(template(stack), "Custom::CentralizedRootAccess")["Properties"]
        listed.append(properties["DelegatedAdministrators"])
    assert listed[0] == listed[1]


@pytest.mark.parametrize("env", [MANAGEMENT, None], ids=["account", "any account"])
@pytest.mark.parametrize(
    "own",
    [lambda stack: Aws.ACCOUNT_ID, lambda stack: stack.account, lambda stack: ScopedAws(stack).account_id],
    ids=["Aws.ACCOUNT_ID", "stack.account", "ScopedAws"],
)
def test_the_stacks_own_account_is_refused_by_every_name(env: Any, own: Callable[[Stack], str]) -> None:
    stack = bootstrap_stack(env=env)
    with pytest.raises(ValueError, match=r"lists [^$]*, the account of this stack.*List member accounts"):
        CentralizedRootAccess(stack, "RootAccess", delegated_administrators=[own(stack)])


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
            CentralizedRootAccess(stack, "RootAccess", delegated_administrators=twice)
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
        accounts = {name: new_account(Stack(app, name, env=MANAGEMENT)) for name in names}
        stack = Stack(app, "Bootstrap", env=MANAGEMENT)
        root_access(stack, delegated_administrators=[account_id(it) for it in accounts.values()])
        properties = only_resource(template(stack), "Custom::CentralizedRootAccess")["Properties"]
        listed.append([json.dumps(it) for it in properties["DelegatedAdministrators"]])
    assert listed[0] == listed[1], "in the order of the stacks, not of the tokens"
    assert [name for it in listed[0] for name in ("One", "Two") if f'"{name}:' in it] == ["One", "Two"]


def test_an_account_of_another_stack_that_is_listed_twice_is_refused_with_its_path() -> None:
    app = App(analytics_reporting=False)
    account = new_account(Stack(app, "One", env=MANAGEMENT))
    with pytest.raises(ValueError, match=r'lists {"Fn::GetAtt": .*} of One/Account twice\. List it once'):
        root_access(
            Stack(app, "Bootstrap", env=MANAGEMENT),
            delegated_administrators=[account.attr_account_id, account.attr_account_id],
        )


def new_account(stack: Stack) -> organizations.CfnAccount:
    return organizations.CfnAccount(stack, "Account", account_name="Security", email="security@example.com")


@pytest.mark.parametrize(
    "account_id", ["", "22222222222", "2222222222222", "22222222222a", "222222222222\n", "٢٢٢٢٢٢٢٢٢٢٢٢"]
)
@pytest.mark.parametrize(
    ("build", "argument"), [(root_access, "delegated_administrators"), (root_tasks, "protected_accounts")]
)
def test_an_account_id_has_12_digits(build: Callable[..., None], argument: str, account_id: str) -> None:
    with pytest.raises(ValueError, match=rf"^{argument} must contain 12-digit .* is not one\. Write all 12"):
        build(bootstrap_stack(env=MANAGEMENT), **{argument: [account_id]})


def test_a_name_of_the_other_enum_is_refused_with_the_valid_ones() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(ValueError, match=r"^features contains 'IAMAudit.*Valid features: RootCredentials"):
        CentralizedRootAccess(stack, "RootAccess", features=[RootTask.AUDIT])
    with pytest.raises(ValueError, match=r"^tasks contains 'RootSessions'.*Valid tasks: IAMAudit"):
        RootTasks(stack, "RootTasks", tasks=[RootAccessFeature.ROOT_SESSIONS])


DURATIONS: list[tuple[Callable[..., None], str]] = [
    (drift_check, "interval"),
    (root_tasks, "audit_interval"),
    (root_tasks, "plan_lifetime"),
]


@pytest.mark.parametrize(
    "wrong", [0, 60, 3600, 86400, 1.5, "1 hour", "60 minutes", True, False, [Duration.hours(1)]]
)
@pytest.mark.parametrize(("build", "argument"), DURATIONS)
def test_what_is_not_a_duration_is_refused(build: Callable[..., None], argument: str, wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"^{argument} must be a Duration, got .*{type(wrong).__name__}.*Write"
    ):
        build(bootstrap_stack(env=MANAGEMENT), **{argument: wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        Duration.millis(1500),
        Duration.seconds(0),
        Duration.days(40_000),
        Duration.seconds(Token.as_number({"Ref": "Seconds"})),
    ],
    ids=["1500 ms", "0", "40000 days", "token"],
)
@pytest.mark.parametrize(("build", "argument"), DURATIONS)
def test_a_duration_out_of_range_is_refused(
    build: Callable[..., None], argument: str, wrong: Duration
) -> None:
    with pytest.raises(ValueError, match=rf"^{argument} must be .*, got .*\. Write Duration"):
        build(bootstrap_stack(env=MANAGEMENT), **{argument: wrong})


@pytest.mark.parametrize(
    ("build", "argument", "wrong"),
    [
        (drift_check, "interval", Duration.seconds(90)),
        (drift_check, "interval", Duration.hours(25)),
        (root_tasks, "audit_interval", Duration.seconds(90)),
        (root_tasks, "audit_interval", Duration.days(366)),
        (root_tasks, "plan_lifetime", Duration.hours(25)),
    ],
)
def test_each_duration_has_its_limits(build: Callable[..., None], argument: str, wrong: Duration) -> None:
    with pytest.raises(ValueError, match=rf"^{argument} must be .*, got .*\. Write Duration"):
        build(bootstrap_stack(env=MANAGEMENT), **{argument: wrong})


@pytest.mark.parametrize(
    ("build", "argument", "right"),
    [
        (drift_check, "interval", Duration.minutes(1)),
        (drift_check, "interval", Duration.days(1)),
        (root_tasks, "audit_interval", Duration.days(365)),
        (root_tasks, "plan_lifetime", Duration.seconds(1)),
        (root_tasks, "plan_lifetime", Duration.millis(2000)),
        (root_tasks, "plan_lifetime", None),
    ],
)
def test_a_duration_within_its_limits_is_accepted(
    build: Callable[..., None], argument: str, right: Duration
) -> None:
    build(bootstrap_stack(env=MANAGEMENT), **{argument: right})


@pytest.mark.parametrize("wrong", ["false", "true", "", 0, 1, None, []])
@pytest.mark.parametrize(
    ("build", "argument"), [(drift_check, "repair"), (root_tasks, "allow_policy_override")]
)
def test_what_only_counts_as_true_or_false_is_refused(
    build: Callable[..., None], argument: str, wrong: Any
) -> None:
    with pytest.raises(TypeError, match=rf"^{argument} must be True or False, got .*Write True or False\.$"):
        build(bootstrap_stack(env=MANAGEMENT), **{argument: wrong})


@pytest.mark.parametrize("wrong", ["arn:aws:sns:us-east-1:111111111111:News", 1, [], True, {}])
@pytest.mark.parametrize("build", [drift_check, root_tasks])
def test_what_is_not_a_topic_is_refused(build: Callable[..., None], wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"^notification_topic must be an SNS topic .*{TOPIC}"):
        build(bootstrap_stack(env=MANAGEMENT), notification_topic=wrong)


@pytest.mark.parametrize("build", [drift_check, root_tasks, root_use_alarm])
@pytest.mark.parametrize(
    "topic",
    [
        lambda stack: sns.Topic(stack, "News", fifo=True),
        lambda stack: sns.Topic.from_topic_arn(stack, "News", f"{TOPIC_ARN}.fifo"),
    ],
    ids=["new", "imported"],
)
def test_a_fifo_topic_is_refused(build: Callable[..., None], topic: Callable[[Stack], sns.ITopic]) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(ValueError, match=r"^notification_topic is .*/News, a FIFO topic.*Use a standard"):
        build(stack, notification_topic=topic(stack))


def test_a_fifo_topic_is_refused_with_a_sentence_also_for_new_accounts() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(ValueError, match="a FIFO topic"):
        root_tasks(stack, audit_new_accounts=True, notification_topic=sns.Topic(stack, "News", fifo=True))


@pytest.mark.parametrize(
    "topic",
    [
        lambda stack: sns.Topic.from_topic_arn(stack, "News", TOPIC_ARN.replace("us-east-1", "eu-west-1")),
        lambda stack: sns.Topic(in_another_region(stack), "News"),
    ],
    ids=["imported", "of another stack"],
)
@pytest.mark.parametrize("build", [drift_check, root_tasks, root_use_alarm])
def test_a_topic_of_another_region_than_the_alarms_is_refused_with_both(
    build: Callable[..., None], topic: Callable[[Stack], sns.ITopic]
) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(
        ValueError,
        match=r"^notification_topic is .*/News, a topic in eu-west-1; the stack is in us-east-1.*Use a topic",
    ):
        build(stack, notification_topic=topic(stack))


@pytest.mark.parametrize(
    ("env", "arn"),
    [
        (MANAGEMENT, lambda stack: CfnParameter(stack, "News").value_as_string),
        (MANAGEMENT, lambda stack: f"arn:aws:sns:{Aws.REGION}:111111111111:News"),
        (None, lambda stack: "arn:aws:sns:eu-west-1:111111111111:News"),
        (None, lambda stack: CfnParameter(stack, "News").value_as_string),
        (MANAGEMENT, lambda stack: TOPIC_ARN),
    ],
    ids=["parameter", "Aws.REGION", "no env", "neither", "the same"],
)
@pytest.mark.parametrize("build", [drift_check, root_tasks, root_use_alarm])
def test_a_topic_whose_region_may_be_the_stacks_is_accepted(
    build: Callable[..., None], env: Any, arn: Callable[[Stack], str]
) -> None:
    stack = bootstrap_stack(env=env)
    build(stack, notification_topic=sns.Topic.from_topic_arn(stack, "Topic", arn(stack)))


@pytest.mark.parametrize(
    "key",
    [
        lambda stack: kms.Key.from_key_arn(
            stack, "Key", KEY_ARN.replace("us-east-1", "eu-west-1") + ":key/1"
        ),
        lambda stack: kms.Key(in_another_region(stack), "Key"),
    ],
    ids=["imported", "of another stack"],
)
@pytest.mark.parametrize("build", [root_access, root_tasks])
def test_a_key_of_another_region_is_refused_with_both(
    build: Callable[..., None], key: Callable[[Stack], kms.IKey]
) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(
        ValueError,
        match=r"^encryption_key is .*/Key, a key in eu-west-1; the stack is in us-east-1.*Use a key in us",
    ):
        build(stack, encryption_key=key(stack))


def test_a_trail_of_another_region_is_refused_because_a_group_of_its_name_would_be_watched() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    arn = "arn:aws:logs:eu-west-1:111111111111:log-group:trail:*"
    with pytest.raises(
        ValueError, match=r"^trail_log_group is .*/Trail, a log group in eu-west-1; the stack is in us-east-1"
    ):
        RootUseAlarm(stack, "Alarm", trail_log_group=logs.LogGroup.from_log_group_arn(stack, "Trail", arn))


def in_another_region(stack: Stack) -> Stack:
    env = Environment(account=stack.account, region="eu-west-1")
    return Stack(cast("App", stack.node.root), "Elsewhere", env=env)


ALIASES: dict[str, Callable[[Stack], kms.IKey]] = {
    "imported": lambda stack: kms.Alias.from_alias_name(stack, "Alias", "alias/audits"),
    "imported with its key": lambda stack: kms.Alias.from_alias_attributes(
        stack, "Alias", alias_name="alias/audits", alias_target_key=kms.Key(stack, "Key")
    ),
    "added": lambda stack: kms.Key(stack, "Key").add_alias("alias/audits"),
    "new": lambda stack: kms.Alias(
        stack, "Alias", alias_name="alias/audits", target_key=kms.Key(stack, "Key")
    ),
    "ARN": lambda stack: kms.Key.from_key_arn(stack, "Alias", f"{KEY_ARN}:alias/audits"),
    "ARN with a token": lambda stack: kms.Key.from_key_arn(
        stack, "Alias", f"arn:aws:kms:us-east-1:{Aws.ACCOUNT_ID}:alias/audits"
    ),
}


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES)
@pytest.mark.parametrize("build", [root_access, root_tasks])
def test_an_alias_of_a_key_is_refused_with_what_to_pass_instead(
    build: Callable[..., None], alias: Callable[[Stack], kms.IKey]
) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    remedy = r"Pass the key itself: .*kms\.Key\.from_lookup.*kms\.Key\.from_key_arn"
    with pytest.raises(ValueError, match=rf"^encryption_key is the alias [^$]*[aA]lias[^$]*: .*{remedy}"):
        build(stack, encryption_key=alias(stack))


@pytest.mark.parametrize("build", [root_access, root_tasks])
def test_a_key_that_has_an_alias_and_one_that_is_not_known_at_synth_are_accepted(
    build: Callable[..., None],
) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    build(stack, encryption_key=kms.Key(stack, "Key", alias="alias/audits"))
    stack = bootstrap_stack(env=MANAGEMENT)
    arn = CfnParameter(stack, "Arn").value_as_string
    build(stack, encryption_key=kms.Key.from_key_arn(stack, "Key", arn))


@pytest.mark.parametrize("wrong", ["arn:aws:kms:us-east-1:111111111111:key/1", 1, [], True, {}])
@pytest.mark.parametrize("build", [root_access, root_tasks])
def test_what_is_not_a_key_is_refused(build: Callable[..., None], wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^encryption_key must be a KMS key .*kms\.Key\.from_key_arn"):
        build(bootstrap_stack(env=MANAGEMENT), encryption_key=wrong)


@pytest.mark.parametrize("wrong", [365, "ONE_YEAR", None, True, Duration.days(365)])
@pytest.mark.parametrize("build", [root_access, root_tasks])
def test_what_is_not_a_retention_is_refused(build: Callable[..., None], wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^log_retention must be a RetentionDays.*logs\.RetentionDays\.ONE_"):
        build(bootstrap_stack(env=MANAGEMENT), log_retention=wrong)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (True, TypeError),
        (2.5, TypeError),
        ("10", TypeError),
        (None, TypeError),
        (Token.as_number({"Ref": "Many"}), TypeError),
        (0, ValueError),
        (-1, ValueError),
        (1001, ValueError),
    ],
    # A token of a number is another number in each process.
    ids=["bool", "float", "str", "None", "token", "0", "-1", "1001"],
)
def test_the_concurrency_is_an_int_in_its_range(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^max_concurrency must be .*, got .*\. Write "):
        root_tasks(bootstrap_stack(env=MANAGEMENT), max_concurrency=wrong)


def test_a_second_drift_check_is_refused_with_a_sentence() -> None:
    root_access = CentralizedRootAccess(bootstrap_stack(env=MANAGEMENT), "RootAccess")
    root_access.add_drift_check()
    with pytest.raises(ValueError, match=r"already has a drift check. Call add_drift_check once"):
        root_access.add_drift_check(repair=True)


def test_nothing_is_accepted_positionally() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    with pytest.raises(TypeError, match="positional"):
        CentralizedRootAccess(stack, "RootAccess", ["RootSessions"])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        RootTasks(stack, "RootTasks", ["IAMAuditRootUserCredentials"])  # type: ignore[call-arg]
