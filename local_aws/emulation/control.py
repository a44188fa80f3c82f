"""The control API: the handle's members by name, over HTTP; and the handle that calls it."""

import json
import os
from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache, wraps
from http.client import HTTPConnection
from inspect import signature
from types import NoneType
from typing import Any, Self, get_type_hints
from urllib.parse import urlsplit

from cattrs.preconf.json import JsonConverter, make_converter

from local_aws.session_token import HEADER

from .handle import Organization

CONTROL_PATH = "/_local_aws/control"
HEALTH_PATH = "/_local_aws/health"
# The variable with the organization's address, in the environment of a command that uses the local
# AWS.
URL_VARIABLE = "LOCAL_AWS_ORGANIZATION_URL"

_TIMEOUT_SECONDS = 30.0
_MEMBERS = {name for name in vars(Organization) if not name.startswith("_")} - {"client"}
# The errors of a handle that the other side raises again.
_ERRORS: Mapping[str, type[Exception]] = {
    error.__name__: error for error in (LookupError, ValueError)
}


def respond_to_control(organization: Organization, request: bytes) -> tuple[int, bytes]:
    """Call the member of the handle that a request names; return the response's status and body."""
    content = json.loads(request)
    if content["member"] not in _MEMBERS:
        return 404, b""
    try:
        result = _call_member(organization, content["member"], content["arguments"])
    except tuple(_ERRORS.values()) as error:
        name = next(name for name, kind in _ERRORS.items() if isinstance(error, kind))
        return 400, json.dumps({"error": name, "message": str(error)}).encode()
    return 200, _converter().dumps(result).encode()


def _call_member(
    organization: Organization, member: str, arguments: Mapping[str, object]
) -> object:
    """Return the value of a property of the handle, or what a method returns."""
    if isinstance(getattr(Organization, member), property):
        return getattr(organization, member)
    method = getattr(organization, member)
    hints = get_type_hints(method)
    return method(
        **{name: _converter().structure(value, hints[name]) for name, value in arguments.items()}
    )


class RemoteOrganization(Organization):
    """An organization behind HTTP: each member of the control API becomes a request."""

    @classmethod
    def of_environment(cls) -> Self:
        """Return the handle on the organization of the local AWS that this process runs in.

        Raises:
            LookupError: The environment variables are not those of a local AWS.
        """
        try:
            return cls(url=os.environ[URL_VARIABLE], session_token=os.environ["AWS_SESSION_TOKEN"])
        except KeyError as error:
            raise LookupError(
                f"There is no local AWS in this environment: {error} is not set."
            ) from error

    def send(self, member: str, arguments: Mapping[str, object], result_type: Any) -> object:
        """Send a request for a member of the handle to the control API, and return the result.

        Raises:
            LookupError: The handle raised it.
            ValueError: The handle raised it.
            RuntimeError: The server failed.
        """
        body = _converter().dumps({"member": member, "arguments": arguments})
        with closing(
            HTTPConnection(urlsplit(str(self.url)).netloc, timeout=_TIMEOUT_SECONDS)
        ) as connection:
            connection.request(
                "POST", CONTROL_PATH, body=body, headers={HEADER: self._session_token}
            )
            response = connection.getresponse()
            content = response.read().decode(errors="replace")
        match response.status:
            case 200:
                return _converter().loads(content, result_type)
            case 400:
                error = json.loads(content)
                raise _ERRORS[error["error"]](error["message"])
            case _:
                raise RuntimeError(f"The emulation failed: {content}")


def _remote(name: str, local: Any) -> Any:
    """Return the member of the remote handle for a property or a method of the local one."""
    function: Any = local.fget if isinstance(local, property) else local
    result_type = get_type_hints(function)["return"]

    @wraps(function)
    def send(organization: RemoteOrganization, *args: Any, **kwargs: Any) -> object:
        """Send the member's name and arguments, and return the result."""
        bound = signature(function).bind(organization, *args, **kwargs)
        _, *arguments = bound.arguments.items()
        return organization.send(name, dict(arguments), result_type)

    return property(send) if isinstance(local, property) else send


@lru_cache(maxsize=1)
def _converter() -> JsonConverter:
    """Return the converter of arguments and results from and to JSON."""
    converter = make_converter()
    converter.register_structure_hook(NoneType, lambda value, _: value)
    # A call's parameters are JSON already.
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    return converter


for _name in _MEMBERS:
    setattr(RemoteOrganization, _name, _remote(_name, getattr(Organization, _name)))
