"""The outcomes of a task in an account, and what they mean."""

from __future__ import annotations

from common.identifier import Identifier


class Outcome(Identifier):
    """The outcome of a task in one account, or for one item.

    The one that needs attention most is first. This is the order of everything that lists outcomes:
    totals, summary, CSV and page. Only the root user of the management account is UNPROTECTED or
    PROTECTED, because no task can delete what it has.
    """

    UNPROTECTED = "UNPROTECTED"
    HAS_CREDENTIALS = "HAS_CREDENTIALS"
    UNKNOWN = "UNKNOWN"
    FAILED = "FAILED"
    INACCESSIBLE = "INACCESSIBLE"
    PLANNED = "PLANNED"
    IN_USE = "IN_USE"
    ACCEPTED = "ACCEPTED"
    DONE = "DONE"
    NOTHING_TO_DO = "NOTHING_TO_DO"
    # In words it is not *protected*: that is what an account is by the stack's setting.
    PROTECTED = "PROTECTED", "guarded"
    CLEAN = "CLEAN"
    SKIPPED = "SKIPPED"

    @property
    def rank(self) -> int:
        """The outcome's place in the order: 0 is the one that needs attention most."""
        return list(Outcome).index(self)


# An audit read what the root user of a member account has.
AUDITED = frozenset({Outcome.HAS_CREDENTIALS, Outcome.ACCEPTED, Outcome.CLEAN})
# A change was not made, or may not have been made. An execution with one of these has failed.
FAILURES = frozenset({Outcome.UNKNOWN, Outcome.FAILED})
# An audit with one of these has found what should not be.
NOT_AS_WANTED = FAILURES | {Outcome.UNPROTECTED, Outcome.HAS_CREDENTIALS}
# What was planned is done, or no change was needed.
AS_PLANNED = frozenset({Outcome.DONE, Outcome.NOTHING_TO_DO})
