"""Which objects of the bucket each function may read and write; no one else may write any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam

from ..base.enums import TASK_IDS, UNLOCK_TASKS, RootTask, read_only_session
from ..base.permissions import allow

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3

# Every action by which an object, a version of it or its tags can change.
_CHANGING_ACTIONS = [
    "s3:DeleteObject*",
    "s3:PutObject*",
    "s3:Replicate*",
    "s3:RestoreObject",
    "s3:UpdateObject*",
]


@dataclass(frozen=True, kw_only=True)
class BucketAccess:
    """A function's access to the bucket, as patterns of keys, for example ``runs/*/report.*``.

    Attributes:
        read: The objects that it may read.
        write: The objects that it may write, and no other principal.
        listed: The prefixes of keys that it may list. A function that reads an object which may not
            exist needs it: to a role that may not list the key, S3 answers AccessDenied instead of
            NoSuchKey.
        versions: The objects whose versions it may list and read.
    """

    read: Sequence[str] = ()
    write: Sequence[str] = ()
    listed: Sequence[str] = ()
    versions: Sequence[str] = ()


def bucket_access(tasks: Sequence[RootTask]) -> dict[str, BucketAccess]:
    """Return the access of each function, by the functions' ids, for example ``WriteReport``.

    Args:
        tasks: The tasks that executions may ask for.
    """
    # What depends on the tasks: backups are of removed policies, and only audits are compared with
    # the latest one, of which a redrive also finds what its run had published.
    backups = ["backups/*"] if UNLOCK_TASKS.intersection(tasks) else []
    latest = ["latest/report.json"] if RootTask.AUDIT in tasks else []
    changes = tasks_with_changes(tasks)
    plan = ["runs/*/plan.json"] if changes else []
    # Executions of recoveries and deletions note there which one is the last of an account. Audits
    # accept the credentials that a recovery brings, by its report.
    recoveries = ["recoveries/*"] if RootTask.RECOVER in tasks else []
    report_of_recovery = ["executions/*/report.json"] if recoveries else []
    closed = ["recoveries/*"] if RootTask.DELETE in tasks else []

    # Audits and plans.
    access = {
        "StartRun": BucketAccess(
            read=["runs/*/run.json"] + backups + recoveries + report_of_recovery,
            write=["runs/*/run.json", "runs/*/work.json"],
            listed=backups + recoveries,
        )
    }
    for id, tasks_of_function in read_only_functions(tasks).items():
        results = [f"runs/*/results/{task}/*" for task in tasks_of_function]
        access[id] = BucketAccess(read=["runs/*/work.json"], write=results)
    access["WriteReport"] = BucketAccess(
        read=["runs/*/run.json", "runs/*/results/*"],
        write=["runs/*/report.*"] + plan + latest,
        listed=["runs/*/results/*"],
        versions=latest,
    )
    if not changes:
        return access

    # Executions of plans.
    # The mark on a plan that was executed: there is no second execution of it.
    mark = ["runs/*/executed-by.json"]
    access["StartExecution"] = BucketAccess(
        read=["runs/*/plan.json"] + mark + ["executions/*/run.json"],
        write=mark + ["executions/*/run.json", "executions/*/work.json"],
    )
    for task in changes:
        results = [f"executions/*/results/{task}/*"]
        # A policy is backed up by the function that removes it.
        if task in UNLOCK_TASKS:
            results += backups
        access[TASK_IDS[task]] = BucketAccess(
            read=["executions/*/work.json", f"executions/*/results/{task}/*.claim"], write=results
        )
    access["WriteExecutionReport"] = BucketAccess(
        read=["executions/*/run.json", "executions/*/results/*"],
        write=["executions/*/report.*"] + (recoveries or closed),
        listed=["executions/*/results/*"] + backups + closed,
    )
    return access


def tasks_with_changes(tasks: Iterable[RootTask]) -> list[RootTask]:
    """Return the tasks that make changes, for which there are executions."""
    return [task for task in tasks if task is not RootTask.AUDIT]


def read_only_functions(tasks: Iterable[RootTask]) -> dict[str, list[RootTask]]:
    """Return the tasks that each function of read-only runs audits or plans, by the functions' ids.

    For example, ``Audit`` plans deletions, and ``PlanUnlockBucketPolicy`` the removal of a bucket
    policy.
    """
    by_id: dict[str, list[RootTask]] = {}
    for task in tasks:
        session = read_only_session(task)
        id = TASK_IDS[session]
        if session is not RootTask.AUDIT:
            id = f"Plan{id}"
        by_id.setdefault(id, []).append(task)
    return by_id


def access_statements(access: BucketAccess, bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """Return the statements that give a function's role its access to the bucket."""
    # Templates have the Sids, which therefore never change.
    statements: list[iam.PolicyStatement] = []
    if access.read:
        objects = [bucket.arn_for_objects(pattern) for pattern in access.read]
        statements.append(allow("ReadObjects", ["s3:GetObject"], objects))
    if access.write:
        objects = [bucket.arn_for_objects(pattern) for pattern in access.write]
        statements.append(allow("WriteObjects", ["s3:PutObject"], objects))
    if access.listed:
        conditions = {"StringLike": {"s3:prefix": list(access.listed)}}
        statements.append(
            allow("ListObjects", ["s3:ListBucket"], [bucket.bucket_arn], conditions=conditions)
        )
    if access.versions:
        objects = [bucket.arn_for_objects(key) for key in access.versions]
        statements.append(allow("ReadVersions", ["s3:GetObjectVersion"], objects))
        conditions = {"StringEquals": {"s3:prefix": list(access.versions)}}
        listing = ["s3:ListBucketVersions"]
        statements.append(
            allow("ListVersions", listing, [bucket.bucket_arn], conditions=conditions)
        )
    return statements


def protect_bucket(bucket: s3.Bucket, writers: Mapping[str, BucketAccess]) -> None:
    """Let only the functions' roles change objects of the bucket, and each only its own.

    The account's administrators can still read the bucket, and change its policy. S3's lifecycle
    rules are not subject to a bucket policy.

    Args:
        bucket: The bucket.
        writers: The access of each role, by its ARN.
    """
    _deny(bucket, "DenyOtherWriters", _CHANGING_ACTIONS, patterns=["*"], except_roles=list(writers))
    # Objects with the same writers are in one statement: backups, for example, have two writers.
    patterns_by_roles: dict[tuple[str, ...], list[str]] = {}
    # A dictionary keeps the order, on which the Sids depend.
    for pattern in {pattern: None for access in writers.values() for pattern in access.write}:
        roles = tuple(arn for arn, access in writers.items() if pattern in access.write)
        patterns_by_roles.setdefault(roles, []).append(pattern)
    for number, (roles, patterns) in enumerate(patterns_by_roles.items(), start=1):
        sid = f"DenyOtherWriters{number}"
        _deny(bucket, sid, ["s3:PutObject*"], patterns=patterns, except_roles=list(roles))


def _deny(
    bucket: s3.Bucket,
    sid: str,
    actions: list[str],
    *,
    patterns: Iterable[str],
    except_roles: list[str],
) -> None:
    """Deny actions on objects to everyone but some roles, by the bucket's policy."""
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=[bucket.arn_for_objects(pattern) for pattern in patterns],
            conditions={"ArnNotEquals": {"aws:PrincipalArn": except_roles}},
        )
    )
