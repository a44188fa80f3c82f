"""Watches a function's calls: injects faults and other people's changes, and keeps a journal."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from botocore.exceptions import ClientError

from support.faults import clients as client_faults
from support.faults.vocabulary import step_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.emulation import LocalOrganization, RootAccess
    from support.faults.vocabulary import Fault
    from support.function import Function

P = ParamSpec("P")
T = TypeVar("T")
CallKind = Literal["call", "write"]
Timing = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A fault of all calls of an action, temporary or permanent.

    Attributes:
        action: The action.
        fault: How its calls fail.
        account_id: The account in the calls' parameters; "" for any.
        skipped_calls: How many of its first calls do not fail.
        failing_calls: How many calls fail after those; None for all.
    """

    action: str
    fault: Fault
    account_id: str = ""
    skipped_calls: int = 0
    failing_calls: int | None = None


@dataclass(frozen=True, kw_only=True)
class WatchedCall:
    """One call of the function.

    Attributes:
        action: The call, named as in an IAM policy.
        account_id: The account in its parameters; "" if there is none.
        parameters: Its parameters.
        fault: How it failed; None if no fault was injected.
        code: AWS's error code without a trailing "Exception"; "" for a success, None if the call did not
            reach AWS.
        after: The organization's root access right after it.
    """

    action: str
    account_id: str
    parameters: Mapping[str, Any]
    fault: Fault | None
    code: str | None
    after: RootAccess

    def __str__(self) -> str:
        return step_name(self.action, self.account_id)

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return not _is_read(self.action.partition(":")[2])

    @property
    def took_effect(self) -> bool:
        """Whether AWS applied it, and it is a change."""
        return self.is_write and self.code == ""

    @property
    def is_success(self) -> bool:
        """Whether the function received AWS's response, and it was not an error."""
        return self.code == "" and self.fault is None


@dataclass(frozen=True, kw_only=True)
class ExternalChange:
    """A change to root access by somebody else.

    Attributes:
        description: What it was.
        before: The organization's root access before it.
        after: The organization's root access after it.
    """

    description: str
    before: RootAccess
    after: RootAccess


@dataclass(kw_only=True)
class Witness:
    """Sees every call of a function, and everybody else's changes.

    Attributes:
        organization: The organization.
        journal: What happened, in order.
    """

    organization: LocalOrganization
    journal: list[WatchedCall | ExternalChange] = field(default_factory=list)
    _counts: Counter[CallKind] = field(default_factory=Counter)
    _faults: dict[tuple[CallKind, int], Fault] = field(default_factory=dict)
    _outage: Outage | None = None
    _calls_in_outage: int = 0
    _actions: dict[tuple[Timing, CallKind, int], list[Callable[[], None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def watch(self, function: Function) -> None:
        """Watch the calls of a function from now on."""
        clients = function.clients()
        for client in (clients.iam, clients.organizations):
            events = client.meta.events
            events.register("provide-client-params.*.*", _keep_parameters)
            events.register("before-call.*.*", self._before)
            events.register("after-call.*.*", self._after)

    def restart(self) -> None:
        """Count the calls from 0 again, without any fault or action."""
        self._counts.clear()
        self._faults.clear()
        self._actions.clear()
        self._outage = None

    def inject(self, fault: Fault, *, kind: CallKind, number: int) -> None:
        """Make the call, or the write, of this number fail."""
        self._faults[kind, number] = fault

    def start_outage(self, outage: Outage) -> None:
        """Make calls fail from now on."""
        self._outage = outage
        self._calls_in_outage = 0

    def run_at(self, timing: Timing, kind: CallKind, number: int, action: Callable[[], None]) -> None:
        """Have somebody act right before or after the call, or the write, of this number."""
        self._actions[timing, kind, number].append(action)

    def apply_change(self, description: str, change: Callable[[], None]) -> None:
        """Make somebody else's change; one that AWS refuses does not count."""
        before = self.organization.root_access()
        with contextlib.suppress(ClientError):
            change()
        after = self.organization.root_access()
        if after != before:
            self.journal.append(ExternalChange(description=description, before=before, after=after))

    def _before(self, *, model: Any, context: Any, **_: object) -> None:
        kinds: list[CallKind] = ["call"] if _is_read(model.name) else ["call", "write"]
        context["numbers"] = [(kind, self._counts[kind]) for kind in kinds]
        self._counts.update(kinds)
        self._run_actions("before", context)
        injected = [self._faults[number] for number in context["numbers"] if number in self._faults]
        fault = context["fault"] = injected[0] if injected else self._fault_in_outage(model, context)
        if fault and not fault.takes_effect:
            self._record(model, context, code=None)
            raise client_faults.error(fault, model)

    def _after(self, *, model: Any, context: Any, **_: object) -> None:
        error = self.organization.calls[-1].error or ""
        self._record(model, context, code=error.removesuffix("Exception"))
        self._run_actions("after", context)
        if fault := context["fault"]:
            raise client_faults.error(fault, model)

    def _run_actions(self, timing: Timing, context: Any) -> None:
        for kind, number in context["numbers"]:
            for action in self._actions[timing, kind, number]:
                action()

    def _fault_in_outage(self, model: Any, context: Any) -> Fault | None:
        outage = self._outage
        if outage is None or outage.action != _action(model):
            return None
        if outage.account_id not in ("", context["parameters"].get("AccountId")):
            return None
        number = self._calls_in_outage - outage.skipped_calls
        self._calls_in_outage += 1
        is_over = outage.failing_calls is not None and number >= outage.failing_calls
        return None if number < 0 or is_over else outage.fault

    def _record(self, model: Any, context: Any, *, code: str | None) -> None:
        parameters = context["parameters"]
        self.journal.append(
            WatchedCall(
                action=_action(model),
                account_id=parameters.get("AccountId", ""),
                parameters=parameters,
                fault=context["fault"],
                code=code,
                after=self.organization.root_access(),
            )
        )


class SequentialExecutor(Executor):
    """A thread pool without threads, which runs its tasks when it is shut down.

    Reads that really run in parallel see other people's changes in an order that no test can repeat.

    Args:
        backwards: Whether the last task runs first.
    """

    def __init__(self, *, backwards: bool) -> None:
        self._backwards = backwards
        self._tasks: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., T], /, *args: object, **kwargs: object) -> Future[T]:
        """Accept a task."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        self._tasks.append(run)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Run the tasks."""
        for run in reversed(self._tasks) if self._backwards else self._tasks:
            run()


@dataclass(kw_only=True)
class SequentialExecutors:
    """Creates the pools of a function.

    Attributes:
        backwards: Whether the last task runs first.
    """

    backwards: bool = False

    def __call__(self) -> SequentialExecutor:
        """Return a new pool."""
        return SequentialExecutor(backwards=self.backwards)


def _keep_parameters(*, params: Mapping[str, Any], context: Any, **_: object) -> None:
    context["parameters"] = dict(params)


def _is_read(operation: str) -> bool:
    return operation.startswith(("Describe", "List"))


def _action(model: Any) -> str:
    return f"{model.service_model.service_name}:{model.name}"
