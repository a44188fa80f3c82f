"""The cases: what the emulation, the plans and the documentation assume about AWS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from acceptance.cases import delegation, feature, member, policies, read, sessions, unlock
from acceptance.cases.recorded import RECORDINGS, read_recordings
from acceptance.model import Case


def all_cases(recordings: Path = RECORDINGS) -> tuple[Case, ...]:
    """Return every case. A recorded response replaces an expected one."""
    cases = {case.name: case for case in own_cases()}
    for case in read_recordings(recordings):
        own = cases.get(case.name, case)
        cases[case.name] = replace(case, measures=own.measures)
    return tuple(cases.values())


def own_cases() -> tuple[Case, ...]:
    """Return the cases with expected responses."""
    subjects = (read, feature, delegation, sessions, member, unlock, policies)
    return tuple(case for subject in subjects for case in subject.CASES)
