"""Reading an organization's policies costs calls for its policies, not for its accounts."""

from collections.abc import Mapping, Sequence

from centralized_root_access.preflight.attachments import OrganizationPolicies
from centralized_root_access.preflight.evaluate import Decision
from centralized_root_access.preflight.reader import PolicyReader
from local_aws.emulation import LocalOrganization
from root_tasks.model.run_documents import Account
from support.accounts import MEMBER
from support.arrange import add_accounts, call_counts
from support.root_tasks import RootTasks
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


def read_policies(
    root_tasks: RootTasks, accounts: Sequence[str], *, everywhere: bool = False
) -> OrganizationPolicies:
    """Read the policies of accounts right under the root, and return them.

    The calls that this took are then those of the organization.
    """
    organization = root_tasks.organization
    organization.clear_calls()
    target_ids = {*accounts, organization.root_id}
    reader = PolicyReader(root_tasks.aws())
    attachments = reader.attachments(target_ids, everywhere=everywhere)
    return reader.read(attachments, target_ids, target_names={}, show=lambda *_: None)


def decisions_after_reading(
    root_tasks: RootTasks, accounts: Sequence[str], *, everywhere: bool = False
) -> dict[str, Decision]:
    """Read the policies of accounts right under the root, and return what they say of CALL."""
    check = policy_check_of(read_policies(root_tasks, accounts, everywhere=everywhere))
    root_id = root_tasks.organization.root_id
    return {
        account_id: check.verdict(CALL, Account(account_id=account_id, unit_path=root_id)).decision
        for account_id in accounts
    }


def test_for_many_accounts_targets_with_policies_of_their_own_are_read(
    root_tasks: RootTasks,
) -> None:
    organization = root_tasks.organization
    accounts = add_accounts(organization, 60)
    attach(organization, "some", DENY_OTHER_CALL, accounts[:5])
    organization.client("organizations").detach_policy(
        PolicyId="p-FullAWSAccess", TargetId=accounts[4]
    )
    without_full_access = accounts[4]
    assert decisions_after_reading(root_tasks, accounts) == {
        **dict.fromkeys(accounts, Decision.ALLOWED),
        without_full_access: Decision.DENIED,
    }
    # Those that have "some". Each target has a policy, so one without FullAWSAccess has another.
    assert call_counts(organization)["ListPoliciesForTarget"] == 5
    assert call_counts(organization)["ListTargetsForPolicy"] == 1


def test_a_policy_that_is_deleted_after_it_was_listed_denies_nothing(
    root_tasks: RootTasks,
) -> None:
    organization = root_tasks.organization
    attach(organization, "deleted", DENY_CALL, [organization.root_id])
    root_tasks.fail_calls("organizations:ListTargetsForPolicy", "PolicyNotFoundException")
    decisions = decisions_after_reading(root_tasks, [MEMBER], everywhere=True)
    assert decisions == {MEMBER: Decision.ALLOWED}


def test_a_few_accounts_of_many_cost_what_is_on_their_paths(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    accounts = add_accounts(organization, 100)
    attach(organization, "some", DENY_OTHER_CALL, accounts[:50])
    assert decisions_after_reading(root_tasks, accounts[:1]) == {accounts[0]: Decision.ALLOWED}
    # The policies of two targets are listed: of the root, and of the account.
    assert call_counts(organization) == {
        "ListRoots": 1,
        "ListPoliciesForTarget": 2,
        "DescribePolicy": 1,
    }


def test_documents_are_read_once_those_of_the_root_first(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    accounts = add_accounts(organization, 3)
    for target_id in (*accounts, organization.root_id):
        attach(organization, f"at {target_id}", DENY_OTHER_CALL, [target_id])
    policies = read_policies(root_tasks, accounts)
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
