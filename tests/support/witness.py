"""Stands between the function and AWS: interferes at chosen calls, and keeps a journal of what happens."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.emulation import LocalOrganization, RootAccess
    from support.function import Function

T = TypeVar("T")
Counted = Literal["call", "write"]
Moment = Literal["before", "after"]

_URL = "https://aws.example"


class Fault(Enum):
    """What can befall a call between the function and AWS."""

    CONNECTION_FAILED = "no connection"
    LOST_CALL = "the connection breaks before the call takes effect"
    LOST_ANSWER = "the connection breaks after the call took effect"
    THROTTLED = "AWS throttles"
    SERVER_ERROR = "AWS answers 500 though the call took effect"
    CONCURRENT_MODIFICATION = "AWS is busy with another change"
    REFUSED = "AWS refuses the call, for a reason that does not pass"

    @property
    def after(self) -> bool:
        """Whether the call reaches AWS."""
        return self in (Fault.LOST_ANSWER, Fault.SERVER_ERROR)

    @property
    def leaves_open(self) -> bool:
        """Whether the caller cannot know if the call took effect."""
        return self.after or self is Fault.LOST_CALL

    def error(self, operation: str) -> Exception:
        """What botocore raises for it."""
        match self:
            case Fault.CONNECTION_FAILED:
                return EndpointConnectionError(endpoint_url=_URL)
            case Fault.LOST_CALL | Fault.LOST_ANSWER:
                return ConnectionClosedError(endpoint_url=_URL)
            case Fault.THROTTLED:
                return _answer("ThrottlingException", 400, operation)
            case Fault.SERVER_ERROR:
                return _answer("ServiceFailure", 500, operation)
            case Fault.CONCURRENT_MODIFICATION:
                return _answer("ConcurrentModificationException", 400, operation)
            case Fault.REFUSED:
                return _answer("InvalidInputException", 400, operation)


@dataclass(frozen=True, kw_only=True)
class Outage:
    """An action that nobody gets through with, for a while or for ever.

    Attributes:
        action: the action.
        fault: what befalls its calls.
        account_id: the account that the calls name; "" for any.
        spared: how many of its first calls get through.
        lasting: how many calls it lasts for; None: for ever.
    """

    action: str
    fault: Fault
    account_id: str = ""
    spared: int = 0
    lasting: int | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One call of the function.

    Attributes:
        action: the call as policies spell it.
        account_id: the account that it names, "" for none.
        parameters: its parameters.
        fault: what befell it.
        code: AWS's error code without a trailing "Exception"; "" for a success, None where it did not
            reach AWS.
        after: the organization's root access right after it.
    """

    action: str
    account_id: str
    parameters: Mapping[str, Any]
    fault: Fault | None
    code: str | None
    after: RootAccess

    def __str__(self) -> str:
        return f"{self.action}({self.account_id})" if self.account_id else self.action

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return not _is_read(self.action.partition(":")[2])

    @property
    def took_effect(self) -> bool:
        """Whether it is a change that AWS made."""
        return self.is_write and self.code == ""

    @property
    def succeeded(self) -> bool:
        """Whether the function got AWS's answer, and it was no error."""
        return self.code == "" and self.fault is None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change to root access that somebody else made.

    Attributes:
        what: what it was.
        before: the organization's root access before it.
        after: the organization's root access after it.
    """

    what: str
    before: RootAccess
    after: RootAccess


@dataclass(kw_only=True)
class Witness:
    """Sees every call of a function, and everybody else's changes.

    Attributes:
        organization: the organization.
        journal: what happened, in order.
    """

    organization: LocalOrganization
    journal: list[Attempt | Change] = field(default_factory=list)
    _counts: Counter[Counted] = field(default_factory=Counter)
    _faults: dict[tuple[Counted, int], Fault] = field(default_factory=dict)
    _outage: Outage | None = None
    _calls_in_outage: int = 0
    _acts: dict[tuple[Moment, Counted, int], list[Callable[[], None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def watch(self, function: Function) -> None:
        """Sees and interferes with the calls of a function, from now on."""
        clients = function.clients()
        for client in (clients.iam, clients.organizations):
            events = client.meta.events
            events.register("provide-client-params.*.*", _keep_parameters)
            events.register("before-call.*.*", self._before)
            events.register("after-call.*.*", self._after)

    def expect_calls(self) -> None:
        """Counts the calls from 0 again, and forgets what was to happen at them."""
        self._counts.clear()
        self._faults.clear()
        self._acts.clear()
        self._outage = None

    def fail_at(self, counted: Counted, number: int, fault: Fault) -> None:
        """Has a fault befall the call, or the write, of this number."""
        self._faults[counted, number] = fault

    def begin_outage(self, outage: Outage) -> None:
        """Has an outage befall the calls from now on."""
        self._outage = outage
        self._calls_in_outage = 0

    def act_at(self, moment: Moment, counted: Counted, number: int, act: Callable[[], None]) -> None:
        """Has somebody act right before or after the call, or the write, of this number."""
        self._acts[moment, counted, number].append(act)

    def changed(self, what: str, change: Callable[[], None]) -> None:
        """Makes somebody else's change; one that AWS refuses is none."""
        before = self.organization.root_access()
        with contextlib.suppress(ClientError):
            change()
        after = self.organization.root_access()
        if after != before:
            self.journal.append(Change(what=what, before=before, after=after))

    def _before(self, *, model: Any, context: Any, **_: object) -> None:
        counted: list[Counted] = ["call"] if _is_read(model.name) else ["call", "write"]
        context["numbers"] = [(it, self._counts[it]) for it in counted]
        self._counts.update(counted)
        self._act("before", context)
        planned = [self._faults[number] for number in context["numbers"] if number in self._faults]
        fault = context["fault"] = planned[0] if planned else self._outage_of(model, context)
        if fault and not fault.after:
            self._note(model, context, code=None)
            raise fault.error(model.name)

    def _after(self, *, model: Any, context: Any, **_: object) -> None:
        error = self.organization.calls[-1].error or ""
        self._note(model, context, code=error.removesuffix("Exception"))
        self._act("after", context)
        if fault := context["fault"]:
            raise fault.error(model.name)

    def _act(self, moment: Moment, context: Any) -> None:
        for counted, number in context["numbers"]:
            for act in self._acts[moment, counted, number]:
                act()

    def _outage_of(self, model: Any, context: Any) -> Fault | None:
        outage = self._outage
        if outage is None or outage.action != _action(model):
            return None
        if outage.account_id not in ("", context["parameters"].get("AccountId")):
            return None
        number = self._calls_in_outage
        self._calls_in_outage += 1
        over = outage.lasting is not None and number >= outage.spared + outage.lasting
        return None if number < outage.spared or over else outage.fault

    def _note(self, model: Any, context: Any, *, code: str | None) -> None:
        parameters = context["parameters"]
        self.journal.append(
            Attempt(
                action=_action(model),
                account_id=parameters.get("AccountId", ""),
                parameters=parameters,
                fault=context["fault"],
                code=code,
                after=self.organization.root_access(),
            )
        )


class OneAfterTheOther:
    """In place of a thread pool: the tasks run when the pool is left, in the order given or backwards.

    Reads that truly run side by side see other people's changes in an order that no test can repeat.
    """

    backwards = False

    def __init__(self, *, max_workers: int) -> None:
        self._tasks: list[Callable[[], None]] = []

    def __enter__(self) -> OneAfterTheOther:
        return self

    def __exit__(self, *_: object) -> None:
        for run in reversed(self._tasks) if self.backwards else self._tasks:
            run()

    def submit(self, task: Callable[..., T], *arguments: object) -> Future[T]:
        """Takes a task."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(task(*arguments))
            except Exception as error:
                future.set_exception(error)

        self._tasks.append(run)
        return future


def _keep_parameters(*, params: Mapping[str, Any], context: Any, **_: object) -> None:
    context["parameters"] = dict(params)


def _is_read(operation: str) -> bool:
    return operation.startswith(("Describe", "List"))


def _action(model: Any) -> str:
    return f"{model.service_model.service_name}:{model.name}"


def _answer(code: str, status: int, operation: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "This is a test."},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        operation,
    )
