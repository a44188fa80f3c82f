"""An organization worth looking at: accounts in units, and root users with credentials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from local_aws.emulation import Organization

SECURITY = "555555555555"
SANDBOX = "666666666666"
ACQUIRED = "777777777777"
CLOSED = "888888888888"

# By name, from the root down; the first members are in every local AWS.
_UNITS = {
    ("Security",): ((SECURITY, "security"),),
    ("Workloads", "Prod"): (("222222222222", "workload-a"), ("333333333333", "workload-b")),
    ("Workloads", "Test"): (("444444444444", "workload-c"), (SANDBOX, "sandbox")),
    ("Acquired",): ((ACQUIRED, "acquired"), (CLOSED, "closed")),
}
# A policy of the time before root sessions, which it denies as well.
DENY_ROOT_USERS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyRootUsers",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}},
        }
    ],
}


def seed_organization(organization: Organization) -> None:
    """Fill a new organization.

    Root users have passwords, an access key that was used this week, an MFA device and a
    certificate. One account is suspended, and a service control policy denies everything to the
    root user of another one.

    Args:
        organization: The organization, with the members that every local AWS has.
    """
    organizations = organization.client("organizations")
    units: dict[tuple[str, ...], str] = {(): organization.root_id}
    for path, accounts in _UNITS.items():
        for depth in range(1, len(path) + 1):
            if path[:depth] not in units:
                response = organizations.create_organizational_unit(
                    ParentId=units[path[: depth - 1]], Name=path[depth - 1]
                )
                units[path[:depth]] = response["OrganizationalUnit"]["Id"]
        for account_id, name in accounts:
            if account_id not in organization.members:
                organization.add_account(
                    name=name, email=f"{name}@example.com", account_id=account_id
                )
            organizations.move_account(
                AccountId=account_id,
                SourceParentId=organization.root_id,
                DestinationParentId=units[path],
            )
    now = datetime.now(UTC)
    # Years ago, as root users' credentials usually are.
    created_at = now - timedelta(days=1900)
    organization.put_root_credentials(
        "333333333333",
        password=True,
        mfa_devices=1,
        password_last_used=now - timedelta(days=412),
        created_at=created_at,
    )
    organization.put_root_credentials(
        "444444444444",
        password=True,
        access_keys=1,
        access_key_last_used=now - timedelta(days=3),
        created_at=created_at,
    )
    organization.put_root_credentials(SANDBOX, password=True, certificates=1, created_at=created_at)
    organization.put_root_credentials(ACQUIRED, password=True, access_keys=2, created_at=created_at)
    organization.attach_policy(name="DenyRootUsers", document=DENY_ROOT_USERS, target_id=ACQUIRED)
    organization.suspend(CLOSED)
    organization.clear_calls()
