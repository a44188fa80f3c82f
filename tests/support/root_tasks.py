"""The state machines of RootTasks in this process, with the real functions."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_calls.runtime import new_session, one_attempt
from common.arn import Arn
from common.errors import RootAccessError
from local_aws.emulation import LocalOrganization, Organization
from local_aws.services import LocalAws
from root_tasks.aws.checksums import sha256
from root_tasks.aws.clients import RunClients
from root_tasks.aws.invocation import Aws
from root_tasks.aws.session_clients import SessionClients
from root_tasks.model.report_schema import Task
from root_tasks.refusals import RefusalReason, RunRefusedError
from root_tasks.run.batch import BatchClaimedError, execute_batch, run_batch
from root_tasks.run.finish import write_report
from root_tasks.run.settings import (
    RunBatchSettings,
    StartExecutionSettings,
    StartRunSettings,
    WriteReportSettings,
)
from root_tasks.run.start import start_execution, start_run
from root_tasks.tasks import DEFINITIONS
from support.accounts import MANAGEMENT, MEMBER
from support.faults.clients import Register, change_before, inject, omit_member
from support.faults.vocabulary import NO_RESPONSE_AFTER, error_response
from support.function import FakeTime
from support.notices import card_in_chat, text_by_mail
from support.policies import PolicyRequest, request_of_task_call
from support.report_bucket import REPORT_BUCKET as REPORT_BUCKET
from support.report_bucket import set_clock
from support.responding import client_error
from support.state_machine import ExecutionFailedError, Invoke, StateMachine
from support.template_reading import resources_of_type, state_machine_definition

if TYPE_CHECKING:
    from mypy_boto3_sts.type_defs import CredentialsTypeDef


AUDIT_MACHINE, EXECUTE_MACHINE = "RootTasksAudit", "RootTasksExecute"
ONE_CREDENTIAL_OF_EACH_TYPE: dict[str, Any] = {
    "password": True,
    "access_keys": 1,
    "certificates": 1,
    "mfa_devices": 1,
}
# The input of the Audit state machine that plans to delete.
PLAN_DELETION = {"task": Task.DELETE, "accounts": ["all"]}
_ARN = "arn:aws:states:us-east-1:{account_id}:{kind}:{machine}"
AUDIT_MACHINE_ARN = _ARN.format(account_id=MANAGEMENT, kind="stateMachine", machine=AUDIT_MACHINE)
SNAPSHOT = (
    Path(__file__).parents[1] / "snapshots" / "everything" / "OrganizationBootstrap.template.json"
)
# What DescribeExecution returns for some seconds, in place of what is so by then.
WITHOUT_OUTPUT: dict[str, Any] = {"output": None, "cause": None}
RUNNING = WITHOUT_OUTPUT | {"status": "RUNNING"}
# The SDK returns times in the time zone of the machine.
_MACHINES_ZONE = timezone(timedelta(hours=-5))
_STARTED_AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
# Each function and the class of its settings, by its handler.
FUNCTIONS: dict[str, tuple[Callable[..., dict[str, Any]], Any]] = {
    "start_run": (start_run, StartRunSettings),
    "start_execution": (start_execution, StartExecutionSettings),
    "run_batch": (run_batch, RunBatchSettings),
    "execute_batch": (execute_batch, RunBatchSettings),
    "write_report": (write_report, WriteReportSettings),
    "write_execution_report": (
        functools.partial(write_report, makes_changes=True),
        WriteReportSettings,
    ),
}


@dataclass(frozen=True, kw_only=True)
class DeployedSettings:
    """The arguments of the construct, as far as they reach the functions' settings.

    Attributes:
        tasks: The tasks of the stack.
        protected_accounts: The accounts in which no run makes changes.
        accepted_credentials: What stays on purpose, as the setting has it.
        allow_policy_override: Whether the input may give a corrected policy.
        notification_topic_arn: The SNS topic for notices; None without notices.
        security_hub_findings: Whether full audits import findings.
    """

    tasks: tuple[Task, ...] = tuple(Task)
    protected_accounts: Collection[str] = ()
    accepted_credentials: Sequence[Mapping[str, object]] = ()
    allow_policy_override: bool = False
    notification_topic_arn: str | None = "arn:aws:sns:topic"
    security_hub_findings: bool = False

    def environment(self, handler: str, *, account_id: str = MANAGEMENT) -> dict[str, str]:
        """The environment of a function, by its handler, in an account."""
        start: dict[str, object] = {
            "tasks": self.tasks,
            "protectedAccounts": sorted(self.protected_accounts),
            "allowPolicyOverride": self.allow_policy_override,
        }
        report: dict[str, object] = {
            "notificationTopicArn": self.notification_topic_arn,
            "securityHubFindings": self.security_hub_findings,
        }
        audit_machine = _ARN.format(
            account_id=account_id, kind="stateMachine", machine=AUDIT_MACHINE
        )
        settings: dict[str, dict[str, object]] = {
            "start_run": {
                **start,
                "acceptedCredentials": self.accepted_credentials,
            },
            "start_execution": {**start, "auditStateMachineArn": audit_machine},
            "run_batch": {},
            "execute_batch": {},
            "write_report": report,
            "write_execution_report": report,
        }
        return {"SETTINGS": json.dumps({"bucket": REPORT_BUCKET, **settings[handler]})}


@dataclass(kw_only=True)
class Execution:
    """An execution that has ended.

    Attributes:
        run_id: Its name.
        status: Its status in Step Functions.
        output: Its output.
        cause: Why it failed or was refused.
        error: What a function raised.
        started_at: When it started.
        folder: Where its report is.
        totals: How many accounts ended with each outcome; an execution that failed has no output.
        input: Its input.
        redrives: How often it was redriven.
        was_stopped: Whether it was stopped before.
        stopped_at: When it ended; None while it runs.
    """

    run_id: str
    status: str
    output: dict[str, Any]
    cause: str = ""
    error: RootAccessError | None = None
    started_at: datetime = _STARTED_AT
    folder: str = "runs"
    totals: dict[str, int] = field(default_factory=dict)
    input: object = None
    redrives: int = 0
    was_stopped: bool = False
    stopped_at: datetime | None = None

    @property
    def machine(self) -> str:
        """The name of its state machine."""
        return EXECUTE_MACHINE if self.folder == "executions" else AUDIT_MACHINE


class StoredReports:
    """The bucket of a deployed RootTasks, as a test reads it.

    Attributes:
        s3: The test's own client of S3.
        bucket: The bucket's name.
    """

    s3: Any
    bucket = REPORT_BUCKET

    def read_object(self, key: str) -> bytes:
        """Read an object of the bucket."""
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def read_json(self, key: str) -> Any:
        """Read an object of the bucket that is JSON."""
        return json.loads(self.read_object(key))

    def write_object(self, key: str, body: bytes) -> None:
        """Write an object of the bucket."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def write_result(self, folder: str, body: bytes) -> dict[str, object]:
        """Write the result of a run's first batch, and return what the batch returns."""
        checksum = sha256(body)
        self.write_object(f"{folder}00000-{checksum}.json", body)
        return {"batch": 0, "sha256": checksum}

    def object_keys(self, prefix: str = "") -> list[str]:
        """The keys of the bucket."""
        response = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in response.get("Contents", ())]

    def report(self, execution: Execution) -> dict[str, Any]:
        """The report of an execution."""
        report: dict[str, Any] = self.read_json(
            f"{execution.folder}/{execution.run_id}/report.json"
        )
        return report

    def results(self, execution: Execution) -> dict[str, dict[str, Any]]:
        """The results of an execution, by account."""
        return {result["accountId"]: result for result in self.report(execution)["results"]}

    def outcomes(self, execution: Execution) -> dict[str, str]:
        """The outcome in each account."""
        return {id_: result["outcome"] for id_, result in self.results(execution).items()}

    def items(self, execution: Execution, account_id: str) -> list[tuple[str, str]]:
        """The items of an account, each with its outcome, in the order of the task."""
        items = self.results(execution)[account_id]["items"]
        return [
            (" ".join(filter(None, [item["type"], item["id"]])), item["outcome"]) for item in items
        ]


@dataclass(kw_only=True)
class RootTasks(StoredReports):
    """A deployed RootTasks.

    Attributes:
        organization: The organization.
        account_id: The account that it is deployed in.
        settings: The arguments of the construct.
        time: The functions' time.
        now: The start of the next execution.
        function_timeout: The seconds that a function has.
        log: What the functions logged.
        notices: What was published to SNS, as subject and message.
        cards: The same, as it arrives in chat.
        before_batch: Runs before each batch.
        lose_batches: The batches whose function does not start.
        lose_results: The batches whose function dies after it acted, before it returns.
        before_report: Runs before the report is written.
        run_batches_twice: Whether every batch is run twice.
        notices_to_refuse: How many of the next notices SNS refuses.
        description_error: The code with which Step Functions fails to describe executions.
        outdated_descriptions: What DescribeExecution returns at first, by the execution's ARN, once
            each: members that replace those of the response (None leaves a member out), or None
            for an execution that is not known yet. Step Functions is eventually consistent.
        template: The state machines, as they are deployed.
        function: The function that runs, by its id or its task.
        requests: What each function requested of AWS outside root sessions.
        returned: What each function returned, which Step Functions keeps.
    """

    organization: LocalOrganization
    account_id: str = MANAGEMENT
    settings: DeployedSettings = field(default_factory=DeployedSettings)
    time: FakeTime = field(default_factory=FakeTime)
    now: datetime = _STARTED_AT
    function_timeout: float = 600.0
    log: list[Mapping[str, object]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)
    before_batch: Callable[[], object] = lambda: None
    lose_batches: Callable[[int], bool] = lambda batch: False
    lose_results: Callable[[int], bool] = lambda batch: False
    before_report: Callable[[], object] = lambda: None
    run_batches_twice: bool = False
    notices_to_refuse: int = 0
    description_error: str = ""
    outdated_descriptions: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    template: DeployedTemplate = field(default_factory=lambda: deployed_template())
    function: str = ""
    requests: list[tuple[str, PolicyRequest]] = field(default_factory=list)
    returned: list[dict[str, Any]] = field(default_factory=list)
    executions: dict[str, Execution] = field(default_factory=dict)
    _faults: list[Callable[[Any, str | None], None]] = field(default_factory=list)
    _recorded_clients: dict[str, Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.sessions = _SessionClients(self.prepare_session_client)
        self._clients = RunClients(self._create_client, sessions=self.sessions)
        self.s3 = self.client("s3")
        self.s3.create_bucket(Bucket=REPORT_BUCKET)
        self.s3.put_bucket_versioning(
            Bucket=REPORT_BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        self.time.utc_now = lambda: self.now
        set_clock(self.time.utc_now)

    # Running

    def run(self, input_: object = None, *, name: str | None = None) -> Execution:
        """Run an execution of the Audit state machine to its end, whatever that is."""
        return self._run_execution(AUDIT_MACHINE, {} if input_ is None else input_, name)

    def execute(self, plan: Execution | str, *, name: str | None = None) -> Execution:
        """Execute a plan, by the Execute state machine."""
        run_id = plan if isinstance(plan, str) else plan.run_id
        return self.run_execute_machine({"plan": run_id}, name=name)

    def run_execute_machine(self, input_: object, *, name: str | None = None) -> Execution:
        """Run an execution of the Execute state machine to its end, whatever that is."""
        return self._run_execution(EXECUTE_MACHINE, input_, name)

    def redrive(self, execution: Execution) -> Execution:
        """Run an execution that failed again: its name, its input and its start stay the same."""
        return self._run_execution(
            execution.machine,
            execution.input,
            execution.run_id,
            started_at=execution.started_at,
            redrives=execution.redrives + 1,
            was_stopped=execution.was_stopped or execution.status == "ABORTED",
        )

    def _run_execution(
        self,
        machine: str,
        input_: object,
        name: str | None,
        *,
        started_at: datetime | None = None,
        **history: Any,
    ) -> Execution:
        """Run an execution to its end; `history` is what a redrive keeps of it."""
        execution = self.begin(
            name or f"run-{next(self._numbers)}",
            input_,
            machine=machine,
            started_at=started_at or self.now,
            **history,
        )
        self.run_definition(execution, self.template.definitions[machine], self._invoke_task)
        return execution

    def begin(self, name: str, input_: object, *, machine: str, **fields: Any) -> Execution:
        """Let Step Functions have an execution that runs, by default one that starts now."""
        execution = Execution(
            run_id=name,
            folder="executions" if machine == EXECUTE_MACHINE else "runs",
            input=input_,
            **{"status": "RUNNING", "output": {}, "started_at": self.now, **fields},
        )
        self.executions[self.arn(name, machine=machine)] = execution
        return execution

    def run_definition(
        self,
        execution: Execution,
        definition: Mapping[str, Any],
        invoke: Invoke,
    ) -> None:
        """Run an execution by the definition of its state machine, and note how it ends."""
        execution.status, execution.output = "RUNNING", {}
        context = _start_event(
            execution.input,
            self.arn(execution.run_id, machine=execution.machine),
            execution.started_at,
        )["execution"]

        def invoke_and_note(resource: str, payload: Any) -> Any:
            """Invoke a function, and note the totals that it returned."""
            output = invoke(resource, payload)
            # An execution that failed has no output.
            execution.totals = output.get("totals", {})
            return output

        try:
            execution.output = StateMachine(definition=definition, invoke=invoke_and_note).run(
                execution.input,
                execution={
                    "Id": context["id"],
                    "Name": context["name"],
                    "StartTime": context["startedAt"],
                },
            )
            execution.status = "SUCCEEDED"
        # A refused run succeeds, with the reason as its output, unless the refusal is a failure.
        except RunRefusedError as error:
            execution.cause, execution.error = str(error), error
            execution.status = "FAILED" if error.is_failure else "SUCCEEDED"
            execution.output = {} if error.is_failure else error.output()
        except RootAccessError as error:
            execution.status, execution.cause, execution.error = "FAILED", str(error), error
        except ExecutionFailedError as error:
            execution.status, execution.cause = "FAILED", error.cause
        execution.stopped_at = self.now

    def _invoke_task(self, function_arn: str, payload: Any) -> Any:
        """Invoke the function of a task, unless it is to be lost."""
        handler = self.template.handlers[function_arn]
        # The first function has the input, the last one the results of all batches.
        if "batch" not in payload:
            if "results" in payload:
                self.before_report()
            return self.invoke(handler, payload)
        self.before_batch()
        if self.lose_batches(payload["batch"]):
            raise ExecutionFailedError("Lambda.Unknown", "It did not start.")
        result = self.invoke(handler, payload)
        if self.run_batches_twice:
            with contextlib.suppress(BatchClaimedError):
                result = self.invoke(handler, payload)
        if self.lose_results(payload["batch"]):
            raise ExecutionFailedError("Lambda.Unknown", "It died.")
        return result

    def start_run(self, input_: object, *, arn: str, started_at: datetime) -> dict[str, Any]:
        """Invoke the function that starts an audit or a plan."""
        return self.invoke("start_run", _start_event(input_, arn, started_at))

    def start_execution(self, input_: object, *, arn: str, started_at: datetime) -> dict[str, Any]:
        """Invoke the function that starts the execution of a plan."""
        return self.invoke("start_execution", _start_event(input_, arn, started_at))

    def run_batch(self, run: Mapping[str, Any], *, batch: int) -> dict[str, Any]:
        """Invoke the function of read-only runs for the run's task."""
        return self.invoke("run_batch", _batch_event(run, batch))

    def execute_batch(self, run: Mapping[str, Any], *, batch: int) -> dict[str, Any]:
        """Invoke the function that makes changes for the run's task."""
        return self.invoke("execute_batch", _batch_event(run, batch))

    def write_report(self, run: Mapping[str, Any], *, results: Sequence[object]) -> dict[str, Any]:
        """Invoke the function that writes the report of an audit or a plan."""
        return self.invoke("write_report", _report_event(run, results))

    def invoke(self, handler: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke a function by its handler, as Lambda does: event and result are JSON."""
        self.function = _name_of_function(handler, event)
        environment = self.settings.environment(handler, account_id=self.account_id)
        run, settings = FUNCTIONS[handler]
        given, sent = settings.from_environment(environment), json.loads(json.dumps(event))
        result: dict[str, Any] = json.loads(json.dumps(run(self.aws(), sent, settings=given)))
        self.returned.append(result)
        return result

    def aws(self) -> Aws:
        """What one invocation of one of the functions works with."""
        return Aws(
            clients=self._clients,
            budget=self.time.budget(seconds=self.function_timeout),
            find_function=lambda: Arn.parse(
                f"arn:aws:lambda:us-east-1:{self.account_id}:function:RootTasks"
            ),
            log=lambda **event: self.log.append(event),
        )

    def advance(self, **time: float) -> None:
        """Let time pass before the next execution."""
        self.now += timedelta(**time)

    def arn(self, name: str, *, machine: str = AUDIT_MACHINE) -> str:
        """The ARN of an execution."""
        return (
            f"{_ARN.format(account_id=self.account_id, kind='execution', machine=machine)}:{name}"
        )

    def summary_of_execution(self, arn: str) -> dict[str, Any]:
        """Return the members of an execution that ListExecutions and DescribeExecution share."""
        execution = self.executions[arn]
        started_at = execution.started_at.astimezone(_MACHINES_ZONE)
        ended_at = (execution.stopped_at or started_at).astimezone(_MACHINES_ZONE)
        return {
            "executionArn": arn,
            "stateMachineArn": arn.replace(":execution:", ":stateMachine:").rpartition(":")[0],
            "name": execution.run_id,
            "status": execution.status,
            "startDate": started_at,
            # No time passes in this process: otherwise the end would be the start.
            "stopDate": ended_at + timedelta(seconds=9),
        }

    def describe_execution(self, arn: str) -> dict[str, Any]:
        """Return an execution, or what the test says that Step Functions returns at first."""
        outdated = self.outdated_descriptions.get(arn)
        shown = outdated.pop(0) if outdated else {}
        if arn not in self.executions or shown is None:
            message = f"Execution Does Not Exist: '{arn}'"
            raise client_error("ExecutionDoesNotExist", message, operation="DescribeExecution")
        execution = self.executions[arn]
        response = self.summary_of_execution(arn) | {
            "input": json.dumps(execution.input),
            "redriveCount": execution.redrives,
        }
        if execution.status == "SUCCEEDED":
            response["output"] = json.dumps(execution.output)
        else:
            response["cause"] = execution.cause
        response |= shown
        return {name: value for name, value in response.items() if value is not None}

    # Faults

    def fail_calls(
        self,
        action: str,
        code: str,
        *,
        status: int = 400,
        account_id: str = "",
        url: str = "",
        times: int | None = None,
    ) -> None:
        """Respond to calls with an error: in one account or all, so many times or always."""
        fault = error_response(code, status=status)
        inject(self._register_for_account(account_id), action, fault, times=times, url=url)

    def lose_response(
        self, action: str, *, account_id: str = "", url: str = "", times: int = 1
    ) -> None:
        """Let a call take effect, and break the connection before its response arrives."""
        inject(
            self._register_for_account(account_id), action, NO_RESPONSE_AFTER, times=times, url=url
        )

    def omit_from_response(self, action: str, *path: str) -> None:
        """Leave a member out of a call's responses."""
        omit_member(self.on_event, action, *path)

    def omit_member_of_accounts(self, member: str) -> None:
        """Omit a member of accounts, as an SDK does that does not know it."""

        def omit(parsed: dict[str, Any], **_: object) -> None:
            """Remove the member from the accounts of a response."""
            for account in parsed.get("Accounts", [parsed.get("Account", {})]):
                account.pop(member, None)

        for operation in ("DescribeAccount", "ListAccounts", "ListAccountsForParent"):
            self.on_event(f"after-call.organizations.{operation}", omit)

    def change_before(self, action: str, change: Callable[[], object], *, url: str = "") -> None:
        """Change something right before a call, the first time."""
        change_before(self.on_event, action, change, url=url)

    def on_event(self, event: str, handler: Callable[..., object], *, account_id: str = "") -> None:
        """Register a handler of a botocore event with the functions' clients."""

        def handle_if_acting(**parameters: Any) -> object:
            """Call the handler only while the shared client acts in the account."""
            return handler(**parameters) if self.sessions.acting == account_id else None

        def register(client: Any, acting: str | None) -> None:
            """Register it with an account's client, or with the one that root sessions share."""
            if account_id in ("", acting):
                client.meta.events.register(event, handler)
            elif acting is None:
                client.meta.events.register(event, handle_if_acting)

        self._faults.append(register)
        for client in self._recorded_clients.values():
            register(client, self.account_id)
        for client in self.sessions.created:
            register(client, None)

    def _register_for_account(self, account_id: str) -> Register:
        """Return how to register handlers for an account's clients; "" stands for all."""
        return functools.partial(self.on_event, account_id=account_id)

    # What is logged and imported

    def metrics(self) -> list[Mapping[str, Any]]:
        """The metrics that full audits have logged, in the format that CloudWatch reads."""
        return [event for event in self.log if "_aws" in event]

    def metric_values(self) -> dict[str, Any]:
        """The last value of each metric, by its name, and what else the lines have."""
        return {name: value for line in self.metrics() for name, value in line.items()}

    def findings(self, check: str = "") -> dict[str, dict[str, Any]]:
        """The findings in Security Hub, or those of one check, by their accounts."""
        client = self.client("securityhub", account_id=self.account_id)
        pages = client.get_paginator("get_findings").paginate()
        every = (each for page in pages for each in page["Findings"])
        found = [each for each in every if each["GeneratorId"].endswith(check)]
        by_account = {
            each["Resources"][0]["Id"].removeprefix("AWS::::Account:"): each for each in found
        }
        assert len(by_account) == len(found), "an account has two findings"
        return by_account

    # What is requested of AWS

    def record_request(self, action: str, resource: str) -> None:
        """Record what the running function requests of AWS."""
        self.requests.append((self.function, PolicyRequest(action=action, resource=resource)))

    # Clients

    def client(
        self, service: str, *, account_id: str = MANAGEMENT, region: str = "us-east-1"
    ) -> Any:
        """A client of the test's own."""
        return self.organization.client(service, account_id=account_id, region=region)

    def _create_client(self, service: str) -> Any:
        """Create a client of the functions; SNS and Step Functions are in this process."""
        match service:
            case "sns":
                return _Topic(self)
            case "stepfunctions":
                return _Executions(self)
        return self._create_recorded_client(service)

    def _create_recorded_client(self, service: str) -> Any:
        """Create a client, once, whose calls are recorded as requests of the running function."""
        if service in self._recorded_clients:
            return self._recorded_clients[service]
        client = self.client(service, account_id=self.account_id)

        def record(params: Any, model: Any, **_: object) -> None:
            """Record the request of a call."""
            self.requests.append(
                (self.function, request_of_task_call(f"{service}:{model.name}", params))
            )

        client.meta.events.register(f"provide-client-params.{service}", record)
        self._recorded_clients[service] = client
        return self._add_faults(client, self.account_id)

    def prepare_session_client(self, service: str, client: Any) -> None:
        """Let a new client of root sessions respond as in AWS, and fail as the test says."""
        if service == "s3":
            client.meta.events.register_first("after-call.s3.ListBuckets", self._add_regions)
        self._add_faults(client, None)

    def _add_faults(self, client: Any, account_id: str | None) -> Any:
        """Add to a new client the faults that tests have injected before it was created."""
        for fault in self._faults:
            fault(client, account_id)
        return client

    def _add_regions(self, parsed: dict[str, Any], **_: object) -> None:
        """AWS names the Region of each bucket where a page size is asked for; moto does not."""
        for bucket in parsed.get("Buckets", ()):
            location = self.client("s3").get_bucket_location(Bucket=bucket["Name"])[
                "LocationConstraint"
            ]
            bucket.setdefault("BucketRegion", location or "us-east-1")


class _SessionClients(SessionClients):
    """The functions' own clients of root sessions, whose calls go to the emulation in this process.

    Args:
        prepare: Called with each client that is created, and its service.

    Attributes:
        created: The clients.
    """

    def __init__(self, prepare: Callable[[str, Any], None]) -> None:
        super().__init__(new_session(), config=one_attempt())
        self._prepare = prepare
        self._acting = threading.local()
        self.created: list[Any] = []

    @property
    def acting(self) -> str | None:
        """The account that this thread acts in."""
        return getattr(self._acting, "account_id", None)

    @contextlib.contextmanager
    def acting_as(self, credentials: CredentialsTypeDef) -> Iterator[None]:
        """Remember the account as well, which in the emulation is the ID of its access key."""
        with super().acting_as(credentials):
            self._acting.account_id = credentials["AccessKeyId"]
            try:
                yield
            finally:
                self._acting.account_id = None

    def _create_client(self, service: str, region: str | None) -> Any:
        """Create a client, and let the test prepare it."""
        client = super()._create_client(service, region or "us-east-1")
        self._prepare(service, client)
        self.created.append(client)
        return client


@dataclass(frozen=True, kw_only=True)
class DeployedTemplate:
    """The state machines, and the handler of each function by its ARN in their definitions."""

    definitions: Mapping[str, Mapping[str, Any]]
    handlers: Mapping[str, str]


@functools.cache
def deployed_template() -> DeployedTemplate:
    """Return what the snapshot of all arguments has: to synthesize it again would take seconds."""
    template = json.loads(SNAPSHOT.read_text())
    return DeployedTemplate(
        definitions={
            AUDIT_MACHINE: state_machine_definition(template, "Audit"),
            EXECUTE_MACHINE: state_machine_definition(template, "Execute"),
        },
        handlers={
            f"${{{id_}.Arn}}": function["Properties"]["Handler"].rpartition(".")[2]
            for id_, function in resources_of_type(template, "AWS::Lambda::Function").items()
        },
    )


@dataclass(frozen=True)
class _Topic:
    root_tasks: RootTasks

    def publish(self, *, TopicArn: str, **publication: str) -> None:  # noqa: N803
        """Publish a notice, unless SNS is to refuse it."""
        self.root_tasks.record_request("sns:Publish", TopicArn)
        if self.root_tasks.notices_to_refuse:
            self.root_tasks.notices_to_refuse -= 1
            raise client_error("KMSAccessDenied", operation="Publish")
        self.root_tasks.notices.append((publication["Subject"], text_by_mail(publication)))
        self.root_tasks.cards.append(card_in_chat(publication))


@dataclass(frozen=True)
class _Executions:
    root_tasks: RootTasks

    def get_execution_history(self, *, executionArn: str, reverseOrder: bool) -> dict[str, Any]:  # noqa: N803
        """Return the event with which an execution ended before it was redriven."""
        self.root_tasks.record_request("states:GetExecutionHistory", executionArn)
        assert reverseOrder
        aborted = self.root_tasks.executions[executionArn].was_stopped
        return {"events": [{"type": "ExecutionAborted" if aborted else "ExecutionFailed"}]}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        """Return an execution, or what the test says that Step Functions returns at first."""
        self.root_tasks.record_request("states:DescribeExecution", executionArn)
        if code := self.root_tasks.description_error:
            raise client_error(code, operation="DescribeExecution")
        of_plans = self.root_tasks.arn("", machine=EXECUTE_MACHINE)
        if self.root_tasks.function == "StartRun" and not executionArn.startswith(of_plans):
            # Its role may read no executions but those of plans.
            raise client_error("AccessDeniedException", operation="DescribeExecution")
        return self.root_tasks.describe_execution(executionArn)


def lock_bucket_and_queue(
    aws: RootTasks | LocalAws, account_id: str = MEMBER
) -> dict[Task, dict[str, Any]]:
    """Create a bucket and a queue that deny everything.

    Return the input that names each, by task.
    """
    s3, sqs = (aws.client(service, account_id=account_id) for service in ("s3", "sqs"))
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy=_denial("s3:*", "arn:aws:s3:::locked"))
    queue = f"arn:aws:sqs:us-east-1:{account_id}:locked"
    sqs.create_queue(QueueName="locked", Attributes={"Policy": _denial("sqs:*", queue)})
    return {
        Task.UNLOCK_BUCKET: {"buckets": {account_id: ["locked"]}},
        Task.UNLOCK_QUEUE: {"queues": [queue]},
    }


def _denial(action: str, resource: str) -> str:
    """Return a resource policy that denies everyone an action, for example "s3:*"."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _start_event(input_: object, arn: str, started_at: datetime) -> dict[str, Any]:
    """Return the payload of the first function: the input and the execution's context object."""
    return {
        "input": input_,
        "execution": {
            "id": arn,
            "name": arn.rpartition(":")[2],
            "startedAt": started_at.isoformat().replace("+00:00", "Z"),
        },
    }


def _batch_event(run: Mapping[str, Any], batch: int) -> dict[str, Any]:
    """Return the payload of the function that runs a batch."""
    return {**{name: run[name] for name in ("runId", "task", "workSha256")}, "batch": batch}


def _name_of_function(handler: str, event: Mapping[str, Any]) -> str:
    """Return what tests call a function: "StartRun", or what the batches of it are about.

    That is the task. A plan that reads policies has a function of its own, such as "Plan" and the
    task; all other batches that only read have the one of audits.
    """
    if "batch" not in event:
        return "".join(word.capitalize() for word in handler.split("_"))
    task = Task(event["task"])
    if handler == "execute_batch":
        return task
    return f"Plan {task}" if DEFINITIONS[task].changes_policies else Task.AUDIT


def _report_event(run: Mapping[str, Any], results: Sequence[object]) -> dict[str, Any]:
    """Return the payload of the function that writes the report."""
    return {"runId": run["runId"], "runSha256": run["runSha256"], "results": results}


def refusal_reason_and_data(execution: Execution) -> tuple[RefusalReason, Mapping[str, object]]:
    """The reason for which an execution was refused, and its data."""
    assert isinstance(execution.error, RunRefusedError)
    assert execution.status == ("FAILED" if execution.error.is_failure else "SUCCEEDED")
    assert str(execution.error) == execution.cause
    return execution.error.reason, execution.error.data


def calls_in_root_sessions(organization: LocalOrganization) -> Sequence[str]:
    """The calls that were made in root sessions, in order, as "account Operation"."""
    return [
        f"{call.account_id} {call.operation}" for call in organization.calls if call.root_session
    ]


def accounts_of_sessions_by_run(organization: Organization, calls: int) -> dict[str, set[str]]:
    """Return the accounts of each run's sessions, by its name in the user agents of AssumeRoot."""
    found: dict[str, set[str]] = {}
    for call in organization.calls[calls:]:
        if call.operation == "AssumeRoot":
            run = call.user_agent.rpartition(" ")[2]
            found.setdefault(run, set()).add(str(call.parameters["TargetPrincipal"]))
    return found
