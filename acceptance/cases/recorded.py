"""The responses that were recorded on AWS, as cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceptance.model import MEMBER, ROOT_SESSION, Call, Case, Level, Response, Source
from acceptance.state import StateField, parse_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RECORDINGS = Path(__file__).parents[1] / "recordings"
_READS = ("Describe", "Get", "List")


def read_recordings(folder: Path = RECORDINGS) -> Iterator[Case]:
    """Yield the cases of every recording in a folder, the newest last."""
    for path in sorted(folder.glob("*.json")):
        for entry in json.loads(path.read_text())["responses"]:
            yield _to_case(entry)


def _to_case(entry: Mapping[str, Any]) -> Case:
    call = Call(**entry["call"])
    return Case(
        name=entry["name"],
        level=_level(entry["given"], entry["caller"], call),
        given=tuple(entry["given"]),
        caller=entry["caller"],
        call=call,
        response=Response(**entry["response"]),
        source=Source.RECORDED,
        afterwards=entry.get("afterwards"),
        local=entry.get("local"),
    )


def _level(given: Sequence[str], caller: str, call: Call) -> Level:
    """Return the lowest level whose runs may do what a case needs."""
    steps = [parse_step(step) for step in given]
    changed = {step.resource for step in steps} - {None}
    if caller == ROOT_SESSION or any(r.level is Level.MEMBER for r in changed if r is not None):
        return Level.MEMBER
    service, operation = call.operation.split(":")
    reads = service != "sts" and operation.startswith(_READS)
    opens_session = service == "sts" and MEMBER in json.dumps(call.parameters)
    in_order = any(step.in_order for step in steps)
    if (
        (reads or service == "sts")
        and not opens_session
        and not in_order
        and StateField.DELEGATE not in changed
    ):
        return Level.READ
    return Level.FEATURE
