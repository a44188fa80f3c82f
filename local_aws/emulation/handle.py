"""The handle on an emulated organization that tests and commands use."""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, Unpack, overload

from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import Session

from .authorization import root_session_denial
from .organization_policies import SERVICE_CONTROL_POLICY
from .records import IAM_SERVICE_PRINCIPAL, MANAGEMENT_ACCOUNT_ID
from .state import AccessKey, Emulation, RootUser, current_emulation, reset_moto, root_access_key_id
from .values import Call, OtherServices, RootAccess, RootCredentials

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


# botocore's own session variables, without the environment variable or the file behind each.
WITHOUT_USER_SETTINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}

# Long enough ago that no plan counts a credential as in use because of its age.
_AGE_OF_CREDENTIALS = timedelta(days=3 * 365)


@dataclass(frozen=True, kw_only=True)
class Seed:
    """The initial state of an organization.

    Attributes:
        organization_id: The organization's id.
        feature_set: All features, or consolidated billing only.
        members: The member accounts' ids, each with its name.
        trusted_services: The service principals with trusted access.
    """

    organization_id: str = "o-a1b2c3d4e5"
    feature_set: Literal["ALL", "CONSOLIDATED_BILLING"] = "ALL"
    members: tuple[tuple[str, str], ...] = (
        ("222222222222", "workload-a"),
        ("333333333333", "workload-b"),
        ("444444444444", "workload-c"),
    )
    trusted_services: tuple[str, ...] = ("cloudtrail.amazonaws.com",)


class ClientOptions(TypedDict, total=False):
    """The caller that a client is, and where it sends its calls.

    Attributes:
        account_id: The account to call as; default: the management account.
        root_user: Whether to call as the account's root user, with the first of its access keys;
            default: as an IAM user.
        region: The Region to sign for; default: us-east-1.
        credentials: An access key or a session to call with, instead of the account.
        endpoint_url: Where to send the calls; default: the emulation.
    """

    account_id: str | None
    root_user: bool
    region: str
    credentials: "Credentials | None"
    endpoint_url: str | None


class Organization:
    """An emulated organization.

    Each public member except `client` works on the emulation in this process. `RemoteOrganization`
    sends them to another process by the control API.
    """

    def __init__(
        self, *, url: str | None = None, session_token: str = "", seed: Seed | None = None
    ) -> None:
        """Create a handle on an organization; `reset` gives it its initial state.

        Args:
            url: Where it is served; clients then call over HTTP. Default: only in this process.
            session_token: What its clients have.
            seed: Its initial state; default: as `Seed` has it.
        """
        self.url = url
        self._session_token = session_token
        self._seed = seed or Seed()
        self._session: Session | None = None
        self._session_lock = threading.Lock()

    @property
    def _emulation(self) -> Emulation:
        """The emulation in this process."""
        return current_emulation()

    @property
    def id(self) -> str:
        """The organization's id."""
        return self._emulation.organization.id

    @property
    def management_account_id(self) -> str:
        """The management account."""
        return MANAGEMENT_ACCOUNT_ID

    @property
    def root_id(self) -> str:
        """The id of the organization's root, above all organizational units."""
        return self._emulation.organization.root_id

    @property
    def members(self) -> tuple[str, ...]:
        """The member accounts, in the order in which they joined."""
        account_ids = self._emulation.organization.account_ids
        return tuple(id_ for id_ in account_ids if id_ != MANAGEMENT_ACCOUNT_ID)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call that reached the emulation, in order."""
        return tuple(self._emulation.calls)

    @property
    def writes(self) -> tuple[Call, ...]:
        """The calls that change anything, including denied ones."""
        return tuple(call for call in self.calls if call.is_write)

    def clear_calls(self) -> None:
        """Empty the list of calls."""
        self._emulation.calls.clear()

    def root_access(self) -> RootAccess:
        """Return the state of root access in the organization."""
        emulation = self._emulation
        with emulation.lock:
            return RootAccess(
                trusted_access=emulation.organization.trusted_access(),
                features=frozenset(feature.value for feature in emulation.features),
                delegated_administrators=tuple(
                    emulation.organization.delegated_administrators(IAM_SERVICE_PRINCIPAL)
                ),
            )

    def other_services(self) -> OtherServices:
        """Return the settings of services other than IAM."""
        organization = self._emulation.organization
        with self._emulation.lock:
            registered = {
                principal
                for services in organization.delegations().values()
                for principal in services
            }
            return OtherServices(
                trusted_access={
                    principal: date
                    for principal, date in organization.trusted_access().items()
                    if principal != IAM_SERVICE_PRINCIPAL
                },
                delegated_administrators={
                    principal: organization.delegated_administrators(principal)
                    for principal in sorted(registered - {IAM_SERVICE_PRINCIPAL})
                },
            )

    def deny(self, account_id: str, action: str, *, message: str = "") -> None:
        """Deny an action to an account.

        In a member account the denial also applies to root sessions, as an SCP does. Its message
        does not name a policy, as AWS's did not until January 2026.

        Args:
            account_id: The calling account.
            action: The action as in a policy, ``iam:GetUser`` or ``iam:*``.
            message: The message of the response; default: AWS's own for a missing permission, or
                for an SCP in a root session.
        """
        self._emulation.denials[account_id, action] = message

    def allow(self, account_id: str, action: str) -> None:
        """Remove a denial, if there is one."""
        self._emulation.denials.pop((account_id, action), None)

    def attach_policy(
        self,
        *,
        name: str,
        document: Mapping[str, object],
        target_id: str,
        policy_type: str = SERVICE_CONTROL_POLICY,
    ) -> str:
        """Create a policy, attach it, and return its ID.

        If the policy type is disabled, this enables it. In the member accounts on or under the
        target, a service control policy then applies to root users, to root sessions, and to
        AssumeRoot of a delegated administrator; a resource control policy to AssumeRoot from every
        account, and to S3 and SQS in root sessions.

        Args:
            name: The name of the policy, unique in the organization.
            document: Its content.
            target_id: The organization's root, an organizational unit or an account.
            policy_type: SERVICE_CONTROL_POLICY or RESOURCE_CONTROL_POLICY.
        """
        with self._emulation.lock:
            return self._emulation.organization.attach_new_policy(
                name=name,
                content=json.dumps(document),
                target_id=target_id,
                policy_type=policy_type,
            )

    def root_session_denial(
        self, *, token: str, action: str, resource: str, region: str
    ) -> str | None:
        """Return the message that denies a call of another service in a root session, or None.

        Args:
            token: The session's token. One that is not known is denied nothing.
            action: The action as in a policy.
            resource: The ARN that it acts on, or an asterisk.
            region: The Region of the endpoint.
        """
        with self._emulation.lock:
            return root_session_denial(
                self._emulation, token, action=action, resource=resource, region=region
            )

    def advance_clock(self, seconds: float) -> None:
        """Move the emulation's clock forward."""
        self._emulation.advance_clock(timedelta(seconds=seconds))

    def set_delegated_administrator_limit(self, limit: int) -> None:
        """Set how many delegated administrators a service may have."""
        self._emulation.delegated_administrator_limit = limit

    def add_account(self, *, name: str, email: str, account_id: str | None = None) -> str:
        """Add a member account and return its id; without one, the emulation picks one."""
        with self._emulation.lock:
            return self._emulation.organization.add_account(
                name=name, email=email, account_id=account_id
            )

    def suspend(self, account_id: str) -> None:
        """Suspend a member account."""
        self._emulation.organization.suspend(account_id)

    def put_root_credentials(
        self,
        account_id: str,
        *,
        password: bool = False,
        access_keys: int = 0,
        mfa_devices: int = 0,
        certificates: int = 0,
        password_last_used: datetime | None = None,
        access_key_last_used: datetime | None = None,
        created_at: datetime | None = None,
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
            created_at: When they were created; default: three years ago, as root users' credentials
                usually are old, or when one was used before that.
        """
        self._require_account(account_id)
        uses = [used for used in (password_last_used, access_key_last_used) if used is not None]
        created_at = created_at or min([self._emulation.now() - _AGE_OF_CREDENTIALS, *uses])
        keys = [
            AccessKey(
                id=root_access_key_id(account_id, number),
                created_at=created_at,
                last_use=access_key_last_used,
            )
            for number in range(1, access_keys + 1)
        ]
        device = f"arn:aws:iam::{account_id}:mfa/root-account-mfa-device"
        self._emulation.root_users[account_id] = RootUser(
            password_created_at=created_at if password else None,
            password_last_used=password_last_used,
            access_keys={key.id: key for key in keys},
            mfa_devices={f"{device}-{number}": created_at for number in range(1, mfa_devices + 1)},
            certificates={
                f"CERT{account_id}{number:016}": created_at for number in range(1, certificates + 1)
            },
        )

    def root_credentials(self, account_id: str) -> RootCredentials:
        """Return the credentials of an account's root user."""
        self._require_account(account_id)
        with self._emulation.lock:
            root_user = self._emulation.root_user(account_id)
            return RootCredentials(
                password=root_user.password_created_at is not None,
                access_keys=tuple(sorted(root_user.access_keys)),
                mfa_devices=tuple(sorted(root_user.mfa_devices)),
                certificates=tuple(sorted(root_user.certificates)),
            )

    def delete(self) -> None:
        """Delete the organization. Its accounts are then not members of any."""
        with self._emulation.lock:
            self._emulation.organization.delete()
            self._emulation.clear_organization()

    def reset(self) -> None:
        """Restore the initial state of the organization and of everything else in moto."""
        with self._emulation.lock:
            reset_moto()
            emulation, seed = self._emulation, self._seed
            organization = emulation.organization
            organization.create(organization_id=seed.organization_id, feature_set=seed.feature_set)
            for account_id, name in seed.members:
                organization.add_account(
                    name=name, email=f"{name}@example.com", account_id=account_id
                )
            for principal in seed.trusted_services:
                organization.enable_trusted_access(principal, at=emulation.now())
            # Whoever signs up has a password, and AWS asks for MFA at the next sign-in.
            self.put_root_credentials(MANAGEMENT_ACCOUNT_ID, password=True, mfa_devices=1)

    @overload
    def client(self, service: Literal["iam"], **options: Unpack[ClientOptions]) -> "IAMClient": ...
    @overload
    def client(
        self, service: Literal["organizations"], **options: Unpack[ClientOptions]
    ) -> "OrganizationsClient": ...
    @overload
    def client(self, service: Literal["sts"], **options: Unpack[ClientOptions]) -> "STSClient": ...
    @overload
    def client(self, service: Literal["s3"], **options: Unpack[ClientOptions]) -> "S3Client": ...
    @overload
    def client(self, service: Literal["sqs"], **options: Unpack[ClientOptions]) -> "SQSClient": ...
    @overload
    def client(self, service: str, **options: Unpack[ClientOptions]) -> "BaseClient": ...

    def client(self, service: str, **options: Unpack[ClientOptions]) -> "BaseClient":
        """Create a boto3 client that calls the emulation.

        Args:
            service: The service's name in boto3.
            **options: The caller, and where to.

        Raises:
            LookupError: If the root user has no access key.
        """
        credentials = options.get("credentials")
        if credentials is None:
            access_key_id = options.get("account_id") or self.management_account_id
            if options.get("root_user", False):
                access_key_id = self._root_access_key(access_key_id)
            session_token = self._session_token
        else:
            access_key_id = credentials["AccessKeyId"]
            # An access key has none of its own.
            session_token = str(credentials.get("SessionToken") or self._session_token)
        # A botocore session is not thread-safe.
        with self._session_lock:
            if self._session is None:
                self._session = Session(session_vars=WITHOUT_USER_SETTINGS)
                self._session.register_component("data_loader", _service_models())
            client: BaseClient = self._session.create_client(
                service,
                region_name=options.get("region", "us-east-1"),
                aws_access_key_id=access_key_id,
                # Nothing verifies signatures.
                aws_secret_access_key="secret",
                aws_session_token=session_token or None,
                endpoint_url=options.get("endpoint_url") or self.url,
                # The user's proxies and endpoints must not apply to these calls.
                config=Config(
                    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # not in its stubs
                    proxies={},
                ),
            )
        return client

    def _require_account(self, account_id: str) -> None:
        """Raise if an account is not a member of the organization."""
        if self._emulation.organization.account(account_id) is None:
            raise LookupError(f"Account {account_id} is not a member of the organization.")

    def _root_access_key(self, account_id: str) -> str:
        """Return the first access key of an account's root user."""
        access_keys = self.root_credentials(account_id).access_keys
        if not access_keys:
            raise LookupError(f"The root user of {account_id} has no access key: put one there.")
        return access_keys[0]


# One loader of the API models: reading them takes longer than most tests.
_service_models = cache(create_loader)
