"""The responses that were recorded on AWS, as cases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from acceptance.model import Call, Case, Level, Response, Source

RECORDINGS = Path(__file__).parents[1] / "recordings"


def read_recordings(folder: Path = RECORDINGS) -> Iterator[Case]:
    """Yield the cases of every recording in a folder, the newest last."""
    for path in sorted(folder.glob("*.json")):
        for entry in json.loads(path.read_text())["responses"]:
            yield Case(
                name=entry["name"],
                level=Level(entry["level"]),
                given=tuple(entry["given"]),
                caller=entry["caller"],
                call=Call(**entry["call"]),
                response=Response(**entry["response"]),
                source=Source.RECORDED,
                afterwards=entry.get("afterwards"),
                not_shown_locally=entry.get("local"),
            )
