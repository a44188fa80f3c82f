"""The control API: what a handle can do, carried over HTTP as JSON.

It carries exactly the abstract members of the handle, by name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature
from typing import TypeVar, get_type_hints

from cattrs.preconf.json import JsonConverter, make_converter

from .handle import Organization

CONTROL_PATH = "/_local_aws/control"
HEALTH_PATH = "/_local_aws/health"

# What a handle raises for a wrong argument crosses the wire as itself.
_ERRORS: Mapping[str, type[Exception]] = {error.__name__: error for error in (LookupError, ValueError)}

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class ControlAnswer:
    """The answer to a control request: a status and a body."""

    status: int
    body: bytes


def control_request(member: str, arguments: Mapping[str, object]) -> bytes:
    """The body of a request for a member of the handle."""
    return json.dumps({"member": member, "arguments": _converter().unstructure(arguments)}).encode()


def control_answer(organization: Organization, request: bytes) -> ControlAnswer:
    """What a handle answers to a control request."""
    asked = json.loads(request)
    member = str(asked["member"])
    if member not in Organization.__abstractmethods__:
        return _answer(404, {"error": "LookupError", "message": f"There is no {member}."})
    try:
        result = _use(organization, member, asked["arguments"])
    except tuple(_ERRORS.values()) as error:
        return _answer(400, {"error": _name_of(error), "message": str(error)})
    return _answer(200, {"result": _converter().unstructure(result)})


def control_result(result_type: type[Result], answer: ControlAnswer) -> Result:
    """The result in an answer.

    Raises:
        LookupError: If the handle raised it, or has no such member.
        ValueError: If the handle raised it.
        RuntimeError: If the server failed.
    """
    if answer.status >= 500:
        raise RuntimeError(f"The emulation failed: {answer.body.decode(errors='replace')}")
    content = json.loads(answer.body)
    if answer.status != 200:
        raise _ERRORS[content["error"]](content["message"])
    return _converter().structure(content["result"], result_type)


def _use(organization: Organization, member: str, arguments: Mapping[str, object]) -> object:
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


def _answer(status: int, content: object) -> ControlAnswer:
    return ControlAnswer(status=status, body=json.dumps(content).encode())


def _name_of(error: Exception) -> str:
    return next(name for name, kind in _ERRORS.items() if isinstance(error, kind))


@lru_cache(maxsize=1)
def _converter() -> JsonConverter:
    converter = make_converter()
    # A call's parameters are JSON already.
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    return converter
