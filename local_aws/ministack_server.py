"""Starts MiniStack for callers with the session token of this run, and with what templates need.

That is alarms on metric math, which nothing evaluates, and policies of Organizations, which are
moto's. Long names are cut as CloudFormation does, and functions call as their roles. In a root
session, S3 and SQS deny what the organization's policies and the task policy deny.

Run as a file: of this package, the process imports one module, and the functions' processes none.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from urllib.request import ProxyHandler, Request, build_opener

import boto3
import ministack.app
from ministack.core import lambda_runtime
from ministack.core.sigv4 import decode_header_value
from ministack.services import lambda_svc
from ministack.services.cloudformation import helpers, provisioners

sys.path.append(str(Path(__file__).resolve().parents[1]))
from collections.abc import Awaitable, Callable, Iterable, Mapping

from local_aws.session_token import HEADER, ROOT_SESSION, Refusal, find_refusal

if TYPE_CHECKING:
    Record = Callable[[str, Mapping[str, Any]], dict[str, Any]]
    Name = Callable[..., str]
    Resolve = Callable[[dict[str, Any], str, str, str], Any]
    Credentials = Callable[[dict[str, Any]], dict[str, str]]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEALTH = "/_ministack/health"
# Their last part is random, and known only to whom CloudFormation gave it.
_CALLBACKS = ("/_ministack/cfn-response/", "/_ministack/cfn-signal/")
_POLICY_VIOLATION = 1008

_CONTROL_PATH = "/_local_aws/control"
_CONTROL_SECONDS = 30.0

_S3_ACTIONS = {
    "GetBucket": "ListBucket",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "PutBucket": "CreateBucket",
}
_S3_HOST = re.compile(r"https?://(?P<bucket>[^/]+)\.(?P<host>s3[.-][^/]+)/(?P<key>.+)")
_CREDENTIAL = re.compile(
    r"Credential=(?P<account>[0-9]{12})/[0-9]+/(?P<region>[^/]+)/(?P<service>s3|sqs)/"
)


def accept_metric_math(record: Record) -> Record:
    """Return a function that makes the record of an alarm, also of one on metric math.

    Args:
        record: MiniStack's function, which refuses that.
    """

    def record_any(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record of an alarm, with its metric math if it has some."""
        if not properties.get("Metrics"):
            return record(name, properties)
        others = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = record(name, {**others, "MetricName": "metric math", "Namespace": "metric math"})
        # An alarm without a metric is never evaluated.
        return alarm | {"MetricName": "", "Namespace": "", "Metrics": properties["Metrics"]}

    return record_any


def accept_bucket_hosts(resolve: Resolve) -> Resolve:
    """Return a function that resolves a template, also by an address with the bucket in its host.

    Args:
        resolve: MiniStack's function, which knows addresses with the bucket in the path.
    """

    def resolve_any(parameters: dict[str, Any], body: str, url: str, label: str) -> Any:
        """Resolve a template, with the bucket moved from the host into the path."""
        value = parameters.get(url, "")
        found = _S3_HOST.fullmatch(value[0] if isinstance(value, list) else value)
        if found is not None:
            path_style = f"https://{found['host']}/{found['bucket']}/{found['key']}"
            parameters = {
                **parameters,
                url: [path_style] if isinstance(value, list) else path_style,
            }
        return resolve(parameters, body, url, label)

    return resolve_any


def shorten_names(name: Name) -> Name:
    """Return a function that names a resource; CloudFormation cuts both parts of a long name.

    Args:
        name: MiniStack's function, which only cuts the end.
    """

    def short_name(stack: str, logical_id: str, *, max_len: int = 128, **options: bool) -> str:
        """Return the name of a resource, cut to the length that it may have."""
        whole = name(stack, logical_id, max_len=10 * max_len, **options)
        if len(whole) <= max_len:
            return whole
        suffix = whole.rpartition("-")[2]
        room = max_len - len(f"--{suffix}")
        first = max(room - len(logical_id), room // 2)
        second = max(room - len(stack), room - room // 2)
        short = f"{stack[:first]}-{logical_id[:second]}-{suffix}"
        return short.lower() if options.get("lowercase") else short

    return short_name


def name_role(credentials: Credentials) -> Credentials:
    """Return a function that gives a function credentials that name its role.

    Args:
        credentials: MiniStack's function, whose credentials only name the account.
    """

    def credentials_of_role(config: dict[str, Any]) -> dict[str, str]:
        """Return MiniStack's credentials with a token that names the function and its role."""
        of_account = os.environ["AWS_SESSION_TOKEN"]
        token = f"{of_account}/function-session/{config['FunctionName']}/{config['Role']}"
        return {**credentials(config), "AWS_SESSION_TOKEN": token}

    return credentials_of_role


def create_policy(
    _logical_id: str, properties: Mapping[str, Any], _stack: str
) -> tuple[str, dict[str, Any]]:
    """Create and attach a policy of Organizations, or do neither; return its ID and attributes."""
    client = _organizations_client()
    tags = {"Tags": properties["Tags"]} if "Tags" in properties else {}
    summary = client.create_policy(
        Type=properties["Type"], **_name_and_content(properties), **tags
    )["Policy"]["PolicySummary"]
    try:
        _attach_policy(client, summary["Id"], properties.get("TargetIds", []))
    except Exception:
        delete_policy(summary["Id"], properties)
        raise
    return summary["Id"], {name: summary[name] for name in ("Id", "Arn", "AwsManaged")}


def update_policy(
    policy_id: str, old: Mapping[str, Any], new: Mapping[str, Any], _stack: str
) -> tuple[str, dict[str, Any]]:
    """Update a policy of Organizations and its targets; return its ID and attributes."""
    if old["Type"] != new["Type"]:
        raise ValueError(
            "The local AWS replaces no policy: give one of another type another logical ID."
        )
    client = _organizations_client()
    summary = client.update_policy(PolicyId=policy_id, **_name_and_content(new))["Policy"][
        "PolicySummary"
    ]
    before, after = set(old.get("TargetIds", [])), set(new.get("TargetIds", []))
    _attach_policy(client, policy_id, sorted(after - before))
    for target_id in sorted(before - after):
        client.detach_policy(PolicyId=policy_id, TargetId=target_id)
    return policy_id, {name: summary[name] for name in ("Id", "Arn", "AwsManaged")}


def delete_policy(policy_id: str, _properties: Mapping[str, Any]) -> None:
    """Detach a policy of Organizations from all its targets, and delete it."""
    client = _organizations_client()
    pages = client.get_paginator("list_targets_for_policy").paginate(PolicyId=policy_id)
    for target_id in [target["TargetId"] for page in pages for target in page["Targets"]]:
        client.detach_policy(PolicyId=policy_id, TargetId=target_id)
    client.delete_policy(PolicyId=policy_id)


def _attach_policy(client: Any, policy_id: str, target_ids: Iterable[str]) -> None:
    """Attach a policy to targets."""
    for target_id in target_ids:
        client.attach_policy(PolicyId=policy_id, TargetId=target_id)


def _name_and_content(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a policy that a template gives as text or as an object."""
    content = properties["Content"]
    return {
        "Name": properties["Name"],
        "Description": properties.get("Description", ""),
        "Content": content
        if isinstance(content, str)
        else json.dumps(content, separators=(",", ":")),
    }


def _organizations_client() -> Any:
    """Return a client of Organizations, which the moto server has."""
    # Moto's, by the endpoint in the environment: MiniStack would wait for itself. The key is the
    # account.
    return boto3.client(
        "organizations",
        aws_access_key_id=provisioners.get_account_id(),
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=os.environ["AWS_SESSION_TOKEN"],
    )


def guard(application: Application, *, organization_url: str, session_token: str) -> Application:
    """Return an application that refuses what AWS would, and callers without the token.

    Args:
        application: MiniStack.
        organization_url: The moto server, which has the root sessions and the policies.
        session_token: The token.
    """

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): decode_header_value(value)
            for name, value in scope["headers"]
        }
        refusal = _refusal_of_caller(scope, headers, session_token)
        if refusal is None and ROOT_SESSION in headers.get(HEADER, ""):
            body, receive = await _read_ahead(receive)
            refusal = await asyncio.to_thread(
                _root_session_refusal, scope, headers, body, organization_url
            )
        if refusal is None:
            await application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            content_type, error = refusal.body(request_type=headers.get("content-type", ""))
            response_headers = [(b"content-type", content_type.encode())]
            await send(
                {
                    "type": "http.response.start",
                    "status": refusal.status,
                    "headers": response_headers,
                }
            )
            await send({"type": "http.response.body", "body": error})

    return respond


async def _read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """Return the body of a request, and what returns it again and then what arrives."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    body = b"".join(message.get("body", b"") for message in messages)

    async def receive_again() -> dict[str, Any]:
        return messages.pop(0) if messages else await receive()

    return body, receive_again


def _refusal_of_caller(
    scope: Scope, headers: Mapping[str, str], session_token: str
) -> Refusal | None:
    """Return why a caller is refused; health checks and callbacks need no token."""
    path = scope["raw_path"].decode("latin-1").partition("?")[0]
    # By any other method MiniStack takes the path of a callback for a call of any service.
    is_callback = scope.get("method") == "PUT" and path.startswith(_CALLBACKS)
    if scope["type"] == "http" and (path == _HEALTH or is_callback) and "origin" not in headers:
        return None
    query = scope["query_string"].decode("latin-1")
    return find_refusal(query=query, headers=headers, session_token=session_token)


def _root_session_refusal(
    scope: Scope, headers: Mapping[str, str], body: bytes, organization_url: str
) -> Refusal | None:
    """Ask the moto server what the policies deny to a call of S3 or SQS in a root session."""
    credential = _CREDENTIAL.search(headers.get("authorization", ""))
    if credential is None:
        return None
    token = headers[HEADER]
    region = credential["region"]
    if credential["service"] == "s3":
        action, resource = _s3_call(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1")
        )
    else:
        action, resource = _sqs_call(
            headers, body, f"arn:aws:sqs:{region}:{credential['account']}:"
        )
    arguments = {"token": token, "action": action, "resource": resource, "region": region}
    control = Request(
        organization_url + _CONTROL_PATH,
        data=json.dumps({"member": "root_session_denial", "arguments": arguments}).encode(),
        headers={HEADER: token},
    )
    # Without the user's proxies.
    with build_opener(ProxyHandler({})).open(control, timeout=_CONTROL_SECONDS) as response:
        message = json.load(response)
    return None if message is None else Refusal(code="AccessDenied", message=message)


def _s3_call(method: str, path: str, query: str) -> tuple[str, str]:
    """Return the action of a request, and what it acts on."""
    bucket, _, key = path.strip("/").partition("/")
    if not bucket:
        return "s3:ListAllMyBuckets", "*"
    if not key and "policy" in parse_qs(query, keep_blank_values=True):
        return f"s3:{method.capitalize()}BucketPolicy", f"arn:aws:s3:::{bucket}"
    # No task policy allows any other one. These are the actions of the calls that are made most.
    action = method.capitalize() + ("Object" if key else "Bucket")
    return f"s3:{_S3_ACTIONS.get(action, action)}", f"arn:aws:s3:::{path.strip('/')}"


def _sqs_call(headers: Mapping[str, str], body: bytes, arn_of_account: str) -> tuple[str, str]:
    """Return the action of a request, and what it acts on."""
    parameters = json.loads(body or b"{}")
    name = str(parameters.get("QueueUrl", parameters.get("QueueName", "*"))).rpartition("/")[2]
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    return f"sqs:{operation}", f"{arn_of_account}{name}"


if __name__ == "__main__":
    provisioners._cw_metric_alarm_record = accept_metric_math(provisioners._cw_metric_alarm_record)
    helpers._resolve_document = accept_bucket_hosts(helpers._resolve_document)
    provisioners._physical_name = shorten_names(provisioners._physical_name)
    for module in (lambda_runtime, lambda_svc):
        module.execution_credentials = name_role(module.execution_credentials)
    provisioners._RESOURCE_HANDLERS["AWS::Organizations::Policy"] = {
        "create": create_policy,
        "update": update_policy,
        "delete": delete_policy,
    }
    ministack.app.app = guard(
        ministack.app.app,
        organization_url=os.environ["AWS_ENDPOINT_URL_ORGANIZATIONS"],
        session_token=os.environ["AWS_SESSION_TOKEN"],
    )
    ministack.app.main()
