"""The pre-flight of a run: policies that deny its task are found before any root session is opened."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from root_tasks.model.report import Task
from root_tasks.model.run import Mode, Target
from root_tasks.tasks import DEFINITIONS
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access
from support.root_tasks import BUCKET, RootTasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.emulation import LocalOrganization

ROOT_USERS = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}
READS = ("ListRoots", "ListPolicies", "ListTargetsForPolicy", "ListPoliciesForTarget", "DescribePolicy")
HARMLESS = {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def denial(action: str | list[str] = "*", **elements: Any) -> dict[str, Any]:
    return policy({"Sid": "DenyIt", "Effect": "Deny", "Action": action, "Resource": "*", **elements})


@pytest.fixture
def organization(organization: LocalOrganization) -> LocalOrganization:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    return organization


@pytest.fixture
def root_tasks(organization: LocalOrganization) -> RootTasks:
    return RootTasks(organization=organization)


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


def sessions(organization: LocalOrganization) -> list[str]:
    """Return the accounts for which a root session was asked, in order."""
    return [
        str(call.parameters["TargetPrincipal"])
        for call in organization.calls
        if call.operation == "AssumeRoot"
    ]


def reads(organization: LocalOrganization) -> dict[str, int]:
    """Return how often each call was made that reads policies."""
    made = [call.operation for call in organization.calls]
    return {name: made.count(name) for name in READS}


def test_an_account_that_a_policy_denies_is_inaccessible_without_a_root_session(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    policy_id = organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=unit_id
    )
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


@pytest.mark.parametrize("has_paths", [True, False], ids=["with paths", "without paths"])
def test_the_path_of_an_account_is_known_whatever_the_sdk_lists(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str, has_paths: bool
) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=unit_id
    )
    if not has_paths:
        root_tasks.omit_paths()
    organization.clear_calls()
    root_tasks.run()
    assert sessions(organization) == [THIRD]


def test_a_delegated_administrator_reads_the_policies_as_well(organization: LocalOrganization) -> None:
    organization.client("organizations").register_delegated_administrator(
        AccountId=THIRD, ServicePrincipal=PRINCIPAL
    )
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=OTHER
    )
    organization.clear_calls()
    root_tasks = RootTasks(organization=organization, account_id=THIRD)
    execution = root_tasks.run({"accounts": [MEMBER, OTHER]})
    assert root_tasks.outcomes(execution) == {MEMBER: "clean", OTHER: "inaccessible"}
    assert sessions(organization) == [MEMBER]


def test_each_document_is_read_once_and_only_where_it_counts(
    root_tasks: RootTasks, organization: LocalOrganization, unit_id: str
) -> None:
    for target_id, name in ((unit_id, "one"), (organization.root_id, "two"), (THIRD, "three")):
        organization.attach_service_control_policy(name=name, document=denial("ec2:*"), target_id=target_id)
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
    organization.attach_service_control_policy(
        name="without-mfa",
        document=denial(Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
        target_id=OTHER,
    )
    organization.clear_calls()
    execution = root_tasks.run()
    assert sorted(sessions(organization)) == [MEMBER, OTHER, THIRD]
    assert root_tasks.outcomes(execution)[OTHER] == "clean"
    preflight = root_tasks.report(execution)["preflight"]
    assert (preflight["denied"], preflight["unknown"]) == (0, 1)


def test_a_level_without_an_allow_denies(root_tasks: RootTasks, organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")
    organization.attach_service_control_policy(
        name="only-s3",
        document=policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
        target_id=OTHER,
    )
    organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=OTHER)
    organization.clear_calls()
    execution = root_tasks.run()
    assert OTHER not in sessions(organization)
    reason = root_tasks.results(execution)[OTHER]["reason"]
    assert (
        f"No service control policy attached to workload-b ({OTHER}) allows iam:GetAccountSummary." in reason
    )


def test_a_task_is_denied_only_where_nothing_of_it_is_possible(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    organization.put_root_credentials(account_id=OTHER, access_keys=1)
    organization.attach_service_control_policy(
        name="keep-passwords", document=denial(["iam:DeleteLoginProfile", "iam:GetUser"]), target_id=MEMBER
    )
    organization.attach_service_control_policy(
        name="keep-all", document=denial(["iam:Delete*", "iam:DeactivateMFADevice"]), target_id=OTHER
    )
    audit = root_tasks.run()
    plan = root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER, OTHER]})
    of_passwords = root_tasks.run(
        {"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER, OTHER], "credentialTypes": ["password"]}
    )
    assert set(root_tasks.outcomes(audit).values()) == {"skipped", "has credentials", "clean"}
    assert root_tasks.outcomes(plan) == {MEMBER: "planned", OTHER: "inaccessible"}
    assert root_tasks.report(plan)["preflight"]["denied"] == 1
    assert set(root_tasks.outcomes(of_passwords).values()) == {"inaccessible"}
    assert root_tasks.outcomes(root_tasks.execute(plan)) == {MEMBER: "done"}


def test_an_execution_fails_for_an_account_that_a_policy_denies_by_now(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    organization.put_root_credentials(account_id=OTHER, access_keys=1)
    plan = root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER, OTHER]})
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )
    organization.clear_calls()
    executed = root_tasks.execute(plan)
    assert (executed.status, root_tasks.outcomes(executed)) == ("FAILED", {MEMBER: "failed", OTHER: "done"})
    assert sessions(organization) == [OTHER]
    assert "deny-root" in root_tasks.results(executed)[MEMBER]["reason"]
    assert root_tasks.items(executed, MEMBER) == [(f"access key AKIA{MEMBER}0001", "failed")]
    assert organization.root_credentials(MEMBER).access_keys


def test_a_policy_of_buckets_counts_for_the_buckets_that_it_names(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    for name in ("kept", "locked"):
        s3 = root_tasks.client("s3", account_id=MEMBER)
        s3.create_bucket(Bucket=name)
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(_BUCKET_POLICY))
    organization.attach_service_control_policy(
        name="keep", document=denial("s3:DeleteBucketPolicy", Resource="arn:aws:s3:::kept"), target_id=MEMBER
    )
    both = root_tasks.run({"task": Task.UNLOCK_BUCKET_POLICY, "buckets": {MEMBER: ["kept", "locked"]}})
    one = root_tasks.run({"task": Task.UNLOCK_BUCKET_POLICY, "buckets": {MEMBER: ["kept"]}})
    assert (root_tasks.outcomes(both), root_tasks.outcomes(one)) == (
        {MEMBER: "planned"},
        {MEMBER: "inaccessible"},
    )


_BUCKET_POLICY = policy(
    {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::example"}
)


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
    assert reads(organization) == {**dict.fromkeys(READS, 0), "ListRoots": reads(organization)["ListRoots"]}


def test_policies_of_a_type_that_is_disabled_deny_nothing(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    execution = root_tasks.run()
    assert root_tasks.report(execution)["preflight"] == {
        "checked": True,
        "reason": None,
        "denied": 0,
        "unknown": 0,
    }


def _deny(root_tasks: RootTasks) -> None:
    root_tasks.fail("organizations:ListTargetsForPolicy", "AccessDeniedException")


def _deny_policies_of_target(root_tasks: RootTasks) -> None:
    root_tasks.fail("organizations:ListPoliciesForTarget", "AccessDeniedException")


def _deny_documents(root_tasks: RootTasks) -> None:
    root_tasks.fail("organizations:DescribePolicy", "AccessDeniedException")


def _break(root_tasks: RootTasks) -> None:
    root_tasks.fail("organizations:ListPolicies", "ServiceException", status=500)


def _omit(root_tasks: RootTasks) -> None:
    root_tasks.omit_from_response("organizations:ListPolicies", "Policies")


@pytest.mark.parametrize("fail", [_deny, _deny_policies_of_target, _deny_documents, _break, _omit])
def test_policies_that_cannot_be_read_stop_no_run_and_the_report_says_so(
    root_tasks: RootTasks, organization: LocalOrganization, fail: Callable[[RootTasks], None]
) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )
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


def test_a_throttled_read_is_repeated(root_tasks: RootTasks, organization: LocalOrganization) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )
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
    organization.attach_service_control_policy(name="deny", document=denial(), target_id=MEMBER)
    gone = organization.attach_service_control_policy(name="gone", document=denial(), target_id=OTHER)

    def delete(parsed: dict[str, Any], **_: object) -> None:
        if gone in [each["Id"] for each in parsed["Policies"]]:
            organizations.detach_policy(PolicyId=gone, TargetId=OTHER)
            organizations.delete_policy(PolicyId=gone)

    root_tasks.on_event("after-call.organizations.ListPolicies", delete)
    execution = root_tasks.run({"accounts": [MEMBER, OTHER]})
    assert root_tasks.outcomes(execution) == {MEMBER: "inaccessible", OTHER: "clean"}
    assert root_tasks.report(execution)["preflight"]["checked"] is True


def test_a_document_that_cannot_be_read_is_unknown(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )
    root_tasks.fail("organizations:DescribePolicy", "PolicyNotFoundException")
    execution = root_tasks.run()
    preflight = root_tasks.report(execution)["preflight"]
    assert (preflight["checked"], preflight["denied"], preflight["unknown"]) == (True, 0, 1)


def test_nothing_is_read_of_a_target_that_can_have_full_access_alone(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.client("organizations").enable_policy_type(
        RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY"
    )
    organization.clear_calls()
    execution = root_tasks.run()
    of_targets = ("ListTargetsForPolicy", "ListPoliciesForTarget", "DescribePolicy")
    assert {name: reads(organization)[name] for name in of_targets} == dict.fromkeys(of_targets, 0)
    assert root_tasks.report(execution)["preflight"]["unknown"] == 0


def _attach_harmless(organization: LocalOrganization, *target_ids: str) -> None:
    for number, target_id in enumerate(target_ids):
        organization.attach_service_control_policy(
            name=f"harmless-{number}", document=policy(HARMLESS), target_id=target_id
        )
    organization.clear_calls()


def test_a_target_with_another_policy_of_which_nothing_is_listed_is_unknown(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    _attach_harmless(organization, MEMBER)

    def forget(parsed: dict[str, Any], **_: object) -> None:
        parsed["Policies"] = []

    root_tasks.on_event("after-call.organizations.ListPoliciesForTarget", forget)
    execution = root_tasks.run()
    assert MEMBER in sessions(organization)
    assert root_tasks.report(execution)["preflight"]["unknown"] == 1


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
    policy_id = organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )
    _attach_harmless(organization, *others)
    fail(root_tasks)
    denied = root_tasks.report(root_tasks.run())["preflight"]
    assert (denied["checked"], denied["denied"], denied["unknown"]) == (True, 1, len(others))
    organization.client("organizations").update_policy(
        PolicyId=policy_id, Content=json.dumps(policy(HARMLESS))
    )
    organization.clear_calls()
    undecided = root_tasks.report(root_tasks.run())["preflight"]
    assert (undecided["denied"], undecided["unknown"]) == (0, 1 + len(others))
    assert sorted(sessions(organization)) == [MEMBER, OTHER, THIRD]


def test_a_type_that_is_being_enabled_is_unknown(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )

    def pend(parsed: dict[str, Any], **_: object) -> None:
        for each in parsed["Roots"][0]["PolicyTypes"]:
            each["Status"] = "PENDING_ENABLE"

    root_tasks.on_event("after-call.organizations.ListRoots", pend)
    execution = root_tasks.run()
    preflight = root_tasks.report(execution)["preflight"]
    assert (preflight["denied"], preflight["unknown"]) == (0, 3)


def test_an_altered_denial_reaches_no_later_step(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )
    arn = root_tasks.arn("altered")
    run = root_tasks.start_run({}, arn=arn, started_at=root_tasks.now)
    work = json.loads(root_tasks.read("runs/altered/work.json"))
    work["denials"][0]["accountIds"] = [OTHER]
    root_tasks.write("runs/altered/work.json", json.dumps(work).encode())
    with pytest.raises(Exception, match=r"work\.json"):
        root_tasks.run_batch(run, batch=0)


@pytest.mark.parametrize(
    "condition",
    [
        {"Null": {"aws:AssumedRoot": "false"}},
        {"Bool": {"AWS:assumedroot": "true"}},
        {"StringEquals": {"aws:AssumedRoot": "true"}, **ROOT_USERS},
    ],
)
def test_the_hint_of_a_denial_on_purpose_is_to_detach_the_policy(
    root_tasks: RootTasks, organization: LocalOrganization, condition: dict[str, Any]
) -> None:
    organization.attach_service_control_policy(
        name="no-sessions", document=denial(Condition=condition), target_id=MEMBER
    )
    assert root_tasks.results(root_tasks.run())[MEMBER]["hint"] == (
        "The statement denies root sessions on purpose. Detach its policy from this account, or except it."
    )


def test_the_hint_has_all_that_a_denial_needs(root_tasks: RootTasks, organization: LocalOrganization) -> None:
    denied = [
        denial()["Statement"][0],
        denial(Condition={"Bool": {"aws:AssumedRoot": "true"}})["Statement"][0],
    ]
    organization.attach_service_control_policy(name="all", document=policy(*denied), target_id=MEMBER)
    organization.client("organizations").detach_policy(PolicyId="p-FullAWSAccess", TargetId=MEMBER)
    result = root_tasks.results(root_tasks.run())[MEMBER]
    assert "No service control policy attached to" in result["reason"]
    for text in (
        '"Null": {"aws:AssumedRoot": "true"}',
        "Allow it there, at least in root sessions.",
        "Another statement denies root sessions on purpose.",
    ):
        assert text in result["hint"]


def test_an_empty_first_page_of_roots_does_not_look_as_if_policies_were_disabled(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )
    root_tasks.empty_first_page_of_roots()
    preflight = root_tasks.report(root_tasks.run())["preflight"]
    assert (preflight["checked"], preflight["denied"]) == (True, 1)


def test_a_list_without_a_root_skips_the_preflight(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=denial(Condition=ROOT_USERS), target_id=MEMBER
    )

    def forget(parsed: dict[str, Any], **_: object) -> None:
        parsed["Roots"] = []

    root_tasks.on_event("after-call.organizations.ListRoots", forget)
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


def _taken(made: set[str]) -> set[str]:
    """Return what was called since the last time."""
    taken = set(made)
    made.clear()
    return taken


def _calls_of_each_mode(root_tasks: RootTasks, task: Task) -> dict[Mode, set[str]]:
    """Run a task in all modes, in an account that has everything, and return what its root sessions call."""
    has_password = task is not Task.ALLOW_PASSWORD_RECOVERY
    root_tasks.organization.put_root_credentials(
        account_id=MEMBER, password=has_password, access_keys=1, mfa_devices=1, certificates=1
    )
    calls = _record_session_calls(root_tasks)
    if task is Task.AUDIT:
        root_tasks.run({"accounts": [MEMBER]})
        return {Mode.AUDIT: calls}
    inputs: list[dict[str, Any]] = [{"accounts": [MEMBER]}]
    if task is Task.UNLOCK_BUCKET_POLICY:
        s3 = root_tasks.client("s3", account_id=MEMBER)
        s3.create_bucket(Bucket="locked")
        s3.put_bucket_policy(Bucket="locked", Policy=json.dumps(_BUCKET_POLICY))
        inputs = [{"buckets": {MEMBER: ["locked"]}}]
    if task is Task.UNLOCK_QUEUE_POLICY:
        sqs = root_tasks.client("sqs", account_id=MEMBER)
        sqs.create_queue(QueueName="locked", Attributes={"Policy": json.dumps(_BUCKET_POLICY)})
        inputs = [{"queues": [f"arn:aws:sqs:us-east-1:{MEMBER}:locked"]}]
    made: dict[Mode, set[str]] = {Mode.PLAN: set(), Mode.EXECUTE: set()}
    for input_ in inputs:
        plan = root_tasks.run({"task": task, **input_})
        made[Mode.PLAN] |= _taken(calls)
        executed = root_tasks.execute(plan)
        made[Mode.EXECUTE] |= _taken(calls)
        assert set(root_tasks.outcomes(executed).values()) == {"done"}
        backups = [each["backup"] for each in root_tasks.results(executed)[MEMBER]["items"]]
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
        # What an execution cannot do without is asked before its plan, too.
        possible = made[mode] | made.get(Mode.EXECUTE, set())
        assert possible.issuperset(definition.necessary_calls(mode, Target(type=type_)))
