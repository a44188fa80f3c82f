"""The acceptance command: dry by default, guarded, and restoring however a run ends."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from acceptance import __main__ as command
from acceptance.callers import Callers
from acceptance.cases import all_cases
from acceptance.cases.recorded import read_recordings
from acceptance.deployment import Deployment
from acceptance.guards import MAX_ACCOUNTS, Refusal
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
    enable_policies,
    run_names,
    run_scene,
    traces_of_run,
)
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.apps import REPOSITORY
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    add_accounts,
    enable_root_access,
    write_calls,
)
from support.faults.clients import inject
from support.faults.vocabulary import error_response
from support.processes import run_successfully

READS = ("Assume", "Describe", "Get", "List")


@pytest.fixture
def terminal(
    organization: LocalOrganization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AcceptanceCommand:
    return AcceptanceCommand(organization, tmp_path / "runs", monkeypatch)


# Dry


@pytest.mark.parametrize("level", Level)
def test_without_run_nothing_is_called_and_every_call_is_printed(
    terminal: AcceptanceCommand, level: Level
) -> None:
    finished = terminal.run("--level", level.value)
    assert finished.exit_code == 0, finished.output
    assert terminal.connections == []
    assert not terminal.folder.exists()
    for case in all_cases():
        assert level.includes(case.level) == (f"{case.name} (" in finished.stdout), case.name
        call = f"calls {case.call.operation} as {case.caller}; {case.risk or ''}"
        assert not level.includes(case.level) or call in finished.stdout
    *_, changes, _ = finished.stdout.splitlines()
    changed = {resource for resource in StateField if SUBJECTS[resource] in changes}
    expected = {
        field for field in StateField if level is not Level.READ and level.includes(field.level)
    }
    assert changed == expected


def test_the_organization_and_the_account_have_to_be_named(terminal: AcceptanceCommand) -> None:
    finished = CliRunner().invoke(command.main, ["--run"])
    assert finished.exit_code == 2
    assert terminal.connections == []


def refuse(call: str, code: str) -> Callable[[Any], None]:
    """Return what lets each new client refuse a call."""
    fault = error_response(code)
    return lambda client: inject(client.meta.events.register, call, fault)


# moto would take seconds to import.
NO_STACKS = refuse("cloudformation:DescribeStacks", "ValidationError")


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


IN_MEMBER = {"member": OTHER_MEMBER}
DANGERS: dict[Refusal, Danger] = {
    Refusal.OTHER_ACCOUNT: Danger(options={"account": MEMBER}),
    Refusal.OTHER_ORGANIZATION: Danger(options={"organization": "o-zzzzzzzzzz"}),
    Refusal.NOT_MANAGEMENT: Danger(caller={"account_id": MEMBER}, options={"account": MEMBER}),
    Refusal.ROOT_CALLER: Danger(
        arrange=lambda organization: organization.put_root_credentials(
            account_id=MANAGEMENT, access_keys=1
        ),
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
        arrange=lambda organization: organization.deny(
            account_id=MANAGEMENT, action="sts:AssumeRole"
        ),
        options=IN_MEMBER,
    ),
    Refusal.ROOT_CREDENTIALS: Danger(
        arrange=lambda organization: organization.put_root_credentials(
            account_id=OTHER_MEMBER, mfa_devices=1
        ),
        level=Level.MEMBER,
        options=IN_MEMBER,
    ),
    Refusal.NOT_CONFIRMED: Danger(typed="yes"),
    Refusal.NOT_BOOTSTRAPPED: Danger(level=Level.DEPLOY, options=IN_MEMBER),
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
        terminal = AcceptanceCommand(organization, tmp_path / "runs", monkeypatch)
        danger.arrange(organization)
        terminal.options = {"on_client": NO_STACKS, **danger.caller}
        organization.clear_calls()
        finished = terminal.run(
            "--level", danger.level.value, "--run", typed=danger.typed, **danger.options
        )
        assert finished.exit_code == 2, finished.output
        # The sentence up to its first value, which is enough to know it by.
        words = refusal.value.partition("{")[0] or refusal.value.rpartition("}")[2]
        assert words in finished.stderr
        assert write_calls(organization) == []
        assert terminal.snapshots() == []


# Levels


@pytest.mark.parametrize(
    "features",
    [None, (), (ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)],
    ids=["new", "delegated", "in use"],
)
def test_the_level_read_changes_nothing_and_opens_no_root_session(
    terminal: AcceptanceCommand, features: tuple[str, ...] | None
) -> None:
    organization = terminal.organization
    if features is not None:
        add_accounts(organization, MAX_ACCOUNTS)
        enable_root_access(organization, *features, delegated_administrators=[THIRD_MEMBER])
    before = traces_of_run(organization, run_names(organization))
    organization.clear_calls()
    finished = terminal.run("--run", member=OTHER_MEMBER, delegate=MEMBER)
    assert finished.exit_code == 0, finished.output
    [aws] = terminal.connections
    assert [call for call in aws.operations if not call.partition(":")[2].startswith(READS)] == []
    assert [c for c in organization.calls if c.operation == "AssumeRoot" and c.error is None] == []
    assert traces_of_run(organization, run_names(organization)) == before
    assert terminal.snapshots() == []


@pytest.mark.parametrize("hidden", [False, True], ids=["listed", "hidden"])
def test_a_feature_that_was_enabled_is_enabled_again_afterwards(
    terminal: AcceptanceCommand, *, hidden: bool
) -> None:
    organization = terminal.organization
    enable_root_access(organization, ROOT_SESSIONS, hidden=hidden)
    before = traces_of_run(organization, run_names(organization))
    finished = terminal.run(
        "--level", "feature", "--run", "--allow-changes", member=OTHER_MEMBER, delegate=MEMBER
    )
    assert finished.exit_code == 0, finished.output
    assert traces_of_run(organization, run_names(organization)) == before


# What identifies the organization or names somebody.
SECRETS = (
    "realorg123",
    "567856785678",
    "678967896789",
    "789078907890",
    "secret-project",
    "hr-payroll",
    "@example.com",
    "root-access-acceptance-",
)


@pytest.fixture(scope="module")
def member_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the files of a run in an organization whose names must not be sent, by their kind."""
    seed = Seed(
        organization_id="o-realorg123",
        members=(
            ("567856785678", "secret-project"),
            ("678967896789", "hr-payroll"),
            ("789078907890", "x"),
        ),
    )
    with pytest.MonkeyPatch.context() as monkeypatch, mock_organization(seed=seed) as organization:
        enable_policies(organization)
        terminal = AcceptanceCommand(organization, tmp_path_factory.mktemp("member"), monkeypatch)
        names = run_names(organization, member="678967896789", delegate="567856785678")
        before = traces_of_run(organization, names)
        finished = terminal.run(
            "--level", "member", "--run", member="678967896789", delegate="567856785678"
        )
        assert finished.exit_code == 0, finished.output
        assert "of the level member, which may leave an empty bucket" in finished.stdout
        assert traces_of_run(organization, names) == before
        assert terminal.snapshots() == []
        written = {
            kind: next(terminal.folder.glob(f"*.{kind}.*")).read_text()
            for kind in ("issue", "recording")
        }
        assert organization.root_id not in str(written)
    return written


def test_every_case_is_the_same_on_the_local_aws(member_run: dict[str, str]) -> None:
    summary = member_run["issue"].replace("\n    ", " ")
    unlike = {
        line for line in summary.splitlines() if line.startswith(("different: ", "not seen: "))
    }
    cases = [case for case in all_cases() if case.level is not Level.DEPLOY]
    assert unlike == {
        f"not seen: {case.name} ({case.source}) the local AWS does not show it: {case.local}"
        for case in cases
        if case.local
    }
    assert f"{len(cases) - len(unlike)} same, 0 different, {len(unlike)} not seen" in summary


def test_what_the_local_aws_does_not_show_is_pinned() -> None:
    assert sum(case.local is not None for case in all_cases()) == 12


# Results


def test_nothing_that_is_sent_names_the_organization_or_a_person(
    member_run: dict[str, str],
) -> None:
    for text in member_run.values():
        assert [secret for secret in SECRETS if secret in text] == []


def test_a_recording_that_is_dropped_into_the_folder_becomes_a_test(
    member_run: dict[str, str], tmp_path: Path, organization: LocalOrganization
) -> None:
    (tmp_path / "new.json").write_text(member_run["recording"])
    recorded = [case for case in read_recordings(tmp_path) if case.local is None]
    assert len(recorded) >= 150
    enable_policies(organization)
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
    assert len(times) == 40
    seconds = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert min(seconds) >= 0.05
    assert sum(second >= 0.5 for second in seconds) >= 9


def test_the_first_throttled_call_is_the_last_one(organization: LocalOrganization) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    sent: list[int] = []

    def throttle(**_: object) -> None:
        sent.append(1)
        if len(sent) > 12:
            raise ClientError(
                {"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "AssumeRoot"
            )

    event = "before-call.sts.AssumeRoot"
    aws = EmulatedAws(
        organization, on_client=lambda client: client.meta.events.register(event, throttle)
    )
    measured = measure_assume_root(Callers(aws, run_names(organization)))
    assert measured == {"throttledAt": 5.0, "notThrottledAt": 2.0}
    assert len(sent) == 13


def test_root_confirms_to_give_up_a_policy_in_a_bucket_of_that_case_alone(
    organization: LocalOrganization,
) -> None:
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
    assert {result.verdict for result in results if result.case.local is None} == {Verdict.SAME}
    *others, last = requests
    assert len(others) > 2
    assert set(others) == {(names.own_name, False)}
    assert last == (f"{names.own_name}-confirmed", True)


@pytest.mark.parametrize(("max_seconds", "calls"), [(None, 25), (3600.0, 75)])
def test_another_response_is_asked_for_more_and_more_slowly_and_not_without_end(
    organization: LocalOrganization, max_seconds: float | None, calls: int
) -> None:
    [case] = [case for case in all_cases() if case.name == "no feature is enabled at first"]
    other = Response(output={**(case.response.output or {}), "EnabledFeatures": ["RootSessions"]})
    case = dataclasses.replace(case, response=other, max_seconds=max_seconds)
    [result] = run_cases([case], run_scene(organization), Level.MEMBER)
    assert result.verdict is Verdict.DIFFERENT
    limit = MAX_SETTLING_SECONDS if max_seconds is None else max_seconds
    assert limit / 2 < result.seconds <= limit
    looks = [call for call in organization.calls if call.operation == "ListOrganizationsFeatures"]
    assert len(looks) <= calls


# Interruptions


def end_at(number: int, error: BaseException) -> Callable[[str], object]:
    """Return what ends a run at a call; a kill also ends each call of its restoration."""
    calls = itertools.count()

    def on_call(_: str) -> None:
        call = next(calls)
        if call == number or (call > number and isinstance(error, SystemExit)):
            raise error

    return on_call


@pytest.mark.parametrize("number", [30, 62])
def test_an_interrupted_run_restores_what_it_has_changed(
    terminal: AcceptanceCommand, number: int
) -> None:
    organization = terminal.organization
    before = traces_of_run(organization, run_names(organization))
    terminal.options = {"on_call": end_at(number, KeyboardInterrupt())}
    finished = terminal.run("--level", "member", "--run", member=OTHER_MEMBER, delegate=MEMBER)
    assert finished.exit_code == 130
    assert traces_of_run(organization, run_names(organization)) == before
    assert terminal.snapshots() == []
    assert "Restore it" not in finished.stderr


@pytest.mark.parametrize(
    ("call", "code"),
    [
        # A detached policy still acts, the name of a deleted bucket is still taken, a new queue or
        # policy is not found yet, another change is made.
        ("iam.DeleteLoginProfile", "AccessDenied"),
        ("s3.CreateBucket", "OperationAborted"),
        ("sqs.SetQueueAttributes", "AWS.SimpleQueueService.NonExistentQueue"),
        ("organizations.AttachPolicy", "PolicyNotFoundException"),
        ("organizations.CreatePolicy", "ConcurrentModificationException"),
    ],
)
def test_what_aws_refuses_for_a_while_delays_a_change_and_its_restoration(
    organization: LocalOrganization, call: str, code: str
) -> None:
    enable_policies(organization)
    before = traces_of_run(organization, run_names(organization))
    refused: list[int] = []

    def refuse(**_: object) -> None:
        if len(refused) < 3:
            refused.append(1)
            raise ClientError({"Error": {"Code": code, "Message": "not yet"}}, call)

    aws = EmulatedAws(
        organization,
        on_client=lambda client: client.meta.events.register(f"before-call.{call}", refuse),
    )
    scene = Scene(Callers(aws, run_names(organization)), state=State())
    scene.converge(State(password=True, bucket="open", queue="open", policy="on password"))
    scene.restore(State())
    assert len(refused) == 3
    assert traces_of_run(organization, run_names(organization)) == before


def test_what_cannot_be_deleted_keeps_nothing_else_from_being_restored(
    terminal: AcceptanceCommand,
) -> None:
    organization = terminal.organization
    terminal.options = {"on_client": refuse("sqs:DeleteQueue", "InvalidSecurity")}
    finished = terminal.run("--level", "member", "--run", member=OTHER_MEMBER, delegate=MEMBER)
    assert finished.exit_code == 2
    assert (
        "Not restored: an empty queue in the member account: An error occurred (InvalidS"
        in finished.stderr
    )
    assert "Restore it: " in finished.stderr
    left = traces_of_run(organization, run_names(organization))
    assert [url.rpartition("/")[2] for url in left["queues"]] != []
    assert (left["trusted access"], left["features"], left["buckets"]) == (
        ["cloudtrail.amazonaws.com"],
        [],
        [],
    )
    terminal.options = {}
    assert terminal.restore(*terminal.snapshots()).exit_code == 0
    assert traces_of_run(organization, run_names(organization))["queues"] == []


def test_what_a_run_makes_is_set_and_restored_without_a_list_which_lags(
    organization: LocalOrganization,
) -> None:
    enable_policies(organization)
    before = traces_of_run(organization, run_names(organization))
    listed: list[object] = []
    made: list[object] = []

    def register(client: Any) -> None:
        for call, lag in (
            ("ListPolicies", lambda parsed, **_: parsed.update(Policies=listed)),
            ("CreatePolicy", lambda parsed, **_: made.append(parsed["Policy"]["PolicySummary"])),
        ):
            client.meta.events.register(f"after-call.organizations.{call}", lag)

    aws = EmulatedAws(organization, on_client=register)
    scene = Scene(Callers(aws, run_names(organization)), state=State())
    for value in ("locked", "open", "locked"):
        scene.converge(State(bucket=value, queue=value, policy="on password"))
        scene.converge(State(policy="without the exemption"))
    scene.converge(State(bucket="locked", queue="locked", policy="on password"))
    known = scene.state
    scene.restore(State())
    assert traces_of_run(organization, run_names(organization)) == before
    # By hand it was deleted before; the list still has the policy.
    scene.state = known
    listed += made[-1:]
    scene.restore(State())
    assert traces_of_run(organization, run_names(organization)) == before
    assert {"sqs:ListQueues", "s3:ListBuckets"}.isdisjoint(aws.operations)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Unable to locate credentials"),
        (("--profile", "nosuch"), "(nosuch) could not be found"),
        (("--profile", "sso"), "Error loading SSO Token"),
    ],
    ids=["no credentials", "no such profile", "no session of SSO"],
)
def test_a_run_without_usable_credentials_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    sso = (f"sso_{name} = x" for name in ("start_url", "region", "account_id", "role_name"))
    (tmp_path / "config").write_text("\n".join(["[profile sso]", *sso]))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    named = ["--organization", "o-a1b2c3d4e5", "--account", MANAGEMENT]
    finished = CliRunner().invoke(command.main, [*named, "--run", *arguments])
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert sentence in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_the_sts_of_the_region_is_called_whatever_the_configuration_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    sts = command.connect(None, "us-east-1").client("sts")
    assert sts.meta.endpoint_url == "https://sts.us-east-1.amazonaws.com"


def test_a_run_that_did_not_restore_keeps_its_results_and_its_snapshot(
    terminal: AcceptanceCommand,
) -> None:
    organization = terminal.organization
    enable_policies(organization)
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, hidden=True)
    before = traces_of_run(organization, run_names(organization))
    terminal.options = {"on_call": end_at(600, SystemExit(137))}
    assert (
        terminal.run("--level", "member", "--run", member=OTHER_MEMBER, delegate=MEMBER).exit_code
        == 137
    )
    assert traces_of_run(organization, run_names(organization)) != before
    recorded = json.loads(next(terminal.folder.glob("*.recording.json")).read_text())
    assert len(recorded["responses"]) > 10
    assert "by a part of an acceptance run" in recorded["origin"]
    assert (recorded["source"], recorded["license"]) == ("python -m acceptance", "MIT")
    [path] = terminal.snapshots()
    terminal.options = {}
    finished = terminal.restore(path)
    assert finished.exit_code == 0, finished.output
    assert traces_of_run(organization, run_names(organization)) == before
    assert terminal.snapshots() == []


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
    terminal: AcceptanceCommand, tmp_path: Path
) -> None:
    organization = terminal.organization
    path = leave_unrestored(organization, tmp_path)
    finished = terminal.restore(path, typed="")
    assert finished.exit_code == 2
    assert write_calls(organization) == []
    changed = ("trusted_access", "credentials", "sessions", "delegate", "password")
    assert all(SUBJECTS[StateField(name)] in finished.stdout for name in changed)
    assert all(
        id_ in finished.stdout for id_ in (organization.id, MANAGEMENT, OTHER_MEMBER, MEMBER)
    )


def test_a_restoration_in_another_organization_changes_nothing(
    terminal: AcceptanceCommand, tmp_path: Path
) -> None:
    organization = terminal.organization
    path = leave_unrestored(organization, tmp_path)
    names = dataclasses.replace(run_names(organization), organization_id="o-zzzzzzzzzz")
    Snapshot(names=names, level=Level.MEMBER, before=State()).write(path)
    finished = terminal.restore(path)
    assert finished.exit_code == 2
    assert "is in the organization" in finished.stderr
    assert write_calls(organization) == []


@pytest.mark.parametrize("text", ["", "{}\n", "not JSON\n", '{"snapshot": 99}\n', "[1]\n"])
def test_another_file_is_not_taken_for_a_snapshot(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(SnapshotError):
        read_snapshot(path)
    assert CliRunner().invoke(command.main, ["--restore", str(path)]).exit_code == 2


# The deployment


def test_the_cdk_deploys_with_the_profile_to_the_account_and_region_of_the_run(
    organization: LocalOrganization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    enable_policies(organization)
    names = dataclasses.replace(run_names(organization), region="eu-central-1")
    started: list[tuple[list[str], dict[str, str]]] = []

    def run(arguments: list[str], *, env: dict[str, str], **_: object) -> CompletedProcess[bytes]:
        started.append((arguments, env))
        return CompletedProcess(arguments, 0)

    callers = Callers(EmulatedAws(organization), names)
    Deployment(callers, tmp_path / "log", profile="sandbox", run=run).deploy()
    [(arguments, environment)] = started
    assert arguments[-2:] == ["--profile", "sandbox"]
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "eu-central-1"
    run_successfully(
        sys.executable,
        "-m",
        "acceptance.app",
        cwd=REPOSITORY,
        env={**environment, "CDK_OUTDIR": str(tmp_path)},
    )
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["artifacts"][names.stack]["environment"] == f"aws://{MANAGEMENT}/eu-central-1"


def test_the_report_bucket_is_emptied_again_if_a_function_has_written_to_it_meanwhile(
    organization: LocalOrganization, tmp_path: Path
) -> None:
    names = run_names(organization)
    s3 = organization.client("s3")
    s3.create_bucket(Bucket=names.report_bucket)
    written: list[str] = []

    def write_once(**_: object) -> None:
        if not written:
            written.append("report.json")
            s3.put_object(Bucket=names.report_bucket, Key="report.json", Body=b"")

    def register(client: Any) -> None:
        client.meta.events.register("before-call.s3.DeleteBucket", write_once)
        NO_STACKS(client)

    callers = Callers(EmulatedAws(organization, on_client=register), names)
    Deployment(callers, tmp_path / "log").destroy()
    assert written == ["report.json"]
    assert s3.list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    "error", [TimeoutExpired("cdk", 1), FileNotFoundError("cdk")], ids=["slow", "missing"]
)
def test_a_stack_that_cannot_be_deployed_is_tried_once_and_does_not_end_the_run(
    organization: LocalOrganization, tmp_path: Path, error: Exception
) -> None:
    started: list[str] = []

    def run(arguments: list[str], **_: object) -> CompletedProcess[bytes]:
        started.append(arguments[1])
        raise error

    callers = Callers(EmulatedAws(organization, on_client=NO_STACKS), run_names(organization))
    scene = Scene(callers, state=State(), deployment=Deployment(callers, tmp_path / "log", run=run))
    cases = [case for case in all_cases() if case.level is Level.DEPLOY and case.local is None]
    results = run_cases(cases[:2], scene, Level.DEPLOY)
    assert [result.verdict for result in results] == [Verdict.DIFFERENT] * 2
    assert started == ["deploy"]
