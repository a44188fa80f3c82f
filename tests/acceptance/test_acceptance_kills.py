"""An acceptance run that is killed, at whichever point, is restored from its journal."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from acceptance.model import Level
from acceptance.state import StateField
from support.apps import ROOT
from support.arrange import CREDENTIALS, SESSIONS

_PATHS = ("", "lambda", "constructs", "tests")


def kill(level: Level, **options: object) -> dict[str, Any]:
    finished = subprocess.run(
        [sys.executable, "-m", "support.acceptance_kills", json.dumps({"level": level, **options})],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join(str(ROOT / path) for path in _PATHS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    assert found["failures"] == [], finished.stderr
    assert found["restored"]
    return found


def test_a_sample_of_the_cases_leaves_nothing_behind_after_a_kill() -> None:
    found = kill(Level.MEMBER, step=20)
    assert found["unlike"] == []
    assert found["kills"] >= 50
    assert found["changed"] == sorted(field for field in StateField if Level.MEMBER.includes(field.level))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "kills"), [(Level.READ, 1), (Level.FEATURE, 150), (Level.MEMBER, 350)], ids=str
)
def test_a_run_that_is_killed_at_any_point_leaves_nothing_behind(level: Level, kills: int) -> None:
    found = kill(level)
    assert found["unlike"] == []
    assert found["kills"] >= kills


@pytest.mark.slow
@pytest.mark.parametrize("features", [(CREDENTIALS,), (SESSIONS,), (CREDENTIALS, SESSIONS)], ids=", ".join)
def test_what_was_hidden_before_a_killed_run_is_hidden_again(features: tuple[str, ...]) -> None:
    found = kill(Level.FEATURE, hidden=features)
    assert found["kills"] >= 150


@pytest.mark.slow
def test_a_run_that_is_killed_around_its_deployment_leaves_no_stack_and_no_bucket() -> None:
    """The stack is one of moto; its real deployment is in the end-to-end test."""
    found = kill(Level.DEPLOY, step=5)
    assert found["kills"] >= 60
