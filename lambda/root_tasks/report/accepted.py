"""Root credentials that stay on purpose: audited, shown as accepted, and no alarm. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from common.untrusted import ACCOUNT_ID

from ..messages import ACCEPTANCE_UNKNOWN
from ..model.report_schema import Outcome
from .summary import credentials_of, item_counts, types_without_list

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from ..model.report_schema import AccountResult
    from ..model.run import AcceptedCredentials


def with_acceptance(
    result: AccountResult,
    accepted: Mapping[str, AcceptedCredentials],
    *,
    unit_path: str | None,
    on: date,
) -> AccountResult:
    """Return a result that says which of the account's root credentials are accepted, and why.

    The outcome becomes *accepted* if all of them are. A plan that lists one only says so.

    Args:
        result: The result.
        accepted: What is accepted, by the ID of an account or of an organizational unit.
        unit_path: The IDs of the units that the account is in, from the root down; None if not
            known.
        on: The day of the run in UTC.
    """
    # The account's own entry comes first, then that of its nearest unit.
    ids = (result.account_id, *reversed((unit_path or "").split("/")))
    entry = next((accepted[id_] for id_ in ids if id_ in accepted), None)
    # Only a plan to delete credentials has their details.
    types = {item.type for item in result.items if item.credential is not None}
    has_any = result.outcome is Outcome.HAS_CREDENTIALS
    if entry is None:
        of_units = not all(map(ACCOUNT_ID.fullmatch, accepted))
        is_unknown = unit_path is None and of_units and (has_any or types)
        return _with_note(result, ACCEPTANCE_UNKNOWN) if is_unknown else result
    if not has_any and types.isdisjoint(entry.types):
        return result
    note = f"Accepted until {entry.until}: {entry.reason.rstrip('.')}."
    if on.isoformat() > entry.until:
        note = f"No longer accepted after {entry.until}: {entry.reason.rstrip('.')}."
    elif has_any:
        # One of each listed type is accepted. A type that could not be listed may have more than
        # one.
        one_each = Counter(set(entry.types) - types_without_list(result))
        if others := Counter(type_ for type_, _ in credentials_of(result)) - one_each:
            note += f" Not accepted: {item_counts(others)}."
        else:
            result = replace(result, outcome=Outcome.ACCEPTED)
    return _with_note(result, note)


def _with_note(result: AccountResult, note: str) -> AccountResult:
    return replace(result, reason=" ".join(filter(None, (note, result.reason))))
