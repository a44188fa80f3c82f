"""The reason of a run: stated with --reason, and shown wherever who asked for the run is."""

import csv
import io

from support.accounts import MEMBER
from support.command_line import (
    PLAN_DELETE,
    PLAN_RUN,
    CommandLine,
    give_root_credentials,
    input_of_last_execution,
    suggested_command,
)
from support.reports import HIDDEN_CHARACTERS
from support.root_tasks import DeployedSettings

TICKET = "CHG0012345"
# A formula, markup, Markdown, a mention and a comment.
HOSTILE_REASON = '=1+1|<b onload="a()">`[x](http://evil.example)` <!channel><!-- Run `sh`'


def test_a_plans_reason_is_that_of_its_execution_unless_that_has_its_own(
    command_line: CommandLine,
) -> None:
    give_root_credentials(command_line)
    planned = command_line.run(*PLAN_DELETE, "--reason", TICKET)
    assert f"\nReason: {TICKET}\n" in planned.stdout
    asked = command_line.run("execute", PLAN_RUN, typed="n\n")
    assert f" Reason: {TICKET}. This cannot be undone. [y/N]" in asked.stderr
    executed = command_line.run("execute", PLAN_RUN, "--reason", "Emergency", typed="y\n")
    assert "Reason: Emergency." in executed.stderr
    assert input_of_last_execution(command_line)["reason"] == "Emergency"
    listed = command_line.listed_runs()
    assert [run["reason"] for run in listed] == ["Emergency", TICKET]
    command_line.root_tasks.run_execute_machine({"plan": PLAN_RUN}, name="without")
    assert [run["reason"] for run in command_line.listed_runs()] == [TICKET, "Emergency", TICKET]
    assert f"reason: {TICKET}, " in " ".join(command_line.run("runs").lines)


def test_a_hostile_reason_is_text_wherever_it_is_shown(command_line: CommandLine) -> None:
    """The report's own forms are proven with those of all hostile texts."""
    give_root_credentials(command_line)
    command_line.run(*PLAN_DELETE, "--reason", HOSTILE_REASON)
    question = command_line.run("execute", PLAN_RUN, typed="n\n").stderr
    listed = command_line.run("runs").stdout
    markdown = command_line.run("report", PLAN_RUN, "--format", "markdown").stdout
    command_line.root_tasks.run({"reason": HOSTILE_REASON})
    ((_, mail),) = command_line.root_tasks.notices
    card = command_line.root_tasks.cards[-1]["content"]["description"]
    assert all(HOSTILE_REASON in text for text in (question, listed, mail))
    assert HIDDEN_CHARACTERS.isdisjoint(question + listed + mail + markdown + card)
    assert f"Reason: `` {HOSTILE_REASON.replace('|', chr(92) + 'x7c')} ``" in markdown
    assert "&lt;!channel&gt;" in card
    page = command_line.root_tasks.read_object(f"runs/{PLAN_RUN}/report.html")
    assert (b"&lt;b onload" in page, b"<b onload" in page) == (True, False)
    assert "`" not in card.replace("```", "")
    # The apostrophe keeps a spreadsheet from taking the reason for a formula.
    rows = csv.DictReader(io.StringIO(command_line.run("runs", "--format", "csv").stdout))
    assert next(row["reason"] for row in rows if row["run"] == PLAN_RUN) == f"'{HOSTILE_REASON}"


def test_no_question_has_the_reason_of_an_accepted_credential_raw(
    command_line: CommandLine,
) -> None:
    give_root_credentials(command_line)
    accepted = {
        "targetId": MEMBER,
        "types": ["PASSWORD"],
        "reason": "billing\x1b[2J\r\u202e",
        "until": "2027-03-31",
    }
    command_line.root_tasks.settings = DeployedSettings(accepted_credentials=[accepted])
    planned = command_line.run(*PLAN_DELETE, "--include-in-use")
    asked = command_line.run(*suggested_command(planned), typed="n\n")
    assert r"billing\x1b[2J\r\u202e" in asked.stderr
    assert HIDDEN_CHARACTERS.isdisjoint(asked.stderr)


def test_the_question_about_a_recovery_says_when_it_is_to_be_closed(
    command_line: CommandLine,
) -> None:
    planned = command_line.run("plan", "recover", "--account", MEMBER, "--until", "8h")
    asked = command_line.run(*suggested_command(planned), typed="n\n")
    assert "The recovery is to be closed within 8 hours of its execution." in asked.stderr
