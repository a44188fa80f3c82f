"""The report's page in a real browser."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from root_tasks.model.report import Item, ItemType, Outcome, Task
from support.browser import Browser, browser, chromium
from support.reports import (
    HOSTILE_NAMES,
    example_audit,
    example_execution,
    example_plan,
    hostile_audit,
    large_audit,
    page_of,
    partly_read_audit,
    report,
    result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from root_tasks.model.report import Report

CHROMIUM = chromium()
PICTURES = Path(__file__).parents[1] / "test-results"

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


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("There is no Chromium, and CI is set: there the report's page must be tried.")
    with browser(CHROMIUM) as page:
        yield page


@pytest.fixture
def shown(started: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Show a report's page."""

    def show(written: Report | str, **window: Any) -> Browser:
        page = tmp_path / "report.html"
        page.write_bytes((written if isinstance(written, str) else page_of(written)).encode())
        started.open(page, **window)
        return started

    return show


def sort_by(page: Browser, label: str) -> str | None:
    """Press the column's button, and return how the column says that it is sorted."""
    labels = page.evaluate(
        "[...document.querySelectorAll('.accounts > thead th')].map((cell) => cell.textContent)"
    )
    column = labels.index(label)
    cell = f".accounts > thead th:nth-child({column + 1})"
    page.click(f"{cell} button")
    said: str | None = page.evaluate(f"document.querySelector('{cell}').getAttribute('aria-sort')")
    return said


def test_ten_thousand_accounts_are_sorted_and_filtered(shown: Callable[..., Browser]) -> None:
    audit = large_audit(10_000)
    page = shown(audit)
    by_id = {each.account_id: each for each in audit.results}
    first = [by_id[each].outcome for each in page.evaluate(IDS)[:60]]
    assert set(first) == {Outcome.HAS_CREDENTIALS}
    assert page.evaluate(SHOWN) == "10,000 accounts"
    page.wait_for(f"{DRAWN} === 10000")
    assert sorted(page.evaluate(IDS)) == sorted(by_id)
    page.screenshot(PICTURES / "report-10000.png")

    assert sort_by(page, "Account ID") == "ascending"
    page.wait_for(f"{DRAWN} === 10000")
    assert page.evaluate(IDS) == sorted(by_id)
    assert sort_by(page, "Account ID") == "descending"
    page.wait_for(f"{DRAWN} === 10000")
    assert page.evaluate(IDS) == sorted(by_id, reverse=True)

    page.click("#filter")
    page.type("TEAM-12- Prod")
    found = [each.account_id for each in audit.results if each.name == "team-12-production"]
    assert page.evaluate(SHOWN) == f"{len(found)} of 10,000 accounts"
    assert page.evaluate(IDS) == sorted(found, reverse=True)


def test_the_most_keys_come_first_and_unknown_numbers_last(shown: Callable[..., Browser]) -> None:
    page = shown(example_audit())
    assert sort_by(page, "Access keys") == "descending"
    cells = page.evaluate(f"{ROWS}.map((row) => row.children[4].firstChild.textContent)")
    assert cells == ["2", "1", "0", "0", "0", "0", "0", "0", "0", "0", "?", "?", "?", "?"]
    assert sort_by(page, "Access keys") == "ascending"
    cells = page.evaluate(f"{ROWS}.map((row) => row.children[4].firstChild.textContent)")
    assert cells == ["0", "0", "0", "0", "0", "0", "0", "0", "1", "2", "?", "?", "?", "?"]
    assert page.evaluate("document.querySelectorAll('[aria-sort]').length") == 1


def test_no_script_from_data_runs_and_hostile_names_are_text(shown: Callable[..., Browser]) -> None:
    audit = hostile_audit()
    page = shown(audit)
    page.click("#details")
    assert page.evaluate("document.querySelectorAll('.details').length") == len(HOSTILE_NAMES)
    assert page.evaluate(NAMES) == [name or "(no name)" for name in HOSTILE_NAMES]
    assert page.evaluate("[...document.querySelectorAll('.reason')].map((reason) => reason.textContent)") == [
        name for name in HOSTILE_NAMES if name
    ]
    assert page.evaluate("document.querySelectorAll('img, iframe, script').length") == 2
    assert page.evaluate(ALERTS) == []
    assert page.complaints == []


def test_a_script_that_got_into_the_page_would_not_run(shown: Callable[..., Browser]) -> None:
    injected = (
        "<script>alert(1)</script><img src=x onerror=alert(2)><p style='color:red'>"
        "<iframe srcdoc='<script>parent.alert(3)</script>'></iframe>"
    )
    page = shown(page_of(example_audit()).replace("<main>", f"<main>{injected}"))
    assert page.evaluate(ALERTS) == []
    assert len([said for said in page.complaints if "Content Security Policy" in said]) >= 4


@pytest.mark.parametrize(
    "attempt",
    [
        "document.body.innerHTML = '<img src=x onerror=alert(1)>'",
        "document.write('<script>alert(2)</script>')",
        "document.body.setAttribute('onclick', 'alert(3)')",
        "setTimeout('alert(4)')",
    ],
)
def test_the_page_lets_no_text_become_markup_or_script(shown: Callable[..., Browser], attempt: str) -> None:
    page = shown(example_audit())
    refused = page.evaluate(f"(() => {{ try {{ {attempt} }} catch (error) {{ return error.message; }} }})()")
    assert "This document requires 'Trusted" in refused
    assert page.evaluate(ALERTS) == []


@pytest.mark.parametrize(
    "written", [example_audit(), partly_read_audit(), example_plan(), example_execution(), report()]
)
def test_the_page_asks_for_nothing_and_complains_of_nothing(
    shown: Callable[..., Browser], written: Report
) -> None:
    page = shown(written)
    assert [url for url in page.requests if not url.startswith("file:")] == []
    assert len(page.requests) == 1
    assert page.complaints == []


def test_inaccessible_differs_from_clean_without_color(shown: Callable[..., Browser]) -> None:
    page = shown(example_audit())
    badges = page.evaluate(
        f"{ROWS}.map((row) => row.querySelector('.badge').innerText.split('\\n').join(' '))"
    )
    assert [badge for badge in badges if "inaccessible" in badge] == ["? inaccessible"] * 2
    assert [badge for badge in badges if "clean" in badge] == ["✓ clean"] * 7
    border = "getComputedStyle(document.querySelector('.badge.{}')).borderTopStyle"
    assert page.evaluate(border.format("inaccessible")) == "dashed"
    assert page.evaluate(border.format("good")) == "solid"
    said = page.evaluate("document.querySelector('#inaccessible').innerText")
    assert "2 accounts were inaccessible. That does not mean clean" in said
    assert "aws:AssumedRoot" in said


def test_an_audit_of_every_account_does_not_mention_inaccessible_ones(shown: Callable[..., Browser]) -> None:
    page = shown(report(result("300000000001")))
    assert page.evaluate("document.querySelector('#inaccessible').getClientRects().length") == 0


def test_outcomes_are_chosen_with_the_totals(shown: Callable[..., Browser]) -> None:
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


def test_the_filter_finds_keys_and_says_where_nothing_matches(shown: Callable[..., Browser]) -> None:
    page = shown(example_audit())
    page.click("#filter")
    page.type("akiaiosfodnn00000003")
    assert page.evaluate(NAMES) == ["legacy-mainframe-bridge"]
    page.type("x")
    assert page.evaluate("document.querySelector('.empty').firstChild.textContent") == "No account matches."
    page.click(".empty button")
    assert page.evaluate(SHOWN) == "14 accounts"


def test_details_have_what_the_root_user_has(shown: Callable[..., Browser]) -> None:
    page = shown(example_audit())
    page.click(".name button")
    said = page.evaluate("document.querySelector('.details').innerText")
    for words in (
        "last used: 2026-11-08, 12 days ago",
        "AKIAIOSFODNN00000001",
        "Inactive",
        "2021-02-19, 5 years ago",
        "no use known",
        "arn:aws:iam::300000000002:mfa/root-account-mfa-device",
    ):
        assert words in said
    page.click(".name button")
    assert page.evaluate("document.querySelectorAll('.details').length") == 0


def test_a_plan_shows_what_to_decide_by(shown: Callable[..., Browser]) -> None:
    page = shown(example_plan())
    assert page.evaluate(NAMES)[:2] == ["payments-production", "legacy-mainframe-bridge"]
    page.click("#details")
    heads = (
        "[...document.querySelectorAll('.details')[0].querySelectorAll('th')].map((cell) => cell.textContent)"
    )
    assert page.evaluate(heads) == ["What", "ID", "Outcome", "Status", "Created", "Last used"]
    cells = (
        "[...document.querySelectorAll('.details tbody tr')]"
        ".map((row) => [...row.cells].slice(3, 6).map((cell) => cell.textContent))"
    )
    assert page.evaluate(cells) == [
        ["\N{EN DASH}", "2022-10-12, 4 years ago", "2023-06-29, 3 years ago"],
        ["Active", "2024-06-03, 2 years ago", "2025-10-16, 13 months ago, s3"],
        ["Active", "2021-02-19, 5 years ago", "no use known"],
        ["Active", "2015-08-30, 11 years ago", "2026-10-05, 46 days ago, sqs"],
    ]
    assert "last-used data lags by hours" in page.evaluate("document.body.innerText")


def test_what_could_not_be_listed_is_not_shown_as_none(shown: Callable[..., Browser]) -> None:
    page = shown(partly_read_audit())
    cells = page.evaluate(f"[...{ROWS}[0].children].slice(3).map((cell) => cell.textContent)")
    assert cells == ["yes", "some", "some", "some", "?"]
    page.click("#details")
    said = page.evaluate("document.querySelector('.details').innerText")
    assert said.count("There are some that could not be listed.") == 3
    assert "last used: could not be read" in said


def test_a_policy_is_shown_in_full_as_text_and_its_backup_can_be_copied(
    shown: Callable[..., Browser],
) -> None:
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
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.click("#details")
    assert page.evaluate("document.querySelector('.details pre').textContent") == f"locked\n{policy}"
    assert "Corrected policy" in page.evaluate("document.querySelector('.details').innerText")
    page.click(".details .copy")
    page.wait_for("window.copied !== undefined")
    assert page.evaluate("window.copied") == "backups/a/b/c.json"
    assert page.evaluate(ALERTS) == []


def test_an_execution_shows_each_item_that_failed(shown: Callable[..., Browser]) -> None:
    page = shown(example_execution())
    assert page.evaluate(NAMES) == ["legacy-mainframe-bridge", "payments-production", "data-lake"]
    done = page.evaluate(f"{ROWS}.map((row) => row.children[3].innerText)")
    assert done == ["\N{EN DASH}", "failed: access key\ndone: password, access key", "password"]
    page.click("#details")
    assert "iam:DeleteAccessKey: ServiceFailure: Try again." in page.evaluate("document.body.innerText")


def test_the_page_is_used_without_a_mouse(shown: Callable[..., Browser]) -> None:
    page = shown(example_audit())
    page.press("/", code=191, text="/")
    page.type("legacy")
    assert page.evaluate(NAMES) == ["legacy-mainframe-bridge"]
    for _ in range(len(["details", "copy", *range(8)]) + 1):
        page.press("Tab", code=9)
    focused = "document.activeElement.{}"
    assert page.evaluate(focused.format("textContent")) == "legacy-mainframe-bridge"
    assert page.evaluate(focused.format("getAttribute('aria-expanded')")) == "false"
    page.press("Enter", code=13, text="\r")
    assert page.evaluate(focused.format("getAttribute('aria-expanded')")) == "true"
    assert "KXQ4L2N6TZPEXAMPLE7CERTIFICATE22" in page.evaluate("document.querySelector('.details').innerText")
    page.press("/", code=191, text="/")
    page.press("Escape", code=27)
    assert page.evaluate(SHOWN) == "14 accounts"


def test_every_outcome_has_its_words_and_its_tile(shown: Callable[..., Browser]) -> None:
    page = shown(report(*(result(f"{300000000000 + place}", each) for place, each in enumerate(Outcome))))
    tiles = page.evaluate(
        "[...document.querySelectorAll('.totals [data-outcome]')].map((tile) => tile.innerText)"
    )
    in_table = page.evaluate(f"{ROWS}.map((row) => row.querySelector('.badge').lastChild.textContent)")
    assert sorted(in_table) == sorted(Outcome)
    assert [tile.split("\n")[-1] for tile in tiles] == in_table


def test_whatever_is_shown_is_printed_to_the_last_account(shown: Callable[..., Browser]) -> None:
    page = shown(large_audit(2_000))
    drawn = page.evaluate(
        f"(() => {{ document.querySelector('#filter').dispatchEvent(new Event('input'));"
        f"const before = {DRAWN};"
        f"dispatchEvent(new Event('beforeprint')); return [before, {DRAWN}]; }})()"
    )
    assert drawn == [60, 2000]
    printed = shown(example_audit(), dark=True).print_to_pdf()
    assert printed.startswith(b"%PDF")


def test_the_ids_of_the_accounts_shown_are_copied_as_an_input_takes_them(
    shown: Callable[..., Browser],
) -> None:
    page = shown(example_audit())
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.click(".totals .warn")
    page.click("#copy")
    page.wait_for("window.copied !== undefined")
    assert json.loads(page.evaluate("window.copied")) == ["300000000002", "300000000006", "300000000004"]


@pytest.mark.parametrize("width", [320, 390, 820, 1024, 1280, 1920])
def test_nothing_is_cut_off_at_any_width(shown: Callable[..., Browser], width: int) -> None:
    long = result("300000000001", Outcome.FAILED, name="n" * 300, reason="r" * 1000)
    page = shown(report(long, *example_audit().results), width=width)
    page.click("#details")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_follows_light_and_dark(shown: Callable[..., Browser], width: int, dark: bool) -> None:
    page = shown(example_audit(), width=width, dark=dark)
    page.screenshot(PICTURES / f"report-{width}-{'dark' if dark else 'light'}.png")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(18, 20, 23)" if dark else "rgb(247, 247, 245)")
