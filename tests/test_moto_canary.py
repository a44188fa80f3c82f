"""Tells when moto learns by itself what the emulation adds to it, so that our copy can go."""

import pytest
from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores, method_names_from_class
from moto.iam.responses import IamResponse
from moto.organizations.models import FakeDelegatedAdministrator, FakeServiceAccess
from moto.sts.responses import TokenResponse

_OUR_COPY_CAN_GO = "moto knows {} by itself: let the emulation leave it to moto."


@pytest.mark.parametrize(
    ("response", "operation"),
    [
        pytest.param(IamResponse, operation, id=operation)
        for operation in (
            "EnableOrganizationsRootCredentialsManagement",
            "EnableOrganizationsRootSessions",
            "DisableOrganizationsRootCredentialsManagement",
            "DisableOrganizationsRootSessions",
            "ListOrganizationsFeatures",
        )
    ]
    + [pytest.param(TokenResponse, "AssumeRoot", id="AssumeRoot")],
)
def test_moto_does_not_know_the_operation_yet(response: type, operation: str) -> None:
    known = method_names_from_class(response)

    assert camelcase_to_underscores(operation) not in known, _OUR_COPY_CAN_GO.format(operation)


def test_moto_does_not_know_iam_as_a_trusted_service_yet() -> None:
    known = FakeServiceAccess.trusted_service("iam.amazonaws.com")

    assert not known, _OUR_COPY_CAN_GO.format("iam.amazonaws.com as a trusted service")


def test_moto_does_not_know_iam_as_a_service_with_delegated_administrators_yet() -> None:
    known = FakeDelegatedAdministrator.supported_service("iam.amazonaws.com")

    assert not known, _OUR_COPY_CAN_GO.format("iam.amazonaws.com as a delegated administrator's service")


def test_moto_does_not_take_an_account_id_as_an_access_key_id_yet() -> None:
    header = "AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/iam/aws4_request"

    known = BaseResponse.access_key_regex.search(header)

    assert known is None, _OUR_COPY_CAN_GO.format("account ids as access key ids")
