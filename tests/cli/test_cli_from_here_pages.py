"""`audit --from-here` looks into accounts as their page arrives.

Its report is that of a deployment.
"""

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import strategies as st

from aws_calls.calls import Response
from aws_calls.failures import CallError, FailureKind, error_of_call
from centralized_root_access.cli.base.caller import Caller
from centralized_root_access.cli.runs.from_here import MAX_ACCOUNTS_IN_PARALLEL, audit_from_here
from local_aws.emulation import LocalOrganization, mock_organization
from root_tasks.report.render import as_json
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    add_unit,
    call_counts,
    enable_root_access,
)
from support.command_line import NOW
from support.function import FakeTime
from support.properties import property_test
from support.responding import client_error
from support.root_tasks import RootTasks
from support.scp import attach_policy, statement

ACCOUNTS_PER_PAGE = 20
# The management account and the members that every organization begins with.
ACCOUNTS_AT_FIRST = 4
UNIT_NAMES = ("Root", "Workloads", "Sandbox")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A generated account.

    Attributes:
        unit: Its unit.
        keys: The access keys of its root user.
        suspended: Whether it is suspended.
        denied: Whether AWS denies the audit there.
    """

    unit: str = "Root"
    keys: int = 0
    suspended: bool = False
    denied: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens before a page is listed.

    Attributes:
        page: The page, from 1.
        member: The account that it happens to, by its number.
        leaves: Whether it leaves the organization; otherwise it is suspended.
    """

    page: int
    member: int
    leaves: bool


UP_TO_65_MEMBERS = st.lists(
    st.builds(
        Member,
        unit=st.sampled_from(UNIT_NAMES),
        keys=st.sampled_from([0, 0, 0, 1, 2]),
        suspended=st.sampled_from([False, False, False, True]),
        denied=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=65,
)
UP_TO_3_CHANGES = st.lists(
    st.builds(Change, page=st.integers(1, 4), member=st.integers(0, 64), leaves=st.booleans()),
    max_size=3,
)


def generated_account_id(number: int) -> str:
    """Return the ID of an account: after the first four, they are listed in this order."""
    return str(900_000_000_000 + number)


def add_members(organization: LocalOrganization, members: Sequence[Member]) -> None:
    """Enable root access, and add units and generated members to an organization."""
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
    organizations, root_id = organization.client("organizations"), organization.root_id
    units = {"Root": root_id}
    for name in UNIT_NAMES[1:]:
        units[name] = add_unit(organization, name)
    for number, member in enumerate(members):
        account_id = generated_account_id(number)
        organization.add_account(
            name=f"m-{number}", email=f"{number}@example.com", account_id=account_id
        )
        if member.unit != "Root":
            organizations.move_account(
                AccountId=account_id, SourceParentId=root_id, DestinationParentId=units[member.unit]
            )
        if member.keys:
            organization.put_root_credentials(account_id, access_keys=member.keys)
        if member.denied:
            organization.deny(account_id, "iam:GetAccountSummary")
        if member.suspended:
            organization.suspend(account_id)


@dataclass(frozen=True, kw_only=True)
class ListeningCaller(Caller):
    """A caller whose calls a test sees.

    Attributes:
        before_page: Called before each page of the accounts, with its number.
        change_page: Called with the accounts of each page.
        before: Called before each of some calls, such as sts.AssumeRoot.
    """

    before_page: Callable[[int], None] = lambda page: None
    change_page: Callable[[list[dict[str, Any]]], None] = lambda accounts: None
    before: Mapping[str, Callable[[], object]] = field(default_factory=dict)

    def client(self, service: str, **options: Any) -> Any:
        """Return a client that makes one attempt per call."""
        client = super().client(service, **options)
        register, pages = client.meta.events.register, iter(range(1, 1_000))
        for event, call in self.before.items():
            # A handler that returns something responds in place of AWS.
            register(f"before-call.{event}", lambda call=call, **_: [call()].clear())
        if service == "organizations":
            register(
                "before-call.organizations.ListAccounts", lambda **_: self.before_page(next(pages))
            )
            register(
                "after-call.organizations.ListAccounts",
                lambda parsed, **_: self.change_page(parsed["Accounts"]),
            )
        return client


IDENTITY = Response(
    operation="sts:GetCallerIdentity",
    members={"Account": MANAGEMENT, "Arn": f"arn:aws:iam::{MANAGEMENT}:user/one"},
)


def audit_here(
    before_page: Callable[[int], None] = lambda page: None,
    *,
    show: Callable[[int, int], None] = lambda done, found: None,
    input_: Mapping[str, object] | None = None,
    wait_for_identity: Callable[[], Response] = lambda: IDENTITY,
    **listening: Any,
) -> dict[str, Any]:
    """Audit accounts from here, by default all, and return the report.

    Args:
        before_page: Called before each page of the accounts, with its number.
        show: Gets the number of audits that are done, and of those that have begun.
        input_: The input of the run; None for all accounts.
        wait_for_identity: Returns AWS's response about whose the credentials are.
        listening: Other attributes of ListeningCaller.
    """
    session = Session()
    session.set_credentials(MANAGEMENT, "secret")
    caller = ListeningCaller(
        session=session,
        region="us-east-1",
        wait_for_identity=wait_for_identity,
        clock=replace(FakeTime().clock(), utc_now=lambda: NOW),
        before_page=before_page,
        **listening,
    )
    report: dict[str, Any] = json.loads(
        as_json(audit_from_here(caller, input_ or {}, name="audit", show=show))
    )
    return report


def comparable_report(
    members: Sequence[Member], changes: Sequence[Change], *, deployed: bool
) -> dict[str, Any]:
    """Audit a generated organization while things happen, and return what can be compared."""
    with mock_organization() as organization:
        add_members(organization, members)
        organizations = organization.client("organizations")

        def make_changes_before(page: int) -> None:
            for change in changes:
                account_id = generated_account_id(change.member)
                if change.page != page or account_id not in present:
                    continue
                if change.leaves:
                    present.remove(account_id)
                    organizations.remove_account_from_organization(AccountId=account_id)
                else:
                    organization.suspend(account_id)

        present = {generated_account_id(number) for number in range(len(members))}
        if deployed:
            # A deployed audit lists all accounts before it audits one.
            root_tasks, pages = RootTasks(organization=organization), iter(range(1, 1_000))
            root_tasks.on_event(
                "before-call.organizations.ListAccounts",
                lambda **_: make_changes_before(next(pages)),
            )
            report = root_tasks.report(root_tasks.run({}))
        else:
            report = audit_here(make_changes_before)
    # What differs between any two runs.
    for key in (
        "runId",
        "startedAt",
        "finishedAt",
        "publishedAt",
        "requestedBy",
        "rootFree",
        "nextSteps",
    ):
        report.pop(key)
    # The accounts and keys of each organization are created by the clock.
    text = re.sub(r'"(createdAt|joinedAt)": "[^"]+"', r'"\1": ""', json.dumps(report))
    comparable: dict[str, Any] = json.loads(text)
    return comparable


def require_same_reports(members: Sequence[Member], changes: Sequence[Change]) -> None:
    """Require that an audit from here reports what a deployed one does."""
    here = comparable_report(members, changes, deployed=False)
    deployed = comparable_report(members, changes, deployed=True)
    # Whether an account is audited before or after it changes is chance, if it was listed before.
    changed_after_listing = {
        generated_account_id(change.member)
        for change in changes
        if (ACCOUNTS_AT_FIRST + change.member) // ACCOUNTS_PER_PAGE + 1 < change.page
    }
    rows = [
        {
            row["accountId"]: row
            for row in report.pop("results")
            if row["accountId"] not in changed_after_listing
        }
        for report in (here, deployed)
    ]
    assert rows[0] == rows[1]
    if changed_after_listing:
        # Totals and summary count the rows of these accounts, too.
        for report in (here, deployed):
            del report["totals"], report["summary"]
    assert here == deployed


@property_test(examples=60, members=UP_TO_65_MEMBERS, changes=UP_TO_3_CHANGES)
def test_the_report_is_that_of_a_deployment_which_lists_first(
    members: Sequence[Member], changes: Sequence[Change]
) -> None:
    require_same_reports(members, changes)


@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "is suspended"])
def test_an_account_that_changes_after_it_was_listed_costs_its_row_alone(leaves: bool) -> None:
    require_same_reports([Member()] * ACCOUNTS_PER_PAGE, [Change(page=2, member=3, leaves=leaves)])


def test_accounts_are_audited_before_the_next_page_is_listed(
    organization: LocalOrganization,
) -> None:
    add_members(organization, [Member()] * 40)
    audit_ended = threading.Semaphore(0)

    def wait_for_audits(page: int) -> None:
        if page == 2:
            for _ in range(ACCOUNTS_PER_PAGE - 1):
                assert audit_ended.acquire(timeout=20)

    shown: list[tuple[int, int]] = []

    def show(done: int, found: int) -> None:
        shown.append((done, found))
        if done:
            audit_ended.release()

    report = audit_here(wait_for_audits, show=show)
    # Every organization begins with 3 members, besides the 40 that were added.
    assert report["totals"] == {"CLEAN": 43, "PROTECTED": 1}
    # The first page has the management account, in which no session is opened.
    assert (ACCOUNTS_PER_PAGE - 1, ACCOUNTS_PER_PAGE - 1) in shown
    assert shown[-1] == (43, 43)
    assert call_counts(organization)["AssumeRoot"] == 43


def test_the_next_page_is_listed_while_the_audits_of_a_page_begin(
    organization: LocalOrganization,
) -> None:
    add_members(organization, [Member()] * 40)
    second_page_is_listed = threading.Event()

    def show(done: int, begun: int) -> None:
        # The audits of the first page do not all begin before the second page is listed.
        assert begun >= ACCOUNTS_PER_PAGE or second_page_is_listed.wait(timeout=20)

    audit_here(lambda page: second_page_is_listed.set() if page == 2 else None, show=show)


def test_an_account_that_is_listed_twice_is_audited_once(organization: LocalOrganization) -> None:
    add_members(organization, [Member()] * 40)
    listed: list[dict[str, Any]] = []
    numbers_begun: set[int] = set()

    def repeat_accounts(accounts: list[dict[str, Any]]) -> None:
        # Meanwhile they were suspended.
        accounts += [account | {"State": "SUSPENDED"} for account in listed[-5:]]
        listed.extend(accounts)

    report = audit_here(
        change_page=repeat_accounts, show=lambda done, begun: numbers_begun.add(begun)
    )
    # The 40 that were added, and the 3 members that every organization begins with.
    assert report["totals"] == {"CLEAN": 43, "PROTECTED": 1}
    assert call_counts(organization)["AssumeRoot"] == 43
    assert max(numbers_begun) == 43


@pytest.mark.parametrize(
    ("accounts", "audits"),
    # The management account needs no session: it is not counted.
    [(["all"], ACCOUNTS_AT_FIRST - 1 + 5), ([generated_account_id(0)], 1)],
    ids=["everyone", "one account"],
)
def test_no_audit_waits_for_the_names_of_units(
    organization: LocalOrganization, accounts: object, audits: int
) -> None:
    add_members(organization, [Member(unit="Workloads")] * 5)
    all_are_done = threading.Event()
    # For each read of names, whether all audits were done meanwhile.
    waits: list[bool] = []

    def show(done: int, found: int) -> None:
        if done == audits:
            all_are_done.set()

    report = audit_here(
        show=show,
        input_={"accounts": accounts},
        before=dict.fromkeys(
            (
                "organizations.DescribeOrganizationalUnit",
                "organizations.ListOrganizationalUnitsForParent",
            ),
            lambda: waits.append(all_are_done.wait(20)),
        ),
    )
    assert waits
    assert all(waits)
    units = {row["accountId"]: row["organizationalUnit"] for row in report["results"]}
    assert units[generated_account_id(0)] == "Root/Workloads"


def test_one_account_costs_three_calls_before_its_session_and_none_on_policies(
    organization: LocalOrganization,
) -> None:
    add_members(organization, [Member()])
    attach_policy(organization, organization.root_id, statement(Action="ec2:*"))
    # Each of the three waits until the others are called, too.
    all_are_called = threading.Barrier(3, timeout=20)
    at_once = (
        "organizations.DescribeAccount",
        "organizations.DescribeOrganization",
        "iam.ListOrganizationsFeatures",
    )
    organization.clear_calls()
    audit_here(
        input_={"accounts": [generated_account_id(0)]},
        before=dict.fromkeys(at_once, all_are_called.wait),
    )
    assert sorted(call.operation for call in organization.calls) == [
        "AssumeRoot",
        "DescribeAccount",
        "DescribeOrganization",
        "GetAccountSummary",
        "ListOrganizationsFeatures",
    ]


def test_the_organization_is_read_and_no_session_opened_until_it_is_known_who_calls(
    organization: LocalOrganization,
) -> None:
    add_members(organization, [Member()])
    listed, opened = threading.Event(), threading.Event()

    def respond() -> Response:
        assert listed.wait(20)
        # A session that does not wait for this response is opened by then.
        assert not opened.wait(0.3)
        return IDENTITY

    with ThreadPoolExecutor(max_workers=1) as pool:
        report = audit_here(
            wait_for_identity=pool.submit(respond).result,
            change_page=lambda accounts: listed.set(),
            before={"sts.AssumeRoot": opened.set},
        )
    assert report["requestedBy"] == f"arn:aws:iam::{MANAGEMENT}:user/one"
    assert opened.is_set()


def test_credentials_that_aws_refuses_are_reported_whatever_else_fails(
    organization: LocalOrganization,
) -> None:
    organization_unread = threading.Event()

    def fail() -> None:
        organization_unread.set()
        raise client_error("AccessDeniedException", operation="DescribeOrganization")

    def refuse() -> Response:
        assert organization_unread.wait(20)
        raise error_of_call("sts:GetCallerIdentity", FailureKind.REFUSED, "wrong credentials")

    with pytest.raises(CallError, match="sts:GetCallerIdentity"):
        audit_here(wait_for_identity=refuse, before={"organizations.DescribeOrganization": fail})
    assert call_counts(organization)["AssumeRoot"] == 0


def test_audits_are_not_waited_for_after_an_interrupt_and_no_other_one_begins(
    organization: LocalOrganization,
) -> None:
    add_members(organization, [Member()] * 80)
    begun, go_on = threading.Semaphore(0), threading.Event()
    threads_before = set(threading.enumerate())

    def hold_session() -> None:
        begun.release()
        go_on.wait(20)

    def interrupt_at_last_page(page: int) -> None:
        # The 84 accounts are on five pages.
        if page == 5:
            for _ in range(MAX_ACCOUNTS_IN_PARALLEL):
                assert begun.acquire(timeout=20)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit_here(interrupt_at_last_page, before={"sts.AssumeRoot": hold_session})
    assert call_counts(organization)["AssumeRoot"] == 0
    go_on.set()
    # A thread that goes on would keep the command from its end.
    threads = set(threading.enumerate()) - threads_before
    for thread in threads:
        thread.join(timeout=5)
    assert [thread.name for thread in threads if thread.is_alive()] == []
    assert call_counts(organization)["AssumeRoot"] == MAX_ACCOUNTS_IN_PARALLEL


@pytest.mark.parametrize("named", [{"accounts": [MEMBER]}, {"organizationalUnits": ["Root"]}])
def test_reads_of_named_accounts_are_not_waited_for_after_an_interrupt(
    organization: LocalOrganization, interruptible: None, named: Mapping[str, object]
) -> None:
    add_members(organization, [])
    threads_before = set(threading.enumerate())
    go_on, first_call = threading.Event(), threading.Lock()
    # The calls that ended before the interrupt did.
    ended: list[bool] = []

    def interrupt_once_and_wait() -> None:
        # Not while the threads start, but while their results are waited for.
        time.sleep(0.3)
        if first_call.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        ended.append(go_on.wait(20))

    calls = ("organizations.DescribeAccount", "organizations.ListAccountsForParent")
    with pytest.raises(KeyboardInterrupt):
        audit_here(input_=named, before=dict.fromkeys(calls, interrupt_once_and_wait))
    assert ended == []
    go_on.set()
    for thread in set(threading.enumerate()) - threads_before:
        thread.join(timeout=5)
