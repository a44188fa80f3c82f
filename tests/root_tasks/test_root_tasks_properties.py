"""Whatever others change and whichever calls fail: a plan changes what was approved, once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from local_aws.emulation import LocalOrganization
from local_aws.emulation.values import Call
from root_tasks.model.report_schema import ItemType, Outcome, Task
from support.accounts import MEMBER, OTHER_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, enable_root_access
from support.properties import property_test
from support.root_tasks import Execution, RootTasks, lock_bucket_and_queue

if TYPE_CHECKING:
    ItemKey = tuple[str, str, str | None]

pytestmark = pytest.mark.no_cover

# What is attempted in a root session: the type of the item, and the parameter that has its ID.
TYPE_AND_ID_PARAMETER: dict[str, tuple[ItemType, str]] = {
    "DeleteLoginProfile": (ItemType.PASSWORD, ""),
    "DeleteAccessKey": (ItemType.ACCESS_KEY, "AccessKeyId"),
    "DeleteSigningCertificate": (ItemType.SIGNING_CERTIFICATE, "CertificateId"),
    "DeactivateMFADevice": (ItemType.MFA_DEVICE, "SerialNumber"),
    "DeleteBucketPolicy": (ItemType.BUCKET_POLICY, "Bucket"),
}
CALLS_THAT_MAY_FAIL = (
    "iam:GetLoginProfile",
    "iam:ListAccessKeys",
    "iam:DeleteLoginProfile",
    "iam:DeleteAccessKey",
    "iam:DeactivateMFADevice",
    "s3:GetBucketPolicy",
    "s3:DeleteBucketPolicy",
    "sts:AssumeRoot",
    "s3:PutObject",
    "organizations:DescribeOrganization",
)
OTHERS_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [], "Id": "of others"})


@property_test(
    examples=80,
    task=st.sampled_from((Task.DELETE, Task.UNLOCK_BUCKET)),
    changed=st.booleans(),
    # How old the plan is when it is executed: it expires after 24 hours.
    hours=st.sampled_from((0, 0, 12, 25)),
    # The call, AWS's code or "lost" for a response that is lost, and how often: 99 is always.
    failing=st.lists(
        st.tuples(
            st.sampled_from(CALLS_THAT_MAY_FAIL),
            st.sampled_from(("lost", "AccessDenied", "ServiceFailure", "Throttling")),
            st.sampled_from((1, 2, 99)),
        ),
        max_size=2,
    ),
    lost=st.sampled_from(("nothing", "nothing", "a batch", "a result", "the report")),
    redriven=st.booleans(),
)
def test_an_execution_changes_what_was_approved_at_most_once_and_its_report_is_true(
    organization: LocalOrganization,
    task: Task,
    changed: bool,
    hours: int,
    failing: list[tuple[str, str, int]],
    lost: str,
    redriven: bool,
) -> None:
    # Arrange: a plan to delete credentials or to unlock a bucket.
    organization.reset()
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
    root_tasks = RootTasks(organization=organization)
    s3 = root_tasks.client("s3", account_id=MEMBER)
    resources = lock_bucket_and_queue(root_tasks)[Task.UNLOCK_BUCKET]
    locking_policy = s3.get_bucket_policy(Bucket="locked")["Policy"]
    for account_id in (MEMBER, OTHER_MEMBER):
        organization.put_root_credentials(
            account_id, password=True, access_keys=1, mfa_devices=1, certificates=1
        )
    input_ = resources if task is Task.UNLOCK_BUCKET else {"accounts": [MEMBER, OTHER_MEMBER]}
    plan = root_tasks.run({"task": task, **input_})
    planned = items_by_key(root_tasks.report(plan), Outcome.PLANNED)
    organization.clear_calls()

    # Act: others change the same things, calls fail, and the plan is executed, perhaps twice.
    root_tasks.advance(hours=hours)
    organization.advance_clock(60)
    if changed:
        organization.put_root_credentials(MEMBER, password=True, access_keys=1)
        s3.put_bucket_policy(Bucket="locked", Policy=OTHERS_POLICY)
    disturb(root_tasks, failing, lost)
    execution = root_tasks.execute(plan)
    root_tasks.lose_batches = root_tasks.lose_results = lambda batch: False
    if redriven and execution.status == "FAILED":
        execution = root_tasks.redrive(execution)
    writes = [call for call in organization.calls if call.root_session and call.is_write]
    again = root_tasks.execute(plan, name="again")

    # Assert: only what was planned was changed, once and in time, and the report says so.
    assert {item_key(call) for call in writes} <= planned.keys()
    done = Counter(
        item_key(call)
        for call in organization.calls
        if call.root_session and call.is_write and not call.error
    )
    assert [item for item, times in done.items() if times > 1] == []
    assert not writes or hours < 24
    if writes:
        assert again.error is not None, "a plan is executed once"
    if changed:
        assert organization.root_credentials(MEMBER).password, (
            "another password than the planned one"
        )
        assert s3.get_bucket_policy(Bucket="locked")["Policy"] == OTHERS_POLICY
    if any(call.operation == "DeleteBucketPolicy" and not call.error for call in writes):
        backups = [
            root_tasks.read_json(key)["policy"] for key in root_tasks.object_keys("backups/")
        ]
        assert backups == [locking_policy]
    if writes and has_report(root_tasks, execution):
        assert_report_is_true(root_tasks.report(execution), done)


def disturb(root_tasks: RootTasks, failing: list[tuple[str, str, int]], lost: str) -> None:
    """Have calls fail, and have the functions lose a batch, a result or the report."""
    for action, code, times in failing:
        if code == "lost":
            root_tasks.lose_response(action, times=times)
        else:
            root_tasks.fail_calls(
                action, code, status=500 if code == "ServiceFailure" else 400, times=times
            )
    root_tasks.lose_batches = lambda batch: lost == "a batch"
    root_tasks.lose_results = lambda batch: lost == "a result"
    if lost == "the report":
        root_tasks.fail_calls("s3:PutObject", "AccessDenied", url="report.json", times=1)


def item_key(call: Call) -> ItemKey:
    """Return which item a call changes."""
    type_, parameter = TYPE_AND_ID_PARAMETER[call.operation]
    return call.account_id, type_, str(call.parameters[parameter]) if parameter else None


def items_by_key(report: Mapping[str, Any], *outcomes: Outcome) -> dict[ItemKey, Any]:
    """Return the items of a report that have one of these outcomes."""
    return {
        (result["accountId"], item["type"], item["id"]): item
        for result in report["results"]
        for item in result["items"]
        if item["outcome"] in outcomes
    }


def has_report(root_tasks: RootTasks, execution: Execution) -> bool:
    """Return whether an execution has stored its report."""
    key = f"{execution.folder}/{execution.run_id}/report.json"
    return key in root_tasks.object_keys(f"{execution.folder}/{execution.run_id}/")


def assert_report_is_true(report: Mapping[str, Any], done: Counter[ItemKey]) -> None:
    """Assert that what was changed is reported as done or unknown, and nothing else as done."""
    unknown = {row["accountId"] for row in report["results"] if row["outcome"] == Outcome.UNKNOWN}
    reported = items_by_key(report, Outcome.DONE, Outcome.UNKNOWN).keys()
    assert [item for item in done if item not in reported and item[0] not in unknown] == []
    assert items_by_key(report, Outcome.DONE).keys() <= done.keys()
