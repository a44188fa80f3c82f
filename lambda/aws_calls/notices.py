"""A notice for people: one publish to a topic, which arrives as text in mail and as a card in chat.

Amazon Q in chat applications subscribes over HTTPS, and drops what is not in its format:
https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from common.errors import RootAccessError
from common.next_step import NextStep

from .calls import AwsCalls
from .failures import CallError, Failure, describe_response
from .invocation import Invocation

PUBLISH = "sns:Publish"
MAX_LISTED = 20
# SNS accepts a hundred.
MAX_SUBJECT_CHARACTERS = 100

# Slack shows no more in one block; each platform has a limit of its own.
_MAX_CHAT_CHARACTERS = 2900
# The end of a block of code in Markdown, and the text that Slack reads inside of one: <!channel>,
# <url|text>.
_INERT = str.maketrans({"`": "'", "&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message for a topic.

    Attributes:
        subject: Its subject, the worst first; ASCII, of at most MAX_SUBJECT_CHARACTERS.
        message: What happened, in lines. It may have text that others chose.
        thread: What chat groups it by: the organization and what the notice is about.
        next_steps: What to do, in order.
        runbook: The heading in docs/guides/operating.md that says more.
    """

    subject: str
    message: str
    thread: str
    next_steps: Sequence[NextStep]
    runbook: str

    def publication(self) -> dict[str, str]:
        """Return the parameters of sns:Publish: a text for mail and all else, a card for HTTPS."""
        # SNS chooses one for each subscription, by its protocol.
        # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
        messages = {"default": self.text(), "https": json.dumps(self._card())}
        return {
            "Subject": self.subject,
            "Message": json.dumps(messages),
            "MessageStructure": "json",
        }

    def text(self) -> str:
        """Return the text for mail: what happened, what to do, and where more is said."""
        steps = "What to do:"
        for number, step in enumerate(self.next_steps, 1):
            steps += f"\n{number}. {step.text()}"
        return paragraphs(self.message.rstrip(), steps, self._runbook)

    @property
    def _runbook(self) -> str:
        """The address of the page that says more, and the heading there."""
        # The alarms of the constructs read the same file.
        page = files("common").joinpath("runbook.txt").read_text().strip()
        return f"{page}, {self.runbook}"

    def _card(self) -> dict[str, object]:
        """Return the notice in the format of Amazon Q in chat applications."""
        next_steps = [step.text(" `", "`") for step in self.next_steps]
        next_steps.append(self._runbook)
        return {
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": self.subject,
                "description": _code_block(self.message),
                "nextSteps": next_steps,
            },
            "metadata": {"threadId": self.thread},
        }


def paragraphs(*texts: str) -> str:
    """Return the message of a notice; an empty text is left out."""
    return "\n\n".join(filter(None, texts)) + "\n"


def bullets(title: str, entries: Iterable[object]) -> str:
    """Return a list for a notice; nothing if it is empty."""
    lines = [f"- {entry}" for entry in entries]
    if not lines:
        return ""
    unlisted = len(lines) - MAX_LISTED
    if unlisted > 0:
        # One line instead of the rest.
        lines[MAX_LISTED:] = [f"- and {unlisted} more"]
    lines.insert(0, title)
    return "\n".join(lines)


@dataclass(eq=False, kw_only=True)
class NotPublishedError(RootAccessError):
    """The topic did not accept a notice.

    Attributes:
        consequence: What is left without the notice, in sentences.
    """

    failure: Failure
    account_id: str
    topic_arn: str
    consequence: str

    def __str__(self) -> str:
        return (
            f"Account {self.account_id} could not publish to {self.topic_arn}: "
            f"{describe_response(self.failure)} If it was denied, allow {self.failure.operation} "
            "in the topic's policy, and the use of its key in the key's policy. "
            f"{self.consequence}"
        )


def publish(notice: Notice, *, aws: AwsCalls, topic_arn: str) -> None:
    """Publish a notice.

    Raises:
        CallError: SNS did not accept it.
    """
    aws.call(PUBLISH, TopicArn=topic_arn, **notice.publication())


def publish_or_fail(
    notice: Notice,
    *,
    aws: Invocation,
    topic_arn: str,
    consequence: str,
) -> None:
    """Publish a notice, and log it if the topic does not accept it.

    Args:
        notice: The notice.
        aws: The function that publishes it.
        topic_arn: The topic.
        consequence: What is left without the notice, for the error.

    Raises:
        NotPublishedError: The topic does not accept the notice.
    """
    try:
        publish(notice, aws=aws, topic_arn=topic_arn)
    except CallError as error:
        aws.log(event="not_published", topicArn=topic_arn, code=error.failure.code)
        raise NotPublishedError(
            failure=error.failure,
            account_id=aws.account_id,
            topic_arn=topic_arn,
            consequence=consequence,
        ) from error


def _code_block(text: str) -> str:
    """Return a text in which nothing is Markdown, a mention or a link, on any platform."""
    # Only backticks end the block, but Slack also reads <!channel> and <url|text> in it.
    shown = text.translate(_INERT).rstrip()
    if len(shown) > _MAX_CHAT_CHARACTERS:
        # Whole lines, so that no entry is cut.
        shown, _, _ = shown[:_MAX_CHAT_CHARACTERS].rpartition("\n")
        shown += "\n… The mail has the rest."
    return f"```\n{shown}\n```"
