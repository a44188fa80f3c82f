"""The definition of the state machine of RootTasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_s3 as s3
    from constructs import Construct

    from .enums import RootTask

# A function ends by its own timeout; the state machine's is for a function that does not end.
_TIMEOUT_RESERVE = Duration.minutes(1)


def root_tasks_state_machine(
    scope: Construct,
    *,
    bucket: s3.IBucket,
    start_run: lambda_.Function,
    run_batch: Mapping[RootTask, lambda_.Function],
    write_report: lambda_.Function,
    max_concurrency: int,
) -> sfn.StateMachine:
    """Return the state machine: start the run, process its batches, write its report.

    Args:
        scope: The construct that it belongs to.
        bucket: The bucket that has the batches.
        start_run: The function that starts a run.
        run_batch: The function that runs a task in a batch of accounts, for each task.
        write_report: The function that writes the report.
        max_concurrency: The number of batches that run in parallel.
    """
    start = _invoke(
        scope,
        "Start run",
        start_run,
        payload={
            "input": sfn.JsonPath.object_at("$"),
            "execution": {
                "id": sfn.JsonPath.string_at("$$.Execution.Id"),
                "name": sfn.JsonPath.string_at("$$.Execution.Name"),
                "startedAt": sfn.JsonPath.string_at("$$.Execution.StartTime"),
            },
        },
    )
    report = _invoke(
        scope, "Write report", write_report, payload={"runId": sfn.JsonPath.string_at("$.runId")}
    )
    batches = sfn.DistributedMap(
        scope,
        "Batches of accounts",
        item_reader=sfn.S3JsonItemReader(bucket=bucket, key=sfn.JsonPath.string_at("$.itemsKey")),
        item_selector={
            "runId": sfn.JsonPath.string_at("$.runId"),
            "task": sfn.JsonPath.string_at("$.task"),
            "workSha256": sfn.JsonPath.string_at("$.workSha256"),
            "batch": sfn.JsonPath.number_at("$$.Map.Item.Value.batch"),
        },
        max_concurrency=max_concurrency,
        # A batch that fails affects no other batch, and the report shows it.
        tolerated_failure_percentage=100,
        map_execution_type=sfn.StateMachineType.STANDARD,
        result_path=sfn.JsonPath.DISCARD,
    )
    # Without a mode: CDK warns of any ProcessorConfig of a Distributed Map.
    batches.item_processor(_task_choice(scope, run_batch))
    # The report is written whatever happens to the map.
    batches.add_catch(report, result_path=sfn.JsonPath.DISCARD)
    definition = start.next(
        sfn.Choice(scope, "Any accounts?")
        .when(sfn.Condition.number_greater_than("$.batches", 0), batches.next(report))
        .otherwise(report)
    )
    return sfn.StateMachine(
        scope,
        "StateMachine",
        comment="Performs root tasks in the organization's member accounts.",
        definition_body=sfn.DefinitionBody.from_chainable(definition),
    )


def _task_choice(scope: Construct, run_batch: Mapping[RootTask, lambda_.Function]) -> sfn.IChainable:
    choice = sfn.Choice(scope, "Which task?")
    for task, function in run_batch.items():
        choice.when(sfn.Condition.string_equals("$.task", task), _invoke(scope, task, function, payload=None))
    return choice


def _invoke(
    scope: Construct, id: str, function: lambda_.Function, *, payload: dict[str, Any] | None
) -> tasks.LambdaInvoke:
    if function.timeout is None:
        raise ValueError(f"{function.node.path} has no timeout.")
    invoke = tasks.LambdaInvoke(
        scope,
        id,
        lambda_function=function,
        payload=None if payload is None else sfn.TaskInput.from_object(payload),
        payload_response_only=True,
        task_timeout=sfn.Timeout.duration(function.timeout.plus(_TIMEOUT_RESERVE)),
    )
    # The account's concurrency may be used up: then the function has not started.
    invoke.add_retry(
        errors=["Lambda.TooManyRequestsException"],
        interval=Duration.seconds(5),
        max_delay=Duration.minutes(1),
        max_attempts=20,
        jitter_strategy=sfn.JitterType.FULL,
    )
    return invoke
