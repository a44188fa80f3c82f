"""An audit without a deployment: the functions' own code, on this machine, with the caller's credentials.

What the functions keep in a bucket stays in memory here, and the caller's account takes the place of the
stack's. An audit opens root sessions with AWS's audit policy, which cannot change anything.
"""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aws_calls.pace import Pace
from root_tasks.aws.clients import MAX_CALLS_IN_PARALLEL, Clients
from root_tasks.aws.stores import sha256
from root_tasks.model.codec import decode
from root_tasks.model.report import Task
from root_tasks.model.run import Run
from root_tasks.run.invocation import Invocation
from root_tasks.run.settings import RunBatchSettings, StartRunSettings, WriteReportSettings
from root_tasks.tasks.scope import REQUESTED_BY

from .early_audits import MAX_ACCOUNTS_IN_PARALLEL, EarlyAudits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor, Future

    from root_tasks.model.report import Result
    from root_tasks.model.run import Finding

    from .aws import Caller
    from .terminal import Environment

_BUCKET = "memory"
_BATCH_SETTINGS = RunBatchSettings(bucket=_BUCKET)
# As long as the functions of a deployment have.
_START_SECONDS, _BATCH_SECONDS, _REPORT_SECONDS = 900.0, 600.0, 900.0
# Each batch acts in many accounts at once already; more batches share the limits of the caller's STS.
_MAX_BATCHES_IN_PARALLEL = 2


class LocalAudit:
    """An audit that runs on this machine.

    Args:
        caller: The caller: the management account, or a delegated administrator for IAM.
        environment: The time.
        name: The name of the run.
    """

    def __init__(self, caller: Caller, *, environment: Environment, name: str) -> None:
        self._caller = caller
        self._environment = environment
        self._name = name
        self._objects = MemoryBucket()
        connections = MAX_ACCOUNTS_IN_PARALLEL + MAX_CALLS_IN_PARALLEL * _MAX_BATCHES_IN_PARALLEL
        clients = caller.aws(seconds=_START_SECONDS, connections=connections).clients
        self._clients = _LocalClients(clients, objects=self._objects)
        # For what nothing waits for at once.
        self._pool = ThreadPoolExecutor(max_workers=1)

    def run(self, input_: Mapping[str, object], *, show: Callable[[int, int, str], None]) -> None:
        """Audit the accounts that the input names; it is the input of an execution.

        Args:
            input_: The input.
            show: Shows how many accounts are done, and of how many.

        Raises:
            RunRefusedError: The run cannot start; the message says why, and what to do.
        """
        pace = Pace(clock=self._caller.clock)
        # The SDK loads what all sessions need while the accounts are listed.
        self._pool.submit(self._clients.sessions.client, "iam", region=None)

        def audit(account_id: str, executor: Executor) -> Finding:
            return self._invocation(_BATCH_SECONDS).audit_account(
                account_id, run_id=self._name, pace=pace, executor=executor, settings=_BATCH_SETTINGS
            )

        early = EarlyAudits(audit, show=lambda done, found: show(done, found, "accounts"))
        try:
            self._run(input_, early=early, show=show)
        finally:
            # Who interrupts it does not wait for audits, which change nothing.
            early.stop()

    def _run(
        self,
        input_: Mapping[str, object],
        *,
        early: EarlyAudits,
        show: Callable[[int, int, str], None],
    ) -> None:
        run = self._invocation(_START_SECONDS).start_run(
            {
                "input": {**input_, REQUESTED_BY: self._caller.arn},
                "execution": {
                    "id": self._arn("states", f"execution:from-here:{self._name}"),
                    "name": self._name,
                    "startedAt": self._environment.now().isoformat(),
                },
            },
            settings=StartRunSettings(
                bucket=_BUCKET,
                tasks=(Task.AUDIT,),
                protected_accounts=frozenset(),
                root_email_domains=frozenset(),
                allow_policy_override=False,
            ),
            early=early,
        )
        started = decode(Run, self._objects.body(f"runs/{self._name}/run.json"))
        own: Future[Result] | None = None
        if started.full and started.management_account_id == self._caller.account_id:
            # Nothing waits for it but the report: it is read while the last accounts are.
            reader = self._invocation(_REPORT_SECONDS).management_account
            own = self._pool.submit(reader.result, self._caller.account_id)
        results = self._run_batches(run, started.batches, found=early.findings(), show=show)
        self._invocation(_REPORT_SECONDS).write_report(
            {"runId": run["runId"], "runSha256": run["runSha256"], "results": results},
            settings=WriteReportSettings(
                bucket=_BUCKET,
                notification_topic_arn=None,
                security_hub_findings=False,
                plan_lifetime=timedelta(hours=24),
                accepted_credentials={},
            ),
            management_account=None if own is None else lambda _: own.result(),
        )

    def read(self, name: str) -> bytes:
        """Return a file of the report, such as report.json."""
        return self._objects.body(f"runs/{self._name}/{name}")

    def _run_batches(
        self,
        run: Mapping[str, Any],
        batches: Sequence[Sequence[str]],
        *,
        found: Mapping[str, Finding],
        show: Callable[[int, int, str], None],
    ) -> list[dict[str, Any]]:
        total = sum(map(len, batches))
        done = len(found)
        show(done, total, "accounts")
        results = []
        pool = ThreadPoolExecutor(max_workers=_MAX_BATCHES_IN_PARALLEL)
        try:
            running = {pool.submit(self._run_batch, run, batch, found): batch for batch in run["batches"]}
            for finished in as_completed(running):
                results.append(finished.result())
                done += len(set(batches[running[finished]]).difference(found))
                show(done, total, "accounts")
        finally:
            # Who interrupts it does not wait for batches, which take minutes and change nothing.
            pool.shutdown(wait=False, cancel_futures=True)
        return results

    def _run_batch(self, run: Mapping[str, Any], batch: int, found: Mapping[str, Finding]) -> dict[str, Any]:
        event = {"runId": run["runId"], "workSha256": run["workSha256"], "batch": batch}
        return self._invocation(_BATCH_SECONDS).run_batch(event, settings=_BATCH_SETTINGS, found=found)

    def _invocation(self, seconds: float) -> Invocation:
        return Invocation(
            _Context(invoked_function_arn=self._arn("lambda", "function:from-here"), seconds=seconds),
            clients=self._clients,
            clock=self._caller.clock,
            now=self._environment.now,
            # What the functions log is for their operators; a person reads the report.
            log=lambda **event: None,  # noqa: ARG005
            outside_vpc=False,
            role_may_be_new=False,
        )

    def _arn(self, service: str, resource: str) -> str:
        caller = self._caller
        return f"arn:{caller.partition}:{service}:{caller.region}:{caller.account_id}:{resource}"


class _LocalClients(Clients):
    """The caller's clients, and stand-ins for what a run on this machine does not have."""

    def __init__(self, clients: Clients, *, objects: MemoryBucket) -> None:
        super().__init__(clients._client, sessions=clients.sessions)
        self._stand_ins = {"s3": objects, "stepfunctions": _NoExecutions()}

    def _client(self, service: str) -> Any:
        return self._stand_ins.get(service) or super()._client(service)


@dataclass(frozen=True, kw_only=True)
class _Context:
    """What the functions use of Lambda's context object."""

    invoked_function_arn: str
    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


class _NoExecutions:
    """Step Functions, of a run that it does not run."""

    def list_executions(self, **_: object) -> dict[str, Any]:
        return {"executions": []}


class MemoryBucket:
    """The calls of S3 that the functions make, on objects in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[bytes, Mapping[str, str]]] = {}

    def body(self, key: str) -> bytes:
        """Return an object's bytes."""
        with self._lock:
            return self._find(key, "GetObject")[0]

    def get_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return an object, as S3 does."""
        return {"Body": io.BytesIO(self.body(Key))}

    def head_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return an object's metadata, as S3 does."""
        with self._lock:
            body, metadata = self._find(Key, "HeadObject")
        return {"ETag": sha256(body), "Metadata": metadata}

    def put_object(
        self,
        *,
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        Metadata: Mapping[str, str] | None = None,  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        """Store an object where the condition holds, as S3 does."""
        with self._lock:
            etag = sha256(self._objects[Key][0]) if Key in self._objects else None
            if (IfNoneMatch and etag) or (IfMatch and etag != IfMatch):
                raise _client_error("PreconditionFailed", "PutObject")
            self._objects[Key] = (Body, dict(Metadata or {}))
        return {"ETag": sha256(Body)}

    def list_objects_v2(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return the keys with a prefix, as S3 does."""
        with self._lock:
            found = sorted((key, body) for key, (body, _) in self._objects.items() if key.startswith(Prefix))
        return {"IsTruncated": False, "Contents": [{"Key": key, "ETag": sha256(body)} for key, body in found]}

    def _find(self, key: str, operation: str) -> tuple[bytes, Mapping[str, str]]:
        if key not in self._objects:
            raise _client_error("NoSuchKey", operation)
        return self._objects[key]


def _client_error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)
