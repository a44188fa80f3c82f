"""The notice of root use: what CloudWatch Logs delivers of the trail, with a line for each event.

An event is hostile text: its caller has a say in it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.failures import CallError
from aws_calls.metrics import write_line
from aws_calls.notices import MAX_LISTED, Notice, NotPublishedError, bullets, paragraphs, publish
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn, system_clock
from aws_calls.settings import read_settings
from aws_calls.text import UNKNOWN, members, text_or_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aws_calls.notices import Publish
    from aws_calls.retry import Clock
    from aws_calls.runtime import LambdaContext

_GZIP = zlib.MAX_WBITS | 16
# Much more than CloudWatch Logs delivers at once, and no more than the function's memory has room for.
_MAX_DELIVERY_BYTES = 20_000_000
_MAX_CHARACTERS = 100
_MAX_LOG_GROUP_CHARACTERS = 512

_ACCOUNT_ID = re.compile("[0-9]{12}")
# How CloudTrail begins the names of an organization trail's log streams.
_ORGANIZATION_ID = re.compile("(o-[a-z0-9]{10,32})_")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the construct configures.

    Attributes:
        notification_topic_arn: The topic.
        next_step: What to do, in the words of the alarm.
    """

    notification_topic_arn: str
    next_step: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in the function's environment variables.

        Raises:
            SettingsError: A key is missing or unknown.
        """
        settings = read_settings(environment, keys=("notificationTopicArn", "nextStep"))
        return cls(notification_topic_arn=settings["notificationTopicArn"], next_step=settings["nextStep"])


@dataclass(frozen=True, kw_only=True)
class RootUse:
    """An event of a root user, in short and printable text.

    Attributes:
        line: When, in which account, what, from where, and how it ended.
        account_id: The account of the root user.
        event_id: The event's ID in CloudTrail; that in CloudWatch Logs, if the event cannot be read.
    """

    line: str
    account_id: str
    event_id: str

    @classmethod
    def parse(cls, log_event: object) -> RootUse:
        """Return one event of a delivery. What is missing there is unknown."""
        delivered = members(log_event)
        event = members(_json(delivered.get("message")))
        if not event:
            event_id = _text(delivered.get("id"))
            line = f"an event that could not be read, with the ID {event_id} in CloudWatch Logs"
            return cls(line=line, account_id=UNKNOWN, event_id=event_id)
        account_id = _text(members(event.get("userIdentity")).get("accountId"))
        if not _ACCOUNT_ID.fullmatch(account_id):
            account_id = UNKNOWN
        call = f"{_text(event.get('eventName'))} of {_text(event.get('eventSource'))}"
        where = f"from {_text(event.get('sourceIPAddress'))} in {_text(event.get('awsRegion'))}"
        line = f"{_text(event.get('eventTime'))}, account {account_id}: {call} {where}"
        return cls(
            line=", ".join([line, *_results(event)]),
            account_id=account_id,
            event_id=_text(event.get("eventID")),
        )


def on_delivery(event: object, context: LambdaContext) -> None:
    """Publish a notice of root use; the entry point of a function that is subscribed to the log group.

    Raises:
        NotPublishedError: The topic did not accept the notice.
    """
    settings = Settings.from_environment(os.environ)
    notify(event, context, settings=settings, publish=publish, clock=system_clock(), log=write_line)


def notify(
    event: object,
    context: LambdaContext,
    *,
    settings: Settings,
    publish: Publish,
    clock: Clock,
    log: Callable[..., None],
) -> None:
    """Publish a notice of root use, with everything that is needed passed in.

    Args:
        event: What CloudWatch Logs delivers to a subscribed function.
        context: Lambda's context.
        settings: What the construct configures.
        publish: Publishes a notice.
        clock: The time, for waiting.
        log: Takes one event as keyword arguments.

    Raises:
        NotPublishedError: The topic did not accept the notice.
    """
    delivery = _delivery(event)
    if delivery.get("messageType") == "CONTROL_MESSAGE":
        return
    account_id = FunctionArn.parse(context.invoked_function_arn).account_id
    log_events = delivery.get("logEvents")
    # A delivery that cannot be read had an event, or there would be none.
    delivered = log_events if isinstance(log_events, list) and log_events else [None]
    uses = [RootUse.parse(log_event) for log_event in delivered]
    log(event="root_use", events=len(uses), eventIds=[use.event_id for use in uses[:MAX_LISTED]])
    topic_arn = settings.notification_topic_arn
    deadline = clock.now() + context.get_remaining_time_in_millis() / 1000
    try:
        publish(
            _notice(uses, delivery, account_id=account_id, next_step=settings.next_step),
            topic_arn=topic_arn,
            budget=RetryBudget(clock=clock, deadline=deadline),
        )
    except CallError as error:
        log(event="not_published", topicArn=topic_arn, code=error.failure.code)
        raise NotPublishedError(
            failure=error.failure,
            account_id=account_id,
            topic_arn=topic_arn,
            publisher="The function for notices of root use",
            consequence="Lambda tries three times. The alarm's description has the query for the events.",
        ) from error


def _notice(
    uses: list[RootUse], delivery: Mapping[str, object], *, account_id: str, next_step: str
) -> Notice:
    log_group, log_stream = (
        text_or_unknown(delivery.get(name), _MAX_LOG_GROUP_CHARACTERS) for name in ("logGroup", "logStream")
    )
    organization = _ORGANIZATION_ID.match(log_stream)
    account_ids = {use.account_id for use in uses}
    where = f"account {uses[0].account_id}" if len(account_ids) == 1 else f"{len(account_ids)} accounts"
    return Notice(
        subject=f"Root use: {where}",
        thread=f"{organization[1] if organization else account_id}-root-use",
        next_steps=(next_step,),
        message=paragraphs(
            bullets("Root use, other than through AssumeRoot:", [use.line for use in uses]),
            next_step,
            f"Log group: {log_group}\nLog stream: {log_stream}",
        ),
    )


def _results(event: Mapping[str, object]) -> Iterator[str]:
    """Yield how a call ended: with an error, and how a sign-in did."""
    if event.get("errorCode"):
        yield _text(event["errorCode"])
    if event.get("eventName") == "ConsoleLogin":
        yield _text(members(event.get("responseElements")).get("ConsoleLogin"))
        yield f"MFA used: {_text(members(event.get('additionalEventData')).get('MFAUsed'))}"


def _text(value: object) -> str:
    return text_or_unknown(value, _MAX_CHARACTERS)


def _delivery(event: object) -> Mapping[str, object]:
    """Return what CloudWatch Logs wrote into an event; nothing, if it cannot be read."""
    data = members(members(event).get("awslogs")).get("data")
    try:
        compressed = base64.b64decode(data if isinstance(data, str) else "")
        return members(_json(zlib.decompressobj(_GZIP).decompress(compressed, _MAX_DELIVERY_BYTES)))
    except (ValueError, zlib.error):
        return {}


def _json(text: object) -> object:
    """Return the value of a JSON text; None, if there is none."""
    try:
        return json.loads(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        return None
