"""What the functions of RootTasks do in member accounts, and what must hold whatever happens meanwhile."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_aws.emulation.state import current_emulation
from root_tasks.model.report_schema import ItemType, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

# What is attempted in a root session, as the type of the item that a report shows, and the parameter that has
# its ID.
WRITES: Mapping[str, tuple[ItemType, str | None]] = {
    "DeleteLoginProfile": (ItemType.PASSWORD, None),
    "CreateLoginProfile": (ItemType.PASSWORD, None),
    "DeleteAccessKey": (ItemType.ACCESS_KEY, "AccessKeyId"),
    "DeleteSigningCertificate": (ItemType.SIGNING_CERTIFICATE, "CertificateId"),
    "DeactivateMFADevice": (ItemType.MFA_DEVICE, "SerialNumber"),
    "DeleteBucketPolicy": (ItemType.BUCKET_POLICY, "Bucket"),
    "PutBucketPolicy": (ItemType.BUCKET_POLICY, "Bucket"),
}
_READS = ("Get", "List", "Head")
# What each of them relies on was read by this call.
_LOOKS = {
    "DeleteLoginProfile": "GetLoginProfile",
    "DeactivateMFADevice": "GetLoginProfile",
    "DeleteBucketPolicy": "GetBucketPolicy",
    "PutBucketPolicy": "GetBucketPolicy",
}
# How an item may be reported that was changed.
_TRUE_OUTCOMES = {Outcome.DONE, Outcome.UNKNOWN}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A plan, as its report shows it.

    Attributes:
        run_id: Its run.
        started_at: The start of its execution.
        items: The planned items, by account, type and ID.
    """

    run_id: str
    started_at: datetime
    items: Mapping[tuple[str, str, str | None], Mapping[str, Any]]

    @classmethod
    def of_report(cls, report: Mapping[str, Any]) -> Shown:
        """Return what the report of a plan shows."""
        return cls(
            run_id=report["runId"],
            started_at=datetime.fromisoformat(report["startedAt"]),
            items={
                (result["accountId"], item["type"], item["id"]): item
                for result in report["results"]
                for item in result["items"]
                if item["outcome"] == Outcome.PLANNED
            },
        )


@dataclass(kw_only=True)
class Drive:
    """An execution, over all the times that it was redriven.

    Attributes:
        run_id: Its name.
        arn: Its ARN, which an execution has that used the name before.
        input_: Its input.
        started_at: Its start.
        acts: Whether it is of the Execute state machine.
        plan: The plan that it executes, as a person has seen it.
        looks: Whether an account had credentials at the last look.
        changed: What has changed in member accounts: account, type, ID.
        removed: The texts of the policies that it has removed, by account.
        report: The report that it has written.
    """

    run_id: str
    arn: str
    input_: Mapping[str, object]
    started_at: datetime
    acts: bool
    plan: Shown | None = None
    history: dict[tuple[str, int], Any] = field(default_factory=dict)
    looks: dict[str, bool] = field(default_factory=dict)
    changed: set[tuple[str, str, str | None]] = field(default_factory=set)
    removed: list[tuple[str, str]] = field(default_factory=list)
    report: Mapping[str, Any] | None = None


@dataclass(kw_only=True)
class Ledger:
    """Follows the calls of the functions.

    Attributes:
        lifetime: How long a plan can be executed.
        now: The time.
        drive: The execution that runs.
        invocation: The number of the invocation that runs.
        stored: What the functions have stored, by key.
        policies: The policy of each bucket as it is.
    """

    lifetime: timedelta
    now: datetime
    drive: Drive | None = None
    invocation: int = 0
    stored: dict[str, bytes] = field(default_factory=dict)
    policies: dict[str, str | None] = field(default_factory=dict)
    _number: int = 0
    _begun: int = 0
    _looked: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _touched: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _executed_by: dict[str, set[tuple[str, datetime]]] = field(default_factory=lambda: defaultdict(set))
    _acted_by: dict[tuple[Any, ...], set[int]] = field(default_factory=lambda: defaultdict(set))

    @property
    def running(self) -> Drive:
        """The execution that runs."""
        assert self.drive is not None
        return self.drive

    def begin_invocation(self) -> None:
        """Count an invocation: what another one has looked at does not count for it."""
        self.invocation += 1
        self.forget_looks()

    def forget_looks(self) -> None:
        """Let no look count from here on: what comes next can take minutes, such as storing a backup."""
        self._begun = self._number

    def note_touch(self, account_id: str) -> None:
        """Note that others change something in an account."""
        self._number += 1
        self._touched[account_id] = self._number

    # Calls

    def note_call(self, account_id: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Check a call in a root session right before it is made.

        Raises:
            AssertionError: It must not be made.
        """
        self._number += 1
        self._looked[account_id, operation] = self._number
        if operation.startswith(_READS):
            return
        drive = self.running
        assert drive.acts, f"{operation} by a read-only run"
        plan = drive.plan
        assert plan is not None, f"{operation} without a plan that was seen"
        type_, parameter = WRITES[operation]
        id_ = parameters[parameter] if parameter else None
        item = plan.items.get((account_id, type_, id_))
        assert item is not None, (
            f"{operation} of {id_} in {account_id}, which the plan's report does not show"
        )
        self._check_identity(account_id, operation, parameters, item)
        age = self.now - plan.started_at
        assert age <= self.lifetime, f"{operation} for a plan that is {age} old"
        self._executed_by[plan.run_id].add((drive.arn, drive.started_at))
        assert len(self._executed_by[plan.run_id]) == 1, f"the plan {plan.run_id} is executed twice"
        acted_by = self._acted_by[plan.run_id, account_id, type_, id_]
        acted_by.add(self.invocation)
        assert len(acted_by) == 1, f"{operation} of {id_} in {account_id} is attempted by two invocations"

    def _check_identity(
        self, account_id: str, operation: str, parameters: Mapping[str, Any], item: Mapping[str, Any]
    ) -> None:
        """Check that an item is still the planned one, as far as a look right before can know it."""
        if operation not in _LOOKS or self._is_touched_since_look(account_id, operation):
            return
        user = current_emulation().root_user(account_id)
        match operation:
            case "DeleteLoginProfile":
                shown = datetime.fromisoformat(item["credential"]["createdAt"])
                assert user.password_created_at in (None, shown), "another password than the planned one"
            case "DeactivateMFADevice":
                others = user.password_created_at or user.access_keys or user.certificates
                assert not others, f"MFA goes before {others}"
            case "DeleteBucketPolicy":
                assert self.policies[parameters["Bucket"]] in (None, item["policy"]), "another policy"
            case "PutBucketPolicy":
                assert parameters["Policy"] == item["policy"], "another text than the plan shows"
                assert self.policies[parameters["Bucket"]] is None, "a policy that was there"

    def _is_touched_since_look(self, account_id: str, operation: str) -> bool:
        """Return whether a change came between a call and the look right before: no function can see that."""
        look = self._looked[account_id, _LOOKS[operation]]
        return self._begun < look < self._touched[account_id]

    def note_success(self, account_id: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Note a call in a root session that took effect."""
        if operation == "GetAccountSummary":
            self.running.looks[account_id] = has_credentials(account_id)
        if operation.startswith(_READS):
            return
        type_, parameter = WRITES[operation]
        id_ = parameters[parameter] if parameter else None
        self.running.changed.add((account_id, type_, id_))
        if operation == "DeleteBucketPolicy":
            text = self.policies[parameters["Bucket"]]
            if text is not None and not self._is_touched_since_look(account_id, operation):
                self.running.removed.append((account_id, text))
            self.policies[parameters["Bucket"]] = None
        elif operation == "PutBucketPolicy":
            self.policies[parameters["Bucket"]] = parameters["Policy"]

    def note_object(self, key: str, body: bytes) -> None:
        """Note what a function has stored."""
        self.stored[key] = body
        if key.endswith("/report.json") and not key.startswith("latest/"):
            self.running.report = json.loads(body)

    # Ends

    def check_report(self, drive: Drive) -> None:
        """Check the report of an execution that has ended.

        Raises:
            AssertionError: It does not say what happened.
        """
        if drive.report is None:
            return
        results = {result["accountId"]: result for result in drive.report["results"]}
        for account_id, result in results.items():
            if result["outcome"] == Outcome.CLEAN:
                assert drive.looks.get(account_id) is False, f"{account_id} is not clean"
        for account_id, type_, id_ in drive.changed:
            result = results[account_id]
            outcomes = [
                item["outcome"] for item in result["items"] if (item["type"], item["id"]) == (type_, id_)
            ]
            reported = outcomes[0] if outcomes else result["outcome"]
            assert reported in _TRUE_OUTCOMES, (
                f"{type_} {id_} of {account_id} was changed, and is {reported!r}"
            )
        for account_id, text in drive.removed:
            named = json.dumps(results[account_id])
            backups = [key for key in self._backups(drive, account_id, text) if key in named]
            assert backups, f"no backup of {text} of {account_id} is named: {named}"

    def check_backups(self, drive: Drive) -> None:
        """Check that what an execution has removed can be restored, also where it has no report.

        Raises:
            AssertionError: It cannot.
        """
        for account_id, text in drive.removed:
            assert self._backups(drive, account_id, text), f"{text} of {account_id} is lost"

    def _backups(self, drive: Drive, account_id: str, text: str) -> list[str]:
        prefix = f"backups/{drive.run_id}/{account_id}/"
        return [
            key
            for key, body in self.stored.items()
            if key.startswith(prefix) and json.loads(body)["policy"] == text
        ]


def has_credentials(account_id: str) -> bool:
    """Return whether the root user of an account has credentials."""
    user = current_emulation().root_user(account_id)
    return bool(user.password_created_at or user.access_keys or user.mfa_devices or user.certificates)


def at(seconds: int) -> datetime:
    """Return a moment before all executions, so many seconds after another one."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
