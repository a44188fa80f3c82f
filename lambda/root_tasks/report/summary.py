"""The result of a run in words. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from common.untrusted import excerpt, printable

from ..messages import enumeration, quantity
from ..model.outcome import AUDITED
from ..model.report_schema import (
    AccountResult,
    Change,
    ChangeType,
    ItemType,
    Outcome,
    PlanSelection,
    Report,
    Result,
    Task,
)
from ..tasks import DEFINITIONS
from ..tasks.task_definition import TaskWords
from .management_root_user import management_credentials, management_sentence
from .risk import RECENT, is_recent

# Who stated nothing when a plan was made or executed.
UNKNOWN_PRINCIPAL = "an unknown principal"
# A sentence has no more mailboxes, names and reasons.
_MAX_NAMED_MAILBOXES = 5
_MAX_NAMES = 5
_MAX_NAME_CHARACTERS = 60
_MAX_REASONS = 3

# The words of a summary for the accounts of an outcome: for one, and for several.
_PREDICATES = {
    Outcome.UNPROTECTED: ("is unprotected", "are unprotected"),
    Outcome.HAS_CREDENTIALS: ("has credentials", "have credentials"),
    Outcome.UNKNOWN: ("is unknown", "are unknown"),
    Outcome.FAILED: ("failed", "failed"),
    Outcome.INACCESSIBLE: ("was inaccessible", "were inaccessible"),
    Outcome.PLANNED: ("is planned", "are planned"),
    Outcome.IN_USE: ("has only credentials in use", "have only credentials in use"),
    Outcome.ACCEPTED: ("has accepted credentials", "have accepted credentials"),
    Outcome.DONE: ("is done", "are done"),
    Outcome.NOTHING_TO_DO: ("had nothing to do", "had nothing to do"),
    Outcome.PROTECTED: ("is protected", "are protected"),
    Outcome.CLEAN: ("is clean", "are clean"),
    Outcome.SKIPPED: ("was skipped", "were skipped"),
}


def in_use_warning(report: Report) -> str:
    """Return what a plan lists although it is in use; nothing if it lists nothing such."""
    last_uses = [
        item.credential.last_used_at
        for result in report.results
        for item in result.items
        if item.outcome is Outcome.PLANNED
        and item.credential is not None
        and item.credential.last_used_at is not None
        and is_recent(item.credential.last_used_at, report.finished_at)
    ]
    if not last_uses:
        return ""
    days = (report.finished_at - max(last_uses)).days
    last = {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
    used = f"was used in the last {RECENT.days} days ({last})."
    if len(last_uses) > 1:
        used = f"were used in the last {RECENT.days} days (the last one {last})."
    return f"Of the credentials, {len(last_uses):,} {used}"


def accepted_warning(report: Report) -> str:
    """Return what a plan lists although it should stay, and why; nothing if there is none."""
    accepted = [
        item
        for result in report.results
        for item in result.items
        if item.accepted and item.outcome is Outcome.PLANNED
    ]
    if not accepted:
        return ""
    should_stay = "is accepted and should stay."
    if len(accepted) > 1:
        should_stay = "are accepted and should stay."
    sentences = [f"Of the credentials, {len(accepted):,} {should_stay}"]
    # The accounts of a unit have one reason.
    reasons = list(dict.fromkeys(item.message or "" for item in accepted))
    sentences += reasons[:_MAX_REASONS]
    if len(reasons) > _MAX_REASONS:
        sentences.append(f"There are {len(reasons) - _MAX_REASONS:,} more reasons.")
    return " ".join(sentences)


def warnings_before_execution(report: Report) -> list[str]:
    """Return what a person has to know before a plan is executed: what it gives, and to whom."""
    warnings = [in_use_warning(report), accepted_warning(report)]
    planned = [result for result in report.results if result.outcome is Outcome.PLANNED]
    if report.until is not None:
        # Only a recovery has an end.
        warnings.append(f"It is to be closed by {minute(report.until)}.")
    if report.task is Task.RECOVER and len(planned) > _MAX_NAMED_MAILBOXES:
        warnings.append("Anyone who reads the e-mail address of an account can become root in it.")
    elif report.task is Task.RECOVER:
        warnings += map(_mailbox_warning, planned)
    if report.sets_policy:
        # The message of an item says what the new policy allows and denies.
        items = [item for result in planned for item in result.items]
        warnings += [item.message or "" for item in items]
    warnings.append(words_of(report).warning)
    return [warning for warning in warnings if warning]


def _mailbox_warning(result: AccountResult) -> str:
    """Return who can become root in an account whose root user's password may be reset."""
    email = printable(result.email or "the e-mail address of its root user, which is not known,")
    return f"Anyone who reads {email} can become root in {result.account_id}."


def request_in_words(selection: PlanSelection) -> str:
    """Return the input of a plan in one line, which stays short however much the input names.

    For example, "every account; left out: Root/Sandbox; only passwords; not used in the last 90
    days".
    """
    # Which accounts it is about.
    named = []
    if selection.all_accounts:
        named.append("every account")
    if selection.accounts:
        named.append(quantity(len(selection.accounts), "account"))
    if selection.from_report is not None:
        named.append(f"of report {selection.from_report}")
    if selection.organizational_units:
        named.append(f"in {_few(selection.organizational_units, 'organizational units')}")
    # What it leaves out, and which credentials it is about.
    parts = [" ".join(named)]
    if selection.exclude:
        parts.append(f"left out: {_few(selection.exclude, 'accounts and units')}")
    if selection.credential_types:
        types = [f"{type_.words}s" for type_ in selection.credential_types]
        parts.append(f"only {enumeration(types)}")
    in_use = "in use or not"
    if selection.unused_for_days is not None:
        in_use = f"not used in the last {quantity(selection.unused_for_days, 'day')}"
    return "; ".join([*parts, in_use])


def _few(names: Sequence[str], plural: str) -> str:
    """Return a few names, or the number of many, such as "7 organizational units"."""
    if len(names) > _MAX_NAMES:
        return f"{len(names):,} {plural}"
    return ", ".join(excerpt(name, _MAX_NAME_CHARACTERS) for name in names)


def title(report: Report) -> str:
    """Return what run it was, such as "Delete root credentials", or "Plan: delete …" of a plan."""
    if is_plan(report):
        return f"Plan: {what_it_does(report)}"
    return words_of(report).title


def what_it_does(report: Report) -> str:
    """Return what the run does or plans, to be used in a sentence: "unlock bucket policies"."""
    words = words_of(report).title
    return f"{words[0].lower()}{words[1:]}"


def words_of(report: Report) -> TaskWords:
    """Return the words of what the run does or plans."""
    definition = DEFINITIONS[report.task]
    if report.sets_policy and definition.setting_words is not None:
        return definition.setting_words
    return definition.words


def requesters(report: Report) -> str:
    """Return who asked for a run, as the command states it, and who planned an execution.

    An audit is read-only, and a schedule states nothing: then the text is empty.
    """
    if report.task is Task.AUDIT:
        return report.requested_by or ""
    requester = report.requested_by or UNKNOWN_PRINCIPAL
    if report.executed_plan is None:
        return requester
    if report.planned_by is not None and report.planned_by == report.requested_by:
        return f"{requester}, the same principal that planned it"
    return f"{requester}; planned by {report.planned_by or UNKNOWN_PRINCIPAL}"


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


def summary(report: Report) -> str:
    """Return the result of the run in a sentence or two that can be quoted. It names no account."""
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
        sentences = [management_sentence(report), _email_sentence(report)]
    elif report.task is Task.AUDIT:
        said = [Outcome.HAS_CREDENTIALS, Outcome.CLEAN, Outcome.UNPROTECTED, Outcome.PROTECTED]
        sentences = [_audit_sentence(report), _sentence_of_counts(report, without=said)]
        sentences += [_email_sentence(report), management_sentence(report)]
    elif is_plan(report):
        said = [Outcome.PLANNED, Outcome.IN_USE, Outcome.ACCEPTED]
        sentences = [*_plan_sentences(report), _sentence_of_counts(report, without=said)]
        sentences.append(_email_sentence(report))
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
        singular, plural = _PREDICATES[outcome]
        # Only the first one says what is counted.
        subject = f"{count:,}" if counts else quantity(count, "account")
        predicate = singular if count == 1 else plural
        counts.append(f"{subject} {predicate}")
    return f"{enumeration(counts)}." if counts else ""


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


def credential_counts(results: Sequence[AccountResult]) -> str:
    """Return how many credentials of each type accounts have.

    It begins with "at least" if some could not be listed.
    """
    types = Counter(type_ for result in results for type_, _ in credentials_of(result))
    if any(map(types_without_list, results)):
        return f"at least {item_counts(types)}"
    return item_counts(types)


def item_counts(counts: Mapping[ItemType, int]) -> str:
    """Return how many there are of each type, such as "1 password and 2 access keys"."""
    return enumeration(
        [quantity(counts[type_], type_.words) for type_ in ItemType if counts.get(type_)]
    )


def details_of_change(change: Change) -> str:
    """Return what follows the account of a change: ": 2 access keys and 1 MFA device"."""
    if change.credentials:
        return f": {item_counts(Counter(change.credentials))}"
    if change.type is ChangeType.JOINED and not change.audited:
        return ": not audited"
    if change.type in (ChangeType.JOINED, ChangeType.AUDITED_AGAIN):
        return ": no credentials"
    return ""


def minute(moment: datetime) -> str:
    """Return a time for readers, such as "2026-11-20 04:10 UTC"."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(start: datetime, end: datetime) -> str:
    """Return for readers how long something took."""
    minutes, seconds = divmod(int((end - start).total_seconds()), 60)
    if minutes:
        return f"{minutes} min {seconds} s"
    if seconds:
        return f"{seconds} s"
    return "under a second"


def root_free_sentence(report: Report) -> str:
    """Return since when no full audit finds root credentials; nothing if only one audit says so."""
    free = report.root_free
    # The management account is no member, and a protected account stays in the hands of its owners.
    members = [
        result for result in report.results if result.account_id != report.management_account_id
    ]
    clean = [result for result in members if result.outcome is Outcome.CLEAN]
    protected = sum(result.protected for result in clean)
    if free is None or free.audits == 1 or len(clean) == protected:
        return ""
    accounts = f"{len(clean) - protected:,} of {quantity(len(members), 'account')}"
    since = f"{free.since.astimezone(UTC):%Y-%m-%d}"
    gap = quantity(math.ceil(free.longest_gap / 3600), "hour")
    sentence = (
        f"No root credentials in {accounts}, in each of {free.audits:,} full audits since {since}; "
        f"the longest time between two was {gap}."
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


def _email_sentence(report: Report) -> str:
    """Return how many root users have an address outside of the domains; nothing if none has."""
    outside = sum(result.email_outside is True for result in report.results)
    if not outside:
        return ""
    domains = enumeration(report.root_email_domains)
    if outside == 1:
        return f"1 root user has an e-mail address outside of {domains}."
    return f"{outside:,} root users have e-mail addresses outside of {domains}."


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
