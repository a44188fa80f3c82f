"""The handle on an organization that another process serves."""

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import wraps
from http.client import HTTPConnection
from inspect import signature
from typing import Any, Self, get_type_hints
from urllib.parse import urlsplit

from local_aws.session_token import HEADER

from .control import CONTROL_PATH, MEMBERS, control_request, control_result
from .handle import Organization

# Where the organization is served, in the environment of a command that uses the local AWS.
URL_VARIABLE = "LOCAL_AWS_ORGANIZATION_URL"
_TIMEOUT_SECONDS = 30.0


class RemoteOrganization(Organization):
    """An organization behind HTTP: each member of the control API becomes a request."""

    def __init__(self, url: str, *, session_token: str = "") -> None:
        """Create the handle on an organization.

        Args:
            url: Where it is served, for example ``http://127.0.0.1:5000``.
            session_token: What the server expects its callers to have.
        """
        super().__init__(endpoint_url=url, session_token=session_token)
        self.url = url

    @classmethod
    def of_environment(cls) -> Self:
        """Return the handle on the organization of the local AWS that this process runs in.

        Raises:
            LookupError: The environment variables are not those of a local AWS.
        """
        try:
            return cls(os.environ[URL_VARIABLE], session_token=os.environ["AWS_SESSION_TOKEN"])
        except KeyError as error:
            raise LookupError(f"There is no local AWS in this environment: {error} is not set.") from error

    def send(self, member: str, arguments: Mapping[str, object], result_type: type) -> object:
        """Send a request for a member of the handle to the control API, and return the result."""
        address = urlsplit(self.url).netloc
        with closing(HTTPConnection(address, timeout=_TIMEOUT_SECONDS)) as connection:
            headers = {HEADER: self._session_token}
            connection.request("POST", CONTROL_PATH, body=control_request(member, arguments), headers=headers)
            response = connection.getresponse()
            return control_result(result_type, response.status, response.read())


def _remote_property(name: str, local: property) -> property:
    result_type = get_type_hints(local.fget)["return"]
    return property(lambda organization: organization.send(name, {}, result_type), doc=local.__doc__)


def _remote_method(name: str, local: Callable[..., object]) -> Callable[..., object]:
    result_type = get_type_hints(local)["return"]

    @wraps(local)
    def method(organization: RemoteOrganization, *args: Any, **kwargs: Any) -> object:
        bound = signature(local).bind(organization, *args, **kwargs)
        _, *arguments = bound.arguments.items()
        return organization.send(name, dict(arguments), result_type)

    return method


for _name in MEMBERS:
    _local = getattr(Organization, _name)
    _generate = _remote_property if isinstance(_local, property) else _remote_method
    setattr(RemoteOrganization, _name, _generate(_name, _local))
