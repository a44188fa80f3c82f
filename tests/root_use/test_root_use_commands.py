"""The commands and queries of a notice of root use are those of the runbook."""

from __future__ import annotations

import re

import pytest

from support.accounts import MANAGEMENT, THIRD
from support.apps import ROOT
from support.root_events import FAILED_SIGN_IN, SIGNED_IN, of_account
from support.root_use import commands_of

RUNBOOK = (ROOT / "docs" / "guides" / "operating.md").read_text()


def words(text: str) -> str:
    """Return a text without line breaks, profiles and options that depend on the reader."""
    plain = re.sub(r" --profile \w+| --delegated-administrator \d+|\\\\\n|`", "", text)
    return " ".join(plain.split())


@pytest.mark.parametrize(
    "event",
    [
        SIGNED_IN | of_account(THIRD),
        SIGNED_IN | of_account(MANAGEMENT),
        FAILED_SIGN_IN | of_account(THIRD),
    ],
    ids=["member", "management account", "attempt"],
)
def test_what_a_notice_says_to_run_is_in_the_runbook(event: object) -> None:
    commands = commands_of(event, emergency_policy_id="p-a1b2c3d4")
    # The queries and the sessions are in the section about a member's.
    named = [command.replace(MANAGEMENT, THIRD) for command in commands]
    runbook = words(RUNBOOK).replace(MANAGEMENT, THIRD)
    assert named
    assert not [command for command in named if command not in runbook]
