"""Errors and other people's changes around the calls of a function's clients.

The whole SDK is part of tests/test_faults.py; here an error takes the place of one call.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.function import Function


def answer_with_error(
    function: Function,
    action: str,
    code: str,
    *,
    status: int = 400,
    times: int | None = None,
    account_id: str = "",
) -> None:
    """Answers a call with an error in its place, so many times or always; or only one account's."""
    left = itertools.repeat(None) if times is None else iter(range(times))

    def answered(params: Any, **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        if account_id not in str(params["body"]) or next(left, _NOTHING) is _NOTHING:
            return None
        response = AWSResponse(params["url"], status, HTTPHeaders(), None)
        error = {"Code": code, "Message": f"{code} said the test"}
        return response, {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}

    _events(function, action).register(f"before-call.{_event(action)}", answered)


def lose_answer(function: Function, action: str, *, times: int = 1) -> None:
    """Lets a call take effect, and breaks the connection before its answer arrives."""
    left = iter(range(times))

    def broken(**_: object) -> None:
        if next(left, _NOTHING) is not _NOTHING:
            raise ConnectionClosedError(endpoint_url="https://aws")

    _events(function, action).register(f"after-call.{_event(action)}", broken)


def before_call(function: Function, action: str, change: Callable[[], None], *, times: int = 1) -> None:
    """Has somebody change something right before a call."""
    left = iter(range(times))

    def changed(**_: object) -> None:
        if next(left, _NOTHING) is not _NOTHING:
            change()

    _events(function, action).register(f"before-call.{_event(action)}", changed)


_NOTHING = object()


def _events(function: Function, action: str) -> Any:
    clients = function.clients()
    client = clients.iam if action.startswith("iam:") else clients.organizations
    return client.meta.events


def _event(action: str) -> str:
    return action.replace(":", ".")
