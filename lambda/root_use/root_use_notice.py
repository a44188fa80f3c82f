"""The notice of root use: a line for each event of the trail, and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aws_calls.invocation import Invocation
from aws_calls.notices import MAX_LISTED, Notice, bullets, paragraphs, publish_or_fail
from aws_calls.runtime import LambdaContext, create_clients
from common.arn import Arn
from common.function_settings import FunctionSettings
from common.untrusted import UNKNOWN

from .root_use_events import RootUse, Use, read_delivery
from .root_use_steps import next_steps

# The characters that CloudWatch Logs allows. None of them forges a line or a command.
_LOG_GROUP = re.compile(r"[\w./#-]{1,512}", re.ASCII)

_ATTEMPT = (
    "Anyone who knows the e-mail address can fail to sign in, or ask for a new password, with "
    "which a recovery begins. A sign-in that succeeds sends a notice of its own."
)


@dataclass(frozen=True, kw_only=True)
class Settings(FunctionSettings):
    """What the construct configures.

    Attributes:
        notification_topic_arn: The topic.
        management_account: The organization's management account.
        emergency_policy_id: The policy that denies root users everything, if there is one.
    """

    notification_topic_arn: str
    management_account: str
    emergency_policy_id: str | None


def on_delivery(event: object, context: LambdaContext) -> None:
    """Publish a notice of root use; the entry point of a function that the log group invokes.

    Raises:
        NotPublishedError: The topic did not accept the notice.
    """
    notify(
        event,
        settings=Settings.from_environment(os.environ),
        aws=Invocation.begin(context, clients=create_clients()),
    )


def notify(event: object, *, settings: Settings, aws: Invocation) -> None:
    """Publish a notice of root use, with everything that is needed passed in.

    Args:
        event: What CloudWatch Logs delivers to a subscribed function.
        settings: What the construct configures.
        aws: The function, which is in the account and the Region of the trail's log group.

    Raises:
        NotPublishedError: The topic did not accept the notice.
    """
    delivery = read_delivery(event)
    # CloudWatch Logs only tests with it whether the function can be reached: it has no events.
    if delivery.get("messageType") == "CONTROL_MESSAGE":
        return
    log_events = delivery.get("logEvents")
    # CloudWatch Logs delivers only events, so an unreadable delivery counts as one.
    if not isinstance(log_events, list) or not log_events:
        log_events = [None]
    uses = [RootUse.parse(log_event) for log_event in log_events]
    event_ids = [use.event_id for use in uses[:MAX_LISTED]]
    aws.log(event="root_use", events=len(uses), eventIds=event_ids)
    publish_or_fail(
        _notice(uses, log_group=delivery.get("logGroup"), function=aws.function, settings=settings),
        aws=aws,
        topic_arn=settings.notification_topic_arn,
        consequence="Lambda tries three times. The alarm of root use has the query for the events.",
    )


def _notice(
    uses: Sequence[RootUse], *, log_group: object, function: Arn, settings: Settings
) -> Notice:
    """Return the notice of the events of a delivery, of which there is at least one."""
    # In a list that is cut, calls that were denied must not hide a sign-in. Use has its members in
    # this order.
    worst_first = list(Use)
    uses = sorted(uses, key=lambda use: worst_first.index(use.use))
    management = settings.management_account
    message = [bullets("Root use, other than through AssumeRoot:", [use.line for use in uses])]
    if uses[0].use is Use.SIGN_IN_ATTEMPTED:
        message.append(_ATTEMPT)
    if not isinstance(log_group, str) or not _LOG_GROUP.fullmatch(log_group):
        log_group = UNKNOWN
    return Notice(
        subject=_subject(uses, management_account=management),
        # An organization's trail has one log group, so its account has one thread.
        thread=f"{function.account_id}-root-use",
        runbook="Root use",
        next_steps=next_steps(
            uses,
            management_account=management,
            emergency_policy_id=settings.emergency_policy_id,
            trail=f"{log_group} in {function.region} of account {function.account_id}",
        ),
        message=paragraphs(*message),
    )


def _subject(uses: Sequence[RootUse], *, management_account: str) -> str:
    """Return the subject of events of which the first one is the worst."""
    worst = uses[0].use
    accounts = {use.account_id for use in uses if use.use is worst}
    who = f"account {uses[0].account_id}"
    if management_account in accounts:
        who = "the management account"
    if len(accounts) > 1:
        who += f" and {len(accounts) - 1} more"
    return f"Root user of {who}: {worst}"
