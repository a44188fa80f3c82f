"""Values of enums on a wire are identifiers, or names of the command line; people read words."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import pytest

from centralized_root_access import CredentialType
from centralized_root_access.base.enums import TASK_POLICIES
from centralized_root_access.cli.commands.plan import CREDENTIAL_TYPES, plan
from centralized_root_access.cli.main import main
from centralized_root_access.preflight.documents import PolicyType
from centralized_root_access.preflight.evaluate import Decision, Reason
from centralized_root_access.preflight.verdicts import TaskResult
from common.identifier import Identifier
from root_access.state import Status
from root_tasks.model.codec import Document
from root_tasks.model.report_schema import ItemType, Task
from root_tasks.refusals import RefusalReason


def enums_of(type_: Any) -> Iterator[type[StrEnum]]:
    """Yield the enums whose values are in the JSON of a type, such as a dataclass of documents."""
    for argument in get_args(type_):
        yield from enums_of(argument)
    if dataclasses.is_dataclass(type_):
        for hint in get_type_hints(type_, localns={"datetime": datetime}).values():
            yield from enums_of(hint)
    elif isinstance(type_, type) and issubclass(type_, StrEnum):
        yield type_


DOCUMENTS = [
    type_ for type_ in Document.__subclasses__() if type_.__module__.startswith("root_tasks.")
]
ENUMS = {enum for document in DOCUMENTS for enum in enums_of(document)}
IDENTIFIERS = set(Identifier.__subclasses__())
IDENTIFIER = re.compile("[A-Z]+(_[A-Z]+)*")


def test_every_enum_on_a_wire_has_identifiers_or_names_of_the_command_line() -> None:
    commands = {*main.commands, *plan.commands}
    # Otherwise the enums of the documents were not found.
    assert ItemType in ENUMS
    assert {Decision, PolicyType, Reason, TaskResult} <= IDENTIFIERS, "those of the pre-flight"
    assert [enum for enum in ENUMS - IDENTIFIERS if not commands.issuperset(enum)] == []
    assert all(map(IDENTIFIER.fullmatch, [*Status, *RefusalReason.__members__])), "those of outputs"


@pytest.mark.parametrize("enum", sorted(IDENTIFIERS, key=str))
def test_each_identifier_has_words_and_a_name_on_the_command_line(enum: type[Identifier]) -> None:
    for member in enum:
        assert IDENTIFIER.fullmatch(member)
        assert "_" not in member.words
        assert member.option == member.lower().replace("_", "-")
    assert len({member.words for member in enum}) == len(enum)


def test_the_tasks_of_the_constructs_are_those_of_the_functions_with_the_same_policies_of_aws() -> (
    None
):
    assert {task.value: task.policy for task in Task} == TASK_POLICIES


def test_the_types_of_credentials_are_those_of_reports_and_their_options_are_made_from_them() -> (
    None
):
    assert all(type_.name == ItemType(type_).name for type_ in CredentialType)
    assert {ItemType(type_).option: type_ for type_ in CredentialType} == CREDENTIAL_TYPES
