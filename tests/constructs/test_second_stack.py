"""Two stacks with the construct in one organization: which one wins, and how to move it without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.arrange import SESSIONS, writes
from support.cloudformation import FakeCloudFormation
from support.function import BOTH, Function

if TYPE_CHECKING:
    from local_aws.emulation import LocalOrganization


pytestmark = pytest.mark.usefixtures("other_services_unchanged")


@pytest.fixture
def stacks() -> tuple[FakeCloudFormation, FakeCloudFormation]:
    function = Function()
    return FakeCloudFormation(function=function), FakeCloudFormation(function=function)


def test_the_stack_that_was_deployed_with_a_change_last_wins(
    organization: LocalOrganization, stacks: tuple[FakeCloudFormation, FakeCloudFormation]
) -> None:
    one, other = stacks
    assert one.deploy(Features=BOTH).succeeded
    assert other.deploy(Features=[SESSIONS]).succeeded
    assert organization.root_access().features == {SESSIONS}
    assert one.deploy(Features=BOTH).succeeded, "without a change"
    assert organization.root_access().features == {SESSIONS}


@pytest.mark.parametrize("new_one_first", [True, False])
def test_moving_it_to_another_stack_leaves_no_gap_in_either_order(
    organization: LocalOrganization,
    stacks: tuple[FakeCloudFormation, FakeCloudFormation],
    new_one_first: bool,
) -> None:
    old, new = stacks
    assert old.deploy(Features=BOTH).succeeded
    organization.clear_calls()
    if new_one_first:
        assert new.deploy(Features=BOTH).succeeded
        old.forget()
    else:
        old.forget()
        assert organization.root_access().features == set(BOTH)
        assert new.deploy(Features=BOTH).succeeded
    assert writes(organization) == []
    assert organization.root_access().features == set(BOTH)
