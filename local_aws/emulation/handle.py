"""The handle that tests and commands use on an emulated organization, in process or over HTTP."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import Session

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import AccessKeyTypeDef
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

    Credentials: TypeAlias = CredentialsTypeDef | AccessKeyTypeDef

_READING_VERBS = ("Describe", "Get", "List")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that reached the emulation.

    Attributes:
        service: The service's signing name, such as ``iam``.
        operation: The operation's name in the API.
        account_id: The account that acted; in a root session the member account.
        parameters: The parameters as they were sent.
        error: The error code of the answer, or None.
        at: When it came, by the emulation's clock.
        root_session: Whether it was made in a root session.
    """

    service: str
    operation: str
    account_id: str
    parameters: Mapping[str, object]
    error: str | None
    at: datetime
    root_session: bool

    @property
    def is_write(self) -> bool:
        """Whether the operation changes something. STS only hands out credentials."""
        return self.service != "sts" and not self.operation.startswith(_READING_VERBS)


@dataclass(frozen=True, kw_only=True)
class RootAccess:
    """What root access is in the organization.

    Attributes:
        trusted_access: Each service principal with trusted access, and since when.
        features: The features that are set, hidden behind trusted access or not.
        delegated_administrators: The accounts registered for IAM, oldest first.
    """

    trusted_access: Mapping[str, datetime]
    features: frozenset[str]
    delegated_administrators: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OtherServices:
    """What belongs to services other than IAM, and must never be touched.

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


class Organization(ABC):
    """An emulated organization.

    The abstract members are what the emulation's control API carries; the others build on them.
    """

    def __init__(self, *, endpoint_url: str | None) -> None:
        """Make a handle whose clients use an endpoint, or moto in this process if None."""
        self._endpoint_url = endpoint_url
        self._session: Session | None = None
        self._session_lock = threading.Lock()

    @property
    @abstractmethod
    def id(self) -> str:
        """The organization's id."""

    @property
    @abstractmethod
    def management_account_id(self) -> str:
        """The management account."""

    @property
    @abstractmethod
    def members(self) -> tuple[str, ...]:
        """The member accounts, in the order in which they joined."""

    @property
    @abstractmethod
    def calls(self) -> tuple[Call, ...]:
        """Every call that reached the emulation, in order."""

    @property
    def writes(self) -> tuple[Call, ...]:
        """The calls that change something, refused ones included."""
        return tuple(call for call in self.calls if call.is_write)

    @abstractmethod
    def clear_calls(self) -> None:
        """Empty the list of calls."""

    @abstractmethod
    def root_access(self) -> RootAccess:
        """What root access is in the organization."""

    @abstractmethod
    def other_services(self) -> OtherServices:
        """What belongs to services other than IAM."""

    @abstractmethod
    def deny(self, *, account_id: str, action: str, message: str | None = None) -> None:
        """Deny an action to an account.

        In a member account the denial holds in root sessions too, as an SCP does.

        Args:
            account_id: The account that acts.
            action: The action as policies spell it, ``iam:GetUser`` or ``iam:*``.
            message: The message of the answer; default: AWS's own for a missing permission, or for
                an SCP in a root session.
        """

    @abstractmethod
    def allow(self, *, account_id: str, action: str) -> None:
        """Take back a denial, if there is one."""

    @abstractmethod
    def advance_clock(self, seconds: float) -> None:
        """Move the emulation's clock forward."""

    @abstractmethod
    def set_latency(self, seconds: float) -> None:
        """Set how long every call takes to arrive. Calls made side by side wait side by side."""

    @abstractmethod
    def set_delegated_administrator_limit(self, limit: int) -> None:
        """Set how many delegated administrators a service may have."""

    @abstractmethod
    def add_account(self, *, name: str, email: str, account_id: str | None = None) -> str:
        """Add a member account and return its id; without one, the emulation picks it."""

    @abstractmethod
    def suspend(self, account_id: str) -> None:
        """Suspend a member account."""

    @abstractmethod
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
        """Give an account's root user exactly these credentials.

        Args:
            account_id: An account of the organization.
            password: Whether it has a password.
            access_keys: How many access keys it has.
            mfa_devices: How many MFA devices it has.
            certificates: How many signing certificates it has.
            password_last_used: When the password was last used; default: never.
            access_key_last_used: When each access key was last used; default: never.
        """

    @abstractmethod
    def root_credentials(self, account_id: str) -> RootCredentials:
        """The credentials of an account's root user."""

    @abstractmethod
    def delete(self) -> None:
        """Delete the organization. Its accounts are in none from then on."""

    @abstractmethod
    def reset(self) -> None:
        """Put everything back to the start, the organization and whatever else moto holds."""

    @overload
    def client(
        self,
        service: Literal["iam"],
        *,
        account_id: str | None = None,
        region: str = "us-east-1",
        credentials: "Credentials | None" = None,
        endpoint_url: str | None = None,
    ) -> "IAMClient": ...
    @overload
    def client(
        self,
        service: Literal["organizations"],
        *,
        account_id: str | None = None,
        region: str = "us-east-1",
        credentials: "Credentials | None" = None,
        endpoint_url: str | None = None,
    ) -> "OrganizationsClient": ...
    @overload
    def client(
        self,
        service: Literal["sts"],
        *,
        account_id: str | None = None,
        region: str = "us-east-1",
        credentials: "Credentials | None" = None,
        endpoint_url: str | None = None,
    ) -> "STSClient": ...
    @overload
    def client(
        self,
        service: Literal["s3"],
        *,
        account_id: str | None = None,
        region: str = "us-east-1",
        credentials: "Credentials | None" = None,
        endpoint_url: str | None = None,
    ) -> "S3Client": ...
    @overload
    def client(
        self,
        service: Literal["sqs"],
        *,
        account_id: str | None = None,
        region: str = "us-east-1",
        credentials: "Credentials | None" = None,
        endpoint_url: str | None = None,
    ) -> "SQSClient": ...
    @overload
    def client(
        self,
        service: str,
        *,
        account_id: str | None = None,
        region: str = "us-east-1",
        credentials: "Credentials | None" = None,
        endpoint_url: str | None = None,
    ) -> "BaseClient": ...

    def client(
        self,
        service: str,
        *,
        account_id: str | None = None,
        region: str = "us-east-1",
        credentials: "Credentials | None" = None,
        endpoint_url: str | None = None,
    ) -> "BaseClient":
        """Make a boto3 client that reaches the emulation.

        Args:
            service: The service's name in boto3.
            account_id: The account to act in; default: the management account.
            region: The Region to sign for.
            credentials: An access key or a session to act with, in place of the account.
            endpoint_url: Where to send the calls; default: the emulation.

        Returns:
            The client.
        """
        if credentials is None:
            access_key_id = account_id or self.management_account_id
            secret_access_key, session_token = "secret", None
        else:
            access_key_id = credentials["AccessKeyId"]
            secret_access_key = credentials["SecretAccessKey"]
            session_token = str(credentials.get("SessionToken") or "") or None
        # Sessions are not made for use by several threads at once.
        with self._session_lock:
            if self._session is None:
                self._session = Session()
                self._session.register_component("data_loader", _service_models())
            client: BaseClient = self._session.create_client(
                service,
                region_name=region,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key,
                aws_session_token=session_token,
                endpoint_url=endpoint_url or self._endpoint_url,
                # A proxy or an endpoint of the surrounding shell must not catch these calls.
                config=Config(
                    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # not in its stubs
                    proxies={},
                ),
            )
        return client


@lru_cache(maxsize=1)
def _service_models() -> Loader:
    """The services' API models, which take longer to read than a test to run."""
    return create_loader()
