"""The organizational units: where an account is, by their names, and which unit a name means."""

from __future__ import annotations

import contextlib
import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aws_calls.calls import require
from aws_calls.failures import CallError, FailureKind, describe, error_of_call

from ..aws.invocation import LIST_ROOTS, MAX_ENTRIES_PER_PAGE, MAX_ORGANIZATIONS_CALLS_IN_PARALLEL
from ..refusals import RefusalReason, RunRefusedError
from ..tasks.task_input import UNIT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_organizations.type_defs import AccountTypeDef

    from ..aws.invocation import Aws
    from ..model.run import Account

_LIST_UNITS = "organizations:ListOrganizationalUnitsForParent"
_LIST_ACCOUNTS = "organizations:ListAccountsForParent"
_LIST_PARENTS = "organizations:ListParents"
_DESCRIBE_UNIT = "organizations:DescribeOrganizationalUnit"
# The names of units are for readers of the report: they do not delay a run for longer than this.
# 500 units take less, at the five lists a second that Organizations allows.
_UNIT_NAMES_SECONDS = 120.0
# AWS names it, and there is no call to rename it.
ROOT_NAME = "Root"
_PATH = re.compile(r"o-[a-z0-9]+/(r-[a-z0-9]+(?:/ou-[a-z0-9-]+)*)/(?:[0-9]{12}/)?")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An organizational unit, or the organization's root.

    Attributes:
        id: Its ID.
        path: The names from the root down, joined by "/".
        parent_ids: The IDs of its parents, from the root down, as far as it was reached from there.
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
    """The units of an organization, read as needed, each list once.

    Attributes:
        aws: The account that sees them.
        names: The names of the units in each unit or root that was read, by their IDs.
        described: The name of each unit that was described, by its ID; None if it could not be
            read.
        parent_ids: What each account or unit is in directly, by its ID.
    """

    aws: Aws
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    described: dict[str, str | None] = field(default_factory=dict)
    parent_ids: dict[str, str] = field(default_factory=dict)

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
        if parent_id not in self.names:
            units = self.aws.entries(_LIST_UNITS, items="OrganizationalUnits", ParentId=parent_id)
            self.names[parent_id] = {
                require(unit, "Id", operation=_LIST_UNITS): require(
                    unit, "Name", operation=_LIST_UNITS
                )
                for unit in units
            }
            self.parent_ids.update(dict.fromkeys(self.names[parent_id], parent_id))
        return self.names[parent_id]

    def accounts_in(self, parent_id: str) -> list[AccountTypeDef]:
        """Return the accounts directly in a unit or root.

        Raises:
            CallError: The read failed.
        """
        accounts = list(self.aws.entries(_LIST_ACCOUNTS, items="Accounts", ParentId=parent_id))
        self.parent_ids.update((account["Id"], parent_id) for account in accounts)
        return accounts

    def parents_of(self, child_id: str) -> tuple[str, ...]:
        """Return the IDs of the units that an account or a unit is in, from the root down.

        Raises:
            CallError: A read failed, or no parent came back.
        """
        if child_id.startswith("r-"):
            return ()
        if child_id not in self.parent_ids:
            for parent in self.aws.entries(_LIST_PARENTS, items="Parents", ChildId=child_id):
                self.parent_ids[child_id] = require(parent, "Id", operation=_LIST_PARENTS)
        if child_id not in self.parent_ids:
            message = "the response has no parent"
            raise error_of_call(_LIST_PARENTS, FailureKind.INCOMPLETE_RESPONSE, message)
        parent_id = self.parent_ids[child_id]
        return (*self.parents_of(parent_id), parent_id)

    def read_names_on(self, paths: Iterable[Sequence[str]]) -> None:
        """Read the names of the units on some paths one by one, unless they are more than a list's page has.

        Raises:
            CallError: A read failed; the other names are kept.
        """
        unread = {
            unit_id
            for path in paths
            for parent_id, unit_id in itertools.pairwise(path)
            if parent_id not in self.names
        }
        if len(unread) > MAX_ENTRIES_PER_PAGE:
            return
        with ThreadPoolExecutor(max_workers=MAX_ORGANIZATIONS_CALLS_IN_PARALLEL) as pool:
            list(pool.map(self._describe, sorted(unread)))

    def _describe(self, unit_id: str) -> None:
        self.described[unit_id] = None
        response = self.aws.call(_DESCRIBE_UNIT, OrganizationalUnitId=unit_id)
        unit = response.require("OrganizationalUnit")
        self.described[unit_id] = require(unit, "Name", operation=_DESCRIBE_UNIT)

    def unit_names(self) -> dict[str, str]:
        """Return the name of each unit that was read, by its ID."""
        listed = {id_: name for names in self.names.values() for id_, name in names.items()}
        return listed | {id_: name for id_, name in self.described.items() if name is not None}

    def path_of(self, unit_ids: Sequence[str]) -> str | None:
        """Return the names of units from the root down, each directly in the one before.

        None if they are no longer in each other, or a name could not be described.

        Raises:
            CallError: A read failed.
        """
        names = [ROOT_NAME]
        for parent_id, unit_id in itertools.pairwise(unit_ids):
            if unit_id in self.described:
                name = self.described[unit_id]
            else:
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
            try:
                # The units in it are needed anyway.
                self.names_in(value)
            except CallError as error:
                if error.failure.name != "ParentNotFound":
                    raise
                raise RunRefusedError(RefusalReason.UNIT_NOT_FOUND, unit=value) from error
            return value
        # Names may have a "/" in them: only whole paths are compared.
        on_path = self.units_under(
            self.roots(), is_wanted=lambda unit: value.startswith(f"{unit.path}/")
        )
        found = [unit for unit in on_path if unit.path == value] or [
            unit for unit in self.units_under(self.roots()) if unit.path.endswith(f"/{value}")
        ]
        if not found:
            raise RunRefusedError(RefusalReason.UNIT_NOT_FOUND, unit=value)
        if len(found) > 1:
            candidates = sorted(f"{unit.id} ({unit.path})" for unit in found)
            raise RunRefusedError(RefusalReason.SEVERAL_UNITS, unit=value, candidates=candidates)
        return found[0].id

    def with_names(self, members: Mapping[str, Account], *, whole: bool) -> dict[str, Account]:
        """Return accounts with their units and the names of these, as far as they can be read in time.

        Args:
            members: The accounts.
            whole: Whether they are all accounts of the organization: then all units are read.
        """
        # Names that are denied for good must not delay each run.
        budget = replace(self.aws.budget.within(_UNIT_NAMES_SECONDS), new_permissions_until=None)
        reader = replace(self, aws=self.aws.with_budget(budget))
        if not whole:
            with self.logging_failures():
                reader.read_names_on(member.unit_ids or () for member in members.values())
        found = dict(members)
        with self.logging_failures():
            # The names that were read before a failure are kept.
            found.update(reader._in_named_units(members, whole=whole))
        return found

    def read_names(self) -> None:
        """Read the names of all units ahead of their use."""
        # It is read again where it is used, and the failure is reported there.
        with contextlib.suppress(CallError):
            for _ in self.units_under(self.roots()):
                pass

    @contextlib.contextmanager
    def logging_failures(self) -> Iterator[None]:
        """Log a failure: the names of units are for readers of the report only."""
        try:
            yield
        except CallError as error:
            self.aws.log(event="organizational_units_unread", reason=describe(error.failure))

    def _in_named_units(
        self, members: Mapping[str, Account], *, whole: bool
    ) -> Iterator[tuple[str, Account]]:
        missing = {}
        for id_, member in members.items():
            if member.unit_ids is None:
                missing[id_] = member
            else:
                yield id_, replace(member, organizational_unit=self.path_of(member.unit_ids))
        if not whole and len(missing) <= MAX_ENTRIES_PER_PAGE:
            # Their units could not be read.
            return
        for unit in self.units_under(self.roots() if missing else ()):
            for account in self.accounts_in(unit.id):
                if (id_ := account["Id"]) in missing:
                    member = replace(missing.pop(id_), unit_path="/".join(unit.ids))
                    yield id_, replace(member, organizational_unit=unit.path)
            if not missing:
                return


def parse_path(paths: Iterable[str]) -> str | None:
    """Return the IDs of the units that an account is in, from the root down, joined by "/".

    None if the response has no path: SDKs before botocore 1.42.80 leave it out.

    Args:
        paths: What Organizations returns, such as
            o-8j81brsjuj/r-ab12/ou-ab12-c3d4e5f6/222222222222/.
    """
    for path in paths:
        if match := _PATH.fullmatch(path):
            return match[1]
    return None
