"""The handle on the emulated organization: its reset, denials, and the record of calls."""

from typing import Any

import boto3
import pytest
from botocore import xform_name
from moto import mock_aws
from moto.core.base_backend import BackendDict

from local_aws.emulation import LocalOrganization, mock_organization
from support.accounts import MANAGEMENT, OTHER_MEMBER, THIRD_MEMBER
from support.emulation import (
    AUDIT_TASK_POLICY,
    CLOUDTRAIL_PRINCIPAL,
    DELEGATE,
    GUARDDUTY_PRINCIPAL,
    IAM_PRINCIPAL,
    deregister_delegate,
    error_raised_by,
    register_delegate,
)


def test_the_emulation_is_undone_at_the_end() -> None:
    with mock_organization() as organization:
        organization_id = organization.id
        organization.client("organizations").enable_aws_service_access(
            ServicePrincipal=IAM_PRINCIPAL
        )

    with mock_aws():
        management, member = (
            boto3.client(
                "organizations", "us-east-1", aws_access_key_id=id_, aws_secret_access_key="x"
            )
            for id_ in (MANAGEMENT, DELEGATE)
        )
        error = error_raised_by(
            management.enable_aws_service_access, ServicePrincipal=IAM_PRINCIPAL
        )
        created = member.create_organization()
    assert error["code"] == "InvalidInputException"
    assert created["Organization"]["Id"] != organization_id


def test_a_second_organization_in_one_process_is_refused(organization: LocalOrganization) -> None:
    with pytest.raises(RuntimeError, match="already"), mock_organization():
        pass


def test_a_moto_reset_empties_the_emulation_and_a_reset_restores_the_seed(
    organization_with_root_access: LocalOrganization,
) -> None:
    organization_id = organization_with_root_access.id
    organization_with_root_access.deny(MANAGEMENT, "iam:*")

    BackendDict.reset()

    assert (organization_with_root_access.calls, organization_with_root_access.members) == ((), ())
    assert organization_with_root_access.root_access().features == frozenset()
    error = error_raised_by(organization_with_root_access.client("iam").list_organizations_features)
    assert error["code"] == "OrganizationNotFoundException"
    organization_with_root_access.reset()
    assert organization_with_root_access.id == organization_id
    assert organization_with_root_access.members == (DELEGATE, OTHER_MEMBER, THIRD_MEMBER)


def test_other_services_are_reported_apart_from_iam(
    organization_with_root_access: LocalOrganization,
) -> None:
    organization_with_root_access.client("organizations").enable_aws_service_access(
        ServicePrincipal=GUARDDUTY_PRINCIPAL
    )
    register_delegate(organization_with_root_access, OTHER_MEMBER, GUARDDUTY_PRINCIPAL)

    others = organization_with_root_access.other_services()

    assert set(others.trusted_access) == {CLOUDTRAIL_PRINCIPAL, GUARDDUTY_PRINCIPAL}
    assert {principal: list(ids) for principal, ids in others.delegated_administrators.items()} == {
        GUARDDUTY_PRINCIPAL: [OTHER_MEMBER]
    }
    deregister_delegate(organization_with_root_access, DELEGATE)
    assert organization_with_root_access.other_services() == others


def test_delegated_administrators_are_reported_oldest_first(
    organization: LocalOrganization,
) -> None:
    organization.client("organizations").enable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    for account_id in (THIRD_MEMBER, DELEGATE, OTHER_MEMBER):
        register_delegate(organization, account_id)
        organization.advance_clock(1)
    deregister_delegate(organization, THIRD_MEMBER)
    register_delegate(organization, THIRD_MEMBER)

    assert organization.root_access().delegated_administrators == (
        DELEGATE,
        OTHER_MEMBER,
        THIRD_MEMBER,
    )


# Denials


@pytest.mark.parametrize(
    ("action", "parameters", "error", "resource"),
    [
        ("iam:ListOrganizationsFeatures", {}, ("AccessDenied", 403), "*"),
        (
            "organizations:RegisterDelegatedAdministrator",
            {"ServicePrincipal": IAM_PRINCIPAL, "AccountId": OTHER_MEMBER},
            ("AccessDeniedException", 400),
            f"arn:aws:organizations::{MANAGEMENT}:account/o-a1b2c3d4e5/{OTHER_MEMBER}",
        ),
        (
            "sts:AssumeRoot",
            {"TargetPrincipal": OTHER_MEMBER, "TaskPolicyArn": AUDIT_TASK_POLICY},
            ("AccessDenied", 403),
            f"arn:aws:iam::{OTHER_MEMBER}:root",
        ),
    ],
    ids=["of a list", "of an account", "of a root user"],
)
def test_a_denial_has_the_services_error_and_names_what_the_call_acts_on(
    organization: LocalOrganization,
    action: str,
    parameters: dict[str, Any],
    error: tuple[str, int],
    resource: str,
) -> None:
    organization.deny(MANAGEMENT, action)
    service, operation = action.split(":")
    call = getattr(organization.client(service), xform_name(operation))

    denied = error_raised_by(call, **parameters)

    assert (denied["code"], denied["http"]) == error
    assert denied["message"] == (
        f"User: arn:aws:iam::{MANAGEMENT}:user/local is not authorized to perform: {action} "
        f"on resource: {resource} because no identity-based policy allows the {action} action"
    )


def test_a_denial_has_a_message_for_one_account_and_can_be_removed(
    organization: LocalOrganization,
) -> None:
    organizations = organization.client("organizations")
    organization.deny(OTHER_MEMBER, "organizations:*")
    organization.deny(MANAGEMENT, "organizations:List*", message="Not today.")

    assert error_raised_by(organizations.list_accounts)["message"] == "Not today."

    organization.allow(MANAGEMENT, "organizations:List*")
    assert len(organizations.list_accounts()["Accounts"]) == 4


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        (
            "iam",
            "generate_service_last_accessed_details",
            {"Arn": "arn:aws:iam::111111111111:role/role"},
        ),
        ("organizations", "describe_resource_policy", {}),
        ("organizations", "list_delegated_administrators", {}),
    ],
    ids=["iam", "organizations", "without a service"],
)
def test_an_operation_that_is_not_emulated_is_named_and_not_retried(
    organization: LocalOrganization, service: str, operation: str, parameters: dict[str, str]
) -> None:
    client: Any = organization.client(service)

    error = error_raised_by(getattr(client, operation), **parameters)

    assert (error["code"], error["http"]) == ("NotEmulated", 400)
    action = f"{service}:{operation.title().replace('_', '')}"
    assert error["message"] == f"The local AWS does not emulate {action}."
