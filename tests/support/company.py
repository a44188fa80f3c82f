"""An organization of 300 accounts, as a company has it after some years."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from support.accounts import MEMBER, OTHER, THIRD
from support.scp import document, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_aws.emulation import LocalOrganization

ACCOUNTS, HAVING, IN_USE, INACCESSIBLE, SKIPPED = 300, 76, 8, 5, 6
PLANNED = HAVING - IN_USE
NOTHING_TO_DO = ACCOUNTS - HAVING - INACCESSIBLE - SKIPPED
USED_LONG_AGO = datetime(2024, 5, 14, 9, 30, tzinfo=UTC)
USED_LATELY = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

_TEAMS = [
    "payments",
    "checkout",
    "catalogue",
    "search",
    "logistics",
    "warehouse",
    "returns",
    "loyalty",
    "pricing",
    "fraud",
    "identity",
    "content",
    "notifications",
    "data-platform",
    "machine-learning",
    "finance-reporting",
    "customer-service",
    "store-operations",
    "legal",
    "supplier-portal",
    "mobile-app",
    "web-shop",
    "people",
    "observability",
    "network",
    "backup",
    "security-tooling",
    "partner-api",
    "developer-experience",
]
_STAGES = {
    "prod": "Production",
    "staging": "Staging",
    "dev": "Development",
    "sandbox": "Sandbox",
    "lab": "Lab",
}


def add_company(organization: LocalOrganization) -> None:
    """Add accounts up to 300, in organizational units, 76 of them with root credentials."""
    client = organization.client("organizations")
    root = organization.root_id

    def add_unit(name: str, parent: str) -> str:
        unit = client.create_organizational_unit(ParentId=parent, Name=name)
        return str(unit["OrganizationalUnit"]["Id"])

    workloads = add_unit("Workloads", root)
    units = {stage: add_unit(name, workloads) for stage, name in _STAGES.items()}
    acquired = add_unit("Acquired", root)

    def add_account(name: str, unit: str) -> str:
        account = organization.add_account(name=name, email=f"aws+{name}@example.com")
        client.move_account(AccountId=account, SourceParentId=root, DestinationParentId=unit)
        return account

    names = itertools.product(_STAGES, _TEAMS, ("", "-eu"))
    others = ACCOUNTS - 1 - len((MEMBER, OTHER, THIRD)) - INACCESSIBLE - (SKIPPED - 1)
    added = [
        add_account(f"{team}-{stage}{place}", units[stage])
        for stage, team, place in itertools.islice(names, others)
    ]
    for account, credentials in zip(added[::3], _credentials(), strict=False):
        organization.put_root_credentials(account_id=account, **credentials)  # type: ignore[arg-type]
    for number in range(1, INACCESSIBLE + 1):
        add_account(f"acquired-shop-{number}", acquired)
    deny = document(statement(Sid="DenyRoot", Action="*"))
    organization.attach_service_control_policy(name="deny-root", document=deny, target_id=acquired)
    for number in range(1, SKIPPED):
        organization.suspend(add_account(f"closed-lab-{number}", units["lab"]))


def _credentials() -> Iterator[dict[str, object]]:
    """Yield what the root users of 76 accounts have."""
    password = {"password": True, "password_last_used": USED_LONG_AGO}
    yield from [{"access_keys": 1, "access_key_last_used": USED_LATELY}] * IN_USE
    yield from [{**password, "mfa_devices": 1}] * 4
    yield from [{"access_keys": 1, "access_key_last_used": USED_LONG_AGO}] * 4
    yield from [{**password, "access_keys": 1, "certificates": 1}] * 2
    yield from [password] * (PLANNED - 4 - 4 - 2)
