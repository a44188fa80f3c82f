"""The acceptance cases are complete: every recording is one, and each can be undone."""

import json
import re

import pytest

from acceptance.cases import all_cases, own_cases
from acceptance.cases.recorded import RECORDINGS, read_recordings
from acceptance.model import Call, Case, Level, Source
from acceptance.resources import field_changed_by
from acceptance.runner import sort_cases
from acceptance.state import parse_step
from support.apps import REPOSITORY

CASES = {case.name: case for case in all_cases()}


def test_no_two_cases_have_the_same_name() -> None:
    for cases in (own_cases(), read_recordings()):
        names = [case.name for case in cases]
        assert sorted(names) == sorted(set(names))


def test_every_recorded_response_is_a_case_and_nothing_else_is_called_recorded() -> None:
    recorded = {case.name: case for case in read_recordings()}
    # Fewer would mean that recordings are not read.
    assert len(recorded) >= 54
    assert {name: CASES[name] for name in recorded} == recorded
    assert {
        name for name, case in CASES.items() if case.source is Source.RECORDED
    } == recorded.keys()


def test_a_recording_says_whose_it_is_and_under_which_license() -> None:
    notice = (REPOSITORY / "NOTICE").read_text()
    for file in RECORDINGS.glob("*.json"):
        document = json.loads(file.read_text())
        if document["source"] == "python -m acceptance":
            assert document["license"] == "MIT"
            continue
        # The recordings of another project say when it recorded them, and NOTICE names its commit.
        project, _, commit = document["source"].partition("/tree/")
        assert (
            f"Recorded from AWS by {project.removeprefix('https://github.com/')} on 20"
            in (document["origin"])
        )
        assert {project, commit.partition("/")[0]} <= set(re.findall(r"[^\s,]+", notice))
        assert (RECORDINGS / f"LICENSE-{document['license'].upper()}.txt").is_file()


def is_within_its_level(case: Case) -> bool:
    """Return whether a case changes, by its call and its steps, only what its level may."""
    changed_by_call = field_changed_by(case.call)
    if case.level is Level.READ:
        # What it is given is not arranged but found.
        return changed_by_call is None
    steps = [parse_step(step).resource for step in case.given]
    return all(
        case.level.includes(field.level) for field in (*steps, changed_by_call) if field is not None
    )


def test_a_case_changes_no_more_than_its_level_may() -> None:
    assert [name for name, case in CASES.items() if not is_within_its_level(case)] == []


def test_a_case_says_what_matters_in_the_response() -> None:
    assert [
        name
        for name, case in CASES.items()
        if case.response.code is None and case.response.output is None
    ] == []


def test_a_call_that_could_not_be_undone_is_not_a_case() -> None:
    with pytest.raises(ValueError, match="could not restore"):
        field_changed_by(Call(operation="organizations:LeaveOrganization"))


def test_a_level_includes_those_before_it() -> None:
    assert list(filter(Level.FEATURE.includes, Level)) == [Level.READ, Level.FEATURE]


def test_a_level_begins_with_changes_not_recorded_and_ends_with_what_risks_something() -> None:
    for level in (Level.FEATURE, Level.MEMBER):
        *cases, last = (case for case in sort_cases(all_cases()) if case.level is level)
        assert [case.risk for case in cases if case.risk] == []
        assert (last.risk is not None) == (level is Level.MEMBER)
        are_unrecorded_changes = [
            field_changed_by(case.call) is not None and case.source is not Source.RECORDED
            for case in cases
        ]
        # True comes first.
        assert are_unrecorded_changes == sorted(are_unrecorded_changes, reverse=True)
        assert sum(are_unrecorded_changes) > 1
