"""Executions of the local AWS are redriven as AWS does it: they go on where they ended."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local_aws.redrive import RedriveStatus, redrivability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local_aws.services import LocalAws

BUCKET = "redrives"
ROLE = "arn:aws:iam::111111111111:role/role"
# Each call leaves an object; `fail/<name>` lets it fail, `wait/<name>` lets it wait until that is deleted.
FUNCTION = f"""
import time, uuid
import boto3

s3 = boto3.client("s3")

def keys(prefix):
    return [it["Key"] for it in s3.list_objects_v2(Bucket="{BUCKET}", Prefix=prefix).get("Contents", [])]

def handler(event, context):
    name, call = event["name"], str(uuid.uuid4())
    if keys(f"running/{{name}}/"):
        s3.put_object(Bucket="{BUCKET}", Key=f"twice/{{name}}")
    s3.put_object(Bucket="{BUCKET}", Key=f"running/{{name}}/{{call}}")
    s3.put_object(Bucket="{BUCKET}", Key=f"calls/{{name}}/{{call}}")
    try:
        while keys(f"wait/{{name}}"):
            time.sleep(0.05)
        if keys(f"fail/{{name}}"):
            raise ValueError(name)
    finally:
        s3.delete_object(Bucket="{BUCKET}", Key=f"running/{{name}}/{{call}}")
    return {{"did": name, "input": event}}
"""


@dataclass(frozen=True, kw_only=True)
class Workflows:
    """State machines whose functions fail and wait as they are told."""

    aws: LocalAws
    function: str
    names: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    @property
    def step_functions(self) -> Any:
        return self.aws.client("stepfunctions")

    @property
    def s3(self) -> Any:
        return self.aws.client("s3")

    def task(self, name: str, **others: object) -> dict[str, Any]:
        """Return a state that calls the function with a name and the state's input."""
        return {
            "Type": "Task",
            "Resource": self.function,
            "Parameters": {"name": name, "input.$": "$"},
            **(others if "Next" in others else {**others, "End": True}),
        }

    def create(self, states: Mapping[str, Any], *, type_: str = "STANDARD") -> str:
        """Create a state machine that starts at the first of its states."""
        definition = json.dumps({"StartAt": next(iter(states)), "States": states})
        created = self.step_functions.create_state_machine(
            name=f"workflow-{next(self.names)}", definition=definition, roleArn=ROLE, type=type_
        )
        return str(created["stateMachineArn"])

    def start(self, state_machine_arn: str, input_: object = None) -> str:
        started = self.step_functions.start_execution(
            stateMachineArn=state_machine_arn, input=json.dumps(input_ or {})
        )
        return str(started["executionArn"])

    def run(self, states: Mapping[str, Any], input_: object = None) -> dict[str, Any]:
        """Run a new state machine to its end."""
        return self.end_of(self.start(self.create(states), input_))

    def redrive(self, execution: Mapping[str, Any]) -> dict[str, Any]:
        """Redrive an execution, and wait for its end."""
        self.step_functions.redrive_execution(executionArn=execution["executionArn"])
        return self.end_of(execution["executionArn"])

    def end_of(self, arn: str) -> dict[str, Any]:
        wait_for(lambda: self.step_functions.describe_execution(executionArn=arn)["status"] != "RUNNING")
        described: dict[str, Any] = self.step_functions.describe_execution(executionArn=arn)
        return described

    def history(self, execution: Mapping[str, Any]) -> list[str]:
        """Return the types of the events, with the names of the states."""
        events = self.step_functions.get_execution_history(executionArn=execution["executionArn"])["events"]
        return [
            f"{event['type']} {event['stateEnteredEventDetails']['name']}"
            if "stateEnteredEventDetails" in event
            else event["type"]
            for event in events
        ]

    def children(self, execution: Mapping[str, Any]) -> dict[str, str]:
        """Return the child executions of the one Map Run, and their statuses."""
        (run,) = self.step_functions.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
        listed = self.step_functions.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        return {child["executionArn"]: child["status"] for child in listed}

    def map_run(self, execution: Mapping[str, Any]) -> dict[str, Any]:
        (run,) = self.step_functions.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
        described: dict[str, Any] = self.step_functions.describe_map_run(mapRunArn=run["mapRunArn"])
        return described

    def let(self, behaviour: str, *names: str) -> None:
        """Let the calls with these names fail, or wait."""
        for name in names:
            self.s3.put_object(Bucket=BUCKET, Key=f"{behaviour}/{name}")

    def let_no_longer(self, behaviour: str, *names: str) -> None:
        for name in names:
            self.s3.delete_object(Bucket=BUCKET, Key=f"{behaviour}/{name}")

    def calls(self) -> Counter[str]:
        """Return how often the function was called with each name."""
        return Counter(key.split("/")[1] for key in self.keys("calls/"))

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [it["Key"] for it in pages.get("Contents", [])]


@pytest.fixture(scope="module")
def shared(running_aws: LocalAws) -> Workflows:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    running_aws.client("s3").create_bucket(Bucket=BUCKET)
    created = running_aws.client("lambda").create_function(
        FunctionName="told",
        Runtime="python3.14",
        Handler="index.handler",
        Role=ROLE,
        Timeout=30,
        Code={"ZipFile": package.getvalue()},
    )
    return Workflows(aws=running_aws, function=created["FunctionArn"])


@pytest.fixture
def workflows(shared: Workflows) -> Workflows:
    for key in shared.keys(""):
        shared.s3.delete_object(Bucket=BUCKET, Key=key)
    return shared


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.03)


def distributed_map(workflows: Workflows, **others: object) -> dict[str, Any]:
    """Return a Map state whose child executions each call the function twice."""
    before = workflows.task("", Next="After", ResultPath=None)
    before["Parameters"] = {"name.$": "States.Format('before-{}', $)"}
    after = workflows.task("")
    after["Parameters"] = {"name.$": "$"}
    return {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Before",
            "States": {"Before": before, "After": after},
        },
        "End": True,
    } | others


def test_it_goes_on_at_the_state_that_failed_with_that_states_input(workflows: Workflows) -> None:
    states = {
        "Prepare": {"Type": "Pass", "Result": 1, "ResultPath": "$.prepared", "Next": "First"},
        "First": workflows.task("first", ResultPath="$.first", Next="Second"),
        "Second": workflows.task("second", Next="Last"),
        "Last": {"Type": "Succeed"},
    }
    workflows.let("fail", "second")
    failed = workflows.run(states, {"given": True})
    assert (failed["status"], failed["redriveCount"], failed["redriveStatus"]) == ("FAILED", 0, "REDRIVABLE")
    assert "redriveDate" not in failed
    before = workflows.history(failed)

    again = workflows.redrive(failed)
    assert (again["status"], again["redriveCount"], again["error"]) == ("FAILED", 1, failed["error"])
    workflows.let_no_longer("fail", "second")
    succeeded = workflows.redrive(failed)

    assert workflows.calls() == {"first": 1, "second": 3}
    assert (succeeded["status"], succeeded["redriveCount"]) == ("SUCCEEDED", 2)
    assert succeeded["redriveStatus"] == "NOT_REDRIVABLE"
    assert failed["stopDate"] < succeeded["redriveDate"] < succeeded["stopDate"]
    assert not {"error", "cause"} & succeeded.keys()
    for kept in ("executionArn", "name", "input", "startDate"):
        assert succeeded[kept] == failed[kept]
    input_ = {"given": True, "prepared": 1, "first": {"did": "first"}}
    output = json.loads(succeeded["output"])
    assert output["did"] == "second"
    output["input"]["input"]["first"].pop("input")
    assert output["input"]["input"] == input_
    assert workflows.history(succeeded) == [
        *before,
        *("ExecutionRedriven", "TaskScheduled", "TaskFailed", "ExecutionFailed"),
        *("ExecutionRedriven", "TaskScheduled", "TaskSucceeded", "TaskStateExited"),
        *("SucceedStateEntered Last", "SucceedStateExited", "ExecutionSucceeded"),
    ]


def test_branches_and_iterations_that_succeeded_keep_their_output(workflows: Workflows) -> None:
    iterations = workflows.task("")
    iterations["Parameters"] = {"name.$": "$"}
    branches = [
        {"StartAt": "A", "States": {"A": workflows.task("a")}},
        {
            "StartAt": "B",
            "States": {"B": workflows.task("b", Next="C", ResultPath="$.b"), "C": workflows.task("c")},
        },
        {
            "StartAt": "Each",
            "States": {
                "Each": {
                    "Type": "Map",
                    "ItemsPath": "$.items",
                    "ItemProcessor": {"StartAt": "Item", "States": {"Item": iterations}},
                    "End": True,
                }
            },
        },
    ]
    states = {"Branches": {"Type": "Parallel", "Branches": branches, "End": True}}
    workflows.let("fail", "c", "two")
    failed = workflows.run(states, {"items": ["one", "two", "three"]})
    workflows.let_no_longer("fail", "c", "two")
    succeeded = workflows.redrive(failed)
    assert (failed["status"], succeeded["status"]) == ("FAILED", "SUCCEEDED")
    assert workflows.calls() == {"a": 1, "b": 1, "c": 2, "one": 1, "two": 2, "three": 1}
    a, c, items = json.loads(succeeded["output"])
    assert (a["did"], c["did"], [it["did"] for it in items]) == ("a", "c", ["one", "two", "three"])


def test_a_map_run_runs_only_the_children_again_that_did_not_succeed(workflows: Workflows) -> None:
    states = {"Each": distributed_map(workflows)}
    workflows.let("fail", "two", "three")
    failed = workflows.run(states, {"items": ["one", "two", "three"]})
    before, map_run = workflows.children(failed), workflows.map_run(failed)
    assert sorted(before.values()) == ["FAILED", "FAILED", "SUCCEEDED"]
    assert (failed["status"], map_run["status"]) == ("FAILED", "FAILED")
    for child, status in before.items():
        described = workflows.step_functions.describe_execution(executionArn=child)
        redrivable = "NOT_REDRIVABLE" if status == "SUCCEEDED" else "REDRIVABLE_BY_MAP_RUN"
        assert described["redriveStatus"] == redrivable
        assert_not_redrivable(workflows, child)

    workflows.let_no_longer("fail", "two", "three")
    succeeded = workflows.redrive(failed)

    assert succeeded["status"] == "SUCCEEDED"
    assert [it["did"] for it in json.loads(succeeded["output"])] == ["one", "two", "three"]
    assert workflows.calls() == {
        "before-one": 1,
        "before-two": 1,
        "before-three": 1,
        "one": 1,
        "two": 2,
        "three": 2,
    }
    assert workflows.children(succeeded) == dict.fromkeys(before, "SUCCEEDED"), "under the same ARNs"
    redriven = workflows.map_run(succeeded)
    assert (redriven["mapRunArn"], redriven["startDate"]) == (map_run["mapRunArn"], map_run["startDate"])
    assert (redriven["status"], redriven["redriveCount"]) == ("SUCCEEDED", 1)
    assert redriven["itemCounts"]["succeeded"] == 3
    counts = {
        child: workflows.step_functions.describe_execution(executionArn=child)["redriveCount"]
        for child in before
    }
    assert counts == {child: int(status == "FAILED") for child, status in before.items()}
    assert "MapRunRedriven" in workflows.history(succeeded)


def test_a_stopped_map_run_goes_on_and_no_child_runs_twice_at_the_same_time(workflows: Workflows) -> None:
    states = {
        "Each": distributed_map(
            workflows,
            MaxConcurrency=2,
            # Neither is for what was stopped.
            Retry=[{"ErrorEquals": ["States.ALL"]}],
            Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
        ),
        "Caught": {"Type": "Pass", "End": True},
    }
    workflows.let("wait", "two", "three")
    arn = workflows.start(workflows.create(states), {"items": ["one", "two", "three", "four"]})
    wait_for(lambda: len(workflows.keys("running/")) == 2 and workflows.calls()["three"] == 1)
    workflows.step_functions.stop_execution(executionArn=arn)
    stopped = workflows.end_of(arn)
    assert (stopped["status"], stopped["redriveStatus"]) == ("ABORTED", "REDRIVABLE")
    before = workflows.children(stopped)
    assert sorted(before.values()) == ["ABORTED", "ABORTED", "SUCCEEDED"]
    assert workflows.map_run(stopped)["status"] == "ABORTED"

    workflows.step_functions.redrive_execution(executionArn=arn)
    assert_not_redrivable(workflows, arn)
    # What the stop did not end: the functions still run, and end now.
    time.sleep(0.4)
    assert workflows.calls()["two"] == workflows.calls()["three"] == 1
    workflows.let_no_longer("wait", "two", "three")
    succeeded = workflows.end_of(arn)

    assert [it["did"] for it in json.loads(succeeded["output"])] == ["one", "two", "three", "four"]
    assert workflows.calls() == {
        "before-one": 1,
        "before-two": 1,
        "before-three": 1,
        "before-four": 1,
        "one": 1,
        "two": 2,
        "three": 2,
        "four": 1,
    }
    assert workflows.keys("twice/") == []
    after = workflows.children(succeeded)
    assert before.keys() < after.keys()
    (new,) = after.keys() - before.keys()
    assert workflows.end_of(new)["redriveCount"] == 0, "it had not started before the stop"
    assert list(after.values()) == ["SUCCEEDED"] * 4
    assert "PassStateEntered Caught" not in workflows.history(succeeded)
    assert workflows.history(succeeded).count("ExecutionAborted") == 1


def test_a_wait_ends_with_the_stop_and_starts_anew_with_the_redrive(workflows: Workflows) -> None:
    each = distributed_map(workflows)
    each["ItemProcessor"] |= {
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}},
    }
    arn = workflows.start(workflows.create({"Each": each}), {"items": ["one"]})
    for redrives in range(3):
        wait_for(lambda: "RUNNING" in statuses_of_children(workflows, arn))
        workflows.step_functions.stop_execution(executionArn=arn)
        stopped = workflows.end_of(arn)
        # Nothing comes after the stop.
        time.sleep(0.1)
        assert statuses_of_children(workflows, arn) == ["ABORTED"]
        assert (stopped["status"], stopped["redriveCount"]) == ("ABORTED", redrives)
        workflows.step_functions.redrive_execution(executionArn=arn)
    workflows.step_functions.stop_execution(executionArn=arn)


def statuses_of_children(workflows: Workflows, arn: str) -> list[str]:
    """Return the statuses of the child executions, also before there is a Map Run."""
    runs = workflows.step_functions.list_map_runs(executionArn=arn)["mapRuns"]
    return list(workflows.children({"executionArn": arn}).values()) if runs else []


def test_retries_count_from_zero_and_a_states_own_retry_repeats_all_of_it(workflows: Workflows) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 0, "MaxAttempts": 1}]
    branches = [
        {"StartAt": "A", "States": {"A": workflows.task("a")}},
        {"StartAt": "B", "States": {"B": workflows.task("b", Retry=retry)}},
    ]
    states = {"Branches": {"Type": "Parallel", "Branches": branches, "Retry": retry, "End": True}}
    workflows.let("fail", "b")
    failed = workflows.run(states)
    assert (failed["status"], workflows.calls()) == ("FAILED", {"a": 2, "b": 4})
    redriven = workflows.redrive(failed)
    assert redriven["status"] == "FAILED"
    # At first the branch that failed is continued, and then the state's own Retry repeats both.
    assert workflows.calls() == {"a": 3, "b": 8}


def test_it_has_the_definition_that_it_was_started_with(workflows: Workflows) -> None:
    states = {"First": workflows.task("first", Next="Second"), "Second": workflows.task("second")}
    workflows.let("fail", "second")
    state_machine_arn = workflows.create(states)
    failed = workflows.end_of(workflows.start(state_machine_arn))
    updated = {"StartAt": "Other", "States": {"Other": {"Type": "Pass", "Result": "other", "End": True}}}
    workflows.step_functions.update_state_machine(
        stateMachineArn=state_machine_arn, definition=json.dumps(updated)
    )
    workflows.let_no_longer("fail", "second")
    assert json.loads(workflows.redrive(failed)["output"])["did"] == "second"
    assert json.loads(workflows.end_of(workflows.start(state_machine_arn))["output"]) == "other"


def assert_not_redrivable(workflows: Workflows, arn: str, code: str = "ExecutionNotRedrivable") -> None:
    with pytest.raises(ClientError) as refused:
        workflows.step_functions.redrive_execution(executionArn=arn)
    assert refused.value.response["Error"]["Code"] == code


def test_what_succeeded_runs_or_does_not_exist_is_not_redriven(workflows: Workflows) -> None:
    succeeded = workflows.run({"Pass": {"Type": "Pass", "End": True}})
    assert_not_redrivable(workflows, succeeded["executionArn"])
    assert workflows.end_of(succeeded["executionArn"])["redriveCount"] == 0
    arn = workflows.start(workflows.create({"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}))
    assert_not_redrivable(workflows, arn)
    workflows.step_functions.stop_execution(executionArn=arn)
    assert_not_redrivable(workflows, f"{arn}-of-nobody", "ExecutionDoesNotExist")
    express = workflows.start(workflows.create({"Fail": {"Type": "Fail"}}, type_="EXPRESS"))
    assert_not_redrivable(workflows, workflows.end_of(express)["executionArn"])


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT"])
def test_an_execution_can_be_redriven_for_fourteen_days(status: str) -> None:
    ended = datetime(2026, 11, 1, tzinfo=UTC)
    execution = {"status": status, "stopDate": ended.isoformat()}
    found = [
        redrivability(execution, type_="STANDARD", now=ended + timedelta(days=14, seconds=seconds)).status
        for seconds in (0, 1)
    ]
    assert found == [RedriveStatus.REDRIVABLE, RedriveStatus.NOT_REDRIVABLE]
