"""The handle on an organization that another process serves."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from typing import TypeVar
from urllib.parse import urlsplit

from .control import CONTROL_PATH, ControlAnswer, control_request, control_result
from .handle import Call, Organization, OtherServices, RootAccess, RootCredentials

_TIMEOUT_SECONDS = 30.0

Result = TypeVar("Result")


class RemoteOrganization(Organization):
    """An organization behind HTTP."""

    def __init__(self, url: str) -> None:
        """Make a handle.

        Args:
            url: Where the organization is served, such as ``http://127.0.0.1:5000``.
        """
        super().__init__(endpoint_url=url)
        self.url = url
        self._address = urlsplit(url).netloc

    @property
    def id(self) -> str:
        """The organization's id."""
        return self._ask(str, "id")

    @property
    def management_account_id(self) -> str:
        """The management account."""
        return self._ask(str, "management_account_id")

    @property
    def members(self) -> tuple[str, ...]:
        """The member accounts, in the order in which they joined."""
        return self._ask(tuple[str, ...], "members")

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call that reached the emulation, in order."""
        return self._ask(tuple[Call, ...], "calls")

    def clear_calls(self) -> None:
        """Empty the list of calls."""
        self._do("clear_calls")

    def root_access(self) -> RootAccess:
        """What root access is in the organization."""
        return self._ask(RootAccess, "root_access")

    def other_services(self) -> OtherServices:
        """What belongs to services other than IAM."""
        return self._ask(OtherServices, "other_services")

    def deny(self, *, account_id: str, action: str, message: str | None = None) -> None:
        """Deny an action to an account."""
        self._do("deny", account_id=account_id, action=action, message=message)

    def allow(self, *, account_id: str, action: str) -> None:
        """Take back a denial, if there is one."""
        self._do("allow", account_id=account_id, action=action)

    def advance_clock(self, seconds: float) -> None:
        """Move the emulation's clock forward."""
        self._do("advance_clock", seconds=seconds)

    def set_latency(self, seconds: float) -> None:
        """Set how long every call takes to arrive. Calls made side by side wait side by side."""
        self._do("set_latency", seconds=seconds)

    def set_delegated_administrator_limit(self, limit: int) -> None:
        """Set how many delegated administrators a service may have."""
        self._do("set_delegated_administrator_limit", limit=limit)

    def add_account(self, *, name: str, email: str, account_id: str | None = None) -> str:
        """Add a member account and return its id; without one, the emulation picks it."""
        return self._ask(str, "add_account", name=name, email=email, account_id=account_id)

    def suspend(self, account_id: str) -> None:
        """Suspend a member account."""
        self._do("suspend", account_id=account_id)

    def put_root_credentials(
        self,
        *,
        account_id: str,
        password: bool = False,
        access_keys: int = 0,
        mfa_devices: int = 0,
        certificates: int = 0,
        password_last_used: datetime | None = None,
        access_key_last_used: datetime | None = None,
    ) -> None:
        """Give an account's root user exactly these credentials."""
        self._do(
            "put_root_credentials",
            account_id=account_id,
            password=password,
            access_keys=access_keys,
            mfa_devices=mfa_devices,
            certificates=certificates,
            password_last_used=password_last_used,
            access_key_last_used=access_key_last_used,
        )

    def root_credentials(self, account_id: str) -> RootCredentials:
        """The credentials of an account's root user."""
        return self._ask(RootCredentials, "root_credentials", account_id=account_id)

    def delete(self) -> None:
        """Delete the organization. Its accounts are in none from then on."""
        self._do("delete")

    def reset(self) -> None:
        """Put everything back to the start, the organization and whatever else moto holds."""
        self._do("reset")

    def _do(self, member: str, **arguments: object) -> None:
        self._ask(object, member, **arguments)

    def _ask(self, result_type: type[Result], member: str, **arguments: object) -> Result:
        return control_result(result_type, self._send(member, arguments))

    def _send(self, member: str, arguments: Mapping[str, object]) -> ControlAnswer:
        with closing(HTTPConnection(self._address, timeout=_TIMEOUT_SECONDS)) as connection:
            connection.request(
                "POST",
                CONTROL_PATH,
                body=control_request(member, arguments),
                headers={"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            return ControlAnswer(status=response.status, body=response.read())
