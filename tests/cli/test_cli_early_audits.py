"""`audit --from-here` of everybody audits while it lists; its report is that of a list that came first."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import Session
from hypothesis import strategies as st

from centralized_root_access.cli.aws import Caller
from centralized_root_access.cli.early_audits import MAX_ACCOUNTS_IN_PARALLEL, EarlyAudits
from centralized_root_access.cli.from_here import LocalAudit
from centralized_root_access.cli.terminal import Environment
from local_aws.emulation import mock_organization
from root_tasks.model import run as model
from root_tasks.model.report import Outcome
from root_tasks.refusals import RunRefusedError
from support.accounts import MANAGEMENT
from support.arrange import CREDENTIALS, SESSIONS, enable_root_access
from support.command_line import NOW
from support.function import FakeTime
from support.properties import property_test
from support.responding import client_error
from support.scp import document, statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from local_aws.emulation import LocalOrganization

PAGE = 20
# The management account and the members that every organization begins with.
SEEDED = 4
UNITS = ("Root", "Workloads", "Sandbox", "Empty")
# What a policy says: nothing about an audit, that it is denied, that it may be.
STATEMENTS: Mapping[str, Mapping[str, Any]] = {
    "other": statement(Action="ec2:*"),
    "deny": statement(Action="iam:GetAccountSummary"),
    "unknown": statement(Action="iam:*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """A generated account.

    Attributes:
        unit: Its unit.
        keys: The access keys of its root user.
        suspended: Whether it is suspended.
        denied: Whether it denies the audit by itself.
        policy: The policy that is attached to it, if there is one.
    """

    unit: str = "Root"
    keys: int = 0
    suspended: bool = False
    denied: bool = False
    policy: str | None = None


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


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A generated organization, and what happens while it is listed.

    Attributes:
        members: The accounts.
        policies: The policy of each unit that has one.
        changes: What happens.
        has_paths: Whether the SDK knows where accounts are.
    """

    members: Sequence[Member] = ()
    policies: Mapping[str, str] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    has_paths: bool = True


_POLICIES = st.sampled_from(sorted(STATEMENTS))
SCENES = st.builds(
    Scene,
    members=st.lists(
        st.builds(
            Member,
            unit=st.sampled_from(UNITS[:-1]),
            keys=st.sampled_from([0, 0, 0, 1, 2]),
            suspended=st.sampled_from([False, False, False, True]),
            denied=st.sampled_from([False, False, False, True]),
            policy=st.one_of(st.none(), st.none(), st.none(), _POLICIES),
        ),
        min_size=1,
        max_size=65,
    ),
    policies=st.dictionaries(st.sampled_from(UNITS), _POLICIES, max_size=3),
    changes=st.lists(
        st.builds(Change, page=st.integers(1, 4), member=st.integers(0, 64), leaves=st.booleans()),
        max_size=3,
    ),
    has_paths=st.sampled_from([True, True, False]),
)


def id_of(number: int) -> str:
    """Return the ID of an account: they are listed in the order of their IDs, after the first four."""
    return str(900_000_000_000 + number)


def arrange(organization: LocalOrganization, scene: Scene) -> dict[str, str]:
    """Arrange an organization, and return what to call the IDs in it that somebody else chose."""
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    organizations, root_id = organization.client("organizations"), organization.root_id
    units = {"Root": root_id}
    for name in UNITS[1:]:
        created = organizations.create_organizational_unit(ParentId=root_id, Name=name)
        units[name] = created["OrganizationalUnit"]["Id"]
    names = {id_: name for name, id_ in units.items()}

    def attach(what: str, target_id: str) -> None:
        name = f"{what} at {names.get(target_id, target_id)}"
        policy_id = organization.attach_service_control_policy(
            name=name, document=document(STATEMENTS[what]), target_id=target_id
        )
        names[policy_id] = name

    for number, member in enumerate(scene.members):
        account_id = id_of(number)
        organization.add_account(name=f"m-{number}", email=f"{number}@example.com", account_id=account_id)
        if member.unit != "Root":
            organizations.move_account(
                AccountId=account_id, SourceParentId=root_id, DestinationParentId=units[member.unit]
            )
        if member.keys:
            organization.put_root_credentials(account_id=account_id, access_keys=member.keys)
        if member.policy is not None:
            attach(member.policy, account_id)
        if member.denied:
            organization.deny(account_id=account_id, action="iam:GetAccountSummary")
        if member.suspended:
            organization.suspend(account_id)
    for unit, what in scene.policies.items():
        attach(what, units[unit])
    return names


@dataclass(frozen=True, kw_only=True)
class ListeningCaller(Caller):
    """A caller of which a test sees the pages.

    Attributes:
        before_page: Called before each page of the accounts, with its number.
        change_page: Called with the accounts of each page.
        before_document: Called before each document of a policy is read, with the policy's ID.
        before_own_summary: Called before the caller reads what its own root user has.
        has_paths: Whether the SDK knows where accounts are.
    """

    before_page: Callable[[int], None] = lambda page: None
    change_page: Callable[[list[dict[str, Any]]], None] = lambda accounts: None
    before_document: Callable[[str], None] = lambda policy_id: None
    before_own_summary: Callable[[], None] = lambda: None
    has_paths: bool = True

    def client(self, service: str, **options: Any) -> Any:
        """Return a client that makes one attempt a call."""
        client = super().client(service, **options)
        pages = iter(range(1, 1_000))

        def omit_paths(parsed: dict[str, Any], **_: object) -> None:
            for account in () if self.has_paths else parsed.get("Accounts", ()):
                account.pop("Paths", None)

        if service == "iam":
            own_summary = "before-call.iam.GetAccountSummary"
            client.meta.events.register(own_summary, lambda **_: self.before_own_summary())
        if service == "organizations":
            list_accounts = "organizations.ListAccounts"
            client.meta.events.register(
                f"before-call.{list_accounts}", lambda **_: self.before_page(next(pages))
            )
            client.meta.events.register(
                "provide-client-params.organizations.DescribePolicy",
                lambda params, **_: self.before_document(params["PolicyId"]),
            )
            client.meta.events.register(
                f"after-call.{list_accounts}", lambda parsed, **_: self.change_page(parsed["Accounts"])
            )
            client.meta.events.register(f"after-call.{list_accounts}", omit_paths)
            client.meta.events.register(f"after-call.{list_accounts}ForParent", omit_paths)
        return client


def audit(
    before_page: Callable[[int], None] = lambda page: None,
    *,
    show: Callable[[int, int, str], None] = lambda done, found, noun: None,
    **listening: Any,
) -> dict[str, Any]:
    """Audit everybody from here, and return the report."""
    session = Session()
    session.set_credentials(MANAGEMENT, "secret")
    time = FakeTime()
    caller = ListeningCaller(
        session=session,
        region="us-east-1",
        account_id=MANAGEMENT,
        arn=f"arn:aws:iam::{MANAGEMENT}:user/one",
        partition="aws",
        clock=time.clock(),
        now=lambda: NOW,
        before_page=before_page,
        **listening,
    )
    environment = Environment(
        now=lambda: NOW, monotonic=lambda: time.seconds, sleep=time.sleep, random=lambda: 0.5
    )
    local = LocalAudit(caller, environment=environment, name="audit")
    local.run({}, show=show)
    report: dict[str, Any] = json.loads(local.read("report.json"))
    return report


def audit_scene(scene: Scene) -> dict[str, Any]:
    """Audit a generated organization while things happen, and return the report with names for IDs."""
    with mock_organization() as organization:
        names = arrange(organization, scene)
        organizations = organization.client("organizations")

        def happen(page: int) -> None:
            for change in scene.changes:
                account_id = id_of(change.member)
                if change.page != page or account_id not in present:
                    continue
                if change.leaves:
                    present.remove(account_id)
                    organizations.remove_account_from_organization(AccountId=account_id)
                else:
                    organization.suspend(account_id)

        present = {id_of(number) for number in range(len(scene.members))}
        text = json.dumps(audit(happen, has_paths=scene.has_paths))
    for id_, name in names.items():
        text = text.replace(id_, f"<{name}>")
    # The keys of each organization are created by the clock.
    report: dict[str, Any] = json.loads(re.sub(r'"createdAt": "[^"]+"', '"createdAt": ""', text))
    return report


def list_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no audit begin before every account is listed."""
    monkeypatch.setattr(EarlyAudits, "offer", lambda early, members: None)


@property_test(examples=60, scene=SCENES)
def test_the_report_is_that_of_a_list_that_came_first(scene: Scene) -> None:
    early = audit_scene(scene)
    with pytest.MonkeyPatch.context() as patch:
        list_first(patch)
        late = audit_scene(scene)
    # Who is listed and then leaves, or is suspended, is audited before or after that.
    listed = {
        id_of(change.member) for change in scene.changes if (SEEDED + change.member) // PAGE + 1 < change.page
    }
    rows = [
        {row["accountId"]: row for row in report.pop("results") if row["accountId"] not in listed}
        for report in (early, late)
    ]
    assert rows[0] == rows[1]
    if listed:
        for report in (early, late):
            del report["totals"]
    assert early == late


def test_accounts_are_audited_before_the_next_page_is_listed(organization: LocalOrganization) -> None:
    arrange(organization, Scene(members=[Member()] * 40, policies={"Root": "other"}))
    asked = threading.Semaphore(0)

    def wait_for_audits(page: int) -> None:
        if page == 2:
            for _ in range(PAGE - 1):
                assert asked.acquire(timeout=20)

    shown: list[tuple[int, int]] = []

    def show(done: int, found: int, noun: str) -> None:
        shown.append((done, found))
        if done:
            asked.release()

    report = audit(wait_for_audits, show=show)
    assert report["totals"] == {"clean": 43, "skipped": 1}
    # The management account is found, and skipped.
    assert (PAGE - 1, PAGE) in shown
    assert shown[-1] == (43, 43)
    sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
    assert len(sessions) == 43


def test_an_account_that_is_listed_twice_is_audited_once(organization: LocalOrganization) -> None:
    arrange(organization, Scene(members=[Member()] * 40))
    listed: list[dict[str, Any]] = []
    found: set[int] = set()

    def repeat_accounts(accounts: list[dict[str, Any]]) -> None:
        accounts += listed[-5:]
        listed.extend(accounts)

    report = audit(change_page=repeat_accounts, show=lambda done, total, noun: found.add(total))
    assert report["totals"] == {"clean": 43, "skipped": 1}
    sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
    assert len(sessions) == 43
    assert max(found) == 44


def test_accounts_wait_for_the_policies_of_their_own_units_alone(organization: LocalOrganization) -> None:
    members = [Member(unit="Workloads")] * 15 + [Member(unit="Sandbox")] * 15
    scene = Scene(members=members, policies={"Root": "other", "Sandbox": "deny"})
    names = arrange(organization, scene)
    others_are_audited = threading.Event()

    def wait_for_others(policy_id: str) -> None:
        if names[policy_id] == "deny at Sandbox":
            assert others_are_audited.wait(20)

    def show(done: int, found: int, noun: str) -> None:
        # With those of the first page that are in no unit.
        if done == 15 + SEEDED - 1:
            others_are_audited.set()

    report = audit(before_document=wait_for_others, show=show)
    assert report["preflight"]["checked"]
    assert report["totals"] == {"clean": 18, "inaccessible": 15, "skipped": 1}


def test_the_management_account_is_read_while_the_last_accounts_are(organization: LocalOrganization) -> None:
    arrange(organization, Scene(members=[Member()] * 5))
    is_read = threading.Event()

    def show(done: int, found: int, noun: str) -> None:
        if done == 8:
            assert is_read.wait(20)

    report = audit(before_own_summary=is_read.set, show=show)
    assert report["totals"] == {"clean": 8, "skipped": 1}


def test_a_list_that_fails_halfway_ends_the_audit_which_does_not_deny_that_it_accessed_accounts(
    organization: LocalOrganization,
) -> None:
    arrange(organization, Scene(members=[Member()] * 40))
    first_page_is_audited = threading.Event()

    def deny_second_page(page: int) -> None:
        if page == 2:
            assert first_page_is_audited.wait(timeout=20)
            raise client_error("AccessDeniedException", "You may not.", operation="ListAccounts")

    def show(done: int, found: int, noun: str) -> None:
        if done == PAGE - 1:
            first_page_is_audited.set()

    with pytest.raises(RunRefusedError, match="organizations:ListAccounts") as refused:
        audit(deny_second_page, show=show)
    assert "accessed" not in str(refused.value)


def test_a_refused_run_accesses_no_account_whose_policies_it_has_stopped_to_read(
    organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange(organization, Scene(members=[Member()] * 40, policies={"Root": "deny"}))
    stop, asked, is_refused = EarlyAudits.stop, threading.Event(), threading.Event()

    def stop_late(early: EarlyAudits) -> None:
        is_refused.set()
        early.end()
        # Waits for the audits that have begun.
        early.findings()
        stop(early)

    def refuse(page: int) -> None:
        if page == 2:
            assert asked.wait(20)
            raise client_error("AccessDeniedException", "You may not.", operation="ListAccounts")

    def throttle(policy_id: str) -> None:
        asked.set()
        assert is_refused.wait(20)
        raise client_error("TooManyRequestsException", "Slow down.", operation="DescribePolicy")

    monkeypatch.setattr(EarlyAudits, "stop", stop_late)
    with pytest.raises(RunRefusedError, match="organizations:ListAccounts"):
        audit(refuse, before_document=throttle)
    assert "AssumeRoot" not in {call.operation for call in organization.calls}


def test_policies_that_cannot_be_read_keep_no_account_waiting(organization: LocalOrganization) -> None:
    arrange(organization, Scene(members=[Member()] * 5, policies={"Root": "deny"}))
    organization.deny(account_id=MANAGEMENT, action="organizations:ListPolicies")
    report = audit()
    assert not report["preflight"]["checked"]
    assert report["totals"] == {"inaccessible": 8, "skipped": 1}


def test_audits_that_are_stopped_are_not_waited_for_and_no_other_one_is_started() -> None:
    begun, go_on, submitted = threading.Semaphore(0), threading.Event(), threading.Event()
    ended: list[str] = []

    def audit_account(account_id: str, executor: Executor) -> model.Finding:
        begun.release()
        go_on.wait(20)
        ended.append(account_id)
        return model.Finding(account_id=account_id, outcome=Outcome.CLEAN)

    def accessible(members: Mapping[str, model.Member]) -> Iterator[str]:
        yield from members
        submitted.set()

    others = set(threading.enumerate())
    early = EarlyAudits(audit_account, show=lambda done, found: None)
    early.begin(accessible)
    ids = [id_of(number) for number in range(MAX_ACCOUNTS_IN_PARALLEL + 1)]
    account = model.Account(account_id=MANAGEMENT, name=None, email=None, state="ACTIVE")
    early.offer(dict.fromkeys(ids, model.Member(account=account, unit_ids=None)))
    assert submitted.wait(20)
    for _ in ids[1:]:
        assert begun.acquire(timeout=20)
    early.stop()
    assert ended == []
    go_on.set()
    # A thread that goes on would keep the command from its end.
    threads = set(threading.enumerate()) - others
    for thread in threads:
        thread.join(timeout=5)
    going_on = [thread.name for thread in threads if thread.is_alive()]
    early.end()
    assert going_on == []
    assert len(ended) == MAX_ACCOUNTS_IN_PARALLEL
