"""JSON as text: read strictly, shown over several lines, shortened."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Readers differ in which one of two equal keys counts.

    Raises:
        ValueError: It has a key twice.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("An object has the same key twice")
    return members


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON does not have.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{name} is not JSON")


def pretty_json(text: str) -> str:
    """Return JSON over several lines, or unchanged what is not JSON or has a key twice."""
    # A person compares it with what AWS has: nothing may be missing or in another order.
    try:
        return json.dumps(json.loads(text, object_pairs_hook=unique_keys), indent=2)
    except (ValueError, RecursionError):
        return text


def truncate_json(text: str, *, max_bytes: int) -> str:
    """Return a text, shortened to a number of bytes in its JSON form."""
    if len(json.dumps(text)) <= max_bytes:
        return text
    while text and len(json.dumps(f"{text}…")) > max_bytes:
        # This may leave up to a twentieth of the room unused.
        text = text[: len(text) * 19 // 20]
    return f"{text}…"
