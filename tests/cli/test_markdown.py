"""A report as Markdown: what an approver needs, and nothing active of what somebody else chose."""

import pytest
from markdown_it import MarkdownIt

from centralized_root_access.cli.show.markdown import as_markdown
from common.untrusted import printable
from root_tasks.model.report_schema import Task
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
