"""Pages of a list, with a token that stays valid while the list changes."""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


class InvalidPageTokenError(ValueError):
    """A token that did not come with a page."""


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Item]):
    """A part of a list, and the token that asks for the next part."""

    items: Sequence[Item]
    next_token: str | None


def page_of(items: Sequence[Item], *, key: Callable[[Item], str], token: str | None, size: int) -> Page[Item]:
    """Return the page that a token asks for.

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
    start = 0 if token is None else bisect_right(items, _decode_token(token), key=key)
    page = items[start : start + size]
    more = start + size < len(items)
    return Page(items=page, next_token=_encode_token(key(page[-1])) if more else None)


def _encode_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidPageTokenError(token) from error
