"""Reading an organization's policies costs calls for its policies, not for its accounts."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from root_tasks.policies.check import PolicyCheck
from root_tasks.policies.reader import PolicyReader
from scp.calls import SessionFacts
from scp.documents import PolicyType
from scp.evaluate import Decision
from support.function import FakeTime
from support.scp import document, statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_aws.emulation import LocalOrganization
    from root_tasks.policies.attachments import OrganizationPolicies

ACTION = "iam:GetAccountSummary"
DENY_OTHERS = statement(Action="ec2:*")
DENY_IT = statement(Action=ACTION)
ALLOW_OTHERS = statement("Allow", Action="s3:*")


def add_accounts(organization: LocalOrganization, count: int) -> list[str]:
    """Add member accounts, and return their IDs."""
    return [
        organization.add_account(name=f"many-{number}", email=f"many-{number}@example.com")
        for number in range(count)
    ]


def attach(
    organization: LocalOrganization, name: str, listed: Mapping[str, object], target_ids: Sequence[str]
) -> None:
    """Attach one policy to some targets."""
    first, *others = target_ids
    policy_id = organization.attach_service_control_policy(
        name=name, document=document(listed), target_id=first
    )
    organizations = organization.client("organizations")
    for target_id in others:
        organizations.attach_policy(PolicyId=policy_id, TargetId=target_id)


def detach_full_access(organization: LocalOrganization, target_id: str) -> None:
    organization.client("organizations").detach_policy(PolicyId="p-FullAWSAccess", TargetId=target_id)


def reader_of(
    organization: LocalOrganization, *, time: FakeTime | None = None, client: Any = None, **options: Any
) -> PolicyReader:
    return PolicyReader(
        organizations=client or organization.client("organizations"),
        clock=(time or FakeTime()).clock(),
        deadline=1000.0,
        **options,
    )


def decisions(
    organization: LocalOrganization, policies: OrganizationPolicies, accounts: Sequence[str]
) -> dict[str, Decision]:
    """Return what the policies say of a call in accounts right under the root."""
    check = PolicyCheck(policies, session=SessionFacts(organization_id="o-a1b2c3d4e5"))
    return {
        account_id: check.verdict(ACTION, account_id=account_id, unit_ids=(organization.root_id,)).decision
        for account_id in accounts
    }


def read(
    organization: LocalOrganization, accounts: Sequence[str], *, account_count: int
) -> dict[str, Decision]:
    """Read the policies of accounts right under the root, and return what they say of a call."""
    reader = reader_of(organization)
    organization.clear_calls()
    policies = reader.read(
        reader.attachments([PolicyType.SERVICE_CONTROL_POLICY]),
        unit_ids=dict.fromkeys(accounts, (organization.root_id,)),
        account_count=account_count,
    )
    return decisions(organization, policies, accounts)


def calls(organization: LocalOrganization) -> Counter[str]:
    return Counter(call.operation for call in organization.calls)


@pytest.mark.slow
def test_ten_thousand_accounts_and_three_policies_cost_fifty_calls(organization: LocalOrganization) -> None:
    attach(organization, "everywhere", DENY_OTHERS, [organization.root_id])
    accounts = add_accounts(organization, 10_000)
    attach(organization, "denying", DENY_IT, accounts[:30])
    attach(organization, "allowing", ALLOW_OTHERS, accounts[9_990:])
    detach_full_access(organization, accounts[-1])
    found = read(organization, accounts, account_count=10_000)
    denied = {account_id for account_id, decision in found.items() if decision is Decision.DENIED}
    assert denied == {*accounts[:30], accounts[-1]}
    assert set(found.values()) == {Decision.ALLOWED, Decision.DENIED}
    assert calls(organization) == {
        "ListRoots": 1,
        "ListPolicies": 1,
        # Thirty targets are two pages.
        "ListTargetsForPolicy": 4,
        "ListPoliciesForTarget": 41,
        "DescribePolicy": 3,
    }


@pytest.mark.parametrize("has_full_access", [True, False], ids=["with", "without"])
def test_where_many_targets_have_policies_the_list_of_full_access_costs_less(
    organization: LocalOrganization, has_full_access: bool
) -> None:
    accounts = add_accounts(organization, 60)
    attach(organization, "some", DENY_OTHERS, accounts[:5])
    if not has_full_access:
        detach_full_access(organization, accounts[4])
    found = read(organization, accounts, account_count=60)
    lost = {account_id for account_id, decision in found.items() if decision is not Decision.ALLOWED}
    assert lost == (set() if has_full_access else {accounts[4]})
    assert all(found[account_id] is Decision.DENIED for account_id in lost)
    assert calls(organization)["ListPoliciesForTarget"] == 0
    # One page of the policy's own targets, four of FullAWSAccess: the root and the first accounts count, too.
    assert calls(organization)["ListTargetsForPolicy"] == 5


def test_one_account_of_many_costs_no_list_of_all(organization: LocalOrganization) -> None:
    accounts = add_accounts(organization, 100)
    attach(organization, "some", DENY_OTHERS, accounts[:50])
    assert read(organization, accounts[:1], account_count=100) == {accounts[0]: Decision.ALLOWED}
    assert calls(organization)["ListPoliciesForTarget"] == 1
    # Fifty targets are three pages.
    assert calls(organization)["ListTargetsForPolicy"] == 3


def test_what_a_target_itself_has_is_newer_than_what_its_policies_listed(
    organization: LocalOrganization,
) -> None:
    accounts = add_accounts(organization, 2)
    attach(organization, "first", DENY_OTHERS, accounts)
    reader = reader_of(organization)
    attachments = reader.attachments([PolicyType.SERVICE_CONTROL_POLICY])
    attach(organization, "second", DENY_IT, accounts[:1])
    policies = reader.read(
        attachments, unit_ids=dict.fromkeys(accounts, (organization.root_id,)), account_count=100
    )
    assert decisions(organization, policies, accounts) == {
        accounts[0]: Decision.DENIED,
        accounts[1]: Decision.ALLOWED,
    }


@pytest.mark.parametrize(
    ("read", "waiting"),
    [
        pytest.param("ListPolicies", "ListRoots", id="the list, while the type may be disabled"),
        pytest.param("DescribePolicy", "ListTargetsForPolicy", id="a document, while targets are listed"),
    ],
)
def test_a_read_does_not_wait_for_another(organization: LocalOrganization, read: str, waiting: str) -> None:
    attach(organization, "any", DENY_OTHERS, [organization.root_id])
    client, is_read = organization.client("organizations"), threading.Event()

    def wait(**_: object) -> None:
        assert is_read.wait(20)

    client.meta.events.register(f"before-call.organizations.{read}", lambda **_: is_read.set())
    client.meta.events.register(f"before-call.organizations.{waiting}", wait)
    (of_type,) = reader_of(organization, client=client).attachments([PolicyType.SERVICE_CONTROL_POLICY])
    assert list(of_type.policy_ids) == [organization.root_id]


def test_documents_are_read_as_fast_as_aws_allows_those_of_the_root_first_and_none_that_nobody_waits_for(
    organization: LocalOrganization,
) -> None:
    accounts = add_accounts(organization, 3)
    for target_id in (*accounts, organization.root_id):
        attach(organization, f"at {target_id}", DENY_OTHERS, [target_id])
    time, abandoned = FakeTime(), False
    reader = reader_of(organization, time=time, abandoned=lambda: abandoned)
    attachments = reader.attachments([PolicyType.SERVICE_CONTROL_POLICY])
    organization.clear_calls()

    def read_in(account_ids: Sequence[str]) -> tuple[list[object], float]:
        """Return which documents were asked for, and how long that took."""
        began, units = time.seconds, dict.fromkeys(account_ids, (organization.root_id,))
        reader.read(attachments, unit_ids=units, account_count=100)
        asked = [call for call in organization.calls if call.operation == "DescribePolicy"]
        return [call.parameters["PolicyId"] for call in asked], time.seconds - began

    (of_type,) = attachments
    ids = {target_id: policy_ids[0] for target_id, policy_ids in of_type.policy_ids.items()}
    # The first one was read while it was asked what is attached.
    assert next(iter(of_type.policy_names)) == ids[accounts[0]]
    asked, seconds = read_in(accounts[:2])
    assert asked == [ids[organization.root_id], ids[accounts[1]]]
    # Two at once, then less than two a second.
    assert seconds == pytest.approx(0.52)
    abandoned = True
    assert read_in(accounts) == (asked, 0)


def test_threads_that_read_at_once_read_nothing_twice(organization: LocalOrganization) -> None:
    accounts = add_accounts(organization, 1)
    attach(organization, "everywhere", DENY_OTHERS, [organization.root_id])
    attach(organization, "account", DENY_IT, accounts)
    client, both = organization.client("organizations"), threading.Barrier(2)
    reader = reader_of(organization, client=client)
    attachments = reader.attachments([PolicyType.SERVICE_CONTROL_POLICY])
    organization.clear_calls()

    def read_as_another_does(_: int) -> dict[str, Decision]:
        both.wait(20)
        units = dict.fromkeys(accounts, (organization.root_id,))
        policies = reader.read(attachments, unit_ids=units, account_count=100)
        return decisions(organization, policies, accounts)

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(read_as_another_does, range(2)))
    assert found == [{accounts[0]: Decision.DENIED}] * 2
    # The first document was read before.
    assert calls(organization) == {"ListPoliciesForTarget": 2, "DescribePolicy": 1}
