"""The context of an app, as the CDK CLI reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VARIABLE = "CDK_CONTEXT_JSON"


class InvalidContextError(Exception):
    """A source of the context is not what the CDK CLI needs it to be."""


def app_context(*, folder: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the context of an app that runs in a folder.

    As with the CDK CLI, a value in `cdk.json` has precedence over one in `cdk.context.json`, and objects are
    merged. `CDK_CONTEXT_JSON` has precedence over both, like the CLI's option `--context`.

    Args:
        folder: The folder with `cdk.json` and `cdk.context.json`; may have neither.
        variables: The environment variables.

    Raises:
        InvalidContextError: A file or the variable is not a JSON object.
    """
    settings = _file(folder / "cdk.json")
    lookups = _file(folder / "cdk.context.json")
    context = _merge(lookups, _json_object(settings.get("context") or {}, source="`context` in cdk.json"))
    return _merge(context, _parse(variables.get(_VARIABLE) or "{}", source=_VARIABLE))


def _file(path: Path) -> Mapping[str, Any]:
    # As bytes: an editor on Windows may begin a file with a byte order mark, which the CDK CLI ignores.
    return _parse(path.read_bytes(), source=path.name) if path.exists() else {}


def _parse(text: str | bytes, *, source: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidContextError(
            f"The app's context cannot be read, because {source} is not valid JSON: {error}. Correct it."
        ) from error
    return _json_object(value, source=source)


def _json_object(value: object, *, source: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidContextError(
            f"The app's context cannot be read, because {source} is not a JSON object: {json.dumps(value)}. "
            "Write the names of the values and the values into it."
        )
    return value


def _merge(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of both; the overrides have precedence, and objects are merged."""
    merged = {**values, **overrides}
    for name in values.keys() & overrides.keys():
        if isinstance(values[name], dict) and isinstance(overrides[name], dict):
            merged[name] = _merge(values[name], overrides[name])
    return merged
