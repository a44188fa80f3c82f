"""An audit without a deployment: the functions' own code, on this machine, with the caller's credentials.

Nothing is stored. An audit opens root sessions with AWS's audit policy, which cannot change
anything.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from root_tasks.aws.clients import MAX_CALLS_IN_PARALLEL
from root_tasks.aws.executions import Execution
from root_tasks.model.report_schema import Task
from root_tasks.model.run import Assignment
from root_tasks.run.accounts import classify
from root_tasks.run.batch import AccountRunner
from root_tasks.run.directory import MemberDirectory
from root_tasks.run.make_report import make_report
from root_tasks.run.own_root_user import own_root_user
from root_tasks.run.prepare import prepare, with_unit_names
from root_tasks.run.request import parse_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from root_tasks.aws.invocation import Aws
    from root_tasks.model.report_schema import Report
    from root_tasks.model.run import Account, Finding
    from root_tasks.run.directory import OrganizationContext

    from ..base.caller import Caller

# Enough accounts wait for AWS at once to keep up with the list: three pages a second.
MAX_ACCOUNTS_IN_PARALLEL = 64
# An audit has no deadline of its own; its steps have those of a deployment's functions.
_MAX_SECONDS, _LIST_SECONDS, _ACCOUNT_SECONDS = 86_400.0, 900.0, 600.0


def audit_from_here(
    caller: Caller, input_: Mapping[str, object], *, name: str, show: Callable[[int, int], None]
) -> Report:
    """Audit the accounts that an input names, and return the report.

    Args:
        caller: The caller: the management account, or a delegated administrator for IAM.
        input_: The input of an execution.
        name: The name of the run.
        show: Shows how many accounts are done, and of how many.

    Raises:
        CallError: A read of the organization failed.
        RunRefusedError: The run cannot start; the message says why, and what to do.
    """
    aws = caller.aws(
        seconds=_MAX_SECONDS, connections=MAX_ACCOUNTS_IN_PARALLEL + MAX_CALLS_IN_PARALLEL
    )
    # Only what is stored has its ARN.
    execution = Execution(arn="", name=name, started_at=caller.now())
    request = parse_request(input_, tasks=(Task.AUDIT,))
    audits = _Audits(aws, run_id=name, show=show)
    directory = MemberDirectory.of(aws.within(_LIST_SECONDS).until(audits.stopped))
    try:
        # The organization is read while AWS says whose the credentials are. No session is opened
        # before: the ARN of its policy has their partition. Nothing else that fails is worth
        # reading if they are refused.
        on_page = audits.take if request.full else None
        preparing = audits.pool.submit(
            prepare, directory, request, execution=execution, on_page=on_page
        )
        requester = caller.arn
        run, _ = preparing.result()
        run = replace(run, requested_by=requester)
        findings = audits.begin(account_id for batch in run.batches for account_id in batch)
        # Only the report waits for these.
        own = audits.pool.submit(own_root_user, aws, run)
        named = audits.pool.submit(with_unit_names, run, directory, whole=request.all_accounts)
        found = {account_id: finding.result() for account_id, finding in findings.items()}
        return make_report(
            named.result(),
            found,
            finished_at=caller.now(),
            own_root_user=own.result(),
        )
    finally:
        audits.stop()


class _Audits:
    """The audits of accounts: each begins once its account is known.

    Args:
        aws: The caller.
        run_id: The run.
        show: Shows how many accounts are done, and how many were found.

    Attributes:
        pool: Runs everything else that goes on meanwhile.
        stopped: Set once nothing more is to begin.
    """

    def __init__(self, aws: Aws, *, run_id: str, show: Callable[[int, int], None]) -> None:
        self.pool = ThreadPoolExecutor(max_workers=4)
        self.stopped = threading.Event()
        self._aws = aws
        self._run_id = run_id
        self._show = show
        self._accounts = ThreadPoolExecutor(max_workers=MAX_ACCOUNTS_IN_PARALLEL)
        self._calls = ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL)
        self._audits: dict[str, Future[Finding]] = {}
        self._lock = threading.Lock()
        self._found = self._done = 0
        # The SDK loads what all sessions need while the first page is listed.
        self.pool.submit(aws.clients.sessions.client, "iam", region=None)

    def take(self, organization: OrganizationContext, members: Mapping[str, Account]) -> None:
        """Begin to audit the accounts of a page of the list."""
        self._count(found=len(members))
        accounts = classify(
            members.values(), management_account_id=organization.management_account_id, audits=True
        )
        self._submit(account.account_id for account in accounts if account.skip_reason is None)

    def begin(self, account_ids: Iterable[str]) -> dict[str, Future[Finding]]:
        """Begin to audit the accounts of which no page was taken, and return the findings to come."""
        wanted = [*account_ids]
        self._submit(wanted)
        # Not every account that was found is audited.
        self._count(found=len(self._audits) - self._found)
        return {id_: self._audits[id_] for id_ in wanted}

    def stop(self) -> None:
        """Begin no more. Audits that have begun are not waited for: they change nothing."""
        self.stopped.set()
        for pool in (self.pool, self._accounts, self._calls):
            pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, account_ids: Iterable[str]) -> None:
        for account_id in account_ids:
            if account_id not in self._audits:
                self._audits[account_id] = self._accounts.submit(self._audit, account_id)

    def _audit(self, account_id: str) -> Finding:
        aws, assignment = self._aws.within(_ACCOUNT_SECONDS), Assignment(account_id=account_id)
        runner = AccountRunner.of_audit(aws, run_id=self._run_id)
        finding = runner.run(assignment, executor=self._calls)
        self._count(done=1)
        return finding

    def _count(self, *, found: int = 0, done: int = 0) -> None:
        with self._lock:
            self._found += found
            self._done += done
            self._show(self._done, self._found)
