"""The custom resource's entry point: send CloudFormation exactly one response, in any case.

Only the standard library is imported here, everything else inside the guarded call: an import error
is then a failed deployment with a sentence, and not a stack that waits until it times out.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
import time
import traceback
import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_calls.runtime import LambdaContext


# CloudFormation accepts 4,096 bytes in all.
_MAX_RESPONSE_BYTES = 4096
_MAX_REASON_BYTES = 2500

_OUT_OF_TIME = (
    "The function ran out of time. Its log has what was applied; a call may still take effect. "
    "Deploy again."
)

# The physical ID of a resource whose creation failed before its organization was known.
NOT_CREATED = "centralized-root-access-not-created"

# The end of the invocation belongs to the response: several attempts of a few seconds each.
_RESPONSE_RESERVE_SECONDS = 14.0
_PUT_TIMEOUT_SECONDS = 4.0
_MIN_PUT_TIMEOUT_SECONDS = 0.5
_FIRST_PUT_WAIT_SECONDS = 0.25
_MAX_PUT_WAIT_SECONDS = 2.0


class ResponseNotDeliveredError(Exception):
    """CloudFormation rejected the response; Lambda runs the event again.

    The message never contains the URL: its signature lets anyone respond in this function's place.
    """

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"CloudFormation did not accept the response ({problem}). Lambda runs the event again, "
            "which is harmless."
        )
        self.problem = problem


def on_event(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Handle one request of CloudFormation. It has a pre-signed URL: never log it."""
    respond(event, context, handle=_handle, sleep=time.sleep, log=_write_line)


def respond(
    event: Mapping[str, Any],
    context: LambdaContext,
    *,
    handle: Callable[..., dict[str, Any]],
    sleep: Callable[[float], None],
    log: Callable[..., None],
) -> None:
    """Handle one request, with everything that it works with passed in.

    `handle` handles a Create or an Update, and returns members of the response. It must not start a
    call once its `abandoned` is set.

    Raises:
        ResponseNotDeliveredError: CloudFormation did not accept the response; or there is no URL to
            send it to, as in an event that is not CloudFormation's: then nothing was done either.
    """
    # Without a URL no one would learn what was done, so nothing is.
    url = _response_url(event)
    outcome = _outcome(event, context, handle=handle, log=log)
    _deliver(url, _body(event, outcome), context=context, sleep=sleep, log=log)


def _handle(
    event: Mapping[str, Any], context: LambdaContext, *, abandoned: threading.Event
) -> dict[str, Any]:
    """Do what a Create or an Update asks for, and return the members of the response about it."""
    from aws_calls.invocation import Invocation
    from aws_calls.runtime import create_clients

    from .custom_resource import apply_request

    aws = Invocation.begin(context, clients=create_clients())
    return apply_request(event, aws=aws, abandoned=abandoned)


def _outcome(
    event: Mapping[str, Any],
    context: LambdaContext,
    *,
    handle: Callable[..., dict[str, Any]],
    log: Callable[..., None],
) -> dict[str, Any]:
    """Handle the request, and return the members of the response that this decides."""
    request_type, physical_id = event.get("RequestType"), event.get("PhysicalResourceId")
    if request_type == "Delete":
        # Root access stays enabled: others rely on it, and a stack does not own it.
        return {"Status": "SUCCESS", "PhysicalResourceId": physical_id or NOT_CREATED}
    failed = {"Status": "FAILED", "PhysicalResourceId": NOT_CREATED}
    if request_type == "Update" and physical_id:
        # CloudFormation takes another ID than the present one for a replacement of the resource.
        failed["PhysicalResourceId"] = physical_id
    # The thread leaves its outcome here: empty means that it did not end in time.
    outcomes: list[dict[str, Any]] = []
    abandoned = threading.Event()

    def work() -> None:
        """Handle the request. Any exception is an outcome as well: nothing else catches it."""
        try:
            outcomes.append({"Status": "SUCCESS", **handle(event, context, abandoned=abandoned)})
        except BaseException as error:
            outcomes.append(failed | {"Reason": _reason(error, log=log)})

    # In a thread: a call that hangs must not keep the response back.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(max(0.0, _remaining_seconds(context) - _RESPONSE_RESERVE_SECONDS))
    abandoned.set()
    if outcomes:
        return outcomes[0]
    return failed | {"Reason": _OUT_OF_TIME}


def _reason(error: BaseException, *, log: Callable[..., None]) -> str:
    """Return why the request failed: the sentence of our own error, or what to do about a crash."""
    # Only RootAccessError is for people. Its class is not known here, where nothing is imported.
    if getattr(error, "is_for_people", False):
        return str(error)
    log(event="crashed", error=type(error).__name__, trace=traceback.format_exception(error))
    return (
        f"The function failed unexpectedly: {type(error).__name__}: {error}. The function's log "
        "has the details. Deploy again; if it fails again, report it as a bug."
    )


def _body(event: Mapping[str, Any], outcome: dict[str, Any]) -> bytes:
    """Return the response in JSON, with a reason that is cut to what CloudFormation accepts.

    Args:
        event: The request, whose IDs the response repeats.
        outcome: Status, PhysicalResourceId, and Reason or Data.
    """
    identity = ("StackId", "RequestId", "LogicalResourceId")
    response = {member: event.get(member, "") for member in identity}
    response |= outcome | {"Reason": ""}
    # CloudFormation rejects a longer response, and the stack would wait until it times out.
    room = min(_MAX_REASON_BYTES, _MAX_RESPONSE_BYTES - len(json.dumps(response)))
    reason: str = outcome.get("Reason", "")
    while reason and len(json.dumps(reason)) > room:
        # Cut by a tenth at a time: the reason may end a tenth shorter than it has to.
        reason = reason[: len(reason) * 9 // 10]
    response["Reason"] = reason
    return json.dumps(response).encode()


def _response_url(event: Mapping[str, Any]) -> urllib.parse.SplitResult:
    """Return the pre-signed URL that the response is put to.

    Raises:
        ResponseNotDeliveredError: The request has none, or one that cannot be used.
    """
    text = str(event.get("ResponseURL"))
    # Suppressed, not chained: the message of such an error can have the URL in it, and Lambda logs
    # the chain.
    with contextlib.suppress(ValueError):
        url = urllib.parse.urlsplit(text)
        if re.fullmatch("https?://[!-~]+", text) and url.hostname and url.port != 0:
            return url
    raise ResponseNotDeliveredError(problem="the request has no usable ResponseURL")


def _deliver(
    url: urllib.parse.SplitResult,
    body: bytes,
    *,
    context: LambdaContext,
    sleep: Callable[[float], None],
    log: Callable[..., None],
) -> None:
    """Put the response; try again after a broken connection or a 5xx, as long as there is time."""
    wait = _FIRST_PUT_WAIT_SECONDS
    while True:
        # Half of the time that is left, so that a second attempt has the other half.
        timeout = max(
            _MIN_PUT_TIMEOUT_SECONDS, min(_PUT_TIMEOUT_SECONDS, _remaining_seconds(context) / 2)
        )
        try:
            status = _put(url, body, timeout=timeout)
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem, transient = type(error).__name__, True
        else:
            if status < 300:
                return
            problem, transient = f"HTTP {status}", status >= 500
        log(event="response_not_delivered", problem=problem)
        # After the wait, half of the time that is left has to last for the shortest timeout.
        if not transient or _remaining_seconds(context) < wait + 2 * _MIN_PUT_TIMEOUT_SECONDS:
            raise ResponseNotDeliveredError(problem=problem)
        sleep(wait)
        wait = min(2 * wait, _MAX_PUT_WAIT_SECONDS)


def _put(url: urllib.parse.SplitResult, body: bytes, *, timeout: float) -> int:
    """Send the response once, and return the HTTP status.

    Raises:
        OSError, ValueError, HTTPException: There was no status, or the URL is malformed.
    """
    connection_type = http.client.HTTPConnection
    if url.scheme == "https":
        connection_type = http.client.HTTPSConnection
    connection = connection_type(str(url.hostname), url.port, timeout=timeout)
    try:
        # The signature is for a request without a content type.
        connection.request("PUT", f"{url.path}?{url.query}", body, {"Content-Type": ""})
        return connection.getresponse().status
    finally:
        connection.close()


def _remaining_seconds(context: LambdaContext) -> float:
    """Return the seconds until Lambda ends the invocation."""
    return context.get_remaining_time_in_millis() / 1000


def _write_line(**event: object) -> None:
    """Write a line of JSON to the function's log, as `common.log.write_line` does.

    That one is not imported: this module can respond even if nothing else can be imported.
    """
    print(json.dumps(event), flush=True)
