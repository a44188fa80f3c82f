"""These tests fail when moto or MiniStack supports what the local AWS adds: remove it then."""

from collections.abc import Callable

import pytest
from ministack.services.cloudformation import provisioners
from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores, method_names_from_class
from moto.iam.responses import IamResponse
from moto.organizations.models import FakeDelegatedAdministrator, FakeServiceAccess
from moto.sts.responses import TokenResponse

_REMOVE_OUR_COPY = "moto supports {} itself: remove it from the emulation."


@pytest.mark.parametrize(
    ("response", "operation"),
    [
        (IamResponse, "EnableOrganizationsRootCredentialsManagement"),
        (IamResponse, "EnableOrganizationsRootSessions"),
        (IamResponse, "DisableOrganizationsRootCredentialsManagement"),
        (IamResponse, "DisableOrganizationsRootSessions"),
        (IamResponse, "ListOrganizationsFeatures"),
        (TokenResponse, "AssumeRoot"),
    ],
)
def test_moto_does_not_support_the_operation_yet(response: type, operation: str) -> None:
    missing = camelcase_to_underscores(operation) not in method_names_from_class(response)
    assert missing, _REMOVE_OUR_COPY.format(operation)


@pytest.mark.parametrize(
    "is_known",
    [FakeServiceAccess.trusted_service, FakeDelegatedAdministrator.supported_service],
    ids=["trusted service", "service with delegated administrators"],
)
def test_moto_does_not_know_iam_as_a_service_of_the_organization_yet(
    is_known: Callable[[str], bool],
) -> None:
    assert not is_known("iam.amazonaws.com"), _REMOVE_OUR_COPY.format(
        "iam.amazonaws.com in an organization"
    )


def test_moto_does_not_take_an_account_id_as_an_access_key_id_yet() -> None:
    header = "AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/iam/aws4_request"

    missing = BaseResponse.access_key_regex.search(header) is None
    assert missing, _REMOVE_OUR_COPY.format("account ids as access key ids")


def test_ministack_refuses_an_alarm_on_metric_math_yet() -> None:
    with pytest.raises(ValueError, match="metric math"):
        provisioners._cw_metric_alarm_record(
            "Alarm", {"Metrics": [{"Id": "e", "Expression": "FILL(m, 0)"}]}
        )


def test_ministack_refuses_a_policy_of_organizations_yet() -> None:
    missing = "AWS::Organizations::Policy" not in provisioners._RESOURCE_HANDLERS
    assert missing, (
        "MiniStack deploys policies of Organizations itself: remove it from the local AWS."
    )
