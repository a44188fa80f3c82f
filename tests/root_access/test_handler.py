"""The custom resource's function behind a fake CloudFormation: what it does, and logs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from local_aws.emulation import LocalOrganization
from support.arrange import writes
from support.cloudformation import FakeCloudFormation
from support.function import BOTH, Function

pytestmark = pytest.mark.usefixtures("other_services_unchanged")


class RoundTrips:
    """How many calls have to wait for each other.

    The calls of one pool count once, and so does what its owner calls while the pool is open.
    """

    def __init__(self) -> None:
        self.number = 0
        self._in_pool = False

    @contextmanager
    def executor(self) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor() as pool:
            self._in_pool = True
            yield pool
        self.number += 1
        self._in_pool = False

    def count(self, **_: object) -> None:
        self.number += not self._in_pool


def test_a_fresh_organization_needs_three_writes_in_this_order_in_five_round_trips(
    organization: LocalOrganization,
    function: Function,
    stack: FakeCloudFormation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trips = RoundTrips()
    monkeypatch.setattr("root_access.organization.ThreadPoolExecutor", trips.executor)
    function.on_event("before-call", trips.count)
    assert stack.create(Features=BOTH).succeeded
    assert writes(organization) == [
        "EnableAWSServiceAccess",
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
    ]
    assert [event["step"] for event in function.log if event["event"] == "applied"] == [
        "organizations:EnableAWSServiceAccess",
        "iam:EnableOrganizationsRootCredentialsManagement",
        "iam:EnableOrganizationsRootSessions",
    ]
    assert len(organization.calls) == 10
    assert trips.number == 5
