"""The emulated root sessions: which are opened, and how long and where they are valid."""

from typing import Any

from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT, THIRD_MEMBER
from support.emulation import AUDIT_TASK_POLICY, error_raised_by, open_root_session


def test_a_suspended_account_looks_like_a_missing_permission(
    organization_with_root_access: LocalOrganization,
) -> None:
    organization_with_root_access.suspend(THIRD_MEMBER)
    sts = organization_with_root_access.client("sts")

    error = error_raised_by(
        sts.assume_root, TargetPrincipal=THIRD_MEMBER, TaskPolicyArn=AUDIT_TASK_POLICY
    )

    assert (error["code"], error["http"]) == ("AccessDenied", 403)
    assert error["message"] == (
        f"User: arn:aws:iam::{MANAGEMENT}:user/local is not authorized to perform: sts:AssumeRoot "
        f"on resource: arn:aws:iam::{THIRD_MEMBER}:root"
    )


def test_an_expired_root_session_is_refused(
    organization_with_root_access: LocalOrganization,
) -> None:
    session = open_root_session(organization_with_root_access, AUDIT_TASK_POLICY)
    # A root session lasts 15 minutes.
    organization_with_root_access.advance_clock(900)

    expired = error_raised_by(
        organization_with_root_access.client("iam", credentials=session).get_user
    )
    in_json = error_raised_by(
        organization_with_root_access.client("organizations", credentials=session).list_accounts
    )

    assert (expired["code"], expired["http"]) == ("ExpiredToken", 403)
    assert (in_json["code"], in_json["http"]) == ("ExpiredTokenException", 400)


def test_the_token_of_a_root_session_is_valid_for_its_account_only(
    organization_with_root_access: LocalOrganization,
) -> None:
    session = open_root_session(organization_with_root_access, AUDIT_TASK_POLICY)

    elsewhere: Any = {**session, "AccessKeyId": THIRD_MEMBER}
    moved = error_raised_by(
        organization_with_root_access.client("iam", credentials=elsewhere).get_user
    )
    organization_with_root_access.reset()
    forgotten = error_raised_by(
        organization_with_root_access.client("iam", credentials=session).get_user
    )

    assert moved["code"] == forgotten["code"] == "InvalidClientTokenId"
