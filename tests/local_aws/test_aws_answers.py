"""The emulation's responses are those recorded on AWS, in process and over HTTP.

Every recording in `acceptance/recordings` is a test; a run of the acceptance suite writes more of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from acceptance.cases.recorded import RECORDINGS, read_recordings
from acceptance.model import Level, Verdict
from acceptance.runner import run_cases
from local_aws.emulation import Organization, mock_organization, serve_organization
from support.acceptance import enable_policies, scene_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acceptance.model import Case


@pytest.fixture(scope="module", params=["in process", pytest.param("over HTTP", marks=pytest.mark.slow)])
def emulation(request: pytest.FixtureRequest) -> Iterator[Organization]:
    with mock_organization() if request.param == "in process" else serve_organization() as organization:
        yield organization


@pytest.fixture
def organization(emulation: Organization) -> Organization:
    emulation.reset()
    return emulation


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in read_recordings() if case.local is None]
)
def test_the_emulation_responds_as_aws_did(organization: Organization, case: Case) -> None:
    enable_policies(organization)
    # No second look: what AWS responded has to be the first response.
    [result] = run_cases([case], scene_of(organization), Level.MEMBER, settling_seconds=0)
    assert (result.verdict, result.differences) == (Verdict.SAME, ())


def test_every_recording_says_where_it_comes_from() -> None:
    paths = sorted(RECORDINGS.glob("*.json"))
    assert paths
    for path in paths:
        assert json.loads(path.read_text())["origin"], path
