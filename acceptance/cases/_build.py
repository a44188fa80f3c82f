"""Short forms for the cases of this package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from acceptance.callers import TASK_POLICY, UNLOCK_BUCKET, UNLOCK_QUEUE
from acceptance.model import DELEGATE, MEMBER, ROOT_SESSION, Call, Case, Level, Response, Source

TRUSTED_ACCESS = "trusted access enabled"
CREDENTIALS = "RootCredentialsManagement enabled"
SESSIONS = "RootSessions enabled"
REGISTERED = f"{DELEGATE} registered"
WITH_CREDENTIALS = (TRUSTED_ACCESS, CREDENTIALS)
EVERYTHING = (TRUSTED_ACCESS, CREDENTIALS, SESSIONS)
PASSWORD = f"root password in {MEMBER}"
IAM: Mapping[str, Any] = {"ServicePrincipal": "iam.amazonaws.com"}

NO_ENFORCEMENT = "it only applies the policies of buckets and queues to root sessions"


def succeeds(output: Mapping[str, Any] | None = None) -> Response:
    """Return a success with these members; the others do not matter."""
    return Response(output=dict(output or {}))


def refusal(
    code: str, message: str | None = None, *, reason: str | None = None, http: int | None = None
) -> Response:
    """Return a refusal."""
    return Response(code=code, message=message, reason=reason, http=http)


DENIED = refusal("AccessDenied", http=403)
ROOT = f"arn:aws:iam::{MEMBER}:root"


def denial(operation: str, *, resource: str = ROOT, policy: str = "session policy") -> Response:
    """Return the refusal of a call in a root session that a policy denies.

    Args:
        operation: The call, as AWS's message names it.
        resource: What it acts on.
        policy: The policy; default: the task policy of the session.
    """
    return refusal(
        "AccessDenied",
        f"User: {{caller}} is not authorized to perform: {operation} on resource: {resource} "
        f"with an explicit deny in a {policy}",
        http=403,
    )


def case(operation: str, name: str, response: Response, **options: Any) -> Case:
    """Return a case. The operation comes first, because cases of one operation share it.

    Args:
        operation: The service and the operation.
        name: What is assumed, as a sentence.
        response: The expected response.
        **options: The parameters of the call, which begin with a capital, and the other fields of
            the case.
    """
    named = {key: value for key, value in options.items() if key[0].isupper()}
    fields = {key: value for key, value in options.items() if key not in named}
    parameters = {**named, **fields.pop("parameters", {})}
    call = Call(operation=operation, parameters=parameters)
    return Case(name=name, call=call, response=response, **fields)


def assume_root(level: Level, target: str, policy: str) -> partial[Case]:
    """Return what makes a case of AssumeRoot of its name and its response."""
    return partial(
        case,
        "sts:AssumeRoot",
        level=level,
        TargetPrincipal=target,
        TaskPolicyArn={"arn": TASK_POLICY + policy},
    )


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

_UNLOCK = (UNLOCK_BUCKET, UNLOCK_QUEUE)


def in_session(policy: str, *given: str, source: Source = Source.DOCUMENTED) -> partial[Case]:
    """Return what makes a case of a call in a root session in the member account."""
    needed = SESSIONS if policy in _UNLOCK else CREDENTIALS
    return partial(
        case,
        level=Level.MEMBER,
        given=(TRUSTED_ACCESS, needed, *given, f"root session {policy}"),
        caller=ROOT_SESSION,
        source=source,
    )
