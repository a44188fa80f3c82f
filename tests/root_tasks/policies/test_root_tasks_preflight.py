"""The pre-flight of a run: policies that deny its task are found before any root session is opened."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from root_tasks.messages import UNEXPECTED_ERROR
from root_tasks.model.report import Task
from root_tasks.model.run import Mode, Target
from root_tasks.policies.sentences import denial_hint, denial_reason
from root_tasks.tasks import DEFINITIONS
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, enable_root_access
from support.root_tasks import BUCKET, RootTasks
from support.scp import GET_USER, document, evaluate_call, levels, policy, statement, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.emulation import LocalOrganization

ROOT_USERS = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}
READS = ("ListRoots", "ListPolicies", "ListTargetsForPolicy", "ListPoliciesForTarget", "DescribePolicy")


def denial(action: str | list[str] = "*", **elements: Any) -> dict[str, Any]:
    return document(statement(Sid="DenyIt", Action=action, **elements))


@pytest.fixture
def unit_id(organization: LocalOrganization) -> str:
    """A unit with two of the three members."""
    organizations = organization.client("organizations")
    unit = organizations.create_organizational_unit(ParentId=organization.root_id, Name="Workloads")
    unit_id = str(unit["OrganizationalUnit"]["Id"])
    for account_id in (MEMBER, OTHER):
        organizations.move_account(
            AccountId=account_id, SourceParentId=organization.root_id, DestinationParentId=unit_id
        )
    return unit_id


def deny(
    organization: LocalOrganization, target_id: str, action: str | list[str] = "*", **elements: Any
) -> str:
    """Attach a policy that denies an action; return its ID."""
    return organization.attach_service_control_policy(
        name=f"deny-at-{target_id}", document=denial(action, **elements), target_id=target_id
    )


def deny_root(organization: LocalOrganization, target_id: str) -> str:
    """Attach a policy that denies root users everything, root sessions included; return its ID."""
    return organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=target_id
    )


def counts(root_tasks: RootTasks) -> tuple[bool, int, int]:
    """Run an audit, and return if policies were checked, and how many accounts are denied and undecided."""
    found = root_tasks.report(root_tasks.run())["preflight"]
    return found["checked"], found["denied"], found["unknown"]


def sessions(organization: LocalOrganization) -> list[str]:
    """Return the accounts for which a root session was asked, in order."""
    asked = [call.parameters for call in organization.calls if call.operation == "AssumeRoot"]
    return [str(parameters["TargetPrincipal"]) for parameters in asked]


def reads(organization: LocalOrganization) -> Counter[str]:
    """Return how often each call was made that reads policies."""
    return Counter(call.operation for call in organization.calls if call.operation in READS)


def test_an_account_that_a_policy_denies_is_inaccessible_without_a_root_session(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    policy_id = deny_root(organization, unit_id)
    organization.clear_calls()
    execution = root_tasks.run()
    results = root_tasks.results(execution)
    assert root_tasks.outcomes(execution) == {
        MANAGEMENT: "skipped",
        MEMBER: "inaccessible",
        OTHER: "inaccessible",
        THIRD: "clean",
    }
    assert sessions(organization) == [THIRD]
    assert results[MEMBER]["reason"] == (
        f"No root session was opened. The service control policy deny-root ({policy_id}), statement DenyIt, "
        f"attached to Workloads ({unit_id}), denies iam:GetAccountSummary."
    )
    assert '"Null": {"aws:AssumedRoot": "true"}' in results[MEMBER]["hint"]
    assert root_tasks.report(execution)["preflight"] == {
        "checked": True,
        "reason": None,
        "denied": 2,
        "unknown": 0,
    }


@pytest.mark.parametrize("place", ["Root", "Workloads"])
def test_a_denial_is_shown_with_the_name_of_its_place_for_a_named_account_too(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str, place: str
) -> None:
    target_id = {"Root": organization.root_id, "Workloads": unit_id}[place]
    deny_root(organization, target_id)
    results = root_tasks.results(root_tasks.run({"accounts": [MEMBER]}))
    assert f"attached to {place} ({target_id}), denies" in results[MEMBER]["reason"]


def test_the_path_of_an_account_is_known_with_an_sdk_that_lists_none(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    deny_root(organization, unit_id)
    root_tasks.omit_paths()
    organization.clear_calls()
    root_tasks.run()
    assert sessions(organization) == [THIRD]


def test_a_delegated_administrator_reads_the_policies_as_well(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[THIRD])
    deny_root(organization, OTHER)
    organization.clear_calls()
    root_tasks = RootTasks(organization=organization, account_id=THIRD)
    execution = root_tasks.run({"accounts": [MEMBER, OTHER]})
    assert root_tasks.outcomes(execution) == {MEMBER: "clean", OTHER: "inaccessible"}
    assert sessions(organization) == [MEMBER]


def test_each_document_is_read_once_and_only_where_it_counts(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    for target_id in (unit_id, organization.root_id, THIRD):
        deny(organization, target_id, "ec2:*")
    organization.clear_calls()
    root_tasks.run()
    everywhere = reads(organization)
    organization.clear_calls()
    root_tasks.run({"accounts": [MEMBER]})
    assert everywhere["DescribePolicy"] == 3
    assert reads(organization)["DescribePolicy"] == 2
    assert everywhere["ListTargetsForPolicy"] == 4


def test_a_condition_that_cannot_be_decided_never_keeps_a_run_out(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    deny(organization, OTHER, Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})
    organization.clear_calls()
    assert counts(root_tasks) == (True, 0, 1)
    assert sorted(sessions(organization)) == [MEMBER, OTHER, THIRD]


def test_a_plan_for_passwords_alone_is_denied_by_what_denies_their_deletion(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    deny(organization, MEMBER, ["iam:DeleteLoginProfile", "iam:GetUser"])
    of_member = {"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER]}
    plan = root_tasks.run(of_member)
    of_passwords = root_tasks.run({**of_member, "credentialTypes": ["password"]})
    assert root_tasks.outcomes(of_passwords) == {MEMBER: "inaccessible"}
    assert root_tasks.outcomes(root_tasks.execute(plan)) == {MEMBER: "done"}


def test_an_execution_fails_for_an_account_that_a_policy_denies_by_now(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    organization.put_root_credentials(account_id=OTHER, access_keys=1)
    plan = root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER, OTHER]})
    deny_root(organization, MEMBER)
    organization.clear_calls()
    executed = root_tasks.execute(plan)
    assert (executed.status, root_tasks.outcomes(executed)) == ("FAILED", {MEMBER: "failed", OTHER: "done"})
    assert sessions(organization) == [OTHER]
    assert "deny-root" in root_tasks.results(executed)[MEMBER]["reason"]
    assert root_tasks.items(executed, MEMBER) == [(f"access key AKIA{MEMBER}0001", "failed")]
    assert organization.root_credentials(MEMBER).access_keys


_BUCKET_POLICY = document(statement(Principal="*", Action="s3:*", Resource="arn:aws:s3:::example"))


def _attach_resource_control_policy(organization: LocalOrganization, document: dict[str, Any]) -> None:
    organizations = organization.client("organizations")
    organizations.enable_policy_type(RootId=organization.root_id, PolicyType="RESOURCE_CONTROL_POLICY")
    created = organizations.create_policy(
        Content=json.dumps(document), Description="", Name="rcp", Type="RESOURCE_CONTROL_POLICY"
    )
    organizations.attach_policy(
        PolicyId=created["Policy"]["PolicySummary"]["Id"], TargetId=organization.root_id
    )


def test_resource_control_policies_count_for_queues_and_not_for_audits(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    _attach_resource_control_policy(organization, denial("sqs:*", Principal="*"))
    arn = f"arn:aws:sqs:us-east-1:{MEMBER}:locked"
    organization.clear_calls()
    plan = root_tasks.run({"task": Task.UNLOCK_QUEUE_POLICY, "queues": [arn]})
    assert sessions(organization) == []
    assert "The resource control policy rcp" in root_tasks.results(plan)[MEMBER]["reason"]
    organization.clear_calls()
    assert "inaccessible" not in root_tasks.outcomes(root_tasks.run()).values()
    # The list of service control policies does not wait for the answer that there are none.
    assert set(reads(organization)) == {"ListRoots", "ListPolicies"}
    listed = [call.parameters["Filter"] for call in organization.calls if call.operation == "ListPolicies"]
    assert listed == ["SERVICE_CONTROL_POLICY"]


UNREADABLE: dict[str, Callable[[RootTasks], None]] = {
    "targets": lambda tasks: tasks.fail("organizations:ListTargetsForPolicy", "AccessDeniedException"),
    "policies": lambda tasks: tasks.fail("organizations:ListPoliciesForTarget", "AccessDeniedException"),
    "documents": lambda tasks: tasks.fail("organizations:DescribePolicy", "AccessDeniedException"),
    "server": lambda tasks: tasks.fail("organizations:ListPolicies", "ServiceException", status=500),
    "incomplete": lambda tasks: tasks.omit_from_response("organizations:ListPolicies", "Policies"),
}


@pytest.mark.parametrize("fail", UNREADABLE.values(), ids=UNREADABLE)
def test_policies_that_cannot_be_read_stop_no_run_and_the_report_says_so(
    root_tasks: RootTasks, organization: LocalOrganization, fail: Callable[[RootTasks], None]
) -> None:
    deny_root(organization, MEMBER)
    fail(root_tasks)
    execution = root_tasks.run()
    assert root_tasks.outcomes(execution) == {
        MANAGEMENT: "skipped",
        MEMBER: "inaccessible",
        OTHER: "clean",
        THIRD: "clean",
    }
    assert "AccessDenied" in root_tasks.results(execution)[MEMBER]["reason"], "AWS has denied it"
    preflight = root_tasks.report(execution)["preflight"]
    assert (preflight["checked"], preflight["denied"]) == (False, 0)
    assert preflight["reason"].startswith("organizations:")
    page = root_tasks.read(f"runs/{execution.run_id}/report.html").decode()
    assert "Pre-flight" in page


def test_a_run_goes_on_where_a_policy_surprises_the_evaluation(
    root_tasks: RootTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object, **__: object) -> None:
        raise KeyError

    monkeypatch.setattr("root_tasks.policies.preflight.check_account", surprise)
    execution = root_tasks.run()
    assert execution.status == "SUCCEEDED"
    preflight = root_tasks.report(execution)["preflight"]
    assert (preflight["checked"], preflight["reason"]) == (False, f"{UNEXPECTED_ERROR} KeyError.")


def test_a_throttled_read_is_repeated(root_tasks: RootTasks, organization: LocalOrganization) -> None:
    deny_root(organization, MEMBER)
    for name in READS:
        root_tasks.fail(f"organizations:{name}", "TooManyRequestsException", times=2)
    organization.clear_calls()
    root_tasks.run()
    assert sorted(sessions(organization)) == [OTHER, THIRD]


def test_a_policy_that_is_deleted_meanwhile_keeps_no_other_from_being_read(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    """In a large organization the reading takes minutes."""
    organizations = organization.client("organizations")
    deny(organization, MEMBER)
    gone = deny(organization, OTHER)

    def delete(parsed: dict[str, Any], **_: object) -> None:
        if gone in [summary["Id"] for summary in parsed["Policies"]]:
            organizations.detach_policy(PolicyId=gone, TargetId=OTHER)
            organizations.delete_policy(PolicyId=gone)

    root_tasks.on_event("after-call.organizations.ListPolicies", delete)
    execution = root_tasks.run()
    outcomes = root_tasks.outcomes(execution)
    assert (outcomes[MEMBER], outcomes[OTHER]) == ("inaccessible", "clean")
    assert root_tasks.report(execution)["preflight"]["checked"] is True


def test_nothing_is_read_of_a_target_that_can_have_full_access_alone(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    assert counts(root_tasks) == (True, 0, 0), "the policies are disabled"
    organization.client("organizations").enable_policy_type(
        RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY"
    )
    organization.clear_calls()
    assert counts(root_tasks) == (True, 0, 0)
    assert set(reads(organization)) == {"ListRoots", "ListPolicies"}


def test_a_target_with_another_policy_of_which_nothing_is_listed_is_unknown(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    deny(organization, MEMBER, "ec2:*")
    organization.clear_calls()
    root_tasks.on_event(
        "after-call.organizations.ListPoliciesForTarget", lambda parsed, **_: parsed.update(Policies=[])
    )
    assert counts(root_tasks) == (True, 0, 1)
    assert sorted(sessions(organization)) == [MEMBER, OTHER, THIRD]


def _fail_of_target(root_tasks: RootTasks) -> None:
    root_tasks.fail("organizations:ListPoliciesForTarget", "TargetNotFoundException")


def _fail_list_of_full_access(root_tasks: RootTasks) -> None:
    """Fail the list of FullAWSAccess's targets, but not those of other policies."""

    def note(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        context["is_of_full_access"] = params["PolicyId"] == "p-FullAWSAccess"

    def forget(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        if context["is_of_full_access"]:
            del parsed["Targets"]

    root_tasks.on_event("provide-client-params.organizations.ListTargetsForPolicy", note)
    root_tasks.on_event("after-call.organizations.ListTargetsForPolicy", forget)


@pytest.mark.parametrize(
    ("fail", "others"), [(_fail_of_target, ()), (_fail_list_of_full_access, (OTHER, THIRD))]
)
def test_where_full_access_cannot_be_read_only_what_another_policy_denies_is_denied(
    root_tasks: RootTasks,
    organization: LocalOrganization,
    fail: Callable[[RootTasks], None],
    others: tuple[str, ...],
) -> None:
    policy_id = deny_root(organization, MEMBER)
    for account_id in others:
        deny(organization, account_id, "ec2:*")
    fail(root_tasks)
    assert counts(root_tasks) == (True, 1, len(others))
    harmless = json.dumps(denial("ec2:*"))
    organization.client("organizations").update_policy(PolicyId=policy_id, Content=harmless)
    organization.clear_calls()
    assert counts(root_tasks) == (True, 0, 1 + len(others))
    assert sorted(sessions(organization)) == [MEMBER, OTHER, THIRD]


def test_a_type_that_is_being_enabled_is_unknown(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    deny_root(organization, MEMBER)

    def pend(parsed: dict[str, Any], **_: object) -> None:
        for policy_type in parsed["Roots"][0]["PolicyTypes"]:
            policy_type["Status"] = "PENDING_ENABLE"

    root_tasks.on_event("after-call.organizations.ListRoots", pend)
    assert counts(root_tasks) == (True, 0, 3)


def test_the_hint_has_all_that_a_denial_needs() -> None:
    on_purpose = statement(Condition={"Bool": {"aws:AssumedRoot": "true"}})
    assert denial_hint(verdict(policy(on_purpose)).causes, action=GET_USER.action) == (
        "The statement denies root sessions on purpose. Detach its policy from this account, or exempt it."
    )
    denied = evaluate_call(GET_USER, levels([policy(statement(), on_purpose)]))
    assert "No service control policy attached to" in denial_reason(denied.causes, action=denied.call.action)
    for text in (
        '"Null": {"aws:AssumedRoot": "true"}',
        "Allow it there, at least in root sessions.",
        "Another statement denies root sessions on purpose.",
    ):
        assert text in denial_hint(denied.causes, action=GET_USER.action)


def test_an_empty_first_page_of_roots_does_not_look_as_if_policies_were_disabled(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    deny_root(organization, MEMBER)
    root_tasks.empty_first_page_of_roots()
    assert counts(root_tasks) == (True, 1, 0)


def test_a_list_without_a_root_skips_the_preflight(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    deny_root(organization, MEMBER)

    root_tasks.on_event("after-call.organizations.ListRoots", lambda parsed, **_: parsed.update(Roots=[]))
    execution = root_tasks.run()
    preflight = root_tasks.report(execution)["preflight"]
    assert preflight["checked"] is False
    assert "the response has no root" in preflight["reason"]
    assert root_tasks.outcomes(execution)[OTHER] == "clean"


# What a policy names differently from the API.
_ACTIONS = {"s3:ListBuckets": "s3:ListAllMyBuckets"}


def _record_session_calls(root_tasks: RootTasks) -> set[str]:
    """Return the set to which the calls of root sessions are added."""
    made: set[str] = set()

    def record(params: dict[str, Any], model: Any, **_: object) -> None:
        # Backups are stored by the function itself.
        if root_tasks.sessions.acting is not None and params.get("Bucket") != BUCKET:
            action = f"{model.service_model.signing_name}:{model.name}"
            made.add(_ACTIONS.get(action, action))

    for service in ("iam", "s3", "sqs"):
        root_tasks.on_event(f"provide-client-params.{service}", record)
    return made


_INPUTS: dict[Task, dict[str, Any]] = {
    Task.UNLOCK_BUCKET_POLICY: {"buckets": {MEMBER: ["locked"]}},
    Task.UNLOCK_QUEUE_POLICY: {"queues": [f"arn:aws:sqs:us-east-1:{MEMBER}:locked"]},
}


def _calls_of_each_mode(root_tasks: RootTasks, task: Task) -> dict[Mode, set[str]]:
    """Run a task in all modes, in an account that has everything, and return what its root sessions call."""
    has_password = task is not Task.ALLOW_PASSWORD_RECOVERY
    root_tasks.organization.put_root_credentials(
        account_id=MEMBER, password=has_password, access_keys=1, mfa_devices=1, certificates=1
    )
    policy = json.dumps(_BUCKET_POLICY)
    s3 = root_tasks.client("s3", account_id=MEMBER)
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy=policy)
    sqs = root_tasks.client("sqs", account_id=MEMBER)
    sqs.create_queue(QueueName="locked", Attributes={"Policy": policy})
    calls = _record_session_calls(root_tasks)
    inputs = [_INPUTS.get(task, {"accounts": [MEMBER]})]
    if task is Task.AUDIT:
        root_tasks.run(*inputs)
        return {Mode.AUDIT: calls}
    made: dict[Mode, set[str]] = {Mode.PLAN: set(), Mode.EXECUTE: set()}
    for input_ in inputs:
        plan = root_tasks.run({"task": task, **input_})
        made[Mode.PLAN] |= calls
        calls.clear()
        executed = root_tasks.execute(plan)
        made[Mode.EXECUTE] |= calls
        calls.clear()
        assert root_tasks.outcomes(executed) == {MEMBER: "done"}
        backups = [item["backup"] for item in root_tasks.results(executed)[MEMBER]["items"]]
        if any(backups) and "restore" not in input_:
            inputs.append({"restore": backups})
    return made


@pytest.mark.parametrize("task", Task)
def test_the_calls_that_policies_are_asked_about_are_those_that_root_sessions_make(
    root_tasks: RootTasks, task: Task
) -> None:
    made = _calls_of_each_mode(root_tasks, task)
    assert all(made.values())
    assert set().union(*made.values()) == set(DEFINITIONS[task].calls)
    definition = DEFINITIONS[task]
    types = definition.found_types or (definition.policy_type,)
    for mode, type_ in itertools.product(made, types):
        assert type_ is not None
        necessary = definition.necessary_calls(mode, Target(type=type_))
        assert necessary
        # What an execution cannot do without is asked before its plan, too.
        possible = made[mode] | made.get(Mode.EXECUTE, set())
        assert possible.issuperset(necessary)
