"""The function for notices of root use as Lambda runs it, with a topic of the test's."""

import base64
import gzip
import json
import re
from dataclasses import dataclass
from typing import Any

from root_use.root_use_notice import Settings, notify
from support.accounts import MANAGEMENT
from support.drift_check import TOPIC_ARN, NoticePublisher
from support.function import FakeTime
from support.notices import Published, text_by_mail

ORGANIZATION_ID = "o-8j81brsjuj"
LOG_STREAM = f"{ORGANIZATION_ID}_{MANAGEMENT}_CloudTrail_us-east-1"


def log_delivery(*messages: object, **members: object) -> dict[str, Any]:
    """Return what CloudWatch Logs delivers; a message that is no text is CloudTrail's event."""
    log_events = [
        {
            "id": f"{number:056}",
            "timestamp": 1_800_000_000_000,
            "message": message if isinstance(message, str) else json.dumps(message),
        }
        for number, message in enumerate(messages)
    ]
    data = {
        "messageType": "DATA_MESSAGE",
        "owner": MANAGEMENT,
        "logGroup": "organization-trail",
        "logStream": LOG_STREAM,
        "subscriptionFilters": ["RootUse"],
        "logEvents": log_events,
    }
    return delivery_of_data(json.dumps(data | members).encode())


def delivery_of_data(data: bytes) -> dict[str, Any]:
    """Return the event in which CloudWatch Logs delivers data."""
    return {"awslogs": {"data": base64.b64encode(gzip.compress(data)).decode()}}


@dataclass(kw_only=True)
class RootUseNotices(NoticePublisher):
    """The deployed function.

    Attributes:
        emergency_policy_id: The policy that its construct has created.
    """

    emergency_policy_id: str | None = "p-emergency1"

    def __call__(self, event: object) -> None:
        """Invoke the function."""
        notify(
            event,
            settings=Settings(
                notification_topic_arn=TOPIC_ARN,
                management_account=MANAGEMENT,
                emergency_policy_id=self.emergency_policy_id,
            ),
            aws=FakeTime().invocation(self.client, seconds=60, log=self.write_log_line),
        )


def notice_of(event: object, **deployed: Any) -> Published:
    """Return the one notice that a delivery leads to."""
    function = RootUseNotices(**deployed)
    function(event)
    (notice,) = function.published
    return notice


def commands_in_notice(*events: object, **deployed: Any) -> list[str]:
    """Return the commands in the notice that events lead to; each is an indented line."""
    mail = text_by_mail(notice_of(log_delivery(*events), **deployed).publication)
    return re.findall(r"^   (.*)$", mail, re.MULTILINE)
