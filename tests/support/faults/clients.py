"""Faults and changes by others at the calls of boto clients, by botocore's events.

A fault takes the place of the call or of its response.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from .vocabulary import Fault

# Registers a handler of a botocore event, as `client.meta.events.register` does.
Register = Callable[[str, Callable[..., Any]], object]

_CONTEXT_KEY = "injected_fault"


def inject(
    register: Register,
    action: str,
    fault: Fault,
    *,
    times: int | None = None,
    url: str = "",
    body: str = "",
) -> None:
    """Make calls fail.

    Args:
        register: Registers a handler with the clients whose calls are to fail.
        action: The calls, named as in an IAM policy.
        fault: How they fail.
        times: How many of them fail, from the next one on; None for all.
        url: Only calls whose URL contains this.
        body: Only calls whose body contains this.
    """
    matches = _matcher(times=times, url=url, body=body)

    def fail_before(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        """Raise the error before the call is sent, unless the call is to take effect."""
        if not matches(params):
            return
        if not fault.takes_effect:
            raise fault.error_of(action)
        context[_CONTEXT_KEY] = fault

    def fail_after(context: dict[str, Any], **_: object) -> None:
        """Raise the error in place of the response of a call that took effect."""
        if context.get(_CONTEXT_KEY) is fault:
            raise fault.error_of(action)

    register(_event("before-call", action), fail_before)
    register(_event("after-call", action), fail_after)


def omit_member(register: Register, action: str, *path: str) -> None:
    """Omit a member from the responses of a call.

    A list in the path stands for each of its entries.
    """

    def omit(parsed: dict[str, Any], **_: object) -> None:
        """Remove the member from a response, or from each entry of a list in it."""
        *outer, last = path
        parents = [parsed]
        for name in outer:
            members = [parent[name] for parent in parents]
            parents = [
                entry
                for member in members
                for entry in (member if isinstance(member, list) else [member])
            ]
        for parent in parents:
            parent.pop(last)

    register(_event("after-call", action), omit)


def change_before(
    register: Register, action: str, change: Callable[[], object], *, times: int = 1, url: str = ""
) -> None:
    """Change something as others do, right before a call.

    Args:
        register: Registers a handler with the clients that make the call.
        action: The call, named as in an IAM policy.
        change: The change.
        times: Before how many calls, from the next one on.
        url: Only calls whose URL contains this.
    """
    matches = _matcher(times=times, url=url)

    def apply_change(params: Mapping[str, Any], **_: object) -> None:
        """Apply the change, if the call is one of those."""
        if matches(params):
            change()

    register(_event("before-call", action), apply_change)


def _matcher(*, times: int | None, url: str, body: str = "") -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that selects so many calls by their requests."""
    left = itertools.repeat(True) if times is None else itertools.repeat(True, times)

    def matches(params: Mapping[str, Any]) -> bool:
        """Return whether a request is one of the selected calls, and count it."""
        return (
            url in params["url"] and (not body or body in str(params["body"])) and next(left, False)
        )

    return matches


def _event(moment: str, action: str) -> str:
    """Return the name of botocore's event, such as "before-call.iam.GetUser" for "iam:GetUser"."""
    return f"{moment}.{action.replace(':', '.')}"
