"""The IDs by which AWS explains denied calls: IAM's Access Troubleshooter, a preview.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The end of a message, after what was denied and why.
_ID_IN_MESSAGE = re.compile(
    r"[.,]?\s*(Go to https://\S+ for complete details,?\s+)?(or )?"
    r"call the GetRequestAuthorizationDetails API with the following authorization id: "
    r"(?P<id>[0-9a-z]{1,64})\.?\s*$",
    re.IGNORECASE,
)


def keep_apart(
    function: Callable[..., Mapping[str, Any]], ids: list[str]
) -> Callable[..., Mapping[str, Any]]:
    """Return a function that makes a call, and moves the ID of a denial from its message to a list.

    It differs each time: in the message, no two denials for the same reason would be the same.
    """

    def call_and_keep(**parameters: Any) -> Mapping[str, Any]:
        try:
            return function(**parameters)
        except ClientError as error:
            detail = error.response.get("Error", {})
            if found := _ID_IN_MESSAGE.search(detail.get("Message") or ""):
                detail["Message"] = detail["Message"][: found.start()]
                ids.append(found["id"])
            raise

    return call_and_keep
