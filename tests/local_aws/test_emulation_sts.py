"""The emulated STS: who a caller is, and AssumeRoot."""

from typing import Any

import pytest

from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT, OTHER, STRANGER, THIRD
from support.emulation import AUDIT, DELEGATE, error_of, open_root_session


@pytest.mark.parametrize("target", [MANAGEMENT, THIRD, STRANGER])
def test_an_account_that_cannot_be_a_target_looks_like_a_missing_permission(
    with_root_access: LocalOrganization, target: str
) -> None:
    with_root_access.suspend(THIRD)
    sts = with_root_access.client("sts")

    error = error_of(sts.assume_root, TargetPrincipal=target, TaskPolicyArn=AUDIT)

    assert (error["code"], error["http"]) == ("AccessDenied", 403)
    assert error["message"] == (
        f"User: arn:aws:iam::{MANAGEMENT}:user/local is not authorized to perform: sts:AssumeRoot "
        f"on resource: arn:aws:iam::{target}:root"
    )


def test_every_invalid_parameter_is_counted(with_root_access: LocalOrganization) -> None:
    sts = with_root_access.client("sts")

    error = error_of(sts.assume_root, TargetPrincipal=OTHER, TaskPolicyArn={}, DurationSeconds=1000)

    assert error["message"].startswith("2 validation errors detected: ")


def test_a_root_session_can_neither_call_organizations_nor_assume_root(
    with_root_access: LocalOrganization,
) -> None:
    session = open_root_session(with_root_access, AUDIT, account_id=DELEGATE)
    organizations = with_root_access.client("organizations", credentials=session)
    sts = with_root_access.client("sts", credentials=session)

    assert error_of(organizations.list_accounts)["code"] == "AccessDeniedException"
    error = error_of(sts.assume_root, TargetPrincipal=OTHER, TaskPolicyArn=AUDIT)
    assert error["code"] == "AccessDenied"


def test_an_expired_root_session_is_refused(with_root_access: LocalOrganization) -> None:
    session = open_root_session(with_root_access, AUDIT)
    with_root_access.advance_clock(900)

    expired = error_of(with_root_access.client("iam", credentials=session).get_user)
    in_json = error_of(with_root_access.client("organizations", credentials=session).list_accounts)

    assert (expired["code"], expired["http"]) == ("ExpiredToken", 403)
    assert (in_json["code"], in_json["http"]) == ("ExpiredTokenException", 400)


def test_the_token_of_a_root_session_is_valid_for_its_account_only(
    with_root_access: LocalOrganization,
) -> None:
    session = open_root_session(with_root_access, AUDIT)

    elsewhere: Any = {**session, "AccessKeyId": THIRD}
    moved = error_of(with_root_access.client("iam", credentials=elsewhere).get_user)
    with_root_access.reset()
    forgotten = error_of(with_root_access.client("iam", credentials=session).get_user)

    assert moved["code"] == forgotten["code"] == "InvalidClientTokenId"
