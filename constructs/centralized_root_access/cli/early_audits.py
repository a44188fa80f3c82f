"""Audits of accounts that begin while the other accounts are still listed."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from root_tasks.aws.clients import MAX_CALLS_IN_PARALLEL
from root_tasks.run.start import Early

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor, Future

    from root_tasks.model.run import Finding, Member

# As many wait for AWS at once as keep up with the list: three pages a second.
MAX_ACCOUNTS_IN_PARALLEL = 64
# So many groups of accounts wait at once, each for the policies of its units.
_MAX_CHECKS_IN_PARALLEL = 16


class EarlyAudits(Early):
    """Audits accounts as their page of the list arrives, once it is known that nothing denies it.

    Args:
        audit: Audits an account, and has the calls made in parallel that can be.
        show: Shows how many accounts are done, and how many are found.
    """

    def __init__(
        self, audit: Callable[[str, Executor], Finding], *, show: Callable[[int, int], None]
    ) -> None:
        self._audit = audit
        self._show = show
        self._pages: queue.SimpleQueue[Mapping[str, Member] | None] = queue.SimpleQueue()
        self._accounts = ThreadPoolExecutor(max_workers=MAX_ACCOUNTS_IN_PARALLEL)
        self._calls = ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL)
        self._starter = ThreadPoolExecutor(max_workers=1)
        self._started: Future[None] | None = None
        self._audits: dict[str, Future[Finding]] = {}
        self._lock = threading.Lock()
        self._found = self._done = 0

    def offer(self, members: Mapping[str, Member]) -> None:
        """Take accounts that were just listed."""
        self._pages.put(members)
        self._count(found=len(members))

    def begin(self, accessible: Callable[[Mapping[str, Member]], Iterable[str]]) -> None:
        """Begin to audit: the organization allows it.

        Args:
            accessible: Returns in which of some accounts nothing denies it.
        """
        self._started = self._starter.submit(self._start, accessible)

    def end(self) -> None:
        """Return once every account that may be audited by now is, or waits for its turn."""
        self._pages.put(None)
        if self._started is not None:
            self._started.result()

    def findings(self) -> dict[str, Finding]:
        """Return the results, by account."""
        return {account_id: audit.result() for account_id, audit in self._audits.items()}

    def stop(self) -> None:
        """Start no more audits. Those that were started are not waited for: they change nothing."""
        self._pages.put(None)
        for pool in (self._starter, self._accounts, self._calls):
            pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, accessible: Callable[[Mapping[str, Member]], Iterable[str]]) -> None:
        def start(members: Mapping[str, Member]) -> None:
            for account_id in accessible(members):
                self._audits[account_id] = self._accounts.submit(self._audit_account, account_id)

        with ThreadPoolExecutor(max_workers=_MAX_CHECKS_IN_PARALLEL) as pool:
            for _ in pool.map(start, self._accounts_by_units()):
                pass

    def _accounts_by_units(self) -> Iterator[dict[str, Member]]:
        """Yield the accounts of each page by their units, whose policies they wait for."""
        while (members := self._pages.get()) is not None:
            by_units: dict[tuple[str, ...] | None, dict[str, Member]] = {}
            for account_id, member in members.items():
                by_units.setdefault(member.unit_ids, {})[account_id] = member
            yield from by_units.values()

    def _audit_account(self, account_id: str) -> Finding:
        finding = self._audit(account_id, self._calls)
        self._count(done=1)
        return finding

    def _count(self, *, found: int = 0, done: int = 0) -> None:
        with self._lock:
            self._found += found
            self._done += done
            self._show(self._done, self._found)
