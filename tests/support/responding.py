"""Respond to calls of the SDK in this process: it checks parameters, and sends nothing."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

_PARAMETERS = "parameters_of_call"


def respond_to(
    client: Any,
    respond: Callable[[str, dict[str, Any]], Mapping[str, Any] | None],
    *,
    first: bool = False,
) -> None:
    """Let a function respond to the calls of a client.

    Args:
        client: The client.
        respond: The response to an operation and its parameters; None where another one is to
            respond.
        first: Whether it is called before all others, rather than after them.
    """
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    register = events.register_first if first else events.register_last

    def note(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        """Keep the parameters of a call for its later events."""
        # Later events have the request only.
        context[_PARAMETERS] = dict(params)

    def call(model: Any, context: dict[str, Any], **_: object) -> tuple[AWSResponse, Any] | None:
        """Return the response, with which botocore sends nothing; None leaves it to others."""
        parsed = respond(model.name, context[_PARAMETERS])
        if parsed is None:
            return None
        response = AWSResponse("memory", 200, HTTPHeaders(), None)
        return response, {"ResponseMetadata": {"HTTPStatusCode": 200}, **parsed}

    register(f"provide-client-params.{service}", note)
    register(f"before-call.{service}", call)


def client_error(
    code: str,
    message: str = "This is a test.",
    *,
    operation: str,
    status: int = 400,
    reason: str = "",
) -> ClientError:
    """Return what the SDK raises where AWS responds with an error."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "Reason": reason,
    }
    return ClientError(response, operation)
