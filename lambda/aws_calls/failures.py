"""The failures of a call to AWS: botocore's many exceptions as one, and the sentence about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import botocore
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from common.errors import RootAccessError
from common.json_text import truncate_json

# AWS did nothing, and a later attempt may succeed.
_RETRYABLE_CODES = frozenset(
    {
        # SNS's, Step Functions' and SQS's errors of the key of what they encrypt.
        "KMS.Throttling",
        "KMSThrottling",
        "KmsThrottled",
        "KmsThrottling",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttled",
        "Throttling",
        "TooManyRequests",
        "ConcurrentModification",
        # IAM's error of an entity that was deleted and created again a moment ago.
        "EntityTemporarilyUnmodifiable",
        # S3's errors of a conditional write, and of a bucket that is being configured.
        "ConditionalRequestConflict",
        "OperationAborted",
    }
)
# AWS failed on its side, and may have done what was asked before.
_SERVER_ERROR_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "Service",
        "ServiceFailure",
        "ServiceUnavailable",
        # S3's end of an upload that has stalled, with status 400.
        "RequestTimeout",
    }
)
# What an error says if a certificate is not trusted, or the authorities cannot be read. Other
# errors of TLS and of proxies are broken connections.
_SIGNS_OF_NO_TRUST: dict[type[Exception], tuple[str, ...]] = {
    SSLError: ("CERTIFICATE_VERIFY_FAILED", "doesn't match", "[X509", "[Errno"),
    ProxyConnectionError: ("CERTIFICATE_VERIFY_FAILED", "doesn't match"),
}
_NOT_CONNECTED = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
# botocore lets HTTPError through if the body of an error breaks off, as for s3:GetObject.
_NO_RESPONSE = (
    HTTPClientError,
    ConnectionError,
    IncompleteReadError,
    ResponseParserError,
    HTTPError,
)


class FailureKind(StrEnum):
    """The meaning of a failure for the caller.

    Attributes:
        RETRYABLE: Nothing was done, and a later attempt may succeed: throttling, no connection, a
            concurrent change.
        EFFECT_UNKNOWN: The response is lost, or AWS failed on its side: the call may have taken
            effect.
        ACCESS_DENIED: A policy denies the call.
        TRUSTED_ACCESS_DISABLED: IAM has no trusted access in the organization.
        INCONSISTENT_READS: Two responses cannot both be true, because a change takes a moment to be
            visible.
        INCOMPLETE_RESPONSE: A member that the response always has is missing.
        NOT_PERSISTED: AWS confirmed a change that later reads do not show.
        OUT_OF_TIME: No time was left, so the call was not made.
        REFUSED: AWS refused the call for another reason, which waiting does not change.
    """

    RETRYABLE = "retryable"
    EFFECT_UNKNOWN = "effect unknown"
    ACCESS_DENIED = "access denied"
    TRUSTED_ACCESS_DISABLED = "trusted access not enabled"
    INCONSISTENT_READS = "inconsistent reads"
    INCOMPLETE_RESPONSE = "incomplete response"
    NOT_PERSISTED = "not persisted"
    OUT_OF_TIME = "out of time"
    REFUSED = "refused"


_MAX_AWS_MESSAGE_BYTES = 600


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One call that failed, after one attempt or several.

    Attributes:
        operation: The call, named as in an IAM policy.
        kind: What it means for the caller.
        code: AWS's code of the error, or a name of ours if AWS returned none.
        message: AWS's message, or ours.
        reason: The Reason of a ConstraintViolationException or InvalidInputException.
        responded: Whether AWS responded; not if there was no connection, or a broken one.
        attempts: How often the call was tried.
        waited: Seconds from the first attempt to the last one.
        timed_out: Whether more time might have helped.
        may_have_taken_effect: Whether one of the attempts may have taken effect, although none
            succeeded.
    """

    operation: str
    kind: FailureKind
    code: str
    message: str
    reason: str = ""
    responded: bool = True
    attempts: int = 1
    waited: float = 0.0
    timed_out: bool = False
    may_have_taken_effect: bool = False

    def __str__(self) -> str:
        """Return which call failed, and how."""
        return f"{self.operation}: {describe_response(self)}"

    @property
    def name(self) -> str:
        """The code without a trailing "Exception": documentation and wire differ in it."""
        return self.code.removesuffix("Exception")


@dataclass(eq=False)
class CallError(RootAccessError):
    """Raised for an AWS call that failed."""

    failure: Failure

    def __str__(self) -> str:
        return str(self.failure)


def error_of_call(operation: str, kind: FailureKind, message: str) -> CallError:
    """Return the error of a call that did not fail by AWS's response; its kind is its code.

    For example, "out of time" has the code OutOfTime.
    """
    code = kind.title().replace(" ", "")
    timed_out = kind is FailureKind.OUT_OF_TIME
    failure = Failure(
        operation=operation, kind=kind, code=code, message=message, timed_out=timed_out
    )
    return CallError(failure)


def incomplete_response(operation: str, missing: str) -> CallError:
    """Return the error of a response without a member that it always has, or with an empty list.

    It names the SDK, which drops a member that it does not know: Lambda's runtime brings it.
    """
    message = f"the response has no {missing} (botocore {botocore.__version__})"
    return error_of_call(operation, FailureKind.INCOMPLETE_RESPONSE, message)


def describe_response(failure: Failure) -> str:
    """Return AWS's code and message, and how long the call was retried."""
    code = failure.code
    if failure.reason:
        code += f" ({failure.reason})"
    message = truncate_json(failure.message.rstrip("."), max_bytes=_MAX_AWS_MESSAGE_BYTES)
    response = ": ".join(part for part in (code, message) if part)
    was_retried = failure.timed_out or failure.attempts > 1
    # If no time was left for the call, there was no attempt to speak of.
    if failure.kind is FailureKind.OUT_OF_TIME or not was_retried:
        return f"{response}."
    attempts = "1 attempt"
    if failure.attempts > 1:
        attempts = f"{failure.attempts} attempts"
    return f"{response}. Gave up after {attempts} over {failure.waited:.0f} s."


@contextmanager
def call_errors(operation: str) -> Iterator[None]:
    """Turn any exception of the SDK for one call into a CallError."""
    try:
        yield
    except ClientError as error:
        raise CallError(_from_client_error(operation, error)) from error
    except (BotoCoreError, ResponseParserError, HTTPError) as error:
        raise CallError(_from_transport_error(operation, error)) from error


@contextmanager
def ignoring(*names: str) -> Iterator[None]:
    """Ignore a failed call if AWS gave one of these codes, such as that for what does not exist."""
    try:
        yield
    except CallError as error:
        if error.failure.name not in names:
            raise


def _from_client_error(operation: str, error: ClientError) -> Failure:
    """Return the failure of a call to which AWS has responded with an error."""
    # The SDK's types know neither a Reason nor a response without an error.
    response: Any = error.response
    detail = response.get("Error", {})
    failure = Failure(
        operation=operation,
        kind=FailureKind.REFUSED,
        code=detail.get("Code", "Unknown"),
        # The SDK returns None for an element without text.
        message=detail.get("Message") or "",
        # S3 names the bucket that does not exist.
        reason=response.get("Reason") or detail.get("BucketName", ""),
    )
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return replace(failure, kind=_kind(failure, status=status))


def _kind(failure: Failure, *, status: int) -> FailureKind:
    """Return what an error means, by AWS's code and the status of HTTP; 0 if there is none."""
    # By status 429 alone: Security Hub's LimitExceeded, whose code means a quota in other services.
    if failure.name in _RETRYABLE_CODES or status == 429:
        return FailureKind.RETRYABLE
    if failure.name in _SERVER_ERROR_CODES or status >= 500:
        return FailureKind.EFFECT_UNKNOWN
    if failure.name == "AccessDenied":
        return FailureKind.ACCESS_DENIED
    if failure.name == "ServiceAccessNotEnabled" or failure.reason == "SERVICE_ACCESS_NOT_ENABLED":
        return FailureKind.TRUSTED_ACCESS_DISABLED
    return FailureKind.REFUSED


def _from_transport_error(operation: str, error: Exception) -> Failure:
    """Return the failure of a call without a response that can be read."""
    message = str(error)
    if isinstance(error, ProxyConnectionError):
        # The SDK's message leaves out why.
        message = f"{message} ({error.kwargs.get('error')})"
    kind = _kind_of_transport_error(error, message)
    return Failure(
        operation=operation,
        kind=kind,
        code=type(error).__name__,
        message=message,
        responded=False,
    )


def _kind_of_transport_error(error: Exception, message: str) -> FailureKind:
    """Return what an error of the SDK means, by its type and what its message says."""
    # A certificate that is not trusted now is not trusted by another attempt either.
    if any(sign in message for sign in _SIGNS_OF_NO_TRUST.get(type(error), ())):
        return FailureKind.REFUSED
    if isinstance(error, _NOT_CONNECTED):
        return FailureKind.RETRYABLE
    # The request may have arrived.
    if isinstance(error, _NO_RESPONSE):
        return FailureKind.EFFECT_UNKNOWN
    # Nothing was sent, and another attempt would not help: there are no credentials, for example.
    return FailureKind.REFUSED
