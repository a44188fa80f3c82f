"""The changes of a run: how each resource is set to a value, and how its value is found.

A run may be killed at any point, so each setter also works when its change, or half of it, is there
already.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from botocore import xform_name

from acceptance.callers import DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE, Callers, ignoring
from acceptance.model import MEASUREMENT, Call
from acceptance.policies import POLICIES, locking_policy
from acceptance.state import CREDENTIALS, SESSIONS, State, StateField

PRINCIPAL = "iam.amazonaws.com"
_NO_BUCKET = "NoSuchBucket"
_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

# What a call of a case may change. The run itself makes the same calls, so it can restore that.
_CHANGED_BY: Mapping[str, StateField] = {
    "organizations:EnableAWSServiceAccess": StateField.TRUSTED_ACCESS,
    "organizations:DisableAWSServiceAccess": StateField.TRUSTED_ACCESS,
    "iam:EnableOrganizationsRootCredentialsManagement": StateField.CREDENTIALS,
    "iam:DisableOrganizationsRootCredentialsManagement": StateField.CREDENTIALS,
    "iam:EnableOrganizationsRootSessions": StateField.SESSIONS,
    "iam:DisableOrganizationsRootSessions": StateField.SESSIONS,
    "organizations:RegisterDelegatedAdministrator": StateField.DELEGATE,
    "organizations:DeregisterDelegatedAdministrator": StateField.DELEGATE,
    "iam:CreateLoginProfile": StateField.PASSWORD,
    "iam:DeleteLoginProfile": StateField.PASSWORD,
    "s3:PutBucketPolicy": StateField.BUCKET,
    "s3:DeleteBucketPolicy": StateField.BUCKET,
    "sqs:SetQueueAttributes": StateField.QUEUE,
}
# The cases call these for what does not exist.
_CHANGES_NOTHING = (
    "iam:DeleteAccessKey",
    "iam:DeactivateMFADevice",
    "iam:DeleteSigningCertificate",
    "iam:UpdateAccessKey",
)
_READS = ("Assume", "Describe", "Get", "List", "Lookup")

SUBJECTS: dict[StateField, str] = {
    StateField.TRUSTED_ACCESS: "trusted access of IAM in the organization",
    StateField.CREDENTIALS: f"the feature {CREDENTIALS}",
    StateField.SESSIONS: f"the feature {SESSIONS}",
    StateField.DELEGATE: "the registration of the delegated administrator",
    StateField.PASSWORD: "the root password of the member account",
    StateField.BUCKET: "an empty bucket in the member account",
    StateField.QUEUE: "an empty queue in the member account",
    StateField.POLICY: "a policy on the member account or the delegate",
}


def field_changed_by(call: Call) -> StateField | None:
    """Return what a call of a case may change, or None if it only reads.

    Raises:
        ValueError: The call changes something that the run could not restore.
    """
    service, operation = call.operation.split(":")
    if service == MEASUREMENT:
        return None
    if operation.startswith(_READS) or call.operation in _CHANGES_NOTHING:
        return None
    if call.operation not in _CHANGED_BY:
        raise ValueError(f"A run could not restore what {call.operation} changes.")
    return _CHANGED_BY[call.operation]


def _tolerate(callers: Callers, call: Callable[[], Any], *codes: str) -> None:
    """Call patiently; a refusal with one of these codes means that it is done already."""
    with ignoring(*codes):
        callers.patiently(call, final=codes)


def set_trusted_access(callers: Callers, value: bool) -> None:
    """Enable or disable IAM's trusted access."""
    organizations = callers.own("organizations")
    change = organizations.disable_aws_service_access
    if value:
        change = organizations.enable_aws_service_access
    callers.patiently(functools.partial(change, ServicePrincipal=PRINCIPAL))
    if value:
        callers.patiently(callers.own("iam").list_organizations_features)


def set_feature(callers: Callers, value: bool, *, feature: str) -> None:
    """Enable or disable a feature."""
    verb = "enable" if value else "disable"
    operation = f"{verb}_organizations_{xform_name(feature)}"
    callers.patiently(getattr(callers.own("iam"), operation))


def set_delegate(callers: Callers, value: bool) -> None:
    """Register or deregister the delegate; the run's other account does not stay registered."""
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
        _tolerate(
            callers,
            functools.partial(change, AccountId=account_id, ServicePrincipal=PRINCIPAL),
            done,
        )


def set_password(callers: Callers, value: bool) -> None:
    """Allow the recovery of the root password, or delete it."""
    if value:
        _tolerate(callers, callers.root("iam", RECOVER).create_login_profile, "EntityAlreadyExists")
    else:
        _tolerate(callers, callers.root("iam", DELETE).delete_login_profile, "NoSuchEntity")


def set_bucket(callers: Callers, value: str | None, *, name: str = "", **options: bool) -> None:
    """Create a bucket, lock it, unlock it, or delete it, without a list of buckets, which lags.

    Args:
        callers: The clients.
        value: Its policy, "open" or "locked"; None to delete it.
        name: Its name; by default that of the run's bucket.
        **options: More parameters of PutBucketPolicy.
    """
    name = name or callers.names.own_name
    _tolerate(
        callers,
        lambda: callers.root("s3", UNLOCK_BUCKET).delete_bucket_policy(Bucket=name),
        _NO_BUCKET,
    )
    if value is None:
        # A policy that was removed still acts for a while.
        _tolerate(callers, lambda: callers.member("s3").delete_bucket(Bucket=name), _NO_BUCKET)
        return
    s3, region = callers.member("s3"), callers.names.region
    location = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    # In us-east-1 S3 refuses a location.
    placed = {} if region == "us-east-1" else location
    # For a while its name may still be that of the bucket that was deleted before.
    _tolerate(callers, lambda: s3.create_bucket(Bucket=name, **placed), "BucketAlreadyOwnedByYou")
    if value == "locked":
        policy = locking_policy("s3", f"arn:aws:s3:::{name}")
        # By root, as a task that puts a policy back does.
        root = callers.root("s3", UNLOCK_BUCKET)
        callers.patiently(lambda: root.put_bucket_policy(Bucket=name, Policy=policy, **options))


def set_queue(callers: Callers, value: str | None) -> None:
    """Create the queue, lock it, unlock it, or delete it, without a list of queues, which lags."""
    sqs, names, url = callers.member("sqs"), callers.names, queue_url(callers)
    root = callers.root("sqs", UNLOCK_QUEUE)
    _tolerate(
        callers,
        lambda: root.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""}),
        *_NO_QUEUE,
    )
    if value is None:
        # A policy that was removed still acts for a while.
        _tolerate(callers, lambda: sqs.delete_queue(QueueUrl=url), *_NO_QUEUE)
        return
    callers.patiently(lambda: sqs.create_queue(QueueName=names.own_name))
    policy = locking_policy("sqs", names.queue_arn) if value == "locked" else ""
    # Also of an open one: a new queue is not found for a while, and a case's own call does not wait
    # for it.
    callers.patiently(lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy}))


def queue_url(callers: Callers) -> str:
    """Return the URL of the run's queue."""
    endpoint = callers.member("sqs").meta.endpoint_url
    return f"{endpoint}/{callers.names.member}/{callers.names.own_name}"


def set_policy(callers: Callers, value: str | None) -> None:
    """Create a policy and attach it, or detach and delete it."""
    organizations, names = callers.own("organizations"), callers.names
    # The list lags: it may lack the run's policy, or have one that is deleted.
    policy_id = callers.policy_id or find_policy(callers)
    if policy_id is not None:
        for account_id in filter(None, (names.member, names.delegate)):
            detach = functools.partial(
                organizations.detach_policy, PolicyId=policy_id, TargetId=account_id
            )
            _tolerate(callers, detach, "PolicyNotAttachedException", "PolicyNotFoundException")
        _tolerate(
            callers,
            lambda: organizations.delete_policy(PolicyId=policy_id),
            "PolicyNotFoundException",
        )
        callers.policy_id = None
    if value is not None:
        policy = POLICIES[value]
        created = callers.patiently(
            lambda: organizations.create_policy(
                Name=names.own_name,
                Description="Created by the acceptance suite of centralized-root-access.",
                Content=policy.content,
                Type=policy.type,
            )
        )
        callers.policy_id = created["Policy"]["PolicySummary"]["Id"]
        attached = {"PolicyId": callers.policy_id, "TargetId": names.to_real(policy.account)}
        callers.patiently(lambda: organizations.attach_policy(**attached))


def find_policy(callers: Callers) -> str | None:
    """Return the ID of the run's policy, or None if there is none."""
    list_policies = callers.own("organizations").get_paginator("list_policies")
    for type_ in policy_types(callers):
        for page in list_policies.paginate(Filter=type_):
            for policy in page["Policies"]:
                if policy["Name"] == callers.names.own_name:
                    return str(policy["Id"])
    return None


def policy_types(callers: Callers) -> frozenset[str]:
    """Return the enabled types of policies, of those that the run attaches."""
    pages = callers.own("organizations").get_paginator("list_roots").paginate()
    types = [type_ for page in pages for root in page["Roots"] for type_ in root["PolicyTypes"]]
    used = {policy.type for policy in POLICIES.values()}
    return frozenset(
        type_["Type"] for type_ in types if type_["Status"] == "ENABLED" and type_["Type"] in used
    )


def observe_root_access(callers: Callers) -> State:
    """Return trusted access, the features and the delegate; nothing of the member account."""
    organizations = callers.own("organizations")
    pages = organizations.get_paginator("list_aws_service_access_for_organization").paginate()
    services = [
        entry["ServicePrincipal"] for page in pages for entry in page["EnabledServicePrincipals"]
    ]
    if PRINCIPAL not in services:
        return State(trusted_access=False, credentials=None, sessions=None)
    features = callers.patiently(callers.own("iam").list_organizations_features).get(
        "EnabledFeatures", []
    )
    delegates = set(find_delegates(callers))
    delegate: bool | str = bool(delegates)
    if delegates - {callers.names.delegate}:
        delegate = "also another account"
    return State(
        trusted_access=True,
        credentials=CREDENTIALS in features,
        sessions=SESSIONS in features,
        delegate=delegate,
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
    """Return what GetAccountSummary says about the member's root user, also to a role."""
    summary: dict[str, int] = callers.member("iam").get_account_summary()["SummaryMap"]
    return summary


def find_root_credentials(callers: Callers) -> list[str]:
    """Return which root credentials the member account has, by their keys in the summary."""
    keys = (
        "AccountPasswordPresent",
        "AccountAccessKeysPresent",
        "AccountMFAEnabled",
        "AccountSigningCertificatesPresent",
    )
    summary = account_summary(callers)
    return [key for key in keys if summary.get(key)]


SETTERS: dict[StateField, Callable[[Callers, Any], None]] = {
    StateField.TRUSTED_ACCESS: set_trusted_access,
    StateField.CREDENTIALS: functools.partial(set_feature, feature=CREDENTIALS),
    StateField.SESSIONS: functools.partial(set_feature, feature=SESSIONS),
    StateField.DELEGATE: set_delegate,
    StateField.PASSWORD: set_password,
    StateField.BUCKET: set_bucket,
    StateField.QUEUE: set_queue,
    StateField.POLICY: set_policy,
}
NEEDED_FEATURES: dict[StateField, StateField] = {
    StateField.PASSWORD: StateField.CREDENTIALS,
    StateField.BUCKET: StateField.SESSIONS,
    StateField.QUEUE: StateField.SESSIONS,
}
