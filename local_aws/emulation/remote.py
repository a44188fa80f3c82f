"""The handle on an organization that another process serves."""

import os
from abc import update_abstractmethods
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import wraps
from http.client import HTTPConnection
from inspect import signature
from typing import Any, Self, get_type_hints
from urllib.parse import urlsplit

from .accounts import DEFAULT_SECRET_ACCESS_KEY
from .control import CONTROL_PATH, ControlResponse, authorization, control_request, control_result
from .handle import Organization

# Where the organization is served, in the environment of a command that uses the local AWS.
URL_VARIABLE = "LOCAL_AWS_ORGANIZATION_URL"
_TIMEOUT_SECONDS = 30.0


def _remote_property(name: str, abstract: property) -> property:
    result_type = get_type_hints(abstract.fget)["return"]

    def value(organization: "RemoteOrganization") -> object:
        return control_result(result_type, organization.send(name, {}))

    return property(value, doc=abstract.__doc__)


def _remote_method(name: str, abstract: Callable[..., object]) -> Callable[..., object]:
    result_type = get_type_hints(abstract)["return"]

    # Not its attributes: one of them marks it as abstract.
    @wraps(abstract, updated=())
    def method(organization: "RemoteOrganization", *args: Any, **kwargs: Any) -> object:
        bound = signature(abstract).bind(organization, *args, **kwargs)
        _, *arguments = bound.arguments.items()
        return control_result(result_type, organization.send(name, dict(arguments)))

    return method


def _generate_members(remote: type) -> type:
    for name in Organization.__abstractmethods__:
        abstract = getattr(Organization, name)
        generate = _remote_property if isinstance(abstract, property) else _remote_method
        setattr(remote, name, generate(name, abstract))
    return update_abstractmethods(remote)


@_generate_members
class RemoteOrganization(Organization):
    """An organization behind HTTP: each abstract member of the handle becomes a request.

    A type checker knows the members by the handle, and takes the class for an abstract one:
    `RemoteOrganization.at` creates the handle.
    """

    def __init__(self, url: str, *, secret_access_key: str) -> None:
        super().__init__(endpoint_url=url, secret_access_key=secret_access_key)
        self.url = url
        self._address = urlsplit(url).netloc

    @classmethod
    def at(cls, url: str, *, secret_access_key: str = DEFAULT_SECRET_ACCESS_KEY) -> Self:
        """Return the handle on an organization.

        Args:
            url: Where it is served, for example ``http://127.0.0.1:5000``.
            secret_access_key: What the server expects its callers to sign with.
        """
        return cls(url, secret_access_key=secret_access_key)

    @classmethod
    def of_environment(cls) -> Self:
        """Return the handle on the organization of the local AWS that this process runs in.

        Raises:
            LookupError: The environment variables are not those of a local AWS.
        """
        try:
            return cls.at(os.environ[URL_VARIABLE], secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"])
        except KeyError as error:
            raise LookupError(f"There is no local AWS in this environment: {error} is not set.") from error

    def send(self, member: str, arguments: Mapping[str, object]) -> ControlResponse:
        """Send a request for a member of the handle to the control API."""
        with closing(HTTPConnection(self._address, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.request(
                "POST",
                CONTROL_PATH,
                body=control_request(member, arguments),
                headers={
                    "Authorization": authorization(self._secret_access_key),
                    "Content-Type": "application/json",
                },
            )
            response = connection.getresponse()
            return ControlResponse(status=response.status, body=response.read())
