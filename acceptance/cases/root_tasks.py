"""The cases of the project's own root tasks in the member account."""

from __future__ import annotations

from functools import partial

from acceptance.cases._build import PASSWORD, SESSIONS, TRUSTED_ACCESS, WITH_CREDENTIALS, case, succeeds
from acceptance.model import Level

_case = partial(case, level=Level.MEMBER)
_without, _with = (partial(_case, given=given) for given in (WITH_CREDENTIALS, (*WITH_CREDENTIALS, PASSWORD)))
_PRESENT, _ABSENT = ({"AccountPasswordPresent": present} for present in (1, 0))

_CREDENTIALS = [
    _without(
        "product:Audit",
        "the audit finds an account without root credentials clean",
        succeeds({"outcome": "clean", "items": []}),
    ),
    _with("product:Audit", "the audit finds a root password", succeeds({"outcome": "has credentials"})),
    _without(
        "product:Plan",
        "a plan of the recovery of a password changes nothing",
        succeeds({"outcome": "planned"}),
        afterwards=_ABSENT,
        task="recover",
    ),
    _without(
        "product:Execute",
        "the recovery of a password is allowed",
        succeeds({"outcome": "done"}),
        afterwards=_PRESENT,
        task="recover",
    ),
    _with(
        "product:Plan",
        "a plan of a deletion lists the password and changes nothing",
        succeeds({"outcome": "planned", "items": [{"type": "password", "outcome": "planned"}]}),
        afterwards=_PRESENT,
        task="delete",
    ),
    _with(
        "product:Execute",
        "a password is deleted",
        succeeds({"outcome": "done", "items": [{"type": "password", "outcome": "done"}]}),
        afterwards=_ABSENT,
        task="delete",
    ),
]

_POLICIES = [
    _case(
        f"product:{operation}",
        name.format(kind),
        succeeds({"outcome": outcome}),
        given=(TRUSTED_ACCESS, SESSIONS, f"{kind} {state}"),
        task=kind,
    )
    for kind in ("bucket", "queue")
    for operation, name, state, outcome in (
        ("Plan", "a plan finds the policy of a locked {}", "locked", "planned"),
        ("Execute", "a locked {} is unlocked", "locked", "done"),
        ("Restore", "the policy of an unlocked {} is restored", "locked", "done"),
        ("Plan", "an open {} needs nothing", "open", "nothing to do"),
    )
]

CASES = (*_CREDENTIALS, *_POLICIES)
