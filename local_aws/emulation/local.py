"""The emulated organization of this process: its handle and its initial state."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from moto import mock_aws
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from typing_extensions import override

from .accounts import DEFAULT_SECRET_ACCESS_KEY
from .authorization import root_session_denial
from .extension import extend_moto
from .handle import Organization
from .records import IAM_SERVICE_PRINCIPAL, MANAGEMENT_ACCOUNT_ID, clear_memberships
from .state import (
    AccessKey,
    Certificate,
    Denial,
    Emulation,
    LastUse,
    MfaDevice,
    RootUser,
    current_emulation,
    root_access_key_id,
)
from .values import Call, OtherServices, RootAccess, RootCredentials

FeatureSet = Literal["ALL", "CONSOLIDATED_BILLING"]


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
    feature_set: FeatureSet = "ALL"
    members: tuple[tuple[str, str], ...] = (
        ("222222222222", "workload-a"),
        ("333333333333", "workload-b"),
        ("444444444444", "workload-c"),
    )
    trusted_services: tuple[str, ...] = ("cloudtrail.amazonaws.com",)


class LocalOrganization(Organization):
    """The emulated organization of this process."""

    def __init__(
        self, *, seed: Seed, url: str | None = None, secret_access_key: str = DEFAULT_SECRET_ACCESS_KEY
    ) -> None:
        """Create the organization.

        Args:
            seed: Its initial state.
            url: Where it is served; clients then call over HTTP. Default: in this process alone.
            secret_access_key: What its clients sign with.
        """
        super().__init__(endpoint_url=url, secret_access_key=secret_access_key)
        self.url = url
        self._seed = seed
        self.reset()

    @property
    def _emulation(self) -> Emulation:
        return current_emulation()

    @property
    @override
    def id(self) -> str:
        return self._emulation.organization.id

    @property
    @override
    def management_account_id(self) -> str:
        return MANAGEMENT_ACCOUNT_ID

    @property
    @override
    def root_id(self) -> str:
        return self._emulation.organization.root_id

    @property
    @override
    def members(self) -> tuple[str, ...]:
        account_ids = self._emulation.organization.account_ids
        return tuple(a for a in account_ids if a != MANAGEMENT_ACCOUNT_ID)

    @property
    @override
    def calls(self) -> tuple[Call, ...]:
        with self._emulation.lock:
            return tuple(self._emulation.calls)

    @override
    def clear_calls(self) -> None:
        with self._emulation.lock:
            self._emulation.calls.clear()

    @override
    def root_access(self) -> RootAccess:
        emulation = self._emulation
        with emulation.lock:
            return RootAccess(
                trusted_access=emulation.organization.trusted_access(),
                features=frozenset(feature.value for feature in emulation.features),
                delegated_administrators=tuple(
                    emulation.organization.delegated_administrators(IAM_SERVICE_PRINCIPAL)
                ),
            )

    @override
    def other_services(self) -> OtherServices:
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

    @override
    def deny(self, *, account_id: str, action: str, message: str | None = None) -> None:
        with self._emulation.lock:
            self._emulation.deny(Denial(account_id=account_id, action=action, message=message))

    @override
    def allow(self, *, account_id: str, action: str) -> None:
        with self._emulation.lock:
            self._emulation.allow(account_id=account_id, action=action)

    @override
    def hide_policy_arns(self) -> None:
        self._emulation.shows_policy_arns = False

    @override
    def attach_policy(
        self, *, name: str, document: Mapping[str, object], target_id: str, policy_type: str
    ) -> str:
        with self._emulation.lock:
            return self._emulation.organization.attach_new_policy(
                name=name, content=json.dumps(document), target_id=target_id, policy_type=policy_type
            )

    @override
    def root_session_denial(self, *, token: str, action: str, resource: str, region: str) -> str | None:
        with self._emulation.lock:
            session = self._emulation.root_session(token)
            if session is None:
                return None
            return root_session_denial(
                self._emulation, session, action=action, resource=resource, region=region
            )

    @override
    def advance_clock(self, seconds: float) -> None:
        with self._emulation.lock:
            self._emulation.advance_clock(timedelta(seconds=seconds))

    @override
    def set_latency(self, seconds: float) -> None:
        self._emulation.set_latency(seconds)

    @override
    def set_delegated_administrator_limit(self, limit: int) -> None:
        self._emulation.delegated_administrator_limit = limit

    @override
    def add_account(self, *, name: str, email: str, account_id: str | None = None) -> str:
        with self._emulation.lock:
            return self._emulation.organization.add_account(name=name, email=email, account_id=account_id)

    @override
    def suspend(self, account_id: str) -> None:
        with self._emulation.lock:
            self._emulation.organization.suspend(account_id)

    @override
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
        with self._emulation.lock:
            self._require_account(account_id)
            now = self._emulation.now()
            used_at = access_key_last_used
            last_use = LastUse(at=used_at, service="s3", region="us-east-1") if used_at else None
            keys = [
                AccessKey(id=root_access_key_id(account_id, number), created_at=now, last_use=last_use)
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

    @override
    def root_credentials(self, account_id: str) -> RootCredentials:
        with self._emulation.lock:
            self._require_account(account_id)
            root_user = self._emulation.root_user(account_id)
            return RootCredentials(
                password=root_user.password_created_at is not None,
                access_keys=tuple(sorted(root_user.access_keys)),
                mfa_devices=tuple(sorted(root_user.mfa_devices)),
                certificates=tuple(sorted(root_user.certificates)),
            )

    @override
    def delete(self) -> None:
        with self._emulation.lock:
            self._emulation.organization.delete()
            self._emulation.clear_organization()

    @override
    def reset(self) -> None:
        with self._emulation.lock:
            _reset_moto()
            self._apply_seed()

    def _apply_seed(self) -> None:
        emulation = self._emulation
        seed = self._seed
        emulation.organization.create(organization_id=seed.organization_id, feature_set=seed.feature_set)
        for account_id, name in seed.members:
            emulation.organization.add_account(name=name, email=f"{name}@example.com", account_id=account_id)
        for principal in seed.trusted_services:
            emulation.organization.enable_trusted_access(principal, at=emulation.now())

    def _require_account(self, account_id: str) -> None:
        if self._emulation.organization.account(account_id) is None:
            raise LookupError(f"Account {account_id} is not a member of the organization.")


def _reset_moto() -> None:
    BackendDict.reset()
    reset_model_data()
    clear_memberships()


@contextmanager
def fresh_moto() -> Iterator[None]:
    """Extend the moto of this process; at the end undo that and delete all data."""
    with extend_moto():
        try:
            yield
        finally:
            _reset_moto()


@contextmanager
def mock_organization(*, seed: Seed | None = None) -> Iterator[LocalOrganization]:
    """Emulate an organization for the boto3 clients of this process.

    Args:
        seed: Its initial state; default: the management account 111111111111, the members
            222222222222, 333333333333 and 444444444444, and trusted access for CloudTrail.

    Yields:
        The handle on the organization. At the end the emulation is undone.
    """
    with fresh_moto(), mock_aws():
        yield LocalOrganization(seed=seed or Seed())
