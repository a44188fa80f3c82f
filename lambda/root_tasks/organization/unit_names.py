"""Where accounts are in the organization, by the names of their units: for readers of a report.

A run does without what cannot be read in time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from aws_calls.failures import CallError

from ..aws.invocation import reading_threads
from ..model.run_documents import Account
from .units import UnitTree

# Names do not delay a run for longer than this. 500 units take less, at the five lists a second
# that Organizations allows.
_MAX_SECONDS = 120.0


def with_unit_names(units: UnitTree, members: Mapping[str, Account]) -> dict[str, Account]:
    """Return accounts, given by their IDs, with the names of their units, without those unread."""
    aws = units.aws.within(_MAX_SECONDS)
    # Without waiting for new permissions: names that are denied for good delay no run.
    reader = units.read_by(aws.with_budget(replace(aws.budget, new_permissions_until=None)))
    try:
        _read_names_of(reader, [member.unit_ids or () for member in members.values()])
    except CallError as error:
        aws.log(event="organizational_units_unread", reason=str(error))
    return {
        id_: replace(member, organizational_unit=units.known_path(member.unit_ids))
        for id_, member in members.items()
    }


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
    with reading_threads() as pool:
        if len(parent_ids) < len(unread):
            list(pool.map(units.names_in, sorted(parent_ids)))
        else:
            list(pool.map(units.read_name, [unit_id for _, unit_id in unread]))
