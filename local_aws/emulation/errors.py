"""The errors that the emulation answers with, beside moto's own."""

from collections.abc import Iterable
from dataclasses import dataclass

from moto.core.exceptions import ServiceException

# moto warns of codes that a service's model does not name; AWS has these in every service.
COMMON_ERROR_CODES = (
    "AccessDenied",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAction",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
)


class AwsError(ServiceException):  # type: ignore[misc]
    """An error as AWS answers it.

    Attributes:
        code: The error code.
        message: The message.
        http_status: The HTTP status where the service's model does not tell it, else None.
        reason: What Organizations calls the reason, else None.
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
    """How a service's protocol spells a refused caller."""

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
    """Organizations' answer to what its rules forbid."""
    return AwsError("ConstraintViolationException", message, reason=reason)


def invalid_input(reason: str, message: str) -> AwsError:
    """Organizations' answer to a parameter that it cannot take."""
    return AwsError("InvalidInputException", message, reason=reason)


def no_such_entity(message: str) -> AwsError:
    """IAM's answer to what does not exist."""
    return AwsError("NoSuchEntity", message)


def validation_error(message: str) -> AwsError:
    """IAM's and STS's answer to a parameter that they cannot take."""
    return AwsError("ValidationError", message, http_status=400)


def constraint_failures(failures: Iterable[str]) -> AwsError:
    """IAM's and STS's answer to parameters outside of their model."""
    found = list(failures)
    count = "1 validation error" if len(found) == 1 else f"{len(found)} validation errors"
    return validation_error(f"{count} detected: {'; '.join(found)}")
