"""The contents of the report bucket, by their stores."""

from __future__ import annotations

from .backup_store import BackupStore
from .invocation import Aws
from .latest_report_store import LatestReportStore
from .recovery_store import RecoveryStore
from .report_bucket import Bucket
from .run_store import RunStore


class Storage:
    """The contents of the bucket, by their readers.

    Args:
        bucket: The bucket.

    Attributes:
        runs: The read-only runs: audits and plans.
        executions: The runs that make changes: the executions of plans.
        reports: The latest full audit.
        backups: The policies that runs removed.
        recoveries: The last recovery of each account.
    """

    def __init__(self, bucket: Bucket) -> None:
        # Two folders: no function of audits and plans may write the work of an execution.
        self.runs = RunStore(bucket, folder="runs")
        self.executions = RunStore(bucket, folder="executions")
        self.reports = LatestReportStore(bucket)
        self.backups = BackupStore(bucket)
        self.recoveries = RecoveryStore(bucket)

    @classmethod
    def of(cls, aws: Aws, bucket: str) -> Storage:
        """Return the contents of a bucket in the function's account."""
        return cls(Bucket(aws=aws, name=bucket, account_id=aws.account_id))
