"""Reports: whether a run wrote the one that is there, and how it is shown, saved and opened."""

import errno
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest

from support.accounts import MEMBER, OTHER_MEMBER
from support.command_line import (
    AUDIT_RUN,
    EXECUTION_RUN,
    PLAN_DELETE,
    CommandLine,
    give_root_credentials,
    plan_deletion,
    replace_in_stored_report,
)
from support.root_tasks import REPORT_BUCKET, WITHOUT_OUTPUT

FILES_OF_REPORT = ("report.json", "report.csv", "report.html")
FORMATS = ("table", "csv", "json")
CANNOT_BE_READ = "This report cannot be read"
LATEST_OR_NAMED = pytest.mark.parametrize("run", [[], [AUDIT_RUN]], ids=["latest", "named"])


def test_only_the_report_that_is_held_by_hash_is_shown_and_saved(
    command_line: CommandLine, tmp_path: Path
) -> None:
    give_root_credentials(command_line)
    as_json = command_line.run("audit", "--format", "json")
    files_of_run = {
        name: command_line.root_tasks.read_object(f"runs/{AUDIT_RUN}/{name}")
        for name in FILES_OF_REPORT
    }
    for name in ("report.csv", "report.html"):
        command_line.root_tasks.write_object(f"runs/{AUDIT_RUN}/{name}", b"None has credentials.")
    as_csv = command_line.run("report", AUDIT_RUN, "--format", "csv")
    for shown, body in (
        (as_json, files_of_run["report.json"]),
        (as_csv, files_of_run["report.csv"]),
    ):
        text = body.decode("utf-8-sig").replace("\r\n", "\n")
        assert (shown.exit_code, shown.stdout, shown.stderr) == (1, text, "")
    # The command makes the folder.
    folder = tmp_path / "new"
    for path in ("", "x.CSV", "page.html"):
        assert command_line.run("report", AUDIT_RUN, "--output", str(folder / path)).exit_code == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        **files_of_run,
        "x.CSV": files_of_run["report.csv"],
        "page.html": files_of_run["report.html"],
    }
    # Only the owner can read them.
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("opens", "said"), [(True, "Opening"), (False, "No browser opened. The page")]
)
def test_the_page_is_opened_from_a_file_that_only_its_owner_can_read(
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    opens: bool,
    said: str,
) -> None:
    browser = Mock(return_value=opens)
    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shown = command_line.run("audit", "--open")
    (page,) = tmp_path.glob("*/report.html")
    browser.assert_called_once_with(page.as_uri())
    assert (shown.exit_code, shown.stderr) == (0, f"{said}: {page}\n")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700


# Whether a report is the one that its run wrote


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("run", "folder"), [([], "latest"), ([AUDIT_RUN], f"runs/{AUDIT_RUN}")], ids=["latest", "named"]
)
def test_a_report_that_its_run_did_not_write_is_not_shown(
    command_line: CommandLine, tmp_path: Path, run: list[str], folder: str, format_: str
) -> None:
    """Anyone who can write to the bucket could hide an account that has credentials."""
    give_root_credentials(command_line)
    command_line.run("audit")
    replace_in_stored_report(command_line, folder, '"HAS_CREDENTIALS"', '"CLEAN"')
    saved = tmp_path / "report.html"
    shown = command_line.run("report", *run, "--format", format_, "--output", str(saved))
    assert shown.exit_code == 2
    assert f"s3://{REPORT_BUCKET}/{folder}/report.json was altered" in shown.stderr
    assert MEMBER not in shown.stdout
    assert not saved.exists()


@LATEST_OR_NAMED
@pytest.mark.parametrize(
    "reason",
    [
        "Its execution does not hold the hash of a report.",
        "These credentials may not read its execution.",
        "Step Functions has no such execution; it keeps those",
    ],
    ids=["no hash", "denied", "after 90 days"],
)
def test_one_line_says_that_a_report_could_not_be_checked(
    command_line: CommandLine, run: list[str], reason: str
) -> None:
    assert command_line.run("audit").exit_code == 0
    checked = command_line.run("report", *run)
    if "hash" in reason:
        # The output, which has the hash, does not come for as long as the command waits.
        arn = command_line.root_tasks.arn(AUDIT_RUN)
        command_line.root_tasks.outdated_descriptions[arn] = [WITHOUT_OUTPUT] * 1000
    elif "credentials" in reason:
        command_line.services.errors_by_operation["DescribeExecution"] = (
            "AccessDeniedException",
            "No.",
        )
    else:
        command_line.root_tasks.executions.clear()
    shown = command_line.run("report", *run)
    assert (shown.exit_code, shown.stdout) == (checked.exit_code, checked.stdout)
    line, *others = shown.stderr.splitlines()
    assert line.startswith(f"That run {AUDIT_RUN} wrote this report could not be checked. {reason}")
    assert others == checked.stderr.splitlines()


def test_a_report_whose_input_is_gone_never_ends_better_than_its_run(
    command_line: CommandLine,
) -> None:
    """An account that was named, and skipped, is missing also if no one knows who named it."""
    command_line.organization.suspend(OTHER_MEMBER)
    assert command_line.run("audit", "--account", f"{MEMBER},{OTHER_MEMBER}").exit_code == 2
    assert command_line.run("report", AUDIT_RUN).exit_code == 2
    # Step Functions forgets an execution, and with it the input of the run, after 90 days.
    command_line.root_tasks.executions.clear()
    assert command_line.run("report", AUDIT_RUN).exit_code == 2


@LATEST_OR_NAMED
@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("InvalidSignatureException", "clock"),
        ("RequestExpired", "clock"),
        ("UnrecognizedClient", "--region"),
    ],
)
def test_a_report_is_not_shown_if_its_execution_cannot_be_read(
    command_line: CommandLine, run: list[str], code: str, advice: str
) -> None:
    command_line.run("audit")
    command_line.services.errors_by_operation["DescribeExecution"] = (code, "You may not")
    said = command_line.refusal("report", *run)
    assert said.startswith(
        f"Unable to show the report: states:DescribeExecution: {code}: You may not. "
    )
    assert advice in said


@pytest.mark.parametrize("folder", ["latest", f"runs/{AUDIT_RUN}"])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{", "[", f"{CANNOT_BE_READ}: it is not JSON."),
        (
            '"schemaVersion":1',
            '"schemaVersion":2',
            "This report cannot be read: it has another version than 1, which this release reads.",
        ),
        # The sentence that it was not checked would say what anyone has written.
        (
            AUDIT_RUN,
            "x wrote it. Next: centralized-root-access execute y",
            f"{CANNOT_BE_READ}: runId is not the name of a run.",
        ),
        (AUDIT_RUN, "no/such:run", f"{CANNOT_BE_READ}: runId is not the name of a run."),
    ],
    ids=["not JSON", "of a later release", "of no run but a sentence", "of no run"],
)
def test_a_report_that_cannot_be_read_is_refused_in_a_sentence(
    command_line: CommandLine, folder: str, old: str, new: str, said: str
) -> None:
    command_line.run("audit")
    replace_in_stored_report(command_line, folder, old, new)
    # Without its execution, nothing says that the report was altered.
    command_line.root_tasks.executions.clear()
    run = [] if folder == "latest" else [AUDIT_RUN]
    assert command_line.refusal("report", *run) == f"Unable to show the report: {said}\n"


def test_a_run_of_the_other_state_machine_hides_no_report_of_the_same_name(
    command_line: CommandLine,
) -> None:
    """Those who may start only audits, or only executions, choose their names."""
    root_tasks = command_line.root_tasks
    plan = plan_deletion(command_line)
    executed = command_line.run("execute", plan, "--yes")
    root_tasks.run(name=EXECUTION_RUN)
    said = command_line.refusal("report", EXECUTION_RUN)
    assert f"Name one of them: runs/{EXECUTION_RUN} or executions/{EXECUTION_RUN}." in said
    assert command_line.run("report", f"executions/{EXECUTION_RUN}").stdout == executed.stdout
    assert "None of the 3 accounts" in command_line.run("report", f"runs/{EXECUTION_RUN}").lines[-1]
    assert "is not a plan" in command_line.refusal("execute", EXECUTION_RUN, "--yes")
    # An execution that was refused has the name of an audit.
    audit = root_tasks.run(name="scheduled")
    root_tasks.run_execute_machine({"plan": "none"}, name="scheduled")
    assert audit.status == "SUCCEEDED"
    assert command_line.run("report").exit_code == 0


# A report that cannot be shown or saved


@pytest.mark.parametrize(
    ("command", "format_"),
    [(("audit",), "table"), (("audit", "--from-here"), "json"), (PLAN_DELETE, "json")],
    ids=["audit", "from here", "plan"],
)
def test_a_report_that_cannot_be_saved_is_shown_all_the_same(
    command_line: CommandLine, tmp_path: Path, command: tuple[str, ...], format_: str
) -> None:
    give_root_credentials(command_line)
    (tmp_path / "report.json" / "in the way").mkdir(parents=True)
    shown = command_line.run(*command, "--format", format_, "--output", str(tmp_path))
    assert shown.exit_code == 2
    assert MEMBER in shown.stdout
    if format_ == "json":
        assert "results" in shown.json
    said = f"Unable to save the report as {tmp_path / 'report.json'}: Is a directory."
    assert shown.stderr.splitlines()[-1] == said
    assert "cannot be shown" not in shown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_shown_is_saved_all_the_same(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing else has the report of an audit from here, which may take an hour."""
    monkeypatch.setattr(
        "centralized_root_access.cli.show.screen.show_report", Mock(side_effect=BrokenPipeError)
    )
    with pytest.raises(BrokenPipeError):
        command_line.run("audit", "--from-here", "--output", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == set(FILES_OF_REPORT)


def test_a_page_that_cannot_be_saved_is_a_sentence_below_the_report(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_root_credentials(command_line)
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr("tempfile.mkdtemp", full)
    shown = command_line.run("audit", "--open")
    assert shown.exit_code == 2
    assert MEMBER in shown.stdout
    assert shown.stderr.endswith(
        "Unable to save the page in a temporary folder: No space left on device.\n"
    )
