"""The JSON filter patterns of CloudWatch Logs that this project uses.

AWS does not document whether `!=` holds for a missing field, so a caller decides it.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

MAX_CHARACTERS = 1024

_COMPARISON = re.compile(r'\$\.([.\w]+)\s*(?:NOT EXISTS|(!=|=)\s*"([^"]*)")')


def matches_filter_pattern(
    pattern: str, event: Mapping[str, Any], *, missing_differs: bool
) -> bool:
    """Return whether an event matches a pattern.

    Args:
        pattern: The pattern.
        event: The event.
        missing_differs: Whether `!=` holds for a field that is missing. AWS does not document it.
    """
    assert len(pattern) <= MAX_CHARACTERS

    def evaluate(comparison: re.Match[str]) -> str:
        """Return whether one comparison of the pattern holds, as Python's "True" or "False"."""
        name, operator, expected = comparison.groups()
        value = functools.reduce(
            lambda outer, member: outer.get(member) if isinstance(outer, dict) else None,
            name.split("."),
            event,
        )
        # A comparison has an operator, or is "$.name NOT EXISTS".
        if operator is None or value is None:
            return str(
                value is None and (operator is None or (operator == "!=" and missing_differs))
            )
        # CloudWatch Logs has wildcards at the beginning and at the end.
        wanted = ".*".join(map(re.escape, expected.split("*")))
        return str((re.fullmatch(wanted, str(value)) is not None) == (operator == "="))

    logic = (
        _COMPARISON.sub(evaluate, pattern.strip("{ }")).replace("&&", " and ").replace("||", " or ")
    )
    assert re.fullmatch(r"(True|False|and|or|[() ])+", logic), f"not understood: {logic}"
    return bool(eval(logic))
