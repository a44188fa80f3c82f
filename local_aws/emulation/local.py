"""The emulated organization of this process: the handle, and the state it starts with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from moto import mock_aws
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

from .extension import extended_moto
from .handle import Call, Organization, OtherServices, RootAccess, RootCredentials
from .records import IAM_SERVICE_PRINCIPAL, MANAGEMENT_ACCOUNT_ID, forget_memberships
from .state import (
    AccessKey,
    Certificate,
    Denial,
    Emulation,
    LastUse,
    MfaDevice,
    RootUser,
    current_emulation,
)

FeatureSet = Literal["ALL", "CONSOLIDATED_BILLING"]


@dataclass(frozen=True, kw_only=True)
class Seed:
    """What an organization starts with.

    Attributes:
        organization_id: Its id, the same each time.
        feature_set: All features, or consolidated billing alone.
        members: The member accounts' ids, each with its name.
        trusted_services: The service principals with trusted access.
    """

    organization_id: str = "o-a1b2c3d4e5"
    feature_set: FeatureSet = "ALL"
    members: tuple[tuple[str, str], ...] = (
        ("222222222222", "workload-a"),
        ("333333333333", "workload-b"),
        ("444444444444", "workload-c"),
    )
    trusted_services: tuple[str, ...] = ("cloudtrail.amazonaws.com",)


class LocalOrganization(Organization):
    """The emulated organization of this process."""

    def __init__(self, *, seed: Seed, url: str | None = None) -> None:
        """Make a handle and seed the organization.

        Args:
            seed: What the organization starts with.
            url: Where it is served, if it is; clients then call over HTTP.
        """
        super().__init__(endpoint_url=url)
        self.url = url
        self._seed = seed
        self.reset()

    @property
    def _emulation(self) -> Emulation:
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
    def members(self) -> tuple[str, ...]:
        """The member accounts, in the order in which they joined."""
        account_ids = self._emulation.organization.account_ids
        return tuple(a for a in account_ids if a != MANAGEMENT_ACCOUNT_ID)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call that reached the emulation, in order."""
        with self._emulation.lock:
            return tuple(self._emulation.calls)

    def clear_calls(self) -> None:
        """Empty the list of calls."""
        with self._emulation.lock:
            self._emulation.calls.clear()

    def root_access(self) -> RootAccess:
        """What root access is in the organization."""
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
        """What belongs to services other than IAM."""
        organization = self._emulation.organization
        with self._emulation.lock:
            registered = {
                principal for services in organization.delegations().values() for principal in services
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

    def deny(self, *, account_id: str, action: str, message: str | None = None) -> None:
        """Deny an action to an account."""
        with self._emulation.lock:
            self._emulation.deny(Denial(account_id=account_id, action=action, message=message))

    def allow(self, *, account_id: str, action: str) -> None:
        """Take back a denial, if there is one."""
        with self._emulation.lock:
            self._emulation.allow(account_id=account_id, action=action)

    def advance_clock(self, seconds: float) -> None:
        """Move the emulation's clock forward."""
        with self._emulation.lock:
            self._emulation.advance_clock(timedelta(seconds=seconds))

    def set_latency(self, seconds: float) -> None:
        """Set how long every call takes to arrive. Calls made side by side wait side by side."""
        self._emulation.set_latency(seconds)

    def set_delegated_administrator_limit(self, limit: int) -> None:
        """Set how many delegated administrators a service may have."""
        self._emulation.delegated_administrator_limit = limit

    def add_account(self, *, name: str, email: str, account_id: str | None = None) -> str:
        """Add a member account and return its id; without one, the emulation picks it."""
        with self._emulation.lock:
            return self._emulation.organization.add_account(name=name, email=email, account_id=account_id)

    def suspend(self, account_id: str) -> None:
        """Suspend a member account."""
        with self._emulation.lock:
            self._emulation.organization.suspend(account_id)

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
        with self._emulation.lock:
            self._require_account(account_id)
            now = self._emulation.now()
            last_use = None
            if access_key_last_used is not None:
                last_use = LastUse(at=access_key_last_used, service="s3", region="us-east-1")
            keys = [
                AccessKey(
                    id=f"AKIA{account_id}{number:04}",
                    created_at=now,
                    last_use=last_use,
                )
                for number in range(1, access_keys + 1)
            ]
            devices = [
                MfaDevice(
                    serial_number=f"arn:aws:iam::{account_id}:mfa/root-account-mfa-device-{number}",
                    enabled_at=now,
                )
                for number in range(1, mfa_devices + 1)
            ]
            signing = [
                Certificate(
                    id=f"CERT{account_id}{number:016}",
                    body="-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
                    uploaded_at=now,
                )
                for number in range(1, certificates + 1)
            ]
            self._emulation.put_root_user(
                account_id,
                RootUser(
                    password_created_at=now if password else None,
                    password_last_used=password_last_used,
                    access_keys={key.id: key for key in keys},
                    mfa_devices={device.serial_number: device for device in devices},
                    certificates={certificate.id: certificate for certificate in signing},
                ),
            )

    def root_credentials(self, account_id: str) -> RootCredentials:
        """The credentials of an account's root user."""
        with self._emulation.lock:
            self._require_account(account_id)
            root_user = self._emulation.root_user(account_id)
            return RootCredentials(
                password=root_user.password_created_at is not None,
                access_keys=tuple(sorted(root_user.access_keys)),
                mfa_devices=tuple(sorted(root_user.mfa_devices)),
                certificates=tuple(sorted(root_user.certificates)),
            )

    def delete(self) -> None:
        """Delete the organization. Its accounts are in none from then on."""
        with self._emulation.lock:
            self._emulation.organization.delete()
            self._emulation.forget_organization()

    def reset(self) -> None:
        """Put everything back to the start, the organization and whatever else moto holds."""
        with self._emulation.lock:
            _reset_moto()
            self._plant()

    def _plant(self) -> None:
        emulation = self._emulation
        seed = self._seed
        emulation.organization.create(organization_id=seed.organization_id, feature_set=seed.feature_set)
        for account_id, name in seed.members:
            emulation.organization.add_account(name=name, email=f"{name}@example.com", account_id=account_id)
        for principal in seed.trusted_services:
            emulation.organization.enable_trusted_access(principal, at=emulation.now())

    def _require_account(self, account_id: str) -> None:
        if self._emulation.organization.account(account_id) is None:
            raise LookupError(f"{account_id} is no account of the organization.")


def _reset_moto() -> None:
    BackendDict.reset()
    reset_model_data()
    forget_memberships()


@contextmanager
def fresh_moto() -> Iterator[None]:
    """Extend the moto of this process, and leave it as it was at the end, without any data."""
    with extended_moto():
        try:
            yield
        finally:
            _reset_moto()


@contextmanager
def mock_organization(*, seed: Seed | None = None) -> Iterator[LocalOrganization]:
    """Emulate an organization for the boto3 clients of this process.

    Args:
        seed: What it starts with; default: the management account 111111111111, the members
            222222222222, 333333333333 and 444444444444, and trusted access for CloudTrail.

    Yields:
        The handle on the organization. Everything is undone at the end.
    """
    with fresh_moto(), mock_aws():
        yield LocalOrganization(seed=seed or Seed())
