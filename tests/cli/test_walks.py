"""Whoever pastes each printed step ends at clean, or at what a person has to do elsewhere."""

import pytest
from hypothesis import strategies as st

from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS
from support.command_line import CommandLine
from support.properties import property_test
from support.walk import (
    Credentials,
    Entrance,
    ManagementRootUser,
    Operator,
    Scene,
    Situation,
)

pytestmark = pytest.mark.no_cover

_SCENES = st.builds(
    Scene,
    members=st.lists(
        st.tuples(st.sampled_from(Credentials), st.sampled_from(Situation)),
        min_size=3,
        max_size=6,
    ).map(tuple),
    management=st.sampled_from(ManagementRootUser),
    disabled=st.sampled_from(
        (
            frozenset(),
            frozenset(),
            frozenset([ROOT_CREDENTIALS_MANAGEMENT]),
            frozenset([ROOT_SESSIONS]),
        )
    ),
    units_are_denied=st.sampled_from((False, False, True)),
    entrance=st.sampled_from(Entrance),
)


@property_test(examples=300, in_gate=6, scene=_SCENES)
def test_each_printed_step_does_what_it_says_and_leads_to_clean_or_to_a_person(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    operator = Operator(command_line=command_line, scene=scene)
    operator.arrange()
    operator.walk()
