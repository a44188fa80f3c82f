"""The state machine of RootTasks in this process: the real functions, an emulated organization, moto's S3."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError, ConnectionClosedError

from root_tasks.handlers import Clients, Invocation, Settings
from root_tasks.messages import RunRefusedError
from root_tasks.model.report import Task
from support.function import Context, FakeTime
from support.policies import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from local_aws.emulation import LocalOrganization

BUCKET = "root-tasks"
_NONE = object()
_STATE_MACHINE = "arn:aws:states:us-east-1:{account_id}:execution:RootTasks"
_BEGAN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(kw_only=True)
class Ended:
    """An execution that has ended.

    Attributes:
        run_id: its name.
        status: as Step Functions has it.
        output: its output.
        cause: why it failed.
        started_at: when it began.
    """

    run_id: str
    status: str
    output: dict[str, Any]
    cause: str = ""
    started_at: datetime = _BEGAN


@dataclass(kw_only=True)
class RootTasks:
    """A deployed RootTasks.

    Attributes:
        organization: the organization.
        account_id: the account that it is deployed in.
        settings: what the construct was given.
        time: the functions' time.
        now: the time of the next execution's start.
        timeout: the seconds that a function has.
        log: what the functions logged.
        notices: what was told by SNS, as subject and message.
        lose_batches: the batches whose function dies before it leaves a result.
        twice: whether every batch is performed twice.
        function: the function that runs: Select, a task or Conclude.
        requests: what each function asked of AWS outside root sessions.
    """

    organization: LocalOrganization
    account_id: str = "111111111111"
    settings: Settings = field(default_factory=lambda: settings(*Task))
    time: FakeTime = field(default_factory=FakeTime)
    now: datetime = _BEGAN
    timeout: float = 600.0
    log: list[Mapping[str, object]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    lose_batches: Callable[[int], bool] = lambda batch: False
    twice: bool = False
    function: str = ""
    requests: list[tuple[str, Request]] = field(default_factory=list)
    _faults: list[Callable[[Any, str], None]] = field(default_factory=list)
    executions: dict[str, Ended] = field(default_factory=dict)
    _own: dict[str, Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        # In us-east-1 an owner may create a bucket again.
        self.client("s3").create_bucket(Bucket=BUCKET)

    # Running

    def run(self, given: object = None, *, name: str | None = None) -> Ended:
        """Runs an execution to its end, whatever that is."""
        ended = Ended(
            run_id=name or f"run-{next(self._numbers)}", status="RUNNING", output={}, started_at=self.now
        )
        try:
            ended.output = self._run({} if given is None else given, ended)
            ended.status = "SUCCEEDED"
        except RunRefusedError as error:
            ended.status, ended.cause = "FAILED", str(error)
        self.executions[self._arn(ended.run_id)] = ended
        return ended

    def execute(self, plan: Ended, **more: object) -> Ended:
        """Executes a plan."""
        return self.run({"task": plan.output["task"], "execute": plan.run_id, **more})

    def _run(self, given: object, ended: Ended) -> dict[str, Any]:
        self.function = "Select"
        begun = self.invocation().select(
            {
                "input": json.loads(json.dumps(given)),
                "execution": {
                    "id": self._arn(ended.run_id),
                    "name": ended.run_id,
                    "startedAt": ended.started_at.isoformat().replace("+00:00", "Z"),
                },
            }
        )
        self.function = begun["task"]
        if begun["batches"]:
            for item in json.loads(self.read(begun["itemsKey"])):
                if self.lose_batches(item["batch"]):
                    continue
                for _ in range(2 if self.twice else 1):
                    self.invocation().perform(
                        {"runId": begun["runId"], "workSha256": begun["workSha256"], **item}
                    )
        self.function = "Conclude"
        return self.invocation().conclude({"runId": begun["runId"]}, now=lambda: self.now)

    def invocation(self) -> Invocation:
        """One invocation of one of the functions."""
        return Invocation(
            Context(
                invoked_function_arn=f"arn:aws:lambda:us-east-1:{self.account_id}:function:RootTasks",
                remaining_seconds=self.timeout,
            ),
            settings=self.settings,
            clients=Clients(
                iam=self._own_client("iam"),
                organizations=self._own_client("organizations"),
                s3=self._own_client("s3"),
                sns=_Topic(self),  # type: ignore[arg-type]
                step_functions=_Executions(self),  # type: ignore[arg-type]
                sts=self._own_client("sts"),
                in_sessions=self,
            ),
            clock=self.time.clock(),
            log=lambda **event: self.log.append(event),
        )

    def later(self, **time: float) -> None:
        """Lets time pass."""
        self.now += timedelta(**time)

    def _arn(self, name: str) -> str:
        return f"{_STATE_MACHINE.format(account_id=self.account_id)}:{name}"

    # What goes wrong

    def answers_with_error(
        self,
        action: str,
        code: str,
        *,
        message: str = "said the test",
        status: int = 400,
        account_id: str = "",
        times: int | None = None,
    ) -> None:
        """Answers a call with an error in its place: in one account or all, so many times or always."""
        left = iter(itertools.repeat(None) if times is None else range(times))

        def answered(params: Any, **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
            if next(left, _NONE) is _NONE:
                return None
            error = {"Code": code, "Message": message}
            return (
                AWSResponse(params["url"], status, HTTPHeaders(), None),
                {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}},
            )

        self._on(f"before-call.{action.replace(':', '.')}", answered, account_id=account_id)

    def loses_answer(self, action: str, *, account_id: str = "", times: int = 1) -> None:
        """Lets a call take effect, and breaks the connection before its answer arrives."""
        left = iter(range(times))

        def broken(**_: object) -> None:
            if next(left, _NONE) is not _NONE:
                raise ConnectionClosedError(endpoint_url="https://aws")

        self._on(f"after-call.{action.replace(':', '.')}", broken, account_id=account_id)

    def answers_without(self, action: str, *path: str) -> None:
        """Leaves a member out of a call's answers."""

        def shortened(parsed: dict[str, Any], **_: object) -> None:
            *outer, last = path
            for name in outer:
                parsed = parsed[name]
            parsed.pop(last)

        self._on(f"after-call.{action.replace(':', '.')}", shortened)

    def before(
        self, action: str, change: Callable[[], object], *, account_id: str = "", url: str = ""
    ) -> None:
        """Has somebody change something right before a call, the first time."""
        left = iter(range(1))

        def changed(params: Any, **_: object) -> None:
            if url in params["url"] and next(left, _NONE) is not _NONE:
                change()

        self._on(f"before-call.{action.replace(':', '.')}", changed, account_id=account_id)

    def _on(self, event: str, handler: Callable[..., object], *, account_id: str = "") -> None:
        def register(client: Any, acting: str) -> None:
            if account_id in ("", acting):
                client.meta.events.register(event, handler)

        self._faults.append(register)
        for client in self._own.values():
            register(client, self.account_id)

    # What is asked of AWS

    def asks(self, action: str, resource: str = "*", **context: str) -> None:
        """Notes what the running function asks of AWS."""
        context = {key.replace("_", ":"): value for key, value in context.items()}
        self.requests.append((self.function, Request(action=action, resource=resource, context=context)))

    def _note(self, action: str, params: Mapping[str, Any]) -> None:
        match action:
            case "s3:ListObjectsV2":
                self.asks("s3:ListBucket", f"arn:aws:s3:::{params['Bucket']}", s3_prefix=params["Prefix"])
            case "s3:HeadObject" | "s3:GetObject" | "s3:PutObject":
                resource = f"arn:aws:s3:::{params['Bucket']}/{params['Key']}"
                self.asks(action.replace("Head", "Get"), resource)
            case "sts:AssumeRoot":
                resource = f"arn:aws:iam::{params['TargetPrincipal']}:root"
                self.asks(action, resource, sts_TaskPolicyArn=params["TaskPolicyArn"]["arn"])
            case _:
                self.asks(action)

    # What is there afterwards

    def read(self, key: str) -> bytes:
        """Reads an object of the bucket."""
        body: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def write(self, key: str, body: bytes) -> None:
        """Writes an object of the bucket."""
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)

    def keys(self, prefix: str = "") -> list[str]:
        """The keys of the bucket."""
        answer = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", ())]

    def report(self, ended: Ended) -> dict[str, Any]:
        """The report of an execution."""
        report: dict[str, Any] = json.loads(self.read(f"runs/{ended.run_id}/report.json"))
        return report

    def results(self, ended: Ended) -> dict[str, dict[str, Any]]:
        """The results of an execution, by account."""
        return {result["accountId"]: result for result in self.report(ended)["results"]}

    def outcomes(self, ended: Ended) -> dict[str, str]:
        """The outcome in each account."""
        return {id_: result["outcome"] for id_, result in self.results(ended).items()}

    def items(self, ended: Ended, account_id: str) -> list[tuple[str, str]]:
        """The items of an account, each with its outcome, in the order in which they were acted on."""
        items = self.results(ended)[account_id]["items"]
        return [(" ".join(filter(None, [it["type"], it["id"]])), it["outcome"]) for it in items]

    # Clients

    def client(self, service: str, *, account_id: str = "111111111111", region: str = "us-east-1") -> Any:
        """A client of the test's own."""
        return self.organization.client(service, account_id=account_id, region=region)

    def _own_client(self, service: str) -> Any:
        if service in self._own:
            return self._own[service]
        client = self.client(service, account_id=self.account_id)

        def noted(params: Any, model: Any, **_: object) -> None:
            self._note(f"{service}:{model.name}", params)

        client.meta.events.register(f"provide-client-params.{service}", noted)
        self._own[service] = client
        return self._made(client, self.account_id)

    def iam(self, credentials: Any) -> Any:
        """A session's client of IAM."""
        return self._in_session("iam", credentials, "us-east-1")

    def s3(self, credentials: Any, region: str) -> Any:
        """A session's client of S3."""
        client = self._in_session("s3", credentials, region or "us-east-1")
        client.meta.events.register_first("after-call.s3.ListBuckets", self._add_regions)
        return client

    def sqs(self, credentials: Any, region: str) -> Any:
        """A session's client of SQS."""
        return self._in_session("sqs", credentials, region)

    def _in_session(self, service: str, credentials: Any, region: str) -> Any:
        client = self.organization.client(service, credentials=credentials, region=region)
        return self._made(client, credentials["AccessKeyId"])

    def _made(self, client: Any, account_id: str) -> Any:
        for fault in self._faults:
            fault(client, account_id)
        return client

    def _add_regions(self, parsed: dict[str, Any], **_: object) -> None:
        """AWS names the Region of each bucket where a page size is asked for; moto does not."""
        for bucket in parsed.get("Buckets", ()):
            location = self.client("s3").get_bucket_location(Bucket=bucket["Name"])["LocationConstraint"]
            bucket.setdefault("BucketRegion", location or "us-east-1")


@dataclass(frozen=True)
class _Topic:
    root_tasks: RootTasks

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:  # noqa: N803
        self.root_tasks.asks("sns:Publish", TopicArn)
        self.root_tasks.notices.append((Subject, Message))


@dataclass(frozen=True)
class _Executions:
    root_tasks: RootTasks

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        self.root_tasks.asks("states:DescribeExecution", executionArn)
        ended = self.root_tasks.executions.get(executionArn)
        if ended is None:
            error = {"Code": "ExecutionDoesNotExist", "Message": f"Does not exist: {executionArn}"}
            raise ClientError({"Error": error}, "DescribeExecution")  # type: ignore[typeddict-item]
        described = {"name": ended.run_id, "status": ended.status, "startDate": ended.started_at}
        return described | ({"output": json.dumps(ended.output)} if ended.status == "SUCCEEDED" else {})


def settings(*tasks: str) -> Settings:
    """The settings of a construct with these tasks and a topic."""
    return Settings(bucket=BUCKET, tasks=tuple(map(Task, tasks)), topic_arn="arn:aws:sns:topic")


def session_calls(organization: LocalOrganization) -> Sequence[str]:
    """The calls that were made in root sessions, in order, as "account Operation"."""
    return [f"{call.account_id} {call.operation}" for call in organization.calls if call.root_session]
