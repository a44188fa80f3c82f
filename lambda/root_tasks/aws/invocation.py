"""AWS as an invocation for root tasks uses it: also its root sessions, and lists of accounts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aws_calls.failures import incomplete_response
from aws_calls.invocation import Invocation

from .clients import RunClients

LIST_ROOTS = "organizations:ListRoots"
# The maximum that Organizations allows.
MAX_ENTRIES_PER_PAGE = 20
# Organizations allows eight concurrent calls for most List APIs.
_MAX_ORGANIZATIONS_CALLS_IN_PARALLEL = 8


@dataclass(frozen=True, kw_only=True)
class Aws(Invocation):
    """AWS as one invocation for root tasks uses it, or one command on a person's machine.

    Attributes:
        clients: Also has the clients of root sessions.
    """

    clients: RunClients

    def entries(self, operation: str, *, items: str, **parameters: str) -> Iterator[Any]:
        """Yield the entries of a list of Organizations.

        Args:
            operation: The call, named as in an IAM policy.
            items: The member of the response that has the entries.
            parameters: What the call is about, such as a ParentId.

        Raises:
            CallError: A page failed or is incomplete, or the list does not end.
        """
        return self.pages(operation, items=items, MaxResults=MAX_ENTRIES_PER_PAGE, **parameters)

    def organization_roots(self) -> list[Any]:
        """Return the roots of the organization, of which it has one.

        Raises:
            CallError: The read failed, or no root came back: nothing may be concluded from that.
        """
        roots = list(self.entries(LIST_ROOTS, items="Roots"))
        if not roots:
            raise incomplete_response(LIST_ROOTS, "root")
        return roots


@contextmanager
def reading_threads() -> Iterator[Executor]:
    """Yield threads that read from Organizations.

    At an interrupt or a failure none is waited for, because they change nothing.
    """
    threads = ThreadPoolExecutor(max_workers=_MAX_ORGANIZATIONS_CALLS_IN_PARALLEL)
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
