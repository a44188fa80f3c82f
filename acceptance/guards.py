"""The refusals of a run: an organization of another name, a large one, one in use."""

from __future__ import annotations

from enum import StrEnum

from botocore.exceptions import ClientError

from acceptance.callers import Callers
from acceptance.model import Level
from acceptance.resources import find_delegates, find_root_credentials, observe_root_access
from acceptance.state import CREDENTIALS, SESSIONS, State, StateField

MAX_ACCOUNTS = 10
_ENABLED = {
    StateField.TRUSTED_ACCESS: "Trusted access of IAM",
    StateField.CREDENTIALS: CREDENTIALS,
    StateField.SESSIONS: SESSIONS,
}


class Refusal(StrEnum):
    """The reason for which a run is refused, as a sentence with place holders."""

    OTHER_ACCOUNT = "The credentials are of account {actual}, not of {expected}."
    OTHER_ORGANIZATION = "The account is in the organization {actual}, not in {expected}."
    NOT_MANAGEMENT = "Account {actual} is not the management account of the organization."
    ROOT_CALLER = (
        "The credentials are those of a root user, which cannot call AssumeRoot. Use a role or a "
        "user."
    )
    NOT_ALL_FEATURES = (
        "The organization has consolidated billing only. Root access needs all features."
    )
    LARGE = "The organization has more than {maximum} accounts. Use one for tests only."
    IN_USE = (
        "{what} is enabled in the organization, and this would change it. "
        "If no one relies on it, add --allow-changes."
    )
    DELEGATES = "The organization has delegated administrators for IAM. Deregister them first."
    NOT_A_MEMBER = "Account {account} is not an active member account of the organization."
    SAME_ACCOUNT = "The member account and the account to register must be two accounts."
    MEMBER_REQUIRED = "A run of the level {level} needs a disposable member account: --member."
    ROLE_DENIED = "The role {role} in account {account} cannot be assumed: {code}."
    ROOT_CREDENTIALS = (
        "The root user of account {account} has credentials. A deletion cannot be undone, "
        "so the member account must have none."
    )
    NOT_CONFIRMED = "That is not the id of the organization. Nothing was changed."


class RunRefusedError(Exception):
    """The run would be in the wrong place.

    Attributes:
        refusal: Why.
    """

    def __init__(self, refusal: Refusal, **data: object) -> None:
        super().__init__(refusal.format(**data))
        self.refusal = refusal


def check_identity(callers: Callers) -> None:
    """Refuse another account or another organization than the named ones.

    Raises:
        RunRefusedError: It is another one.
    """
    names = callers.names
    caller = callers.own("sts").get_caller_identity()
    if caller["Account"] != names.management:
        raise RunRefusedError(
            Refusal.OTHER_ACCOUNT, actual=caller["Account"], expected=names.management
        )
    if caller["Arn"].endswith(":root"):
        raise RunRefusedError(Refusal.ROOT_CALLER)
    organization = callers.own("organizations").describe_organization()["Organization"]
    if organization["Id"] != names.organization_id:
        raise RunRefusedError(
            Refusal.OTHER_ORGANIZATION, actual=organization["Id"], expected=names.organization_id
        )
    if organization["MasterAccountId"] != names.management:
        raise RunRefusedError(Refusal.NOT_MANAGEMENT, actual=names.management)
    if organization["FeatureSet"] != "ALL":
        raise RunRefusedError(Refusal.NOT_ALL_FEATURES)


def check_organization(callers: Callers, level: Level, *, allow_changes: bool) -> State:
    """Refuse an organization that a run of this level could harm, and return its state; only read.

    Args:
        callers: The clients.
        level: The level.
        allow_changes: Whether the run may change root access that is enabled.

    Raises:
        RunRefusedError: The run could harm it.
    """
    check_identity(callers)
    names = callers.names
    if names.member is not None and names.member == names.delegate:
        raise RunRefusedError(Refusal.SAME_ACCOUNT)
    if names.member is None and level.includes(Level.MEMBER):
        raise RunRefusedError(Refusal.MEMBER_REQUIRED, level=level)
    _check_accounts(callers, level)
    state = observe_root_access(callers)
    if level is not Level.READ:
        if state.trusted_access and find_delegates(callers):
            raise RunRefusedError(Refusal.DELEGATES)
        in_use = [name for field, name in _ENABLED.items() if getattr(state, field)]
        if in_use and not allow_changes:
            raise RunRefusedError(Refusal.IN_USE, what=", ".join(in_use))
    check_roles(callers)
    if level.includes(Level.MEMBER) and find_root_credentials(callers):
        raise RunRefusedError(Refusal.ROOT_CREDENTIALS, account=names.member)
    return state


def _check_accounts(callers: Callers, level: Level) -> None:
    """Refuse a large organization, and named accounts that are not its active members."""
    active = set()
    count = 0
    for page in callers.own("organizations").get_paginator("list_accounts").paginate():
        count += len(page["Accounts"])
        if count > MAX_ACCOUNTS and level is not Level.READ:
            raise RunRefusedError(Refusal.LARGE, maximum=MAX_ACCOUNTS)
        active |= {
            account["Id"]
            for account in page["Accounts"]
            if account.get("State", account.get("Status")) == "ACTIVE"
        }
    for account_id in filter(None, (callers.names.member, callers.names.delegate)):
        if account_id not in active or account_id == callers.names.management:
            raise RunRefusedError(Refusal.NOT_A_MEMBER, account=account_id)


def check_roles(callers: Callers) -> None:
    """Refuse accounts in which the role cannot be assumed.

    Raises:
        RunRefusedError: It cannot be assumed.
    """
    for account_id in filter(None, (callers.names.member, callers.names.delegate)):
        try:
            callers.assume_role_in(account_id)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise RunRefusedError(
                Refusal.ROLE_DENIED, role=callers.names.role, account=account_id, code=code
            ) from error
