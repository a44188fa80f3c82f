"""The accounts, trusted access and delegations in moto's Organizations backend, with types.

The emulation has one organization, that of its management account. Its state is only in moto
where moto has a place for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.organizations.models import FakeAccount, organizations_backends

from .organization_policies import AttachedPolicy, require_valid_policy

MANAGEMENT_ACCOUNT_ID = "111111111111"
IAM_SERVICE_PRINCIPAL = "iam.amazonaws.com"

_SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account of the organization."""

    id: str
    joined_at: datetime
    suspended: bool


class OrganizationRecords:
    """The part of the organization that is in moto."""

    def __init__(self, backend: Any) -> None:
        # The operations left to moto use it, too.
        self.moto_backend = backend

    @property
    def exists(self) -> bool:
        """True if the organization exists."""
        return self.moto_backend.org is not None

    @property
    def id(self) -> str:
        """The organization's id."""
        return str(self._organization.id)

    @property
    def has_all_features(self) -> bool:
        """True if the organization is more than consolidated billing."""
        return bool(self._organization.feature_set == "ALL")

    @property
    def _organization(self) -> Any:
        """Moto's organization."""
        if self.moto_backend.org is None:
            raise LookupError("The organization does not exist.")
        return self.moto_backend.org

    @property
    def root_id(self) -> str:
        """The id of the organization's root."""
        return str(self._organization.root_id)

    @property
    def account_ids(self) -> tuple[str, ...]:
        """Every account of the organization, in the order in which they joined."""
        return tuple(str(account.id) for account in self.moto_backend.accounts)

    def account(self, account_id: str) -> Account | None:
        """Return an account of the organization, or None if the account is not a member."""
        account = self._find_account(account_id)
        if account is None:
            return None
        return Account(
            id=account_id,
            joined_at=account.create_time.replace(tzinfo=UTC),
            suspended=account.state == _SUSPENDED,
        )

    def describe_accounts(self, account_ids: Sequence[str]) -> list[dict[str, object]]:
        """Return the accounts as Organizations describes them."""
        by_id = {str(account.id): account for account in self.moto_backend.accounts}
        accounts = []
        for account_id in account_ids:
            account = by_id[account_id]
            path = "/".join(str(entity.id) for entity in self._path_to(account))
            described = {**account.describe(), "Paths": [f"{self.id}/{path}/"]}
            # AWS retired it on 2026-09-09.
            del described["Status"]
            accounts.append(described)
        return accounts

    def account_ids_under(self, parent_id: str) -> list[str]:
        """Return the accounts directly under a root or an organizational unit."""
        self.moto_backend.validate_parent_id(parent_id)
        return [
            str(account.id)
            for account in self.moto_backend.accounts
            if account.parent_id == parent_id
        ]

    def suspend(self, account_id: str) -> None:
        """Suspend an account."""
        account = self._find_account(account_id)
        if account is None:
            raise LookupError(f"Account {account_id} is not a member of the organization.")
        account.status = account.state = _SUSPENDED

    def create(self, *, organization_id: str, feature_set: str) -> None:
        """Create the organization with a given id."""
        self.moto_backend.create_organization(region="us-east-1", FeatureSet=feature_set)
        backend = self.moto_backend
        backend.org.id = organization_id
        for entity in (*backend.accounts, *backend.ou, *backend.policies):
            entity.organization_id = organization_id
        for policy in backend.policies:
            # They are AWS's own, not the management account's.
            policy._arn_format = f"arn:{{0}}:organizations::aws:policy/{policy.type.lower()}/{{3}}"

    def delete(self) -> None:
        """Delete the organization with all its accounts."""
        for account_id in self.account_ids:
            organizations_backends.master_accounts.pop(account_id, None)
        self.moto_backend._reset()

    def add_account(self, *, name: str, email: str, account_id: str | None) -> str:
        """Add a member account and return its id.

        moto's own CreateAccount picks the id, and slows down with the number of accounts.
        """
        account = FakeAccount(self._organization, AccountName=name, Email=email)
        account.id = account_id = account_id or str(account.id)
        self.moto_backend.accounts.append(account)
        for policy in self.moto_backend.policies:
            if policy.aws_managed:
                account.attached_policies.append(policy)
                policy.attachments.append(account)
        organizations_backends.master_accounts[account_id] = (
            MANAGEMENT_ACCOUNT_ID,
            self.moto_backend.partition,
        )
        return account_id

    def is_policy_type_enabled(self, policy_type: str) -> bool:
        """Return whether a policy type is enabled on the root."""
        return any(
            entry["Type"] == policy_type
            for entry in self.moto_backend._get_root_by_id(self.root_id).policy_types
        )

    def attach_managed_policies(self, policy_type: str) -> None:
        """Attach AWS's own policy of a type everywhere, as enabling the type does."""
        for policy in self._policies_of(policy_type):
            if policy.aws_managed:
                for target in (*self.moto_backend.ou, *self.moto_backend.accounts):
                    self.moto_backend.attach_policy(PolicyId=policy.id, TargetId=target.id)

    def detach_policies(self, policy_type: str) -> None:
        """Detach all policies of a type, as disabling the type does."""
        for policy in self._policies_of(policy_type):
            for target in list(policy.attachments):
                self.moto_backend.detach_policy(PolicyId=policy.id, TargetId=target.id)

    def policy_type(self, policy_id: str) -> str:
        """Return the type of a policy."""
        return str(self.moto_backend.get_policy_by_id(policy_id).type)

    def is_policy_target(self, target_id: str) -> bool:
        """Return whether an id is the root's, an organizational unit's or an account's."""
        return self._find_target(target_id) is not None

    def policy_ids_of(self, target_id: str, *, policy_type: str) -> list[str]:
        """Return the policies of a type that are attached to a target."""
        attached = self._find_target(target_id).attached_policies
        return [str(policy.id) for policy in attached if policy.type == policy_type]

    def targets_of_policy(self, policy_id: str) -> list[dict[str, object]]:
        """Return what a policy is attached to, as Organizations lists it."""
        return list(self.moto_backend.list_targets_for_policy(PolicyId=policy_id)["Targets"])

    def attach_new_policy(
        self, *, name: str, content: str, target_id: str, policy_type: str
    ) -> str:
        """Create a policy, attach it and return its ID; enable its type if necessary."""
        if not self.is_policy_target(target_id):
            raise LookupError(f"{target_id} is not a root, an organizational unit or an account.")
        if any(policy.name == name for policy in self.moto_backend.policies):
            raise ValueError(f"A policy with the name {name} exists already.")
        require_valid_policy(content, policy_type=policy_type)
        if not self.is_policy_type_enabled(policy_type):
            self.moto_backend.enable_policy_type(RootId=self.root_id, PolicyType=policy_type)
            self.attach_managed_policies(policy_type)
        created = self.moto_backend.create_policy(
            Name=name, Description="", Type=policy_type, Content=content
        )
        policy_id = str(created["Policy"]["PolicySummary"]["Id"])
        self.moto_backend.attach_policy(PolicyId=policy_id, TargetId=target_id)
        return policy_id

    def policies_by_level(self, account_id: str, *, policy_type: str) -> list[list[AttachedPolicy]]:
        """Return the policies of a type from the root to an account, if they apply to it."""
        if account_id == MANAGEMENT_ACCOUNT_ID or not self.is_policy_type_enabled(policy_type):
            return []
        account = self._find_account(account_id)
        if account is None:
            return []
        return [
            [
                AttachedPolicy(arn=str(policy.arn), content=str(policy.content))
                for policy in entity.attached_policies
                if policy.type == policy_type
            ]
            for entity in self._path_to(account)
        ]

    def _path_to(self, account: Any) -> list[Any]:
        """Return moto's root, the organizational units below it, and an account in them."""
        units = {unit.id: unit for unit in self.moto_backend.ou}
        path = [account]
        while path[0].parent_id is not None:
            path.insert(0, units[path[0].parent_id])
        return path

    def _policies_of(self, policy_type: str) -> list[Any]:
        """Return moto's policies of a type."""
        return [policy for policy in self.moto_backend.policies if policy.type == policy_type]

    def _find_target(self, target_id: str) -> Any:
        """Return moto's root, organizational unit or account with an ID, or None."""
        return _find_entity(self.moto_backend.ou + self.moto_backend.accounts, target_id)

    def trusted_access(self) -> dict[str, datetime]:
        """Return each service principal with trusted access, and since when."""
        return {
            str(entry["ServicePrincipal"]): _to_datetime(entry["DateEnabled"])
            for entry in self.moto_backend.services
        }

    def enable_trusted_access(self, principal: str, *, at: datetime) -> None:
        """Enable a service's trusted access. If it is enabled already, its date stays."""
        if principal not in self.trusted_access():
            self.moto_backend.services.append(
                {"ServicePrincipal": principal, "DateEnabled": at.timestamp()}
            )

    def disable_trusted_access(self, principal: str) -> None:
        """Disable a service's trusted access."""
        self.moto_backend.disable_aws_service_access(ServicePrincipal=principal)

    def delegated_administrators(self, principal: str) -> dict[str, datetime]:
        """Return the accounts registered for a service, oldest first, and since when."""
        dates = {
            account_id: services[principal]
            for account_id, services in self.delegations().items()
            if principal in services
        }
        return dict(sorted(dates.items(), key=lambda entry: entry[1]))

    def delegations(self) -> dict[str, dict[str, datetime]]:
        """Return each registered account with its services, and since when."""
        return {
            str(administrator.account.id): {
                str(principal): _to_datetime(service["DelegationEnabledDate"])
                for principal, service in administrator.services.items()
            }
            for administrator in self.moto_backend.admins
        }

    def register(self, *, account_id: str, principal: str, at: datetime) -> None:
        """Register an account for a service."""
        self.moto_backend.register_delegated_administrator(
            AccountId=account_id, ServicePrincipal=principal
        )
        for administrator in self.moto_backend.admins:
            if administrator.account.id == account_id:
                administrator.services[principal]["DelegationEnabledDate"] = at.timestamp()

    def deregister(self, *, account_id: str, principal: str) -> None:
        """Deregister an account for a service."""
        self.moto_backend.deregister_delegated_administrator(
            AccountId=account_id, ServicePrincipal=principal
        )

    def _find_account(self, account_id: str) -> Any:
        """Return moto's account with an ID, or None."""
        return _find_entity(self.moto_backend.accounts, account_id)


def _find_entity(entities: Iterable[Any], id_: str) -> Any:
    """Return the one of moto's entities with an ID, or None."""
    for entity in entities:
        if entity.id == id_:
            return entity
    return None


def _to_datetime(timestamp: float) -> datetime:
    """Return moto's time, which is in seconds since 1970."""
    return datetime.fromtimestamp(timestamp, tz=UTC)
