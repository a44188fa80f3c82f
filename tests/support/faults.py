"""Faults at the wire, so that the SDK is part of the test, and a witness of what the function does."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any

from aiohttp import web
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from microburst.app import make_app
from microburst.core.pipeline import Microburst

from aws_calls.runtime import one_attempt
from root_access.handler import respond

from .function import MANAGEMENT_ACCOUNT, Context, FakeTime, Function

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence

    from aiohttp.typedefs import Handler, Middleware
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.model import OperationModel

    from local_aws.emulation import Call, Organization

_LOOPBACK = "127.0.0.1"
_LONGEST_WAIT = 10.0

# How long an answer that will not come is waited for, and how often the proxy looks whether it still is.
_SHORT_READ_TIMEOUT = 0.05
_LOOK = 0.005

# The time that the deployed function has, and less of it where a fault stays, so that it is soon given up.
_TIMEOUT = 180.0
_SHORT_TIMEOUT = 66.0

_FUNCTION = f"arn:aws:lambda:us-east-1:{MANAGEMENT_ACCOUNT}:function:RootAccess"

_ALREADY = frozenset({"AccountAlreadyRegisteredException", "AccountNotRegisteredException"})

# Beside the changes, what AWS documents ConcurrentModificationException for.
_READS_WHAT_CHANGES = "DescribeOrganization"

# The calls that AWS refuses while it has not seen yet that trusted access is on.
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


@dataclass(frozen=True, kw_only=True)
class AwsError:
    """An error as a service spells it."""

    code: str
    status: int = 400
    reason: str = ""

    def rule(self) -> Mapping[str, object]:
        """The proxy's rule for it."""
        error: dict[str, object] = {"code": self.code, "status": self.status, "message": "said the test"}
        if self.reason:
            error["fields"] = {"Reason": self.reason}
        return {"error": error}


class Moment(Enum):
    """Whether a call that fails has taken effect."""

    NEVER = "AWS refuses the call"
    BEFORE = "it fails before it took effect, and its caller cannot know"
    AFTER = "it took effect, and its caller cannot know"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which a call fails.

    Attributes:
        name: its name, for the test's.
        moment: whether the call has taken effect.
        errors: the error that each service answers; none where the answer does not arrive.
        rule: the proxy's rule where the answer does not arrive.
        told_as: the code that the function tells where the answer does not arrive.
    """

    name: str
    moment: Moment
    errors: Mapping[str, AwsError] = field(default_factory=dict)
    rule: Mapping[str, object] = field(default_factory=dict)
    told_as: str = ""

    def __str__(self) -> str:
        return self.name

    def rule_for(self, service: str) -> Mapping[str, object]:
        """The proxy's rule for a call to a service."""
        return self.errors[service].rule() if self.errors else self.rule

    def told_for(self, site: CallSite) -> str:
        """The code that the function is to tell when this fault stops it."""
        if self is TRUSTED_ACCESS_LAGS and site.is_read:
            return "Unknown"
        return self.errors[site.service].code if self.errors else self.told_as

    def can_hit(self, site: CallSite) -> bool:
        """Whether AWS can have this fault at that call."""
        if self is TRUSTED_ACCESS_LAGS:
            return site.trusted_access and site.operation in _NEED_TRUSTED_ACCESS
        if self is CONCURRENT_MODIFICATION:
            return not site.is_read or site.operation == _READS_WHAT_CHANGES
        return True


THROTTLED = Fault(
    name="throttled",
    moment=Moment.NEVER,
    errors={
        "iam": AwsError(code="Throttling"),
        "organizations": AwsError(code="TooManyRequestsException"),
    },
)
THROTTLED_IN_OTHER_WORDS = Fault(
    name="ThrottlingException",
    moment=Moment.NEVER,
    errors={
        "iam": AwsError(code="ThrottlingException"),
        "organizations": AwsError(code="ThrottlingException"),
    },
)
CONCURRENT_MODIFICATION = Fault(
    name="concurrent modification",
    moment=Moment.NEVER,
    errors={
        "iam": AwsError(code="ConcurrentModification", status=409),
        "organizations": AwsError(code="ConcurrentModificationException"),
    },
)
ACCESS_DENIED = Fault(
    name="access denied",
    moment=Moment.NEVER,
    errors={
        "iam": AwsError(code="AccessDenied", status=403),
        "organizations": AwsError(code="AccessDeniedException"),
    },
)
TRUSTED_ACCESS_LAGS = Fault(
    name="trusted access lags",
    moment=Moment.NEVER,
    errors={
        "iam": AwsError(code="ServiceAccessNotEnabledException"),
        "organizations": AwsError(code="ConstraintViolationException", reason="SERVICE_ACCESS_NOT_ENABLED"),
    },
)
SERVER_ERROR_BEFORE = Fault(
    name="server error before",
    moment=Moment.BEFORE,
    errors={
        "iam": AwsError(code="ServiceFailure", status=500),
        "organizations": AwsError(code="ServiceException", status=500),
    },
)
SERVER_ERROR_AFTER = replace(SERVER_ERROR_BEFORE, name="server error after", moment=Moment.AFTER)
RESET_BEFORE = Fault(
    name="reset before", moment=Moment.BEFORE, rule={"reset": True}, told_as="ConnectionClosedError"
)
RESET_AFTER = Fault(
    name="reset after",
    moment=Moment.AFTER,
    rule={"response": {"abort_frac": 0}},
    told_as="ConnectionClosedError",
)
READ_TIMEOUT = Fault(
    name="read timeout", moment=Moment.AFTER, rule={"timeout_ms": 1}, told_as="ReadTimeoutError"
)


class Strength(StrEnum):
    """How long a fault lasts."""

    ONCE = "once"
    TWICE = "twice"
    UNTIL_THE_NEXT_EVENT = "until the next event"
    FOR_EVER = "for ever"

    @property
    def times(self) -> int | None:
        """How many calls it hits; None for all."""
        return {Strength.ONCE: 1, Strength.TWICE: 2}.get(self)

    @property
    def passes(self) -> bool:
        """Whether waiting helps."""
        return self.times is not None


@dataclass(frozen=True, kw_only=True)
class CallSite:
    """One call on a path.

    Attributes:
        service: the service's signing name.
        operation: the operation.
        account_id: the account that the call is about; "" for the others.
        occurrence: which of the path's calls of that operation for that account, from 1.
        trusted_access: whether trusted access was on when it came.
        is_read: whether it changes nothing.
    """

    service: str
    operation: str
    account_id: str
    occurrence: int
    trusted_access: bool
    is_read: bool

    @property
    def action(self) -> str:
        """The call as policies spell it."""
        return f"{self.service}:{self.operation}"

    def __str__(self) -> str:
        return f"{_with_account(self.action, self.account_id)} no. {self.occurrence}"


def call_sites(calls: Iterable[Call], *, trusted_access: bool) -> Iterator[CallSite]:
    """The calls of a path, as they came.

    Args:
        calls: what reached the organization.
        trusted_access: whether trusted access was on before.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for call in calls:
        account_id = str(call.parameters.get("AccountId", ""))
        seen[call.operation, account_id] += 1
        yield CallSite(
            service=call.service,
            operation=call.operation,
            account_id=account_id,
            occurrence=seen[call.operation, account_id],
            trusted_access=trusted_access,
            is_read=not call.is_write,
        )
        trusted_access |= call.operation == "EnableAWSServiceAccess"


class FaultProxy:
    """Stands between the function and the organization, and makes one call fail at a time."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._microburst: Any = Microburst(upstream)
        self._rules: list[Any] = []
        self._fault: Fault | None = None
        self._site: CallSite | None = None

    @property
    def hits(self) -> int:
        """How many calls the fault has hit."""
        return int(self._rules[-1].fired_count) if self._rules else 0

    def stalls(self, *, operation: str, body: str) -> bool:
        """Whether a call gets no answer in time."""
        if self._fault is not READ_TIMEOUT or self._site is None:
            return False
        *passes, fails = self._rules
        return (
            operation == self._site.operation
            and self._site.account_id in body
            and all(rule.fired_count == rule.times for rule in passes)
            and (fails.times is None or fails.fired_count < fails.times)
        )

    def inject(self, fault: Fault, *, at: CallSite, strength: Strength) -> None:
        """Makes a call fail, and those like it that follow as far as the strength goes.

        A fault that is there for ever is one of the operation; others are of the call for that account.
        """
        self._fault, self._site = fault, at
        call = {"service": at.service, "operation": at.operation}
        about = {"body": f"AccountId == '{at.account_id}'"} if at.account_id else {}
        # A rule without a fault lets the calls before this one through.
        passes = [{**call, **about, "times": at.occurrence - 1}] if at.occurrence > 1 else []
        if strength is Strength.FOR_EVER:
            about = {}
        fails = {**call, **about, **fault.rule_for(at.service), "times": strength.times}
        self._rules = self._microburst.engine.set_rules([*passes, fails])

    def stop(self) -> None:
        """Lets every call through; what was hit is still known."""
        self._microburst.engine.set_rules([])
        self._fault = None

    def forget(self) -> None:
        """Lets every call through, as at the start."""
        self.stop()
        self._rules = []

    def app(self) -> web.Application:
        """The proxy as a web application."""
        app: web.Application = make_app(self._microburst)
        app.middlewares.append(self._middleware())
        return app

    def _middleware(self) -> Middleware:
        """What microburst lacks: an error, or no answer in time, to a call that took effect.

        Its errors and timeouts come in the call's place; its faults on the way back keep the status.
        """

        @web.middleware
        async def take_effect_first(request: web.Request, handler: Handler) -> web.StreamResponse:
            fault = self._fault
            answer = await handler(request)
            # What microburst forwards is sent when it gets here; what it answers itself is not.
            if fault in (SERVER_ERROR_AFTER, READ_TIMEOUT) and isinstance(answer, web.Response):
                await self._forward(request)
                if fault is READ_TIMEOUT:
                    await _given_up(request)
            return answer

        return take_effect_first

    async def _forward(self, request: web.Request) -> None:
        headers = {
            name: value for name, value in request.headers.items() if name not in {"Host", "Content-Length"}
        }
        async with self._microburst.upstream.session.post(
            self._upstream, data=await request.read(), headers=headers
        ) as answer:
            await answer.read()


async def _given_up(request: web.Request) -> None:
    async with asyncio.timeout(_LONGEST_WAIT):
        while request.transport is not None:
            await asyncio.sleep(_LOOK)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[tuple[FaultProxy, str]]:
    """Serves a proxy from a thread.

    Args:
        upstream: where the organization is served.

    Yields:
        The proxy, and where it is served.
    """
    proxy = FaultProxy(upstream)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy")
    thread.start()

    def wait_for(coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(_LONGEST_WAIT)

    try:
        runner = web.AppRunner(proxy.app(), access_log=None)
        wait_for(runner.setup())
        try:
            wait_for(web.TCPSite(runner, _LOOPBACK, 0).start())
            # By this name, for microburst searches the models of all services for a host with dots.
            yield proxy, f"http://localhost:{runner.addresses[0][1]}"
        finally:
            wait_for(runner.cleanup())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_LONGEST_WAIT)
        loop.close()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a call, as the SDK starts it.

    Attributes:
        at: when, on the function's clock.
        step: the call as the function's sentences name it.
        is_write: whether it is to change something.
    """

    at: float
    step: str
    is_write: bool


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What one invocation of the function did.

    Attributes:
        started: when, on the function's clock.
        ended: when it ended.
        deadline: when Lambda would have ended it.
        attempts: the calls that it tried.
        calls: the calls that reached the organization.
        hits: how many of its calls the fault hit.
        before: the accounts that were registered before it.
        after: the accounts that were registered after it.
        error: what it raised; None where it succeeded.
    """

    started: float
    ended: float
    deadline: float
    attempts: Sequence[Attempt]
    calls: Sequence[Call]
    hits: int
    before: frozenset[str]
    after: frozenset[str]
    error: str | None

    @property
    def took_effect(self) -> frozenset[str]:
        """The steps that changed the organization, or found it so without an error."""
        return frozenset(_step(call) for call in self.calls if call.is_write and call.error is None)

    @property
    def found_made(self) -> frozenset[str]:
        """The steps to which the organization answered that it is so already."""
        return frozenset(_step(call) for call in self.calls if call.error in _ALREADY)

    @property
    def tried(self) -> frozenset[str]:
        """The steps that it tried to make."""
        return frozenset(attempt.step for attempt in self.attempts if attempt.is_write)


class WatchedFunction:
    """The function behind the proxy, with what each invocation of it did.

    One of them serves many tests, for its clients take longer to build than a test to run.

    Attributes:
        invocations: what it did since the start of the test.
    """

    def __init__(self, *, organization: Organization, proxy: FaultProxy, url: str) -> None:
        self._organization = organization
        self._proxy = proxy
        self._function = Function(endpoint_url=url)
        self._remaining = _TIMEOUT
        self._time = FakeTime()
        self._attempts: list[Attempt] = []
        self._stays_until_next_event = False
        self._hit_event: object = None
        self.invocations: list[Invocation] = []
        self._hasty = URLLib3Session(timeout=(_LONGEST_WAIT, _SHORT_READ_TIMEOUT))  # type: ignore[arg-type]
        clients = self._function.clients()
        for client in (clients.iam, clients.organizations):
            events: Any = client.meta.events
            events.register("provide-client-params", self._note_attempt)
            events.register("before-send", self._give_up_soon)

    def start(self, strength: Strength) -> None:
        """Forgets what was, for a test with a fault of this strength."""
        self._time = FakeTime()
        self._remaining = _TIMEOUT if strength.passes else _SHORT_TIMEOUT
        self._stays_until_next_event = strength is Strength.UNTIL_THE_NEXT_EVENT
        self._hit_event = None
        self.invocations = []

    def __call__(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Invokes the function."""
        if self._stays_until_next_event and self._hit_event not in (None, event["RequestId"]):
            self._proxy.stop()
        hits, known = self._proxy.hits, len(self._organization.calls)
        started, self._attempts = self._time.seconds, []
        before = self._registered()
        error: str | None = None
        try:
            return respond(
                event,
                Context(
                    invoked_function_arn=_FUNCTION,
                    remaining_seconds=self._remaining,
                ),
                clients=self._function.clients,
                clock=self._time.clock(),
                log=lambda **_: None,
            )
        except Exception as raised:
            error = str(raised)
            raise
        finally:
            self.invocations.append(
                Invocation(
                    started=started,
                    ended=self._time.seconds,
                    deadline=started + self._remaining,
                    attempts=self._attempts,
                    calls=self._organization.calls[known:],
                    hits=self._proxy.hits - hits,
                    before=before,
                    after=self._registered(),
                    error=error,
                )
            )
            if self._proxy.hits > hits and self._hit_event is None:
                self._hit_event = event["RequestId"]

    def _note_attempt(self, *, params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        action = f"{model.service_model.signing_name}:{model.name}"
        self._attempts.append(
            Attempt(
                at=self._time.seconds,
                step=_with_account(action, params.get("AccountId")),
                is_write=not model.name.startswith(("Describe", "List")),
            )
        )

    def _give_up_soon(
        self, *, request: AWSPreparedRequest, event_name: str, **_: object
    ) -> AWSResponse | None:
        """Waits a moment for an answer that will not come, and lets the function's clock tell the whole wait.

        Every other call has the time that the function's own clients give it, on a busy machine too.
        """
        operation = event_name.rpartition(".")[2]
        if not self._proxy.stalls(operation=operation, body=str(request.body)):
            return None
        known = self._reached(operation)
        try:
            return self._hasty.send(request)
        except ReadTimeoutError:
            deadline = time.monotonic() + _LONGEST_WAIT
            while self._reached(operation) == known and time.monotonic() < deadline:
                time.sleep(_LOOK)
            self._time.seconds += float(one_attempt().read_timeout)  # type: ignore[attr-defined]
            raise

    def _registered(self) -> frozenset[str]:
        return frozenset(self._organization.root_access().delegated_administrators)

    def _reached(self, operation: str) -> int:
        return sum(call.operation == operation for call in self._organization.calls)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a failure says of the steps.

    Attributes:
        made: the steps that are said to be made.
        may_have_been_made: the steps whose answer is said to be lost.
        not_made: the steps that are said not to be made.
        not_put_back: the accounts that are said not to be put back.
        nothing_was_changed: whether it says so.
    """

    made: frozenset[str]
    may_have_been_made: frozenset[str]
    not_made: frozenset[str]
    not_put_back: frozenset[str]
    nothing_was_changed: bool

    @classmethod
    def by(cls, message: str) -> Told:
        """What a message says."""
        return cls(
            made=_listed(r"Made by this invocation", message),
            may_have_been_made=_listed(r"May have been made \(no answer\)", message),
            not_made=_listed(r"Not made", message),
            not_put_back=frozenset(re.findall(r"Then (\d{12}) could not be put back", message)),
            nothing_was_changed="Nothing was changed" in message,
        )


def _listed(label: str, message: str) -> frozenset[str]:
    found = re.search(rf"\b{label}: ([^.]*)\.", message)
    return frozenset(found[1].split(", ")) if found else frozenset()


def _step(call: Call) -> str:
    return _with_account(f"{call.service}:{call.operation}", call.parameters.get("AccountId"))


def _with_account(action: str, account_id: object) -> str:
    return f"{action}({account_id})" if account_id else action
