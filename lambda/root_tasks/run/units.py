"""The organizational units: where an account is, by their names, and which unit a name means."""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aws_calls.calls import require

from ..aws.organizations import LIST_ROOTS, entries, organization_roots
from ..refusals import RefusalReason, RunRefusedError
from ..tasks.scope import UNIT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_organizations import OrganizationsClient

    from aws_calls.retry import RetryBudget

_LIST_UNITS = "organizations:ListOrganizationalUnitsForParent"
# AWS names it, and there is no call to rename it.
_ROOT = "Root"
_PATH = re.compile(r"o-[a-z0-9]+/(r-[a-z0-9]+(?:/ou-[a-z0-9-]+)*)/(?:[0-9]{12}/)?")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An organizational unit, or the organization's root.

    Attributes:
        id: Its ID.
        path: The names from the root down, joined by "/".
        parent_ids: The IDs of what it is in, from the root down, as far as it was reached from there.
    """

    id: str
    path: str
    parent_ids: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Its ID, after those of what it is in."""
        return (*self.parent_ids, self.id)


@dataclass(frozen=True, kw_only=True)
class UnitTree:
    """The units of an organization, read as far as they are needed, each list once.

    Attributes:
        organizations: A client that makes one attempt a call.
        budget: How long to retry transient failures.
        names: The names of the units in each unit or root that was read, by their IDs.
    """

    organizations: OrganizationsClient
    budget: RetryBudget
    names: dict[str, dict[str, str]] = field(default_factory=dict)

    def within(self, seconds: float) -> UnitTree:
        """Return the same tree, which reads no more after so many seconds."""
        return replace(self, budget=self.budget.ending_in(seconds))

    def until(self, abandoned: Callable[[], bool]) -> UnitTree:
        """Return the same tree, which reads no more once nobody waits for it."""
        return replace(self, budget=self.budget.until(abandoned))

    def roots(self) -> list[Unit]:
        """Return the roots, of which an organization has one.

        Raises:
            CallError: The read failed, or no root came back.
        """
        return [
            Unit(id=require(root, "Id", operation=LIST_ROOTS), path=_ROOT)
            for root in organization_roots(self.organizations, budget=self.budget)
        ]

    def names_in(self, parent_id: str) -> Mapping[str, str]:
        """Return the names of the units directly in a unit or root, by their IDs.

        Raises:
            CallError: The read failed, for example because the parent does not exist.
        """
        if parent_id not in self.names:
            units = entries(
                functools.partial(
                    self.organizations.list_organizational_units_for_parent, ParentId=parent_id
                ),
                operation=_LIST_UNITS,
                items="OrganizationalUnits",
                budget=self.budget,
            )
            self.names[parent_id] = {
                require(unit, "Id", operation=_LIST_UNITS): require(unit, "Name", operation=_LIST_UNITS)
                for unit in units
            }
        return self.names[parent_id]

    def path_of(self, unit_ids: Sequence[str]) -> str | None:
        """Return the names of units from the root down, each directly in the one before.

        None where they are no longer in each other.

        Raises:
            CallError: A read failed.
        """
        names = [_ROOT]
        for parent_id, unit_id in itertools.pairwise(unit_ids):
            name = self.names_in(parent_id).get(unit_id)
            if name is None:
                return None
            names.append(name)
        return "/".join(names)

    def units_under(
        self, units: Iterable[Unit], *, is_wanted: Callable[[Unit], bool] = lambda _: True
    ) -> Iterator[Unit]:
        """Yield units and what is in them, but nothing that is in a unit that is not wanted.

        Raises:
            CallError: A read failed.
        """
        waiting = list(units)
        while waiting:
            unit = waiting.pop()
            yield unit
            if is_wanted(unit):
                waiting += (
                    Unit(id=id_, path=f"{unit.path}/{name}", parent_ids=unit.ids)
                    for id_, name in self.names_in(unit.id).items()
                )

    def id_of(self, value: str) -> str:
        """Return the ID of a unit that is given by its ID, its path or the end of its path.

        Raises:
            RunRefusedError: There is no such unit, or more than one.
            CallError: A read failed.
        """
        if UNIT_ID.fullmatch(value):
            return value
        # Names may have a "/" in them: only whole paths are compared.
        on_path = self.units_under(self.roots(), is_wanted=lambda unit: value.startswith(f"{unit.path}/"))
        found = [unit for unit in on_path if unit.path == value] or [
            unit for unit in self.units_under(self.roots()) if unit.path.endswith(f"/{value}")
        ]
        if not found:
            raise RunRefusedError(RefusalReason.UNIT_NOT_FOUND, unit=value)
        if len(found) > 1:
            candidates = sorted(f"{unit.id} ({unit.path})" for unit in found)
            raise RunRefusedError(RefusalReason.SEVERAL_UNITS, unit=value, candidates=candidates)
        return found[0].id


def parse_path(paths: Iterable[str]) -> tuple[str, ...] | None:
    """Return the IDs of the units that an account is in, from the root down.

    None where the response has no path: SDKs before botocore 1.42.80 leave it out.

    Args:
        paths: What Organizations returns, such as o-8j81brsjuj/r-ab12/ou-ab12-c3d4e5f6/222222222222/.
    """
    for path in paths:
        if match := _PATH.fullmatch(path):
            return tuple(match[1].split("/"))
    return None
