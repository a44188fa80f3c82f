"""The control API: the members of the handle, by name, over HTTP as JSON."""

import json
from collections.abc import Mapping
from functools import lru_cache
from inspect import signature
from types import NoneType
from typing import TypeVar, get_type_hints

from cattrs.preconf.json import JsonConverter, make_converter

from .handle import Organization

CONTROL_PATH = "/_local_aws/control"
HEALTH_PATH = "/_local_aws/health"

MEMBERS = {name for name in vars(Organization) if not name.startswith("_")} - {"client"}
# The errors of a handle that the other side raises again.
_ERRORS: Mapping[str, type[Exception]] = {error.__name__: error for error in (LookupError, ValueError)}

Result = TypeVar("Result")


def control_request(member: str, arguments: Mapping[str, object]) -> bytes:
    """Return the body of a request for a member of the handle."""
    return json.dumps({"member": member, "arguments": _converter().unstructure(arguments)}).encode()


def respond_to_control(organization: Organization, request: bytes) -> tuple[int, bytes]:
    """Call the member of the handle that a request names; return the status and the body of the response."""
    content = json.loads(request)
    member = str(content["member"])
    if member not in MEMBERS:
        return _response(404, {"error": "LookupError", "message": f"Unknown member {member}."})
    try:
        result = _call_member(organization, member, content["arguments"])
    except tuple(_ERRORS.values()) as error:
        name = next(name for name, kind in _ERRORS.items() if isinstance(error, kind))
        return _response(400, {"error": name, "message": str(error)})
    return _response(200, {"result": _converter().unstructure(result)})


def control_result(result_type: type[Result], status: int, body: bytes) -> Result:
    """Return the result in a response.

    Raises:
        LookupError: If the handle raised it, or has no such member.
        ValueError: If the handle raised it.
        RuntimeError: If the server failed.
    """
    if status >= 500:
        raise RuntimeError(f"The emulation failed: {body.decode(errors='replace')}")
    content = json.loads(body)
    if status != 200:
        raise _ERRORS[content["error"]](content["message"])
    return _converter().structure(content["result"], result_type)


def _call_member(organization: Organization, member: str, arguments: Mapping[str, object]) -> object:
    if isinstance(getattr(Organization, member), property):
        return getattr(organization, member)
    method = getattr(organization, member)
    hints = get_type_hints(method)
    given = {
        name: _converter().structure(arguments[name], hints[name])
        for name in signature(method).parameters
        if name in arguments
    }
    return method(**given)


def _response(status: int, content: object) -> tuple[int, bytes]:
    return status, json.dumps(content).encode()


@lru_cache(maxsize=1)
def _converter() -> JsonConverter:
    converter = make_converter()
    converter.register_structure_hook(NoneType, lambda value, _: value)
    # A call's parameters are JSON already.
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    return converter
