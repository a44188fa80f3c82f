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
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from aws_calls.calls import AwsCalls
from aws_calls.notices import MAX_LISTED, Notice, bullets, paragraphs, publish_or_fail
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn, create_clients, system_clock
from common.function_settings import FunctionSettings
from common.metrics import log_sdk, write_line
from common.next_step import NextStep
from common.untrusted import UNKNOWN, account_id_or_unknown, members, text_or_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_calls.retry import Clock
    from aws_calls.runtime import LambdaContext

_GZIP = zlib.MAX_WBITS | 16
# Several times what CloudWatch Logs delivers at once; as nested lists of JSON it still fits into
# the memory.
_MAX_DELIVERY_BYTES = 5_000_000
_MAX_CHARACTERS = 100
_MAX_LOG_GROUP_CHARACTERS = 512

# The beginning of the names of an organization trail's log streams.
_ORGANIZATION_ID = re.compile("(o-[a-z0-9]{10,32})_")

# Such as AccessDeniedException, and EC2's Client.UnauthorizedOperation. With others the call was
# allowed.
_DENIAL = re.compile("AccessDenied|Unauthorized")

# No name that an organization would have used: the commands attach and detach the policy of this
# name.
_POLICY = "EmergencyDenyRootUsers"
_FIND_POLICY = (
    "$(aws organizations list-policies --filter SERVICE_CONTROL_POLICY "
    f"--query \"Policies[?Name=='{_POLICY}'].Id\" --output text)"
)
# RootUserGuardrail's statement: root sessions, and so the deletion, still work.
_DENY_ROOT_USERS = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":'
    '{"ArnLike":{"aws:PrincipalArn":"arn:*:iam::*:root"},"Null":{"aws:AssumedRoot":"true"}}}]}'
)


@dataclass(frozen=True, kw_only=True)
class Settings(FunctionSettings):
    """The topic and the account that the construct configures."""

    notification_topic_arn: str
    management_account: str


class Use(IntEnum):
    """The outcome of a call, worst first."""

    SIGNED_IN = 0
    USED = 1
    DENIED = 2


@dataclass(frozen=True, kw_only=True)
class RootUse:
    """An event of a root user, in short and printable text.

    Attributes:
        line: When, in which account, which call, from where, and how it ended.
        account_id: The account of the root user.
        event_id: The event's ID in CloudTrail; that in CloudWatch Logs, if the event cannot be
            read.
        use: The outcome.
    """

    line: str
    account_id: str
    event_id: str
    use: Use

    @classmethod
    def parse(cls, log_event: object) -> RootUse:
        """Return one event of a delivery. What is missing there is unknown."""
        delivered = members(log_event)
        event = members(_json(delivered.get("message")))
        if not event:
            event_id = _text(delivered.get("id"))
            line = f"an event that could not be read, with the ID {event_id} in CloudWatch Logs"
            return cls(line=line, account_id=UNKNOWN, event_id=event_id, use=Use.USED)
        account_id = account_id_or_unknown(members(event.get("userIdentity")).get("accountId"))
        call = f"{_text(event.get('eventName'))} of {_text(event.get('eventSource'))}"
        where = f"from {_text(event.get('sourceIPAddress'))} in {_text(event.get('awsRegion'))}"
        line = f"{_text(event.get('eventTime'))}, account {account_id}: {call} {where}"
        use, words = _outcome(event)
        event_id = _text(event.get("eventID"))
        return cls(
            line=", ".join([line, *words]), account_id=account_id, event_id=event_id, use=use
        )


def on_delivery(event: object, context: LambdaContext) -> None:
    """Publish a notice of root use; the entry point of a function that is subscribed to the log group.

    Raises:
        NotPublishedError: The topic did not accept the notice.
    """
    log_sdk()
    settings = Settings.from_environment(os.environ)
    notify(
        event,
        context,
        settings=settings,
        clients=create_clients(),
        clock=system_clock(),
        log=write_line,
    )


def notify(
    event: object,
    context: LambdaContext,
    *,
    settings: Settings,
    clients: Callable[[str], Any],
    clock: Clock,
    log: Callable[..., None],
) -> None:
    """Publish a notice of root use, with everything that is needed passed in.

    Args:
        event: What CloudWatch Logs delivers to a subscribed function.
        context: Lambda's context.
        settings: What the construct configures.
        clients: Returns the client of a service, which makes one attempt per call.
        clock: The time, for waiting.
        log: Takes one event as keyword arguments.

    Raises:
        NotPublishedError: The topic did not accept the notice.
    """
    delivery = _delivery(event)
    if delivery.get("messageType") == "CONTROL_MESSAGE":
        return
    own = FunctionArn.parse(context.invoked_function_arn)
    log_events = delivery.get("logEvents")
    # CloudWatch Logs delivers only events, so an unreadable delivery counts as one.
    delivered = log_events if isinstance(log_events, list) and log_events else [None]
    uses = [RootUse.parse(log_event) for log_event in delivered]
    log(event="root_use", events=len(uses), eventIds=[use.event_id for use in uses[:MAX_LISTED]])
    budget = RetryBudget.of_invocation(context, clock=clock)
    publish_or_fail(
        _notice(uses, delivery, own=own, management_account=settings.management_account),
        aws=AwsCalls(clients=clients, budget=budget),
        topic_arn=settings.notification_topic_arn,
        log=log,
        account_id=own.account_id,
        consequence="Lambda tries three times. The alarm of root use has the query for the events.",
    )


def _notice(
    uses: Sequence[RootUse],
    delivery: Mapping[str, object],
    *,
    own: FunctionArn,
    management_account: str,
) -> Notice:
    log_group, log_stream = (
        text_or_unknown(delivery.get(name), _MAX_LOG_GROUP_CHARACTERS)
        for name in ("logGroup", "logStream")
    )
    organization = _ORGANIZATION_ID.match(log_stream)
    # In a list that is cut, calls that were denied must not hide a sign-in.
    uses = sorted(uses, key=lambda use: use.use)
    accounts = [*dict.fromkeys(use.account_id for use in uses)]
    of_members = [account for account in accounts if account != management_account]
    named = [account for account in of_members if account != UNKNOWN][:MAX_LISTED] or ["ACCOUNT"]
    next_steps = [
        *(
            _management_steps(management_account, own.partition)
            if management_account in accounts
            else ()
        ),
        *(_member_steps(named, own.partition) if of_members else ()),
        NextStep(what="See what it did, and what it left: the runbook has both queries."),
        *((_step_to_undo(named),) if of_members else ()),
    ]
    return Notice(
        subject=_subject(uses, management_account=management_account),
        thread=f"{organization[1] if organization else own.account_id}-root-use",
        runbook="Root use",
        next_steps=next_steps,
        message=paragraphs(
            bullets("Root use, other than through AssumeRoot:", [use.line for use in uses]),
            "After a recovery this is expected." if of_members else "",
            f"Log group: {log_group}\nLog stream: {log_stream}",
        ),
    )


def _subject(uses: Sequence[RootUse], *, management_account: str) -> str:
    """Return the subject of events of which the first one is the worst."""
    worst = uses[0].use
    accounts = {use.account_id for use in uses if use.use is worst}
    outcome = worst.name.lower().replace("_", " ")
    if management_account in accounts:
        others = len(accounts) - 1
        and_others = f" and {others} other{'s' if others > 1 else ''}" if others else ""
        was = "" if worst is Use.SIGNED_IN else "were " if others else "was "
        return f"The management account's root user{and_others} {was}{outcome}"
    where = f"account {uses[0].account_id}" if len(accounts) == 1 else f"{len(accounts)} accounts"
    return f"Root user {outcome}: {where}"


def _management_steps(account: str, partition: str) -> Sequence[NextStep]:
    return (
        NextStep(
            what=f"No SCP binds the root user of the management account, {account}: sign in as this root "
            "user, change its password, and delete its access keys."
        ),
        _step_for_sessions("There", account, partition),
    )


def _member_steps(accounts: Sequence[str], partition: str) -> Sequence[NextStep]:
    policy = (
        f"policy={_FIND_POLICY}; policy=${{policy:-$(aws organizations create-policy "
        f"--type SERVICE_CONTROL_POLICY --name {_POLICY} --description 'Root use' "
        f"--content '{_DENY_ROOT_USERS}' --query Policy.PolicySummary.Id --output text)}}"
    )
    only = accounts[0] if len(accounts) == 1 else "ACCOUNT"
    return (
        NextStep(
            what="In the management account, deny member root users everything, unless the guardrail does. "
            "You can repeat it",
            command=(
                f"{policy}; for account in {' '.join(accounts)}; do "
                "aws organizations list-targets-for-policy --policy-id $policy --query 'Targets[].TargetId' "
                "--output text | grep -q $account || "
                "aws organizations attach-policy --policy-id $policy --target-id $account; done"
            ),
        ),
        NextStep(
            what="In the account of RootTasks, which is the delegated administrator's if you have one, plan "
            "the deletion of the root credentials",
            command=f"centralized-root-access plan delete --account {','.join(accounts)} --include-in-use",
        ),
        NextStep(
            what="There, read the plan, and execute it",
            command="centralized-root-access execute RUN",
        ),
        _step_for_sessions(f"In account {only}", only, partition),
    )


def _step_to_undo(accounts: Sequence[str]) -> NextStep:
    attached = f"Targets[?contains('{' '.join(accounts)}', TargetId)].TargetId"
    return NextStep(
        what="When it is over, in the management account, detach the policy. You can repeat it",
        command=(
            f"policy={_FIND_POLICY}; for account in $(aws organizations list-targets-for-policy "
            f'--policy-id $policy --query "{attached}" --output text); do '
            "aws organizations detach-policy --policy-id $policy --target-id $account; done"
        ),
    )


def _step_for_sessions(where: str, account: str, partition: str) -> NextStep:
    owner = f"--principal-arn arn:{partition}:iam::{account}:root"
    return NextStep(
        what=f"{where}, with a role, end its sessions of the AWS CLI and of agents (not confirmed)",
        command=(
            f"for session in $(aws signin list-sessions {owner} --status ACTIVE "
            "--query 'items[].sessionArn' --output text); do "
            f"aws signin batch-revoke-sessions {owner} --session-arns $session; done"
        ),
    )


def _outcome(event: Mapping[str, object]) -> tuple[Use, list[str]]:
    """Return the outcome of a call, and how it ended in words."""
    error = event.get("errorCode")
    words = [_text(error)] if error else []
    if event.get("eventName") != "ConsoleLogin":
        return (Use.DENIED if _DENIAL.search(_text(error)) else Use.USED), words
    result = _text(members(event.get("responseElements")).get("ConsoleLogin"))
    mfa = _text(members(event.get("additionalEventData")).get("MFAUsed"))
    return (Use.DENIED if result == "Failure" else Use.SIGNED_IN), [
        *words,
        result,
        f"MFA used: {mfa}",
    ]


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
