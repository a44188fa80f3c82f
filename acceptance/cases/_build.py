"""Short forms for the cases of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from acceptance.callers import TASK_POLICY
from acceptance.model import DELEGATE, MANAGEMENT_ACCOUNT, MEMBER, Call, Case, Level, Response, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUSTED_ACCESS = "trusted access enabled"
CREDENTIALS = "RootCredentialsManagement enabled"
SESSIONS = "RootSessions enabled"
REGISTERED = f"{DELEGATE} registered"
EVERYTHING = (TRUSTED_ACCESS, CREDENTIALS, SESSIONS)
PASSWORD = f"root password in {MEMBER}"
IAM: Mapping[str, Any] = {"ServicePrincipal": "iam.amazonaws.com"}

NO_ENFORCEMENT = "it applies the policies of buckets and queues to root sessions alone"


def succeeds(output: Mapping[str, Any] | None = None) -> Response:
    """Return a success with these members; the others do not matter."""
    return Response(output=dict(output or {}))


def refusal(
    code: str, message: str | None = None, *, reason: str | None = None, http: int | None = None
) -> Response:
    """Return a refusal."""
    return Response(code=code, message=message, reason=reason, http=http)


def case(
    name: str,
    operation: str,
    response: Response,
    *,
    level: Level,
    given: tuple[str, ...] = (),
    caller: str = MANAGEMENT_ACCOUNT,
    source: Source = Source.DOCUMENTED,
    local: str | None = None,
    measures: str | None = None,
    max_seconds: float | None = None,
    afterwards: Mapping[str, int] | None = None,
    **parameters: Any,
) -> Case:
    """Return a case."""
    return Case(
        name=name,
        level=level,
        given=given,
        caller=caller,
        call=Call(operation=operation, parameters=parameters),
        response=response,
        source=source,
        local=local,
        measures=measures,
        max_seconds=max_seconds,
        afterwards=afterwards,
    )


def task(name: str) -> dict[str, str]:
    """Return the parameter that names a task policy."""
    return {"arn": TASK_POLICY + name}


SESSION = succeeds(
    {
        "Credentials": {
            "AccessKeyId": "{text}",
            "SecretAccessKey": "{text}",
            "SessionToken": "{text}",
            "Expiration": "{900 seconds later}",
        }
    }
)
