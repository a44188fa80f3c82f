"""Organizations as on AWS: who may call it, constraints with their reasons, pages of 20."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.organizations.exceptions import (
    AccountAlreadyRegisteredException,
    AccountNotFoundException,
    AccountNotRegisteredException,
    AWSOrganizationsNotInUseException,
    PolicyTypeNotEnabledException,
    TargetNotFoundException,
)
from moto.organizations.models import FakeDelegatedAdministrator, FakeServiceAccess
from moto.organizations.responses import OrganizationsResponse

from .errors import JSON_ERRORS, AwsError, constraint_violation, invalid_input, not_emulated_error
from .organization_policies import (
    MAX_POLICIES_PER_TARGET,
    POLICY_TYPE_NAMES,
    MalformedPolicyError,
    require_valid_policy,
)
from .records import IAM_SERVICE_PRINCIPAL, MANAGEMENT_ACCOUNT_ID, OrganizationRecords
from .requests import EmulatedResponse

_MAX_PAGE_SIZE = 20
_READING_VERBS = ("Describe", "List")
_NAMES_AN_ACCOUNT = frozenset(
    {
        "DeregisterDelegatedAdministrator",
        "DescribeAccount",
        "RegisterDelegatedAdministrator",
    }
)


class EmulatedOrganizationsResponse(EmulatedResponse, OrganizationsResponse):  # type: ignore[misc]
    """Handle requests to Organizations; every other operation is left to moto."""

    authorization_errors = JSON_ERRORS

    @property
    def organization(self) -> OrganizationRecords:
        """The organization."""
        return self.emulation.organization

    @property
    def organizations_backend(self) -> Any:
        """The backend for moto's operations: of every account, its organization's."""
        if self.organization.account(self.account_id) is None:
            return super().organizations_backend
        return self.organization.moto_backend

    @property
    def resource(self) -> str:
        """The ARN of the account that the request names, if it names one."""
        if self.operation not in _NAMES_AN_ACCOUNT or not self.organization.exists:
            return "*"
        return (
            f"arn:aws:organizations::{MANAGEMENT_ACCOUNT_ID}:account/"
            f"{self.organization.id}/{self._get_param('AccountId')}"
        )

    def parameters(self) -> dict[str, object]:
        """Return the request's parameters, which this protocol sends as JSON."""
        return dict(self.request_params)

    def authorize(self) -> None:
        """Deny accounts that may not call this operation."""
        super().authorize()
        if self.operation == "CreateOrganization":
            return
        if self.organization.account(self.account_id) is None:
            raise AWSOrganizationsNotInUseException
        if self.account_id == MANAGEMENT_ACCOUNT_ID or self.operation == "DescribeOrganization":
            return
        reads = self.operation.startswith(_READING_VERBS)
        if not (reads and self.organization.delegations().get(self.account_id)):
            raise AwsError(
                self.authorization_errors.access_denied,
                "You don't have permissions to access this resource.",
            )

    # Trusted access

    def enable_aws_service_access(self) -> ActionResult:
        """EnableAWSServiceAccess."""
        principal = self._service_to_trust()
        self._require_all_features()
        self.organization.enable_trusted_access(principal, at=self.received_at)
        return ActionResult({})

    def disable_aws_service_access(self) -> ActionResult:
        """DisableAWSServiceAccess."""
        principal = self._service_to_trust()
        if self.organization.delegated_administrators(principal):
            raise constraint_violation(
                "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE",
                "You have delegated administrator/s for this service. "
                "De-register them in order to disable service access.",
            )
        if principal == IAM_SERVICE_PRINCIPAL and self.emulation.has_trusted_access:
            self.emulation.record_trusted_access_disabled()
        self.organization.disable_trusted_access(principal)
        return ActionResult({})

    def list_aws_service_access_for_organization(self) -> ActionResult:
        """ListAWSServiceAccessForOrganization."""
        dates = self.organization.trusted_access()
        return self._list(
            "EnabledServicePrincipals",
            dates,
            lambda page: [{"ServicePrincipal": id_, "DateEnabled": dates[id_]} for id_ in page],
        )

    # Delegated administrators

    def register_delegated_administrator(self) -> ActionResult:
        """RegisterDelegatedAdministrator."""
        principal = self._service_to_delegate()
        account_id = str(self._get_param("AccountId"))
        self._require_all_features()
        if account_id == MANAGEMENT_ACCOUNT_ID:
            raise constraint_violation(
                "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
                "You cannot register master account/yourself as delegated administrator "
                "for your organization.",
            )
        account = self.organization.account(account_id)
        if account is None:
            raise AccountNotFoundException
        if account.suspended:
            raise constraint_violation(
                "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
                "You cannot register a suspended account as a delegated administrator.",
            )
        if principal not in self.organization.trusted_access():
            raise constraint_violation(
                "SERVICE_ACCESS_NOT_ENABLED",
                "You attempted to register a delegated administrator before you enabled service "
                "access. Call the EnableAWSServiceAccess API first.",
            )
        registered = self.organization.delegated_administrators(principal)
        if account_id in registered:
            raise AccountAlreadyRegisteredException
        if len(registered) >= self.emulation.delegated_administrator_limit:
            raise constraint_violation(
                "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED",
                "You attempted to register more delegated administrators than allowed for the "
                "service principal.",
            )
        self.organization.register(account_id=account_id, principal=principal, at=self.received_at)
        return ActionResult({})

    def deregister_delegated_administrator(self) -> ActionResult:
        """DeregisterDelegatedAdministrator."""
        principal = self._service_to_delegate()
        account_id = str(self._get_param("AccountId"))
        if self.organization.account(account_id) is None:
            raise AccountNotFoundException
        if account_id not in self.organization.delegated_administrators(principal):
            raise AccountNotRegisteredException
        self.organization.deregister(account_id=account_id, principal=principal)
        if principal == IAM_SERVICE_PRINCIPAL:
            self.emulation.record_deregistration(account_id)
        return ActionResult({})

    def list_delegated_administrators(self) -> ActionResult:
        """ListDelegatedAdministrators."""
        if self._get_param("ServicePrincipal") is None:
            raise not_emulated_error(self.action)
        dates = self.organization.delegated_administrators(self._service_to_delegate())
        return self._list(
            "DelegatedAdministrators",
            dates,
            lambda page: [
                {**account, "DelegationEnabledDate": dates[str(account["Id"])]}
                for account in self.organization.describe_accounts(page)
            ],
        )

    # Accounts

    def describe_account(self) -> ActionResult:
        """DescribeAccount."""
        account_id = str(self._get_param("AccountId"))
        if self.organization.account(account_id) is None:
            raise AccountNotFoundException
        return self._result({"Account": self.organization.describe_accounts([account_id])[0]})

    def list_accounts(self) -> ActionResult:
        """ListAccounts."""
        return self._list(
            "Accounts", self.organization.account_ids, self.organization.describe_accounts
        )

    def list_accounts_for_parent(self) -> ActionResult:
        """ListAccountsForParent."""
        parent_id = str(self._get_param("ParentId"))
        ids = self.organization.account_ids_under(parent_id)
        return self._list("Accounts", ids, self.organization.describe_accounts)

    # Policies

    def create_policy(self) -> str:
        """CreatePolicy."""
        self._require_valid_content(str(self._get_param("Type")))
        return str(super().create_policy())

    def update_policy(self) -> str:
        """UpdatePolicy."""
        if self._get_param("Content") is not None:
            self._require_valid_content(
                self.organization.policy_type(str(self._get_param("PolicyId")))
            )
        return str(super().update_policy())

    def attach_policy(self) -> str:
        """AttachPolicy."""
        policy_type, attached = self._attachments()
        if str(self._get_param("PolicyId")) in attached:
            raise AwsError(
                "DuplicatePolicyAttachmentException",
                "A policy with the specified name and type already exists.",
            )
        maximum = MAX_POLICIES_PER_TARGET.get(policy_type)
        if maximum is not None and len(attached) >= maximum:
            raise constraint_violation(
                "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                "You have attached the maximum number of policies of this type to the target.",
            )
        return str(super().attach_policy())

    def detach_policy(self) -> str:
        """DetachPolicy."""
        policy_type, attached = self._attachments()
        if str(self._get_param("PolicyId")) not in attached:
            raise AwsError(
                "PolicyNotAttachedException", "The policy isn't attached to the specified target."
            )
        if policy_type in MAX_POLICIES_PER_TARGET and len(attached) == 1:
            raise constraint_violation(
                "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                "You cannot remove the last policy of this type from the target.",
            )
        return str(super().detach_policy())

    def list_policies_for_target(self) -> str:
        """ListPoliciesForTarget."""
        if not self.organization.is_policy_target(str(self._get_param("TargetId"))):
            raise TargetNotFoundException
        return str(super().list_policies_for_target())

    def list_targets_for_policy(self) -> ActionResult:
        """ListTargetsForPolicy."""
        targets = {
            str(target["TargetId"]): target
            for target in self.organization.targets_of_policy(str(self._get_param("PolicyId")))
        }
        return self._list(
            "Targets", targets, lambda page: [targets[target_id] for target_id in page]
        )

    def enable_policy_type(self) -> str:
        """EnablePolicyType."""
        self._require_all_features()
        response = str(super().enable_policy_type())
        self.organization.attach_managed_policies(str(self._get_param("PolicyType")))
        return response

    def disable_policy_type(self) -> str:
        """DisablePolicyType."""
        response = str(super().disable_policy_type())
        self.organization.detach_policies(str(self._get_param("PolicyType")))
        return response

    def _attachments(self) -> tuple[str, list[str]]:
        """Return the type of the request's policy, and which of the type its target has."""
        policy_type = self.organization.policy_type(str(self._get_param("PolicyId")))
        target_id = str(self._get_param("TargetId"))
        if not self.organization.is_policy_target(target_id):
            raise TargetNotFoundException
        if not self.organization.is_policy_type_enabled(policy_type):
            raise PolicyTypeNotEnabledException
        return policy_type, self.organization.policy_ids_of(target_id, policy_type=policy_type)

    def _require_valid_content(self, policy_type: str) -> None:
        """Raise AWS's error if the request's document is not a policy of the type."""
        if policy_type not in POLICY_TYPE_NAMES:
            return
        try:
            require_valid_policy(str(self._get_param("Content")), policy_type=policy_type)
        except MalformedPolicyError as error:
            raise AwsError(
                "MalformedPolicyDocumentException",
                "The provided policy document does not meet the requirements of the specified "
                "policy type.",
            ) from error

    def _require_all_features(self) -> None:
        """Raise AWS's error if the organization has consolidated billing only."""
        if not self.organization.has_all_features:
            raise constraint_violation(
                "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE",
                "You attempted to perform an operation that requires the organization to be "
                "configured to support all features.",
            )

    def _service_to_trust(self) -> str:
        """Return the request's service, which can have trusted access."""
        return self._require_known_service(FakeServiceAccess.trusted_service)

    def _service_to_delegate(self) -> str:
        """Return the request's service, which can have delegated administrators."""
        return self._require_known_service(FakeDelegatedAdministrator.supported_service)

    def _require_known_service(self, is_known: Callable[[str], bool]) -> str:
        """Return the request's service principal; raise AWS's error if moto does not know it."""
        principal = str(self._get_param("ServicePrincipal"))
        if not is_known(principal):
            raise invalid_input(
                "UNRECOGNIZED_SERVICE_PRINCIPAL", "You specified an unrecognized service principal."
            )
        return principal

    def _list(
        self,
        member: str,
        ids: Iterable[str],
        describe: Callable[[Sequence[str]], list[dict[str, object]]],
    ) -> ActionResult:
        """Return the page that the request asks for."""
        size = int(self._get_param("MaxResults") or _MAX_PAGE_SIZE)
        if size > _MAX_PAGE_SIZE:
            raise invalid_input(
                "MAX_VALUE_EXCEEDED", f"MaxResults must be at most {_MAX_PAGE_SIZE}."
            )
        # The token is the last ID of the page before: no item is lost when others are deleted in
        # between.
        token = self._get_param("NextToken")
        rest = [id_ for id_ in sorted(ids) if token is None or id_ > token]
        page = rest[:size]
        more = {"NextToken": page[-1]} if len(rest) > size else {}
        return self._result({member: describe(page), **more})

    def _result(self, members: dict[str, object]) -> ActionResult:
        """Return a result with times as numbers, as this protocol has them."""
        return ActionResult(json.loads(json.dumps(members, default=_timestamp)))


def _timestamp(value: object) -> float:
    """Return a time as the seconds since 1970."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is not a datetime.")
    return value.timestamp()
