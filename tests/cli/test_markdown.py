"""A report as Markdown: what an approver needs, and nothing active of what somebody else chose."""

import dataclasses
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from centralized_root_access.cli.show.markdown import as_markdown
from common.untrusted import printable
from root_tasks.model.report_schema import Outcome, Report, Task
from support.reports import HOSTILE_NAMES, example_plan, hostile_audit

SHA256 = "b94d27b9" * 8
ACTIVE_MARKUP = {"html_block", "html_inline", "image", "link_open"}
BEGINNING_OF_PLAN = f"""\
### Plan: delete root credentials

To be deleted in 1 of 4 accounts: 1 password and 2 access keys. Left out, because in use: \
1 access key, in 1 account. Nothing has been changed. 1 account had nothing to do and 1 was skipped.

**Before you approve:** ` This cannot be undone. `

- Run: ` Plan `
- Task: ` delete `
- Run by: ` 222222222222, the delegated administrator `
- Requested by: ` an unknown principal, as the command states `
- Started: ` 2026-11-20 04:10 UTC, took 1 min 37 s `
- Run ID: ` plan-2026-11-20 `
- SHA-256 of report.json: ` {SHA256} `
- Can be executed until: ` 2026-11-21 04:10 UTC `

| account | name | OU | outcome | what |
|---|---|---|---|---|
| ` 300000000002 ` | ` payments-production ` |  | to be deleted \
| ` password, created 2022-10-12, used 2023-06-29 (1,240 days ago) ` |
"""


def test_a_plan_has_its_summary_its_facts_its_hash_and_each_item() -> None:
    assert as_markdown(example_plan(), sha256=SHA256).startswith(BEGINNING_OF_PLAN)


@pytest.mark.parametrize("task", [Task.AUDIT, Task.UNLOCK_BUCKET])
def test_what_somebody_else_chose_is_nothing_but_code(task: Task) -> None:
    text = as_markdown(hostile_audit(task), sha256=SHA256, everything=True)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    parts = [*tokens, *(part for token in tokens for part in token.children or ())]
    assert {part.type for part in parts} & ACTIVE_MARKUP == set()
    names = [printable(name).replace("|", r"\x7c") for name in HOSTILE_NAMES if name.strip()]
    code = [part.content.strip() for part in parts if part.type == "code_inline"]
    assert [name for name in names if name.strip() not in code] == []
    # No name ends its cell: each line of the table has its five.
    assert sum(token.type == "td_open" for token in tokens) % 5 == 0
    words = [part.content for part in parts if part.type == "text"]
    assert [word for word in words if "example.com" in word or "alert" in word] == []


class VisibleText(HTMLParser):
    """The text that a browser shows of HTML: no comment, and nothing within closed details.

    Attributes:
        text: The text.
        headings: How many tables and headings there are, which something forged would add to.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.headings = 0
        self._is_hidden = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note what hides or forges."""
        self._is_hidden |= tag in ("details", "template", "script", "style")
        self.headings += tag in ("table", "h1", "h2", "h3")

    def handle_data(self, data: str) -> None:
        """Take a text that is shown."""
        if not self._is_hidden:
            self.text += data


def plan_with_reason(reason: str) -> Report:
    """Return a plan whose credentials are accepted for a reason, which is that of the run, too."""
    plan = example_plan()
    results = []
    for result in plan.results:
        items = [
            dataclasses.replace(item, accepted=True, message=f"Recovered until noon: {reason}.")
            for item in result.items
        ]
        results.append(dataclasses.replace(result, items=tuple(items), reason=reason))
    return dataclasses.replace(plan, results=tuple(results), reason=reason, requested_by=reason)


@pytest.mark.parametrize(
    "reason",
    [
        "CHG7.\r\r|account|outcome|\r|-|-|\r|`444444444444`|planned|\r\r- SHA-256: `1f2e`\r<!--",
        "CHG7.\n\n### Plan\n\n<details><summary>Nothing to review</summary>",
        "<details><summary>Nothing to review</summary>",
        "` <!-- `` | <details> ```",
    ],
    ids=["a lone CR and a comment", "a line and details", "details", "backticks"],
)
def test_no_reason_hides_or_forges_what_an_approver_reads(reason: str) -> None:
    plan = plan_with_reason(reason)
    accounts = [each.account_id for each in plan.results if each.outcome is Outcome.PLANNED]
    text = as_markdown(plan, sha256=SHA256)
    seen = VisibleText(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    # The title and the table, and what stands from the first line to the last one.
    assert seen.headings == 2
    assert [id_ for id_ in accounts if id_ not in seen.text] == []
    shown = printable(reason).replace("|", r"\x7c")
    visible = " ".join(seen.text.split())
    for line in (
        "To be deleted in 1 of 4 accounts",
        f"Before you approve: Recovered until noon: {shown}.",
        "Before you approve: This cannot be undone.",
        f"Reason: {shown}",
        f"SHA-256 of report.json: {SHA256}",
        "password, created 2022-10-12",
    ):
        assert line in visible
