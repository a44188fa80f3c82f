"""The emulated AWS applies service control policies to root users and root sessions, as AWS does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.emulation.service_control_policies import (
    MalformedPolicyError,
    PolicyRequest,
    ServiceControlPolicy,
    UnsupportedPolicyError,
    find_policy_denial,
)
from root_tasks.tasks import DEFINITIONS
from scp.evaluate import Decision
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, SESSIONS, enable_root_access
from support.emulation import AUDIT, error_of, open_root_session
from support.scp import samples

if TYPE_CHECKING:
    from local_aws.emulation import LocalOrganization, Organization

ROOT_DENIAL = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyRoot",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"}},
        }
    ],
}
GUARDRAIL = {
    "Version": "2012-10-17",
    "Statement": [
        {
            **ROOT_DENIAL["Statement"][0],  # type: ignore[dict-item]
            "Condition": {
                "ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"},
                "Null": {"aws:AssumedRoot": "true"},
            },
        }
    ],
}
ALLOW_S3 = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}


@pytest.fixture
def served(organization: LocalOrganization) -> LocalOrganization:
    """Return the organization with root access enabled."""
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    return organization


def signed_in_root(organization: Organization, account_id: str, service: str = "iam") -> Any:
    """Return a client of a root user that signs its calls with an access key of its own."""
    organization.put_root_credentials(account_id=account_id, password=True, access_keys=1)
    return organization.client(service, account_id=account_id, root_user=True)


def audit_session(organization: Organization, account_id: str) -> Any:
    return organization.client("iam", credentials=open_root_session(organization, AUDIT, account_id))


def test_a_root_user_calls_with_an_access_key_of_its_own(served: LocalOrganization) -> None:
    identity = signed_in_root(served, OTHER, "sts").get_caller_identity()
    user = signed_in_root(served, OTHER).get_user()["User"]

    assert (identity["Account"], identity["Arn"]) == (OTHER, f"arn:aws:iam::{OTHER}:root")
    assert user["Arn"] == f"arn:aws:iam::{OTHER}:root"


def test_a_root_user_without_an_access_key_cannot_call(organization: Organization) -> None:
    with pytest.raises(LookupError, match="no access key"):
        organization.client("iam", account_id=OTHER, root_user=True)


def test_a_policy_against_root_users_denies_root_sessions_with_its_arn(served: LocalOrganization) -> None:
    policy_id = served.attach_service_control_policy(name="deny-root", document=ROOT_DENIAL, target_id=OTHER)

    error = error_of(audit_session(served, OTHER).get_account_summary)

    assert (error["code"], error["http"]) == ("AccessDenied", 403)
    assert error["message"] == (
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: iam:GetAccountSummary "
        "on resource: * with an explicit deny in a service control policy: "
        f"arn:aws:organizations::{MANAGEMENT}:policy/{served.id}/service_control_policy/{policy_id}"
    )
    assert audit_session(served, THIRD).get_account_summary()
    assert served.calls[-2].error is None


def test_the_carve_out_spares_root_sessions_and_denies_the_root_user(served: LocalOrganization) -> None:
    served.attach_service_control_policy(name="guardrail", document=GUARDRAIL, target_id=served.root_id)

    root_user = signed_in_root(served, OTHER)
    denied = [error_of(call)["code"] for call in (root_user.get_user, root_user.list_users)]

    assert denied == ["AccessDenied", "AccessDenied"]
    assert audit_session(served, OTHER).get_user()["User"]["Arn"] == f"arn:aws:iam::{OTHER}:root"


def test_the_management_account_is_never_bound(served: LocalOrganization) -> None:
    served.attach_service_control_policy(name="deny-root", document=ROOT_DENIAL, target_id=served.root_id)

    assert signed_in_root(served, MANAGEMENT).get_user()


def test_the_policies_of_every_level_apply(organization: Organization) -> None:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    organizations = organization.client("organizations")
    outer, inner = (_organizational_unit(organization, name) for name in ("outer", "inner"))
    organizations.move_account(
        AccountId=OTHER, SourceParentId=organization.root_id, DestinationParentId=inner
    )
    policy_id = organization.attach_service_control_policy(
        name="deny-root", document=ROOT_DENIAL, target_id=outer
    )

    denied = error_of(audit_session(organization, OTHER).get_user)["message"]
    organizations.detach_policy(PolicyId=policy_id, TargetId=outer)
    allowed = audit_session(organization, OTHER).get_user()

    assert policy_id in denied
    assert allowed


def test_where_no_policy_of_a_level_allows_an_action_it_is_denied(organization: Organization) -> None:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    organization.attach_service_control_policy(name="s3-only", document=ALLOW_S3, target_id=OTHER)
    organization.client("organizations").detach_policy(PolicyId="p-FullAWSAccess", TargetId=OTHER)

    error = error_of(audit_session(organization, OTHER).get_user)

    assert error["message"].endswith("because no service control policy allows the iam:GetUser action")


def test_no_policy_applies_after_the_type_was_disabled(organization: Organization) -> None:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    policy_id = organization.attach_service_control_policy(
        name="deny-root", document=ROOT_DENIAL, target_id=organization.root_id
    )
    organizations = organization.client("organizations")

    organizations.disable_policy_type(RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY")
    disabled = audit_session(organization, OTHER).get_user()
    organizations.enable_policy_type(RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY")

    assert disabled
    assert audit_session(organization, OTHER).get_user()
    assert organizations.list_targets_for_policy(PolicyId=policy_id)["Targets"] == []
    attached = organizations.list_policies_for_target(TargetId=OTHER, Filter="SERVICE_CONTROL_POLICY")
    assert [policy["Id"] for policy in attached["Policies"]] == ["p-FullAWSAccess"]


def test_get_caller_identity_is_never_denied(organization: Organization) -> None:
    organization.attach_service_control_policy(
        name="deny-root", document=ROOT_DENIAL, target_id=organization.root_id
    )

    assert signed_in_root(organization, OTHER, "sts").get_caller_identity()["Account"] == OTHER


def test_a_policy_that_the_emulation_cannot_decide_is_never_guessed(organization: Organization) -> None:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    session = audit_session(organization, OTHER)
    document = deny_if({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}})
    organization.attach_service_control_policy(name="dates", document=document, target_id=OTHER)

    with pytest.raises(UnsupportedPolicyError):
        session.get_user()


# Organizations


def test_a_policy_cannot_be_attached_while_its_type_is_disabled(organization: Organization) -> None:
    organizations = organization.client("organizations")
    policy_id = _policy(organization, "guardrail")

    error = error_of(organizations.attach_policy, PolicyId=policy_id, TargetId=OTHER)

    assert error["code"] == "PolicyTypeNotEnabledException"
    assert organizations.list_roots()["Roots"][0]["PolicyTypes"] == []


def test_a_policy_is_attached_under_a_new_name_to_what_exists(organization: Organization) -> None:
    organization.attach_service_control_policy(name="one", document=GUARDRAIL, target_id=MEMBER)
    for name, target_id, error in (("two", "ou-none-12345678", LookupError), ("one", OTHER, ValueError)):
        with pytest.raises(error):
            organization.attach_service_control_policy(name=name, document=GUARDRAIL, target_id=target_id)


def test_attaching_and_detaching_twice_are_errors(organization: Organization) -> None:
    organizations = organization.client("organizations")
    policy_id = organization.attach_service_control_policy(name="one", document=GUARDRAIL, target_id=OTHER)

    again = error_of(organizations.attach_policy, PolicyId=policy_id, TargetId=OTHER)
    organizations.detach_policy(PolicyId=policy_id, TargetId=OTHER)
    gone = error_of(organizations.detach_policy, PolicyId=policy_id, TargetId=OTHER)
    last = error_of(organizations.detach_policy, PolicyId="p-FullAWSAccess", TargetId=OTHER)
    unknown = error_of(organizations.attach_policy, PolicyId=policy_id, TargetId="999999999999")

    assert again["code"] == "DuplicatePolicyAttachmentException"
    assert gone["code"] == "PolicyNotAttachedException"
    assert last["reason"] == "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    assert unknown["code"] == "TargetNotFoundException"


def test_a_target_has_at_most_ten_policies(organization: Organization) -> None:
    for number in range(9):
        organization.attach_service_control_policy(
            name=f"policy-{number}", document=GUARDRAIL, target_id=OTHER
        )
    eleventh = _policy(organization, "one too many")

    error = error_of(organization.client("organizations").attach_policy, PolicyId=eleventh, TargetId=OTHER)

    assert error["reason"] == "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("not JSON", "MalformedPolicyDocumentException"),
        ("[]", "MalformedPolicyDocumentException"),
        (json.dumps({"Version": "2012-10-17"}), "MalformedPolicyDocumentException"),
        (json.dumps({"Statement": {"Effect": "Deny", "Action": "*"}}), "MalformedPolicyDocumentException"),
        (
            json.dumps({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}),
            "MalformedPolicyDocumentException",
        ),
        (json.dumps(GUARDRAIL).ljust(10_241), "ConstraintViolationException"),
    ],
)
def test_a_document_that_aws_refuses_is_refused(organization: Organization, content: str, code: str) -> None:
    policy_id = _policy(organization, "good")
    organizations = organization.client("organizations")

    created = error_of(
        organizations.create_policy,
        Name="bad",
        Description="",
        Type="SERVICE_CONTROL_POLICY",
        Content=content,
    )
    updated = error_of(organizations.update_policy, PolicyId=policy_id, Content=content)

    assert [created["code"], updated["code"]] == [code, code]


def test_a_document_of_the_maximum_size_is_accepted(organization: Organization) -> None:
    assert _policy(organization, "large", content=json.dumps(GUARDRAIL).ljust(10_240))


def test_a_policy_name_is_unique_in_the_organization(organization: Organization) -> None:
    _policy(organization, "one")
    second = _policy(organization, "two")
    organizations = organization.client("organizations")

    error = error_of(organizations.update_policy, PolicyId=second, Name="one")

    assert error["code"] == "DuplicatePolicyException"
    assert organizations.update_policy(PolicyId=second, Name="two", Description="The same name.")


def test_the_targets_of_a_policy_come_in_pages_of_twenty(organization: Organization) -> None:
    for number in range(25):
        organization.add_account(name=f"member-{number}", email=f"member-{number}@example.com")
    organizations = organization.client("organizations")

    first = organizations.list_targets_for_policy(PolicyId="p-FullAWSAccess")
    pages = organizations.get_paginator("list_targets_for_policy").paginate(PolicyId="p-FullAWSAccess")
    targets = [target["TargetId"] for page in pages for target in page["Targets"]]

    assert len(first["Targets"]) == 20
    assert set(targets) == {organization.root_id, MANAGEMENT, *organization.members}


@pytest.mark.parametrize("target_id", ["222222222229", "r-none", "ou-none-12345678"])
def test_the_policies_of_a_target_that_does_not_exist_are_refused(
    organization: Organization, target_id: str
) -> None:
    error = error_of(
        organization.client("organizations").list_policies_for_target,
        TargetId=target_id,
        Filter="SERVICE_CONTROL_POLICY",
    )

    assert error["code"] == "TargetNotFoundException"


def test_the_policies_of_a_target_are_those_that_are_attached_to_itself(organization: Organization) -> None:
    organization.attach_service_control_policy(
        name="above", document=GUARDRAIL, target_id=organization.root_id
    )
    policy_id = organization.attach_service_control_policy(
        name="own", document=GUARDRAIL, target_id=organization.members[0]
    )

    listed = organization.client("organizations").list_policies_for_target(
        TargetId=organization.members[0], Filter="SERVICE_CONTROL_POLICY"
    )["Policies"]

    assert {policy["Id"] for policy in listed} == {"p-FullAWSAccess", policy_id}


def test_the_policy_that_allows_everything_is_owned_by_aws(organization: Organization) -> None:
    policy = organization.client("organizations").describe_policy(PolicyId="p-FullAWSAccess")["Policy"]

    assert policy["PolicySummary"]["Arn"] == (
        "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
    )


# The evaluator

PRINCIPAL = f"arn:aws:iam::{MEMBER}:root"
CONTEXT = {"aws:principalarn": PRINCIPAL, "aws:assumedroot": "true", "aws:requestedregion": "us-east-1"}


def deny_if(condition: object) -> dict[str, object]:
    """Return a policy that denies everything under a condition."""
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


def is_denied(
    *statements: dict[str, object], action: str = "iam:GetUser", resource: str | None = PRINCIPAL
) -> bool:
    """Return whether statements, with one that allows everything, deny a request of a root session."""
    allow_all = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = ServiceControlPolicy(arn="arn", content=json.dumps({"Statement": [allow_all, *statements]}))
    request = PolicyRequest(action=action, resource=resource, context=CONTEXT)
    return find_policy_denial([[policy]], request) is not None


@pytest.mark.parametrize(
    ("condition", "denied"),
    [
        ({"ArnLike": {"aws:PrincipalARN": ["arn:aws:iam::*:root"]}}, True),
        ({"ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/*"]}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:*:root:*:*:*"}}, False),
        ({"StringLike": {"aws:PrincipalArn": "*:root"}}, True),
        ({"StringNotEquals": {"aws:PrincipalArn": [PRINCIPAL, "x"]}}, False),
        ({"StringEquals": {"aws:username": "x"}}, False),
        ({"StringNotEquals": {"aws:username": "x"}}, True),
        ({"StringEqualsIfExists": {"aws:username": "x"}}, True),
        ({"StringEqualsIgnoreCase": {"aws:RequestedRegion": "US-EAST-1"}}, True),
        ({"Null": {"aws:AssumedRoot": "true"}}, False),
        ({"Null": {"aws:AssumedRoot": False}}, True),
        ({"Bool": {"aws:AssumedRoot": "True"}}, True),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, False),
        ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, True),
        ({"Null": {"aws:AssumedRoot": "false"}, "StringEquals": {"aws:username": "x"}}, False),
    ],
    ids=str,
)
def test_a_condition_is_decided_as_on_aws(condition: dict[str, object], denied: bool) -> None:
    assert is_denied({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}) is denied


@pytest.mark.parametrize(
    ("elements", "denied"),
    [
        ({"Action": "IAM:get*", "Resource": "*"}, True),
        ({"Action": ["s3:*", "iam:G?tUser"], "Resource": "*"}, True),
        ({"NotAction": "iam:*", "Resource": "*"}, False),
        ({"NotAction": ["s3:*"], "Resource": "*"}, True),
        ({"Action": "*", "Resource": "arn:aws:iam::*:root"}, True),
        ({"Action": "*", "Resource": "arn:aws:iam::*:user/*"}, False),
        ({"Action": "*", "NotResource": "arn:aws:iam::*:root"}, False),
        ({"Action": "*", "NotResource": ["arn:aws:s3:::*"]}, True),
    ],
    ids=str,
)
def test_actions_and_resources_are_matched_as_on_aws(elements: dict[str, object], denied: bool) -> None:
    assert is_denied({"Effect": "Deny", **elements}) is denied


@pytest.mark.parametrize(
    "condition",
    [
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*"}},
        {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::${aws:PrincipalAccount}:root"}},
        {"StringEquals": {"aws:SomethingNew": "x"}},
        {"SomethingNew": {"aws:PrincipalArn": "x"}},
        {"ArnLike": {"aws:PrincipalArn": "*:root"}},
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    ],
    ids=str,
)
def test_what_the_evaluator_does_not_know_is_an_error(condition: dict[str, object]) -> None:
    with pytest.raises(UnsupportedPolicyError):
        is_denied({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition})


def test_a_resource_that_is_not_known_is_an_error_only_where_it_matters() -> None:
    assert is_denied({"Effect": "Deny", "Action": "iam:*", "Resource": "*"}, resource=None)
    assert not is_denied({"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b"}, resource=None)
    with pytest.raises(UnsupportedPolicyError):
        is_denied({"Effect": "Deny", "Action": "iam:*", "Resource": "arn:aws:iam::*:root"}, resource=None)


def test_the_evaluator_agrees_with_what_is_known_of_published_policies() -> None:
    """For the tasks in IAM, where it knows all that the policy asks for."""
    full_access = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    decided = 0
    for sample in samples():
        if not sample.task.startswith("IAM") or sample.decision is Decision.UNKNOWN:
            continue
        policies = [ServiceControlPolicy(arn="sample", content=json.dumps(sample.document))]
        policies += [ServiceControlPolicy(arn="full", content=full_access)] * sample.full_access
        requests = [
            PolicyRequest(
                action=action,
                resource="*" if action == "iam:GetAccountSummary" else PRINCIPAL,
                context=CONTEXT | {"aws:principalaccount": MEMBER, "aws:principaltype": "Account"},
            )
            for action in DEFINITIONS[sample.task].calls
        ]
        try:
            denials = [find_policy_denial([policies], request) for request in requests]
        except (UnsupportedPolicyError, MalformedPolicyError):
            continue
        decided += 1
        assert any(denials) is (sample.decision is Decision.DENIED), sample.name
    assert decided > 60


def _organizational_unit(organization: Organization, name: str) -> str:
    """Create an organizational unit under the one that was created last."""
    organizations = organization.client("organizations")
    parent_id = organization.root_id
    while children := organizations.list_organizational_units_for_parent(ParentId=parent_id)[
        "OrganizationalUnits"
    ]:
        parent_id = children[0]["Id"]
    created = organizations.create_organizational_unit(ParentId=parent_id, Name=name)
    return created["OrganizationalUnit"]["Id"]


def _policy(organization: Organization, name: str, *, content: str | None = None) -> str:
    created = organization.client("organizations").create_policy(
        Name=name,
        Description="",
        Type="SERVICE_CONTROL_POLICY",
        Content=content or json.dumps(GUARDRAIL),
    )
    return created["Policy"]["PolicySummary"]["Id"]


# Other services


def _session(organization: Organization, task: str, service: str) -> Any:
    arn = {"arn": f"arn:aws:iam::aws:policy/root-task/{task}"}
    return organization.client(service, credentials=open_root_session(organization, arn, OTHER))


def test_a_policy_denies_root_sessions_in_s3_and_sqs(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    organization.client("s3", account_id=OTHER).create_bucket(Bucket="locked")
    queue = organization.client("sqs", account_id=OTHER).create_queue(QueueName="locked")["QueueUrl"]
    s3 = _session(organization, "S3UnlockBucketPolicy", "s3")
    sqs = _session(organization, "SQSUnlockQueuePolicy", "sqs")
    calls: list[tuple[Any, dict[str, str]]] = [
        (s3.list_buckets, {}),
        (s3.delete_bucket_policy, {"Bucket": "locked"}),
        (sqs.get_queue_attributes, {"QueueUrl": queue}),
    ]
    for call, parameters in calls:
        call(**parameters)
    policy_id = organization.attach_service_control_policy(
        name="deny-root", document=ROOT_DENIAL, target_id=OTHER
    )

    errors = [error_of(call, **parameters) for call, parameters in calls]

    assert [(error["code"], error["http"]) for error in errors] == [("AccessDenied", 403)] * 3
    assert all(error["message"].endswith(policy_id) for error in errors)
    resources = ["*", "arn:aws:s3:::locked", f"arn:aws:sqs:us-east-1:{OTHER}:locked"]
    assert all(
        f"on resource: {resource} " in error["message"]
        for resource, error in zip(resources, errors, strict=True)
    )
    assert organization.client("s3", account_id=OTHER).list_buckets()["Buckets"]


def test_a_root_session_is_limited_to_its_task_in_s3_as_well(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    s3 = _session(organization, "S3UnlockBucketPolicy", "s3")

    error = error_of(s3.create_bucket, Bucket="mine")

    assert error["code"] == "AccessDenied"
    assert error["message"].endswith("with an explicit deny in a session policy")
    assert organization.client("s3", account_id=OTHER).list_buckets()["Buckets"] == []
