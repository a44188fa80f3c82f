"""A function's settings: exactly the keys that its code reads, each of its type."""

from dataclasses import dataclass
from enum import StrEnum

import pytest

from common.function_settings import FunctionSettings, SettingsError


class Color(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Accepted:
    target_id: str


@dataclass(frozen=True, kw_only=True)
class Settings(FunctionSettings):
    bucket: str
    max_accounts: int | None
    colors: tuple[Color, ...]
    accepted: tuple[Accepted, ...]


OTHERS = '"bucket": "b", "maxAccounts": 7, "colors": [], "accepted": []'


def test_settings_are_read_as_they_were_written() -> None:
    text = (
        '{"maxAccounts": null, "colors": ["red"], "bucket": "b", "accepted": [{"targetId": "1"}]}'
    )
    assert Settings.from_environment({"SETTINGS": text}) == Settings(
        bucket="b", max_accounts=None, colors=(Color.RED,), accepted=(Accepted(target_id="1"),)
    )


@pytest.mark.parametrize(
    ("settings", "path", "problem"),
    [
        (None, "", "is not JSON"),
        ("", "", "is not JSON"),
        ("7", "", "is not an object"),
        ('{"bucket": "b", "colors": [], "accepted": []}', "maxAccounts", "is missing"),
        (f'{{{OTHERS}, "b": 1, "a": 1}}', "", "has unknown keys: a, b"),
        (
            f'{{{OTHERS}, "accepted": [{{"targetId": "1", "a": 1}}]}}',
            "accepted[0]",
            "has unknown keys: a",
        ),
        (f'{{{OTHERS}, "bucket": null}}', "bucket", "is not a string"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_settings_that_are_not_those_that_the_function_reads_are_an_error(
    settings: str | None, path: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({} if settings is None else {"SETTINGS": settings})
    assert (raised.value.path, raised.value.problem) == (path, problem)
    assert str(raised.value) == (
        f"The function's environment variable SETTINGS cannot be used: {path or 'it'} {problem}. "
        "Deploy the "
        "construct and its function in the same version."
    )
