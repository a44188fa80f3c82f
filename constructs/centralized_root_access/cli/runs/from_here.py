"""An audit without a deployment: the functions' code on this machine, as the caller.

Nothing is stored. An audit opens root sessions with AWS's audit policy, which cannot change
anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

from aws_calls.failures import CallError
from root_access.organization import OrganizationIdentity
from root_tasks.aws.clients import MAX_CALLS_IN_PARALLEL
from root_tasks.aws.executions import Execution
from root_tasks.aws.invocation import Aws
from root_tasks.model.report_schema import Report, Task
from root_tasks.model.run_documents import Account, Assignment, Finding, Mode, Work
from root_tasks.organization.directory import MemberDirectory
from root_tasks.organization.unit_names import with_unit_names
from root_tasks.run.account_runner import AccountRunner
from root_tasks.run.make_report import make_report
from root_tasks.run.parse_input import parse_request
from root_tasks.run.prepare import prepare, require_members, with_skip_reasons
from root_tasks.run.read_management_account import read_own_root_user

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
        CallError: AWS refused the credentials, or a read of the organization failed.
        RunRefusedError: The run cannot start; the message says why, and what to do.
    """
    aws = caller.aws(
        seconds=_MAX_SECONDS, connections=MAX_ACCOUNTS_IN_PARALLEL + MAX_CALLS_IN_PARALLEL
    )
    # Only documents that are stored have the ARN.
    execution = Execution(arn="", name=name, started_at=caller.clock.utc_now())
    request = parse_request(input_, tasks=(Task.AUDIT,))
    directory = MemberDirectory.of(aws.within(_LIST_SECONDS))
    audits = _Audits(aws, run_id=name, show=show)
    try:
        with closing(audits):
            # Each page is read while the audits of the one before begin.
            threads, pages = audits.call_threads, directory.pages(request)
            following = threads.submit(next, pages, None)
            organization = directory.identify_for(request.task)
            # The organization was read while AWS said whose the credentials are. Nothing else is
            # done before that is known.
            request = replace(request, requested_by=caller.arn)
            members: dict[str, Account] = {}
            while page := following.result():
                following = threads.submit(next, pages, None)
                # AWS may list an account twice while others are added or removed: the first time
                # counts.
                new = {id_: page[id_] for id_ in page if id_ not in members}
                members |= new
                if request.full:
                    audits.begin(_audited(new, organization))
            if not request.full:
                # Others begin together, once it is known that each that is named exists and which
                # are left out.
                require_members(request, organization=organization, members=members)
                members = directory.without(request.selection.exclude, members)
                audits.begin(_audited(members, organization))
            run, _ = prepare(
                request,
                execution=execution,
                account_id=caller.account_id,
                organization=organization,
                members=members,
            )
            # What only the report needs is read while the accounts are audited.
            own_root_user = threads.submit(read_own_root_user, aws, run)
            accounts = {account.account_id: account for account in run.accounts}
            accounts_with_units = with_unit_names(directory.units, accounts)
            findings = audits.findings()
            return make_report(
                replace(run, accounts=tuple(accounts_with_units.values())),
                findings,
                finished_at=caller.clock.utc_now(),
                own_root_user=own_root_user.result(),
            )
    except CallError:
        # If AWS refused the credentials themselves, that explains everything else that failed.
        caller.wait_for_identity()
        raise


def _audited(members: Mapping[str, Account], organization: OrganizationIdentity) -> list[str]:
    """Return the IDs of the accounts in which an audit opens a root session."""
    accounts = with_skip_reasons(
        members.values(),
        management_account_id=organization.management_account_id,
        audits=True,
    )
    return [account.account_id for account in accounts if account.skip_reason is None]


class _Audits:
    """The audits of accounts, each in a thread of its own.

    Args:
        aws: AWS as the caller uses it.
        run_id: The run.
        show: Shows how many audits are done, and how many have begun.

    Attributes:
        call_threads: Makes the calls that are made in parallel.
    """

    def __init__(self, aws: Aws, *, run_id: str, show: Callable[[int, int], None]) -> None:
        self._aws = aws
        self._work = Work(run_id=run_id, task=Task.AUDIT, mode=Mode.AUDIT, batches=())
        self._show = show
        self._account_threads = ThreadPoolExecutor(max_workers=MAX_ACCOUNTS_IN_PARALLEL)
        self.call_threads = ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL)
        self._audits: dict[str, Future[Finding]] = {}
        self._lock = threading.Lock()
        self._begun = self._done = 0
        # The SDK loads the model of IAM, which each audit needs, while the first page is listed.
        self.call_threads.submit(aws.clients.sessions.client, "iam", region=None)

    def begin(self, account_ids: Sequence[str]) -> None:
        """Begin to audit accounts."""
        self._count(begun=len(account_ids))
        for account_id in account_ids:
            self._audits[account_id] = self._account_threads.submit(self._audit, account_id)

    def findings(self) -> dict[str, Finding]:
        """Return the findings of all audits, once these are done."""
        return {account_id: audit.result() for account_id, audit in self._audits.items()}

    def close(self) -> None:
        """Begin no more. Audits that have begun are not waited for: they change nothing."""
        for pool in (self._account_threads, self.call_threads):
            pool.shutdown(wait=False, cancel_futures=True)

    def _audit(self, account_id: str) -> Finding:
        """Audit an account, and return what was found."""
        runner = AccountRunner(
            aws=self._aws.within(_ACCOUNT_SECONDS),
            work=self._work,
            # An audit removes no policy.
            back_up=lambda backup: "",  # noqa: ARG005
        )
        finding = runner.run(Assignment(account_id=account_id), executor=self.call_threads)
        self._count(done=1)
        return finding

    def _count(self, *, begun: int = 0, done: int = 0) -> None:
        """Add to the audits that have begun, or are done, and show both numbers."""
        # Audits end in threads of their own.
        with self._lock:
            self._begun += begun
            self._done += done
            self._show(self._done, self._begun)
