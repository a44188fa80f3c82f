"""The cases: what the emulation, the plans and the documentation assume about AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acceptance.cases import deploy, feature, member, read
from acceptance.cases.recorded import read_recordings

if TYPE_CHECKING:
    from acceptance.model import Case


def all_cases() -> tuple[Case, ...]:
    """Return every case. A response that was recorded replaces one that is only expected."""
    cases = {case.name: case for case in (*read.CASES, *feature.CASES, *member.CASES, *deploy.CASES)}
    cases |= {case.name: case for case in read_recordings()}
    return tuple(cases.values())
