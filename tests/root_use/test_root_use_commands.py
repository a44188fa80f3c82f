"""The commands and queries of a notice of root use are those of the runbook."""

import re

import pytest

from support.accounts import MANAGEMENT, THIRD_MEMBER
from support.apps import read_page
from support.root_events import FAILED_SIGN_IN_EVENT, SIGN_IN_EVENT, identity_of_root_user
from support.root_use import commands_in_notice

RUNBOOK = read_page("guides/operating.md")


def words(text: str) -> str:
    """Return a text without line breaks, profiles and options that depend on the reader."""
    plain = re.sub(r" --profile \w+| --delegated-administrator \d+|\\\\\n|`", "", text)
    return " ".join(plain.split())


@pytest.mark.parametrize(
    "event",
    [
        SIGN_IN_EVENT | identity_of_root_user(THIRD_MEMBER),
        SIGN_IN_EVENT | identity_of_root_user(MANAGEMENT),
        FAILED_SIGN_IN_EVENT | identity_of_root_user(THIRD_MEMBER),
    ],
    ids=["member", "management account", "attempt"],
)
def test_what_a_notice_says_to_run_is_in_the_runbook(event: object) -> None:
    commands = commands_in_notice(event, emergency_policy_id="p-a1b2c3d4")
    # The runbook has queries and sessions only in its section about a member's root user.
    named = [command.replace(MANAGEMENT, THIRD_MEMBER) for command in commands]
    runbook = words(RUNBOOK).replace(MANAGEMENT, THIRD_MEMBER)
    assert named
    assert not [command for command in named if command not in runbook]
