"""The fault matrix: which fault can occur at which call, and the function behind the fault proxy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from aws_calls.runtime import one_attempt
from support.accounts import MANAGEMENT
from support.function import FakeTime, Function, Handled

from .vocabulary import CONCURRENT_MODIFICATION, TRUSTED_ACCESS_NOT_VISIBLE, Persistence, step_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
    from botocore.model import OperationModel

    from local_aws.emulation import Call, Organization

    from .proxy import FaultProxy
    from .vocabulary import CallSite, Fault

_MAX_WAIT_SECONDS = 10.0

# How long to wait for a response that does not come, and how often to look whether the call has arrived.
_SHORT_READ_TIMEOUT_SECONDS = 0.05
_POLL_SECONDS = 0.005

# The time that the deployed function has, and less of it where a fault persists, so that it gives up soon.
_TIMEOUT_SECONDS = 180.0
_SHORT_TIMEOUT_SECONDS = 66.0

_FUNCTION_ARN = f"arn:aws:lambda:us-east-1:{MANAGEMENT}:function:RootAccess"

_ALREADY = frozenset({"AccountAlreadyRegisteredException", "AccountNotRegisteredException"})

# The read for which AWS documents ConcurrentModificationException, as it does for the changes.
_READ_WITH_CONCURRENT_MODIFICATION = "DescribeOrganization"

# The calls that AWS refuses while trusted access is not visible to them.
_NEED_TRUSTED_ACCESS = frozenset(
    {
        "DisableOrganizationsRootCredentialsManagement",
        "DisableOrganizationsRootSessions",
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
        "ListDelegatedAdministrators",
        "ListOrganizationsFeatures",
        "RegisterDelegatedAdministrator",
    }
)


def can_occur(fault: Fault, *, at: CallSite) -> bool:
    """Return whether AWS can have a fault at a call."""
    if fault is TRUSTED_ACCESS_NOT_VISIBLE:
        return at.trusted_access and at.operation in _NEED_TRUSTED_ACCESS
    if fault is CONCURRENT_MODIFICATION:
        return not at.is_read or at.operation == _READ_WITH_CONCURRENT_MODIFICATION
    return True


def code_in_report(fault: Fault, *, at: CallSite) -> str:
    """Return the code that the function must report when a fault at a call stops it."""
    if fault is TRUSTED_ACCESS_NOT_VISIBLE and at.is_read:
        return "InconsistentReads"
    return fault.code_of(at.service)


@dataclass(frozen=True, kw_only=True)
class TimedAttempt:
    """One attempt at a call, as the SDK starts it.

    Attributes:
        started: When, on the function's clock.
        step: The call, as the function names it.
        is_write: Whether it is a call that changes something.
    """

    started: float
    step: str
    is_write: bool


@dataclass(frozen=True, kw_only=True)
class TimedInvocation:
    """What one invocation of the function did.

    Attributes:
        started: When it started, on the function's clock.
        ended: When it ended.
        deadline: When Lambda would have ended it.
        attempts: The calls that it attempted.
        calls: The calls that reached the organization.
        hits: How many of its calls the fault hit.
        before: The delegated administrators before it.
        after: The delegated administrators after it.
        error: What it raised; None if it succeeded.
    """

    started: float
    ended: float
    deadline: float
    attempts: Sequence[TimedAttempt]
    calls: Sequence[Call]
    hits: int
    before: frozenset[str]
    after: frozenset[str]
    error: Exception | None

    @property
    def effective_steps(self) -> frozenset[str]:
        """The steps that reached the organization and met no error."""
        return frozenset(_step(call) for call in self.calls if call.is_write and call.error is None)

    @property
    def needless_steps(self) -> frozenset[str]:
        """The steps to which the organization responded that nothing is left to do."""
        return frozenset(_step(call) for call in self.calls if call.error in _ALREADY)

    @property
    def write_attempts(self) -> frozenset[str]:
        """The steps that it attempted."""
        return frozenset(attempt.step for attempt in self.attempts if attempt.is_write)


class WatchedFunction:
    """The function behind the proxy, with what each invocation of it did.

    One instance serves many tests, because its clients take longer to create than a test to run.

    Attributes:
        invocations: What it did since the start of the test.
    """

    def __init__(self, *, organization: Organization, proxy: FaultProxy, url: str) -> None:
        self._organization = organization
        self._proxy = proxy
        self._function = Function(endpoint_url=url)
        self._remaining = _TIMEOUT_SECONDS
        self._time = FakeTime()
        self._attempts: list[TimedAttempt] = []
        self._stops_at_next_event = False
        self._hit_event: object = None
        self.invocations: list[TimedInvocation] = []
        self._impatient = URLLib3Session(
            timeout=(_MAX_WAIT_SECONDS, _SHORT_READ_TIMEOUT_SECONDS)  # type: ignore[arg-type]
        )
        clients = self._function.clients()
        for client in (clients.iam, clients.organizations):
            events: Any = client.meta.events
            events.register("provide-client-params", self._record_attempt)
            events.register("before-sign", self._sign_for_upstream)
            events.register("before-send", self._time_out_early)

    def start(self, persistence: Persistence) -> None:
        """Start a test with a fault of this persistence."""
        self._time = FakeTime()
        self._remaining = _TIMEOUT_SECONDS if persistence.is_transient else _SHORT_TIMEOUT_SECONDS
        self._stops_at_next_event = persistence is Persistence.UNTIL_NEXT_EVENT
        self._hit_event = None
        self.invocations = []

    def __call__(self, event: Mapping[str, Any]) -> Handled:
        """Invoke the function."""
        if self._stops_at_next_event and self._hit_event not in (None, event["RequestId"]):
            self._proxy.stop()
        hits, known = self._proxy.hits, len(self._organization.calls)
        started, self._attempts = self._time.seconds, []
        before = self._delegated_administrators()
        self._function.time, self._function.remaining_seconds = self._time, self._remaining
        handled = Handled()
        try:
            handled = self._function(event)
            return handled
        finally:
            self.invocations.append(
                TimedInvocation(
                    started=started,
                    ended=self._time.seconds,
                    deadline=started + self._remaining,
                    attempts=self._attempts,
                    calls=self._organization.calls[known:],
                    hits=self._proxy.hits - hits,
                    before=before,
                    after=self._delegated_administrators(),
                    error=handled.error,
                )
            )
            if self._proxy.hits > hits and self._hit_event is None:
                self._hit_event = event["RequestId"]

    def _record_attempt(self, *, params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        action = f"{model.service_model.signing_name}:{model.name}"
        self._attempts.append(
            TimedAttempt(
                started=self._time.seconds,
                step=step_name(action, params.get("AccountId")),
                is_write=not model.name.startswith(("Describe", "List")),
            )
        )

    def _sign_for_upstream(self, *, request: AWSRequest, **_: object) -> None:
        """Sign with the organization's host, to which the proxy forwards the request."""
        request.headers["Host"] = self._proxy.upstream_host

    def _time_out_early(
        self, *, request: AWSPreparedRequest, event_name: str, **_: object
    ) -> AWSResponse | None:
        """Wait only a moment for a response that does not come; the function's clock gets the whole wait.

        Every other call has the time that the function's own clients give it, on a busy machine too.
        """
        operation = event_name.rpartition(".")[2]
        if not self._proxy.is_unresponsive_to(operation=operation, body=str(request.body)):
            return None
        known = self._arrivals(operation)
        try:
            return self._impatient.send(request)
        except ReadTimeoutError:
            deadline = time.monotonic() + _MAX_WAIT_SECONDS
            while self._arrivals(operation) == known and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            self._time.seconds += float(one_attempt().read_timeout)  # type: ignore[attr-defined]
            raise

    def _delegated_administrators(self) -> frozenset[str]:
        return frozenset(self._organization.root_access().delegated_administrators)

    def _arrivals(self, operation: str) -> int:
        return sum(call.operation == operation for call in self._organization.calls)


def _step(call: Call) -> str:
    return step_name(f"{call.service}:{call.operation}", call.parameters.get("AccountId"))
