"""Unlocking a bucket and a queue: no change without a backup, and giving a policy back."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from root_tasks.aws.checksums import sha256
from root_tasks.messages import (
    BACKUPS_UNREAD,
    CHANGED_SINCE_PLAN,
    LOOK_AGAIN,
    NO_SUCH_BUCKET,
    NO_SUCH_QUEUE,
    POLICY_LOST,
    POLICY_UNCHANGED,
    POLICY_UNKNOWN,
    REMOVED_WITHOUT_BACKUP,
    policy_of_backup,
)
from root_tasks.model.report_schema import Task
from root_tasks.refusals import RefusalReason
from root_tasks.tasks.policy_documents import difference
from support.accounts import MEMBER, OTHER_MEMBER
from support.root_tasks import DeployedSettings, Execution, RootTasks, refusal_reason_and_data

REGION = "eu-west-1"
RESOURCE_ID = {"bucket": "locked-bucket", "queue": f"arn:aws:sqs:{REGION}:{MEMBER}:locked-queue"}
TASK = {"bucket": Task.UNLOCK_BUCKET, "queue": Task.UNLOCK_QUEUE}
INPUT: dict[str, dict[str, Any]] = {
    "bucket": {"buckets": {MEMBER: [RESOURCE_ID["bucket"]]}},
    "queue": {"queues": [RESOURCE_ID["queue"]]},
}
READ_CALL = {"bucket": "s3:GetBucketPolicy", "queue": "sqs:GetQueueAttributes"}
# A queue may be planned so; a policy that can be read is backed up all the same.
SKIP_UNREADABLE_BACKUP: dict[str, dict[str, object]] = {"bucket": {}, "queue": {"skipBackup": True}}
DOES_NOT_EXIST = {"bucket": NO_SUCH_BUCKET, "queue": NO_SUCH_QUEUE}
REMOVE_CALL = {"bucket": "s3:DeleteBucketPolicy", "queue": "sqs:SetQueueAttributes"}
# Of each policy here.
SENTENCE_OF_EACH_POLICY = "The new policy denies everyone."
ATTACH_CALL = {**REMOVE_CALL, "bucket": "s3:PutBucketPolicy"}

BUCKET_ONLY = pytest.mark.parametrize("kind", ["bucket"])
QUEUE_ONLY = pytest.mark.parametrize("kind", ["queue"])


class LockedResource:
    """A bucket or a queue with the policy "Everybody", which locks everyone out, and its tasks.

    A policy is named by the ID of its one statement.

    Args:
        root_tasks: The deployed construct.
        kind: Which of them it is.
    """

    def __init__(self, root_tasks: RootTasks, kind: str) -> None:
        self.root_tasks = root_tasks
        self.kind = kind
        service = "s3" if kind == "bucket" else "sqs"
        self._client = root_tasks.client(service, account_id=MEMBER, region=REGION)
        if kind == "bucket":
            location = {"LocationConstraint": REGION}
            self._client.create_bucket(
                Bucket=RESOURCE_ID["bucket"], CreateBucketConfiguration=location
            )
        else:
            self._url = self._client.create_queue(QueueName="locked-queue")["QueueUrl"]
        self.attach("Everybody")

    def policy_text(self, sid: str) -> str:
        """Return the text of the policy of this name, which denies everyone everything."""
        resource, action = (
            ("arn:aws:s3:::locked-bucket", "s3:*")
            if self.kind == "bucket"
            else (RESOURCE_ID["queue"], "sqs:*")
        )
        statement = {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": resource,
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def attach(self, sid: str | None) -> None:
        """Attach the policy of this name, or none."""
        text = self.policy_text(sid) if sid else ""
        if self.kind == "queue":
            self._client.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": text})
        elif text:
            self._client.put_bucket_policy(Bucket=RESOURCE_ID["bucket"], Policy=text)
        else:
            self._client.delete_bucket_policy(Bucket=RESOURCE_ID["bucket"])

    def delete(self) -> None:
        """Delete the bucket or the queue."""
        if self.kind == "bucket":
            self._client.delete_bucket(Bucket=RESOURCE_ID["bucket"])
        else:
            self._client.delete_queue(QueueUrl=self._url)

    @property
    def policy(self) -> str | None:
        """The name of the policy that is attached; None: there is none."""
        if self.kind == "queue":
            attributes = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["All"]
            )
            text = attributes["Attributes"].get("Policy")
        else:
            try:
                text = self._client.get_bucket_policy(Bucket=RESOURCE_ID["bucket"])["Policy"]
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                    raise
                return None
        if not text:
            return None
        (statement,) = json.loads(text)["Statement"]
        assert text == self.policy_text(statement["Sid"]), "as it was attached, to the byte"
        return str(statement["Sid"])

    def plan(self, **others: object) -> Execution:
        """Plan to remove the policy, or to set the one that the other keys of the input give."""
        return self.root_tasks.run({"task": TASK[self.kind], **INPUT[self.kind], **others})

    def plan_replacement(self) -> Execution:
        """Plan to set another policy, in a stack that allows it."""
        self.root_tasks.settings = DeployedSettings(allow_policy_override=True)
        return self.plan(policyOverride=self.policy_text("Fixed"))

    def execute(self, plan: Execution) -> Execution:
        """Execute a plan."""
        return self.root_tasks.execute(plan)

    def unlock(self) -> str:
        """Remove the policy, and return the reference of its backup."""
        return str(self.item(self.execute(self.plan()))["backup"])

    def item(self, finished: Execution) -> dict[str, Any]:
        """Return what the report says of the bucket or the queue."""
        (only,) = self.root_tasks.results(finished)[MEMBER]["items"]
        return dict(only)

    def outcome_and_message(self, finished: Execution) -> tuple[str, str | None]:
        """Return the outcome, which is that of the account as well, and the message."""
        item = self.item(finished)
        assert self.root_tasks.outcomes(finished) == {MEMBER: item["outcome"]}
        return item["outcome"], item["message"]

    @property
    def backups(self) -> list[str]:
        """The references of all backups."""
        return self.root_tasks.object_keys("backups/")


@pytest.fixture(params=["bucket", "queue"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of resource: a test with this fixture runs for each."""
    return str(request.param)


@pytest.fixture
def locked(root_tasks: RootTasks, kind: str) -> LockedResource:
    """A bucket or a queue of MEMBER that locks everyone out, and the deployed construct."""
    return LockedResource(root_tasks, kind)


def test_unlocking_is_planned_then_done_with_a_backup(locked: LockedResource) -> None:
    # A policy that can be read is backed up despite skipBackup.
    plan, another = locked.plan(**SKIP_UNREADABLE_BACKUP[locked.kind]), locked.plan()
    shown = locked.item(plan)
    assert locked.outcome_and_message(plan) == ("PLANNED", None)
    assert json.loads(shown["policy"]) == json.loads(locked.policy_text("Everybody"))
    assert (shown["region"], shown["backup"]) == (REGION, None)
    assert shown["difference"] == difference(locked.policy_text("Everybody"), None)
    assert locked.policy == "Everybody"
    executed = locked.execute(plan)
    assert locked.outcome_and_message(executed) == ("DONE", None)
    assert locked.policy is None
    (reference,) = locked.backups
    assert locked.item(executed)["backup"] == reference
    backup = locked.root_tasks.read_json(reference)
    assert json.loads(backup["policy"]) == json.loads(locked.policy_text("Everybody"))
    assert (backup["accountId"], backup["region"]) == (MEMBER, REGION)
    # Without a policy there is nothing to do.
    for later in (locked.plan(), locked.execute(another)):
        assert locked.outcome_and_message(later) == ("NOTHING_TO_DO", None)


def test_a_plan_fails_for_a_bucket_or_queue_that_does_not_exist(locked: LockedResource) -> None:
    reference = locked.unlock()
    locked.root_tasks.change_before(READ_CALL[locked.kind], locked.delete)
    for plan in (locked.plan(**SKIP_UNREADABLE_BACKUP[locked.kind]), locked.plan(backup=reference)):
        assert locked.outcome_and_message(plan) == ("FAILED", DOES_NOT_EXIST[locked.kind])


@pytest.mark.parametrize(
    ("calls", "url"),
    [(READ_CALL, ""), (dict.fromkeys(READ_CALL, "s3:PutObject"), "backups/"), (REMOVE_CALL, "")],
    ids=["since the plan", "while it is backed up", "before its removal"],
)
def test_what_was_deleted_has_nothing_to_do(
    locked: LockedResource, calls: dict[str, str], url: str
) -> None:
    plan = locked.plan(**SKIP_UNREADABLE_BACKUP[locked.kind])
    locked.root_tasks.change_before(calls[locked.kind], locked.delete, url=url)
    assert locked.outcome_and_message(locked.execute(plan)) == (
        "NOTHING_TO_DO",
        DOES_NOT_EXIST[locked.kind],
    )


@pytest.mark.parametrize(
    "calls", [READ_CALL, ATTACH_CALL], ids=["since the plan", "before it is set"]
)
def test_no_policy_is_set_in_what_was_deleted(
    locked: LockedResource, calls: dict[str, str]
) -> None:
    plan = locked.plan(backup=locked.unlock())
    locked.root_tasks.change_before(calls[locked.kind], locked.delete)
    executed = locked.execute(plan)
    assert locked.outcome_and_message(executed) == ("FAILED", DOES_NOT_EXIST[locked.kind])
    # Another plan could only fail, so the report suggests none.
    assert locked.root_tasks.report(executed)["nextSteps"] == []


@BUCKET_ONLY
def test_a_bucket_is_addressed_in_its_region_as_its_owners_and_never_given_up(
    locked: LockedResource,
) -> None:
    requests: list[tuple[str | None, ...]] = []
    lists: list[dict[str, object]] = []
    headers = ("x-amz-expected-bucket-owner", "x-amz-confirm-remove-self-bucket-access")

    def record(params: dict[str, Any], **_: object) -> None:
        requests.append((params["url"].split("/")[2], *map(params["headers"].get, headers)))

    for action in (READ_CALL["bucket"], REMOVE_CALL["bucket"], "s3:PutBucketPolicy"):
        locked.root_tasks.on_event(f"before-call.{action.replace(':', '.')}", record)
    locked.root_tasks.on_event(
        "before-call.s3.ListBuckets", lambda params, **_: lists.append(params["query_string"])
    )
    locked.execute(locked.plan(backup=locked.unlock()))
    # Both plans look for the bucket. Without a page size ListBuckets leaves the Regions out.
    assert lists == [{"max-buckets": 1000, "prefix": "locked-bucket"}] * 2
    host = f"locked-bucket.s3.{REGION}.amazonaws.com"
    # To unlock: one read for the plan, two around the backup, the removal. To give back: one read
    # for the plan, one before the call, the call.
    assert requests == [(host, MEMBER, None)] * 7


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown"])
def test_no_backup_no_removal_and_time_to_store_that_result(
    locked: LockedResource, code: str
) -> None:
    plan = locked.plan()

    def take_time(params: dict[str, Any], **_: object) -> None:
        """Let each attempt to store a backup take as long as a time-out."""
        if "backups/" in params["url"]:
            # Five seconds to connect, and 15 to read.
            locked.root_tasks.time.seconds += 20

    locked.root_tasks.on_event("before-call.s3.PutObject", take_time)
    locked.root_tasks.fail_calls("s3:PutObject", code, url="backups/")
    outcome, message = locked.outcome_and_message(locked.execute(plan))
    assert outcome == "FAILED"
    assert f"s3:PutObject: {code}" in str(message)
    assert locked.policy == "Everybody"


@pytest.mark.parametrize("replaces", [False, True], ids=["to remove", "to replace"])
@pytest.mark.parametrize("left", ["Another", None], ids=["attached", "removed"])
@pytest.mark.parametrize("when", ["since the plan", "while it is backed up"])
def test_a_policy_that_has_changed_since_the_plan_stays(
    locked: LockedResource, replaces: bool, left: str | None, when: str
) -> None:
    plan = locked.plan_replacement() if replaces else locked.plan()

    if when == "since the plan":
        locked.attach(left)
    else:
        locked.root_tasks.change_before("s3:PutObject", lambda: locked.attach(left), url="backups/")
    is_done = left is None and not replaces
    expected = ("NOTHING_TO_DO", None) if is_done else ("FAILED", CHANGED_SINCE_PLAN)
    assert locked.outcome_and_message(locked.execute(plan)) == expected
    assert locked.policy == left
    assert len(locked.backups) == (when == "while it is backed up")


@pytest.mark.parametrize("backed_up", [False, True], ids=["since the plan", "after its backup"])
def test_a_policy_that_can_no_longer_be_read_stays(
    locked: LockedResource, *, backed_up: bool
) -> None:
    plan = locked.plan(**SKIP_UNREADABLE_BACKUP[locked.kind])

    def deny() -> None:
        locked.root_tasks.fail_calls(
            READ_CALL[locked.kind], "AccessDenied", account_id=MEMBER, times=1
        )

    if backed_up:
        locked.root_tasks.change_before("s3:PutObject", deny, url="backups/")
    else:
        deny()
    executed = locked.execute(plan)
    outcome, message = locked.outcome_and_message(executed)
    # A policy of the organization may deny it by now: nothing says that this one has changed.
    assert (outcome, str(message).partition(": This")[0]) == (
        "FAILED",
        f"{READ_CALL[locked.kind]}: AccessDenied",
    )
    assert locked.policy == "Everybody"
    assert len(locked.backups) == backed_up
    reference = locked.backups[0] if backed_up else None
    assert locked.item(executed)["backup"] == reference


@pytest.mark.parametrize("replaces", [False, True], ids=["to remove", "to replace"])
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("refused", "FAILED"), ("one response lost", "DONE"), ("every response lost", "UNKNOWN")],
)
def test_a_change_that_may_have_failed_says_which_policy_is_attached_and_names_its_backup(
    locked: LockedResource, replaces: bool, fault: str, outcome: str
) -> None:
    plan = locked.plan_replacement() if replaces else locked.plan()
    call = ATTACH_CALL[locked.kind] if replaces else REMOVE_CALL[locked.kind]
    if fault == "refused":
        locked.root_tasks.fail_calls(call, "MalformedPolicy", account_id=MEMBER)
    else:
        # 1000 is always: no call is attempted so often.
        times = 1 if fault == "one response lost" else 1000
        locked.root_tasks.lose_response(call, account_id=MEMBER, times=times)
    executed = locked.execute(plan)
    said, message = locked.outcome_and_message(executed)
    attached = "Fixed" if replaces else None
    assert (said, locked.policy) == (outcome, "Everybody" if fault == "refused" else attached)
    if outcome != "DONE":
        assert str(message).startswith(f"{call}: ")
        sentence = {"FAILED": POLICY_UNCHANGED, "UNKNOWN": POLICY_UNKNOWN}[outcome]
        assert str(message).endswith(sentence) is replaces
    item = locked.item(executed)
    assert [item["backup"]] == locked.backups
    assert item["policy"] == locked.policy_text("Everybody")
    # The backup can be given back, unless its policy is still attached.
    to_give_back, _ = locked.outcome_and_message(locked.plan(backup=item["backup"]))
    assert to_give_back == ("NOTHING_TO_DO" if fault == "refused" else "PLANNED")


@BUCKET_ONLY
def test_a_bucket_that_the_account_does_not_have_is_not_touched(locked: LockedResource) -> None:
    # AWS lists the buckets by the beginning of their names.
    assert locked.outcome_and_message(locked.plan(buckets={MEMBER: ["locked"]})) == (
        "FAILED",
        NO_SUCH_BUCKET,
    )
    plan = locked.plan(buckets={OTHER_MEMBER: [RESOURCE_ID["bucket"]]})
    (only,) = locked.root_tasks.results(plan)[OTHER_MEMBER]["items"]
    assert (only["outcome"], only["message"]) == ("FAILED", NO_SUCH_BUCKET)
    assert locked.execute(plan).output["totals"] == {}


@BUCKET_ONLY
def test_a_bucket_whose_region_is_not_named_is_not_touched(locked: LockedResource) -> None:
    locked.root_tasks.omit_from_response("s3:ListBuckets", "Buckets", "BucketRegion")
    outcome, message = locked.outcome_and_message(locked.plan())
    assert outcome == "INACCESSIBLE"
    assert "the response has no BucketRegion" in str(message)


@QUEUE_ONLY
def test_a_queue_whose_policy_is_an_empty_text_has_none(locked: LockedResource) -> None:
    def empty(parsed: dict[str, Any], **_: object) -> None:
        parsed["Attributes"]["Policy"] = ""

    locked.root_tasks.on_event("after-call.sqs.GetQueueAttributes", empty, account_id=MEMBER)
    assert locked.outcome_and_message(locked.plan()) == ("NOTHING_TO_DO", None)


@QUEUE_ONLY
def test_a_queue_whose_policy_cannot_be_read_needs_skip_backup(locked: LockedResource) -> None:
    locked.root_tasks.fail_calls(READ_CALL["queue"], "AccessDenied", account_id=MEMBER)
    refused = locked.plan()
    outcome, message = locked.outcome_and_message(refused)
    assert outcome == "INACCESSIBLE"
    assert '"skipBackup": true' in str(message)
    locked.execute(refused)
    assert locked.policy == "Everybody"

    plan = locked.plan(skipBackup=True)
    assert locked.outcome_and_message(plan) == ("PLANNED", POLICY_LOST)
    assert locked.outcome_and_message(locked.execute(plan)) == ("DONE", REMOVED_WITHOUT_BACKUP)
    assert locked.policy is None
    assert locked.backups == []


@QUEUE_ONLY
def test_a_queue_whose_policy_cannot_be_read_for_another_reason_keeps_it(
    locked: LockedResource,
) -> None:
    locked.root_tasks.fail_calls(READ_CALL["queue"], "AccessDenied", account_id=MEMBER, times=1)
    plan = locked.plan(skipBackup=True)
    locked.root_tasks.fail_calls(READ_CALL["queue"], "InternalError", status=500, account_id=MEMBER)
    assert locked.outcome_and_message(locked.execute(plan))[0] == "FAILED"
    assert locked.policy == "Everybody"


# Setting a policy


def test_a_policy_is_replaced_by_one_call_with_a_backup_and_shown_line_by_line(
    locked: LockedResource,
) -> None:
    plan = locked.plan_replacement()
    calls: list[str] = []
    # Both are the same call for a queue.
    for action in {REMOVE_CALL[locked.kind], ATTACH_CALL[locked.kind]}:
        locked.root_tasks.on_event(
            f"before-call.{action.replace(':', '.')}", lambda model, **_: calls.append(model.name)
        )
    executed = locked.execute(plan)
    (reference,) = locked.backups
    backup = locked.root_tasks.read_json(reference)
    for finished, outcome, key in ((plan, "PLANNED", None), (executed, "DONE", reference)):
        assert locked.outcome_and_message(finished) == (outcome, SENTENCE_OF_EACH_POLICY)
        shown = locked.item(finished)
        assert (shown["policy"], shown["backup"]) == (backup["policy"], key)
        changes = difference(locked.policy_text("Everybody"), locked.policy_text("Fixed"))
        assert shown["difference"] == changes
    assert all(locked.root_tasks.report(run)["setsPolicy"] for run in (plan, executed))
    assert [f"{ATTACH_CALL[locked.kind].partition(':')[0]}:{call}" for call in calls] == [
        ATTACH_CALL[locked.kind]
    ]
    assert backup["policy"] == locked.policy_text("Everybody")
    assert locked.policy == "Fixed"
    assert locked.outcome_and_message(locked.plan_replacement()) == ("NOTHING_TO_DO", None)


def test_a_replacement_is_refused_where_the_stack_does_not_allow_it(locked: LockedResource) -> None:
    plan = locked.plan_replacement()
    locked.root_tasks.settings = DeployedSettings()
    for refused in (locked.plan(policyOverride=locked.policy_text("Fixed")), locked.execute(plan)):
        assert refusal_reason_and_data(refused) == (RefusalReason.OVERRIDE_NOT_ALLOWED, {})
    assert locked.policy == "Everybody"


def test_a_policy_is_set_where_there_is_none_unless_one_is_attached_since(
    locked: LockedResource,
) -> None:
    locked.attach(None)
    plan, late = locked.plan_replacement(), locked.plan_replacement()
    shown = locked.item(plan)
    assert locked.outcome_and_message(plan) == ("PLANNED", SENTENCE_OF_EACH_POLICY)
    assert (shown["policy"], shown["backup"]) == (None, None)
    assert shown["difference"] == difference(None, locked.policy_text("Fixed"))
    assert locked.outcome_and_message(locked.execute(plan)) == ("DONE", SENTENCE_OF_EACH_POLICY)
    assert (locked.policy, locked.backups) == ("Fixed", [])
    locked.attach("Another")
    assert locked.outcome_and_message(locked.execute(late)) == ("FAILED", CHANGED_SINCE_PLAN)
    assert locked.policy == "Another"


# Giving a policy back


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_the_old_policy_is_given_back_whatever_is_attached_by_then(
    locked: LockedResource, change: str
) -> None:
    if change == "removed":
        reference, before = locked.unlock(), None
    else:
        executed = locked.execute(locked.plan_replacement())
        reference, before = locked.item(executed)["backup"], "Fixed"
        # To give a backup back, the stack need not allow other policies.
        locked.root_tasks.settings = DeployedSettings()
    plan, another = locked.plan(backup=reference), locked.plan(backup=reference)
    message = f"{policy_of_backup(reference)} {SENTENCE_OF_EACH_POLICY}"
    assert locked.outcome_and_message(plan) == ("PLANNED", message)
    assert locked.policy == before
    given_back = locked.execute(plan)
    assert locked.outcome_and_message(given_back) == ("DONE", message)
    assert locked.policy == "Everybody"
    assert locked.outcome_and_message(locked.plan(backup=reference)) == ("NOTHING_TO_DO", None)
    # The other plan is of the policy that was attached when it was made.
    assert locked.outcome_and_message(locked.execute(another)) == ("FAILED", CHANGED_SINCE_PLAN)
    if before is not None:
        locked.execute(locked.plan(backup=locked.item(given_back)["backup"]))
        assert locked.policy == before


@BUCKET_ONLY
def test_a_bucket_whose_policy_cannot_be_read_is_not_unlocked(locked: LockedResource) -> None:
    locked.root_tasks.fail_calls(READ_CALL["bucket"], "AccessDenied", account_id=MEMBER)
    outcome, message = locked.outcome_and_message(locked.plan())
    assert outcome == "INACCESSIBLE"
    assert "skipBackup" not in str(message)


def test_what_is_not_the_backup_of_this_policy_is_not_given_back(locked: LockedResource) -> None:
    root_tasks, unlocked = locked.root_tasks, locked.unlock()
    stored = root_tasks.read_object(unlocked)

    def store(body: bytes) -> str:
        """Store a body as a backup with the right hash, and return its reference."""
        reference = f"backups/run-1/{MEMBER}/x/{sha256(body)}.json"
        root_tasks.write_object(reference, body)
        return reference

    def store_altered(old: str, new: str) -> str:
        """Store the backup with another text in it, and return its reference."""
        return store(stored.replace(old.encode(), new.encode()))

    expected = [
        (f"backups/run-1/{MEMBER}/x/{'0' * 64}.json", RefusalReason.BACKUP_NOT_FOUND),
        (store(b"{}"), RefusalReason.NOT_A_BACKUP),
        (store_altered("_POLICY", "_THING"), RefusalReason.NOT_A_BACKUP),
        (
            store_altered(f"{locked.kind.upper()}_POLICY", "PASSWORD"),
            RefusalReason.BACKUP_OF_ANOTHER,
        ),
        (store_altered(f'"{MEMBER}"', f'"{OTHER_MEMBER}"'), RefusalReason.BACKUP_OF_ANOTHER),
        (store_altered(RESOURCE_ID[locked.kind], "another"), RefusalReason.BACKUP_OF_ANOTHER),
    ]
    for reference, reason in expected:
        refused, data = refusal_reason_and_data(locked.plan(backup=reference))
        assert (refused, data["reference"]) == (reason, reference)
    root_tasks.write_object(unlocked, stored.replace(b"Everybody", b"Nobody"))
    altered = locked.plan(backup=unlocked)
    assert altered.status == "FAILED"
    assert refusal_reason_and_data(altered) == (
        RefusalReason.BACKUP_ALTERED,
        {"reference": unlocked},
    )
    assert locked.policy is None


@pytest.mark.parametrize("listed", [True, False], ids=["backups listed", "backups unlisted"])
def test_a_batch_that_ends_early_names_its_backups_and_the_same_plan_shows_what_is_attached(
    locked: LockedResource, listed: bool
) -> None:
    plan = locked.plan_replacement()
    locked.root_tasks.lose_results = lambda batch: True
    if not listed:
        locked.root_tasks.fail_calls("s3:ListObjectsV2", "AccessDenied", url="backups", times=1)
    failed = locked.execute(plan)
    locked.root_tasks.lose_results = lambda batch: False
    assert (failed.status, failed.totals) == ("FAILED", {"UNKNOWN": 1})
    (reference,) = locked.backups
    row = locked.root_tasks.results(failed)[MEMBER]
    assert LOOK_AGAIN in row["reason"]
    named = reference if listed else BACKUPS_UNREAD
    assert named in json.dumps(row)
    assert locked.outcome_and_message(locked.plan_replacement()) == ("NOTHING_TO_DO", None)
    assert locked.outcome_and_message(locked.execute(locked.plan(backup=reference)))[0] == "DONE"
    assert locked.policy == "Everybody"
