"""The report's page in a real browser."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aws_calls.text import printable
from root_tasks.model.codec import decode
from root_tasks.model.report import (
    Action,
    Change,
    ChangeType,
    Item,
    ItemType,
    Outcome,
    Report,
    RootCredentials,
    Task,
)
from root_tasks.report.render import as_csv
from support.browser import Browser, browser, chromium
from support.pages import parse_command_line
from support.reports import (
    HIDDEN_CHARACTERS,
    HIDDEN_TEXT,
    HOSTILE_NAMES,
    STARTED,
    example_audit,
    example_execution,
    example_plan,
    example_unlock,
    full_audits,
    hostile_audit,
    inaccessible,
    key,
    large_audit,
    page_of,
    partly_read_audit,
    report,
    report_of_hidden_text,
    result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Show = Callable[..., Browser]

CHROMIUM = chromium()
PICTURES = Path(__file__).parents[3] / "test-results"

pytestmark = [
    pytest.mark.xdist_group("chromium"),
    # In CI it must be there: the fixture fails without it.
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"),
        reason="There is no Chromium, so the report's page was NOT tried in a browser. "
        "`make test` sets one up on Linux on x64; elsewhere, install one.",
    ),
]

ROWS = "[...document.querySelectorAll('.accounts > tbody > .line')]"
ALERTS = "window.alerts"
NAMES = f"{ROWS}.map((row) => row.querySelector('bdi').textContent)"
IDS = f"{ROWS}.map((row) => row.querySelector('.account').textContent)"
SHOWN = "document.querySelector('#shown').textContent"
DRAWN = f"{ROWS}.length"
NO_WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("There is no Chromium, and CI is set: there the report's page must be tried.")
    with browser(CHROMIUM) as page:
        yield page


@pytest.fixture
def shown(started: Browser, tmp_path: Path) -> Show:
    """Show a report's page."""

    def show(written: Report | str, **window: Any) -> Browser:
        page = tmp_path / "report.html"
        page.write_bytes((written if isinstance(written, str) else page_of(written)).encode())
        started.open(page, **window)
        return started

    return show


def texts(page: Browser, selector: str) -> list[str]:
    """Return the text of each element."""
    found: list[str] = page.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((found) => found.textContent)"
    )
    return found


def only_some_in_the_gate(some: Sequence[object], others: Sequence[Any]) -> list[object]:
    """Return the parameters of a test: the others are slow ones."""
    return [
        *some,
        *(
            pytest.param(*(other if isinstance(other, tuple) else (other,)), marks=pytest.mark.slow)
            for other in others
        ),
    ]


def catch_copies(page: Browser) -> None:
    """Have what is copied end in window.copied."""
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")


def copied(page: Browser, button: str) -> str:
    """Press a button, and return what it copied."""
    page.evaluate("window.copied = undefined")
    page.click(button)
    page.wait_for("window.copied !== undefined")
    text: str = page.evaluate("window.copied")
    return text


def choose(page: Browser, unit: str) -> None:
    """Choose an organizational unit."""
    page.evaluate(
        f"(() => {{ const units = document.querySelector('#units'); units.value = {json.dumps(unit)};"
        "units.dispatchEvent(new Event('change')); })()"
    )


def downloaded(page: Browser, button: str, folder: Path) -> tuple[str, bytes]:
    """Press a button, and return the name and the bytes of the file that is saved."""
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    page.click(button)
    deadline = time.monotonic() + 30
    while True:
        saved = [file for file in folder.iterdir() if file.suffix not in (".crdownload", ".html")]
        if saved and saved[0].stat().st_size:
            return saved[0].name, saved[0].read_bytes()
        assert time.monotonic() < deadline, "nothing was saved"
        time.sleep(0.05)


def sort_by(page: Browser, label: str) -> str | None:
    """Press the column's button, and return how the column says that it is sorted."""
    labels = texts(page, ".accounts > thead th")
    column = labels.index(label)
    cell = f".accounts > thead th:nth-child({column + 1})"
    page.click(f"{cell} button")
    said: str | None = page.evaluate(f"document.querySelector('{cell}').getAttribute('aria-sort')")
    return said


def tab_back(page: Browser) -> None:
    """Press Shift and Tab."""
    for type_ in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=type_, key="Tab", windowsVirtualKeyCode=9, modifiers=8)


@pytest.mark.parametrize("accounts", [1_500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_accounts_are_sorted_and_filtered(shown: Show, accounts: int) -> None:
    audit = large_audit(accounts)
    page = shown(audit)
    by_id = {result.account_id: result for result in audit.results}
    first = [by_id[account_id].outcome for account_id in page.evaluate(IDS)[:60]]
    assert first == [Outcome.HAS_CREDENTIALS] * 60
    assert page.evaluate(SHOWN) == f"{accounts:,} accounts"
    page.wait_for(f"{DRAWN} === {accounts}")
    assert sorted(page.evaluate(IDS)) == sorted(by_id)
    page.screenshot(PICTURES / f"report-{accounts}.png")

    for order in ("ascending", "descending"):
        assert sort_by(page, "Account ID") == order
        page.wait_for(f"{DRAWN} === {accounts}")
        assert page.evaluate(IDS) == sorted(by_id, reverse=order == "descending")

    page.evaluate("document.querySelector('#units').value = 'Root/Teams/Team 12'")
    page.click("#filter")
    page.type("TEAM-12- Prod")
    found = [result.account_id for result in audit.results if result.name == "team-12-production"]
    assert page.evaluate(SHOWN) == f"{len(found)} of {accounts:,} accounts"
    assert page.evaluate(IDS) == sorted(found, reverse=True)


HAVING = {
    "two keys": RootCredentials(password=False, access_keys=(key(1, age=30), key(2, age=20))),
    "keys unlisted": RootCredentials(password=False, access_keys=None),
    "used password": RootCredentials(password=True, password_last_used_at=STARTED - timedelta(days=3)),
    "password unread": RootCredentials(password=True, password_last_use_unread=True),
}


def test_what_could_not_be_read_is_not_sorted_like_nothing(shown: Show) -> None:
    page = shown(
        report(
            *(
                result(f"30000000000{place}", Outcome.HAS_CREDENTIALS, name=name, credentials=credentials)
                for place, (name, credentials) in enumerate(HAVING.items())
            ),
            result("300000000008", name="clean"),
            inaccessible("300000000009", name="unaudited"),
        )
    )
    two, unlisted, used, unread, clean, unaudited = (*HAVING, "clean", "unaudited")
    for column, order, names in (
        ("Keys", "descending", [two, unlisted, used, unread, clean, unaudited]),
        # Unlisted keys are at least one, and what was not audited stays last.
        ("Keys", "ascending", [used, unread, clean, unlisted, two, unaudited]),
        ("Last used", "descending", [used, unlisted, unread, two, unaudited, clean]),
        ("Oldest key", "ascending", [two, unlisted, used, unread, unaudited, clean]),
    ):
        assert sort_by(page, column) == order
        assert page.evaluate(NAMES) == names
        assert texts(page, "[aria-sort]") == [column]


def test_no_script_from_data_runs_and_hostile_names_are_text(shown: Show) -> None:
    audit = hostile_audit()
    page = shown(audit)
    page.click("#details")
    assert page.evaluate("document.querySelectorAll('.details').length") == len(HOSTILE_NAMES)
    names = [*map(printable, HOSTILE_NAMES)]
    assert page.evaluate(NAMES) == [name or "(no name)" for name in names]
    assert texts(page, ".reason") == [name for name in names if name]
    assert texts(page, ".warnings li") == names
    units = page.evaluate(f"{ROWS}.map((row) => row.children[2].textContent)")
    assert units == [name or "\N{EN DASH}" for name in names]
    chosen = page.evaluate("[...document.querySelectorAll('#units option')].map((unit) => unit.value)")
    assert {name for name in HOSTILE_NAMES if "/" not in name} <= set(chosen)
    changed = page.evaluate("document.querySelector('#changes').textContent")
    assert [name for name in names if name not in changed] == []
    assert page.evaluate("document.querySelectorAll('img, iframe, script').length") == 2
    assert page.evaluate(ALERTS) == []
    assert page.complaints == []


@pytest.mark.parametrize("task", [Task.AUDIT, Task.UNLOCK_BUCKET_POLICY])
def test_nothing_is_invisible_on_the_page(shown: Show, task: Task) -> None:
    """Somebody who approves a plan on the page would otherwise approve another policy than the one shown."""
    page = shown(report_of_hidden_text(task))
    page.click("#details")
    for part in ("title", "header", "main"):
        said = page.evaluate(f"document.querySelector('{part}').textContent")
        assert HIDDEN_CHARACTERS.intersection(said) == set()
        assert r"\u2066" in said
    if task is not Task.AUDIT:
        catch_copies(page)
        # Not by the mouse: its place may be under a bar.
        page.evaluate("document.querySelector('.details .copy').click()")
        assert page.evaluate("window.copied") == printable(HIDDEN_TEXT)
    assert page.complaints == []


def test_a_script_that_got_into_the_page_would_not_run(shown: Show) -> None:
    injected = (
        "<script>alert(1)</script><img src=x onerror=alert(2)><p style='color:red'>"
        "<iframe srcdoc='<script>parent.alert(3)</script>'></iframe>"
    )
    page = shown(page_of(example_audit()).replace("<main>", f"<main>{injected}"))
    assert page.evaluate(ALERTS) == []
    assert len([said for said in page.complaints if "Content Security Policy" in said]) >= 4


def test_the_page_lets_no_text_become_markup_or_script(shown: Show) -> None:
    page = shown(example_audit())
    for attempt in (
        "document.body.innerHTML = '<img src=x onerror=alert(1)>'",
        "document.write('<script>alert(2)</script>')",
        "document.body.setAttribute('onclick', 'alert(3)')",
        "setTimeout('alert(4)')",
    ):
        refused = page.evaluate(
            f"(() => {{ try {{ {attempt} }} catch (error) {{ return error.message; }} }})()"
        )
        assert "This document requires 'Trusted" in refused
    assert page.evaluate(ALERTS) == []


@pytest.mark.parametrize(
    "written",
    [
        full_audits(),
        partly_read_audit(),
        example_plan(),
        example_execution(),
        example_unlock(),
        hostile_audit(),
    ],
    ids=["an audit", "hardly read", "a plan", "an execution", "an unlock", "hostile"],
)
def test_the_page_asks_for_nothing_and_saves_the_csv_and_the_json_of_the_run(
    shown: Show, tmp_path: Path, written: Report
) -> None:
    page = shown(written)
    (document,) = page.requests
    assert document.startswith("file:")
    for type_ in ("csv", "json"):
        (tmp_path / type_).mkdir()
    name, body = downloaded(page, "#csv", tmp_path / "csv")
    assert (name, body) == (f"report-{written.run_id}.csv", as_csv(written).encode("utf-8-sig"))
    name, body = downloaded(page, "#json", tmp_path / "json")
    assert (name, decode(Report, body)) == (f"report-{written.run_id}.json", written)
    assert page.complaints == []


def test_inaccessible_differs_from_clean_without_color(shown: Show) -> None:
    page = shown(example_audit())
    badges = page.evaluate(
        f"{ROWS}.map((row) => row.querySelector('.badge')).map((badge) =>"
        "[badge.lastChild.textContent, badge.querySelector('.mark').textContent,"
        "badge.querySelectorAll('path').length])"
    )
    assert [badge for badge in badges if "inaccessible" in badge] == [["inaccessible", "?", 0]] * 2
    assert [badge for badge in badges if "clean" in badge] == [["clean", "", 1]] * 7
    border = "getComputedStyle(document.querySelector('.badge.{}')).borderTopStyle"
    assert page.evaluate(border.format("inaccessible")) == "dashed"
    assert page.evaluate(border.format("good")) == "solid"
    said = page.evaluate("document.querySelector('#inaccessible').innerText")
    assert "2 accounts were inaccessible. That does not mean clean" in said
    assert "aws:AssumedRoot" in said
    # Only an audit is about what they have.
    page = shown(report(inaccessible("300000000001"), task=Task.UNLOCK_BUCKET_POLICY))
    heading = page.evaluate("document.querySelector('#inaccessible h2').innerText")
    assert heading == "1 account was inaccessible."


def test_outcomes_are_chosen_with_the_totals(shown: Show) -> None:
    page = shown(example_audit())
    chosen = "[...document.querySelectorAll('.totals [aria-pressed=true]')]"
    pressed = f"{chosen}.map((tile) => tile.dataset.outcome || 'all')"
    assert page.evaluate(pressed) == ["all"]
    page.click(".totals .inaccessible")
    page.click(".totals .warn")
    assert page.evaluate(pressed) == ["has credentials", "inaccessible"]
    assert page.evaluate(SHOWN) == "5 of 14 accounts"
    page.click(".totals .warn")
    assert page.evaluate(NAMES) == ["acquired-shop", "acquired-shop-staging"]
    page.click(".totals .everything")
    assert page.evaluate(pressed) == ["all"]
    assert page.evaluate(DRAWN) == 14


def test_the_filter_finds_keys_and_says_where_nothing_matches(shown: Show) -> None:
    page = shown(example_audit())
    page.click("#filter")
    page.type("akiaiosfodnn00000003")
    assert page.evaluate(NAMES) == ["legacy-mainframe-bridge"]
    page.type("x")
    assert page.evaluate("document.querySelector('.empty').firstChild.textContent") == "No account matches."
    page.click(".empty button")
    assert page.evaluate(SHOWN) == "14 accounts"


def test_details_have_what_the_root_user_has(shown: Show) -> None:
    page = shown(example_audit())
    page.click(".name button")
    said = page.evaluate("document.querySelector('.details').innerText")
    for words in (
        "last used: 2026-11-08, 12 days ago",
        "AKIAIOSFODNN00000001",
        "Inactive",
        "2021-02-19\n5 years ago",
        "no use known",
        "arn:aws:iam::300000000002:mfa/root-account-mfa-device",
    ):
        assert words in said
    page.click(".name button")
    assert page.evaluate("document.querySelectorAll('.details').length") == 0


AGES = {
    1: "1 day ago",
    59: "59 days ago",
    60: "60 days ago",
    61: "2 months ago",
    400: "13 months ago",
    729: "23 months ago",
    730: "2 years ago",
    1095: "2 years ago",
    1096: "3 years ago",
}


def test_an_age_is_in_whole_units_and_never_one_month_or_year(shown: Show) -> None:
    used = [
        RootCredentials(password=True, password_last_used_at=STARTED - timedelta(days=days)) for days in AGES
    ]
    audit = report(
        *(
            result(f"30000000000{place}", Outcome.HAS_CREDENTIALS, credentials=credentials)
            for place, credentials in enumerate(used)
        )
    )
    said = shown(audit).evaluate(f"{ROWS}.map((row) => row.lastChild.querySelector('small').textContent)")
    assert said == [f"{age}, password" for age in AGES.values()]


def test_a_plan_shows_what_to_decide_by(shown: Show) -> None:
    page = shown(example_plan())
    assert page.evaluate(NAMES)[:2] == ["payments-production", "legacy-mainframe-bridge"]
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


@pytest.mark.parametrize("width", [380, 1280])
def test_what_could_not_be_listed_is_not_shown_as_none(shown: Show, width: int) -> None:
    page = shown(partly_read_audit(), width=width)
    cells = page.evaluate(
        f"[...{ROWS}[0].children].filter((cell) => getComputedStyle(cell).display !== 'none')"
        ".map((cell) => cell.textContent).slice(3)"
    )
    assert cells == ["yes", "some", "some", "some", "?", "?"]
    page.click("#details")
    said = page.evaluate("document.querySelector('.details').innerText")
    assert said.count("There are some that could not be listed.") == 3
    assert "last used: could not be read" in said


def test_a_policy_is_shown_in_full_as_text_and_its_backup_can_be_copied(shown: Show) -> None:
    policy = '{"Statement": "<img src=x onerror=alert(1)>"}'
    item = Item(
        type=ItemType.BUCKET_POLICY,
        id="locked",
        outcome=Outcome.DONE,
        policy=policy,
        corrected=True,
        backup="backups/a/b/c.json",
    )
    done = result("300000000001", Outcome.DONE, items=(item,))
    page = shown(report(done, task=Task.UNLOCK_BUCKET_POLICY, executed_plan="plan"))
    catch_copies(page)
    page.click("#details")
    assert page.evaluate("document.querySelector('.details pre').textContent") == f"locked\n{policy}"
    assert "Corrected policy" in page.evaluate("document.querySelector('.details').innerText")
    assert copied(page, ".details .copy") == "backups/a/b/c.json"
    assert page.evaluate(ALERTS) == []


def test_an_execution_shows_each_item_that_failed(shown: Show) -> None:
    page = shown(example_execution())
    assert page.evaluate(NAMES) == ["legacy-mainframe-bridge", "payments-production", "data-lake"]
    # Not innerText, which is empty until the browser has drawn the row.
    done = page.evaluate(
        f"{ROWS}.map((row) => [...row.children[3].childNodes].map((line) => line.textContent))"
    )
    assert done == [["\N{EN DASH}"], ["failed: access key", "deleted: password, access key"], ["password"]]
    page.click("#details")
    assert "iam:DeleteAccessKey: ServiceFailure: Try again." in page.evaluate("document.body.innerText")


def test_the_page_is_used_without_a_mouse(shown: Show) -> None:
    page = shown(example_audit())
    for _ in range(20):
        page.press("Tab", code=9)
        if page.evaluate("document.activeElement.id") == "filter":
            break
    page.type("legacy")
    assert page.evaluate(NAMES) == ["legacy-mainframe-bridge"]
    for _ in range(len(["units", "details", "copy", "csv", "json", *range(10)]) + 1):
        page.press("Tab", code=9)
    focused = "document.activeElement.{}"
    assert page.evaluate(focused.format("textContent")) == "legacy-mainframe-bridge"
    assert page.evaluate(focused.format("getAttribute('aria-expanded')")) == "false"
    page.press("Enter", code=13, text="\r")
    assert page.evaluate(focused.format("getAttribute('aria-expanded')")) == "true"
    assert "KXQ4L2N6TZPEXAMPLE7CERTIFICATE22" in page.evaluate("document.querySelector('.details').innerText")
    page.evaluate("document.querySelector('#filter').focus()")
    page.press("Escape", code=27)
    assert page.evaluate(SHOWN) == "14 accounts"


def test_no_key_does_anything_outside_the_filter(shown: Show) -> None:
    page = shown(example_audit())
    page.click("#filter")
    page.type("legacy")
    page.evaluate("document.activeElement.blur()")
    for pressed in (*map(chr, range(0x20, 0x7F)), "Escape"):
        page.press(pressed, text=pressed if len(pressed) == 1 else "")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    assert page.evaluate(NAMES) == ["legacy-mainframe-bridge"]


def test_every_outcome_has_its_words_and_its_tile(shown: Show) -> None:
    page = shown(
        report(*(result(f"{300000000000 + place}", outcome) for place, outcome in enumerate(Outcome)))
    )
    tiles = page.evaluate(
        "[...document.querySelectorAll('.totals [data-outcome]')].map((tile) => tile.innerText)"
    )
    in_table = page.evaluate(f"{ROWS}.map((row) => row.querySelector('.badge').lastChild.textContent)")
    assert [tile.split("\n")[-1] for tile in tiles] == in_table == [*Outcome]


def test_whatever_is_shown_is_printed_to_the_last_account(shown: Show) -> None:
    page = shown(large_audit(2_000))
    drawn = page.evaluate(
        f"(() => {{ document.querySelector('#filter').dispatchEvent(new Event('input'));"
        f"const before = {DRAWN};"
        f"dispatchEvent(new Event('beforeprint')); return [before, {DRAWN}]; }})()"
    )
    assert drawn == [60, 2000]


def printed_text(page: Browser) -> str:
    """Return the page's text as it is printed, and leave the page as it is after printing."""
    page.call("Emulation.setEmulatedMedia", media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    text: str = page.evaluate("document.body.innerText")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.call("Emulation.setEmulatedMedia", media="")
    return text


def test_a_printed_report_says_by_what_it_is_filtered(shown: Show) -> None:
    page = shown(example_audit())
    assert "Filtered" not in printed_text(page)
    page.click(".totals .warn")
    page.click(".totals .good")
    choose(page, "Root/Workloads")
    page.click("#filter")
    page.type(" <b>a")
    assert "0 of 14 accounts\n" in printed_text(page)
    assert (
        "Filtered by outcome: has credentials or clean; organizational unit: Root/Workloads; text: <b>a\n"
    ) in printed_text(page)
    assert "Filtered" not in page.evaluate("document.body.innerText")
    page.click(".empty button")
    assert "Filtered" not in printed_text(page)


def test_what_is_copied_and_saved_are_the_accounts_shown(shown: Show, tmp_path: Path) -> None:
    page = shown(example_audit())
    catch_copies(page)
    page.click(".totals .warn")
    ids = ["300000000002", "300000000006", "300000000004"]
    assert json.loads(copied(page, "#copy")) == ids
    folder = tmp_path / "saved"
    folder.mkdir()
    _, body = downloaded(page, "#csv", folder)
    assert [line[:12] for line in body.decode("utf-8-sig").splitlines()[1:]] == ids


@pytest.mark.parametrize("width", only_some_in_the_gate([320, 1280], [390, 820, 1024, 1920]))
def test_nothing_is_cut_off_at_any_width(shown: Show, width: int) -> None:
    long = result("300000000001", Outcome.FAILED, name="n" * 300, reason="r" * 1000)
    page = shown(report(long, *example_audit().results), width=width)
    page.click("#details")
    assert page.evaluate(NO_WIDER_THAN_THE_WINDOW)


# 400 % zoom of 1280x1024; a phone on its side; a phone; two low windows of a desktop; a usual one.
WINDOWS = only_some_in_the_gate([(320, 256), (1280, 900)], [(667, 375), (380, 667), (1280, 250), (1280, 640)])


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_most_of_the_window_is_left_to_the_accounts(shown: Show, width: int, height: int) -> None:
    page = shown(large_audit(200), width=width, height=height)
    page.wait_for(f"{DRAWN} === 200")
    page.evaluate(f"{ROWS}[100].scrollIntoView({{block: 'center'}})")
    page.evaluate("new Promise(requestAnimationFrame)")
    covered = page.evaluate(
        "Math.max(...['.tools', '.accounts > thead'].map("
        "(bar) => document.querySelector(bar).getBoundingClientRect().bottom))"
    )
    assert covered < height / 3


@pytest.mark.parametrize(("width", "height"), only_some_in_the_gate([(320, 256)], [(1280, 900)]))
def test_the_focus_is_never_under_a_bar(shown: Show, width: int, height: int) -> None:
    page = shown(large_audit(1_500), width=width, height=height)
    page.wait_for(f"{DRAWN} === 1500")
    page.evaluate(f"{ROWS}[40].querySelector('button').focus()")
    for _ in range(35):
        tab_back(page)
        assert page.evaluate(
            "(() => { const found = document.activeElement, box = found.getBoundingClientRect();"
            "return [box.y + 2, box.bottom - 2].every("
            "(y) => found.contains(document.elementFromPoint(box.x + 5, y))); })()"
        ), page.evaluate("document.activeElement.textContent")


def test_the_page_stays_where_it_is_while_the_focus_moves_through_the_bars(shown: Show) -> None:
    page = shown(large_audit(200))
    page.wait_for(f"{DRAWN} === 200")
    page.evaluate(f"{ROWS}[100].scrollIntoView()")
    page.evaluate("document.querySelector('.accounts > thead th:last-child button').focus()")
    before = page.evaluate("scrollY")
    while page.evaluate("document.activeElement.id") != "filter":
        tab_back(page)
    assert page.evaluate("scrollY") == before


@pytest.mark.parametrize("width", only_some_in_the_gate([1217], [1249, 1280]))
def test_the_toolbar_covers_no_column_head(shown: Show, width: int) -> None:
    page = shown(large_audit(200), width=width)
    page.click(".totals .good")
    page.click("#details")
    page.evaluate("document.querySelector('.accounts').scrollIntoView()")
    page.evaluate("document.querySelector('#shown').textContent = '19,300 of 20,000 accounts'")
    page.evaluate("document.querySelector('#copy').textContent = 'Copied 19,300'")
    lower = page.evaluate(
        "[...document.querySelectorAll('.tools > *')].map((tool) => tool.getBoundingClientRect().bottom)"
    )
    assert max(lower) <= page.evaluate("document.querySelector('.tools').getBoundingClientRect().bottom")
    covered = page.evaluate(
        "[...document.querySelectorAll('.accounts > thead button')].filter((head) => {"
        "const box = head.getBoundingClientRect();"
        "return !head.contains(document.elementFromPoint(box.x + box.width / 2, box.y + 2)); })"
        ".map((head) => head.textContent)"
    )
    assert covered == []
    assert page.evaluate(NO_WIDER_THAN_THE_WINDOW)


def luminance(color: str) -> float:
    """Return the relative luminance of an opaque color, as WCAG defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colors, from 1 to 21."""
    lower, higher = sorted((luminance(one), luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_follows_light_and_dark_and_its_fields_have_visible_edges(
    shown: Show, width: int, dark: bool
) -> None:
    page = shown(example_audit(), width=width, dark=dark)
    page.screenshot(PICTURES / f"report-{width}-{'dark' if dark else 'light'}.png")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(18, 20, 23)" if dark else "rgb(247, 247, 245)")
    for field in ("#filter", "#units"):
        style = f"getComputedStyle(document.querySelector('{field}'))"
        edge, inside = page.evaluate(f"[{style}.borderTopColor, {style}.backgroundColor]")
        assert contrast(edge, background) >= 3
        assert contrast(edge, inside) >= 3


AXE = Path(__file__).parents[2] / "browser/node_modules/axe-core/axe.min.js"
# As axe has them: the rule, and where it is violated.
VIOLATIONS = (
    "axe.run().then((found) => found.violations.flatMap("
    "({id, nodes}) => nodes.map(({target}) => [id, target.join(' ')])))"
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_is_accessible_by_the_rules_of_axe(shown: Show, width: int, dark: bool) -> None:
    for written in (full_audits(), example_plan(), example_unlock()):
        page = shown(written, width=width, dark=dark)
        page.click("#details")
        page.evaluate(AXE.read_text())
        assert page.evaluate(VIOLATIONS) == [], written.run_id


# What comes next


def commands(page: Browser) -> list[str]:
    found = texts(page, "#next code")
    for command_line in found:
        program, *arguments = shlex.split(command_line)
        assert program == "centralized-root-access"
        parse_command_line(arguments)
    return found


def test_an_audit_ends_in_the_command_that_plans_for_the_accounts_shown(shown: Show) -> None:
    page = shown(example_audit())
    catch_copies(page)
    of_all = ",".join(f"30000000000{number}" for number in (2, 6, 4))
    assert commands(page) == [f"centralized-root-access plan delete --account {of_all}"]
    page.click("#filter")
    page.type("data-lake")
    assert copied(page, "#next .copy") == "centralized-root-access plan delete --account 300000000004"
    page.type("x")
    assert page.evaluate("document.querySelector('#next').hidden")


def test_the_command_for_many_accounts_names_the_report_that_has_them(shown: Show) -> None:
    for full in (True, False):
        page = shown(dataclasses.replace(large_audit(1_500), full=full))
        assert commands(page) == ["centralized-root-access plan delete --from-report audit-2026-11-20"]
    # Not all that the report has.
    choose(page, "Root/Teams/Team 7")
    (command,) = commands(page)
    accounts = command.removeprefix("centralized-root-access plan delete --account ").split(",")
    assert len(accounts) == page.evaluate(f"{ROWS}.filter((row) => row.matches('.warn')).length")


def test_where_no_command_can_read_the_report_its_page_plans_for_all_only_after_an_audit_of_all(
    shown: Show,
) -> None:
    audit = large_audit(1_500)
    page = shown(page_of(audit, stored=False))
    assert commands(page) == ["centralized-root-access plan delete --account all"]
    (command,) = commands(shown(page_of(dataclasses.replace(audit, full=False), stored=False)))
    found = [result.account_id for result in audit.results if result.outcome is Outcome.HAS_CREDENTIALS]
    accounts = command.removeprefix("centralized-root-access plan delete --account ").split(",")
    assert sorted(accounts) == sorted(found)


@pytest.mark.parametrize(
    ("action", "planned", "done"),
    [(Action.UNLOCK, "to be removed", "removed"), (Action.RESTORE, "to be attached", "restored")],
)
def test_a_policy_to_be_attached_is_never_shown_like_one_to_be_removed(
    shown: Show, action: Action, planned: str, done: str
) -> None:
    for outcome, words, plan in ((Outcome.PLANNED, planned, None), (Outcome.DONE, done, "plan")):
        item = Item(type=ItemType.BUCKET_POLICY, id="locked", outcome=outcome, policy="{}")
        account = result("300000000001", outcome, items=(item,))
        page = shown(report(account, task=Task.UNLOCK_BUCKET_POLICY, action=action, executed_plan=plan))
        page.click("#details")
        said = page.evaluate("document.querySelector('main').innerText")
        assert [line for line in said.splitlines() if line in ("planned", "done")] == []
        assert page.evaluate("document.querySelector('.totals [data-outcome]').innerText").endswith(words)
        assert page.evaluate(f"{ROWS}.map((row) => row.querySelector('.badge').lastChild.textContent)") == [
            words
        ]
        assert f"Policy, {words}" in said


def plan_that_expires(*, in_hours: float) -> Report:
    return dataclasses.replace(example_plan(), plan_expires_at=datetime.now(UTC) + timedelta(hours=in_hours))


RECOVERED = report(
    result("300000000001", Outcome.DONE, items=(Item(type=ItemType.PASSWORD, outcome=Outcome.DONE),)),
    result("300000000002", Outcome.NOTHING_TO_DO),
    task=Task.ALLOW_PASSWORD_RECOVERY,
    executed_plan="plan",
)
MANY_RECOVERED = report(
    *(
        dataclasses.replace(RECOVERED.results[0], account_id=f"{300000000001 + number}")
        for number in range(6)
    ),
    task=Task.ALLOW_PASSWORD_RECOVERY,
    executed_plan="plan",
    run_id="recover-2026-11-20",
)
NOTHING_PLANNED = report(result("300000000001", Outcome.NOTHING_TO_DO), task=Task.DELETE_CREDENTIALS)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (plan_that_expires(in_hours=1), ["execute plan-2026-11-20"]),
        (plan_that_expires(in_hours=-1), []),
        (NOTHING_PLANNED, []),
        (RECOVERED, ["plan delete --include-in-use --account 300000000001"]),
        (
            MANY_RECOVERED,
            ["plan delete --include-in-use --from-report recover-2026-11-20 --outcome done"],
        ),
        (example_execution(), ["audit --account 300000000006,300000000002,300000000004"]),
    ],
    ids=["a plan", "a plan that has expired", "a plan of nothing", "a recovery", "many", "an execution"],
)
def test_a_run_ends_in_the_command_that_comes_next(shown: Show, written: Report, expected: list[str]) -> None:
    assert commands(shown(written)) == [f"centralized-root-access {command}" for command in expected]


def test_a_run_id_that_a_shell_could_misread_gets_into_no_command(shown: Show) -> None:
    for run_id in ("--yes", "a;b", "$(a)", "a'b", "a(b)", "!a", "a=b", "\u202ea", "a" * 81):
        plan = dataclasses.replace(plan_that_expires(in_hours=1), run_id=run_id)
        assert commands(shown(plan)) == [], run_id


def test_an_unlock_ends_in_the_command_that_restores_with_its_backups(shown: Show) -> None:
    unlock = example_unlock()
    references = [str(result.items[0].backup) for result in unlock.results]
    named = " ".join(f"--backup {reference}" for reference in references)
    page = shown(unlock)
    assert commands(page) == [f"centralized-root-access plan restore {named}"]
    page.click("#filter")
    page.type("legacy")
    assert commands(page) == [f"centralized-root-access plan restore --backup {references[1]}"]


def test_a_backup_that_is_not_of_this_run_or_not_plain_gets_into_no_command(shown: Show) -> None:
    unlock = example_unlock()
    own, name = f"backups/{unlock.run_id}/300000000002", f"{'0' * 64}.json"
    for reference in (
        f"backups/another-run/300000000002/locked/{name}",
        f"{own}/$(reboot)/{name}",
        f"{own}/a b/{name}",
        f"{own}/locked/{name};reboot",
    ):
        item = dataclasses.replace(unlock.results[0].items[0], backup=reference)
        first = dataclasses.replace(unlock.results[0], items=(item,))
        assert commands(shown(dataclasses.replace(unlock, results=(first,)))) == [], reference


@pytest.mark.parametrize("width", only_some_in_the_gate([390], [820, 1280]))
def test_the_details_of_an_unlock_are_not_squeezed(shown: Show, width: int) -> None:
    page = shown(example_unlock(), width=width)
    catch_copies(page)
    page.click("#details")
    page.screenshot(PICTURES / f"unlock-{width}.png")
    height = "document.querySelector('.details .badge').getBoundingClientRect().height"
    line = "parseFloat(getComputedStyle(document.querySelector('.details .badge')).lineHeight)"
    assert page.evaluate(f"{height} < 2 * {line}")
    assert copied(page, ".details .copy") == example_unlock().results[0].items[0].backup
    assert page.evaluate(NO_WIDER_THAN_THE_WINDOW)


# Organizational units, and the filter in the address


def test_an_organizational_unit_includes_the_units_in_it(shown: Show) -> None:
    page = shown(example_audit())
    offered = texts(page, "#units option")
    assert offered[:2] == ["Every organizational unit", "Root (12)"]
    assert "Root/Workloads (5)" in offered
    choose(page, "Root/Workloads")
    assert sorted(page.evaluate(NAMES)) == [
        "analytics",
        "data-lake",
        "legacy-mainframe-bridge",
        "payments-production",
        "payments-staging",
    ]
    choose(page, "Root/Workloads/Staging")
    assert page.evaluate(NAMES) == ["payments-staging"]


def test_the_filter_is_in_the_address_and_is_read_from_it(shown: Show) -> None:
    page = shown(example_audit())
    visited = page.evaluate("history.length")
    page.click(".totals .warn")
    choose(page, "Root/Workloads")
    page.click("#filter")
    page.type("a&b=c #%")
    sort_by(page, "Last used")
    page.wait_for("location.hash.includes('sort=used')")
    address = page.evaluate("location.href")
    assert page.evaluate("history.length") == visited
    page.call("Page.navigate", url="about:blank")
    page.wait_for("location.href === 'about:blank'")
    page.call("Page.navigate", url=address)
    page.wait_for("document.readyState === 'complete' && location.hash.length > 1")
    state = page.evaluate(
        "[document.querySelector('#filter').value, document.querySelector('#units').value,"
        "document.querySelector('.totals [data-outcome][aria-pressed=true]').dataset.outcome,"
        "document.querySelector('[aria-sort]').textContent,"
        "document.querySelector('[aria-sort]').getAttribute('aria-sort')]"
    )
    assert state == ["a&b=c #%", "Root/Workloads", "has credentials", "Last used", "descending"]


def test_an_address_that_makes_no_sense_shows_everything(shown: Show) -> None:
    for fragment in (
        "outcome=<img src=x onerror=alert(1)>&ou=Root/Nowhere&sort=constructor&filter=",
        "%E0%A4%A&&&=",
        "sort=__proto__&outcome=toString",
    ):
        page = shown(example_audit())
        page.evaluate(f"location.hash = {json.dumps(fragment)}")
        page.wait_for("document.querySelector('#shown').textContent === '14 accounts'")
        assert texts(page, "[aria-sort]") == ["Outcome"]
        assert page.complaints == []
        assert page.evaluate(ALERTS) == []


# What has changed, the trend and the evidence


def test_an_audit_says_what_has_changed_since_the_one_before(shown: Show) -> None:
    audit = full_audits()
    others = (
        Change(type=ChangeType.NO_LONGER_AUDITED, account_id="300000000005", audited=False),
        Change(type=ChangeType.JOINED, account_id="300000000007", audited=False),
        Change(type=ChangeType.AUDITED_AGAIN, account_id="300000000008"),
        Change(type=ChangeType.LEFT, account_id="300000000099", audited=False),
    )
    page = shown(dataclasses.replace(audit, changes=(*(audit.changes or ()), *others)))
    said: str = page.evaluate("document.querySelector('#changes').innerText")
    assert [line for line in said.split("\n") if line] == [
        "Since the last full audit, 2026-11-13",
        "Credentials appeared (1)",
        "300000000002 payments-production: 2 \N{MULTIPLICATION SIGN} access key, MFA device",
        "Joined the organization (2)",
        "300000000012 analytics: no credentials",
        "300000000007 acquired-shop-staging: not audited",
        "Credentials disappeared (1)",
        "300000000003 payments-staging: access key",
        "No longer audited (1)",
        "300000000005 acquired-shop",
        "Audited again (1)",
        "300000000008 network: no credentials",
        "Left the organization (1)",
        "300000000099",
    ]


def test_a_comparison_that_found_nothing_says_so(shown: Show) -> None:
    page = shown(dataclasses.replace(full_audits(), changes=()))
    assert "Nothing has changed." in page.evaluate("document.querySelector('#changes').innerText")


@pytest.mark.parametrize(
    ("written", "section"),
    [
        (report(), "#inaccessible"),
        (report(result("300000000001")), "#inaccessible"),
        (dataclasses.replace(full_audits(), changes=None), "#changes"),
        (dataclasses.replace(full_audits(), trend=full_audits().trend[-1:]), "#trend"),
        (partly_read_audit(), "#units"),
        (example_plan(), "#controls"),
    ],
    ids=["no account", "no inaccessible one", "nothing to compare with", "one audit", "no units", "a plan"],
)
def test_a_section_that_has_nothing_to_say_is_not_there(shown: Show, written: Report, section: str) -> None:
    page = shown(written)
    assert page.evaluate(f"document.querySelector('{section}').getClientRects().length") == 0
    assert "OU" not in texts(page, ".accounts > thead th") or section != "#units"
    assert (len(page.requests), page.complaints) == (1, [])


def test_the_trend_is_a_chart_with_the_same_in_words_and_in_a_table(shown: Show) -> None:
    page = shown(full_audits())
    chart = "document.querySelector('.chart')"
    words = "With root credentials: 7, now 3. Inaccessible: 2, now 2."
    said = page.evaluate(f"[{chart}.getAttribute('role'), {chart}.getAttribute('aria-label')]")
    assert said == ["img", words]
    assert page.evaluate(f"{chart}.querySelectorAll('.having').length") == 12
    assert texts(page, ".chart .count") == ["7", "7", "6", "6", "5", "5", "4", "4", "3", "3", "2", "3"]
    rows = page.evaluate(
        "[...document.querySelectorAll('#trend tbody tr')].map((row) => row.innerText.split('\\t'))"
    )
    assert len(rows) == 12
    assert rows[-1] == ["2026-11-20", "14", "3", "2"]


def test_the_chart_has_no_more_audits_than_it_has_room_for(shown: Show) -> None:
    page = shown(hostile_audit())
    assert page.evaluate("document.querySelectorAll('.chart .having').length") == 12
    assert page.evaluate("document.querySelectorAll('#trend tbody tr').length") == 12
    assert page.evaluate(NO_WIDER_THAN_THE_WINDOW)


def test_the_chart_stays_in_its_frame(shown: Show) -> None:
    audit = full_audits()
    for most in (0, 1, 1_000_000_000):
        trend = tuple(
            dataclasses.replace(totals, accounts_with_credentials=most, accounts_inaccessible=most)
            for totals in audit.trend
        )
        page = shown(dataclasses.replace(audit, trend=trend))
        assert page.evaluate(
            "[...document.querySelectorAll('.chart rect')].every((bar) => bar.y.baseVal.value >= 0"
            " && bar.y.baseVal.value + bar.height.baseVal.value <= 109)"
        )
        assert page.complaints == []


def test_the_evidence_is_printed_though_it_is_folded_and_stays_as_it_was(shown: Show) -> None:
    page = shown(full_audits())
    is_open = "document.querySelector('#controls').open"
    assert page.evaluate(is_open) is False
    cells = page.evaluate(
        "[...document.querySelectorAll('#controls tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    assert [[row[0], *row[4:]] for row in cells] == [
        ["IAM.4", "8", "2", "2"],
        ["IAM.6", "8", "2", "2"],
        ["IAM.9", "9", "1", "2"],
    ]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(is_open) is True
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(is_open) is False
    page.click("#controls summary")
    for event in ("beforeprint", "afterprint"):
        page.evaluate(f"dispatchEvent(new Event('{event}'))")
    assert page.evaluate(is_open) is True
