"""Unlocking a bucket and a queue: no backup, no removal; and restoring the policy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from root_tasks.messages import (
    BACKUP_EXISTS,
    BATCH_LOST,
    CHANGED_SINCE_BACKUP,
    CHANGED_SINCE_PLAN,
    CORRECTED_POLICY,
    EXECUTION_DENIED,
    EXECUTION_GONE,
    EXECUTION_NOT_ENDED,
    EXECUTION_WITHOUT_REPORT,
    NO_SUCH_BUCKET,
    POLICY_LOST,
    REMOVED_WITHOUT_BACKUP,
    REPORT_UNREADABLE,
    RUN_NOT_KNOWN,
    backup_note,
)
from root_tasks.model.codec import encode
from root_tasks.model.report import ItemType, Task
from root_tasks.model.run import Backup
from root_tasks.refusals import RefusalReason
from root_tasks.run.report_hash import REPORT_SHA256
from support.accounts import MANAGEMENT, MEMBER, OTHER
from support.arrange import CREDENTIALS, SESSIONS, enable_root_access
from support.root_tasks import EXECUTE_MACHINE, FinishedExecution, RootTasks, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.emulation import LocalOrganization


REGION = "eu-west-1"
BUCKET, QUEUE = "locked-bucket", f"arn:aws:sqs:{REGION}:{MEMBER}:locked-queue"
TASK = {"bucket": Task.UNLOCK_BUCKET_POLICY, "queue": Task.UNLOCK_QUEUE_POLICY}
NAMED: dict[str, dict[str, Any]] = {
    "bucket": {"task": TASK["bucket"], "buckets": {MEMBER: [BUCKET]}},
    "queue": {"task": TASK["queue"], "queues": [QUEUE]},
}
READ = {"bucket": "s3:GetBucketPolicy", "queue": "sqs:GetQueueAttributes"}
REMOVE = {"bucket": "s3:DeleteBucketPolicy", "queue": "sqs:SetQueueAttributes"}


class Locked:
    """A bucket and a queue of a member account, each with a policy that locks everybody out."""

    def __init__(self, root_tasks: RootTasks) -> None:
        self._s3 = root_tasks.client("s3", account_id=MEMBER, region=REGION)
        self._sqs = root_tasks.client("sqs", account_id=MEMBER, region=REGION)
        self._s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._url = self._sqs.create_queue(QueueName="locked-queue")["QueueUrl"]
        for kind in ("bucket", "queue"):
            self.attach(kind, policy(kind))

    def attach(self, kind: str, text: str) -> None:
        """Attach a policy."""
        if kind == "bucket":
            self._s3.put_bucket_policy(Bucket=BUCKET, Policy=text)
        else:
            self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": text})

    def policy(self, kind: str) -> object:
        """The policy as it is; None: there is none."""
        if kind == "queue":
            attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
            text = attributes["Attributes"].get("Policy")
        else:
            try:
                text = self._s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                    raise
                return None
        return json.loads(text) if text else None

    def delete_bucket(self) -> None:
        """Delete the bucket."""
        self._s3.delete_bucket(Bucket=BUCKET)


def policy(kind: str, *, sid: str = "Everybody") -> str:
    resource, action = (f"arn:aws:s3:::{BUCKET}", "s3:*") if kind == "bucket" else (QUEUE, "sqs:*")
    statement = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def root_tasks(organization: LocalOrganization) -> RootTasks:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    return RootTasks(organization=organization)


@pytest.fixture
def locked(root_tasks: RootTasks) -> Locked:
    return Locked(root_tasks)


@pytest.fixture(params=["bucket", "queue"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def item(root_tasks: RootTasks, finished: FinishedExecution) -> dict[str, Any]:
    (only,) = root_tasks.results(finished)[MEMBER]["items"]
    return dict(only)


def test_unlocking_is_planned_then_done_with_a_backup(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    assert root_tasks.outcomes(plan) == {MEMBER: "planned"}
    assert locked.policy(kind) == json.loads(policy(kind))
    executed = root_tasks.execute(plan)
    assert root_tasks.outcomes(executed) == {MEMBER: "done"}
    assert locked.policy(kind) is None
    reference = item(root_tasks, executed)["backup"]
    backup = json.loads(root_tasks.read(reference))
    assert json.loads(backup["policy"]) == json.loads(policy(kind))
    assert backup["accountId"] == MEMBER
    assert backup["region"] == REGION


def test_a_bucket_is_addressed_in_its_region_as_its_owners(root_tasks: RootTasks, locked: Locked) -> None:
    urls: list[str] = []
    headers: list[str] = []

    def record(params: dict[str, Any], **_: object) -> None:
        urls.append(params["url"])
        headers.append(params["headers"].get("x-amz-expected-bucket-owner", ""))

    for action in (READ["bucket"], REMOVE["bucket"]):
        root_tasks.on_event(f"before-call.{action.replace(':', '.')}", record)
    root_tasks.execute(root_tasks.run(NAMED["bucket"]))
    assert len(urls) == 4
    assert all(f"s3.{REGION}.amazonaws.com" in url for url in urls)
    assert set(headers) == {MEMBER}


def test_no_backup_no_removal(root_tasks: RootTasks, locked: Locked, kind: str) -> None:
    plan = root_tasks.run(NAMED[kind])
    before = policy(kind)
    root_tasks.fail("s3:PutObject", "AccessDenied", url="backups/")
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "failed"
    assert "s3:PutObject: AccessDenied" in item(root_tasks, executed)["message"]
    assert locked.policy(kind) == json.loads(before)


def test_a_backup_is_never_overwritten(root_tasks: RootTasks, locked: Locked, kind: str) -> None:
    plan = root_tasks.run(NAMED[kind])
    first = root_tasks.execute(plan)
    locked.attach(kind, policy(kind))
    second = root_tasks.execute(root_tasks.run(NAMED[kind]))
    references = {item(root_tasks, finished)["backup"] for finished in (first, second)}
    assert references == set(root_tasks.keys("backups/"))
    assert len(references) == 2


def test_a_policy_that_has_changed_since_the_plan_is_not_removed(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    locked.attach(kind, policy(kind, sid="Another"))
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "failed"
    assert item(root_tasks, executed)["message"] == CHANGED_SINCE_PLAN
    assert locked.policy(kind) == json.loads(policy(kind, sid="Another"))
    assert root_tasks.keys("backups/") == []


def test_a_policy_that_changes_while_it_is_backed_up_stays(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    another = policy(kind, sid="Another")
    root_tasks.change_before("s3:PutObject", lambda: locked.attach(kind, another), url="backups/")
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "failed"
    assert item(root_tasks, executed)["message"] == CHANGED_SINCE_PLAN
    assert locked.policy(kind) == json.loads(another)


def test_a_policy_that_cannot_be_read_again_after_its_backup_stays(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    backed_up: list[bool] = []
    root_tasks.change_before("s3:PutObject", lambda: backed_up.append(True), url="backups/")

    def deny(**_: object) -> None:
        if backed_up:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "This is a test."}}, "Read")

    root_tasks.on_event(f"before-call.{READ[kind].replace(':', '.')}", deny, account_id=MEMBER)
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "failed"
    assert [item(root_tasks, executed)["backup"]] == root_tasks.keys("backups/")
    backed_up.clear()
    assert locked.policy(kind) == json.loads(policy(kind))


def test_what_is_stored_under_the_key_of_the_backup_is_never_trusted(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])

    def take_key(params: dict[str, Any], **_: object) -> None:
        if key := params["url_path"].partition("/backups/")[2]:
            root_tasks.write(f"backups/{key}", b"{}")

    root_tasks.on_event("before-call.s3.PutObject", take_key)
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "failed"
    assert item(root_tasks, executed)["message"] == BACKUP_EXISTS
    assert item(root_tasks, executed)["backup"] is None
    assert locked.policy(kind) == json.loads(policy(kind))


def test_a_removal_that_may_have_taken_effect_names_its_backup(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    root_tasks.lose_response(REMOVE[kind], account_id=MEMBER, times=1000)
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "unknown"
    assert [item(root_tasks, executed)["backup"]] == root_tasks.keys("backups/")


def test_the_plan_shows_the_policy_that_would_be_removed_in_full_and_where_it_is(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    shown = item(root_tasks, root_tasks.run(NAMED[kind]))
    assert json.loads(shown["policy"]) == json.loads(policy(kind))
    assert shown["region"] == REGION
    assert not shown["corrected"]
    assert shown["backup"] is None


def test_what_has_no_policy_has_nothing_to_do(root_tasks: RootTasks, locked: Locked, kind: str) -> None:
    plan = root_tasks.run(NAMED[kind])
    root_tasks.execute(root_tasks.run(NAMED[kind]))
    assert root_tasks.outcomes(root_tasks.run(NAMED[kind])) == {MEMBER: "nothing to do"}
    assert root_tasks.outcomes(root_tasks.execute(plan)) == {MEMBER: "nothing to do"}


def test_a_denied_removal_fails_and_the_backup_exists(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    root_tasks.fail(REMOVE[kind], "AccessDenied", account_id=MEMBER)
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "failed"
    assert locked.policy(kind) is not None


def test_a_removal_whose_response_was_lost_is_done(root_tasks: RootTasks, locked: Locked, kind: str) -> None:
    plan = root_tasks.run(NAMED[kind])
    root_tasks.lose_response(REMOVE[kind], account_id=MEMBER)
    assert root_tasks.outcomes(root_tasks.execute(plan)) == {MEMBER: "done"}
    assert locked.policy(kind) is None


def test_a_bucket_that_the_account_does_not_have_is_not_touched(
    root_tasks: RootTasks, locked: Locked
) -> None:
    plan = root_tasks.run({"task": TASK["bucket"], "buckets": {OTHER: [BUCKET]}})
    (only,) = root_tasks.results(plan)[OTHER]["items"]
    assert only["outcome"] == "failed"
    assert only["message"] == NO_SUCH_BUCKET
    assert root_tasks.execute(plan).output["totals"] == {}


def test_a_bucket_whose_region_is_not_named_is_not_touched(root_tasks: RootTasks, locked: Locked) -> None:
    root_tasks.omit_from_response("s3:ListBuckets", "Buckets", "BucketRegion")
    plan = root_tasks.run(NAMED["bucket"])
    assert item(root_tasks, plan)["outcome"] == "inaccessible"
    assert "the response has no BucketRegion" in item(root_tasks, plan)["message"]


def test_a_queue_that_does_not_exist_is_inaccessible(root_tasks: RootTasks) -> None:
    plan = root_tasks.run({"task": TASK["queue"], "queues": [f"arn:aws:sqs:{REGION}:{MEMBER}:none"]})
    assert root_tasks.outcomes(plan) == {MEMBER: "inaccessible"}


def test_a_queue_whose_policy_nobody_can_read_needs_skip_backup(
    root_tasks: RootTasks, locked: Locked
) -> None:
    root_tasks.fail(READ["queue"], "AccessDenied", account_id=MEMBER)
    refused = root_tasks.run(NAMED["queue"])
    assert item(root_tasks, refused)["outcome"] == "inaccessible"
    assert '"skipBackup": true' in item(root_tasks, refused)["message"]
    root_tasks.execute(refused)
    assert locked.policy("queue") is not None

    plan = root_tasks.run({**NAMED["queue"], "skipBackup": True})
    assert item(root_tasks, plan)["outcome"] == "planned"
    assert item(root_tasks, plan)["message"] == POLICY_LOST
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "done"
    assert item(root_tasks, executed)["message"] == REMOVED_WITHOUT_BACKUP
    assert locked.policy("queue") is None
    assert root_tasks.keys("backups/") == []


def test_a_queue_whose_policy_can_be_read_is_backed_up_despite_skip_backup(
    root_tasks: RootTasks, locked: Locked
) -> None:
    root_tasks.execute(root_tasks.run({**NAMED["queue"], "skipBackup": True}))
    assert locked.policy("queue") is None
    assert len(root_tasks.keys("backups/")) == 1


def test_a_queue_that_became_unreadable_after_the_plan_is_not_touched(
    root_tasks: RootTasks, locked: Locked
) -> None:
    plan = root_tasks.run({**NAMED["queue"], "skipBackup": True})
    root_tasks.fail(READ["queue"], "AccessDenied", account_id=MEMBER)
    executed = root_tasks.execute(plan)
    assert item(root_tasks, executed)["outcome"] == "failed"
    assert locked.policy("queue") is not None


def test_a_batch_that_was_lost_names_the_backups_that_it_made(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    root_tasks.lose_results = lambda batch: True
    executed = root_tasks.execute(plan)
    (reference,) = root_tasks.keys("backups/")
    result = root_tasks.results(executed)[MEMBER]
    assert result["outcome"] == "unknown"
    assert reference in result["reason"]
    assert (executed.status, executed.totals) == ("FAILED", {"unknown": 1})
    assert locked.policy(kind) is None


# Restoring


@pytest.fixture
def unlocked(root_tasks: RootTasks, locked: Locked, kind: str) -> str:
    """The reference of the backup of what was unlocked."""
    return str(item(root_tasks, root_tasks.execute(root_tasks.run(NAMED[kind])))["backup"])


def test_restoring_is_planned_then_done(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    plan = root_tasks.run({"task": TASK[kind], "restore": [unlocked]})
    another = root_tasks.run({"task": TASK[kind], "restore": [unlocked]})
    assert root_tasks.outcomes(plan) == {MEMBER: "planned"}
    assert item(root_tasks, plan)["backup"] == unlocked
    assert locked.policy(kind) is None
    executed = root_tasks.execute(plan)
    assert root_tasks.outcomes(executed) == {MEMBER: "done"}
    assert locked.policy(kind) == json.loads(policy(kind))
    again = root_tasks.run({"task": TASK[kind], "restore": [unlocked]})
    assert root_tasks.outcomes(again) == {MEMBER: "nothing to do"}
    assert root_tasks.outcomes(root_tasks.execute(another)) == {MEMBER: "nothing to do"}


@pytest.mark.parametrize("planned_before", [True, False])
def test_restoring_does_not_overwrite_a_policy_that_somebody_has_attached_since(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str, *, planned_before: bool
) -> None:
    restore = {"task": TASK[kind], "restore": [unlocked]}
    if planned_before:
        plan = root_tasks.run(restore)
    locked.attach(kind, policy(kind, sid="Another"))
    finished = root_tasks.execute(plan) if planned_before else root_tasks.run(restore)
    assert item(root_tasks, finished)["outcome"] == "failed"
    assert item(root_tasks, finished)["message"] == CHANGED_SINCE_BACKUP
    assert locked.policy(kind) == json.loads(policy(kind, sid="Another"))


def test_what_is_not_the_backup_of_such_a_policy_is_not_restored(
    root_tasks: RootTasks, kind: str, unlocked: str
) -> None:
    backups = f"backups/run-1/{MEMBER}/x"
    missing, foreign = (f"{backups}/{sha}.json" for sha in ("0" * 64, hashlib.sha256(b"{}").hexdigest()))
    root_tasks.write(foreign, b"{}")
    other = TASK["queue" if kind == "bucket" else "bucket"]
    of_other_type: dict[str, object] = {"reference": unlocked, "type": f"{kind} policy", "task": other}
    expected: list[tuple[Task, str, RefusalReason, dict[str, object]]] = [
        (TASK[kind], missing, RefusalReason.BACKUP_NOT_FOUND, {"reference": missing}),
        (TASK[kind], foreign, RefusalReason.NOT_A_BACKUP, {"reference": foreign}),
        (other, unlocked, RefusalReason.BACKUP_OF_ANOTHER_TYPE, of_other_type),
        (TASK[kind], unlocked, RefusalReason.BACKUP_ALTERED, {"reference": unlocked}),
    ]
    for task, reference, reason, data in expected:
        if reason is RefusalReason.BACKUP_ALTERED:
            root_tasks.write(unlocked, root_tasks.read(unlocked).replace(b"Everybody", b"Nobody"))
        assert refusal(root_tasks.run({"task": task, "restore": [reference]})) == (reason, data)


def test_a_corrected_policy_is_attached_only_where_the_stack_allows_it(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    corrected = {"task": TASK[kind], "restore": [unlocked], "policyOverride": policy(kind, sid="Corrected")}
    assert refusal(root_tasks.run(corrected)) == (RefusalReason.OVERRIDE_NOT_ALLOWED, {})
    root_tasks.settings = replace(root_tasks.settings, allow_policy_override=True)
    root_tasks.execute(root_tasks.run(corrected))
    assert locked.policy(kind) == json.loads(policy(kind, sid="Corrected"))


def test_the_plan_of_a_corrected_policy_shows_its_text_and_that_it_is_corrected(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    root_tasks.settings = replace(root_tasks.settings, allow_policy_override=True)
    restore = {"task": TASK[kind], "restore": [unlocked]}
    corrected = policy(kind, sid="LetsAStrangerIn")
    shown = item(root_tasks, root_tasks.run({**restore, "policyOverride": corrected}))
    assert (shown["policy"], shown["corrected"], shown["message"]) == (corrected, True, CORRECTED_POLICY)
    assert (shown["backup"], shown["region"]) == (unlocked, REGION)
    plain = item(root_tasks, root_tasks.run(restore))
    assert json.loads(plain["policy"]) == json.loads(policy(kind))
    assert (plain["corrected"], plain["message"], plain["backup"]) == (False, None, unlocked)


def test_an_executed_restore_shows_the_text_that_was_attached(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    root_tasks.settings = replace(root_tasks.settings, allow_policy_override=True)
    corrected = policy(kind, sid="Corrected")
    plan = root_tasks.run({"task": TASK[kind], "restore": [unlocked], "policyOverride": corrected})
    shown = item(root_tasks, root_tasks.execute(plan))
    assert (shown["outcome"], shown["policy"], shown["corrected"]) == ("done", corrected, True)


# Whose backup it is, which has nothing to do with what its policy is of


ONE_KIND = pytest.mark.parametrize("kind", ["bucket"])


def forge(root_tasks: RootTasks, kind: str, *, run_id: str, text: str | None = None) -> str:
    """Store a backup as if a run had made it, consistent in itself, and return its reference."""
    backup = Backup(
        run_id=run_id,
        account_id=MEMBER,
        type=ItemType(f"{kind} policy"),
        id=BUCKET if kind == "bucket" else QUEUE,
        region=REGION,
        policy=policy(kind, sid="Forged") if text is None else text,
    )
    body = encode(backup)
    name = backup.id.rpartition(":")[2]
    reference = f"backups/{run_id}/{MEMBER}/{name}/{hashlib.sha256(body).hexdigest()}.json"
    root_tasks.write(reference, body)
    return reference


def restore(root_tasks: RootTasks, kind: str, *references: str) -> FinishedExecution:
    """Plan to restore backups."""
    return root_tasks.run({"task": TASK[kind], "restore": [*references]})


def assert_noted(root_tasks: RootTasks, kind: str, reference: str, why: str) -> None:
    """Check that a backup can be restored, and that the plan says that nobody knows who made it."""
    run_id = reference.split("/")[1]
    plan = restore(root_tasks, kind, reference)
    shown = item(root_tasks, plan)
    assert (shown["outcome"], shown["backup"]) == ("planned", reference)
    assert shown["message"] == backup_note(run_id, why)
    assert item(root_tasks, root_tasks.execute(plan))["outcome"] == "done"


@ONE_KIND
def test_a_backup_that_its_run_did_not_make_is_not_restored(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    run_id = unlocked.split("/")[1]
    reference = forge(root_tasks, kind, run_id=run_id)
    refused = restore(root_tasks, kind, reference)
    assert refusal(refused) == (
        RefusalReason.BACKUP_NOT_IN_REPORT,
        {"reference": reference, "run_id": run_id},
    )
    both = restore(root_tasks, kind, unlocked, reference)
    assert refusal(both)[0] is RefusalReason.BACKUP_NOT_IN_REPORT
    assert locked.policy(kind) is None


@ONE_KIND
def test_a_report_that_was_altered_to_list_a_forged_backup_is_not_believed(
    root_tasks: RootTasks, kind: str, unlocked: str
) -> None:
    run_id = unlocked.split("/")[1]
    reference, report = forge(root_tasks, kind, run_id=run_id), f"executions/{run_id}/report.json"
    root_tasks.write(report, root_tasks.read(report).replace(unlocked.encode(), reference.encode()))
    refused = restore(root_tasks, kind, reference)
    assert refusal(refused) == (
        RefusalReason.BACKUP_REPORT_ALTERED,
        {"reference": reference, "run_id": run_id},
    )


@ONE_KIND
def test_a_backup_whose_run_names_the_execution_of_somebody_else_is_not_restored(
    root_tasks: RootTasks, kind: str, unlocked: str
) -> None:
    run_id = unlocked.split("/")[1]
    reference, key = forge(root_tasks, kind, run_id=run_id), f"executions/{run_id}/run.json"
    arn, run = root_tasks.arn(run_id, machine=EXECUTE_MACHINE), root_tasks.read(key)
    for own, foreign in (
        (f":{MANAGEMENT}:", f":{OTHER}:"),
        (":us-east-1:", ":eu-west-1:"),
        ("arn:aws:", "arn:aws-us-gov:"),
        (":states:", ":lambda:"),
        (":execution:", ":express:"),
        (f":{EXECUTE_MACHINE}:", f":{EXECUTE_MACHINE}/Map:"),
        (f":{EXECUTE_MACHINE}:", ":"),
    ):
        assert own in arn
        root_tasks.write(key, run.replace(arn.encode(), arn.replace(own, foreign).encode()))
        assert refusal(restore(root_tasks, kind, reference)) == (
            RefusalReason.BACKUP_OF_FOREIGN_RUN,
            {"reference": reference, "run_id": run_id},
        )


@ONE_KIND
def test_a_run_does_not_vouch_for_the_backups_of_another_run(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    """Its run.json names the execution of the run that made the backup, which lists it."""
    run_id = unlocked.split("/")[1]
    reference = unlocked.replace(f"/{run_id}/", "/another/")
    root_tasks.write(reference, root_tasks.read(unlocked))
    root_tasks.write("executions/another/run.json", root_tasks.read(f"executions/{run_id}/run.json"))
    assert refusal(restore(root_tasks, kind, reference))[0] is RefusalReason.BACKUP_OF_FOREIGN_RUN


def name_another_state_machine(root_tasks: RootTasks, arn: str) -> None:
    """As if all tasks that act had been removed from the stack once, and added again."""
    run_id = arn.rpartition(":")[2]
    key = f"executions/{run_id}/run.json"
    root_tasks.write(key, root_tasks.read(key).replace(arn.encode(), root_tasks.arn(run_id).encode()))


def expire_report(root_tasks: RootTasks, arn: str) -> None:
    key = f"executions/{arn.rpartition(':')[2]}/report.json"
    root_tasks.client("s3").delete_object(Bucket="root-tasks", Key=key)


DOUBTS: dict[str, tuple[Callable[[RootTasks, str], object], str]] = {
    "of another state machine": (name_another_state_machine, EXECUTION_DENIED),
    "gone": (lambda root_tasks, arn: root_tasks.executions.pop(arn), EXECUTION_GONE),
    "running": (
        lambda root_tasks, arn: setattr(root_tasks.executions[arn], "status", "RUNNING"),
        EXECUTION_NOT_ENDED,
    ),
    "aborted": (
        lambda root_tasks, arn: setattr(root_tasks.executions[arn], "status", "ABORTED"),
        EXECUTION_WITHOUT_REPORT,
    ),
    "of an earlier release": (
        lambda root_tasks, arn: root_tasks.executions[arn].output.pop(REPORT_SHA256),
        EXECUTION_WITHOUT_REPORT,
    ),
    "without its report": (expire_report, REPORT_UNREADABLE),
}


@ONE_KIND
@pytest.mark.parametrize("doubt", DOUBTS)
def test_the_plan_says_why_an_execution_does_not_vouch_for_a_backup(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str, doubt: str
) -> None:
    arrange, why = DOUBTS[doubt]
    arrange(root_tasks, root_tasks.arn(unlocked.split("/")[1], machine=EXECUTE_MACHINE))
    assert_noted(root_tasks, kind, unlocked, why)


@ONE_KIND
@pytest.mark.parametrize("body", [None, b"{}"])
def test_the_plan_says_that_no_run_is_known(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str, body: bytes | None
) -> None:
    reference = forge(root_tasks, kind, run_id="never-run")
    if body is not None:
        root_tasks.write("executions/never-run/run.json", body)
    assert_noted(root_tasks, kind, reference, RUN_NOT_KNOWN)
    # Its own execution has restored it, and made no backup.
    assert locked.policy(kind) == json.loads(policy(kind, sid="Forged"))


@ONE_KIND
def test_the_plan_says_that_a_lost_batch_vouches_for_nothing_and_refuses_what_came_later(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    """Its report names whatever was under the prefix of its backups when it was written."""
    plan = root_tasks.run(NAMED[kind])
    root_tasks.lose_results = lambda batch: True
    failed = root_tasks.execute(plan)
    root_tasks.lose_results = lambda batch: False
    assert failed.status == "FAILED"
    (reference,) = root_tasks.keys("backups/")
    later = forge(root_tasks, kind, run_id=failed.run_id)
    assert refusal(restore(root_tasks, kind, later))[0] is RefusalReason.BACKUP_NOT_IN_REPORT
    assert_noted(root_tasks, kind, reference, BATCH_LOST)


@ONE_KIND
def test_a_failed_execution_vouches_for_its_backups_and_no_others(
    root_tasks: RootTasks, locked: Locked, kind: str
) -> None:
    plan = root_tasks.run(NAMED[kind])
    root_tasks.fail(REMOVE[kind], "AccessDenied", account_id=MEMBER, times=1)
    failed = root_tasks.execute(plan)
    assert failed.status == "FAILED"
    reference = item(root_tasks, failed)["backup"]
    forged = forge(root_tasks, kind, run_id=failed.run_id)
    assert refusal(restore(root_tasks, kind, forged))[0] is RefusalReason.BACKUP_NOT_IN_REPORT
    shown = item(root_tasks, restore(root_tasks, kind, reference))
    # The policy is still there.
    assert (shown["outcome"], shown["message"]) == ("nothing to do", None)


@ONE_KIND
def test_the_note_is_in_the_csv_and_on_the_page_of_the_plan_and_not_in_its_executions_report(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    root_tasks.settings = replace(root_tasks.settings, allow_policy_override=True)
    reference = forge(root_tasks, kind, run_id="never-run")
    note = backup_note("never-run", RUN_NOT_KNOWN)
    plan = restore(root_tasks, kind, reference)
    for name in ("report.csv", "report.html"):
        assert note in root_tasks.read(f"runs/{plan.run_id}/{name}").decode()
    corrected = {"task": TASK[kind], "restore": [reference], "policyOverride": policy(kind)}
    assert item(root_tasks, root_tasks.run(corrected))["message"] == f"{CORRECTED_POLICY} {note}"
    assert item(root_tasks, root_tasks.execute(plan))["message"] is None


@ONE_KIND
def test_an_execution_does_not_vouch_for_the_backup_that_it_restores(
    root_tasks: RootTasks, locked: Locked, kind: str, unlocked: str
) -> None:
    reference = forge(root_tasks, kind, run_id="restore-1")
    plan = restore(root_tasks, kind, reference)
    refused = root_tasks.execute(plan, name="restore-1")
    assert refusal(refused) == (
        RefusalReason.PLAN_RESTORES_BACKUP_OF_SAME_NAME,
        {"run_id": plan.run_id, "name": "restore-1"},
    )
    assert locked.policy(kind) is None
    # The plan is not used up.
    assert item(root_tasks, root_tasks.execute(plan, name="restore-2"))["outcome"] == "done"


@ONE_KIND
def test_a_restore_is_not_planned_while_step_functions_cannot_be_asked(
    root_tasks: RootTasks, kind: str, unlocked: str
) -> None:
    root_tasks.fail_descriptions = "ThrottlingException"
    refused = restore(root_tasks, kind, unlocked)
    assert refusal(refused)[0] is RefusalReason.CALL_FAILED
