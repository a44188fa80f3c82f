"""The values that a handle on an emulated organization returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

_READING_VERBS = ("Describe", "Get", "List")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that reached the emulation.

    Attributes:
        service: The service's signing name, such as ``iam``.
        operation: The operation's name in the API.
        account_id: The calling account; in a root session the member account.
        parameters: The parameters that were sent.
        error: The error code of the response, or None.
        at: When it arrived, by the emulation's clock.
        root_session: Whether the caller was a root session.
        user_agent: What the request says of the program that sent it.
    """

    service: str
    operation: str
    account_id: str
    parameters: Mapping[str, object]
    error: str | None
    at: datetime
    root_session: bool
    user_agent: str

    @property
    def is_write(self) -> bool:
        """True if the operation changes anything. STS only issues credentials."""
        return self.service != "sts" and not self.operation.startswith(_READING_VERBS)


@dataclass(frozen=True, kw_only=True)
class RootAccess:
    """The state of root access in the organization.

    Attributes:
        trusted_access: Each service principal with trusted access, and since when.
        features: The enabled features, also while trusted access is disabled.
        delegated_administrators: The accounts registered for IAM, oldest first.
    """

    trusted_access: Mapping[str, datetime]
    features: frozenset[str]
    delegated_administrators: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OtherServices:
    """The settings of services other than IAM, which nothing here may change.

    Attributes:
        trusted_access: Each service principal with trusted access, and since when.
        delegated_administrators: Each service principal's delegated administrators, and since when.
    """

    trusted_access: Mapping[str, datetime]
    delegated_administrators: Mapping[str, Mapping[str, datetime]]


@dataclass(frozen=True, kw_only=True)
class RootCredentials:
    """The credentials of an account's root user.

    Attributes:
        password: Whether there is a password.
        access_keys: The ids of the access keys.
        mfa_devices: The serial numbers of the MFA devices.
        certificates: The ids of the signing certificates.
    """

    password: bool
    access_keys: tuple[str, ...]
    mfa_devices: tuple[str, ...]
    certificates: tuple[str, ...]
