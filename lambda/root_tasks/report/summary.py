"""The result of a run in a sentence or two that can be quoted. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from ..messages import enumeration, quantity
from ..model.report_schema import AccountResult, Outcome, Report, Task
from .facts import is_audited, is_plan
from .management_root_user import management_credentials, management_sentence
from .plan_warnings import accepted_warning, in_use_warning
from .words import credential_counts, item_counts, minute, title, words_of

# A longer time is told in hours.
_MAX_MINUTES = 120
# The words of a summary for the accounts of an outcome, for one and for several, unless these are
# as for "is done" and "are done".
_PREDICATES = {
    Outcome.HAS_CREDENTIALS: ("has credentials", "have credentials"),
    Outcome.FAILED: ("failed", "failed"),
    Outcome.INACCESSIBLE: ("was inaccessible", "were inaccessible"),
    Outcome.IN_USE: ("has only credentials in use", "have only credentials in use"),
    Outcome.ACCEPTED: ("has accepted credentials", "have accepted credentials"),
    Outcome.NOTHING_TO_DO: ("had nothing to do", "had nothing to do"),
    Outcome.SKIPPED: ("was skipped", "were skipped"),
}


def summary(report: Report) -> str:
    """Return the result of the run in a sentence or two that can be quoted.

    It names no account, and quotes nothing that others chose.
    """
    # That of an audit is clear without a title.
    if report.task is Task.AUDIT:
        return headline(report)
    return f"{title(report)}. {headline(report)}"


def headline(report: Report) -> str:
    """Return the summary for a reader who has the title already."""
    if not report.results:
        return "No account was selected."
    # What has a sentence of its own is not counted again.
    if len(report.results) == 1 and management_credentials(report) is not None:
        # Only the management account was audited, in which no root session can be opened.
        sentences = [management_sentence(report)]
    elif report.task is Task.AUDIT:
        said = [Outcome.HAS_CREDENTIALS, Outcome.CLEAN, Outcome.UNPROTECTED, Outcome.PROTECTED]
        sentences = [_audit_sentence(report), _sentence_of_counts(report, without=said)]
        sentences.append(management_sentence(report))
    elif is_plan(report):
        said = [Outcome.PLANNED, Outcome.IN_USE, Outcome.ACCEPTED]
        sentences = [*_plan_sentences(report), _sentence_of_counts(report, without=said)]
    else:
        said = [Outcome.DONE]
        sentences = [*_execution_sentences(report), _sentence_of_counts(report, without=said)]
    return " ".join(sentence for sentence in sentences if sentence)


def _sentence_of_counts(report: Report, *, without: Collection[Outcome]) -> str:
    """Return how many accounts have each outcome, as in "2 accounts failed and 1 was skipped".

    Args:
        report: The report.
        without: The outcomes that it leaves out, because other sentences are about these.
    """
    counts = []
    for outcome, count in report.totals.items():
        if outcome in without:
            continue
        by_default = (f"is {outcome.words}", f"are {outcome.words}")
        singular, plural = _PREDICATES.get(outcome, by_default)
        # Only the first one says what is counted.
        subject = f"{count:,}" if counts else quantity(count, "account")
        predicate = singular if count == 1 else plural
        counts.append(f"{subject} {predicate}")
    return f"{enumeration(counts)}." if counts else ""


def root_free_sentence(report: Report) -> str:
    """Return since when no full audit finds root credentials; nothing if only one audit says so."""
    free = report.root_free
    # The management account is no member, and a protected account stays in the hands of its owners.
    members = [
        result for result in report.results if result.account_id != report.management_account_id
    ]
    clean = [result for result in members if result.outcome is Outcome.CLEAN]
    protected = sum(result.protected for result in clean)
    count = len(clean) - protected
    if free is None or free.audits == 1 or count == 0:
        return ""
    accounts = "1 account has"
    if count > 1:
        accounts = f"{count:,} accounts have"
    none = "none"
    if free.incomplete_audits:
        none = "none but accepted ones"
    minutes = math.ceil(free.longest_gap / 60)
    gap = quantity(minutes, "minute")
    if minutes > _MAX_MINUTES:
        gap = quantity(math.ceil(minutes / 60), "hour")
    sentence = (
        f"{accounts} no root credentials, and {free.audits:,} full audits in a row since "
        f"{minute(free.since)} found {none}; the longest time between two was {gap}."
    )
    if free.incomplete_audits:
        sentence += (
            f" In {free.incomplete_audits:,} of these audits, accounts were inaccessible or had "
            "accepted credentials."
        )
    if protected:
        sentence += f" Not counted, because protected: {quantity(protected, 'account')}."
    return sentence


def _audit_sentence(report: Report) -> str:
    """Return how many of the audited accounts have root credentials, and which."""
    # This sentence is about all full audits in a row that found none, so it comes first.
    root_free = root_free_sentence(report)
    if root_free:
        return root_free
    audited = sum(is_audited(result) for result in report.results)
    having = [result for result in report.results if result.outcome is Outcome.HAS_CREDENTIALS]
    if not audited:
        return "No account could be audited."
    if audited == 1:
        return _sentence_about_one(report, having)
    # It claims no more than was seen: some were not audited, and some credentials are accepted.
    accounts = quantity(audited, "account")
    if audited < len(report.results):
        accounts += " that were audited"
    credentials = "root credentials"
    if Outcome.ACCEPTED in report.totals:
        credentials += " that are not accepted"
    if not having:
        return f"None of the {accounts} has {credentials}."
    if len(having) == 1:
        return f"1 of the {accounts} has {credentials}: {credential_counts(having)}."
    return f"{len(having):,} of the {accounts} have {credentials}: {credential_counts(having)}."


def _sentence_about_one(report: Report, having: Sequence[AccountResult]) -> str:
    """Return what the only account that was audited has, which is in `having` if it has any."""
    if Outcome.ACCEPTED in report.totals:
        # Another sentence counts the accounts with accepted credentials.
        return ""
    one = "The one account that was audited"
    if len(report.results) == 1:
        one = "The account"
    if having:
        return f"{one} has root credentials: {credential_counts(having)}."
    return f"{one} has no root credentials."


def _plan_sentences(report: Report) -> Iterator[str]:
    """Yield what a plan lists, what to know of that, and what it left out; some may be empty."""
    # What it lists.
    planned = report.totals.get(Outcome.PLANNED, 0)
    accounts = quantity(len(report.results), "account")
    sentence = f"{_capitalize(words_of(report).planned)} in {planned:,} of {accounts}"
    items = _items_with(report, Outcome.PLANNED)
    if items:
        sentence += f": {items}"
    yield f"{sentence}."
    # What to know before it is executed.
    yield in_use_warning(report)
    yield accepted_warning(report)
    # What it does not list.
    yield _remaining(report, "Left out, because in use", Outcome.IN_USE)
    yield _remaining(report, "Left out, because accepted", Outcome.ACCEPTED)
    not_planned = _items_with(report, Outcome.FAILED, Outcome.INACCESSIBLE)
    if not_planned:
        yield f"Could not be planned: {not_planned}."
    yield "Nothing has been changed."


def _execution_sentences(report: Report) -> Iterator[str]:
    """Yield what the execution of a plan changed, and what of it is left; some may be empty."""
    items = _items_with(report, Outcome.DONE)
    if not items:
        # An account that failed may have items that are done.
        items = "unknown" if Outcome.UNKNOWN in report.totals else "nothing"
    yield f"{_capitalize(words_of(report).done)}: {items}."
    done = report.totals.get(Outcome.DONE, 0)
    yield f"Done as planned in {done:,} of {quantity(len(report.results), 'account')}."
    if report.task is Task.DELETE:
        yield _remaining(report, "Still there", Outcome.SKIPPED, Outcome.FAILED)


def _remaining(report: Report, words: str, *outcomes: Outcome) -> str:
    """Return which items are left, and in how many accounts; nothing if there are none."""
    items = _items_with(report, *outcomes)
    if not items:
        return ""
    accounts = sum(
        any(item.outcome in outcomes for item in result.items) for result in report.results
    )
    return f"{words}: {items}, in {quantity(accounts, 'account')}."


def _capitalize(words: str) -> str:
    """Return words with a capital letter first, unlike str.capitalize without changing others."""
    return f"{words[0].upper()}{words[1:]}"


def _items_with(report: Report, *outcomes: Outcome) -> str:
    """Return how many items have one of some outcomes, such as "1 password and 2 access keys"."""
    items = (item for result in report.results for item in result.items)
    return item_counts(Counter(item.type for item in items if item.outcome in outcomes))
