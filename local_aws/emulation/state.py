"""The state that is not in moto: features, root users, root sessions, denials, calls, time.

It is an attribute of moto's Organizations backend of the management account, so a moto reset
resets it.
"""

import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.organizations.models import organizations_backends

from local_aws.session_token import ROOT_SESSION

from .features import Feature
from .records import IAM_SERVICE_PRINCIPAL, MANAGEMENT_ACCOUNT_ID, OrganizationRecords
from .task_policies import TaskPolicy
from .values import Call

DEFAULT_DELEGATED_ADMINISTRATOR_LIMIT = 5

# Seen on AWS: AssumeRoot worked 60 s after trusted access was disabled, and did not at 180 s.
_TRUSTED_ACCESS_ENDS_AFTER = timedelta(seconds=180)
# Seen on AWS: a deregistered account was denied at 0 s, allowed at 15 s, denied again at 60 s.
_DELEGATION_RETURNS_AFTER = timedelta(seconds=15)
_DELEGATION_ENDS_AFTER = timedelta(seconds=60)

_ROOT_ACCESS_KEY = re.compile(r"AKIA(?P<account_id>[0-9]{12})[0-9]{4}")


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An access key of a root user."""

    id: str
    created_at: datetime
    last_use: datetime | None


@dataclass(kw_only=True)
class RootUser:
    """The root user of an account: its credentials, each by its id.

    Attributes:
        password_created_at: When its password was created, if it has one.
        password_last_used: When the password was last used.
        access_keys: The access keys.
        mfa_devices: When each MFA device was enabled.
        certificates: When each signing certificate was uploaded.
    """

    password_created_at: datetime | None = None
    password_last_used: datetime | None = None
    access_keys: dict[str, AccessKey] = field(default_factory=dict)
    mfa_devices: dict[str, datetime] = field(default_factory=dict)
    certificates: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RootSession:
    """A session that AssumeRoot issued."""

    account_id: str
    task_policy: TaskPolicy
    token: str
    expires_at: datetime


class Emulation:
    """The state of one emulated organization."""

    def __init__(self, backend: Any) -> None:
        # Calls come from several threads; each is handled completely before the next.
        self.lock = threading.RLock()
        self.organization = OrganizationRecords(backend)
        self.calls: list[Call] = []
        self.features: set[Feature] = set()
        self.delegated_administrator_limit = DEFAULT_DELEGATED_ADMINISTRATOR_LIMIT
        # Each with its message, or an empty one for AWS's own.
        self.denials: dict[tuple[str, str], str] = {}
        self.root_users: dict[str, RootUser] = {}
        self._advanced = timedelta()
        self._sessions: dict[str, RootSession] = {}
        self._trusted_access_disabled_at: datetime | None = None
        self._deregistered_at: dict[str, datetime] = {}

    def now(self) -> datetime:
        """Return the time by the emulation's clock, which can be advanced."""
        return datetime.now(UTC) + self._advanced

    def advance_clock(self, duration: timedelta) -> None:
        """Move the clock forward."""
        self._advanced += duration

    def denial(self, *, account_id: str, action: str) -> str | None:
        """Return the message of the denial that applies to an account's action, or None."""
        for (denied_account_id, denied_action), message in self.denials.items():
            if denied_account_id == account_id and fnmatchcase(action, denied_action):
                return message
        return None

    @property
    def has_trusted_access(self) -> bool:
        """True if IAM's trusted access is enabled."""
        return IAM_SERVICE_PRINCIPAL in self.organization.trusted_access()

    def record_trusted_access_disabled(self) -> None:
        """Record that IAM's trusted access was disabled now."""
        self._trusted_access_disabled_at = self.now()

    def record_deregistration(self, account_id: str) -> None:
        """Record that an account was deregistered for IAM now."""
        self._deregistered_at[account_id] = self.now()

    def is_trusted_access_in_effect(self) -> bool:
        """Return whether AssumeRoot works: also for a while after trusted access was disabled."""
        disabled_at = self._trusted_access_disabled_at
        return self.has_trusted_access or (
            disabled_at is not None and self.now() - disabled_at < _TRUSTED_ACCESS_ENDS_AFTER
        )

    def may_assume_root(self, account_id: str) -> bool:
        """Return whether AssumeRoot works for an account: also a while after deregistration."""
        if account_id == MANAGEMENT_ACCOUNT_ID:
            return self.organization.exists
        if account_id in self.organization.delegated_administrators(IAM_SERVICE_PRINCIPAL):
            return True
        deregistered_at = self._deregistered_at.get(account_id)
        return (
            deregistered_at is not None
            and _DELEGATION_RETURNS_AFTER <= self.now() - deregistered_at < _DELEGATION_ENDS_AFTER
        )

    def root_user(self, account_id: str) -> RootUser:
        """Return the root user of an account."""
        return self.root_users.setdefault(account_id, RootUser())

    def account_of_root_key(self, access_key_id: str) -> str | None:
        """Return the account whose root user has an access key, or None."""
        # Each request asks for it, so it must not take longer with more accounts.
        match = _ROOT_ACCESS_KEY.fullmatch(access_key_id)
        if match is None:
            return None
        root_user = self.root_users.get(match["account_id"])
        return match["account_id"] if root_user and access_key_id in root_user.access_keys else None

    def open_root_session(
        self, *, run_token: str, account_id: str, task_policy: TaskPolicy, expires_at: datetime
    ) -> RootSession:
        """Open a root session in a member account."""
        session = RootSession(
            account_id=account_id,
            task_policy=task_policy,
            token=run_token + ROOT_SESSION + secrets.token_urlsafe(96),
            expires_at=expires_at,
        )
        self._sessions[session.token] = session
        return session

    def root_session(self, token: str) -> RootSession | None:
        """Return the root session of a token, expired or not, or None."""
        return self._sessions.get(token)

    def clear_organization(self) -> None:
        """Clear the state of an organization that was deleted."""
        self.features.clear()
        self._trusted_access_disabled_at = None
        self._deregistered_at.clear()


def root_access_key_id(account_id: str, number: int) -> str:
    """Return the id of a root user's access key; the account is in it."""
    return f"AKIA{account_id}{number:04}"


def current_emulation() -> Emulation:
    """Return the emulation that the requests of this process reach."""
    backend = organizations_backends[MANAGEMENT_ACCOUNT_ID]["aws"]
    attributes: dict[str, Any] = vars(backend)
    found = attributes.get("root_access")
    if not isinstance(found, Emulation):
        # Atomic, because the first calls may come in parallel.
        found = attributes.setdefault("root_access", Emulation(backend))
    return found


def reset_moto() -> None:
    """Delete everything in moto, and with it the emulation."""
    BackendDict.reset()
    reset_model_data()
    # A moto reset keeps which account is in which organization.
    organizations_backends.master_accounts.clear()


def is_root_session_token(token: str | None) -> bool:
    """Return whether a security token looks like one that AssumeRoot issued."""
    return token is not None and ROOT_SESSION in token
