"""The cases: what the emulation, the plans and the documentation assume about AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acceptance.cases import delegation, deploy, feature, member, policies, read, sessions, unlock
from acceptance.cases.recorded import read_recordings

if TYPE_CHECKING:
    from acceptance.model import Case


def all_cases() -> tuple[Case, ...]:
    """Return every case. A response that was recorded replaces one that is only expected."""
    cases = {case.name: case for case in (*own_cases(), *read_recordings())}
    return tuple(cases.values())


def own_cases() -> tuple[Case, ...]:
    """Return the cases as they are expected."""
    subjects = (read, feature, delegation, sessions, member, unlock, policies, deploy)
    return tuple(case for subject in subjects for case in subject.CASES)
