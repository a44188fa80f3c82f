"""The input of an execution: what is understood, and what is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from root_tasks.messages import RunRefusedError
from root_tasks.model.report import ItemType, Task
from root_tasks.model.run import Assignment, Target
from root_tasks.run.request import PutBack, parsed

MEMBER, OTHER = "222222222222", "333333333333"
QUEUE = f"arn:aws:sqs:eu-west-1:{MEMBER}:orders.fifo"
BACKUP = f"backups/run-1/{MEMBER}/a-bucket/{'0' * 64}.json"
DELETE, RECOVER = Task.DELETE_CREDENTIALS, Task.ALLOW_PASSWORD_RECOVERY
BUCKETS, QUEUES = Task.UNLOCK_BUCKET_POLICY, Task.UNLOCK_QUEUE_POLICY


def understood(given: object, *, allow_policy_override: bool = False) -> Any:
    return parsed(given, tasks=Task, allow_policy_override=allow_policy_override)


@pytest.mark.parametrize("given", [{}, {"task": Task.AUDIT}, {"accounts": "all"}])
def test_by_default_every_account_is_audited(given: dict[str, object]) -> None:
    request = understood(given)
    assert request.task is Task.AUDIT
    assert request.everywhere


@pytest.mark.parametrize("task", [Task.AUDIT, DELETE])
def test_audit_and_deletion_take_accounts_units_or_all(task: Task) -> None:
    assert understood({"task": task, "accounts": [OTHER, MEMBER, OTHER]}).account_ids == (OTHER, MEMBER)
    assert understood({"task": task, "accounts": "all"}).everywhere
    units = understood({"task": task, "organizationalUnits": ["ou-a1b2-c3d4e5f6", "r-a1b2"]})
    assert units.organizational_units == ("ou-a1b2-c3d4e5f6", "r-a1b2")
    assert not units.everywhere
    both = understood({"task": task, "organizationalUnits": ["r-a1b2"], "accounts": [MEMBER]})
    assert (both.account_ids, both.organizational_units) == ((MEMBER,), ("r-a1b2",))


def test_buckets_are_named_by_account_and_queues_by_arn() -> None:
    assert understood({"task": BUCKETS, "buckets": {MEMBER: ["a-bucket", "b.bucket"]}}).assignments == (
        Assignment(
            account_id=MEMBER,
            targets=(
                Target(type=ItemType.BUCKET_POLICY, id="a-bucket"),
                Target(type=ItemType.BUCKET_POLICY, id="b.bucket"),
            ),
        ),
    )
    assert understood({"task": QUEUES, "queues": [QUEUE], "skipBackup": True}).assignments == (
        Assignment(
            account_id=MEMBER,
            targets=(Target(type=ItemType.QUEUE_POLICY, id=QUEUE, region="eu-west-1", without_backup=True),),
        ),
    )


def test_a_corrected_policy_may_be_text_or_json() -> None:
    for policy in ('{"Version": "2012-10-17"}', {"Version": "2012-10-17"}):
        request = understood(
            {"task": BUCKETS, "restore": [BACKUP], "policyOverride": policy}, allow_policy_override=True
        )
        assert request.put_back == (PutBack(reference=BACKUP, policy='{"Version": "2012-10-17"}'),)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "The input is a JSON object"),
        ("all", "The input is a JSON object"),
        ({"Accounts": "all"}, "The input has Accounts; known is task, accounts"),
        ({"task": "audit"}, 'The task "audit" is none of AWS\'s'),
        ({"task": ["x"]}, "none of AWS's"),
        ({"accounts": []}, '"accounts" is a list of account ids of 12 digits, not \\[\\]'),
        ({"accounts": MEMBER}, '"accounts" is a list of account ids'),
        ({"accounts": None}, '"accounts" is a list of account ids'),
        ({"accounts": [222222222222]}, "222222222222 is none"),
        ({"accounts": ["22222222222"]}, '"22222222222" is none'),
        ({"accounts": [f"{MEMBER}\n"]}, "is none"),
        ({"organizationalUnits": ["Sandbox"]}, '"Sandbox" is none'),
        ({"organizationalUnits": []}, "is a list of ids of organizational units"),
        ({"organizationalUnits": ["r-a1b2"], "accounts": "all"}, "not both"),
        ({"buckets": {MEMBER: ["a-bucket"]}}, "IAMAuditRootUserCredentials does not take buckets"),
        ({"plan": "run-1"}, "An audit changes nothing"),
        ({"task": DELETE}, 'needs "accounts": a list of account ids, or "all"; or "organizationalUnits".'),
        ({"task": DELETE, "accounts": [MEMBER], "skipBackup": True}, "does not take skipBackup"),
        ({"task": DELETE, "plan": "run-1", "accounts": [MEMBER]}, "exactly what the plan lists"),
        ({"task": DELETE, "plan": True}, '"plan" is the run id of a plan, not true'),
        ({"task": DELETE, "plan": "../run"}, '"plan" is the run id of a plan'),
        ({"task": DELETE, "plan": "a:b"}, '"plan" is the run id of a plan'),
        ({"task": RECOVER}, 'needs "accounts": a list of account ids\\.'),
        ({"task": RECOVER, "accounts": "all"}, "takes accounts by their ids"),
        ({"task": RECOVER, "organizationalUnits": ["r-a1b2"]}, "takes accounts by their ids"),
        ({"task": BUCKETS}, 'give "buckets", or "restore"'),
        ({"task": BUCKETS, "accounts": "all"}, "does not take accounts"),
        ({"task": BUCKETS, "buckets": ["a-bucket"]}, '"buckets" lists names by account'),
        ({"task": BUCKETS, "buckets": {}}, '"buckets" lists names by account'),
        ({"task": BUCKETS, "buckets": {"me": ["a-bucket"]}}, '"me" is no id of 12 digits'),
        ({"task": BUCKETS, "buckets": {MEMBER: []}}, "is a list of names of buckets"),
        ({"task": BUCKETS, "buckets": {MEMBER: ["A_Bucket"]}}, '"A_Bucket" is none'),
        ({"task": BUCKETS, "buckets": {MEMBER: ["a"]}, "skipBackup": True}, "not take skipBackup"),
        (
            {"task": BUCKETS, "buckets": {MEMBER: ["a-b"]}, "policyOverride": {}},
            "does not take policyOverride",
        ),
        ({"task": QUEUES}, 'give "queues", or "restore"'),
        ({"task": QUEUES, "queues": ["orders"]}, '"orders" is none'),
        ({"task": QUEUES, "queues": [QUEUE], "skipBackup": "yes"}, '"skipBackup" is true or false'),
        ({"task": QUEUES, "restore": []}, '"restore" is a list of references of backups'),
        ({"task": QUEUES, "restore": [f"runs/{BACKUP}"]}, "is none"),
        ({"task": QUEUES, "restore": [BACKUP], "queues": [QUEUE]}, "does not take queues"),
        ({"task": QUEUES, "restore": [BACKUP], "policyOverride": {}}, "allow_policy_override=True"),
    ],
)
def test_what_is_unclear_is_refused(given: object, why: str) -> None:
    with pytest.raises(RunRefusedError, match=why):
        understood(given)


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ("no JSON", '"policyOverride" is no JSON'),
        ("[]", "a JSON object"),
        (7, "a JSON object"),
    ],
)
def test_a_corrected_policy_that_is_no_policy_is_refused(policy: object, why: str) -> None:
    with pytest.raises(RunRefusedError, match=why):
        understood(
            {"task": BUCKETS, "restore": [BACKUP], "policyOverride": policy}, allow_policy_override=True
        )


def test_a_corrected_policy_is_for_one_backup() -> None:
    two = [BACKUP, BACKUP.replace("a-bucket", "b-bucket")]
    with pytest.raises(RunRefusedError, match="is for one backup"):
        understood({"task": BUCKETS, "restore": two, "policyOverride": {}}, allow_policy_override=True)
