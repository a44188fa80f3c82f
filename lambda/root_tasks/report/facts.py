"""What a report says of a run and of its accounts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..model.outcome import AUDITED
from ..model.report_schema import AccountResult, ItemType, Outcome, Report, Result
from ..tasks import DEFINITIONS


def is_plan(report: Report) -> bool:
    """Return whether the run only says what an execution would do."""
    return DEFINITIONS[report.task].makes_changes and report.executed_plan is None


def executable_until(report: Report) -> datetime | None:
    """Return until when a plan can be executed; None if nothing can be.

    That is so if it lists nothing, if its run ended without a report and so without a plan, and for
    the report of another run.
    """
    if Outcome.PLANNED not in report.totals:
        return None
    return report.plan_expires_at


def has_outcome(report: Report, result: AccountResult, outcome: Outcome) -> bool:
    """Return whether an account has an outcome; in a plan also if one of its items has it.

    For example, an account of which a plan lists the password and leaves out a key in use is
    *planned*, and *in use* as well.
    """
    if result.outcome is outcome:
        return True
    return is_plan(report) and any(item.outcome is outcome for item in result.items)


def is_audited(result: Result) -> bool:
    """Return whether an audit read which credentials the account's root user has."""
    return result.outcome in AUDITED


def credentials_of(result: AccountResult) -> tuple[tuple[ItemType, str | None], ...]:
    """Return what the root user has: the type of each credential, and its ID.

    A type whose credentials could not be listed is there once, without an ID.
    """
    has = result.credentials
    if has is None:
        return ()
    found: list[tuple[ItemType, str | None]] = []
    if has.password:
        found.append((ItemType.PASSWORD, None))
    # None if they could not be listed.
    key_ids = None
    if has.access_keys is not None:
        key_ids = [key.access_key_id for key in has.access_keys]
    for type_, ids in (
        (ItemType.ACCESS_KEY, key_ids),
        (ItemType.SIGNING_CERTIFICATE, has.signing_certificates),
        (ItemType.MFA_DEVICE, has.mfa_devices),
    ):
        found += [(type_, id_) for id_ in _ids_or_one_unknown(ids)]
    return tuple(found)


def _ids_or_one_unknown(ids: Sequence[str] | None) -> Sequence[str | None]:
    """Return the IDs of credentials; if they could not be listed there is at least one: [None]."""
    if ids is None:
        return [None]
    return ids


def types_without_list(result: AccountResult) -> frozenset[ItemType]:
    """Return the types of credentials that exist and could not be listed."""
    return frozenset(
        type_
        for type_, id_ in credentials_of(result)
        if id_ is None and type_ is not ItemType.PASSWORD
    )
