"""The results of a run as a table, as an issue, and as a recording."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from acceptance.model import MEASUREMENT, Level, Response, Result, Verdict

_MAX_LINE_CHARACTERS = 400


def to_text(results: Sequence[Result]) -> str:
    """Return the results for a terminal: what is not the same first, case by case."""
    lines = []
    for verdict in (Verdict.DIFFERENT, Verdict.NOT_SEEN):
        for result in results:
            if result.verdict is verdict:
                lines.append(f"{verdict}: {result.case.name} ({result.case.source})")
                lines += [f"    {difference}" for difference in result.differences]
    lines += ["", *(f"{name}: {value}" for name, value in _measurements(results))]
    counts = Counter(result.verdict for result in results)
    lines += ["", ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)]
    return "\n".join(lines).strip()


def to_issue(
    results: Sequence[Result], *, level: Level, where: str, versions: Mapping[str, str]
) -> str:
    """Return the summary for the issue form: plain text, which the form shows."""
    named = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    text = f"Acceptance run of the level {level} on {where}, with {named}.\n\n{to_text(results)}\n"
    return "\n".join(_plain(line) for line in text.split("\n"))


def to_recording(results: Iterable[Result], *, origin: str) -> str:
    """Return the responses that AWS gave, in the form that the emulation is tested by."""
    lines = ",\n    ".join(json.dumps(entry) for entry in _entries(results))
    head = {"origin": origin, "source": "python -m acceptance", "license": "MIT"}
    members = ",\n".join(f'  "{name}": {json.dumps(value)}' for name, value in head.items())
    return f'{{\n{members},\n  "responses": [\n    {lines}\n  ]\n}}\n'


def _entries(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    """Yield the results to test the emulation by: those with a response, without measurements."""
    for result in results:
        is_measurement = result.case.call.operation.startswith(MEASUREMENT)
        if result.response is not None and not is_measurement:
            yield _entry(result, result.response)


def _entry(result: Result, response: Response) -> dict[str, Any]:
    """Return a result as a recording has it."""
    case = result.case
    call = {"operation": case.call.operation, "parameters": case.call.parameters}
    entry = {
        "name": case.name,
        "level": case.level,
        "given": list(case.given),
        "caller": case.caller,
        "call": {**call, **({"host": case.call.host} if case.call.host else {})},
        "response": _response_of(result, response),
        "secondsUntilThen": round(result.seconds, 1),
    }
    if result.afterwards is not None:
        entry["afterwards"] = result.afterwards
    if case.not_shown_locally is not None:
        entry["local"] = case.not_shown_locally
    return entry


def _response_of(result: Result, response: Response) -> dict[str, Any]:
    """Return what AWS responded, in the words of the expectation where they agree."""
    if result.verdict is Verdict.SAME:
        # A message that was not expected is also part of the recording.
        return {**response.to_json(), **result.case.response.to_json()}
    return {name: _to_placeholders(value) for name, value in response.to_json().items()}


def _to_placeholders(value: Any) -> Any:
    """Return a value of a response with a placeholder for each time."""
    match value:
        case datetime():
            return "{time}"
        case dict():
            return {key: _to_placeholders(member) for key, member in value.items()}
        case list():
            return [_to_placeholders(entry) for entry in value]
        case _:
            return value


def _measurements(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """Yield what each measuring case measures, and how much it was."""
    for result in results:
        if result.case.measures is None or result.response is None:
            continue
        if result.case.call.operation.startswith(MEASUREMENT):
            yield result.case.measures, json.dumps(result.response.output)
        elif result.verdict is Verdict.SAME:
            yield result.case.measures, f"{result.seconds:.0f} s"
        else:
            yield result.case.measures, f"more than {result.seconds:.0f} s"


def _plain(line: str) -> str:
    """Return a line that cannot end the form's block of text."""
    shown = line
    if len(line) > _MAX_LINE_CHARACTERS:
        shown = f"{line[:_MAX_LINE_CHARACTERS]}…"
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)
    return shown.replace("`", "'")
