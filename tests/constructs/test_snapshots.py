"""The committed templates: what changes in AWS is seen in the change that causes it."""

from pathlib import Path

from support.snapshots import SNAPSHOTS, current_templates


def test_a_change_of_what_is_deployed_is_committed_with_it(tmp_path: Path) -> None:
    committed = {
        folder.name: {file.name: file.read_text() for file in folder.iterdir()}
        for folder in SNAPSHOTS.iterdir()
    }
    assert current_templates(tmp_path) == committed, (
        "Run `make snapshots`, and read what changes in AWS."
    )
