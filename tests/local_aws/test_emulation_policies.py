"""The emulated AWS applies the organization's policies as AWS does."""

import json
from typing import Any

import pytest

from centralized_root_access.preflight.evaluate import Decision
from centralized_root_access.preflight.task_calls import TASK_CALLS
from local_aws.emulation import LocalOrganization, Organization
from local_aws.emulation.organization_policies import (
    AttachedPolicy,
    MalformedPolicyError,
    UnsupportedPolicyError,
    find_policy_denial,
)
from support.accounts import MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.emulation import AUDIT_TASK_POLICY, error_raised_by, open_root_session
from support.scp import policy_document, sample_policies, statement

DELEGATE = MEMBER
SESSION_ROLES = "arn:aws:iam::*:role/centralized-root-access/*"


def deny(action: str | list[str], condition: dict[str, Any], **elements: str) -> dict[str, Any]:
    """Return a policy that denies an action under a condition."""
    return policy_document(statement(**elements, Action=action, Condition=condition))


DENY_ROOT = deny("*", {"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"}})
ONLY_SESSION_ROLES = {"ArnNotLike": {"aws:PrincipalArn": SESSION_ROLES}}


def attach(organization: Organization, kind: str, document: dict[str, Any], target_id: str) -> str:
    """Attach a policy of a kind, and return its ARN."""
    if kind == "resource":
        document = {**document, "Statement": [{**document["Statement"][0], "Principal": "*"}]}
    policy_type = f"{kind.upper()}_CONTROL_POLICY"
    policy_id = organization.attach_policy(
        name="policy", document=document, target_id=target_id, policy_type=policy_type
    )
    described = organization.client("organizations").describe_policy(PolicyId=policy_id)
    return described["Policy"]["PolicySummary"]["Arn"]


def assume_root(organization: Organization) -> None:
    """Open a root session as the delegated administrator."""
    client: Any = organization.client("sts", account_id=DELEGATE)
    client.assume_root(TargetPrincipal=OTHER_MEMBER, TaskPolicyArn=AUDIT_TASK_POLICY)


def test_no_policy_applies_after_its_type_was_disabled(
    organization_with_root_access: LocalOrganization,
) -> None:
    attach(
        organization_with_root_access,
        "service",
        deny("sts:AssumeRoot", ONLY_SESSION_ROLES),
        organization_with_root_access.root_id,
    )
    policy_type = "SERVICE_CONTROL_POLICY"
    organizations: Any = organization_with_root_access.client("organizations")

    organizations.disable_policy_type(
        RootId=organization_with_root_access.root_id, PolicyType=policy_type
    )
    assume_root(organization_with_root_access)
    organizations.enable_policy_type(
        RootId=organization_with_root_access.root_id, PolicyType=policy_type
    )
    assume_root(organization_with_root_access)

    # Only FullAWSAccess: with its type the other policy was detached.
    (attached,) = organizations.list_policies_for_target(TargetId=OTHER_MEMBER, Filter=policy_type)[
        "Policies"
    ]
    assert attached["AwsManaged"]


@pytest.mark.parametrize("kind", ["service", "resource"])
def test_a_policy_denies_root_sessions_in_s3_and_sqs(
    organization_with_root_access: LocalOrganization, kind: str
) -> None:
    organization_with_root_access.client("s3", account_id=OTHER_MEMBER).create_bucket(
        Bucket="locked"
    )
    queue = organization_with_root_access.client("sqs", account_id=OTHER_MEMBER).create_queue(
        QueueName="locked"
    )["QueueUrl"]
    clients: list[Any] = [
        organization_with_root_access.client(
            service,
            credentials=open_root_session(
                organization_with_root_access, {"arn": arn}, OTHER_MEMBER
            ),
        )
        for service, arn in (
            ("s3", "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"),
            ("sqs", "arn:aws:iam::aws:policy/root-task/SQSUnlockQueuePolicy"),
        )
    ]
    s3, sqs = clients
    calls: list[tuple[Any, dict[str, str], str]] = [
        (s3.delete_bucket_policy, {"Bucket": "locked"}, "arn:aws:s3:::locked"),
        (
            sqs.get_queue_attributes,
            {"QueueUrl": queue},
            f"arn:aws:sqs:us-east-1:{OTHER_MEMBER}:locked",
        ),
    ]
    for call, parameters, _ in calls:
        call(**parameters)
    document = deny(["s3:*", "sqs:*"], {"Null": {"aws:AssumedRoot": "false"}})
    arn = attach(organization_with_root_access, kind, document, OTHER_MEMBER)

    for call, parameters, resource in calls:
        error = error_raised_by(call, **parameters)
        assert (error["code"], error["http"]) == ("AccessDenied", 403)
        assert f"on resource: {resource} " in error["message"]
        assert error["message"].endswith(arn)


def test_get_caller_identity_is_never_denied(
    organization_with_root_access: LocalOrganization,
) -> None:
    attach(organization_with_root_access, "service", DENY_ROOT, OTHER_MEMBER)
    organization_with_root_access.put_root_credentials(OTHER_MEMBER, access_keys=1)

    identity = organization_with_root_access.client(
        "sts", account_id=OTHER_MEMBER, root_user=True
    ).get_caller_identity()

    assert identity["Arn"] == f"arn:aws:iam::{OTHER_MEMBER}:root"


@pytest.mark.parametrize(
    ("policy_type", "document"),
    [
        ("SERVICE_CONTROL_POLICY", "not JSON"),
        ("SERVICE_CONTROL_POLICY", deny("*", {}, Principal="*")),
        ("RESOURCE_CONTROL_POLICY", deny("sts:*", {})),
        ("RESOURCE_CONTROL_POLICY", deny("iam:*", {}, Principal="*")),
        ("RESOURCE_CONTROL_POLICY", deny("sts:*", {}, Principal="*", effect="Allow")),
    ],
    ids=[
        "no JSON",
        "an SCP with a principal",
        "an RCP without a principal",
        "an RCP on IAM",
        "an RCP that allows",
    ],
)
def test_a_document_that_aws_refuses_is_refused(
    organization: LocalOrganization, policy_type: Any, document: object
) -> None:
    error = error_raised_by(
        organization.client("organizations").create_policy,
        Name="bad",
        Description="",
        Type=policy_type,
        Content=document if isinstance(document, str) else json.dumps(document),
    )

    assert error["code"] == "MalformedPolicyDocumentException"


def test_organizations_refuses_attachments_as_aws_does(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")
    attached = [
        organization.attach_policy(name=f"{number}", document=DENY_ROOT, target_id=OTHER_MEMBER)
        # With FullAWSAccess as many as a target may have.
        for number in range(9)
    ]
    created = organizations.create_policy(
        Name="more", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(DENY_ROOT)
    )
    more = created["Policy"]["PolicySummary"]["Id"]

    full = error_raised_by(organizations.attach_policy, PolicyId=more, TargetId=OTHER_MEMBER)
    again = error_raised_by(
        organizations.attach_policy, PolicyId=attached[0], TargetId=OTHER_MEMBER
    )
    unknown = error_raised_by(organizations.attach_policy, PolicyId=more, TargetId="999999999999")
    last = error_raised_by(
        organizations.detach_policy, PolicyId="p-FullAWSAccess", TargetId=THIRD_MEMBER
    )
    organizations.disable_policy_type(
        RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY"
    )
    disabled = error_raised_by(organizations.attach_policy, PolicyId=more, TargetId=THIRD_MEMBER)

    assert full["reason"] == "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    assert again["code"] == "DuplicatePolicyAttachmentException"
    assert unknown["code"] == "TargetNotFoundException"
    assert last["reason"] == "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    assert disabled["code"] == "PolicyTypeNotEnabledException"


@pytest.mark.parametrize(
    "condition",
    [
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*"}},
        {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::${aws:PrincipalAccount}:root"}},
        {"StringEquals": {"aws:SomethingNew": "x"}},
        {"ArnLike": {"aws:PrincipalArn": "*:root"}},
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    ],
    ids=str,
)
def test_a_policy_that_the_emulation_cannot_decide_is_never_guessed(
    organization_with_root_access: LocalOrganization, condition: dict[str, Any]
) -> None:
    attach(organization_with_root_access, "service", deny("sts:*", condition), DELEGATE)

    with pytest.raises(UnsupportedPolicyError):
        assume_root(organization_with_root_access)


def test_the_emulation_agrees_with_what_is_known_of_published_policies() -> None:
    principal = f"arn:aws:iam::{MEMBER}:root"
    context = {
        "aws:principalarn": principal,
        "aws:assumedroot": "true",
        "aws:requestedregion": "us-east-1",
    }
    context |= {"aws:principalaccount": MEMBER, "aws:principaltype": "Account"}
    full_access = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    decided = 0
    for name, sample in sample_policies().items():
        policies = [AttachedPolicy(arn="sample", content=json.dumps(sample.document))]
        if sample.full_access:
            policies.append(AttachedPolicy(arn="full", content=full_access))
        for task, expected in sample.decisions.items():
            # Only of the tasks in IAM the emulation knows everything that a policy asks for.
            if not task.policy.startswith("IAM") or expected is Decision.UNKNOWN:
                continue
            try:
                denials = [
                    find_policy_denial(
                        [policies],
                        action=action,
                        resource="*" if action == "iam:GetAccountSummary" else principal,
                        context=context,
                    )
                    for action in TASK_CALLS[task].all
                ]
            except (UnsupportedPolicyError, MalformedPolicyError):
                continue
            decided += 1
            assert any(denials) is (expected is Decision.DENIED), name
    assert decided > 60
