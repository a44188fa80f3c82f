"""The cases in a disposable member account: credentials, a bucket, a queue, a policy."""

from __future__ import annotations

from functools import partial
from typing import Any

from acceptance.callers import AUDIT, DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE
from acceptance.cases._build import (
    CREDENTIALS,
    EVERYTHING,
    NO_ENFORCEMENT,
    PASSWORD,
    SESSION,
    SESSIONS,
    TRUSTED_ACCESS,
    case,
    refusal,
    succeeds,
    task,
)
from acceptance.model import MEMBER, ROOT_SESSION, Case, Level, Response, Source
from acceptance.policies import locking_policy

_case = partial(case, level=Level.MEMBER)

_BUCKET = "{bucket}"
_BUCKET_ARN = f"arn:aws:s3:::{_BUCKET}"
_QUEUE = "{queue url}"
_ROOT = f"arn:aws:iam::{MEMBER}:root"


def _in_session(
    name: str,
    operation: str,
    response: Response,
    *,
    policy: str,
    given: tuple[str, ...] = (),
    source: Source = Source.ASSUMED,
    **more: Any,
) -> Case:
    """Return a case of a call in a root session."""
    needed = SESSIONS if policy in (UNLOCK_BUCKET, UNLOCK_QUEUE) else CREDENTIALS
    return _case(
        name,
        operation,
        response,
        given=(TRUSTED_ACCESS, needed, *given, f"root session {policy}"),
        caller=ROOT_SESSION,
        source=source,
        **more,
    )


def _denial(operation: str, *, resource: str = _ROOT) -> Response:
    return refusal(
        "AccessDenied",
        f"User: {{caller}} is not authorized to perform: {operation} on resource: {resource} "
        "with an explicit deny in a session policy",
        http=403,
    )


_LISTS = (
    ("ListAccessKeys", "AccessKeyMetadata"),
    ("ListMFADevices", "MFADevices"),
    ("ListSigningCertificates", "Certificates"),
)

_CREDENTIALS = [
    _in_session(
        "the caller in a root session is the root user",
        "sts:GetCallerIdentity",
        succeeds({"Account": MEMBER, "Arn": _ROOT, "UserId": MEMBER}),
        policy=AUDIT,
        source=Source.DOCUMENTED,
    ),
    *(
        _in_session(
            f"a session that deletes may call {operation}",
            f"iam:{operation}",
            succeeds({members: []}),
            policy=DELETE,
            source=Source.DOCUMENTED,
        )
        for operation, members in _LISTS
    ),
    _in_session(
        "a session that deletes may look for the password",
        "iam:GetLoginProfile",
        refusal("NoSuchEntity", http=404),
        policy=DELETE,
        source=Source.DOCUMENTED,
    ),
    _in_session(
        "a session that allows recovery may look for the password",
        "iam:GetLoginProfile",
        refusal("NoSuchEntity", http=404),
        policy=RECOVER,
        source=Source.DOCUMENTED,
    ),
    _in_session(
        "a session that deletes cannot get the account's summary",
        "iam:GetAccountSummary",
        _denial("iam:GetAccountSummary", resource="*"),
        policy=DELETE,
        source=Source.DOCUMENTED,
    ),
    _in_session(
        "a session that audits cannot delete the password",
        "iam:DeleteLoginProfile",
        _denial("iam:DeleteLoginProfile"),
        policy=AUDIT,
        given=(PASSWORD,),
        source=Source.DOCUMENTED,
        afterwards={"AccountPasswordPresent": 1},
    ),
    _in_session(
        "a session that audits cannot allow recovery",
        "iam:CreateLoginProfile",
        _denial("iam:CreateLoginProfile"),
        policy=AUDIT,
        source=Source.DOCUMENTED,
        afterwards={"AccountPasswordPresent": 0},
    ),
    _in_session(
        "a session that allows recovery cannot delete the password",
        "iam:DeleteLoginProfile",
        _denial("iam:DeleteLoginProfile"),
        policy=RECOVER,
        given=(PASSWORD,),
        source=Source.DOCUMENTED,
        afterwards={"AccountPasswordPresent": 1},
    ),
    _in_session(
        "an access key cannot be deactivated first",
        "iam:UpdateAccessKey",
        refusal("AccessDenied", http=403),
        policy=DELETE,
        source=Source.DOCUMENTED,
        AccessKeyId="AKIAIOSFODNN7EXAMPLE",
        Status="Inactive",
    ),
    _in_session(
        "the users of the account are out of reach",
        "iam:ListUsers",
        refusal("AccessDenied", http=403),
        policy=AUDIT,
        source=Source.DOCUMENTED,
    ),
    _in_session(
        "a named user is out of reach",
        "iam:GetUser",
        refusal("AccessDenied", http=403),
        policy=AUDIT,
        source=Source.DOCUMENTED,
        UserName="root-access-acceptance",
    ),
    _in_session(
        "the last use of a key of somebody else is out of reach",
        "iam:GetAccessKeyLastUsed",
        refusal("AccessDenied", http=403),
        policy=AUDIT,
        AccessKeyId="AKIAIOSFODNN7EXAMPLE",
    ),
    _in_session(
        "deleting a missing password is NoSuchEntity",
        "iam:DeleteLoginProfile",
        refusal("NoSuchEntity", http=404),
        policy=DELETE,
        source=Source.DOCUMENTED,
        afterwards={"AccountPasswordPresent": 0},
    ),
    _in_session(
        "deleting a missing access key is NoSuchEntity",
        "iam:DeleteAccessKey",
        refusal("NoSuchEntity", http=404),
        policy=DELETE,
        AccessKeyId="AKIAIOSFODNN7EXAMPLE",
    ),
    _in_session(
        "deactivating a missing MFA device is NoSuchEntity",
        "iam:DeactivateMFADevice",
        refusal("NoSuchEntity", http=404),
        policy=DELETE,
        SerialNumber=f"arn:aws:iam::{MEMBER}:mfa/root-access-acceptance",
    ),
    _in_session(
        "deleting a missing signing certificate is NoSuchEntity",
        "iam:DeleteSigningCertificate",
        refusal("NoSuchEntity", http=404),
        policy=DELETE,
        CertificateId="TA7SMP42TDN5Z26OBPJE7EXAMPLE",
    ),
    _in_session(
        "a session that allows recovery cannot choose the password",
        "iam:CreateLoginProfile",
        refusal("ValidationError", http=400),
        policy=RECOVER,
        afterwards={"AccountPasswordPresent": 0},
        Password="not-a-secret-Password-1",
    ),
    _in_session(
        "an existing password has a creation date",
        "iam:GetLoginProfile",
        succeeds({"LoginProfile": {"CreateDate": "{time}", "PasswordResetRequired": "{any}"}}),
        policy=AUDIT,
        given=(PASSWORD,),
        source=Source.DOCUMENTED,
    ),
    _in_session(
        "the summary shows a root password at once",
        "iam:GetAccountSummary",
        succeeds({"SummaryMap": {"AccountPasswordPresent": 1, "{and more}": True}}),
        policy=AUDIT,
        given=(PASSWORD,),
        source=Source.ASSUMED,
        measures="time until a password is visible",
    ),
    _in_session(
        "a deleted root password is NoSuchEntity at once",
        "iam:GetLoginProfile",
        refusal("NoSuchEntity", http=404),
        policy=AUDIT,
        given=(PASSWORD, f"no {PASSWORD}"),
        measures="time until a deletion is visible",
    ),
    _in_session(
        "a password that was never used has no last use",
        "iam:GetUser",
        succeeds({"User": {"UserId": MEMBER, "Arn": _ROOT, "CreateDate": "{time}"}}),
        policy=AUDIT,
        given=(PASSWORD,),
    ),
    _in_session(
        "a root session cannot read the organization",
        "organizations:DescribeOrganization",
        refusal("AccessDeniedException", http=400),
        policy=AUDIT,
    ),
]

_BUCKETS = [
    _case(
        "a locking policy locks out the owner of the bucket",
        "s3:GetBucketPolicy",
        refusal("AccessDenied", http=403),
        given=("bucket locked",),
        caller=MEMBER,
        local=NO_ENFORCEMENT,
        Bucket=_BUCKET,
    ),
    _in_session(
        "a root session reads the policy of a locked bucket",
        "s3:GetBucketPolicy",
        succeeds({"Policy": "{text}"}),
        policy=UNLOCK_BUCKET,
        given=("bucket locked",),
        source=Source.DOCUMENTED,
        Bucket=_BUCKET,
    ),
    _in_session(
        "a root session deletes the policy of a locked bucket",
        "s3:DeleteBucketPolicy",
        succeeds(),
        policy=UNLOCK_BUCKET,
        given=("bucket locked",),
        source=Source.DOCUMENTED,
        Bucket=_BUCKET,
    ),
    _in_session(
        "a bucket without a policy is NoSuchBucketPolicy",
        "s3:GetBucketPolicy",
        refusal("NoSuchBucketPolicy", http=404),
        policy=UNLOCK_BUCKET,
        given=("bucket open",),
        source=Source.DOCUMENTED,
        Bucket=_BUCKET,
    ),
    _in_session(
        "deleting a missing policy of a bucket succeeds",
        "s3:DeleteBucketPolicy",
        succeeds(),
        policy=UNLOCK_BUCKET,
        given=("bucket open",),
        source=Source.DOCUMENTED,
        Bucket=_BUCKET,
    ),
    _in_session(
        "a root session restores the policy of a bucket",
        "s3:PutBucketPolicy",
        succeeds(),
        policy=UNLOCK_BUCKET,
        given=("bucket open",),
        source=Source.DOCUMENTED,
        Bucket=_BUCKET,
        Policy=locking_policy("s3", _BUCKET_ARN),
    ),
    _in_session(
        "a root session lists the buckets",
        "s3:ListBuckets",
        succeeds({"Buckets": ["{each}", {"CreationDate": "{time}", "{and more}": True}]}),
        policy=UNLOCK_BUCKET,
        given=("bucket locked",),
        source=Source.DOCUMENTED,
    ),
    _in_session(
        "a root session that unlocks a bucket cannot list its objects",
        "s3:ListObjectsV2",
        refusal("AccessDenied", http=403),
        policy=UNLOCK_BUCKET,
        given=("bucket open",),
        source=Source.DOCUMENTED,
        Bucket=_BUCKET,
    ),
    _in_session(
        "a bucket that does not exist is NoSuchBucket",
        "s3:GetBucketPolicy",
        refusal("NoSuchBucket", http=404),
        policy=UNLOCK_BUCKET,
        source=Source.DOCUMENTED,
        Bucket=f"{_BUCKET}-missing",
    ),
]

_QUEUES = [
    _case(
        "a locking policy locks out the owner of the queue",
        "sqs:GetQueueAttributes",
        refusal("AccessDenied", http=403),
        given=("queue locked",),
        caller=MEMBER,
        local=NO_ENFORCEMENT,
        QueueUrl=_QUEUE,
        AttributeNames=["Policy"],
    ),
    _in_session(
        "a root session reads the policy of a locked queue",
        "sqs:GetQueueAttributes",
        succeeds({"Attributes": {"Policy": "{text}"}}),
        policy=UNLOCK_QUEUE,
        given=("queue locked",),
        QueueUrl=_QUEUE,
        AttributeNames=["Policy"],
    ),
    _in_session(
        "an empty policy unlocks a queue",
        "sqs:SetQueueAttributes",
        succeeds(),
        policy=UNLOCK_QUEUE,
        given=("queue locked",),
        QueueUrl=_QUEUE,
        Attributes={"Policy": ""},
    ),
    _in_session(
        "a root session restores the policy of a queue",
        "sqs:SetQueueAttributes",
        succeeds(),
        policy=UNLOCK_QUEUE,
        given=("queue open",),
        source=Source.DOCUMENTED,
        QueueUrl=_QUEUE,
        Attributes={"Policy": locking_policy("sqs", "{queue arn}")},
    ),
    _in_session(
        "a root session finds a locked queue by its name",
        "sqs:GetQueueUrl",
        succeeds({"QueueUrl": "{text}"}),
        policy=UNLOCK_QUEUE,
        given=("queue locked",),
        source=Source.DOCUMENTED,
        QueueName=_BUCKET,
    ),
    _in_session(
        "a root session that audits cannot look at a queue",
        "sqs:GetQueueAttributes",
        refusal("AccessDenied", http=403),
        policy=AUDIT,
        given=(SESSIONS, "queue open"),
        source=Source.DOCUMENTED,
        QueueUrl=_QUEUE,
        AttributeNames=["All"],
    ),
]

_PRODUCT = [
    _case(
        "the audit finds an account without root credentials clean",
        "product:Audit",
        succeeds({"outcome": "clean", "items": []}),
        given=(TRUSTED_ACCESS, CREDENTIALS),
    ),
    _case(
        "the audit finds a root password",
        "product:Audit",
        succeeds({"outcome": "has credentials"}),
        given=(TRUSTED_ACCESS, CREDENTIALS, PASSWORD),
    ),
    _case(
        "a plan of the recovery of a password changes nothing",
        "product:Plan",
        succeeds({"outcome": "planned"}),
        given=(TRUSTED_ACCESS, CREDENTIALS),
        afterwards={"AccountPasswordPresent": 0},
        task="recover",
    ),
    _case(
        "the recovery of a password is allowed",
        "product:Execute",
        succeeds({"outcome": "done"}),
        given=(TRUSTED_ACCESS, CREDENTIALS),
        afterwards={"AccountPasswordPresent": 1},
        task="recover",
    ),
    _case(
        "a plan of a deletion lists the password and changes nothing",
        "product:Plan",
        succeeds({"outcome": "planned", "items": [{"type": "password", "outcome": "planned"}]}),
        given=(TRUSTED_ACCESS, CREDENTIALS, PASSWORD),
        afterwards={"AccountPasswordPresent": 1},
        task="delete",
    ),
    _case(
        "a password is deleted",
        "product:Execute",
        succeeds({"outcome": "done", "items": [{"type": "password", "outcome": "done"}]}),
        given=(TRUSTED_ACCESS, CREDENTIALS, PASSWORD),
        afterwards={"AccountPasswordPresent": 0},
        task="delete",
    ),
    *(
        made
        for kind in ("bucket", "queue")
        for made in (
            _case(
                f"a plan finds the policy of a locked {kind}",
                "product:Plan",
                succeeds({"outcome": "planned"}),
                given=(TRUSTED_ACCESS, SESSIONS, f"{kind} locked"),
                task=kind,
            ),
            _case(
                f"a locked {kind} is unlocked",
                "product:Execute",
                succeeds({"outcome": "done"}),
                given=(TRUSTED_ACCESS, SESSIONS, f"{kind} locked"),
                task=kind,
            ),
            _case(
                f"the policy of an unlocked {kind} is restored",
                "product:Restore",
                succeeds({"outcome": "done"}),
                given=(TRUSTED_ACCESS, SESSIONS, f"{kind} locked"),
                task=kind,
            ),
            _case(
                f"an open {kind} needs nothing",
                "product:Plan",
                succeeds({"outcome": "nothing to do"}),
                given=(TRUSTED_ACCESS, SESSIONS, f"{kind} open"),
                task=kind,
            ),
        )
    ),
]

_EXPLICIT_DENY = (
    "User: {caller} is not authorized to perform: iam:%s on resource: %s with an explicit deny in a service "
    "control policy: arn:aws:organizations::111111111111:policy/{organization id}/service_control_policy/"
    "{policy id}"
)


def _under_policy(
    name: str, operation: str, response: Response, *, policy: str, given: tuple[str, ...] = (), **more: Any
) -> Case:
    """Return a case of a call in an audit session under a service control policy."""
    return _case(
        name,
        operation,
        response,
        given=(TRUSTED_ACCESS, CREDENTIALS, f"policy {policy} attached", *given, f"root session {AUDIT}"),
        caller=ROOT_SESSION,
        **more,
    )


_POLICIES = [
    _under_policy(
        "a policy that exempts root sessions lets an audit through",
        "iam:GetAccountSummary",
        succeeds({"SummaryMap": {"AccountPasswordPresent": 0, "{and more}": True}}),
        policy="with the exemption",
    ),
    _under_policy(
        "a policy without the exemption denies an audit, and the response names the policy",
        "iam:GetAccountSummary",
        refusal("AccessDenied", _EXPLICIT_DENY % ("GetAccountSummary", "*"), http=403),
        policy="without the exemption",
        measures="time until a service control policy is effective",
    ),
    _under_policy(
        "a policy without the exemption denies what acts on the root user",
        "iam:GetUser",
        refusal("AccessDenied", _EXPLICIT_DENY % ("GetUser", _ROOT), http=403),
        policy="without the exemption",
    ),
    _under_policy(
        "after a policy is detached an audit works again",
        "iam:GetAccountSummary",
        succeeds({"SummaryMap": {"AccountPasswordPresent": 0, "{and more}": True}}),
        policy="without the exemption",
        given=("policy without the exemption detached",),
        measures="time until a detached service control policy is no longer effective",
    ),
    _case(
        "a policy on the member account does not deny AssumeRoot itself",
        "sts:AssumeRoot",
        SESSION,
        given=(TRUSTED_ACCESS, CREDENTIALS, "policy without the exemption attached"),
        source=Source.ASSUMED,
        TargetPrincipal=MEMBER,
        TaskPolicyArn=task(AUDIT),
    ),
    _under_policy(
        "the MFA key is absent in a root session: Bool false does not deny",
        "iam:GetUser",
        succeeds({"User": {"UserId": MEMBER, "{and more}": True}}),
        policy="on bool mfa",
        source=Source.ASSUMED,
    ),
    _under_policy(
        "a root session counts as one without MFA: BoolIfExists false denies",
        "iam:GetUser",
        refusal("AccessDenied", _EXPLICIT_DENY % ("GetUser", _ROOT), http=403),
        policy="on bool if exists mfa",
        source=Source.ASSUMED,
    ),
    _case(
        "a policy on the creation of passwords denies the recovery",
        "iam:CreateLoginProfile",
        refusal("AccessDenied", _EXPLICIT_DENY % ("CreateLoginProfile", _ROOT), http=403),
        given=(TRUSTED_ACCESS, CREDENTIALS, "policy on password attached", f"root session {RECOVER}"),
        caller=ROOT_SESSION,
        afterwards={"AccountPasswordPresent": 0},
    ),
    _under_policy(
        "a policy on the creation of passwords does not deny an audit",
        "iam:GetAccountSummary",
        succeeds({"SummaryMap": {"AccountPasswordPresent": 0, "{and more}": True}}),
        policy="on password",
    ),
    _case(
        "the role in the member account is not affected by a policy on root users",
        "iam:GetAccountSummary",
        succeeds({"SummaryMap": {"AccountPasswordPresent": 0, "{and more}": True}}),
        given=(*EVERYTHING, "policy without the exemption attached"),
        caller=MEMBER,
    ),
]

CASES = (*_CREDENTIALS, *_BUCKETS, *_QUEUES, *_PRODUCT, *_POLICIES)
