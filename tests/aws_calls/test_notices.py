"""A notice as it arrives: as text in mail, and as a card in chat, in which nothing that others wrote acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aws_calls.notices import Notice
from support.accounts import MEMBER
from support.arrange import SESSIONS, set_feature
from support.drift_check import BY_EVENT, BY_INTERVAL, DriftCheck, by_event
from support.notices import card_in_chat, text_by_mail, text_of_code_block
from support.root_events import USED
from support.root_use import NEXT_STEP, ORGANIZATION_ID, RootUseNotices, delivery

if TYPE_CHECKING:
    from local_aws.emulation import LocalOrganization
    from support.root_tasks import RootTasks

HOSTILE = [
    "```\n<!channel> *read this*",
    "<https://example.com|the report>",
    "[the report](https://example.com)",
    "<at>everyone</at> <script>alert(1)</script>",
    "&lt;!here&gt; & so on",
    "# A title\n- [x] done\n> quoted ~~struck~~ `code`",
]


def notice(message: str) -> Notice:
    return Notice(subject="A subject", message=message, thread="o-8j81brsjuj-root-access")


@pytest.mark.parametrize("text", HOSTILE)
def test_what_others_wrote_is_text_in_mail_and_inert_in_chat(text: str) -> None:
    publication = notice(f"Caller: {text}\n").publication()
    assert text_by_mail(publication) == f"Caller: {text}\n"
    shown = text_of_code_block(card_in_chat(publication)["content"]["description"])
    assert shown == f"Caller: {text}".replace("`", "'")


def test_what_is_too_long_for_chat_ends_with_a_whole_line_and_says_where_the_rest_is() -> None:
    lines = [f"{number:012}: 1 access key & 1 password\n" for number in range(200)]
    publication = notice("".join(lines)).publication()
    description = card_in_chat(publication)["content"]["description"]
    assert len(description) <= 3000
    *shown, last = text_of_code_block(description).splitlines(keepends=True)
    assert shown == lines[: len(shown)]
    assert len(shown) == 65
    assert last == "… The mail has the rest."
    assert text_by_mail(publication) == "".join(lines)


def test_drift_and_repairs_are_one_thread_of_the_organization(with_root_access: LocalOrganization) -> None:
    drift_check = DriftCheck(repair=True)
    set_feature(with_root_access, SESSIONS, enabled=False)
    drift_check(BY_EVENT)
    drift_check(BY_INTERVAL)
    drift_check(by_event(userIdentity={"arn": HOSTILE[0]}))
    cards = [card_in_chat(notice.publication()) for notice in drift_check.published]
    assert [card["content"]["title"] for card in cards] == [
        f"Centralized root access: {what} in {with_root_access.id}"
        for what in ("drift", "drift repaired", "drift undone")
    ]
    assert {card["metadata"]["threadId"] for card in cards} == {f"{with_root_access.id}-root-access"}
    for notice, card in zip(drift_check.published, cards, strict=True):
        assert text_of_code_block(card["content"]["description"]) == notice.message.rstrip().replace("`", "'")
        assert card["content"]["nextSteps"]


def test_root_use_is_a_thread_of_its_own_and_what_to_do_is_in_mail_and_in_chat() -> None:
    function = RootUseNotices()
    event = USED["a console sign-in"] | {"sourceIPAddress": HOSTILE[0], "awsRegion": HOSTILE[1]}
    function(delivery(event))
    (published,) = function.published
    publication = published.publication()
    card = card_in_chat(publication)
    assert card["content"]["title"] == f"Root use: account {MEMBER}"
    assert card["metadata"]["threadId"] == f"{ORGANIZATION_ID}-root-use"
    assert card["content"]["nextSteps"] == [NEXT_STEP]
    mail = text_by_mail(publication)
    assert f"\n\n{NEXT_STEP}\n\n" in mail
    assert text_of_code_block(card["content"]["description"]) == mail.rstrip().replace("`", "'")


def test_audits_are_another_thread_of_the_organization(root_tasks: RootTasks) -> None:
    root_tasks.run()
    root_tasks.organization.put_root_credentials(account_id=MEMBER, password=True)
    root_tasks.advance(days=1)
    root_tasks.run()
    first, second = root_tasks.cards
    assert first["content"]["title"] == "Root credentials: first full audit"
    assert second["content"]["title"] == "Root credentials changed: 1 account"
    read = "Read the report: `centralized-root-access report --open`"
    assert first["content"]["nextSteps"] == [read], "there is nothing to delete"
    plan = "Plan what to delete: `centralized-root-access plan delete --from-report run-2`"
    assert second["content"]["nextSteps"] == [read, plan]
    thread = f"{root_tasks.organization.id}-root-credentials"
    assert {card["metadata"]["threadId"] for card in root_tasks.cards} == {thread}
    shown = [text_of_code_block(card["content"]["description"]) for card in root_tasks.cards]
    assert shown == [message.rstrip() for _, message in root_tasks.notices]
