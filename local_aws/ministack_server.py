"""Starts MiniStack for callers that know the secret of this run, and with alarms on metric math in templates.

Run as a file, because the process has no access to this package.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ministack.app
from ministack.core.sigv4 import decode_header_value
from ministack.services.cloudformation import provisioners

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import ModuleType

    Record = Callable[[str, Mapping[str, Any]], dict[str, Any]]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEALTH = "/_ministack/health"
# Their last part is random, and known only to whom CloudFormation gave it.
_CALLBACKS = ("/_ministack/cfn-response/", "/_ministack/cfn-signal/")
_POLICY_VIOLATION = 1008


def accept_metric_math(record: Record) -> Record:
    """Return a function that makes the record of an alarm, also of one on metric math.

    Args:
        record: MiniStack's function, which refuses that.
    """

    def record_any(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        if not properties.get("Metrics"):
            return record(name, properties)
        others = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = record(name, {**others, "MetricName": "metric math", "Namespace": "metric math"})
        # An alarm without a metric is never evaluated.
        return alarm | {"MetricName": "", "Namespace": "", "Metrics": properties["Metrics"]}

    return record_any


def require_signatures(application: Application, *, secret_access_key: str) -> Application:
    """Return an application that refuses requests of web pages and of callers without the secret.

    Args:
        application: MiniStack.
        secret_access_key: The secret.
    """
    signatures = _load_signatures()

    async def require_signature(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), decode_header_value(raw_value)
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        path = scope["raw_path"].decode("latin-1").partition("?")[0]
        refusal = signatures.find_refusal(
            method=scope.get("method", "GET"),
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=b"".join(message.get("body", b"") for message in messages),
            secret_access_key=secret_access_key,
        )
        is_open = "origin" not in headers and (path == _HEALTH or path.startswith(_CALLBACKS))
        if refusal is None or is_open:

            async def receive_again() -> dict[str, Any]:
                return messages.pop(0) if messages else await receive()

            await application(scope, receive_again, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            content_type, body = refusal.body(request_type=headers.get("content-type", ""))
            await send(
                {
                    "type": "http.response.start",
                    "status": refusal.status,
                    "headers": [(b"content-type", content_type.encode())],
                }
            )
            await send({"type": "http.response.body", "body": body})

    return require_signature


def _load_signatures() -> ModuleType:
    path = Path(__file__).parent / "emulation" / "signatures.py"
    spec = importlib.util.spec_from_file_location("signatures", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded.")
    module = importlib.util.module_from_spec(spec)
    # The definition of a dataclass looks its module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    provisioners._cw_metric_alarm_record = accept_metric_math(provisioners._cw_metric_alarm_record)
    ministack.app.app = require_signatures(
        ministack.app.app, secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"]
    )
    ministack.app.main()
