"""Pages of a list, with a token that stays valid while the list changes."""

from collections.abc import Iterable


def page_of(ids: Iterable[str], *, token: str | None, size: int) -> tuple[list[str], str | None]:
    """Return the page that a token asks for, and the token of the next one, or None for the last.

    The token is the last ID of the page before: no item is lost when others are deleted in between.

    Args:
        ids: The IDs of the whole list.
        token: The token of the page before, or None for the first page.
        size: The maximum number of items of a page.
    """
    rest = [id_ for id_ in sorted(ids) if token is None or id_ > token]
    page = rest[:size]
    return page, page[-1] if len(rest) > size else None
