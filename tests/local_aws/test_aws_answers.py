"""The emulation's responses are those recorded on AWS, in process and over HTTP.

Every recording in `acceptance/recordings` is a test; a run of the acceptance suite writes more of
them.
"""

from collections.abc import Mapping

import pytest

from acceptance.cases.recorded import read_recordings
from acceptance.local import enable_policies
from acceptance.model import Level, Result, Verdict
from acceptance.runner import run_cases, sort_cases
from local_aws.emulation import mock_organization, serve_organization
from support.acceptance import run_scene

RECORDED = {case.name: case for case in read_recordings() if case.not_shown_locally is None}


@pytest.fixture(
    scope="module", params=["in process", pytest.param("over HTTP", marks=pytest.mark.slow)]
)
def results(request: pytest.FixtureRequest) -> Mapping[str, Result]:
    """Return the results of one run of all recorded cases, which restores what it changes."""
    with (
        mock_organization()
        if request.param == "in process"
        else serve_organization() as organization
    ):
        enable_policies(organization)
        # No second look: what AWS responded has to be the first response.
        cases, scene = sort_cases(RECORDED.values()), run_scene(organization)
        return {
            run.case.name: run for run in run_cases(cases, scene, Level.MEMBER, settling_seconds=0)
        }


@pytest.mark.parametrize("name", RECORDED)
def test_the_emulation_responds_as_aws_did(results: Mapping[str, Result], name: str) -> None:
    assert (results[name].verdict, results[name].differences) == (Verdict.SAME, ())
