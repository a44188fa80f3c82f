"""Allowing the recovery of a root password: it opens AWS's own reset by e-mail, and answers no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.failures import CallError

from ..model.report import Item, ItemType, Outcome
from ..model.run import Target
from .credentials import has_password
from .outcomes import already_so, failed_item, finding_of

if TYPE_CHECKING:
    from ..aws.sessions import RootSession
    from ..model.run import Finding

_PASSWORD = Target(type=ItemType.PASSWORD)


def planned(session: RootSession) -> Finding:
    """Returns whether recovery would be allowed: it is where there is no password.

    Raises:
        CallError: whether there is a password could not be seen.
    """
    there = has_password(session, session.iam())
    outcome = Outcome.NOTHING_TO_DO if there else Outcome.PLANNED
    return finding_of(
        session.account_id,
        [Item(type=ItemType.PASSWORD, id="", outcome=outcome)],
        planned=() if there else (_PASSWORD,),
    )


def executed(session: RootSession) -> Finding:
    """Allows recovery."""
    try:
        session.made(session.iam().create_login_profile, operation="iam:CreateLoginProfile")
    except CallError as error:
        exists = error.failure.name == "EntityAlreadyExists"
        item = (already_so if exists else failed_item)(_PASSWORD, error.failure)
    else:
        item = Item(type=ItemType.PASSWORD, id="", outcome=Outcome.DONE)
    return finding_of(session.account_id, [item])
