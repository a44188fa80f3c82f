"""What arrives of a published notice: text by mail, and a card in Amazon Q in chat applications.

https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
"""

import html
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_PUBLISHED_BYTES = 256 * 1024
_FENCE = "```"
GOLDEN_NOTICES = Path(__file__).parents[1] / "notices"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A notice that a topic has accepted."""

    publication: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """The subject."""
        return str(self.publication["Subject"])

    @property
    def message(self) -> str:
        """What happened, without what to do."""
        return text_by_mail(self.publication).partition("\nWhat to do:\n")[0]


def text_by_mail(publication: Mapping[str, Any]) -> str:
    """Return what SNS delivers by mail, and by each protocol without a text of its own."""
    assert publication["MessageStructure"] == "json"
    assert len(publication["Message"].encode()) <= _MAX_PUBLISHED_BYTES
    messages = json.loads(publication["Message"])
    assert messages.keys() == {"default", "https"}
    text: str = messages["default"]
    return text


def card_in_chat(publication: Mapping[str, Any]) -> dict[str, Any]:
    """Return what SNS delivers over HTTPS, if Amazon Q would accept it."""
    card: dict[str, Any] = json.loads(json.loads(publication["Message"])["https"])
    assert card.keys() == {"version", "source", "content", "metadata"}
    assert (card["version"], card["source"]) == ("1.0", "custom")
    content, metadata = card["content"], card["metadata"]
    assert content.keys() == {"textType", "title", "description", "nextSteps"}
    assert content["textType"] == "client-markdown"
    assert content["title"] == publication["Subject"]
    assert metadata.keys() == {"threadId"}
    assert all(
        isinstance(text, str) and text for text in (content["description"], metadata["threadId"])
    )
    return card


def text_of_code_block(markdown: str) -> str:
    """Return the text of the only block of code, with no mention and no link in it."""
    assert markdown.startswith(f"{_FENCE}\n")
    assert markdown.endswith(f"\n{_FENCE}")
    inside = markdown[len(_FENCE) + 1 : -len(_FENCE) - 1]
    assert not {"`", "<", ">"} & set(inside)
    return html.unescape(inside)


def notice_as_delivered(publication: Mapping[str, Any], *, page: str = "") -> str:
    """Return a notice as it arrives in mail and in chat, and the top of its page, for a reader."""
    top = "".join(re.findall(r"<(?:h1|p class=.summary.)>.*\n", page))
    card = card_in_chat(publication)
    steps = "\n".join(f"* {step}" for step in card["content"]["nextSteps"])
    return (
        f"Subject: {publication['Subject']}\n\n{_heading('mail')}\n{text_by_mail(publication)}"
        f"\n{_heading('chat')}\nThread: {card['metadata']['threadId']}\n"
        f"{card['content']['description']}\n\nNext steps:\n{steps}\n"
        + (f"\n{_heading('page')}\n{top}" if page else "")
    )


def read_or_write_golden(name: str, text: str) -> str:
    """Return what tests/notices/ has for a notice.

    With WRITE_NOTICES=1 the text is written there first.
    """
    path = GOLDEN_NOTICES / f"{name}.txt"
    if os.environ.get("WRITE_NOTICES"):
        path.write_text(text)
    return path.read_text()


def _heading(title: str) -> str:
    """Return the line above a part of a notice."""
    return f"---- {title} {'-' * 80}"
