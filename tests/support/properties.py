"""Tests of random values: a tenth of the examples in the gate, all in the slow tests."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


def property_test(
    *, examples: int = 100, in_gate: int | None = None, **strategies: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that makes a test of a check of drawn values.

    Args:
        examples: How often to draw values, in the slow tests.
        in_gate: How often in the gate; None for a tenth.
        strategies: What to draw, by the names of the check's parameters; the other parameters are
            fixtures.
    """
    few = pytest.param(examples // 10 if in_gate is None else in_gate, id="few")
    every = pytest.param(examples, marks=pytest.mark.slow, id="all")

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        """Return a pytest test that calls the check with drawn values and with its fixtures."""
        names = [name for name in inspect.signature(check).parameters if name not in strategies]

        @pytest.mark.parametrize("count", [few, every])
        def test(request: pytest.FixtureRequest, count: int) -> None:
            """Draw values so many times, and check each of them."""
            fixtures = {name: request.getfixturevalue(name) for name in names}

            @settings(
                max_examples=count,
                deadline=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            )
            @given(**strategies)
            def run(**drawn: Any) -> None:
                check(**fixtures, **drawn)

            run()

        test.__name__ = check.__name__
        test.__doc__ = check.__doc__
        return test

    return decorate
