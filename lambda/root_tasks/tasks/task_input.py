"""The input of an execution: its keys, and the checks of their values that all tasks share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.untrusted import ACCOUNT_ID, excerpt, printable

from ..model.report_schema import PlanSelection, Task
from ..model.run_documents import RUN_ID
from ..refusals import RefusalReason, RunRefusedError
from .request import Request

ACCOUNTS = "accounts"
ORGANIZATIONAL_UNITS = "organizationalUnits"
EXCLUDE = "exclude"
TASK = "task"
# In every input, as self-reported: who asks for the run, and why.
REQUESTED_BY = "requestedBy"
REASON = "reason"
STATED_KEYS = (REQUESTED_BY, REASON)
# No ARN of a caller has a blank: it is not a sentence.
REQUESTER = re.compile(r"arn:[!-~]{1,2044}")
# A line that is not blank.
REASON_PATTERN = re.compile(r"(?=.*\S).{1,200}")
ACCOUNT_KEYS = (ACCOUNTS, ORGANIZATIONAL_UNITS)
# The run of whose report the accounts are, as self-reported.
FROM_REPORT = "fromReport"
UNTIL = "until"
_UNTIL = re.compile(r"[0-9]{1,3}[hd]|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNTIL_EXPECTED = (
    "hours or days, such as 8h or 3d, or a date, such as 2026-12-31, within the next 30 days"
)
_HOURS = {"h": 1, "d": 24}
_MAX_RECOVERY = timedelta(days=30)
SCOPE_KEYS = ACCOUNT_KEYS + (EXCLUDE, FROM_REPORT)

_ALL = ["all"]
UNIT_ID = re.compile(r"(r-[a-z0-9]{4,32})|(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32})")
# A path of the longest names in the deepest unit is shorter.
_UNIT = re.compile(r".{1,1000}", re.DOTALL)
_MAX_QUOTED_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True)
class TaskInput:
    """The input of an execution, as it was given, with the checks that all tasks share.

    For example, ``{"task": "delete", "accounts": ["222222222222"]}``.

    Attributes:
        values: Its keys and values.
    """

    task: Task
    values: Mapping[str, Any]

    def require_no_other_keys(self, *valid: str) -> None:
        """Refuse keys other than the valid ones.

        Raises:
            RunRefusedError: There is another key.
        """
        refused = sorted(set(self.values).difference(valid, [TASK]))
        if refused:
            raise RunRefusedError(
                RefusalReason.KEYS_NOT_ACCEPTED, task=self.task, keys=refused, valid=(TASK, *valid)
            )

    def require_one_of(self, *keys: str) -> None:
        """Refuse an input that has none of these keys.

        Raises:
            RunRefusedError: It has none.
        """
        if not set(keys).intersection(self.values):
            raise RunRefusedError(RefusalReason.MISSING_KEY, task=self.task, keys=keys)

    def strings(self, key: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
        """Return the strings of a list, each once; none where there is no such key.

        Args:
            key: The list's key.
            pattern: What each string must match.
            expected: What the strings are, for the refusal.

        Raises:
            RunRefusedError: It is not a list, or one of its entries does not match.
        """
        if key not in self.values:
            return ()
        return string_list(self.values[key], key=key, pattern=pattern, expected=expected)

    def flag(self, key: str) -> bool:
        """Return whether a key is true; not where there is no such key.

        Raises:
            RunRefusedError: It is neither true nor false.
        """
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise invalid_value(value, key=key, expected="true or false")
        return value


def parse_requester(input_: Mapping[str, Any]) -> str | None:
    """Return who asks for a run, as its input states; None if it does not.

    Raises:
        RunRefusedError: It is not the text of an ARN.
    """
    return optional_text(input_, REQUESTED_BY, pattern=REQUESTER, expected="the caller's ARN")


def parse_reason(input_: Mapping[str, Any]) -> str | None:
    """Return why a run is asked for, as its input states; None if it does not.

    Raises:
        RunRefusedError: It is not a line of text, or too long.
    """
    expected = "a line of at most 200 printable characters"
    return optional_text(input_, REASON, pattern=REASON_PATTERN, expected=expected)


def optional_text(
    input_: Mapping[str, Any], key: str, *, pattern: re.Pattern[str], expected: str
) -> str | None:
    """Return the text that an input has by a key; None if it has no such key.

    Raises:
        RunRefusedError: It is not a text, or does not match the pattern.
    """
    if key not in input_:
        return None
    return text_of(input_, key, pattern=pattern, expected=expected)


def text_of(input_: Mapping[str, Any], key: str, *, pattern: re.Pattern[str], expected: str) -> str:
    """Return the text that an input has by a key.

    Raises:
        RunRefusedError: It is not a text, or does not match the pattern.
    """
    value = input_[key]
    if (
        not isinstance(value, str)
        or not pattern.fullmatch(value)
        # Nothing of it may hide or forge what is shown beside it.
        or printable(value) != value
    ):
        raise invalid_value(value, key=key, expected=expected)
    return value


def string_list(
    values: object, *, key: str, pattern: re.Pattern[str], expected: str
) -> tuple[str, ...]:
    """Return the strings of a list, each once.

    Raises:
        RunRefusedError: It is not a list, it is empty, or one of its entries does not match the
            pattern.
    """
    if not isinstance(values, list) or not values:
        raise invalid_value(values, key=key, expected=f"a list of {expected}")
    for value in values:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise RunRefusedError(
                RefusalReason.INVALID_ENTRY, key=key, expected=expected, value=quote(value)
            )
    return tuple(dict.fromkeys(values))


def invalid_value(value: object, *, key: str, expected: str) -> RunRefusedError:
    """Return the refusal of a value that is not as expected."""
    return RunRefusedError(
        RefusalReason.INVALID_VALUE, key=key, expected=expected, value=quote(value)
    )


def quote(value: object) -> str:
    """Return a value as JSON for a refusal, with its end unless it is longer than any valid one."""
    return excerpt(json.dumps(value), _MAX_QUOTED_CHARACTERS)


def parse_accounts(input_: TaskInput) -> Request:
    """Return the accounts of an input that may name accounts, organizational units or all.

    Raises:
        RunRefusedError: It names nothing, or something unclear.
    """
    input_.require_one_of(*ACCOUNT_KEYS)
    units = input_.strings(
        ORGANIZATIONAL_UNITS, _UNIT, "IDs, names or paths of organizational units"
    )
    exclusions = input_.strings(
        EXCLUDE, _UNIT, "account IDs, and IDs, names or paths of organizational units"
    )
    # Where the accounts come from: the input names them, too.
    from_report = optional_text(
        input_.values, FROM_REPORT, pattern=RUN_ID, expected="the name of a run"
    )
    if input_.values.get(ACCOUNTS) == _ALL:
        if units:
            raise RunRefusedError(
                RefusalReason.EITHER_OR,
                one=f'"{ACCOUNTS}": ["all"]',
                other=f'"{ORGANIZATIONAL_UNITS}"',
            )
        selection = PlanSelection(all_accounts=True, exclude=exclusions)
    else:
        selection = PlanSelection(
            all_accounts=False,
            accounts=_account_ids(input_),
            from_report=from_report,
            organizational_units=units,
            exclude=exclusions,
        )
    return Request(task=input_.task, selection=selection)


def parse_accounts_or_all(input_: TaskInput) -> Request:
    """Return the accounts of an input; every account where it does not name any.

    Raises:
        RunRefusedError: It names something unclear.
    """
    if not set(ACCOUNT_KEYS).intersection(input_.values):
        input_ = replace(input_, values={**input_.values, ACCOUNTS: _ALL})
    return parse_accounts(input_)


def parse_named_accounts(input_: TaskInput) -> Request:
    """Return the accounts of an input that has to name each of them.

    Raises:
        RunRefusedError: It does not name accounts, or something unclear.
    """
    if input_.values.get(ACCOUNTS) == _ALL:
        raise RunRefusedError(RefusalReason.ACCOUNTS_NOT_NAMED, task=input_.task)
    input_.require_one_of(ACCOUNTS)
    selection = PlanSelection(all_accounts=False, accounts=_account_ids(input_))
    return Request(task=input_.task, selection=selection)


def parse_recovery(input_: TaskInput) -> Request:
    """Return the accounts of an input to recover, and when that is to be closed.

    Raises:
        RunRefusedError: It does not name accounts, or something unclear.
    """
    until = optional_text(input_.values, UNTIL, pattern=_UNTIL, expected=_UNTIL_EXPECTED)
    return replace(parse_named_accounts(input_), until=until)


def end_of_recovery(until: str, *, now: datetime) -> tuple[datetime | None, int | None]:
    """Return when a recovery is to be closed: at a time, or so many hours after it was allowed.

    Args:
        until: What the input says. A date stands for the end of that day in UTC.
        now: The time.

    Raises:
        RunRefusedError: It is something else, or not within the next 30 days.
    """
    hours = None
    end = now
    if _UNTIL.fullmatch(until) and until[-1] in _HOURS:
        hours = int(until[:-1]) * _HOURS[until[-1]]
        end += timedelta(hours=hours)
    elif _UNTIL.fullmatch(until):
        # Not a date: the 30th of February. Too far away for a computer: the year 9999.
        with suppress(ValueError, OverflowError):
            end = datetime.fromisoformat(until).replace(tzinfo=UTC) + timedelta(days=1)
    if not now < end <= now + _MAX_RECOVERY:
        raise invalid_value(until, key=UNTIL, expected=_UNTIL_EXPECTED)
    if hours is None:
        return end, None
    return None, hours


def _account_ids(input_: TaskInput) -> tuple[str, ...]:
    """Return the accounts that an input names by their IDs; none where it has no such key."""
    return input_.strings(ACCOUNTS, ACCOUNT_ID, '12-digit account IDs, or only "all"')
