"""The changes of a run: how each resource is set to a value, and how its value is found.

Each change may find that it was made before, or half of it, because a run may be killed at any point.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError

from acceptance.callers import DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE, Callers
from acceptance.policies import SERVICE_CONTROL_POLICIES, locking_policy
from acceptance.state import CREDENTIALS, SESSIONS, State, StateField

if TYPE_CHECKING:
    from acceptance.deployment import Deployment

PRINCIPAL = "iam.amazonaws.com"
PASSWORD_PRESENT = "AccountPasswordPresent"
_SCP = "SERVICE_CONTROL_POLICY"

Setter = Callable[[Callers, Any], None]

# What each change calls, for the plan of a run.
CALLS: dict[tuple[StateField, bool], str] = {
    (StateField.TRUSTED_ACCESS, True): "organizations:EnableAWSServiceAccess",
    (StateField.TRUSTED_ACCESS, False): "organizations:DisableAWSServiceAccess",
    (StateField.CREDENTIALS, True): "iam:EnableOrganizationsRootCredentialsManagement",
    (StateField.CREDENTIALS, False): "iam:DisableOrganizationsRootCredentialsManagement",
    (StateField.SESSIONS, True): "iam:EnableOrganizationsRootSessions",
    (StateField.SESSIONS, False): "iam:DisableOrganizationsRootSessions",
    (StateField.DELEGATE, True): "organizations:RegisterDelegatedAdministrator",
    (StateField.DELEGATE, False): "organizations:DeregisterDelegatedAdministrator",
    (StateField.USER, True): "iam:CreateUser, iam:CreateAccessKey",
    (StateField.USER, False): "iam:DeleteAccessKey, iam:DeleteUser",
    (StateField.PASSWORD, True): "sts:AssumeRoot, iam:CreateLoginProfile",
    (StateField.PASSWORD, False): "sts:AssumeRoot, iam:DeleteLoginProfile",
    (StateField.BUCKET, True): "s3:CreateBucket, s3:PutBucketPolicy",
    (StateField.BUCKET, False): "sts:AssumeRoot, s3:DeleteBucketPolicy, s3:DeleteBucket",
    (StateField.QUEUE, True): "sqs:CreateQueue, sqs:SetQueueAttributes",
    (StateField.QUEUE, False): "sts:AssumeRoot, sqs:SetQueueAttributes, sqs:DeleteQueue",
    (StateField.POLICY, True): "organizations:CreatePolicy, organizations:AttachPolicy",
    (StateField.POLICY, False): "organizations:DetachPolicy, organizations:DeletePolicy",
    (StateField.STACK, True): "cdk deploy",
    (StateField.STACK, False): "cloudformation:DeleteStack, s3:DeleteObject, s3:DeleteBucket",
}
SUBJECTS: dict[StateField, str] = {
    StateField.TRUSTED_ACCESS: "trusted access of IAM in the organization",
    StateField.CREDENTIALS: f"the feature {CREDENTIALS}",
    StateField.SESSIONS: f"the feature {SESSIONS}",
    StateField.DELEGATE: "the registration of the delegated administrator",
    StateField.USER: "a user without policies in the management account",
    StateField.PASSWORD: "the root password of the member account",
    StateField.BUCKET: "an empty bucket in the member account",
    StateField.QUEUE: "an empty queue in the member account",
    StateField.POLICY: "a service control policy on the member account",
    StateField.STACK: "a stack in the management account",
}


def _tolerate(callers: Callers, call: Callable[[], Any], *codes: str) -> None:
    """Call patiently; a refusal with one of these codes means that it is done already."""
    try:
        callers.patiently(call, final=codes)
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise


def set_trusted_access(callers: Callers, value: bool) -> None:
    """Enable or disable IAM's trusted access."""
    organizations = callers.own("organizations")
    change = organizations.enable_aws_service_access if value else organizations.disable_aws_service_access
    callers.patiently(functools.partial(change, ServicePrincipal=PRINCIPAL))
    if value:
        callers.patiently(callers.own("iam").list_organizations_features)


def set_feature(callers: Callers, value: bool, *, feature: str) -> None:
    """Enable or disable a feature."""
    operation = f"{'enable' if value else 'disable'}_organizations_{xform_name(feature)}"
    callers.patiently(getattr(callers.own("iam"), operation))


def set_delegate(callers: Callers, value: bool) -> None:
    """Register or deregister the delegate; nobody else of the run's accounts stays registered."""
    organizations, names = callers.own("organizations"), callers.names
    # The member account is registered only by a case that has two administrators.
    for account_id, wanted in ((names.member, False), (names.delegate, value)):
        if account_id is None:
            continue
        change, done = (
            (organizations.register_delegated_administrator, "AccountAlreadyRegisteredException")
            if wanted
            else (organizations.deregister_delegated_administrator, "AccountNotRegisteredException")
        )
        _tolerate(callers, functools.partial(change, AccountId=account_id, ServicePrincipal=PRINCIPAL), done)


def set_user(callers: Callers, value: bool) -> None:
    """Create the user without policies, or delete it with its keys."""
    iam, name = callers.own("iam"), callers.names.own_name
    if value:
        _tolerate(callers, lambda: iam.create_user(UserName=name), "EntityAlreadyExists")
        return
    callers.forget_user()
    try:
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName=name)
    except iam.exceptions.NoSuchEntityException:
        return


def set_password(callers: Callers, value: bool) -> None:
    """Allow the recovery of the root password, or delete it."""
    if value:
        _tolerate(callers, callers.root("iam", RECOVER).create_login_profile, "EntityAlreadyExists")
    else:
        _tolerate(callers, callers.root("iam", DELETE).delete_login_profile, "NoSuchEntity")


def set_bucket(callers: Callers, value: str | None) -> None:
    """Create the bucket, lock it, unlock it, or delete it."""
    s3, name = callers.member("s3"), callers.names.own_name
    if value is None:
        _tolerate(callers, lambda: _unlock_bucket(callers), "NoSuchBucket")
        _tolerate(callers, lambda: s3.delete_bucket(Bucket=name), "NoSuchBucket")
        return
    region = callers.names.region
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    if not _has_bucket(callers):
        s3.create_bucket(Bucket=name, **location)
    if value == "locked":
        policy = locking_policy("s3", f"arn:aws:s3:::{name}")
        callers.patiently(lambda: s3.put_bucket_policy(Bucket=name, Policy=policy))
    else:
        _unlock_bucket(callers)


def _unlock_bucket(callers: Callers) -> None:
    callers.root("s3", UNLOCK_BUCKET).delete_bucket_policy(Bucket=callers.names.own_name)


def _has_bucket(callers: Callers) -> bool:
    buckets = callers.member("s3").list_buckets()["Buckets"]
    return any(bucket["Name"] == callers.names.own_name for bucket in buckets)


def set_queue(callers: Callers, value: str | None) -> None:
    """Create the queue, lock it, unlock it, or delete it."""
    sqs, names = callers.member("sqs"), callers.names
    url = find_queue_url(callers)
    if value is None:
        if url is not None:
            _unlock_queue(callers, url)
            # A policy that was removed still acts for a while.
            callers.patiently(lambda: sqs.delete_queue(QueueUrl=url))
        return
    if url is None:
        url = callers.patiently(lambda: sqs.create_queue(QueueName=names.own_name))["QueueUrl"]
    if value == "locked":
        policy = locking_policy("sqs", names.queue_arn)
        callers.patiently(lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy}))
    else:
        _unlock_queue(callers, url)


def _unlock_queue(callers: Callers, url: str) -> None:
    sqs = callers.root("sqs", UNLOCK_QUEUE)
    _tolerate(
        callers,
        lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""}),
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    )


def find_queue_url(callers: Callers) -> str | None:
    """Return the URL of the run's queue. A policy of the queue does not affect the list of queues."""
    found = callers.member("sqs").list_queues(QueueNamePrefix=callers.names.own_name).get("QueueUrls", [])
    return next(iter(found), None)


def set_policy(callers: Callers, value: str | None) -> None:
    """Create a service control policy and attach it to the member, or detach and delete it."""
    organizations, names = callers.own("organizations"), callers.names
    policy_id = find_policy(callers)
    if policy_id is not None:
        _tolerate(
            callers,
            lambda: organizations.detach_policy(PolicyId=policy_id, TargetId=names.member),
            "PolicyNotAttachedException",
        )
        _tolerate(callers, lambda: organizations.delete_policy(PolicyId=policy_id), "PolicyNotFoundException")
    if value is not None:
        created = organizations.create_policy(
            Name=names.own_name,
            Description="Created by the acceptance suite of centralized-root-access.",
            Content=SERVICE_CONTROL_POLICIES[value],
            Type=_SCP,
        )
        policy_id = created["Policy"]["PolicySummary"]["Id"]
        callers.patiently(lambda: organizations.attach_policy(PolicyId=policy_id, TargetId=names.member))


def find_policy(callers: Callers) -> str | None:
    """Return the id of the run's service control policy, or None if there is none."""
    pages = callers.own("organizations").get_paginator("list_policies").paginate(Filter=_SCP)
    for page in pages:
        for policy in page["Policies"]:
            if policy["Name"] == callers.names.own_name:
                return str(policy["Id"])
    return None


def has_service_control_policies(callers: Callers) -> bool:
    """Return whether the organization has service control policies."""
    pages = callers.own("organizations").get_paginator("list_roots").paginate()
    types = [kind for page in pages for root in page["Roots"] for kind in root["PolicyTypes"]]
    return any(kind["Type"] == _SCP and kind["Status"] == "ENABLED" for kind in types)


def observe_root_access(callers: Callers) -> State:
    """Return trusted access, the features and the delegate; nothing of the member account."""
    organizations = callers.own("organizations")
    pages = organizations.get_paginator("list_aws_service_access_for_organization").paginate()
    services = [entry["ServicePrincipal"] for page in pages for entry in page["EnabledServicePrincipals"]]
    if PRINCIPAL not in services:
        return State(trusted_access=False, credentials=None, sessions=None)
    features = callers.patiently(callers.own("iam").list_organizations_features).get("EnabledFeatures", [])
    delegates = set(find_delegates(callers))
    return State(
        trusted_access=True,
        credentials=CREDENTIALS in features,
        sessions=SESSIONS in features,
        delegate="also another account"
        if callers.names.member in delegates
        else bool(delegates & {callers.names.delegate}),
    )


def find_delegates(callers: Callers) -> list[str]:
    """Return the delegated administrators for IAM."""
    pages = callers.own("organizations").get_paginator("list_delegated_administrators")
    return [
        account["Id"]
        for page in pages.paginate(ServicePrincipal=PRINCIPAL)
        for account in page["DelegatedAdministrators"]
    ]


def account_summary(callers: Callers) -> dict[str, int]:
    """Return what GetAccountSummary says about the member's root user; a role may ask for it as well."""
    summary: dict[str, int] = callers.member("iam").get_account_summary()["SummaryMap"]
    return summary


def find_root_credentials(callers: Callers) -> list[str]:
    """Return which root credentials the member account has, by their keys in the summary."""
    keys = (
        PASSWORD_PRESENT,
        "AccountAccessKeysPresent",
        "AccountMFAEnabled",
        "AccountSigningCertificatesPresent",
    )
    summary = account_summary(callers)
    return [key for key in keys if summary.get(key)]


def has_password(callers: Callers) -> bool:
    """Return whether the member's root user has a password."""
    return bool(account_summary(callers)[PASSWORD_PRESENT])


def has_user(callers: Callers) -> bool:
    """Return whether the user without policies exists."""
    iam = callers.own("iam")
    try:
        iam.get_user(UserName=callers.names.own_name)
    except iam.exceptions.NoSuchEntityException:
        return False
    return True


def find_bucket(callers: Callers) -> str | None:
    """Return "locked" if the bucket exists: nobody but a root session may be able to look."""
    return "locked" if _has_bucket(callers) else None


def find_queue(callers: Callers) -> str | None:
    """Return "locked" if the queue exists, for the same reason."""
    return "locked" if find_queue_url(callers) else None


SETTERS: dict[StateField, Setter] = {
    StateField.TRUSTED_ACCESS: set_trusted_access,
    StateField.CREDENTIALS: functools.partial(set_feature, feature=CREDENTIALS),
    StateField.SESSIONS: functools.partial(set_feature, feature=SESSIONS),
    StateField.DELEGATE: set_delegate,
    StateField.USER: set_user,
    StateField.PASSWORD: set_password,
    StateField.BUCKET: set_bucket,
    StateField.QUEUE: set_queue,
    StateField.POLICY: set_policy,
}
FINDERS: dict[StateField, Callable[[Callers], Any]] = {
    StateField.USER: has_user,
    StateField.PASSWORD: has_password,
    StateField.BUCKET: find_bucket,
    StateField.QUEUE: find_queue,
    StateField.POLICY: find_policy,
}


def observe(
    callers: Callers, resources: frozenset[StateField], *, deployment: Deployment | None = None
) -> State:
    """Return the state of these resources and of root access; of the others, that there is nothing."""
    state = observe_root_access(callers)
    found = {resource.value: find(callers) for resource, find in FINDERS.items() if resource in resources}
    if deployment is not None and StateField.STACK in resources:
        found[StateField.STACK.value] = deployment.find()
    return State(**{**vars(state), **found})


NEEDED_FEATURES: dict[StateField, StateField] = {
    StateField.PASSWORD: StateField.CREDENTIALS,
    StateField.BUCKET: StateField.SESSIONS,
    StateField.QUEUE: StateField.SESSIONS,
}
