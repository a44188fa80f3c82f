"""Where accounts are in the organization, by the names of their units: for readers of a report.

A run does without what cannot be read in time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from aws_calls.failures import CallError

from ..aws.invocation import MAX_ENTRIES_PER_PAGE, MAX_ORGANIZATIONS_CALLS_IN_PARALLEL, Aws
from ..model.run_documents import Account
from .units import UnitTree

# Names do not delay a run for longer than this. 500 units take less, at the five lists a second
# that Organizations allows.
_MAX_SECONDS = 120.0


def with_unit_names(units: UnitTree, members: Mapping[str, Account]) -> dict[str, Account]:
    """Return accounts, given by their IDs, with their units and the names of these.

    What cannot be read is left out.
    """
    aws = units.aws.within(_MAX_SECONDS)
    # Without waiting for new permissions: names that are denied for good delay no run.
    reader = units.read_by(aws.with_budget(replace(aws.budget, new_permissions_until=None)))
    with _logging_failure(aws):
        # SDKs before botocore 1.42.80 do not say which units an account is in.
        _find_units_of(reader, {id_ for id_, member in members.items() if member.unit_ids is None})
    members_in_units = {id_: _with_unit_ids(units, member) for id_, member in members.items()}
    with _logging_failure(aws):
        _read_names_of(reader, [member.unit_ids or () for member in members_in_units.values()])
    return {id_: _with_names_of_units(units, member) for id_, member in members_in_units.items()}


def _find_units_of(units: UnitTree, account_ids: Set[str]) -> None:
    """Read which units accounts are in: of a few one by one, of many by the lists of all units."""
    # The parent of an account that was listed by its unit is known already. A few are as many as
    # one page of a list has.
    unknown = account_ids - units.parent_ids.keys()
    if len(unknown) <= MAX_ENTRIES_PER_PAGE:
        for account_id in sorted(account_ids):
            units.parents_of(account_id)
        return
    for unit in units.units_under(units.roots()):
        units.accounts_in(unit.id)
        if account_ids <= units.parent_ids.keys():
            return


def _read_names_of(units: UnitTree, paths: Iterable[Sequence[str]]) -> None:
    """Read the names of the units that accounts are in, by as few calls as possible.

    That is a call for each unit, or a list of the units in each parent if there are fewer parents.

    Args:
        units: The units, which get the names.
        paths: The IDs of each account's units, from the root down.
    """
    parents_and_units = {pair for path in paths for pair in itertools.pairwise(path)}
    unread = [
        (parent_id, unit_id)
        for parent_id, unit_id in sorted(parents_and_units)
        if parent_id not in units.names_by_parent
    ]
    parent_ids = {parent_id for parent_id, _ in unread}
    with ThreadPoolExecutor(max_workers=MAX_ORGANIZATIONS_CALLS_IN_PARALLEL) as pool:
        if len(parent_ids) < len(unread):
            list(pool.map(units.names_in, sorted(parent_ids)))
        else:
            list(pool.map(units.read_name, [unit_id for _, unit_id in unread]))


def _with_unit_ids(units: UnitTree, member: Account) -> Account:
    """Return an account with the IDs of its units, if these are known by now."""
    unit_ids = member.unit_ids or units.known_parents(member.account_id)
    if unit_ids is None:
        return member
    return replace(member, unit_path="/".join(unit_ids))


def _with_names_of_units(units: UnitTree, member: Account) -> Account:
    """Return an account with the names of its units, if all of them are known by now."""
    if member.unit_ids is None:
        return member
    return replace(member, organizational_unit=units.known_path(member.unit_ids))


@contextmanager
def _logging_failure(aws: Aws) -> Iterator[None]:
    """Log a call that fails, instead of letting it fail the run."""
    try:
        yield
    except CallError as error:
        aws.log(event="organizational_units_unread", reason=str(error))
