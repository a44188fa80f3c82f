"""Reading an organization's policies costs calls for its policies, not for its accounts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.session import Session

from aws_calls.retry import RetryBudget
from aws_calls.runtime import one_attempt
from centralized_root_access.preflight.attachments import OrganizationPolicies
from centralized_root_access.preflight.evaluate import Decision
from centralized_root_access.preflight.reader import PolicyReader
from common.arn import Arn
from local_aws.emulation import LocalOrganization
from root_tasks.aws.clients import RunClients
from root_tasks.aws.invocation import Aws
from root_tasks.aws.session_clients import SessionClients
from root_tasks.model.run_documents import Account
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import add_accounts, call_counts
from support.faults.clients import inject
from support.faults.vocabulary import error_response
from support.function import FakeTime
from support.scp import policy_check_of, policy_document, statement

# A call in a root session, and policies that deny another one or this one.
CALL = "iam:GetAccountSummary"
DENY_OTHER_CALL = statement(Action="ec2:*")
DENY_CALL = statement(Action=CALL)


def attach(
    organization: LocalOrganization,
    name: str,
    only_statement: Mapping[str, object],
    target_ids: Sequence[str],
) -> None:
    """Attach one policy to some targets."""
    first, *others = target_ids
    policy_id = organization.attach_policy(
        name=name, document=policy_document(only_statement), target_id=first
    )
    organizations = organization.client("organizations")
    for target_id in others:
        organizations.attach_policy(PolicyId=policy_id, TargetId=target_id)


def reader_of(client: Any) -> PolicyReader:
    """Return the reader that calls Organizations with a client, in the management account."""
    sessions = SessionClients(Session(), config=one_attempt())
    return PolicyReader(
        Aws(
            find_function=lambda: Arn(
                partition="aws", region="us-east-1", account_id=MANAGEMENT, resource=""
            ),
            clients=RunClients(lambda service: client, sessions=sessions),
            now=lambda: datetime.now(UTC),
            log=lambda **event: None,
            budget=RetryBudget(clock=FakeTime().clock(), deadline=1000.0),
        )
    )


def read_policies(
    reader: PolicyReader, target_ids: set[str], *, everywhere: bool = False
) -> OrganizationPolicies:
    """Read the policies of targets, and return them."""
    attachments = reader.attachments(target_ids, everywhere=everywhere)
    return reader.read(attachments, target_ids, target_names={}, show=lambda *_: None)


def decisions_on_call(
    organization: LocalOrganization, policies: OrganizationPolicies, accounts: Sequence[str]
) -> dict[str, Decision]:
    """Return what the policies say of CALL in accounts right under the root."""
    check = policy_check_of(policies)
    return {
        account_id: check.verdict(
            CALL, Account(account_id=account_id, unit_path=organization.root_id)
        ).decision
        for account_id in accounts
    }


def decisions_after_reading(
    organization: LocalOrganization, accounts: Sequence[str]
) -> dict[str, Decision]:
    """Read the policies of accounts right under the root, and return what they say of CALL.

    The calls that this took are then those of the organization.
    """
    reader = reader_of(organization.client("organizations"))
    organization.clear_calls()
    policies = read_policies(reader, {*accounts, organization.root_id})
    return decisions_on_call(organization, policies, accounts)


def test_for_many_accounts_targets_with_policies_of_their_own_are_read(
    organization: LocalOrganization,
) -> None:
    accounts = add_accounts(organization, 60)
    attach(organization, "some", DENY_OTHER_CALL, accounts[:5])
    organization.client("organizations").detach_policy(
        PolicyId="p-FullAWSAccess", TargetId=accounts[4]
    )
    without_full_access = accounts[4]
    assert decisions_after_reading(organization, accounts) == {
        **dict.fromkeys(accounts, Decision.ALLOWED),
        without_full_access: Decision.DENIED,
    }
    # Those that have "some". Each target has a policy, so one without FullAWSAccess has another.
    assert call_counts(organization)["ListPoliciesForTarget"] == 5
    assert call_counts(organization)["ListTargetsForPolicy"] == 1


def test_a_policy_that_is_deleted_after_it_was_listed_denies_nothing(
    organization: LocalOrganization,
) -> None:
    attach(organization, "deleted", DENY_CALL, [organization.root_id])
    client = organization.client("organizations")
    deleted = error_response("PolicyNotFoundException")
    inject(client.meta.events.register, "organizations:ListTargetsForPolicy", deleted)
    targets = {MEMBER, organization.root_id}
    policies = read_policies(reader_of(client), targets, everywhere=True)
    assert decisions_on_call(organization, policies, [MEMBER]) == {MEMBER: Decision.ALLOWED}


def test_a_few_accounts_of_many_cost_what_is_on_their_paths(
    organization: LocalOrganization,
) -> None:
    accounts = add_accounts(organization, 100)
    attach(organization, "some", DENY_OTHER_CALL, accounts[:50])
    assert decisions_after_reading(organization, accounts[:1]) == {accounts[0]: Decision.ALLOWED}
    # The policies of two targets are listed: of the root, and of the account.
    assert call_counts(organization) == {
        "ListRoots": 1,
        "ListPoliciesForTarget": 2,
        "DescribePolicy": 1,
    }


def test_documents_are_read_once_those_of_the_root_first(organization: LocalOrganization) -> None:
    accounts = add_accounts(organization, 3)
    for target_id in (*accounts, organization.root_id):
        attach(organization, f"at {target_id}", DENY_OTHER_CALL, [target_id])
    reader = reader_of(organization.client("organizations"))
    organization.clear_calls()
    policies = read_policies(reader, {*accounts, organization.root_id})
    first, *others = [
        str(call.parameters["PolicyId"])
        for call in organization.calls
        if call.operation == "DescribePolicy"
    ]
    # Each target has FullAWSAccess, and after it the policy of its own.
    (service_control,) = policies.attachments.values()
    own = {target_id: ids[-1] for target_id, ids in service_control.policy_ids.items()}
    assert first == own[organization.root_id]
    assert sorted(others) == sorted(own[account_id] for account_id in accounts)
