"""How an AWS call can fail: botocore's many exceptions as one, with what the caller decides by."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttled",
        "Throttling",
        "TooManyRequests",
        "TransactionInProgress",
    }
)
_SERVER_ERRORS = frozenset(
    {"InternalError", "InternalFailure", "Service", "ServiceFailure", "ServiceUnavailable"}
)


class FailureKind(StrEnum):
    """What a failure means for the caller; the value is what there is to wait for."""

    THROTTLED = "throttling to end"
    SERVER_ERROR = "errors inside AWS to end"
    CONNECTION_FAILED = "a connection"
    NO_RESPONSE = "an answer"
    CONCURRENT_MODIFICATION = "another change to the organization to end"
    ACCESS_DENIED = "a new policy to take effect"
    TRUSTED_ACCESS_OFF = "trusted access to take effect"
    INCONSISTENT_READS = "reads that agree with each other"
    NOT_PERSISTED = "the organization to stay as it was made"
    OUT_OF_TIME = "time"
    REFUSED = "nothing"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One call that failed, after one attempt or several.

    Attributes:
        operation: the call, named as in an IAM policy.
        kind: what the failure means for the caller.
        code: AWS's error code.
        message: AWS's message.
        reason: the Reason of a ConstraintViolationException or InvalidInputException, else "".
        attempts: how often the call was made.
        waited: seconds between the first attempt and the last.
        timed_out: whether it might have passed, had there been more time.
        may_have_taken_effect: whether an attempt may have taken effect though its answer was lost.
    """

    operation: str
    kind: FailureKind
    code: str
    message: str
    reason: str = ""
    attempts: int = 1
    waited: float = 0.0
    timed_out: bool = False
    may_have_taken_effect: bool = False

    @property
    def name(self) -> str:
        """The code without a trailing "Exception": documentation and wire differ in it."""
        return self.code.removesuffix("Exception")


class CallError(Exception):
    """Raised for an AWS call that failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.operation}: {failure.code}: {failure.message}")
        self.failure = failure


@contextmanager
def call_errors(operation: str) -> Iterator[None]:
    """Turns what botocore raises for one call into a CallError.

    Args:
        operation: the call, named as in an IAM policy.

    Raises:
        CallError: for every way in which the call can fail.
    """
    try:
        yield
    except ClientError as error:
        raise CallError(_answered(operation, error)) from error
    except ResponseParserError as error:
        raise CallError(_unanswered(operation, FailureKind.NO_RESPONSE, error)) from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        raise CallError(_unanswered(operation, FailureKind.CONNECTION_FAILED, error)) from error
    except (HTTPClientError, ConnectionError) as error:
        raise CallError(_unanswered(operation, FailureKind.NO_RESPONSE, error)) from error
    except BotoCoreError as error:
        raise CallError(_unanswered(operation, FailureKind.REFUSED, error)) from error


def _answered(operation: str, error: ClientError) -> Failure:
    detail = error.response.get("Error", {})
    failure = Failure(
        operation=operation,
        kind=FailureKind.REFUSED,
        code=detail.get("Code", "Unknown"),
        message=detail.get("Message", ""),
        reason=str(error.response.get("Reason", "")),
    )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _kind(failure, status=status)
    return replace(failure, kind=kind, may_have_taken_effect=kind is FailureKind.SERVER_ERROR)


def _kind(failure: Failure, *, status: int) -> FailureKind:
    if failure.name in _THROTTLING:
        return FailureKind.THROTTLED
    if status >= 500 or failure.name in _SERVER_ERRORS:
        return FailureKind.SERVER_ERROR
    if failure.name == "ConcurrentModification":
        return FailureKind.CONCURRENT_MODIFICATION
    if failure.name == "AccessDenied":
        return FailureKind.ACCESS_DENIED
    if failure.name == "ServiceAccessNotEnabled" or failure.reason == "SERVICE_ACCESS_NOT_ENABLED":
        return FailureKind.TRUSTED_ACCESS_OFF
    return FailureKind.REFUSED


def _unanswered(operation: str, kind: FailureKind, error: Exception) -> Failure:
    return Failure(
        operation=operation,
        kind=kind,
        code=type(error).__name__,
        message=str(error),
        may_have_taken_effect=kind is FailureKind.NO_RESPONSE,
    )
