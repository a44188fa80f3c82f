"""The custom resource's function behind a fake CloudFormation: what it does, and logs."""

import pytest

from local_aws.emulation import LocalOrganization
from support.arrange import write_calls
from support.cloudformation import FakeCloudFormation
from support.function import BOTH_FEATURES, CustomResourceFunction

pytestmark = pytest.mark.usefixtures("other_services_unchanged")


def test_a_fresh_organization_needs_three_writes_in_this_order_and_ten_reads(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH_FEATURES).succeeded
    assert write_calls(organization) == [
        "EnableAWSServiceAccess",
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
    ]
    assert [event["step"] for event in function.log if event["event"] == "applied"] == [
        "organizations:EnableAWSServiceAccess",
        "iam:EnableOrganizationsRootCredentialsManagement",
        "iam:EnableOrganizationsRootSessions",
    ]
    # Which organization it is, once; what is enabled and registered: before the first write, after
    # it, and after the last one.
    reads = len(organization.calls) - len(write_calls(organization))
    assert reads == 1 + 3 * 3
