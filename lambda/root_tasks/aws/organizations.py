"""The lists of Organizations, twenty entries a page."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aws_calls.calls import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aws_calls.retry import RetryBudget

# The maximum that Organizations allows.
MAX_ENTRIES_PER_PAGE = 20


def entries(
    function: Callable[..., Mapping[str, Any]], *, operation: str, items: str, budget: RetryBudget
) -> Iterator[Any]:
    """Yield the entries of a list of Organizations.

    Args:
        function: Reads one page by a client that makes one attempt.
        operation: The call, named as in an IAM policy.
        items: The member of the response that has the entries.
        budget: How long to retry transient failures of each page.

    Raises:
        CallError: A page failed or is incomplete.
    """
    return pages(
        functools.partial(function, MaxResults=MAX_ENTRIES_PER_PAGE),
        operation=operation,
        budget=budget,
        items=items,
        request_token="NextToken",
        response_token="NextToken",
    )
