"""The rows of a report for a person: one for each item, with the facts to decide by. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from root_tasks.messages import quantity
from root_tasks.model.report_schema import (
    AccountResult,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    Report,
    RootCredentials,
    Task,
)
from root_tasks.report.facts import credentials_of, is_plan, types_without_list
from root_tasks.report.management_root_user import credentials_in_words
from root_tasks.report.words import item_counts, words_of

# The summary counts such accounts, and lists them only on demand.
_NEEDING_NO_ACTION = frozenset({Outcome.NOTHING_TO_DO, Outcome.CLEAN})


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One row of a report. Its texts are not to be trusted.

    Attributes:
        outcome: How the task ended in the account, or for this item.
        item: The item, with its Region, its status, its creation and its last use.
        reason: Why it ended so, or what to know about it.
        hint: What to do about it, in the project's own words.
    """

    outcome: Outcome
    item: str = ""
    reason: str = ""
    hint: str = ""

    @property
    def what(self) -> str:
        """The item, the reason and the hint, of which there may be only one."""
        why = " ".join(filter(None, (self.reason, self.hint)))
        return ": ".join(filter(None, (self.item, why)))


def heading_of(report: Report, result: AccountResult, row: ReportRow) -> tuple[Outcome, str]:
    """Return what a list shows a row under: an outcome, in words.

    What a plan leaves out never stands under what is to be changed, even in the same account.
    """
    if not is_plan(report):
        return result.outcome, words_of(report).outcome(result.outcome)
    words = words_of(report).outcome(row.outcome)
    if row.outcome in (Outcome.IN_USE, Outcome.ACCEPTED):
        return row.outcome, f"left out, {words}"
    if row.outcome is Outcome.SKIPPED and result.outcome is not Outcome.SKIPPED:
        return row.outcome, "left out"
    return row.outcome, words


def listed_results(report: Report, *, everything: bool) -> list[AccountResult]:
    """Return the results that are listed, not only counted: all, or those that need an action."""
    # The rows of a recovery name the e-mail addresses, which the next step needs even if there is a
    # password already.
    if everything or report.task is Task.RECOVER:
        return list(report.results)
    return [result for result in report.results if result.outcome not in _NEEDING_NO_ACTION]


def policies_of_plan(report: Report) -> Iterator[tuple[str, str]]:
    """Yield a title and the difference, as text, of each policy that a plan removes or changes."""
    planned = words_of(report).planned
    for result in report.results:
        for item in result.items:
            if item.outcome is Outcome.PLANNED and item.difference is not None:
                title = f"Policy of {item.id} in {result.account_id}, {planned} (- goes, + is new):"
                yield title, item.difference


def rows_of(report: Report, result: AccountResult) -> list[ReportRow]:
    """Return the rows of an account in a report: at least one, which may have the outcome alone."""
    if report.task is Task.AUDIT and result.account_id == report.management_account_id:
        return [_management_row(result)]
    rows = []
    # AWS sends the link by which the password is reset to the root user's address.
    if report.task is Task.RECOVER and result.email is not None:
        rows.append(ReportRow(outcome=result.outcome, item=f"e-mail address {result.email}"))
    rows += _credential_item_and_reason_rows(result, now=report.finished_at)
    return rows or [ReportRow(outcome=result.outcome)]


def _management_row(result: AccountResult) -> ReportRow:
    """Return the row of the management account's own root user, which no root session reaches."""
    if result.credentials is None:
        return ReportRow(
            outcome=result.outcome, item="root user not looked at", reason=result.reason or ""
        )
    credentials = credentials_in_words(result.credentials)
    return ReportRow(outcome=result.outcome, item=f"root user with {credentials}")


def _credential_item_and_reason_rows(
    result: AccountResult, *, now: datetime
) -> Iterator[ReportRow]:
    """Yield a row for each credential that an account has, each item, and the reasons.

    An audit reads credentials, and the other tasks have items.
    """
    if result.credentials is not None:
        yield from _credential_rows(result, result.credentials, now=now)
    for item in result.items:
        yield _item_row(item, now=now)
    reason = result.reason or ""
    # An item may have the account's reason as its message already.
    if reason in [item.message for item in result.items]:
        reason = ""
    if reason or result.hint:
        yield ReportRow(outcome=result.outcome, reason=reason, hint=result.hint or "")


def _credential_rows(
    result: AccountResult, has: RootCredentials, *, now: datetime
) -> Iterator[ReportRow]:
    """Yield a row for the password, each access key, and the numbers of the other credentials.

    For example: "access key AKIA…, Active, used 2026-11-17 (3 days ago) for s3", "1 MFA device".
    """
    items = []
    if has.password:
        unread = has.password_last_use_unread
        items.append(f"password, {_last_use(has.password_last_used_at, now, unread=unread)}")
    for key in has.access_keys or ():
        use = _last_use_with_service(key, now)
        items.append(f"access key {key.access_key_id}, {key.status}, {use}")
    unlisted = types_without_list(result)
    # Certificates and devices have no last use, so their number is enough.
    counted_types = {ItemType.SIGNING_CERTIFICATE, ItemType.MFA_DEVICE} - unlisted
    counts = Counter(type_ for type_, _ in credentials_of(result) if type_ in counted_types)
    if counts:
        items.append(item_counts(counts))
    items += [f"{type_.words} that could not be listed" for type_ in ItemType if type_ in unlisted]
    for item in items:
        yield ReportRow(outcome=result.outcome, item=item)


def _item_row(item: Item, *, now: datetime) -> ReportRow:
    """Return the row of an item, such as "bucket policy reports, us-east-1"."""
    facts = [item.type.words]
    if item.id is not None and item.id.startswith("arn:"):
        # The type of the item and the row's account say the rest of an ARN.
        facts[0] += f" {re.split('[:/]', item.id)[-1]}"
    elif item.id is not None:
        facts[0] += f" {item.id}"
    if item.region is not None:
        facts.append(item.region)
    details = item.credential
    if details is not None:
        if details.status is not None:
            facts.append(details.status)
        if details.created_at is not None:
            facts.append(f"created {details.created_at:%Y-%m-%d}")
        if item.type in (ItemType.PASSWORD, ItemType.ACCESS_KEY):
            facts.append(_last_use_with_service(details, now))
    return ReportRow(outcome=item.outcome, item=", ".join(facts), reason=item.message or "")


def _last_use_with_service(used: CredentialDetails, now: datetime) -> str:
    """Return when a credential was last used, and for which service: "used … ago) for s3"."""
    use = _last_use(used.last_used_at, now, unread=used.last_use_unread)
    if used.last_used_at is None or used.last_used_service is None:
        return use
    return f"{use} for {used.last_used_service}"


def _last_use(moment: datetime | None, now: datetime, *, unread: bool) -> str:
    """Return when something was last used, in words.

    Args:
        moment: When it was; None if AWS knows of no use.
        now: The time of the report.
        unread: Whether the last use could not be read.
    """
    if unread:
        return "last use unknown"
    if moment is None:
        return "no use known"
    days = (now - moment).days
    if days < 1:
        return f"used {moment:%Y-%m-%d} (today)"
    return f"used {moment:%Y-%m-%d} ({quantity(days, 'day')} ago)"
