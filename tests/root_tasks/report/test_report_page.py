"""The report's page in a real browser."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from common.untrusted import printable
from root_tasks.model.report_schema import (
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    Report,
    Task,
)
from root_tasks.report.next_steps import KEY_QUERY
from root_tasks.tasks.policy_documents import difference
from support.browser import Browser, browser, chromium
from support.pages import parse_command_line
from support.reports import (
    HIDDEN_CHARACTERS,
    HOSTILE_NAMES,
    MANAGEMENT,
    STARTED_AT,
    account_result,
    audit_with_history,
    example_audit,
    example_execution,
    example_plan,
    example_unlock,
    hostile_audit,
    html_page_of,
    inaccessible_account,
    large_audit,
    partly_read_audit,
    report_of,
)

if TYPE_CHECKING:
    Show = Callable[..., Browser]

CHROMIUM = chromium()

pytestmark = [
    pytest.mark.xdist_group("chromium"),
    # In CI it must be there: the fixture fails without it.
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"),
        reason="There is no Chromium, so the report's page was NOT tried in a browser. "
        "`make test` sets one up on Linux on x64; elsewhere, install one.",
    ),
]

# Expressions of JavaScript: the rows of the table, what is in them, and what was observed.
ROWS = "[...document.querySelectorAll('.accounts > tbody > .line')]"
ALERTS_SEEN = "window.alerts"
ACCOUNT_NAMES = f"{ROWS}.map((row) => row.querySelector('bdi').textContent)"
ACCOUNT_IDS = f"{ROWS}.map((row) => row.querySelector('.account').textContent)"
COUNT_SHOWN = "document.querySelector('#shown').textContent"
ROW_COUNT = f"{ROWS}.length"
NO_WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def running_browser() -> Iterator[Browser]:
    """A browser that all tests of this module use, because its start takes a second."""
    if CHROMIUM is None:
        pytest.fail("There is no Chromium, and CI is set: there the report's page must be tried.")
    with browser(CHROMIUM) as page:
        yield page


@pytest.fixture
def show_page(running_browser: Browser, tmp_path: Path) -> Show:
    """A function that shows a report's page, or any HTML, in a window of a size, and returns it."""

    def show(report_or_html: Report | str, **window: Any) -> Browser:
        html = report_or_html
        if isinstance(html, Report):
            html = html_page_of(html)
        page = tmp_path / "report.html"
        page.write_bytes(html.encode())
        running_browser.open(page, **window)
        return running_browser

    return show


def texts(page: Browser, selector: str) -> list[str]:
    """Return the text of each element that a CSS selector finds."""
    found: list[str] = page.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((found) => found.textContent)"
    )
    return found


def catch_copies(page: Browser) -> None:
    """Replace the clipboard: what is copied is in window.copied."""
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")


def copied(page: Browser, button: str) -> str:
    """Press a button, and return what it copied."""
    page.evaluate("window.copied = undefined")
    page.click(button)
    page.wait_for("window.copied !== undefined")
    text: str = page.evaluate("window.copied")
    return text


@pytest.mark.parametrize("accounts", [1_500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_accounts_are_shown_and_filtered(show_page: Show, accounts: int) -> None:
    audit = large_audit(accounts)
    page = show_page(audit)
    by_id = {result.account_id: result for result in audit.results}
    # The page shows 60 rows at once, the most urgent ones, and the others a moment later.
    first = [by_id[account_id].outcome for account_id in page.evaluate(ACCOUNT_IDS)[:60]]
    assert first == [Outcome.HAS_CREDENTIALS] * 60
    assert page.evaluate(COUNT_SHOWN) == f"{accounts:,} accounts"
    page.wait_for(f"{ROW_COUNT} === {accounts}")
    assert sorted(page.evaluate(ACCOUNT_IDS)) == sorted(by_id)

    page.click("#filter")
    page.type("TEAM-12- Prod")
    found = [result.account_id for result in audit.results if result.name == "team-12-production"]
    assert page.evaluate(COUNT_SHOWN) == f"{len(found)} of {accounts:,} accounts"
    assert sorted(page.evaluate(ACCOUNT_IDS)) == sorted(found)


def test_no_script_from_data_runs_and_hostile_names_are_text(show_page: Show) -> None:
    audit = hostile_audit()
    page = show_page(audit)
    page.click("#details")
    assert page.evaluate("document.querySelectorAll('.details').length") == len(HOSTILE_NAMES)
    names = list(map(printable, HOSTILE_NAMES))
    assert page.evaluate(ACCOUNT_NAMES) == [name or "(no name)" for name in names]
    assert texts(page, ".reason") == [name for name in names if name]
    assert texts(page, "#warnings li") == names
    units = page.evaluate(f"{ROWS}.map((row) => row.children[2].textContent)")
    assert units == [name or "\N{EN DASH}" for name in names]
    changed = page.evaluate("document.querySelector('#changes').textContent")
    assert [name for name in names if name not in changed] == []
    # The page's own script and its data.
    assert page.evaluate("document.querySelectorAll('img, iframe, script').length") == 2
    # What is not an ID gets into no command.
    assert "AWS's own reason" not in texts(page, ".details dt")
    assert page.evaluate(ALERTS_SEEN) == []
    (document,) = page.requests
    assert document.startswith("file:")
    assert page.complaints == []


@pytest.mark.parametrize("task", [Task.AUDIT, Task.UNLOCK_BUCKET])
def test_nothing_is_invisible_on_the_page(show_page: Show, task: Task) -> None:
    """Otherwise an approver could approve another policy than the one shown."""
    page = show_page(hostile_audit(task))
    page.click("#details")
    for part in ("title", "header", "main"):
        text = page.evaluate(f"document.querySelector('{part}').textContent")
        assert HIDDEN_CHARACTERS.intersection(text) == set()
        assert r"\u2066" in text
    catch_copies(page)
    page.evaluate("for (const copy of document.querySelectorAll('.details .copy')) copy.click()")
    assert HIDDEN_CHARACTERS.intersection(page.evaluate("window.copied")) == set()
    assert page.complaints == []


def test_a_script_that_got_into_the_page_would_not_run(show_page: Show) -> None:
    injected = (
        "<script>alert(1)</script><img src=x onerror=alert(2)><p style='color:red'>"
        "<iframe srcdoc='<script>parent.alert(3)</script>'></iframe>"
    )
    page = show_page(html_page_of(example_audit()).replace("<main>", f"<main>{injected}"))
    # At least one for each of the script, the image with a handler, the style and the frame.
    assert len([each for each in page.complaints if "Content Security Policy" in each]) >= 4
    refused = page.evaluate(
        "(() => { try { document.body.innerHTML = '<img src=x onerror=alert(4)>'; }"
        " catch (error) { return error.message; } })()"
    )
    assert "This document requires 'Trusted" in refused
    assert page.evaluate(ALERTS_SEEN) == []


def test_inaccessible_differs_from_clean_without_color(show_page: Show) -> None:
    page = show_page(example_audit())
    badges = page.evaluate(
        f"{ROWS}.map((row) => row.querySelector('.badge')).map((badge) =>"
        "[badge.lastChild.textContent, badge.querySelector('.mark').textContent,"
        "getComputedStyle(badge.querySelector('.mark'), '::after').content !== 'none'])"
    )
    assert [badge for badge in badges if "inaccessible" in badge] == [
        ["inaccessible", "?", False]
    ] * 2
    assert [badge for badge in badges if "clean" in badge] == [["clean", "", True]] * 7
    text = page.evaluate("document.querySelector('#inaccessible').innerText")
    assert "2 accounts were inaccessible. That does not mean clean" in text
    assert "aws:AssumedRoot" in text
    # Only an audit is about what they have.
    page = show_page(report_of(inaccessible_account("300000000001"), task=Task.UNLOCK_BUCKET))
    heading = page.evaluate("document.querySelector('#inaccessible h2').innerText")
    assert heading == "1 account was inaccessible."


def test_outcomes_are_chosen_with_the_totals(show_page: Show) -> None:
    page = show_page(example_audit())
    chosen = "[...document.querySelectorAll('.totals [aria-pressed=true]')]"
    pressed = f"{chosen}.map((tile) => tile.dataset.outcome || 'all')"
    assert page.evaluate(pressed) == ["all"]
    page.click(".totals .inaccessible")
    page.click(".totals .warn")
    assert page.evaluate(pressed) == ["HAS_CREDENTIALS", "INACCESSIBLE"]
    assert page.evaluate(COUNT_SHOWN) == "5 of 14 accounts"
    page.click(".totals .warn")
    assert page.evaluate(ACCOUNT_NAMES) == ["acquired-shop", "acquired-shop-staging"]
    page.click(".totals .everything")
    assert page.evaluate(pressed) == ["all"]
    assert page.evaluate(ROW_COUNT) == 14


def test_the_filter_finds_keys_and_says_if_nothing_matches(show_page: Show) -> None:
    page = show_page(example_audit())
    page.click("#filter")
    page.type("akiaiosfodnn00000003")
    assert page.evaluate(ACCOUNT_NAMES) == ["legacy-mainframe-bridge"]
    page.type("x")
    assert (
        page.evaluate("document.querySelector('.empty').firstChild.textContent")
        == "No account matches."
    )
    page.click(".empty button")
    assert page.evaluate(COUNT_SHOWN) == "14 accounts"


def test_details_have_what_the_root_user_has(show_page: Show) -> None:
    page = show_page(example_audit())
    page.click(".name button")
    text = page.evaluate("document.querySelector('.details').innerText")
    for words in (
        "last used: 2026-11-08, 12 days ago",
        "AKIAIOSFODNN00000001",
        "Inactive",
        "2021-02-19\n5 years ago",
        "no use known",
        "arn:aws:iam::300000000002:mfa/root-account-mfa-device",
    ):
        assert words in text
    page.click(".name button")
    assert page.evaluate("document.querySelectorAll('.details').length") == 0


def test_a_plan_shows_what_to_decide_by(show_page: Show) -> None:
    page = show_page(example_plan())
    assert page.evaluate(ACCOUNT_NAMES)[:2] == ["payments-production", "legacy-mainframe-bridge"]
    page.click("#details")
    heads = texts(page, ".details th")
    assert heads[:6] == ["What", "ID", "Outcome", "Status", "Created", "Last used"]
    cells = (
        "[...document.querySelectorAll('.details tbody tr')]"
        ".map((row) => [...row.cells].slice(3, 6).map((cell) => cell.innerText))"
    )
    assert page.evaluate(cells) == [
        ["\N{EN DASH}", "2022-10-12\n4 years ago", "2023-06-29\n3 years ago"],
        ["Active", "2024-06-03\n2 years ago", "2025-10-16\n13 months ago, s3"],
        ["Active", "2021-02-19\n5 years ago", "no use known"],
        ["Active", "2015-08-30\n11 years ago", "2026-10-05\n46 days ago, sqs"],
    ]
    assert "last-used data lags by hours" in page.evaluate("document.body.innerText")
    assert texts(page, ".notice")[0].endswith("This cannot be undone.")


@pytest.mark.parametrize("width", [380, 1280])
def test_what_could_not_be_listed_is_not_shown_as_none(show_page: Show, width: int) -> None:
    page = show_page(partly_read_audit(), width=width)
    cells = page.evaluate(
        f"[...{ROWS}[0].children].filter((cell) => getComputedStyle(cell).display !== 'none')"
        ".map((cell) => cell.textContent).slice(3)"
    )
    # From the password on; the age of the oldest key and the last use are not known.
    assert cells == ["yes", "some", "some", "some", "?", "?"]
    page.click("#details")
    text = page.evaluate("document.querySelector('.details').innerText")
    assert text.count("There are some that could not be listed.") == 3
    assert "last used: could not be read" in text
    # It is not asked what the management account's root user has, but only whether.
    own = dataclasses.replace(partly_read_audit().results[0], account_id=MANAGEMENT)
    page = show_page(report_of(own), width=width)
    page.click("#details")
    assert not page.evaluate("document.querySelectorAll('.details').length")


def test_a_policy_is_shown_as_text_and_its_backup_can_be_copied(show_page: Show) -> None:
    policy = '-{"Statement": "<img src=x onerror=alert(1)>"}'
    unlock = example_unlock()
    first = unlock.results[0]
    item = dataclasses.replace(first.items[0], difference=policy)
    page = show_page(
        dataclasses.replace(unlock, results=(dataclasses.replace(first, items=(item,)),))
    )
    catch_copies(page)
    page.click("#details")
    assert texts(page, ".details pre")[0] == policy
    assert copied(page, ".details .copy") == item.backup
    assert page.evaluate(ALERTS_SEEN) == []


def test_every_outcome_has_its_words_and_its_tile(show_page: Show) -> None:
    page = show_page(
        report_of(
            *(
                account_result(f"{300000000000 + place}", outcome)
                for place, outcome in enumerate(Outcome)
            )
        )
    )
    tiles = page.evaluate(
        "[...document.querySelectorAll('.totals [data-outcome]')].map((tile) => tile.innerText)"
    )
    in_table = page.evaluate(
        f"{ROWS}.map((row) => row.querySelector('.badge').lastChild.textContent)"
    )
    assert (
        [tile.split("\n")[-1] for tile in tiles]
        == in_table
        == [outcome.words for outcome in Outcome]
    )


def test_all_that_is_shown_is_printed_to_the_last_account(show_page: Show) -> None:
    page = show_page(large_audit(2_000))
    rules = page.evaluate(
        "[...document.styleSheets[0].cssRules].map((rule) => rule.cssText).join()"
    )
    assert '@bottom-left { content: "Run audit-2026-11-20"' in rules
    assert "@bottom-right { content: counter(page)" in rules
    drawn = page.evaluate(
        f"(() => {{ document.querySelector('#filter').dispatchEvent(new Event('input'));"
        f"const before = {ROW_COUNT};"
        f"dispatchEvent(new Event('beforeprint')); return [before, {ROW_COUNT}]; }})()"
    )
    # A filter shows the first 60 rows again, and printing shows all of them.
    assert drawn == [60, 2000]


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_cut_off_at_any_width(show_page: Show, width: int) -> None:
    long = account_result("300000000001", Outcome.FAILED, name="n" * 300, reason="r" * 1000)
    page = show_page(report_of(long, *example_audit().results), width=width)
    page.click("#details")
    assert page.evaluate(NO_WIDER_THAN_THE_WINDOW)


AXE = Path(__file__).parents[2] / "browser/node_modules/axe-core/axe.min.js"
# As axe has them: the rule, and where it is violated.
VIOLATIONS = (
    "axe.run().then((found) => found.violations.flatMap("
    "({id, nodes}) => nodes.map(({target}) => [id, target.join(' ')])))"
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_is_accessible_by_the_rules_of_axe(
    show_page: Show, width: int, dark: bool
) -> None:
    written_reports = (audit_with_history(), example_plan(), example_execution())
    for written in (*written_reports, example_unlock(), replacement()):
        page = show_page(written, width=width, dark=dark)
        page.click("#details")
        page.evaluate(AXE.read_text())
        assert page.evaluate(VIOLATIONS) == [], written.run_id


# The first screen


@pytest.mark.parametrize("width", [390, 1280])
def test_totals_and_changed_policies_are_seen_first_and_details_of_the_run_later(
    show_page: Show, width: int
) -> None:
    page = show_page(replacement(), width=width, height=844)
    assert texts(page, "#policies li .badge, #policies li bdi") == [
        "»to be set",
        "bucket policy locked in 300000000001 account-0001",
    ]
    shown = ("#policies", ".notice", ".totals", ".facts")
    tops, bottoms = (
        [
            page.evaluate(f"document.querySelector('{each}').getBoundingClientRect().{edge}")
            for each in shown
        ]
        for edge in ("top", "bottom")
    )
    assert tops == sorted(tops)
    assert bottoms[2] <= 844, "the totals are on the first screen"
    # A time is not broken over two lines.
    lines = (
        "[...document.querySelectorAll('.unbroken')].map((found) => found.getClientRects().length)"
    )
    assert set(page.evaluate(lines)) == {1}
    assert [text for text in texts(page, ".notice .unbroken") if text.endswith("UTC")]


def test_more_policies_than_a_screen_has_are_counted(show_page: Show) -> None:
    (account,) = replacement().results
    plan = dataclasses.replace(
        replacement(), results=(dataclasses.replace(account, items=account.items * 7),)
    )
    assert texts(show_page(plan), "#policies li")[5:] == ["and 2 more"]


def test_a_failed_execution_says_above_all_else_what_it_failed_of(show_page: Show) -> None:
    denied = "iam:DeleteLoginProfile: AccessDenied: arn:aws:iam::{}:root is denied `x`."
    account_ids = [f"{300000000000 + number}" for number in range(3)]
    failed = [
        account_result(
            account_id,
            Outcome.FAILED,
            reason=denied.format(account_id),
            hint=f"See `preflight --account {account_id}`.",
        )
        for account_id in account_ids
    ]
    unknown = account_result("300000000009", Outcome.UNKNOWN, reason="No result.")
    done = account_result("300000000010", Outcome.DONE)
    page = show_page(
        report_of(*failed, unknown, done, task=Task.DELETE, executed_plan="plan"), width=390
    )
    assert texts(page, "#failed h2") == ["The execution failed."]
    # One cause is said once, with the command for all of its accounts.
    assert texts(page, "#failed li") == [
        f"3 accounts: {denied.format('ACCOUNT')} See preflight.",
        "1 account: No result. ",
    ]
    # Only our own sentences have commands.
    assert texts(page, "#failed code") == ["preflight"]
    color = "getComputedStyle(document.querySelector('{}')).color"
    tone = page.evaluate(color.format(".totals .bad .label"))
    assert page.evaluate(color.format("#failed h2")) == tone
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert page.evaluate(top.format("#failed")) < page.evaluate(top.format(".totals"))
    # A cause of one account only is said of that account.
    page = show_page(report_of(failed[0], done, task=Task.DELETE, executed_plan="plan"))
    assert texts(page, "#failed li") == [
        f"1 account: {failed[0].reason} See preflight --account {account_ids[0]}."
    ]
    assert page.evaluate("document.querySelector('#inaccessible').hidden")
    page = show_page(report_of(done, task=Task.DELETE, executed_plan="plan"))
    assert page.evaluate("document.querySelector('#failed').hidden")


# What comes next


def commands_of_next_steps(page: Browser) -> list[str]:
    """Return the commands and queries of the next steps; the command line understands each."""
    found = texts(page, "#next .command code")
    for command_line in found:
        if command_line != KEY_QUERY:
            parse_command_line(shlex.split(command_line)[1:])
    return found


@pytest.mark.parametrize(
    ("executed", "new", "words"),
    [
        (None, None, "to be removed"),
        ("plan", None, "removed"),
        (None, '{"Id": "\u202e2"}', "to be set"),
        ("plan", '{"Id": "\u202e2"}', "set"),
    ],
    ids=["to remove", "removed", "to set", "set"],
)
def test_a_policy_to_be_set_is_never_shown_like_one_to_be_removed(
    show_page: Show, executed: str | None, new: str | None, words: str
) -> None:
    outcome = Outcome.DONE if executed else Outcome.PLANNED
    item = Item(
        type=ItemType.BUCKET_POLICY,
        id="locked",
        outcome=outcome,
        policy='{"Id": "<b>1"}',
        difference=difference('{"Id": "<b>1"}', new),
    )
    account = account_result("300000000001", outcome, items=(item,))
    page = show_page(
        report_of(
            account, task=Task.UNLOCK_BUCKET, sets_policy=new is not None, executed_plan=executed
        )
    )
    # The policy of a plan is open from the start.
    if executed:
        page.click("#details")
    assert texts(page, ".details dt")[-1] == f"Policy, {words}"
    gone = ['-  "Id": "<b>1"'] if new else ["-{", '-  "Id": "<b>1"', "-}"]
    assert texts(page, ".details .gone") == gone
    assert texts(page, ".details .new") == ([r'+  "Id": "\u202e2"'] if new else [])
    badges = page.evaluate(
        "[...document.querySelectorAll('.badge')].map((each) => each.lastChild.textContent)"
    )
    assert set(badges) == {words}
    assert page.evaluate("document.querySelector('.totals [data-outcome]').innerText").endswith(
        words
    )


def replacement() -> Report:
    """A plan to replace a policy of three statements, the last of which then allows everyone."""
    statements = [
        {"Sid": sid, "Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::1:role/a"}}
        for sid in ("First", "Second", "Third")
    ]
    old = json.dumps({"Statement": statements}, indent=2)
    new = json.dumps({"Statement": [*statements[:2], {"Effect": "Allow", "Principal": "*"}]})
    item = Item(
        type=ItemType.BUCKET_POLICY,
        id="locked",
        outcome=Outcome.PLANNED,
        policy=old,
        difference=difference(old, new),
        message="The new policy allows everyone.",
    )
    account = account_result("300000000001", Outcome.PLANNED, items=(item,))
    return dataclasses.replace(
        report_of(account, task=Task.UNLOCK_BUCKET, sets_policy=True),
        plan_expires_at=STARTED_AT + timedelta(days=1),
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_line_that_changes_is_seen_without_scrolling_inside_anything(
    show_page: Show, width: int
) -> None:
    plan = replacement()
    page = show_page(plan, width=width, height=844)
    is_seen = page.evaluate(
        "(async () => { const line = document.querySelector('.details .gone');"
        "scrollTo(0, scrollY + line.getBoundingClientRect().y - 400);"
        "for (const frame of [1, 2]) await new Promise(requestAnimationFrame);"
        "const { x, y } = line.getBoundingClientRect();"
        "return document.elementFromPoint(x + 9, y + 9) === line; })()"
    )
    assert is_seen
    assert texts(page, ".notice")[0].endswith(" The new policy allows everyone.")
    # The rest is a click away, and on paper.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    (item,) = plan.results[0].items
    assert texts(page, ".details pre span") == str(item.difference).split("\n")
    assert page.evaluate("document.querySelectorAll('.unfold').length") == 0


def test_a_plan_ends_in_the_commands_that_execute_it_until_it_expires(show_page: Show) -> None:
    def plan(hours: float) -> Report:
        return dataclasses.replace(
            example_plan(), plan_expires_at=datetime.now(UTC) + timedelta(hours=hours)
        )

    page = show_page(plan(hours=1))
    catch_copies(page)
    facts = dict(zip(texts(page, ".facts dt"), texts(page, ".facts dd"), strict=True))
    report_sha256 = facts["SHA-256 of report.json"]
    execute = "centralized-root-access execute plan-2026-11-20"
    assert copied(page, "#next .copy") == execute
    assert commands_of_next_steps(page) == [
        execute,
        KEY_QUERY,
        f"{execute} --approved-report {report_sha256}",
    ]
    assert commands_of_next_steps(show_page(plan(hours=-1))) == []


# What has changed


def test_an_audit_says_what_has_changed_since_the_one_before(show_page: Show) -> None:
    page = show_page(audit_with_history())
    text: str = page.evaluate("document.querySelector('#changes').innerText")
    assert [line for line in text.split("\n") if line] == [
        "Since the last full audit, 2026-11-13",
        "Credentials appeared (1)",
        "300000000002 payments-production: 2 access keys and 1 MFA device",
        "Joined the organization (1)",
        "300000000012 analytics: no credentials",
        "Credentials disappeared (1)",
        "300000000003 payments-staging: 1 access key",
    ]


def test_what_is_folded_is_printed_and_stays_as_it_was(show_page: Show) -> None:
    page = show_page(audit_with_history())
    is_open = "document.querySelector('#changes').open"
    page.click("#changes summary")
    assert page.evaluate(is_open) is False
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(is_open) is True
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(is_open) is False


def test_what_is_in_use_is_said_first_and_is_one_number(show_page: Show) -> None:
    plan = example_plan()
    password, key, _ = plan.results[0].items
    recent = dataclasses.replace(
        password, credential=CredentialDetails(last_used_at=STARTED_AT - timedelta(days=46))
    )
    in_use = dataclasses.replace(key, outcome=Outcome.IN_USE)
    first = dataclasses.replace(plan.results[0], items=(recent, in_use))
    plan = dataclasses.replace(plan, results=(first, *plan.results[1:]))
    page = show_page(plan)
    assert "Left out, because in use: 2 access keys, in 2 accounts." in texts(page, ".summary")[0]
    assert texts(page, ".totals [data-outcome='IN_USE'] strong") == ["2"]
    page.click(".totals [data-outcome='IN_USE']")
    assert page.evaluate(ROW_COUNT) == 2
    (notice,) = texts(page, ".notice.warn")
    assert "Of the credentials, 1 was used in the last 90 days (46 days ago)." in notice


@pytest.mark.parametrize("width", [390, 1280])
def test_178_accounts_of_a_plan_fit_on_half_of_the_screens(show_page: Show, width: int) -> None:
    """Their page was once 46,394 pixels high on a phone."""
    kind = example_plan().results[0]
    units = ("Root/Payments/Prod", "Root/Payments/Staging", "Root/Data")
    accounts = (
        dataclasses.replace(
            kind, account_id=f"{400000000000 + n}", organizational_unit=units[n % 3]
        )
        for n in range(178)
    )
    plan = dataclasses.replace(example_plan(), results=(*accounts, *example_plan().results[1:]))
    page = show_page(plan, width=width, height=844)
    # With the three other accounts of the example.
    page.wait_for(f"{ROW_COUNT} === 181")
    assert texts(page, "#by-unit li") == [
        "Root/Payments/Prod 60",
        "Root/Payments/Staging 59",
        "Root/Data 59",
    ]
    page.evaluate(
        "for (const body of document.querySelectorAll('tbody'))"
        " body.style.contentVisibility = 'visible'"
    )
    assert page.evaluate("document.documentElement.scrollHeight") <= 46_394 / 2
    assert page.evaluate(NO_WIDER_THAN_THE_WINDOW)
