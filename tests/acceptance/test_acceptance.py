"""The acceptance command: dry by default, guarded, and restoring however a run ends."""

import dataclasses
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from acceptance import __main__ as acceptance_main
from acceptance.callers import Callers
from acceptance.cases import all_cases
from acceptance.cases.recorded import read_recordings
from acceptance.guards import MAX_ACCOUNTS, Refusal
from acceptance.local import enable_policies
from acceptance.measurements import measure_assume_root
from acceptance.model import Level, Response, Verdict
from acceptance.resources import SUBJECTS
from acceptance.runner import MAX_SETTLING_SECONDS, run_cases, sort_cases
from acceptance.scene import Scene
from acceptance.snapshot import Snapshot, SnapshotError, read_snapshot
from acceptance.state import State, StateField
from local_aws.emulation import LocalOrganization, Seed, mock_organization
from support.acceptance import (
    AcceptanceCommand,
    EmulatedAws,
    run_names,
    run_scene,
    traces_of_run,
)
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    add_accounts,
    enable_root_access,
    write_calls,
)
from support.faults.clients import inject
from support.faults.vocabulary import error_response
from support.responding import client_error

READS = ("Assume", "Describe", "Get", "List")


@pytest.fixture
def acceptance_command(
    organization: LocalOrganization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AcceptanceCommand:
    """The acceptance command, which is run against the emulated organization."""
    return AcceptanceCommand(organization, tmp_path / "runs", monkeypatch)


# Dry


@pytest.mark.parametrize("level", Level)
def test_without_run_nothing_is_called_and_every_call_is_printed(
    acceptance_command: AcceptanceCommand, level: Level
) -> None:
    finished = acceptance_command.run("--level", level.value)
    assert finished.exit_code == 0, finished.output
    assert acceptance_command.connections == []
    assert not acceptance_command.folder.exists()
    for case in all_cases():
        assert level.includes(case.level) == (f"{case.name} (" in finished.stdout), case.name
        call = f"calls {case.call.operation} as {case.caller}; {case.risk or ''}"
        assert not level.includes(case.level) or call in finished.stdout
    # The last line but one says what a run would change.
    *_, changes, _ = finished.stdout.splitlines()
    changed = {resource for resource in StateField if SUBJECTS[resource] in changes}
    expected = {
        field for field in StateField if level is not Level.READ and level.includes(field.level)
    }
    assert changed == expected


def test_the_organization_and_the_account_have_to_be_named(
    acceptance_command: AcceptanceCommand,
) -> None:
    finished = CliRunner().invoke(acceptance_main.main, ["--run"])
    assert finished.exit_code == 2
    assert acceptance_command.connections == []


# Guards


@dataclass(frozen=True, kw_only=True)
class Danger:
    """What a guard refuses.

    Attributes:
        arrange: Brings the organization into the state that is refused.
        level: The level of the run.
        caller: Who runs it.
        options: The arguments that are refused.
        typed: What is typed for the confirmation.
    """

    arrange: Callable[[LocalOrganization], object] = lambda _: None
    level: Level = Level.FEATURE
    caller: dict[str, Any] = dataclasses.field(default_factory=dict)
    options: dict[str, str] = dataclasses.field(default_factory=dict)
    typed: str | None = None


WITH_MEMBER = {"member": OTHER_MEMBER}
DANGERS: dict[Refusal, Danger] = {
    Refusal.OTHER_ACCOUNT: Danger(options={"account": MEMBER}),
    Refusal.OTHER_ORGANIZATION: Danger(options={"organization": "o-zzzzzzzzzz"}),
    Refusal.NOT_MANAGEMENT: Danger(caller={"account_id": MEMBER}, options={"account": MEMBER}),
    Refusal.ROOT_CALLER: Danger(
        arrange=lambda organization: organization.put_root_credentials(MANAGEMENT, access_keys=1),
        caller={"root_user": True},
    ),
    Refusal.NOT_ALL_FEATURES: Danger(),
    Refusal.LARGE: Danger(arrange=lambda organization: add_accounts(organization, MAX_ACCOUNTS)),
    Refusal.IN_USE: Danger(
        arrange=lambda organization: enable_root_access(organization, ROOT_SESSIONS)
    ),
    Refusal.DELEGATES: Danger(
        arrange=lambda organization: enable_root_access(
            organization, delegated_administrators=[MEMBER]
        )
    ),
    Refusal.NOT_A_MEMBER: Danger(options={"member": OUTSIDE_ORGANIZATION}),
    Refusal.SAME_ACCOUNT: Danger(options={"member": OTHER_MEMBER, "delegate": OTHER_MEMBER}),
    Refusal.MEMBER_REQUIRED: Danger(level=Level.MEMBER),
    Refusal.ROLE_DENIED: Danger(
        arrange=lambda organization: organization.deny(MANAGEMENT, "sts:AssumeRole"),
        options=WITH_MEMBER,
    ),
    Refusal.ROOT_CREDENTIALS: Danger(
        arrange=lambda organization: organization.put_root_credentials(OTHER_MEMBER, mfa_devices=1),
        level=Level.MEMBER,
        options=WITH_MEMBER,
    ),
    Refusal.NOT_CONFIRMED: Danger(typed="yes"),
}


@pytest.mark.parametrize("refusal", Refusal, ids=lambda refusal: refusal.name)
def test_a_run_in_the_wrong_place_is_refused_before_it_changes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    danger = DANGERS[refusal]
    seed = Seed(
        feature_set="CONSOLIDATED_BILLING" if refusal is Refusal.NOT_ALL_FEATURES else "ALL"
    )
    with mock_organization(seed=seed) as organization:
        acceptance_command = AcceptanceCommand(organization, tmp_path / "runs", monkeypatch)
        danger.arrange(organization)
        acceptance_command.options = danger.caller
        organization.clear_calls()
        finished = acceptance_command.run(
            "--level", danger.level.value, "--run", typed=danger.typed, **danger.options
        )
        assert finished.exit_code == 2, finished.output
        # The sentence up to its first value, or after its last one, which is enough to know it by.
        known_by = refusal.value.partition("{")[0] or refusal.value.rpartition("}")[2]
        assert known_by in finished.stderr
        assert write_calls(organization) == []
        assert acceptance_command.snapshots() == []


# Levels


@pytest.mark.parametrize(
    "features",
    [None, (), (ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)],
    ids=["new", "delegated", "in use"],
)
def test_the_level_read_changes_nothing_and_opens_no_root_session(
    acceptance_command: AcceptanceCommand, features: tuple[str, ...] | None
) -> None:
    organization = acceptance_command.organization
    if features is not None:
        add_accounts(organization, MAX_ACCOUNTS)
        enable_root_access(organization, *features, delegated_administrators=[THIRD_MEMBER])
    before = traces_of_run(organization)
    organization.clear_calls()
    finished = acceptance_command.run_level(Level.READ)
    assert finished.exit_code == 0, finished.output
    [aws] = acceptance_command.connections
    assert [call for call in aws.operations if not call.partition(":")[2].startswith(READS)] == []
    root_sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
    assert [call for call in root_sessions if call.error is None] == []
    assert traces_of_run(organization) == before
    assert acceptance_command.snapshots() == []
    organization.deny(MANAGEMENT, "organizations:DescribeOrganizationalUnit")
    different = acceptance_command.run_level(Level.READ)
    # In other states the cases of that call are not seen.
    assert different.exit_code == int(features is None)


@pytest.mark.parametrize("hidden", [False, True], ids=["listed", "hidden"])
def test_a_feature_that_was_enabled_is_enabled_again_afterwards(
    acceptance_command: AcceptanceCommand, *, hidden: bool
) -> None:
    organization = acceptance_command.organization
    enable_root_access(organization, ROOT_SESSIONS, hidden=hidden)
    before = traces_of_run(organization)
    finished = acceptance_command.run_level(Level.FEATURE, "--allow-changes")
    assert finished.exit_code == 0, finished.output
    assert traces_of_run(organization) == before


SECRET_MEMBER, SECRET_DELEGATE, SECRET_OTHER = "678967896789", "567856785678", "789078907890"
# Texts that identify the organization of `member_run` or name a person or a project.
NEVER_SENT = (
    "realorg123",
    SECRET_MEMBER,
    SECRET_DELEGATE,
    SECRET_OTHER,
    "secret-project",
    "hr-payroll",
    "@example.com",
    "root-access-acceptance-",
)


@pytest.fixture(scope="module")
def member_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The issue and the recording of a run at the level `member`, by their kind.

    The organization's names and IDs must be in neither.
    """
    seed = Seed(
        organization_id="o-realorg123",
        members=(
            (SECRET_DELEGATE, "secret-project"),
            (SECRET_MEMBER, "hr-payroll"),
            (SECRET_OTHER, "x"),
        ),
    )
    with pytest.MonkeyPatch.context() as monkeypatch, mock_organization(seed=seed) as organization:
        enable_policies(organization)
        acceptance_command = AcceptanceCommand(
            organization, tmp_path_factory.mktemp("member"), monkeypatch
        )
        before = traces_of_run(organization, member=SECRET_MEMBER)
        finished = acceptance_command.run(
            "--level", "member", "--run", member=SECRET_MEMBER, delegate=SECRET_DELEGATE
        )
        assert finished.exit_code == 0, finished.output
        assert "of the level member, which may leave an empty bucket" in finished.stdout
        assert traces_of_run(organization, member=SECRET_MEMBER) == before
        assert acceptance_command.snapshots() == []
        written = {
            kind: next(acceptance_command.folder.glob(f"*.{kind}.*")).read_text()
            for kind in ("issue", "recording")
        }
        assert organization.root_id not in str(written)
    return written


def test_every_case_is_the_same_on_the_local_aws(member_run: dict[str, str]) -> None:
    # Below each case, the differences are indented: here they are on its line.
    summary = member_run["issue"].replace("\n    ", " ")
    not_the_same = {
        line for line in summary.splitlines() if line.startswith(("different: ", "not seen: "))
    }
    cases = all_cases()
    assert not_the_same == {
        f"not seen: {case.name} ({case.source}) the local AWS does not show it: "
        f"{case.not_shown_locally}"
        for case in cases
        if case.not_shown_locally
    }
    assert (
        f"{len(cases) - len(not_the_same)} same, 0 different, {len(not_the_same)} not seen"
        in summary
    )


def test_what_the_local_aws_does_not_show_is_pinned() -> None:
    """A case that it no longer shows, or that it shows now, changes the number."""
    assert sum(case.not_shown_locally is not None for case in all_cases()) == 7


# Results


def test_nothing_that_is_sent_names_the_organization_or_a_person(
    member_run: dict[str, str],
) -> None:
    for text in member_run.values():
        assert [secret for secret in NEVER_SENT if secret in text] == []


def test_a_recording_that_is_dropped_into_the_folder_becomes_a_test(
    member_run: dict[str, str], tmp_path: Path, organization: LocalOrganization
) -> None:
    (tmp_path / "new.json").write_text(member_run["recording"])
    recorded = [case for case in read_recordings(tmp_path) if case.not_shown_locally is None]
    # Fewer would mean that the recording lacks cases.
    assert len(recorded) >= 150
    enable_policies(organization)
    # Every eighth case: all of them take a minute.
    results = run_cases(
        sort_cases(recorded[::8]), run_scene(organization), Level.MEMBER, settling_seconds=0
    )
    assert [
        (run.case.name, run.differences) for run in results if run.verdict is not Verdict.SAME
    ] == []
    assert {case.measures for case in all_cases(tmp_path)} == {
        case.measures for case in all_cases()
    }


# Measurements


def test_the_rate_of_assume_root_is_asked_for_gently_and_with_a_bound(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    measured = measure_assume_root(run_scene(organization).callers)
    assert measured == {"throttledAt": None, "notThrottledAt": 20.0}
    times = [call.at for call in organization.calls if call.operation == "AssumeRoot"]
    # Ten calls at each of 2, 5, 10 and 20 a second.
    assert len(times) == 40
    pauses = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert min(pauses) >= 1 / 20
    # Between the ten calls at two a second are nine pauses of half a second.
    assert sum(pause >= 1 / 2 for pause in pauses) >= 9


def test_the_first_throttled_call_is_the_last_one(organization: LocalOrganization) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    throttled = client_error("Throttling", operation="AssumeRoot")
    # The thirteenth call is the third at the second rate.
    aws = EmulatedAws(organization, on_call=raise_at_call(12, throttled))
    measured = measure_assume_root(Callers(aws, run_names(organization)))
    assert measured == {"throttledAt": 5.0, "notThrottledAt": 2.0}
    assert aws.operations == ["sts:AssumeRoot"] * 13


def test_root_confirms_to_give_up_a_policy_in_a_bucket_of_that_case_alone(
    organization: LocalOrganization,
) -> None:
    # Each PutBucketPolicy: the bucket, and whether root confirms to lose its access.
    requests: list[tuple[str, bool]] = []

    def record(params: dict[str, Any], **_: object) -> None:
        name = params["url"].partition("//")[2].partition(".")[0]
        requests.append((name, "x-amz-confirm-remove-self-bucket-access" in params["headers"]))

    aws = EmulatedAws(
        organization,
        on_client=lambda client: client.meta.events.register(
            "before-call.s3.PutBucketPolicy", record
        ),
    )
    names = run_names(organization)
    scene = Scene(Callers(aws, names), state=State())
    in_member = (case for case in all_cases() if case.level is Level.MEMBER)
    cases = [case for case in in_member if "bucket" in str((case.given, case.risk))]
    results = run_cases(sort_cases(cases), scene, Level.MEMBER, settling_seconds=0)
    assert {result.verdict for result in results if result.case.not_shown_locally is None} == {
        Verdict.SAME
    }
    *others, last = requests
    assert len(others) > 2
    assert set(others) == {(names.own_name, False)}
    assert last == (f"{names.own_name}-confirmed", True)


def test_another_response_is_asked_for_more_and_more_slowly_and_not_without_end(
    organization: LocalOrganization,
) -> None:
    [case] = [case for case in all_cases() if case.name == "no feature is enabled at first"]
    never_returned = Response(
        output={**(case.response.output or {}), "EnabledFeatures": ["RootSessions"]}
    )
    case = dataclasses.replace(case, response=never_returned)
    [result] = run_cases([case], run_scene(organization), Level.MEMBER)
    assert result.verdict is Verdict.DIFFERENT
    assert MAX_SETTLING_SECONDS / 2 < result.seconds <= MAX_SETTLING_SECONDS
    asked = [call for call in organization.calls if call.operation == "ListOrganizationsFeatures"]
    # Each pause is twice as long as the one before, up to a maximum.
    assert len(asked) <= 25


# Interruptions


def raise_at_call(number: int, error: BaseException) -> Callable[[str], object]:
    """Return a hook for a run's calls that raises an error at one of them.

    A SystemExit, which stands for a kill, is also raised at every later call: a killed run restores
    nothing.
    """
    numbers = itertools.count()

    def on_call(_: str) -> None:
        current = next(numbers)
        if current == number or (current > number and isinstance(error, SystemExit)):
            raise error

    return on_call


@pytest.mark.parametrize("number", [30, 62])
def test_an_interrupted_run_restores_what_it_has_changed(
    acceptance_command: AcceptanceCommand, number: int
) -> None:
    organization = acceptance_command.organization
    before = traces_of_run(organization)
    # Both calls are in the midst of a run's changes.
    acceptance_command.options = {"on_call": raise_at_call(number, KeyboardInterrupt())}
    finished = acceptance_command.run_level(Level.MEMBER)
    assert finished.exit_code == 130
    assert traces_of_run(organization) == before
    assert acceptance_command.snapshots() == []
    assert "Restore it" not in finished.stderr


@pytest.mark.parametrize(
    ("call", "code"),
    [
        # A detached policy still acts, the name of a deleted bucket is still taken, a new queue or
        # policy is not found yet, another change is made.
        ("iam:DeleteLoginProfile", "AccessDenied"),
        ("s3:CreateBucket", "OperationAborted"),
        ("sqs:SetQueueAttributes", "AWS.SimpleQueueService.NonExistentQueue"),
        ("organizations:AttachPolicy", "PolicyNotFoundException"),
        ("organizations:CreatePolicy", "ConcurrentModificationException"),
    ],
)
def test_what_aws_refuses_for_a_while_delays_a_change_and_its_restoration(
    organization: LocalOrganization, call: str, code: str
) -> None:
    enable_policies(organization)
    before = traces_of_run(organization)
    refused = error_response(code)
    aws = EmulatedAws(
        organization,
        on_client=lambda client: inject(client.meta.events.register, call, refused, times=3),
    )
    scene = Scene(Callers(aws, run_names(organization)), state=State())
    scene.converge(State(password=True, bucket="open", queue="open", policy="on password"))
    scene.restore(State())
    # Without a refusal, the local AWS is never waited for.
    assert aws.monotonic() > 0
    assert traces_of_run(organization) == before


def test_what_cannot_be_deleted_keeps_nothing_else_from_being_restored(
    acceptance_command: AcceptanceCommand,
) -> None:
    organization = acceptance_command.organization
    refused = error_response("InvalidSecurity")
    acceptance_command.options = {
        "on_client": lambda client: inject(client.meta.events.register, "sqs:DeleteQueue", refused)
    }
    finished = acceptance_command.run_level(Level.MEMBER)
    assert finished.exit_code == 2
    assert (
        "Not restored: an empty queue in the member account: An error occurred (InvalidS"
        in finished.stderr
    )
    assert "Restore it: " in finished.stderr
    left = traces_of_run(organization)
    assert left["queues"] != []
    # Everything else is as before: a service that is not IAM had trusted access.
    assert (left["trusted access"], left["features"], left["buckets"]) == (
        ["cloudtrail.amazonaws.com"],
        [],
        [],
    )
    acceptance_command.options = {}
    assert acceptance_command.restore(*acceptance_command.snapshots()).exit_code == 0
    assert traces_of_run(organization)["queues"] == []


def test_what_a_run_makes_is_set_and_restored_without_a_list_which_lags(
    organization: LocalOrganization,
) -> None:
    enable_policies(organization)
    before = traces_of_run(organization)
    listed_policies: list[object] = []
    created_policies: list[object] = []

    def let_lists_lag(client: Any) -> None:
        """Have ListPolicies return what the test says, and note which policies are created."""
        for call, hook in (
            ("ListPolicies", lambda parsed, **_: parsed.update(Policies=listed_policies)),
            (
                "CreatePolicy",
                lambda parsed, **_: created_policies.append(parsed["Policy"]["PolicySummary"]),
            ),
        ):
            client.meta.events.register(f"after-call.organizations.{call}", hook)

    aws = EmulatedAws(organization, on_client=let_lists_lag)
    scene = Scene(Callers(aws, run_names(organization)), state=State())
    for value in ("locked", "open", "locked"):
        scene.converge(State(bucket=value, queue=value, policy="on password"))
        scene.converge(State(policy="without the exemption"))
    scene.converge(State(bucket="locked", queue="locked", policy="on password"))
    state_before_restoring = scene.state
    scene.restore(State())
    assert traces_of_run(organization) == before
    # A person has deleted everything before, and the list still has the policy.
    scene.state = state_before_restoring
    listed_policies += created_policies[-1:]
    scene.restore(State())
    assert traces_of_run(organization) == before
    assert {"sqs:ListQueues", "s3:ListBuckets"}.isdisjoint(aws.operations)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Unable to locate credentials"),
        (("--profile", "nosuch"), "(nosuch) could not be found"),
    ],
    ids=["no credentials", "no such profile"],
)
def test_a_run_without_usable_credentials_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    named = ["--organization", "o-a1b2c3d4e5", "--account", MANAGEMENT]
    finished = CliRunner().invoke(acceptance_main.main, [*named, "--run", *arguments])
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert sentence in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_the_sts_of_the_region_is_called_whatever_the_configuration_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    sts = acceptance_main.connect(None, "us-east-1").client("sts")
    assert sts.meta.endpoint_url == "https://sts.us-east-1.amazonaws.com"


def test_a_run_that_did_not_restore_keeps_its_results_and_its_snapshot(
    acceptance_command: AcceptanceCommand,
) -> None:
    organization = acceptance_command.organization
    enable_policies(organization)
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, hidden=True)
    before = traces_of_run(organization)
    # A kill after most of the cases: the shell's exit code for one is 137.
    acceptance_command.options = {"on_call": raise_at_call(600, SystemExit(137))}
    assert acceptance_command.run_level(Level.MEMBER).exit_code == 137
    assert traces_of_run(organization) != before
    recorded = json.loads(next(acceptance_command.folder.glob("*.recording.json")).read_text())
    assert len(recorded["responses"]) > 10
    assert "by a part of an acceptance run" in recorded["origin"]
    assert (recorded["source"], recorded["license"]) == ("python -m acceptance", "MIT")
    [path] = acceptance_command.snapshots()
    acceptance_command.options = {}
    finished = acceptance_command.restore(path)
    assert finished.exit_code == 0, finished.output
    assert traces_of_run(organization) == before
    assert acceptance_command.snapshots() == []


def leave_unrestored(organization: LocalOrganization, folder: Path) -> Path:
    """Change everything as a run would, end without restoring it, and return the snapshot."""
    changed = State(
        trusted_access=True, credentials=True, sessions=True, delegate=True, password=True
    )
    path = folder / "killed.snapshot.json"
    before = State(credentials=False, sessions=False)
    Snapshot(names=run_names(organization), level=Level.MEMBER, before=before).write(path)
    run_scene(organization).converge(changed)
    organization.clear_calls()
    return path


def test_a_restoration_prints_every_change_before_it_asks(
    acceptance_command: AcceptanceCommand, tmp_path: Path
) -> None:
    organization = acceptance_command.organization
    path = leave_unrestored(organization, tmp_path)
    # Nobody answers the question.
    finished = acceptance_command.restore(path, typed="")
    assert finished.exit_code == 2
    assert write_calls(organization) == []
    changed = ("trusted_access", "credentials", "sessions", "delegate", "password")
    assert all(SUBJECTS[StateField(name)] in finished.stdout for name in changed)
    assert all(
        id_ in finished.stdout for id_ in (organization.id, MANAGEMENT, OTHER_MEMBER, MEMBER)
    )


def test_a_restoration_in_another_organization_changes_nothing(
    acceptance_command: AcceptanceCommand, tmp_path: Path
) -> None:
    organization = acceptance_command.organization
    path = leave_unrestored(organization, tmp_path)
    names = dataclasses.replace(run_names(organization), organization_id="o-zzzzzzzzzz")
    Snapshot(names=names, level=Level.MEMBER, before=State()).write(path)
    finished = acceptance_command.restore(path)
    assert finished.exit_code == 2
    assert "is in the organization" in finished.stderr
    assert write_calls(organization) == []


@pytest.mark.parametrize("text", ["", "{}\n", "not JSON\n", '{"snapshot": 99}\n', "[1]\n"])
def test_another_file_is_not_taken_for_a_snapshot(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(SnapshotError):
        read_snapshot(path)
    assert CliRunner().invoke(acceptance_main.main, ["--restore", str(path)]).exit_code == 2
