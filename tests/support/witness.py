"""Watches the calls of the custom resource's function, and keeps a journal of each of its invocations."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from botocore.exceptions import ClientError

from root_access.root_access_errors import ConvergenceError
from support.arrange import PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from local_aws.emulation import LocalOrganization, RootAccess
    from support.faults.vocabulary import Fault
    from support.function import Function, Handled

T = TypeVar("T")
CallKind = Literal["call", "write"]
Timing = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class WatchedCall:
    """One attempt of the function at a call.

    Attributes:
        action: The call, named as in an IAM policy.
        parameters: Its parameters.
        fault: How it failed; None if no fault was injected.
        code: AWS's error code without a trailing "Exception"; "" for a success, None if the call did not
            reach AWS.
        started: When, on the function's clock.
        after: The organization's root access right after it.
    """

    action: str
    parameters: Mapping[str, Any]
    fault: Fault | None
    code: str | None
    started: float
    after: RootAccess

    def __str__(self) -> str:
        return f"{self.action}({self.account_id})" if self.account_id else self.action

    @property
    def account_id(self) -> str:
        """The account in its parameters; "" if there is none."""
        return str(self.parameters.get("AccountId", ""))

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
    """A change to root access by others, with the organization's root access before and after it."""

    before: RootAccess
    after: RootAccess


@dataclass(frozen=True, kw_only=True)
class WatchedInvocation:
    """One invocation of the function.

    Attributes:
        event: What it was invoked with.
        before: The organization's root access before it.
        journal: What happened meanwhile.
        after: The organization's root access after it.
        resource: What it responded for a Create or an Update; None if it failed.
        error: Why it responded FAILED; None if it succeeded.
        waited: Whether the function waited for something.
        ended: When it ended, on the function's clock.
        deadline: When Lambda would have ended it.
    """

    event: Mapping[str, Any]
    before: RootAccess
    journal: Sequence[WatchedCall | ExternalChange]
    after: RootAccess
    resource: Mapping[str, Any] | None
    error: Exception | None
    waited: bool
    ended: float
    deadline: float

    @property
    def features(self) -> frozenset[str]:
        """The listed features."""
        return frozenset(self.event["ResourceProperties"]["Features"])

    @property
    def manages_administrators(self) -> bool:
        """Whether there is a list of delegated administrators; it may be empty."""
        return "DelegatedAdministrators" in self.event["ResourceProperties"]

    @property
    def administrators(self) -> frozenset[str]:
        """The listed delegated administrators."""
        return frozenset(self.event["ResourceProperties"].get("DelegatedAdministrators", ()))

    @property
    def calls(self) -> list[WatchedCall]:
        """The function's calls."""
        return [entry for entry in self.journal if isinstance(entry, WatchedCall)]

    @property
    def writes(self) -> list[WatchedCall]:
        """The function's calls that change something."""
        return [call for call in self.calls if call.is_write]

    @property
    def external_changes(self) -> list[ExternalChange]:
        """What others changed meanwhile."""
        return [entry for entry in self.journal if isinstance(entry, ExternalChange)]

    @property
    def convergence_error(self) -> ConvergenceError:
        """The error that it raised."""
        assert isinstance(self.error, ConvergenceError), repr(self.error)
        return self.error

    def calls_before_external_changes(self) -> Iterator[tuple[RootAccess, WatchedCall]]:
        """Yield the calls before others changed something, each with the root access that it met."""
        state = self.before
        for entry in self.journal:
            if isinstance(entry, ExternalChange):
                return
            yield state, entry
            state = entry.after

    def is_as_listed(self, state: RootAccess) -> bool:
        """Return whether root access is what the stack lists."""
        return (
            PRINCIPAL in state.trusted_access
            and state.features == self.features
            and (
                not self.manages_administrators or set(state.delegated_administrators) == self.administrators
            )
        )


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


class Witness:
    """Sees every call of a function, makes calls fail, and has others act around them.

    One instance serves many examples, because its clients take longer to create than an example to run.

    Attributes:
        organization: The organization.
        function: The function.
        journal: What happened in the current invocation, in order.
        invocations: The invocations before it.
        faults: How the call, or the write, of a number fails.
        actions: What others do right before or after the call, or the write, of a number.
        outage: A fault of all calls of an action; None: there is none.
    """

    def __init__(self, *, organization: LocalOrganization, function: Function) -> None:
        self.organization = organization
        self.function = function
        self.journal: list[WatchedCall | ExternalChange] = []
        self.restart()
        function.on_event("provide-client-params", _keep_parameters)
        function.on_event("before-call", self._before)
        for event in ("after-call", "after-call-error"):
            function.on_event(event, self._after)

    def restart(self) -> None:
        """Count the calls from 0 again, without any fault or action."""
        self.invocations: list[WatchedInvocation] = []
        self.faults: dict[tuple[CallKind, int], Fault] = {}
        self.actions: dict[tuple[Timing, CallKind, int], list[Callable[[], None]]] = defaultdict(list)
        self.outage: Outage | None = None
        self._calls_in_outage = 0
        self._counts: Counter[CallKind] = Counter()

    def __call__(self, event: Mapping[str, Any]) -> Handled:
        """Invoke the function."""
        time, before = self.function.time, self.organization.root_access()
        waits, deadline = len(time.starts), time.seconds + self.function.remaining_seconds
        self.journal = []
        self.organization.clear_calls()
        handled = self.function(event)
        self.invocations.append(
            WatchedInvocation(
                event=event,
                before=before,
                journal=tuple(self.journal),
                after=self.organization.root_access(),
                resource=handled.resource,
                error=handled.error,
                waited=len(time.starts) > waits,
                ended=time.seconds,
                deadline=deadline,
            )
        )
        return handled

    def apply_change(self, change: Callable[[], None]) -> None:
        """Make a change as others do; one that AWS refuses does not count."""
        before = self.organization.root_access()
        with contextlib.suppress(ClientError):
            change()
        after = self.organization.root_access()
        if after != before:
            self.journal.append(ExternalChange(before=before, after=after))

    def _before(self, *, model: Any, context: Any, **_: object) -> None:
        kinds: list[CallKind] = ["call"] if _is_read(model.name) else ["call", "write"]
        context["numbers"] = [(kind, self._counts[kind]) for kind in kinds]
        self._counts.update(kinds)
        self._run_actions("before", context)
        context["action"] = f"{model.service_model.service_name}:{model.name}"
        context["started"] = self.function.time.seconds
        context["arrived"] = len(self.organization.calls)
        injected = [self.faults[number] for number in context["numbers"] if number in self.faults]
        fault = context["fault"] = injected[0] if injected else self._fault_in_outage(context)
        if fault and not fault.takes_effect:
            self._record(context)
            raise fault.error_of(context["action"])

    def _after(self, *, context: Any, **_: object) -> None:
        self._record(context)
        self._run_actions("after", context)
        if fault := context["fault"]:
            raise fault.error_of(context["action"])

    def _record(self, context: Any) -> None:
        arrived = self.organization.calls[context["arrived"] :]
        self.journal.append(
            WatchedCall(
                action=context["action"],
                parameters=context["parameters"],
                fault=context["fault"],
                code=(arrived[0].error or "").removesuffix("Exception") if arrived else None,
                started=context["started"],
                after=self.organization.root_access(),
            )
        )

    def _run_actions(self, timing: Timing, context: Any) -> None:
        for kind, number in context["numbers"]:
            for action in self.actions[timing, kind, number]:
                action()

    def _fault_in_outage(self, context: Any) -> Fault | None:
        outage = self.outage
        if outage is None or outage.action != context["action"]:
            return None
        if outage.account_id not in ("", context["parameters"].get("AccountId")):
            return None
        number = self._calls_in_outage - outage.skipped_calls
        self._calls_in_outage += 1
        is_over = outage.failing_calls is not None and number >= outage.failing_calls
        return None if number < 0 or is_over else outage.fault


class SequentialExecutor(Executor):
    """A thread pool without threads, which runs its tasks when it is shut down.

    Reads that really run in parallel see other people's changes in an order that no test can repeat.

    Args:
        backwards: Whether the last task runs first.
    """

    def __init__(self, *, backwards: bool = False) -> None:
        self._backwards = backwards
        self._tasks: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
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


def _keep_parameters(*, params: Mapping[str, Any], context: Any, **_: object) -> None:
    context["parameters"] = dict(params)


def _is_read(operation: str) -> bool:
    return operation.startswith(("Describe", "List"))
