"""What can go wrong with one call of AWS, which call, and how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from local_aws.emulation import Call

_MESSAGE = "This is a test."
_ENDPOINT_URL = "https://aws.example"
_EVERY_SERVICE = "*"


@dataclass(frozen=True, kw_only=True)
class ErrorResponse:
    """An error as a service returns it."""

    code: str
    status: int = 400
    message: str = _MESSAGE
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fault:
    """One way in which a call fails.

    Attributes:
        name: Its name, for the names of test cases.
        responses: The error response of each service. Empty if no response arrives.
        exception: What botocore raises if no response arrives.
        takes_effect: Whether the call takes effect although it fails.
        is_ambiguous: Whether its caller cannot know if it took effect.
    """

    name: str
    responses: Mapping[str, ErrorResponse] = field(default_factory=dict)
    exception: type[BotoCoreError] | None = None
    takes_effect: bool = False
    is_ambiguous: bool = False

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<fault: {self.name}>"

    def response_of(self, service: str) -> ErrorResponse | None:
        """Return a service's error response; None if no response arrives."""
        return self.responses.get(service) or self.responses.get(_EVERY_SERVICE)

    def code_of(self, service: str) -> str:
        """Return the error code that the caller of a service sees."""
        response = self.response_of(service)
        if response is not None:
            return response.code
        assert self.exception is not None, f"{self!r} is not a fault of {service}"
        return self.exception.__name__

    def error_of(self, service: str, *, operation: str) -> Exception:
        """Return what botocore raises for a call of a service."""
        response = self.response_of(service)
        if response is None:
            assert self.exception is not None, f"{self!r} is not a fault of {service}"
            return self.exception(endpoint_url=_ENDPOINT_URL)
        return client_error(response, operation=operation)


def client_error(response: ErrorResponse, *, operation: str) -> ClientError:
    """Return what botocore raises for an error response."""
    parsed: dict[str, object] = {
        "Error": {"Code": response.code, "Message": response.message},
        "ResponseMetadata": {"HTTPStatusCode": response.status},
    }
    if response.reason:
        parsed["Reason"] = response.reason
    return ClientError(parsed, operation)  # type: ignore[arg-type]


def error_response(code: str, *, status: int = 400, message: str = _MESSAGE, reason: str = "") -> Fault:
    """Return the fault that every service refuses the call with an error."""
    response = ErrorResponse(code=code, status=status, message=message, reason=reason)
    return Fault(name=code, responses={_EVERY_SERVICE: response}, is_ambiguous=status >= 500)


THROTTLED = Fault(
    name="throttled",
    responses={
        "iam": ErrorResponse(code="Throttling"),
        "organizations": ErrorResponse(code="TooManyRequestsException"),
    },
)
THROTTLING_EXCEPTION = error_response("ThrottlingException")
CONCURRENT_MODIFICATION = Fault(
    name="concurrent modification",
    responses={
        "iam": ErrorResponse(code="ConcurrentModification", status=409),
        "organizations": ErrorResponse(code="ConcurrentModificationException"),
    },
)
ACCESS_DENIED = Fault(
    name="access denied",
    responses={
        "iam": ErrorResponse(code="AccessDenied", status=403),
        "organizations": ErrorResponse(code="AccessDeniedException"),
    },
)
TRUSTED_ACCESS_NOT_VISIBLE = Fault(
    name="trusted access not visible yet",
    responses={
        "iam": ErrorResponse(code="ServiceAccessNotEnabledException"),
        "organizations": ErrorResponse(
            code="ConstraintViolationException", reason="SERVICE_ACCESS_NOT_ENABLED"
        ),
    },
)
INVALID_INPUT = error_response("InvalidInputException")
SERVER_ERROR_BEFORE = Fault(
    name="server error before the call took effect",
    responses={
        "iam": ErrorResponse(code="ServiceFailure", status=500),
        "organizations": ErrorResponse(code="ServiceException", status=500),
    },
    is_ambiguous=True,
)
SERVER_ERROR_AFTER = replace(
    SERVER_ERROR_BEFORE, name="server error after the call took effect", takes_effect=True
)
CONNECTION_FAILED = Fault(name="no connection", exception=EndpointConnectionError)
NO_RESPONSE_BEFORE = Fault(
    name="connection closed before the call took effect",
    exception=ConnectionClosedError,
    is_ambiguous=True,
)
NO_RESPONSE_AFTER = replace(
    NO_RESPONSE_BEFORE, name="connection closed after the call took effect", takes_effect=True
)
READ_TIMEOUT = Fault(name="read timeout", exception=ReadTimeoutError, takes_effect=True, is_ambiguous=True)


class Persistence(StrEnum):
    """How long a fault lasts."""

    ONCE = "once"
    TWICE = "twice"
    UNTIL_NEXT_EVENT = "until the next event"
    ALWAYS = "always"

    @property
    def times(self) -> int | None:
        """How many calls fail; None for all."""
        return {Persistence.ONCE: 1, Persistence.TWICE: 2}.get(self)

    @property
    def is_transient(self) -> bool:
        """Whether waiting helps."""
        return self.times is not None


@dataclass(frozen=True, kw_only=True)
class CallSite:
    """One call on a path, at which a fault can be injected.

    Attributes:
        service: The service's signing name.
        operation: The operation.
        account_id: The account in its parameters; "" if there is none.
        occurrence: Which of the path's calls of that operation for that account it is, from 1.
        trusted_access: Whether trusted access was enabled when it arrived.
        is_read: Whether it changes nothing.
    """

    service: str
    operation: str
    account_id: str
    occurrence: int
    trusted_access: bool
    is_read: bool

    @property
    def action(self) -> str:
        """The call, named as in an IAM policy."""
        return f"{self.service}:{self.operation}"

    def __str__(self) -> str:
        return f"{step_name(self.action, self.account_id)} no. {self.occurrence}"


def call_sites(calls: Iterable[Call], *, trusted_access: bool) -> Iterator[CallSite]:
    """Yield the calls of a path in the order in which they arrived.

    Args:
        calls: What reached the organization.
        trusted_access: Whether trusted access was enabled before.
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


def step_name(action: str, account_id: object) -> str:
    """Return a call as the function names it: "service:Operation(account)"."""
    return f"{action}({account_id})" if account_id else action
