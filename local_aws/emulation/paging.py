"""Pages of a list, with a token that stays valid while the list changes."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


class InvalidPageTokenError(ValueError):
    """A token that did not come with a page."""


def page_of(
    items: Sequence[Item], *, key: Callable[[Item], str], token: str | None, size: int
) -> tuple[Sequence[Item], str | None]:
    """Return the page that a token asks for, and the token of the next one, or None for the last.

    The token names the last item of the page before: no item is lost when others are deleted
    in between.

    Args:
        items: The whole list, in ascending order of its keys.
        key: Return the key of an item.
        token: The token of the page before, or None for the first page.
        size: The maximum number of items of a page.

    Raises:
        InvalidPageTokenError: If the token did not come with a page.
    """
    try:
        last = None if token is None else base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidPageTokenError(token) from error
    start = 0 if last is None else bisect_right(items, last, key=key)
    page = items[start : start + size]
    more = start + size < len(items)
    return page, base64.urlsafe_b64encode(key(page[-1]).encode()).decode() if more else None
