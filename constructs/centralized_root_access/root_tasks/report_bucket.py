"""The bucket of RootTasks: reports, plans and backups."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct

_REPORT_RETENTION = Duration.days(400)
_NONCURRENT_RETENTION = Duration.days(90)
# Except when their creation is rolled back: the bucket is empty then.
_REMOVAL_POLICY = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


def report_bucket(scope: Construct, *, encryption_key: kms.IKey | None) -> s3.Bucket:
    """Return the bucket, without the statements of its policy that say who may write.

    Args:
        scope: The construct that it belongs to.
        encryption_key: The KMS key; None: S3 has its own.
    """
    encryption = s3.BucketEncryption.S3_MANAGED
    bucket_key_enabled = None
    if encryption_key is not None:
        encryption = s3.BucketEncryption.KMS
        bucket_key_enabled = True
    # Nothing expires below backups/, because a policy can be given back at any time, nor below
    # latest/, which is there until the next audit replaces it.
    lifecycle_rules = [
        s3.LifecycleRule(
            prefix=prefix,
            expiration=_REPORT_RETENTION,
            noncurrent_version_expiration=_NONCURRENT_RETENTION,
        )
        for prefix in ("runs/", "executions/", "recoveries/")
    ]
    lifecycle_rules += [
        s3.LifecycleRule(prefix="latest/", noncurrent_version_expiration=_NONCURRENT_RETENTION),
        s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
    ]
    bucket = s3.Bucket(
        scope,
        "Bucket",
        encryption=encryption,
        encryption_key=encryption_key,
        bucket_key_enabled=bucket_key_enabled,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        versioned=True,
        lifecycle_rules=lifecycle_rules,
        removal_policy=_REMOVAL_POLICY,
    )
    # It protects what stays: a backup is the only copy of a policy.
    cast("s3.BucketPolicy", bucket.policy).apply_removal_policy(_REMOVAL_POLICY)
    return bucket
