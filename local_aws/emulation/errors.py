"""The errors that the emulation adds to moto's own."""

from dataclasses import dataclass

from moto.core.exceptions import ServiceException

# Every service of AWS has these codes, though no service's model names them; moto would warn.
COMMON_ERROR_CODES = (
    "AccessDenied",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAction",
    "InvalidClientTokenId",
    "NotEmulated",
    "UnrecognizedClientException",
)


class AwsError(ServiceException):  # type: ignore[misc]
    """An error response of AWS.

    Attributes:
        code: The error code.
        message: The message.
        http_status: The HTTP status if the service's model does not have it, otherwise None.
        reason: The reason that Organizations names, otherwise None.
    """

    def __init__(
        self, code: str, message: str, *, http_status: int | None = None, reason: str | None = None
    ) -> None:
        super().__init__(code, message)
        self.code: str = code
        self.message: str = message
        self.http_status = http_status
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class AuthorizationErrors:
    """The error codes and the status of a service's protocol for a caller it denies."""

    access_denied: str
    expired_token: str
    unknown_token: str
    http_status: int


QUERY_ERRORS = AuthorizationErrors(
    access_denied="AccessDenied",
    expired_token="ExpiredToken",
    unknown_token="InvalidClientTokenId",
    http_status=403,
)
JSON_ERRORS = AuthorizationErrors(
    access_denied="AccessDeniedException",
    expired_token="ExpiredTokenException",
    unknown_token="UnrecognizedClientException",
    http_status=400,
)


def constraint_violation(reason: str, message: str) -> AwsError:
    """Return Organizations' error for what its rules forbid."""
    return AwsError("ConstraintViolationException", message, reason=reason)


def invalid_input(reason: str, message: str) -> AwsError:
    """Return Organizations' error for an invalid parameter."""
    return AwsError("InvalidInputException", message, reason=reason)


def not_emulated_error(action: str) -> AwsError:
    """Return the error for what the local AWS lacks. The SDKs would retry what is not a 4xx."""
    return AwsError("NotEmulated", f"The local AWS does not emulate {action}.", http_status=400)


def no_such_entity(message: str) -> AwsError:
    """Return IAM's error for what does not exist."""
    return AwsError("NoSuchEntity", message)


def validation_error(message: str) -> AwsError:
    """Return IAM's and STS's error for an invalid parameter."""
    return AwsError("ValidationError", message, http_status=400)
