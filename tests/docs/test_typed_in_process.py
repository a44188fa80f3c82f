"""The commands of the command line on the pages: each is typed, in the order of its page."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from local_aws.seed import ACQUIRED, DENY_ROOT_USERS, seed_organization
from root_tasks.model.report_schema import Outcome
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import add_unit
from support.command_line import PLAN_DELETE, PLAN_RUN, CommandLine
from support.page_commands import COMMAND_LINE, typed, typed_in_process
from support.pages import Step, lines_not_printed, run_with_stubs
from support.responding import respond_to
from support.root_tasks import AUDIT_MACHINE, DeployedSettings

INPUT = "machine-interface.md"
# The reader of these pages finds a feature disabled.
SESSIONS_DISABLED = ("alternatives.md", "drift.md")
# The page, and how the commands begin whose output is not compared here, and why.
NOT_COMPARED = {
    "preflight.md: preflight": "test_preflight_page.py compares it letter by letter",
    f"{INPUT}: preflight": "so it does with this",
    "evidence.md: r": "it is of an organization with months of audits",
    "upgrading.md: runs": "it is of an organization with fewer runs and accounts",
}
# A stub before each command says which one it is.
NEXT_STEP = "next-step"
PROGRAMS = ("aws", COMMAND_LINE, NEXT_STEP)
STEPS = [*typed_in_process(), *(step for step in typed() if step.block.page.name == INPUT)]
DELETION = "delete-root-credentials.md"
RECOVERY = "recover-an-account.md"
UNLOCKING = "unlock-a-bucket-or-a-queue.md"
# The pages whose commands need no more than an organization and a run of each kind.
OTHERS = sorted({step.block.page.name for step in STEPS} - {DELETION, INPUT, RECOVERY, UNLOCKING})
# A run as a page names it, and its kind.
_RUN = re.compile(r"([a-z-]+-)\d{8}-\d{4}-\w{4}|RUN|PLAN")
ACCEPTED = {
    "targetId": "333333333333",
    "types": ["PASSWORD", "MFA_DEVICE"],
    "reason": "Billing export, TICKET-1",
    "until": "2027-03-31",
}
LOCKED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "LockedOut",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": "*",
            },
        ],
    }
)
# How each command of the command line ends.
FOUND, DONE = 1, 0


@pytest.fixture
def profiles(command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each profile of the pages an account, once the command line has set its own."""
    config = tmp_path / "config"
    config.write_text(
        "\n".join(
            f"[profile {name}]\naws_access_key_id = {MANAGEMENT}\naws_secret_access_key = secret\n"
            for name in ("planner", "executor", "management", "security")
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


@pytest.fixture
def workloads(command_line: CommandLine) -> None:
    """Put one of the two accounts that have credentials into the units that the page names."""
    organization = command_line.organization
    add_unit(organization, "New", OTHER_MEMBER, parent_id=add_unit(organization, "Workloads"))
    add_unit(organization, "Sandbox", THIRD_MEMBER)
    add_unit(organization, "Production")
    for account_id in (MEMBER, OTHER_MEMBER):
        organization.put_root_credentials(account_id, password=True, mfa_devices=1)


@pytest.mark.usefixtures("profiles", "workloads")
def test_the_commands_of_the_pages_lead_from_an_audit_to_no_credentials(
    command_line: CommandLine, tmp_path: Path
) -> None:
    organization = command_line.organization

    left: list[bool] = []

    def change(command: str) -> None:
        """Once the two people are done, the guide's other cases find credentials again."""
        if command == "runs":
            left.extend(
                organization.root_credentials(id_).password for id_ in (MEMBER, OTHER_MEMBER)
            )
            for account_id in (MEMBER, THIRD_MEMBER):
                organization.put_root_credentials(account_id, password=True)

    exit_codes = run_pages(
        DELETION, INPUT, command_line=command_line, folder=tmp_path, after=change
    )
    assert exit_codes[:9] == [
        ("audit", FOUND),
        ("plan", DONE),
        ("plan", DONE),
        ("report", DONE),
        ("execute", DONE),
        ("report", DONE),
        ("execute", DONE),
        ("audit", DONE),
        ("runs", DONE),
    ]
    executions = command_line.root_tasks.executions.values()
    # The executions of three plans: of an account, of a unit, and of the unit again, where nothing
    # is left.
    acting = [execution for execution in executions if execution.folder == "executions"]
    assert {execution.status for execution in acting} == {"SUCCEEDED"}
    assert [execution.totals for execution in acting] == [{Outcome.DONE: 1}, {Outcome.DONE: 1}, {}]
    assert left == [False, False]


def test_the_commands_of_the_guide_allow_a_recovery_and_close_it(
    command_line: CommandLine, tmp_path: Path
) -> None:
    allowed: list[bool] = []
    organization = command_line.organization
    add_unit(organization, "Prod", MEMBER, parent_id=add_unit(organization, "Workloads"))

    def note(command: str) -> None:
        """Note after each command whether the account has a password."""
        allowed.append(organization.root_credentials(MEMBER).password)
        if len(allowed) == 4:
            # As if it had not been closed yet.
            organization.put_root_credentials(MEMBER, password=True)

    exit_codes = run_pages(RECOVERY, command_line=command_line, folder=tmp_path, after=note)
    assert exit_codes == [("plan", DONE), ("execute", DONE)] * 3
    assert allowed == [False, True, True, False, True, False]


def test_the_commands_of_the_guide_unlock_and_give_back_and_correct_a_policy(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command_line.root_tasks.settings = DeployedSettings(allow_policy_override=True)
    organization = command_line.organization
    add_unit(organization, "Prod", MEMBER, parent_id=add_unit(organization, "Workloads"))
    fixed = json.dumps({"Version": "2012-10-17", "Statement": []})
    (tmp_path / "fixed.json").write_text(fixed)
    s3, sqs = (
        command_line.root_tasks.client(service, account_id=MEMBER) for service in ("s3", "sqs")
    )
    url = lock_bucket_and_queue(command_line, bucket="a-bucket")
    policies: list[str | None] = []
    unlocked: list[bool] = []

    def note_policy(command: str) -> None:
        """Note after each command which policy the bucket has."""
        try:
            policies.append(s3.get_bucket_policy(Bucket="a-bucket")["Policy"])
        except s3.exceptions.ClientError:
            policies.append(None)
        # The four plans before have been executed by now, and a report was saved.
        if len(policies) == 9:
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
            unlocked.append("Attributes" not in attributes)
            # A policy that cannot be backed up.
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": LOCKED})

    exit_codes = run_pages(UNLOCKING, command_line=command_line, folder=tmp_path, after=note_policy)
    planned_and_executed = [("plan", DONE), ("execute", DONE)]
    assert exit_codes == [
        *planned_and_executed * 2,
        ("report", DONE),
        *planned_and_executed * 2,
        ("plan", DONE),
    ]
    after_executions = [
        policy
        for (command, _), policy in zip(exit_codes, policies, strict=True)
        if command == "execute"
    ]
    assert after_executions == [None, LOCKED, fixed, fixed]
    assert unlocked == [True]


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize("page", OTHERS)
def test_the_commands_of_a_page_work_in_their_order(
    command_line: CommandLine, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root_tasks, services = command_line.root_tasks, command_line.services
    root_tasks.settings = DeployedSettings(accepted_credentials=[ACCEPTED])
    organization = root_tasks.organization
    seed_organization(organization)
    monkeypatch.chdir(tmp_path)
    for name in ("policy.json", "delegate.json", "deny-root-users.json"):
        (tmp_path / name).write_text(json.dumps(DENY_ROOT_USERS))
    created = organization.add_account(name="new", email="new@example.com")
    unit = add_unit(organization, "New", created)
    add_unit(organization, "Production")
    lock_bucket_and_queue(command_line, bucket="reports")
    organizations = organization.client("organizations")
    listed = organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    (denial,) = (policy["Id"] for policy in listed if policy["Name"] == "DenyRootUsers")
    if page == "preflight.md":
        services.stacks = {"OrganizationRoots": services.outputs_of_construct()}
    # The reader has runs of each kind, and credentials that can still be deleted.
    for command in (PLAN_DELETE, ("execute", PLAN_RUN, "--yes"), ("audit",), PLAN_DELETE):
        if command == PLAN_DELETE:
            organization.put_root_credentials(MEMBER, access_keys=1)
        assert command_line.run(*command).exit_code in (FOUND, DONE)
        command_line.now += timedelta(minutes=1)
    if page != "preflight.md":
        # The cause why an account was inaccessible is fixed.
        organizations.detach_policy(PolicyId=denial, TargetId=ACQUIRED)
    if page in SESSIONS_DISABLED:
        organization.client("iam").disable_organizations_root_sessions()
    values = {"ou-a1b2-c3d4e5f6": unit, "p-a1b2c3d4": denial}
    assert run_pages(page, command_line=command_line, folder=tmp_path, values=values)


def lock_bucket_and_queue(command_line: CommandLine, *, bucket: str) -> str:
    """Create a bucket and the queue `orders` that deny everybody, and return the queue's URL."""
    s3, sqs = (
        command_line.root_tasks.client(service, account_id=MEMBER) for service in ("s3", "sqs")
    )
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=LOCKED)
    queue = sqs.create_queue(QueueName="orders", Attributes={"Policy": LOCKED})
    return str(queue["QueueUrl"])


def run_pages(
    *pages: str,
    command_line: CommandLine,
    folder: Path,
    after: Callable[[str], object] = lambda command: None,
    values: Mapping[str, str] | None = None,
) -> list[tuple[str, int]]:
    """Type all commands of pages, and return how each command of the command line ended.

    It is a minute later after each of them, and every question is answered with "y".

    Args:
        pages: The pages' names.
        command_line: The command line.
        folder: An empty folder.
        after: Called after each command of the command line, with its name.
        values: What stands for placeholders of the pages.
    """
    page_steps = [step for step in STEPS if step.block.page.name in pages]
    # The stub that names the step goes before each.
    typed = "\n".join(
        f"{NEXT_STEP} {number}\n{step.command}" for number, step in enumerate(page_steps)
    )
    for placeholder, value in (values or {}).items():
        typed = typed.replace(placeholder, value)
    exit_codes = []
    step = page_steps[0]
    with pytest.MonkeyPatch.context() as patch:
        # The pages show a terminal of this width.
        patch.setenv("COLUMNS", "100")
        for program, *arguments in run_with_stubs(typed, programs=PROGRAMS, folder=folder):
            if program == NEXT_STEP:
                step = page_steps[int(arguments[0])]
                continue
            if program == "aws":
                call_aws(command_line, arguments)
                continue
            arguments = with_runs_of_reader(arguments, command_line)
            patch.setattr("webbrowser.open", lambda url: True)
            shown = command_line.run(*arguments, typed="y\n")
            assert shown.exit_code in (FOUND, DONE), (arguments, shown.stderr)
            if not is_compared_elsewhere(step):
                printed = f"{shown.stack}\n{shown.stdout}\n{shown.stderr}"
                assert lines_not_printed(step, printed) == [], (str(step), printed)
            exit_codes.append((arguments[0], shown.exit_code))
            command_line.now += timedelta(minutes=1)
            after(arguments[0])
    return exit_codes


def is_compared_elsewhere(step: Step) -> bool:
    """Return whether what the page shows after a command is not compared here."""
    typed = f"{step.block.page.name}: {step.command.removeprefix(f'{COMMAND_LINE} ')}"
    return any(typed.startswith(beginning) for beginning in NOT_COMPARED)


def with_runs_of_reader(arguments: Sequence[str], command_line: CommandLine) -> list[str]:
    """Return arguments with the reader's own runs in place of those that the page names.

    The IDs on a page, such as plan-delete-20261201-0348-nnyc, need not be those of the runs
    that were started here. The first audit stands for `RUN`, a new one for a run to stop, and the
    last run of the same kind for any other.
    """
    root_tasks = command_line.root_tasks
    runs = [
        execution.run_id
        for execution in root_tasks.executions.values()
        if execution.status == "SUCCEEDED"
    ]

    # A plan is executed once.
    executed = [
        execution.input["plan"]
        for execution in root_tasks.executions.values()
        if isinstance(execution.input, dict) and "plan" in execution.input
    ]

    def name(argument: str) -> str:
        """Return an argument, or the reader's run if it is one of the page."""
        found = _RUN.fullmatch(argument)
        if argument in runs or found is None:
            return argument
        if arguments[0] == "stop":
            return root_tasks.begin("audit-to-stop", {}, machine=AUDIT_MACHINE).run_id
        if argument == "RUN":
            return next(run for run in runs if run.startswith("audit-"))
        kind = found[1] or "plan-"
        used = executed if arguments[0] == "execute" else []
        assert any(run.startswith(kind) for run in runs), argument
        return [run for run in runs if run.startswith(kind) and run not in used][-1]

    return [name(argument) for argument in arguments]


def call_aws(command_line: CommandLine, arguments: Sequence[str]) -> None:
    """Call a service as the AWS CLI does with these arguments."""
    service, command, *options = arguments
    client: Any = botocore.session.get_session().create_client(service)
    respond_to(client, command_line.services.respond)
    parameters = {
        re.sub(r"-(\w)", lambda match: match[1].upper(), option.removeprefix("--")): value
        for option, value in zip(options[::2], options[1::2], strict=True)
    }
    # As Step Functions does, and what responds here does not, refuse an input that is no JSON.
    json.loads(parameters.get("input", "{}"))
    assert getattr(client, xform_name(command.title().replace("-", "")))(**parameters)
