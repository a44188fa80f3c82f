"""The state machines of RootTasks, read-only and making changes, and the schedule of audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import Duration, Names, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from ..base.enums import RootTask

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

# A function ends by its own timeout; the state machine's is for a function that does not end.
_TIMEOUT_RESERVE = Duration.minutes(1)
# EventBridge's limit of a rule's name.
_MAX_NAME_CHARACTERS = 64
# The beginning of a state machine's id, and its comment.
_AUDIT = (
    "Audit",
    "Audits the root users of the organization's member accounts, and plans root tasks.",
)
_EXECUTE = "Execute", "Executes plans of root tasks in the organization's member accounts."


@dataclass(frozen=True, kw_only=True)
class RunFunctions:
    """The functions of a state machine.

    Attributes:
        start: The function that starts a run, or the execution of a plan.
        batch: The functions that read a batch of accounts, or make changes there, each with its
            tasks.
        report: The function that writes the report.
    """

    start: lambda_.Function
    batch: Mapping[lambda_.Function, Sequence[RootTask]]
    report: lambda_.Function


def build_state_machine(
    scope: Construct, functions: RunFunctions, *, max_concurrency: int, makes_changes: bool
) -> sfn.StateMachine:
    """Return a state machine that starts a run, runs its batches and writes its report.

    What later states rely on is passed on by hash: the run, the work and each result.

    Args:
        scope: The construct that it belongs to.
        functions: Its functions.
        max_concurrency: The number of batches that run in parallel.
        makes_changes: Whether it makes changes: it then fails if an account failed, after its
            report.
    """
    name, comment = _EXECUTE if makes_changes else _AUDIT
    states = Construct(scope, f"{name}States")

    # The last state writes the report. In Step Functions' language the value of a name that ends
    # with .$ is a path in the state's input, or with $$ in what is known of the execution.
    report = _invoke(
        states,
        "Write report",
        functions.report,
        payload={
            "runId.$": "$.runId",
            "runSha256.$": "$.runSha256",
            "results.$": "$.results",
        },
    )
    if makes_changes:
        failed = sfn.Fail(states, "Accounts failed", error="AccountsFailed", cause_path="$.summary")
        report.next(
            sfn.Choice(states, "Any failures?")
            .when(sfn.Condition.boolean_equals("$.failed", value=True), failed)
            .otherwise(sfn.Succeed(states, "Executed"))
        )

    # The first one starts the run.
    started = _invoke(
        states,
        "Start run",
        functions.start,
        payload={
            "input.$": "$",
            "execution": {
                "id.$": "$$.Execution.Id",
                "name.$": "$$.Execution.Name",
                "startedAt.$": "$$.Execution.StartTime",
            },
        },
    )

    # Between them are the batches, if there are any accounts.
    no_results = sfn.Pass(
        states, "No results", result=sfn.Result.from_array([]), result_path="$.results"
    )
    no_results.next(report)
    batches = sfn.DistributedMap(
        states,
        "Batches of accounts",
        items_path="$.batches",
        item_selector={
            "runId.$": "$.runId",
            "task.$": "$.task",
            "workSha256.$": "$.workSha256",
            "batch.$": "$$.Map.Item.Value",
        },
        max_concurrency=max_concurrency,
        # A batch that fails affects no other batch, and the report shows it.
        tolerated_failure_percentage=100,
        # Why not Express: these executions may not assume the role, whose trust the CDK limits by
        # aws:SourceArn, and every batch would be without a result.
        # https://github.com/aws/aws-cdk/pull/37688
        map_execution_type=sfn.StateMachineType.STANDARD,
        result_path="$.results",
    )
    # Without a mode: CDK warns of any ProcessorConfig of a Distributed Map.
    batches.item_processor(_run_batch(states, functions.batch, makes_changes=makes_changes))
    # The report is written even if the map fails.
    batches.add_catch(no_results, result_path=sfn.JsonPath.DISCARD)
    # A refused execution ends as SUCCEEDED, so that the alarm on failed ones does not count it.
    refused = sfn.Succeed(
        states, "Refused", comment="The input is refused: the output's cause says why."
    )
    definition = started.next(
        sfn.Choice(states, "Any accounts?")
        .when(sfn.Condition.is_present("$.refused"), refused)
        .when(sfn.Condition.is_present("$.batches[0]"), batches.next(report))
        .otherwise(no_results)
    )
    body = sfn.DefinitionBody.from_chainable(definition)
    return sfn.StateMachine(scope, f"{name}StateMachine", comment=comment, definition_body=body)


def audit_rule(
    scope: Construct, state_machine: sfn.IStateMachine, *, interval: Duration
) -> events.Rule:
    """Return the rule that audits every account on an interval.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html

    Args:
        scope: The construct that the rule belongs to.
        state_machine: The state machine that audits.
        interval: The interval.
    """
    parent = Construct(scope, "Interval")
    # The role names the rule and the rule names the role, so one of the names is known before the
    # deployment.
    name = Names.unique_resource_name(parent, separator="-", max_length=_MAX_NAME_CHARACTERS)
    rule_arn = Stack.of(scope).format_arn(service="events", resource="rule", resource_name=name)
    role = iam.Role(
        parent,
        "Role",
        assumed_by=iam.ServicePrincipal(
            "events.amazonaws.com", conditions={"ArnEquals": {"aws:SourceArn": rule_arn}}
        ),
    )
    input_ = events.RuleTargetInput.from_object({"task": RootTask.AUDIT})
    rule = events.Rule(
        parent,
        "Rule",
        rule_name=name,
        description="Audits the root users of every account of the organization.",
        schedule=events.Schedule.rate(interval),
        targets=[targets.SfnStateMachine(state_machine, input=input_, role=role)],
    )
    # With their policies: an execution that starts before them would fail.
    rule.node.add_dependency(role, state_machine)
    return rule


def _run_batch(
    states: Construct,
    functions: Mapping[lambda_.Function, Sequence[RootTask]],
    *,
    makes_changes: bool,
) -> sfn.IChainable:
    """Return the states that run one batch: a choice of the function that has the run's task.

    Args:
        states: The construct that the states belong to.
        functions: The functions, each with its tasks.
        makes_changes: Whether they make changes.
    """
    # Without the catch, what the map returns for a batch that failed would be up to Step Functions.
    # The error's cause is left out: it can be as long as all that a state may pass on.
    no_result = sfn.Pass(
        states,
        "No result",
        parameters={"batch.$": "$.batch", "error.$": "$.caught.Error"},
    )
    choice = sfn.Choice(states, "Which task?")
    for function, tasks_of_function in functions.items():
        invoke = _invoke(
            states, function.node.id, function, payload=None, makes_changes=makes_changes
        )
        invoke.add_catch(no_result, result_path="$.caught")
        is_task = [sfn.Condition.string_equals("$.task", task) for task in tasks_of_function]
        condition = is_task[0]
        if len(is_task) > 1:
            condition = sfn.Condition.or_(*is_task)
        choice.when(condition, invoke)
    return choice


def _invoke(
    scope: Construct,
    id: str,
    function: lambda_.Function,
    *,
    payload: dict[str, Any] | None,
    makes_changes: bool = False,
) -> tasks.LambdaInvoke:
    """Return the state that invokes a function.

    Args:
        scope: The construct that the state belongs to.
        id: The state's name.
        function: The function.
        payload: What the function gets; None: the state's input.
        makes_changes: Whether the function makes changes, so that an invocation of which nobody
            knows whether it began is not repeated.
    """
    timeout = cast("Duration", function.timeout).plus(_TIMEOUT_RESERVE)
    task_input = None
    if payload is not None:
        task_input = sfn.TaskInput.from_object(payload)
    invoke = tasks.LambdaInvoke(
        scope,
        id,
        lambda_function=function,
        payload=task_input,
        payload_response_only=True,
        task_timeout=sfn.Timeout.duration(timeout),
        # An error of the service does not say that the function did not start: no change is
        # repeated.
        retry_on_service_exceptions=not makes_changes,
    )
    # The account's concurrency may be used up: then the function has not started. The waits between
    # the attempts double up to a minute, and are up to 17 minutes together.
    invoke.add_retry(
        errors=["Lambda.TooManyRequestsException"],
        interval=Duration.seconds(5),
        max_delay=Duration.minutes(1),
        max_attempts=20,
        jitter_strategy=sfn.JitterType.FULL,
    )
    return invoke
