"""What the emulation keeps beside moto: features, root users, root sessions, denials, calls, time.

It hangs on moto's Organizations backend of the management account, so that a moto reset resets it.
"""

import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from moto.organizations.models import organizations_backends

from .records import IAM_SERVICE_PRINCIPAL, MANAGEMENT_ACCOUNT_ID, OrganizationRecords
from .task_policies import Feature, TaskPolicy

if TYPE_CHECKING:
    from .handle import Call

DEFAULT_DELEGATED_ADMINISTRATOR_LIMIT = 5

# Seen on AWS: AssumeRoot still worked 60 s after trusted access went off, and no more at 180 s.
_TRUSTED_ACCESS_LINGERS = timedelta(seconds=180)
# Seen on AWS: a deregistered account was denied at 0 s, allowed at 15 s, denied again at 60 s.
_DELEGATION_RETURNS = timedelta(seconds=15)
_DELEGATION_ENDS = timedelta(seconds=60)

_TOKEN_PREFIX = "root-session/"


@dataclass(frozen=True, kw_only=True)
class LastUse:
    """When and where a credential was last used."""

    at: datetime
    service: str
    region: str


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An access key of a root user."""

    id: str
    created_at: datetime
    last_use: LastUse | None


@dataclass(frozen=True, kw_only=True)
class MfaDevice:
    """An MFA device of a root user."""

    serial_number: str
    enabled_at: datetime


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A signing certificate of a root user."""

    id: str
    body: str
    uploaded_at: datetime


@dataclass(kw_only=True)
class RootUser:
    """The root user of an account: its credentials, each by its id."""

    password_created_at: datetime | None = None
    password_last_used: datetime | None = None
    access_keys: dict[str, AccessKey] = field(default_factory=dict)
    mfa_devices: dict[str, MfaDevice] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RootSession:
    """A session that AssumeRoot handed out."""

    account_id: str
    task_policy: TaskPolicy
    token: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Denial:
    """A denied action; without a message AWS's own is answered."""

    account_id: str
    action: str
    message: str | None


class Emulation:
    """The state of one emulated organization."""

    def __init__(self, backend: Any) -> None:
        # Calls come from several threads; each is answered whole before the next.
        self.lock = threading.RLock()
        self.organization = OrganizationRecords(backend)
        self.calls: list[Call] = []
        self.features: set[Feature] = set()
        self.delegated_administrator_limit = DEFAULT_DELEGATED_ADMINISTRATOR_LIMIT
        self.latency = 0.0
        self._advanced = timedelta()
        self._denials: dict[tuple[str, str], Denial] = {}
        self._root_users: dict[str, RootUser] = {}
        self._sessions: dict[str, RootSession] = {}
        self._trusted_access_ended_at: datetime | None = None
        self._delegations_ended_at: dict[str, datetime] = {}

    def now(self) -> datetime:
        """The time by the emulation's clock, which runs as any other and can be advanced."""
        return datetime.now(UTC) + self._advanced

    def advance_clock(self, duration: timedelta) -> None:
        """Move the clock forward."""
        if duration < timedelta():
            raise ValueError("The clock only moves forward.")
        self._advanced += duration

    def set_latency(self, seconds: float) -> None:
        """Set how long every call takes to arrive."""
        if seconds < 0:
            raise ValueError("A call takes no less than no time to arrive.")
        self.latency = seconds

    def deny(self, denial: Denial) -> None:
        """Deny an action."""
        self._denials[denial.account_id, denial.action] = denial

    def allow(self, *, account_id: str, action: str) -> None:
        """Take back a denial, if there is one."""
        self._denials.pop((account_id, action), None)

    def denial(self, *, account_id: str, action: str) -> Denial | None:
        """The denial that an account's action meets, or None."""
        for denial in self._denials.values():
            if denial.account_id == account_id and fnmatchcase(action, denial.action):
                return denial
        return None

    @property
    def has_trusted_access(self) -> bool:
        """Whether IAM's trusted access is on."""
        return IAM_SERVICE_PRINCIPAL in self.organization.trusted_access()

    def trusted_access_ended(self) -> None:
        """Remember that IAM's trusted access was turned off now."""
        self._trusted_access_ended_at = self.now()

    def delegation_ended(self, account_id: str) -> None:
        """Remember that an account was deregistered for IAM now."""
        self._delegations_ended_at[account_id] = self.now()

    def trusted_access_lasts(self) -> bool:
        """Whether AssumeRoot works: it does for a while after trusted access was turned off."""
        ended_at = self._trusted_access_ended_at
        return self.has_trusted_access or (
            ended_at is not None and self.now() - ended_at < _TRUSTED_ACCESS_LINGERS
        )

    def may_assume_root(self, account_id: str) -> bool:
        """Whether AssumeRoot works for an account: it may for a while after deregistration."""
        if account_id == MANAGEMENT_ACCOUNT_ID:
            return self.organization.exists
        if account_id in self.organization.delegated_administrators(IAM_SERVICE_PRINCIPAL):
            return True
        ended_at = self._delegations_ended_at.get(account_id)
        return ended_at is not None and _DELEGATION_RETURNS <= self.now() - ended_at < _DELEGATION_ENDS

    def root_user(self, account_id: str) -> RootUser:
        """The root user of an account."""
        return self._root_users.setdefault(account_id, RootUser())

    def put_root_user(self, account_id: str, root_user: RootUser) -> None:
        """Replace the root user of an account."""
        self._root_users[account_id] = root_user

    def open_root_session(
        self, *, account_id: str, task_policy: TaskPolicy, expires_at: datetime
    ) -> RootSession:
        """Open a root session in a member account."""
        session = RootSession(
            account_id=account_id,
            task_policy=task_policy,
            token=_TOKEN_PREFIX + secrets.token_urlsafe(96),
            expires_at=expires_at,
        )
        self._sessions[session.token] = session
        return session

    def root_session(self, token: str) -> RootSession | None:
        """The root session that a token belongs to, expired or not, or None if there is none."""
        return self._sessions.get(token)

    def forget_organization(self) -> None:
        """Forget what belonged to an organization that is no more."""
        self.features.clear()
        self._trusted_access_ended_at = None
        self._delegations_ended_at.clear()


def current_emulation() -> Emulation:
    """The emulation that the requests of this process reach."""
    backend = organizations_backends[MANAGEMENT_ACCOUNT_ID]["aws"]
    attributes: dict[str, Any] = vars(backend)
    found = attributes.get("root_access")
    if not isinstance(found, Emulation):
        # Atomic, for the first calls may come at once.
        found = attributes.setdefault("root_access", Emulation(backend))
    return found


def is_root_session_token(token: str | None) -> bool:
    """Whether a security token looks like one that AssumeRoot handed out."""
    return token is not None and token.startswith(_TOKEN_PREFIX)


def in_listed_order(features: Iterable[Feature]) -> list[str]:
    """Features in the order in which AWS lists them."""
    present = set(features)
    return [feature.value for feature in Feature if feature in present]
