"""The organizational units: what is in which, and which unit a name means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aws_calls.calls import require
from aws_calls.failures import CallError

from ..aws.invocation import LIST_ROOTS, Aws
from ..refusals import RefusalReason, RunRefusedError
from ..tasks.task_input import UNIT_ID

if TYPE_CHECKING:
    from mypy_boto3_organizations.type_defs import AccountTypeDef


_LIST_UNITS = "organizations:ListOrganizationalUnitsForParent"
LIST_ACCOUNTS_OF_PARENT = "organizations:ListAccountsForParent"
_DESCRIBE_UNIT = "organizations:DescribeOrganizationalUnit"
# AWS names it, and there is no call to rename it.
ROOT_NAME = "Root"
_PATH = re.compile(r"o-[a-z0-9]+/(r-[a-z0-9]+(?:/ou-[a-z0-9-]+)*)/(?:[0-9]{12}/)?")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An organizational unit, or the organization's root.

    Attributes:
        path: The names from the root down, joined by "/".
    """

    id: str
    path: str


@dataclass(frozen=True, kw_only=True)
class UnitTree:
    """The units of an organization, read as needed, each list once.

    Several threads, and others who see them, add what they read.

    Attributes:
        aws: The account that sees them.
        names_by_parent: For the ID of each unit or root that was listed, the names of the units
            directly in it, by their IDs.
        names: The name of each unit that was read, by its ID.
    """

    aws: Aws
    names_by_parent: dict[str, dict[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def read_by(self, aws: Aws) -> UnitTree:
        """Return the same units, with all that was read of them, as another budget reads them."""
        return replace(self, aws=aws)

    def roots(self) -> list[Unit]:
        """Return the roots, of which an organization has one.

        Raises:
            CallError: The read failed, or no root came back.
        """
        return [
            Unit(id=require(root, "Id", operation=LIST_ROOTS), path=ROOT_NAME)
            for root in self.aws.organization_roots()
        ]

    def names_in(self, parent_id: str) -> Mapping[str, str]:
        """Return the names of the units directly in a unit or root, by their IDs.

        Raises:
            CallError: The read failed, for example because the parent does not exist.
        """
        if parent_id not in self.names_by_parent:
            names = {}
            for unit in self.aws.entries(
                _LIST_UNITS, items="OrganizationalUnits", ParentId=parent_id
            ):
                unit_id = require(unit, "Id", operation=_LIST_UNITS)
                names[unit_id] = require(unit, "Name", operation=_LIST_UNITS)
            self.names_by_parent[parent_id] = names
            self.names.update(names)
        return self.names_by_parent[parent_id]

    def read_name(self, unit_id: str) -> None:
        """Read the name of a unit, and keep it.

        Raises:
            CallError: The read failed.
        """
        response = self.aws.call(_DESCRIBE_UNIT, OrganizationalUnitId=unit_id)
        unit = response.require("OrganizationalUnit")
        self.names[unit_id] = require(unit, "Name", operation=_DESCRIBE_UNIT)

    def accounts_in(self, parent_id: str) -> list[AccountTypeDef]:
        """Return the accounts directly in a unit or root.

        Raises:
            CallError: The read failed.
        """
        return list(self.aws.entries(LIST_ACCOUNTS_OF_PARENT, items="Accounts", ParentId=parent_id))

    def units_under(
        self, units: Iterable[Unit], *, is_wanted: Callable[[Unit], bool] = lambda _: True
    ) -> Iterator[Unit]:
        """Yield units and all units below them.

        Args:
            units: The units.
            is_wanted: Whether to look for units in a unit that was yielded.

        Raises:
            CallError: A read failed.
        """
        waiting = list(units)
        while waiting:
            unit = waiting.pop()
            yield unit
            if is_wanted(unit):
                for unit_id, name in self.names_in(unit.id).items():
                    waiting.append(Unit(id=unit_id, path=f"{unit.path}/{name}"))

    def id_of(self, value: str) -> str:
        """Return the ID of a unit that is given by its ID, its path or the end of its path.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        if UNIT_ID.fullmatch(value):
            try:
                # This call says whether the unit exists. What it returns is read later anyway.
                self.names_in(value)
            except CallError as error:
                if error.failure.name != "ParentNotFound":
                    raise
                raise RunRefusedError(RefusalReason.UNIT_NOT_FOUND, unit=value) from error
            return value
        # A whole path is found without a look into other units. Names may have a "/" in them, so
        # only whole paths are compared.
        on_path = self.units_under(
            self.roots(), is_wanted=lambda unit: value.startswith(f"{unit.path}/")
        )
        found = [unit for unit in on_path if unit.path == value]
        if not found:
            everywhere = self.units_under(self.roots())
            found = [unit for unit in everywhere if unit.path.endswith(f"/{value}")]
        if not found:
            raise RunRefusedError(RefusalReason.UNIT_NOT_FOUND, unit=value)
        if len(found) > 1:
            candidates = sorted(f"{unit.id} ({unit.path})" for unit in found)
            raise RunRefusedError(RefusalReason.SEVERAL_UNITS, unit=value, candidates=candidates)
        return found[0].id

    def known_path(self, unit_ids: Sequence[str] | None) -> str | None:
        """Return the names of units from the root down; None if one of them is not known."""
        if unit_ids is None:
            return None
        names = [ROOT_NAME]
        for unit_id in unit_ids[1:]:
            if unit_id not in self.names:
                return None
            names.append(self.names[unit_id])
        return "/".join(names)


def parse_path(paths: Iterable[str]) -> str | None:
    """Return the IDs of the units that an account is in, from the root down, joined by "/".

    None if the response has no path.

    Args:
        paths: What Organizations returns, such as
            o-8j81brsjuj/r-ab12/ou-ab12-c3d4e5f6/222222222222/.
    """
    for path in paths:
        match = _PATH.fullmatch(path)
        if match:
            return match[1]
    return None
