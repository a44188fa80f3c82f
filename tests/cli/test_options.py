"""The options of the commands: what they start, and what they refuse before anything is called."""

from datetime import timedelta
from pathlib import Path

import pytest

from centralized_root_access.cli.commands.plan import CREDENTIAL_TYPES
from root_tasks.messages import HOW_TO_DEPLOY
from root_tasks.model.report_schema import Task
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.apps import read_page
from support.arrange import add_unit
from support.command_line import (
    AUDIT_RUN,
    PLAN_DELETE,
    RUN_NAME_SUFFIX,
    STACK_NAME,
    CommandLine,
    give_root_credentials,
    input_of_last_execution,
    replace_in_stored_report,
)
from support.root_tasks import REPORT_BUCKET

QUEUE_ARN = f"arn:aws:sqs:us-east-1:{MEMBER}:q"
PLAN_DELETE_WITH_EVERY_OPTION = (
    f"plan delete --account {MEMBER} --account {OTHER_MEMBER} --include-in-use"
    f" --credential-type {' --credential-type '.join(CREDENTIAL_TYPES)}"
)


@pytest.mark.parametrize(
    ("command", "prefix", "input_"),
    [
        ("audit", "audit", {}),
        (
            f"audit --account {MEMBER},{OTHER_MEMBER} --organizational-unit Root/Prod "
            f"--exclude {THIRD_MEMBER},Root/Prod",
            "audit",
            {
                "accounts": [MEMBER, OTHER_MEMBER],
                "organizationalUnits": ["Root/Prod"],
                "exclude": [THIRD_MEMBER, "Root/Prod"],
            },
        ),
        (
            "plan delete --account all",
            "plan-delete",
            {"task": Task.DELETE, "accounts": ["all"]},
        ),
        (
            PLAN_DELETE_WITH_EVERY_OPTION,
            "plan-delete",
            {
                "task": Task.DELETE,
                "accounts": [MEMBER, OTHER_MEMBER],
                "includeInUse": True,
                "credentialTypes": ["PASSWORD", "ACCESS_KEY", "SIGNING_CERTIFICATE", "MFA_DEVICE"],
            },
        ),
        (
            f"plan recover --account {MEMBER}",
            "plan-recover",
            {"task": Task.RECOVER, "accounts": [MEMBER], "until": "1d"},
        ),
        (
            f"plan recover --account {MEMBER} --until 8h --reason CHG1",
            "plan-recover",
            {"task": Task.RECOVER, "accounts": [MEMBER], "until": "8h", "reason": "CHG1"},
        ),
        (
            f"plan unlock-bucket --bucket {MEMBER}:one --bucket {MEMBER}:two",
            "plan-unlock-bucket",
            {"task": Task.UNLOCK_BUCKET, "buckets": {MEMBER: ["one", "two"]}},
        ),
        (
            f"plan unlock-queue --queue {QUEUE_ARN} --skip-backup",
            "plan-unlock-queue",
            {"task": Task.UNLOCK_QUEUE, "queues": [QUEUE_ARN], "skipBackup": True},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_are_the_input_of_an_execution(
    command_line: CommandLine, command: str, prefix: str, input_: dict[str, object]
) -> None:
    add_unit(command_line.organization, "Prod")
    command_line.services.errors_by_operation["StartExecution"] = (
        "AccessDeniedException",
        "The input is enough.",
    )
    command_line.refusal(*command.split())
    assert command_line.services.inputs_by_run == {f"{prefix}-{RUN_NAME_SUFFIX}": input_}


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("audit --account 123", "'123' is not a 12-digit account ID"),
        (f"audit --account {12 * chr(0xFF11)}", "is not a 12-digit account ID"),
        ("audit --account all", "'all' is not a 12-digit account ID"),
        ("plan delete", "Name the accounts"),
        (f"plan delete --account {MEMBER} --unused-for-days -1", "is not in the range"),
        ("plan recover", "Missing option '--account'"),
        ("plan unlock-bucket --bucket one", "is not ACCOUNT:NAME"),
        ("execute a/b --yes", "is not the name of a run"),
        (
            f"audit --from-report {AUDIT_RUN} --outcome inuse",
            "'inuse' is not one of 'unprotected', ",
        ),
        ("report latest/mine", "is not the name of a run"),
        (f"execute {AUDIT_RUN}", "There is no terminal to ask at. Read the plan, then use --yes."),
        ("audit --output report.pdf", "report.pdf ends in neither .html, .json nor .csv."),
        ("audit --output=", "it is empty"),
        ("audit --output {folder}/report.json", "{folder} is not a folder, or not writable."),
        (f"audit --from-here --stack {STACK_NAME}", "works without a stack"),
        ("audit --outcome planned", "--outcome needs --from-report."),
        (f"preflight --target {MEMBER}", "--target and --replaces need --policy."),
        (f"preflight --policy {__file__}", "--policy needs --target or --replaces: where"),
        (
            f"preflight --policy {__file__} --target {MEMBER} --replaces p-1",
            "--policy needs --target or",
        ),
        (
            "preflight --session-role Audit",
            "Invalid value for '--session-role': write the ARN of a role",
        ),
        ("audit --account @", "write the name of a file after @."),
        ("preflight --target Root --policy=", "File '' does not exist."),
        (f"plan unlock-bucket --bucket {MEMBER}:b --policy=", "'' is neither a file nor"),
        (
            f"plan unlock-queue --queue {QUEUE_ARN} --skip-backup --policy {__file__}",
            "use it without --policy",
        ),
        (f"audit --from-report {AUDIT_RUN} --from-here", "use it without --from-here"),
        (f"audit --from-report {AUDIT_RUN} --account {MEMBER}", "add --exclude"),
        (
            f"audit --from-report {AUDIT_RUN} --organizational-unit Root/Prod",
            "--organizational-unit by itself",
        ),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_called(
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    sentence: str,
) -> None:
    # The folder of the test is not writable, even if root runs the tests.
    monkeypatch.setattr("os.access", lambda path, _: str(path) != str(tmp_path))
    arguments = [word.replace("{folder}", str(tmp_path)) for word in command.split()]
    assert sentence.replace("{folder}", str(tmp_path)) in command_line.refusal(*arguments)
    assert command_line.services.requests == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "plan delete --account all --organizational-unit Root/Prod",
            "Unable to plan: Use either --account all or --organizational-unit, not both.\n",
        ),
        (
            f"plan delete --account {MEMBER} --unused-for-days 10 --include-in-use",
            "Use either --unused-for-days or --include-in-use, not both.",
        ),
        (f"plan recover --account {MEMBER} --until yesterday", "Unable to plan: --until must be"),
        (f"plan recover --account {MEMBER} --until 9999-12-31", "within the next 30 days"),
        (f"plan recover --account {MEMBER} --reason {'x' * 201}", "--reason must be a line"),
        ("plan unlock-queue --queue orders", "--queue must contain"),
        (
            f"plan unlock-bucket --bucket {MEMBER}:one --bucket {MEMBER}:two --policy {__file__}",
            "name exactly one bucket or queue.",
        ),
        (
            f"plan unlock-bucket --bucket {MEMBER}:one --policy {__file__}",
            "--policy is not a policy",
        ),
    ],
)
def test_an_input_that_the_function_would_refuse_starts_no_run_and_is_named_by_its_options(
    command_line: CommandLine, command: str, sentence: str
) -> None:
    assert sentence in command_line.refusal(*command.split())
    assert command_line.services.inputs_by_run == {}


def test_a_file_without_accounts_is_refused(command_line: CommandLine, tmp_path: Path) -> None:
    wave = tmp_path / "wave.txt"
    command = ("audit", "--account", f"@{wave}")
    assert "wave.txt cannot be read: No such file" in command_line.refusal(*command)
    for option, text, sentence in (
        ("--account", "# None\n", "wave.txt' names nothing"),
        ("--account", f"{MEMBER}\n\nsecret, 1\n", "line 3 of"),
        ("--exclude", "Root/Prod\nNAME=secret\0", "line 2 of"),
    ):
        wave.write_text(text)
        said = command_line.refusal("audit", option, f"@{wave}")
        assert sentence in said
        # It may be another file than was meant.
        assert "secret" not in said


@pytest.mark.parametrize(
    "given", ["{red_unit}, {other},Root/Team #1,{other}", "@{file}"], ids=["commas", "a file"]
)
def test_exclusions_are_ids_and_names_with_commas_or_in_a_file(
    command_line: CommandLine, tmp_path: Path, given: str
) -> None:
    organization = command_line.organization
    red_unit = add_unit(organization, "Red, Blue")
    add_unit(organization, "Team #1")
    file = tmp_path / "units.txt"
    file.write_text(
        f"# Units\r\n{red_unit},\r\n\r\n{OTHER_MEMBER},  # both\r\nRoot/Team #1\r\n#\r\n"
        f"  #and again\r\n{red_unit}"
    )
    excluded = given.format(red_unit=red_unit, other=OTHER_MEMBER, file=file)
    assert command_line.run("audit", "--exclude", excluded).exit_code == 0
    assert input_of_last_execution(command_line)["exclude"] == [
        red_unit,
        OTHER_MEMBER,
        "Root/Team #1",
    ]


def test_accounts_of_another_run_are_taken_only_from_a_report_that_it_wrote(
    command_line: CommandLine,
) -> None:
    command_line.organization.deny(OTHER_MEMBER, "iam:*")
    command_line.run("audit")
    command_line.now += timedelta(hours=1)
    # By default, an audit of a report looks again at the accounts that could not be read.
    command_line.run("audit", "--from-report", AUDIT_RUN)
    assert list(command_line.services.inputs_by_run.values()) == [
        {},
        {"accounts": [OTHER_MEMBER], "fromReport": AUDIT_RUN},
    ]
    of_planned = ("audit", "--from-report", AUDIT_RUN, "--outcome", "planned")
    said = f"Run {AUDIT_RUN} reports no account with these outcomes: planned.\n"
    assert command_line.refusal(*of_planned).endswith(said)
    replace_in_stored_report(command_line, f"runs/{AUDIT_RUN}", OTHER_MEMBER, MEMBER)
    assert "was altered" in command_line.refusal("audit", "--from-report", AUDIT_RUN)
    assert len(command_line.services.inputs_by_run) == 2


def test_an_account_of_a_report_that_has_left_is_excluded_like_another_one(
    command_line: CommandLine,
) -> None:
    for account_id in (MEMBER, OTHER_MEMBER):
        give_root_credentials(command_line, account_id)
    command_line.run("audit")
    organizations = command_line.organization.client("organizations")
    organizations.remove_account_from_organization(AccountId=OTHER_MEMBER)
    command = ("plan", "delete", "--from-report", AUDIT_RUN)
    assert f": {OTHER_MEMBER}. Leave them out," in command_line.refusal(*command)
    command_line.now += timedelta(minutes=1)
    assert command_line.run(*command, "--exclude", OTHER_MEMBER).exit_code == 0
    plan = list(command_line.root_tasks.executions.values())[-1]
    assert command_line.root_tasks.outcomes(plan) == {MEMBER: "PLANNED"}


# The deployment


def test_one_of_several_deployments_has_to_be_chosen(command_line: CommandLine) -> None:
    services = command_line.services
    services.stacks["Two"] = services.outputs_of_construct("First") | services.outputs_of_construct(
        "Second"
    )
    assert (
        "--stack OrganizationBootstrap:RootTasks or --stack Two:First or --stack Two:Second"
        in command_line.refusal("runs")
    )
    arn = f"arn:aws:cloudformation:us-east-1:{MANAGEMENT}:stack/Two/0123"
    services.stacks[arn] = services.stacks["Two"]
    # The keys of outputs lack what is neither a letter nor a digit, so Sec-ond means Second.
    for stack in (STACK_NAME, "Two:Second", "Two:Sec-ond", f"{arn}:Second"):
        assert command_line.run("runs", "--stack", stack).exit_code == 0
    for stack in ("Two", "Two:Third", "Three", "Other", arn):
        command_line.refusal("runs", "--stack", stack)


AUDIT_MACHINE_ARN = f"arn:aws:states:us-east-1:{MANAGEMENT}:stateMachine:RootTasksAudit"


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("AuditStateMachineArn", AUDIT_MACHINE_ARN.replace("RootTasksAudit", "PayrollRun")),
        ("ExecuteStateMachineArn", REPORT_BUCKET),
        ("Bucket", "reports-of-others"),
        ("Bucket", AUDIT_MACHINE_ARN),
    ],
    ids=["of others", "no state machine", "bucket", "no bucket"],
)
def test_a_stack_whose_outputs_name_what_it_does_not_have_is_refused(
    command_line: CommandLine, output: str, value: str
) -> None:
    command_line.services.stacks[STACK_NAME][f"RootTasks{output}"] = value
    for command in (["audit"], ["report"], ["report", "--stack", STACK_NAME], PLAN_DELETE):
        said = command_line.refusal(*command)
        assert (
            f"The outputs of stack {STACK_NAME} in us-east-1 name {value}, which the stack does"
            in said
        )
    assert command_line.services.inputs_by_run == {}


def test_a_command_says_on_stderr_which_stack_it_took(command_line: CommandLine) -> None:
    for command in (["audit"], ["report", "--format", "json"], PLAN_DELETE):
        shown = command_line.run(*command)
        assert shown.stack == f"Stack {STACK_NAME} in us-east-1, account {MANAGEMENT}."
        assert STACK_NAME not in shown.stdout
    elsewhere = command_line.run("runs", "--region", "eu-north-1")
    assert elsewhere.stack == f"Stack {STACK_NAME} in eu-north-1, account {MANAGEMENT}."


def test_without_a_deployment_the_region_and_the_next_step_are_named(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_line.services.stacks = {"Other": {}}
    commands = (
        PLAN_DELETE,
        ("execute", "plan", "--yes"),
        ("report",),
        ("runs",),
        ("stop", "run", "--yes"),
    )
    for command in (("audit",), *commands):
        said = command_line.refusal(*command)
        assert f"There is no RootTasks of account {MANAGEMENT} in us-east-1. It may be in" in said
        assert HOW_TO_DEPLOY in said
        # Only the audit can do without a deployment.
        assert ("--from-here" in said) is (command == ("audit",))
    title, _, _ = read_page("start/getting-started.md").partition("\n")
    assert f'The page "{title.removeprefix("# ")}" ' in HOW_TO_DEPLOY
    # The Region is that which the AWS CLI would take.
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert "in eu-west-1." in command_line.refusal(*PLAN_DELETE)
    assert "in eu-north-1." in command_line.refusal(*PLAN_DELETE, "--region", "eu-north-1")
