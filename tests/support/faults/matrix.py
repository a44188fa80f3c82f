"""The fault matrix: which fault can occur at which call, and the function behind the fault proxy."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from aws_calls.runtime import one_attempt
from support.arrange import PRINCIPAL
from support.function import FakeTime, Function
from support.invariants import DESCRIBE, DISABLE, ENABLE, LIST_ADMINISTRATORS, LIST_FEATURES, REGISTER
from support.witness import SequentialExecutor, Witness

from .vocabulary import CONCURRENT_MODIFICATION, TRUSTED_ACCESS_NOT_VISIBLE, CallSite, Persistence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse

    from local_aws.emulation import LocalOrganization
    from support.function import Handled
    from support.witness import WatchedInvocation

    from .proxy import FaultProxy
    from .vocabulary import Fault

_MAX_WAIT_SECONDS = 10.0

# How long to wait for a response that does not come, and how often to look whether the call has arrived.
_SHORT_READ_TIMEOUT_SECONDS = 0.05
_POLL_SECONDS = 0.005

# The time that the deployed function has, and less of it where a fault persists, so that it gives up soon.
_TIMEOUT_SECONDS = 180.0
_SHORT_TIMEOUT_SECONDS = 66.0

# The calls that AWS refuses while trusted access is not visible to them.
_NEED_TRUSTED_ACCESS = {LIST_ADMINISTRATORS, LIST_FEATURES, REGISTER, *ENABLE.values(), *DISABLE.values()}


def can_occur(fault: Fault, *, at: CallSite) -> bool:
    """Return whether AWS can have a fault at a call."""
    if fault is TRUSTED_ACCESS_NOT_VISIBLE:
        return at.trusted_access and at.action in _NEED_TRUSTED_ACCESS
    if fault is CONCURRENT_MODIFICATION:
        # The only read for which AWS documents it.
        return not at.is_read or at.action == DESCRIBE
    return True


def code_in_report(fault: Fault, *, at: CallSite) -> str:
    """Return the code that the function must report when a fault at a call stops it."""
    if fault is TRUSTED_ACCESS_NOT_VISIBLE and at.is_read:
        return "InconsistentReads"
    return fault.code_of(at.action)


def call_sites(invocations: Iterable[WatchedInvocation]) -> Iterator[CallSite]:
    """Yield the calls of a path in the order in which they were made."""
    seen: Counter[str] = Counter()
    for invocation in invocations:
        for state, call in invocation.calls_before_external_changes():
            seen[str(call)] += 1
            yield CallSite(
                action=call.action,
                account_id=call.account_id,
                occurrence=seen[str(call)],
                trusted_access=PRINCIPAL in state.trusted_access,
                is_read=not call.is_write,
            )


class WireWitness(Witness):
    """Sees every call of the function, which calls the organization through the proxy."""

    def __init__(self, *, organization: LocalOrganization, proxy: FaultProxy, url: str) -> None:
        function = Function(endpoint_url=url, executor=SequentialExecutor)
        super().__init__(organization=organization, function=function)
        self._proxy = proxy
        self._stops_at_next_event = False
        self._impatient = URLLib3Session(
            timeout=(_MAX_WAIT_SECONDS, _SHORT_READ_TIMEOUT_SECONDS)  # type: ignore[arg-type]
        )
        function.on_event("before-sign", self._sign_for_upstream)
        function.on_event("before-send", self._time_out_early)

    def start(self, persistence: Persistence) -> None:
        """Start a test with a fault of this persistence."""
        self.function.time = FakeTime()
        self.function.remaining_seconds = (
            _TIMEOUT_SECONDS if persistence.is_transient else _SHORT_TIMEOUT_SECONDS
        )
        self._stops_at_next_event = persistence is Persistence.UNTIL_NEXT_EVENT
        self.invocations = []

    def __call__(self, event: Mapping[str, Any]) -> Handled:
        """Invoke the function."""
        if self._stops_at_next_event and self._proxy.hits:
            self._proxy.stop()
        return super().__call__(event)

    def _before(self, *, model: Any, context: Any, **_: object) -> None:
        super()._before(model=model, context=context)
        context["hits"] = self._proxy.hits

    def _fault(self, context: Any) -> Fault | None:
        return self._proxy.fault if self._proxy.hits > context["hits"] else None

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
        known = len(self.organization.calls)
        try:
            return self._impatient.send(request)
        except ReadTimeoutError:
            deadline = time.monotonic() + _MAX_WAIT_SECONDS
            while len(self.organization.calls) == known and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            self.function.time.seconds += float(one_attempt().read_timeout)  # type: ignore[attr-defined]
            raise
