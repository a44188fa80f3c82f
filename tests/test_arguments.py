"""The constructs' arguments: each value is accepted rightly, or refused with argument, value and remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Aws, CfnParameter, Duration, Fn, ScopedAws, Stack, Token

from centralized_root_access import CentralizedRootAccess, RootAccessFeature, RootTask, RootTasks
from support.accounts import MEMBER, OTHER
from support.templates import MANAGEMENT, bootstrap_stack, only_resource, template

if TYPE_CHECKING:
    from collections.abc import Callable

TOPIC = "sns.Topic.from_topic_arn"


def root_access(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess", **arguments)


def drift_check(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(**arguments)


def root_tasks(stack: Stack, **arguments: Any) -> None:
    RootTasks(stack, "RootTasks", **{"tasks": list(RootTask), **arguments})


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
    with pytest.raises(ValueError, match=r"the account of this stack.*List member accounts"):
        CentralizedRootAccess(stack, "RootAccess", delegated_administrators=[own(stack)])


def test_an_account_that_is_listed_twice_is_refused_also_as_a_token() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    security = CfnParameter(stack, "Security")
    for twice in (
        [security.value_as_string, security.value_as_string],
        [security.value_as_string, Fn.ref("Security")],
        [OTHER, OTHER],
    ):
        with pytest.raises(ValueError, match=r"^delegated_administrators lists .* twice\. List it once\.$"):
            CentralizedRootAccess(stack, "RootAccess", delegated_administrators=twice)
        stack = bootstrap_stack(env=MANAGEMENT)
        security = CfnParameter(stack, "Security")


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
