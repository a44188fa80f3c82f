"""The documents in S3, each as version 1 has it: what one release stores, every later one has to read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from root_tasks.aws.stores import sha256
from root_tasks.model.codec import Document, OtherKindError, OtherVersionError, decode, encode
from root_tasks.model.report import (
    AccessKey,
    AccountResult,
    AuditTotals,
    Change,
    ChangeType,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    Preflight,
    Report,
    RootCredentials,
    Task,
)
from root_tasks.model.run import (
    Account,
    Assignment,
    Backup,
    BatchResult,
    CredentialSelection,
    Denial,
    ExecutionMark,
    Finding,
    Mode,
    Plan,
    Restore,
    Run,
    Target,
    Work,
)
from root_tasks.refusals import RefusalReason
from support.accounts import MANAGEMENT, MEMBER, OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.root_tasks import FinishedExecution, RootTasks

STORED = Path(__file__).parent / "data" / "documents"
STARTED = datetime(2026, 11, 20, 4, 10, tzinfo=UTC)
QUEUE = f"arn:aws:sqs:us-east-1:{OTHER}:locked"
REFERENCE = f"backups/unlock-1/{OTHER}/locked/{'0' * 64}.json"
LOCKED: dict[str, Any] = {"type": ItemType.QUEUE_POLICY, "id": QUEUE, "region": "us-east-1"}
RESTORE = Restore(reference=REFERENCE, policy='{"Statement":[]}')
PASSWORD_CREATED = datetime(2022, 1, 1, tzinfo=UTC)
CREDENTIALS_OF_MEMBER = RootCredentials(
    password=True,
    password_last_used_at=datetime(2026, 11, 8, 4, 10, 30, tzinfo=UTC),
    access_keys=(
        AccessKey(
            access_key_id="AKIAIOSFODNN00000001",
            status="Active",
            created_at=datetime(2024, 6, 3, 4, 10, tzinfo=UTC),
            last_used_at=datetime(2026, 11, 17, 4, 10, 0, 250000, tzinfo=UTC),
            last_used_service="s3",
        ),
        AccessKey(access_key_id="AKIAIOSFODNN00000002", status="Inactive", created_at=None),
    ),
    mfa_devices=(f"arn:aws:iam::{MEMBER}:mfa/root-account-mfa-device",),
    signing_certificates=("KXQ4L2N6TZPEXAMPLE7CERTIFICATE22",),
)

# What the runs have in common.
ORGANIZATION: dict[str, Any] = {
    "organization_id": "o-8j81brsjuj",
    "management_account_id": MANAGEMENT,
    "account_id": MANAGEMENT,
    "started_at": STARTED,
}
FINISHED = datetime(2026, 11, 20, 4, 11, 37, 123456, tzinfo=UTC)
HOSTILE: dict[str, Any] = {"account_id": MEMBER, "name": "Zürich </script>", "email": "aws+z@example.com"}

# Never change or remove a file. When a field is added, which has to be optional, add a file with it, and name
# the one without it here: it has to be read as before, but this release no longer writes it.
EARLIER = frozenset(
    {
        "plan",
        "run",
        "run-with-organizational-units",
        "work",
        "work-of-a-plan",
        "work-of-an-execution",
        "report",
        "report-with-organizational-units-and-warnings",
        "report-with-history",
        "report-with-preflight",
    }
)
DOCUMENTS: dict[str, Document] = {
    "run": Run(
        run_id="audit-1",
        task=Task.AUDIT,
        full=True,
        **ORGANIZATION,
        execution_arn=f"arn:aws:states:us-east-1:{MANAGEMENT}:execution:RootTasks:audit-1",
        mode=Mode.AUDIT,
        accounts=(
            Account(
                account_id=MANAGEMENT,
                name="management",
                email="aws@example.com",
                state="ACTIVE",
                skip_reason="Root sessions are not supported for the management account.",
            ),
            Account(**HOSTILE, state="ACTIVE"),
        ),
        batches=((MEMBER,),),
    ),
    "run-with-organizational-units": Run(
        run_id="audit-2",
        task=Task.AUDIT,
        full=False,
        **ORGANIZATION,
        execution_arn=f"arn:aws:states:us-east-1:{MANAGEMENT}:execution:RootTasks:audit-2",
        mode=Mode.AUDIT,
        accounts=(
            Account(**HOSTILE, organizational_unit="Root/Zürich <b>", state="ACTIVE"),
            Account(account_id=OTHER, state="ACTIVE"),
        ),
        batches=((MEMBER, OTHER),),
    ),
    "work": Work(
        run_id="audit-1",
        task=Task.AUDIT,
        mode=Mode.AUDIT,
        batches=((Assignment(account_id=MEMBER), Assignment(account_id=OTHER)),),
    ),
    "work-of-a-plan": Work(
        run_id="delete-1",
        task=Task.DELETE_CREDENTIALS,
        mode=Mode.PLAN,
        batches=((Assignment(account_id=MEMBER),),),
        credentials=CredentialSelection(
            types=(ItemType.PASSWORD, ItemType.ACCESS_KEY),
            in_use_since=datetime(2026, 8, 22, 4, 10, tzinfo=UTC),
        ),
    ),
    "work-of-an-execution": Work(
        run_id="delete-1",
        task=Task.DELETE_CREDENTIALS,
        mode=Mode.EXECUTE,
        batches=((Assignment(account_id=MEMBER, targets=(Target(type=ItemType.PASSWORD),)),),),
        expires_at=datetime(2026, 11, 21, 4, 10, tzinfo=UTC),
    ),
    "execution-mark": ExecutionMark(
        execution_arn=f"arn:aws:states:us-east-1:{MANAGEMENT}:execution:RootTasksExecute:delete-1",
        started_at=STARTED,
    ),
    "batch-result": BatchResult(
        findings=(
            Finding(account_id=MEMBER, outcome=Outcome.HAS_CREDENTIALS, credentials=CREDENTIALS_OF_MEMBER),
            Finding(
                account_id=OTHER,
                outcome=Outcome.INACCESSIBLE,
                reason="sts:AssumeRoot: AccessDenied: Not authorized.",
                hint="A service control policy denies this account's root user.",
            ),
        )
    ),
    "batch-result-with-details-that-could-not-be-read": BatchResult(
        findings=(
            Finding(
                account_id=MEMBER,
                outcome=Outcome.HAS_CREDENTIALS,
                reason="iam:ListMFADevices: AccessDenied: Not authorized.",
                credentials=RootCredentials(
                    password=True,
                    password_last_use_unread=True,
                    access_keys=(
                        AccessKey(
                            access_key_id="AKIAIOSFODNN00000001",
                            status="Active",
                            created_at=None,
                            last_use_unread=True,
                        ),
                    ),
                    mfa_devices=None,
                    signing_certificates=None,
                ),
            ),
        )
    ),
    "batch-result-of-a-plan": BatchResult(
        findings=(
            Finding(
                account_id=MEMBER,
                outcome=Outcome.PLANNED,
                items=(
                    Item(
                        type=ItemType.PASSWORD,
                        outcome=Outcome.PLANNED,
                        credential=CredentialDetails(created_at=PASSWORD_CREATED, last_use_unread=True),
                    ),
                    Item(
                        type=ItemType.ACCESS_KEY,
                        id="AKIAIOSFODNN00000001",
                        outcome=Outcome.PLANNED,
                        credential=CredentialDetails(
                            status="Inactive",
                            created_at=datetime(2024, 6, 3, 4, 10, tzinfo=UTC),
                            last_used_at=datetime(2024, 6, 4, 4, 10, tzinfo=UTC),
                            last_used_service="s3",
                        ),
                    ),
                    Item(type=ItemType.ACCESS_KEY, id="AKIAIOSFODNN00000002", outcome=Outcome.IN_USE),
                ),
                planned=(
                    Target(type=ItemType.PASSWORD, created_at=PASSWORD_CREATED),
                    Target(type=ItemType.ACCESS_KEY, id="AKIAIOSFODNN00000001"),
                ),
            ),
        )
    ),
    "plan": Plan(
        run_id="unlock-1",
        task=Task.UNLOCK_QUEUE_POLICY,
        assignments=(
            Assignment(
                account_id=OTHER,
                targets=(
                    Target(**LOCKED, policy_sha256="0" * 64),
                    Target(**LOCKED, skip_backup=True),
                    Target(**LOCKED, restore=RESTORE),
                ),
            ),
        ),
    ),
    "backup": Backup(
        run_id="unlock-1",
        account_id=OTHER,
        **LOCKED,
        policy='{\n  "Statement": [{"Effect": "Deny", "Principal": "*", "Sid": "Zürich"}]\n}',
    ),
    "report": Report(
        run_id="unlock-2",
        task=Task.UNLOCK_QUEUE_POLICY,
        executed_plan="unlock-1",
        full=False,
        **ORGANIZATION,
        finished_at=FINISHED,
        results=(
            AccountResult(**HOSTILE, outcome=Outcome.HAS_CREDENTIALS, credentials=CREDENTIALS_OF_MEMBER),
            AccountResult(
                account_id=OTHER,
                name="queues",
                email="aws+queues@example.com",
                outcome=Outcome.DONE,
                items=(Item(type=ItemType.QUEUE_POLICY, id=QUEUE, outcome=Outcome.DONE, message=REFERENCE),),
            ),
        ),
    ),
    "report-with-organizational-units-and-warnings": Report(
        run_id="audit-2",
        task=Task.AUDIT,
        full=False,
        **ORGANIZATION,
        finished_at=FINISHED,
        results=(
            AccountResult(**HOSTILE, organizational_unit="Root/Zürich <b>", outcome=Outcome.CLEAN),
            AccountResult(account_id=OTHER, outcome=Outcome.CLEAN),
        ),
        warnings=("The result of batch 0 was altered.",),
    ),
    "report-with-history": Report(
        run_id="audit-3",
        task=Task.AUDIT,
        full=True,
        **ORGANIZATION,
        finished_at=FINISHED,
        results=(AccountResult(account_id=MEMBER, outcome=Outcome.CLEAN),),
        changes=(
            Change(
                type=ChangeType.CREDENTIALS_DISAPPEARED,
                account_id=MEMBER,
                credentials=(ItemType.PASSWORD, ItemType.ACCESS_KEY),
            ),
            Change(type=ChangeType.LEFT, account_id=OTHER, audited=False),
        ),
        trend=(
            AuditTotals(
                run_id="audit-2",
                started_at=datetime(2026, 11, 19, 4, 10, tzinfo=UTC),
                accounts=2,
                accounts_with_credentials=1,
                accounts_inaccessible=1,
            ),
            AuditTotals(
                run_id="audit-3",
                started_at=STARTED,
                accounts=1,
                accounts_with_credentials=0,
                accounts_inaccessible=0,
            ),
        ),
    ),
}
PREFLIGHT = Preflight(checked=True, denied=1, unknown=2)
DENIAL = Denial(
    reason="The service control policy Zürich <b> (p-a1b2c3d4) denies iam:GetAccountSummary.",
    hint="To exempt root sessions, add a condition.",
    account_ids=(MEMBER, OTHER),
)
_EARLIER: dict[str, Any] = dict(DOCUMENTS)
DOCUMENTS |= {
    "run-with-preflight": replace(_EARLIER["run-with-organizational-units"], preflight=PREFLIGHT),
    "work-with-denials": replace(_EARLIER["work-of-a-plan"], denials=(DENIAL,)),
    "work-of-an-execution-with-denials": replace(_EARLIER["work-of-an-execution"], denials=(DENIAL,)),
    "plan-of-a-restore-with-a-note": Plan(
        run_id="restore-1",
        task=Task.UNLOCK_QUEUE_POLICY,
        assignments=(
            Assignment(
                account_id=OTHER,
                targets=(
                    Target(
                        **LOCKED,
                        restore=replace(RESTORE, note="Whether run unlock-1 made this backup is not known."),
                    ),
                ),
            ),
        ),
    ),
    "report-with-preflight": replace(
        _EARLIER["report-with-history"],
        preflight=Preflight(checked=False, reason="organizations:ListPolicies: AccessDenied."),
    ),
}
_REPORT_WITH_PREFLIGHT: Any = DOCUMENTS["report-with-preflight"]
DOCUMENTS |= {
    "report-of-a-plan": replace(
        _REPORT_WITH_PREFLIGHT,
        task=Task.DELETE_CREDENTIALS,
        full=False,
        changes=None,
        trend=(),
        plan_expires_at=datetime(2026, 11, 21, 4, 10, tzinfo=UTC),
    ),
}
each_document = pytest.mark.parametrize("name", DOCUMENTS)


def stored_bytes(name: str) -> bytes:
    """The stored bytes of a document of version 1."""
    return (STORED / f"{name}.json").read_bytes()


def current(name: str) -> bytes:
    """The bytes that this release stores; the words of a report's summary may change."""
    written = json.loads(stored_bytes(name))
    derived = {key: written[key] for key in ("summary", "totals") if key in written}
    return encode(DOCUMENTS[name], derived=derived)


def with_unknown_keys(value: Any) -> Any:
    """A document as a later release may write it: with one more key in every object."""
    if isinstance(value, dict):
        return {
            "addedLater": {"by": ["a later release"]},
            **{key: with_unknown_keys(member) for key, member in value.items()},
        }
    return [with_unknown_keys(entry) for entry in value] if isinstance(value, list) else value


def test_every_stored_document_is_tested() -> None:
    assert {path.stem for path in STORED.iterdir()} == set(DOCUMENTS)


@each_document
def test_a_document_of_version_1_is_read_and_keys_of_a_later_release_are_ignored(name: str) -> None:
    later = json.dumps(with_unknown_keys(json.loads(stored_bytes(name)))).encode()
    for data in (stored_bytes(name), later):
        assert decode(type(DOCUMENTS[name]), data) == DOCUMENTS[name]


@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - EARLIER))
def test_this_release_stores_the_same_bytes(name: str) -> None:
    assert current(name) == stored_bytes(name)


@each_document
def test_a_document_is_never_taken_for_one_of_another_version_or_kind(name: str) -> None:
    own = type(DOCUMENTS[name])
    document = {**json.loads(stored_bytes(name)), "schemaVersion": 2}
    with pytest.raises(OtherVersionError) as refused:
        decode(own, json.dumps(document).encode())
    assert (refused.value.kind, refused.value.version) == (own.KIND, 2)
    for other in {type(document) for document in DOCUMENTS.values()} - {own}:
        with pytest.raises(OtherKindError):
            decode(other, stored_bytes(name))


# What a run does with documents of another release


@pytest.fixture
def root_tasks(root_tasks: RootTasks) -> RootTasks:
    root_tasks.organization.put_root_credentials(account_id=MEMBER, password=True)
    return root_tasks


def altered_plan(root_tasks: RootTasks, alter: Callable[[dict[str, Any]], object]) -> FinishedExecution:
    """Return a plan that another release has written, as its execution holds it."""
    plan = root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER]})
    key = f"runs/{plan.run_id}/plan.json"
    body = json.dumps(alter(json.loads(root_tasks.read(key)))).encode()
    root_tasks.write(key, body)
    plan.output["planSha256"] = sha256(body)
    return plan


@pytest.mark.parametrize("change", [{"schemaVersion": 2}, {"task": None}, {"kind": "backup"}])
def test_a_plan_that_this_release_cannot_read_is_refused_with_a_sentence(
    root_tasks: RootTasks, change: dict[str, object]
) -> None:
    execution = root_tasks.execute(altered_plan(root_tasks, lambda plan: {**plan, **change}))
    assert execution.status == "FAILED"
    assert execution.error is not None
    assert execution.error.reason is RefusalReason.PLAN_NOT_READABLE
    assert str(execution.error).endswith("Create a new plan. Nothing was changed.")


def test_a_plan_with_keys_of_a_later_release_is_executed(root_tasks: RootTasks) -> None:
    plan = altered_plan(root_tasks, with_unknown_keys)
    assert root_tasks.outcomes(root_tasks.execute(plan)) == {MEMBER: Outcome.DONE}
