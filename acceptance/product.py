"""The project's own root tasks, run from here in the member account."""

from __future__ import annotations

import random
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from acceptance.state import StateField
from aws_calls.pace import Pace
from aws_calls.retry import Clock
from root_tasks.aws.sessions import Sessions
from root_tasks.model.report import ItemType, Task
from root_tasks.model.run import CredentialSelection, Restore, Target
from root_tasks.tasks import DEFINITIONS
from root_tasks.tasks.definition import AccountTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from mypy_boto3_sts.type_defs import CredentialsTypeDef

    from acceptance.callers import Callers
    from root_tasks.model.run import Finding

_SECONDS = 600.0
_TARGETS = {
    "bucket": (Task.UNLOCK_BUCKET_POLICY, ItemType.BUCKET_POLICY),
    "queue": (Task.UNLOCK_QUEUE_POLICY, ItemType.QUEUE_POLICY),
}
_PASSWORD = {"recover": Task.ALLOW_PASSWORD_RECOVERY, "delete": Task.DELETE_CREDENTIALS}


def field_changed_by(operation: str, parameters: Mapping[str, Any]) -> StateField | None:
    """Return what a task changes, or None if it only looks."""
    if operation not in ("Execute", "Restore"):
        return None
    return {"bucket": StateField.BUCKET, "queue": StateField.QUEUE}.get(
        parameters["task"], StateField.PASSWORD
    )


def run(callers: Callers, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Audit the member account, or plan a task and execute the plan, and return the outcome.

    Args:
        callers: The clients.
        operation: ``Audit``, ``Plan``, ``Execute``, or ``Restore``, which executes and then restores.
        parameters: The task, under ``task``.
    """
    if operation == "Audit":
        return _outcome(_Work(callers, Task.AUDIT).plan())
    kind = parameters["task"]
    target: tuple[Target, ...] = ()
    if kind in _PASSWORD:
        work = _Work(callers, _PASSWORD[kind])
    else:
        task, type_ = _TARGETS[kind]
        name = callers.names.own_name if kind == "bucket" else callers.names.queue_arn
        work = _Work(callers, task)
        target = (Target(type=type_, id=name, region=callers.names.region),)
    planned = work.plan(target)
    if operation == "Plan":
        return _outcome(planned)
    executed = work.execute(planned.planned)
    if operation == "Execute":
        return _outcome(executed)
    restores = tuple(
        replace(unlocked, policy_sha256=None, restore=Restore(reference="backups/", policy=policy))
        for unlocked, policy in work.backups.items()
    )
    return _outcome(work.execute(work.plan(restores).planned))


class _Work:
    """A task in the member account, with a session for each step of it."""

    def __init__(self, callers: Callers, task: Task) -> None:
        self.backups: dict[Target, str] = {}
        self._callers = callers
        self._task = task

    def plan(self, targets: tuple[Target, ...] = ()) -> Finding:
        definition = DEFINITIONS[self._task]
        return definition.plan(self._account_task(definition.planned_by or self._task, targets))

    def execute(self, targets: tuple[Target, ...]) -> Finding:
        execute = DEFINITIONS[self._task].execute
        if execute is None:
            raise ValueError(f"{self._task} makes no changes.")
        return execute(self._account_task(self._task, targets))

    def _account_task(self, policy: Task, targets: tuple[Target, ...]) -> AccountTask:
        aws = self._callers.aws
        clock = Clock(now=aws.monotonic, sleep=aws.wait, random=random.random)
        sessions = Sessions(
            sts=self._callers.own("sts"),
            clients=_SessionClients(self._callers),
            task=policy,
            partition="aws",
            clock=clock,
            deadline=clock.now() + _SECONDS,
            pace=Pace(clock=clock),
        )
        session = sessions.open(str(self._callers.names.member), executor=_InTurn())
        return AccountTask(
            session=replace(session, clients=_SessionClients(self._callers, session.credentials)),
            targets=targets,
            credentials=CredentialSelection(),
            back_up=self._back_up,
        )

    def _back_up(self, target: Target, policy: str) -> str:
        self.backups[target] = policy
        return "backups/"


@dataclass(frozen=True)
class _SessionClients:
    """The clients of one session; a function shares its clients between the sessions of many accounts."""

    callers: Callers
    credentials: CredentialsTypeDef | None = None

    def client(self, service: str, *, region: str | None) -> Any:
        # The resources of a run are in one Region.
        del region
        return self.callers.client(service, credentials=self.credentials)

    def acting_as(self, credentials: CredentialsTypeDef) -> AbstractContextManager[None]:
        del credentials
        return nullcontext()


class _InTurn(Executor):
    """Makes calls one after the other: there is one account."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _outcome(finding: Finding) -> dict[str, Any]:
    return {
        "outcome": str(finding.outcome),
        "items": [{"type": str(item.type), "outcome": str(item.outcome)} for item in finding.items],
    }
