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
    bucket = s3.Bucket(
        scope,
        "Bucket",
        encryption=s3.BucketEncryption.S3_MANAGED
        if encryption_key is None
        else s3.BucketEncryption.KMS,
        encryption_key=encryption_key,
        bucket_key_enabled=None if encryption_key is None else True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        versioned=True,
        lifecycle_rules=[
            # Not for backups/: a policy can be given back at any time.
            *(
                s3.LifecycleRule(
                    prefix=prefix,
                    expiration=_REPORT_RETENTION,
                    noncurrent_version_expiration=_NONCURRENT_RETENTION,
                )
                for prefix in ("runs/", "executions/")
            ),
            s3.LifecycleRule(prefix="latest/", noncurrent_version_expiration=_NONCURRENT_RETENTION),
            s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
        ],
        removal_policy=_REMOVAL_POLICY,
    )
    # It protects what stays: a backup is the only copy of a policy.
    cast("s3.BucketPolicy", bucket.policy).apply_removal_policy(_REMOVAL_POLICY)
    return bucket
