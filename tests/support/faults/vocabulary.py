"""What can go wrong with one call of AWS."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ConnectionClosedError, EndpointConnectionError

from ..responding import client_error

_EVERY_SERVICE = "*"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Fault:
    """One way in which a call fails.

    Attributes:
        name: Its name, for the names of test cases.
        responses: The error response of each service, as arguments of `client_error`. Empty if no
            response arrives.
        exception: What botocore raises if no response arrives.
        takes_effect: Whether the call takes effect although it fails.
    """

    name: str
    responses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exception: type[BotoCoreError] | None = None
    takes_effect: bool = False

    def __repr__(self) -> str:
        return self.name

    def error_of(self, action: str) -> Exception:
        """Return what botocore raises for a call, named as in an IAM policy."""
        service, _, operation = action.partition(":")
        response = self.responses.get(service) or self.responses.get(_EVERY_SERVICE)
        if response is None:
            assert self.exception is not None, f"{self} is not a fault of {action}"
            return self.exception(endpoint_url="https://aws.example")
        return client_error(**response, operation=operation)


def error_response(code: str, *, status: int = 400, reason: str = "") -> Fault:
    """Return the fault that every service refuses the call with an error."""
    response = {"code": code, "status": status, "reason": reason}
    return Fault(name=code, responses={_EVERY_SERVICE: response})


THROTTLED = Fault(
    name="throttled",
    responses={
        "iam": {"code": "Throttling"},
        "organizations": {"code": "TooManyRequestsException"},
    },
)
THROTTLING_EXCEPTION = error_response("ThrottlingException")
CONCURRENT_MODIFICATION = Fault(
    name="concurrent modification",
    responses={
        "iam": {"code": "ConcurrentModification", "status": 409},
        "organizations": {"code": "ConcurrentModificationException"},
    },
)
ACCESS_DENIED = Fault(
    name="access denied",
    responses={
        "iam": {"code": "AccessDenied", "status": 403},
        "organizations": {"code": "AccessDeniedException"},
    },
)
TRUSTED_ACCESS_NOT_VISIBLE = Fault(
    name="trusted access not visible yet",
    responses={
        "iam": {"code": "ServiceAccessNotEnabledException"},
        "organizations": {
            "code": "ConstraintViolationException",
            "reason": "SERVICE_ACCESS_NOT_ENABLED",
        },
    },
)
INVALID_INPUT = error_response("InvalidInputException")
SERVER_ERROR_BEFORE = Fault(
    name="server error before the call took effect",
    responses={
        "iam": {"code": "ServiceFailure", "status": 500},
        "organizations": {"code": "ServiceException", "status": 500},
    },
)
SERVER_ERROR_AFTER = replace(
    SERVER_ERROR_BEFORE, name="server error after the call took effect", takes_effect=True
)
CONNECTION_FAILED = Fault(name="no connection", exception=EndpointConnectionError)
NO_RESPONSE_BEFORE = Fault(
    name="connection closed before the call took effect",
    exception=ConnectionClosedError,
)
NO_RESPONSE_AFTER = replace(
    NO_RESPONSE_BEFORE, name="connection closed after the call took effect", takes_effect=True
)
