"""Events of root users, as CloudWatch Logs delivers them from the organization's trail.

An event is hostile text: its caller has a say in it.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from common.untrusted import UNKNOWN, account_id_or_unknown, members, text_or_unknown

_GZIP = zlib.MAX_WBITS | 16
# Several times what CloudWatch Logs delivers at once; as nested lists of JSON it still fits into
# the memory.
_MAX_DELIVERY_BYTES = 5_000_000
_MAX_CHARACTERS = 100

# Such as AccessDeniedException, and EC2's Client.UnauthorizedOperation. With others the call was
# allowed.
_DENIAL = re.compile("AccessDenied|Unauthorized")


class Use(StrEnum):
    """How far a root user got, in words, the worst first."""

    SIGNED_IN = "signed in"
    USED = "used"
    DENIED = "denied"
    # Anyone who knows the e-mail address can enter a wrong password, or ask for a new one.
    SIGN_IN_ATTEMPTED = "sign-in attempted"


@dataclass(frozen=True, kw_only=True)
class RootUse:
    """An event of a root user, in short and printable text.

    Attributes:
        line: When, in which account, which call, from where, with which key, and how it ended. For
            example: "2026-11-25T04:00:01Z, account 222222222222: GetUser of iam.amazonaws.com from
            192.0.2.7 in us-east-1, access key AKIAEXAMPLEEXAMPLE99, AccessDenied".
        account_id: The account of the root user.
        event_id: The event's ID in CloudTrail; that in CloudWatch Logs, if the event cannot be
            read.
        use: How far the root user got.
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
        # It may be a sign-in all the same, so it is listed by its ID.
        if not event:
            event_id = _text(delivered.get("id"))
            line = f"an event that could not be read, with the ID {event_id} in CloudWatch Logs"
            return cls(line=line, account_id=UNKNOWN, event_id=event_id, use=Use.USED)
        identity = members(event.get("userIdentity"))
        account_id = account_id_or_unknown(identity.get("accountId"))
        call = f"{_text(event.get('eventName'))} of {_text(event.get('eventSource'))}"
        where = f"from {_text(event.get('sourceIPAddress'))} in {_text(event.get('awsRegion'))}"
        parts = [f"{_text(event.get('eventTime'))}, account {account_id}: {call} {where}"]
        # A sign-in has no key.
        if "accessKeyId" in identity:
            parts.append(f"access key {_text(identity['accessKeyId'])}")
        parts += _ending(event)
        return cls(
            line=", ".join(parts),
            account_id=account_id,
            event_id=_text(event.get("eventID")),
            use=_use(event),
        )


def read_delivery(event: object) -> Mapping[str, object]:
    """Return what CloudWatch Logs wrote into an event; nothing, if it cannot be read."""
    # JSON, compressed, as text:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
    data = members(members(event).get("awslogs")).get("data")
    if not isinstance(data, str):
        return {}
    try:
        compressed = base64.b64decode(data)
        # A text that is cut at the limit is no JSON, so that nothing of it is read.
        text = zlib.decompressobj(_GZIP).decompress(compressed, _MAX_DELIVERY_BYTES)
    except (ValueError, zlib.error):
        return {}
    return members(_json(text))


def _use(event: Mapping[str, object]) -> Use:
    """Return how far the root user got in an event of CloudTrail."""
    name = event.get("eventName")
    has_failed = name == "ConsoleLogin" and _sign_in_result(event) == "Failure"
    if has_failed or name == "PasswordRecoveryRequested":
        return Use.SIGN_IN_ATTEMPTED
    if name == "ConsoleLogin":
        return Use.SIGNED_IN
    if _DENIAL.search(_text(event.get("errorCode"))):
        return Use.DENIED
    return Use.USED


def _ending(event: Mapping[str, object]) -> list[str]:
    """Return how a call ended, in words."""
    words = []
    # Only a call that failed has a code.
    error = event.get("errorCode")
    if error:
        words.append(_text(error))
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
    if event.get("eventName") == "ConsoleLogin":
        mfa = members(event.get("additionalEventData")).get("MFAUsed")
        words += [_sign_in_result(event), f"MFA used: {_text(mfa)}"]
    return words


def _sign_in_result(event: Mapping[str, object]) -> str:
    """Return Success or Failure, as the event of a sign-in to the console has it."""
    return _text(members(event.get("responseElements")).get("ConsoleLogin"))


def _text(value: object) -> str:
    """Return a value of an event as a short text without control characters, or "unknown"."""
    return text_or_unknown(value, _MAX_CHARACTERS)


def _json(text: object) -> object:
    """Return the value of a JSON text; None, if there is none."""
    if not isinstance(text, str | bytes):
        return None
    try:
        return json.loads(text)
    # Lists in lists, for example, a hundred thousand deep.
    except (ValueError, RecursionError):
        return None
