"""The commands in the notice of root use, as a person pastes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_aws.seed import DENY_ROOT_USERS
from support.accounts import MEMBER, OTHER, THIRD
from support.processes import run_with_aws_cli
from support.root_events import DENIED, of_account
from support.root_use import commands_of

if TYPE_CHECKING:
    from pathlib import Path

    from local_aws.services import LocalAws

ELSEWHERE = of_account(OTHER)


@pytest.mark.slow
def test_the_first_step_and_its_undo_can_be_pasted_twice(
    running_aws: LocalAws, tmp_path: Path
) -> None:
    """Notices come with each sign-in, and a shell that fails at the second one reads as not contained."""
    running_aws.organization.reset()
    # The organization's own, which would also deny the deletion. No command attaches or detaches
    # it.
    running_aws.organization.attach_policy(
        name="DenyRootUsers", document=DENY_ROOT_USERS, target_id=THIRD
    )
    organizations = running_aws.client("organizations")
    before = organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    deny, *_, undo = commands_of(DENIED, DENIED | ELSEWHERE)

    def paste(command: str) -> set[str]:
        pasted = run_with_aws_cli(command, local_aws=running_aws, folder=tmp_path)
        assert (pasted.returncode, pasted.stderr) == (0, "")
        (policy,) = [
            policy
            for policy in organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
            if policy not in before
        ]
        targets = organizations.list_targets_for_policy(PolicyId=policy["Id"])["Targets"]
        return {target["TargetId"] for target in targets}

    assert [paste(command) for command in (deny, deny)] == [{MEMBER, OTHER}] * 2
    assert paste(commands_of(DENIED | of_account(THIRD))[0]) == {MEMBER, OTHER, THIRD}
    assert [paste(command) for command in (undo, undo)] == [{THIRD}] * 2
