"""Starts MiniStack for callers that know the secret of this run, and with what templates need.

That is alarms on metric math, which nothing evaluates, and policies of Organizations, which are moto's.

Run as a file, because the process has no access to this package.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import ministack.app
from ministack.core.sigv4 import decode_header_value
from ministack.services.cloudformation import provisioners

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
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

_ORGANIZATIONS_POLICY = "AWS::Organizations::Policy"


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


def create_policy(_logical_id: str, properties: Mapping[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
    """Create and attach a policy of Organizations, or do neither; return its ID and attributes."""
    client = _organizations()
    tags = {"Tags": properties["Tags"]} if "Tags" in properties else {}
    summary = client.create_policy(Type=properties["Type"], **_policy_text(properties), **tags)["Policy"][
        "PolicySummary"
    ]
    try:
        _attach(client, summary["Id"], properties.get("TargetIds", []))
    except Exception:
        delete_policy(summary["Id"], properties)
        raise
    return summary["Id"], {name: summary[name] for name in ("Id", "Arn", "AwsManaged")}


def update_policy(
    policy_id: str, old: Mapping[str, Any], new: Mapping[str, Any], _stack: str
) -> tuple[str, dict[str, Any]]:
    """Update a policy of Organizations and its targets; return its ID and attributes."""
    if old["Type"] != new["Type"]:
        raise NotImplementedError(f"The type of {policy_id} changes: a replacement is not emulated.")
    client = _organizations()
    summary = client.update_policy(PolicyId=policy_id, **_policy_text(new))["Policy"]["PolicySummary"]
    before, after = set(old.get("TargetIds", [])), set(new.get("TargetIds", []))
    _attach(client, policy_id, sorted(after - before))
    for target_id in sorted(before - after):
        client.detach_policy(PolicyId=policy_id, TargetId=target_id)
    return policy_id, {name: summary[name] for name in ("Id", "Arn", "AwsManaged")}


def delete_policy(policy_id: str, _properties: Mapping[str, Any]) -> None:
    """Detach a policy of Organizations from all its targets, and delete it."""
    client = _organizations()
    pages = client.get_paginator("list_targets_for_policy").paginate(PolicyId=policy_id)
    for target_id in [target["TargetId"] for page in pages for target in page["Targets"]]:
        client.detach_policy(PolicyId=policy_id, TargetId=target_id)
    client.delete_policy(PolicyId=policy_id)


def _attach(client: Any, policy_id: str, target_ids: Iterable[str]) -> None:
    for target_id in target_ids:
        client.attach_policy(PolicyId=policy_id, TargetId=target_id)


def _policy_text(properties: Mapping[str, Any]) -> dict[str, str]:
    content = properties["Content"]
    return {
        "Name": properties["Name"],
        "Description": properties.get("Description", ""),
        "Content": content if isinstance(content, str) else json.dumps(content, separators=(",", ":")),
    }


def _organizations() -> Any:
    # Moto's, by the endpoint in the environment: MiniStack would wait for itself. The key is the account.
    return boto3.client(
        "organizations",
        aws_access_key_id=provisioners.get_account_id(),
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    )


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
    provisioners._RESOURCE_HANDLERS[_ORGANIZATIONS_POLICY] = {
        "create": create_policy,
        "update": update_policy,
        "delete": delete_policy,
    }
    ministack.app.app = require_signatures(
        ministack.app.app, secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"]
    )
    ministack.app.main()
