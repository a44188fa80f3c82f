"""The command line: `python -m acceptance --organization o-… --account 111111111111`."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import click
from botocore.exceptions import BotoCoreError, ClientError

from acceptance import guards, summary
from acceptance.aws import Aws
from acceptance.callers import Callers
from acceptance.cases import all_cases
from acceptance.model import Case, Level, Result, Verdict
from acceptance.names import Names
from acceptance.resources import SUBJECTS, field_changed_by
from acceptance.runner import run_cases, sort_cases
from acceptance.scene import RestoreError, Scene
from acceptance.snapshot import Snapshot, SnapshotError, read_snapshot
from acceptance.state import StateField, state_after_kill

_PACKAGES = ("centralized-root-access", "boto3")

EXIT_SAME, EXIT_DIFFERENT, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 130


@click.command(context_settings={"max_content_width": 110})
@click.option(
    "--organization", metavar="o-…", help="The organization. It has to be the one of the account."
)
@click.option(
    "--account",
    metavar="ACCOUNT",
    help="The management account. The credentials have to be its own.",
)
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.READ.value,
    show_default=True,
    help="How much the run may change.",
)
@click.option(
    "--member", metavar="ACCOUNT", help="A disposable member account without root credentials."
)
@click.option(
    "--delegate", metavar="ACCOUNT", help="A member account to register as delegated administrator."
)
@click.option(
    "--role",
    default="OrganizationAccountAccessRole",
    show_default=True,
    help="The role in the member accounts that the management account may assume.",
)
@click.option("--profile", help="A profile of the AWS configuration.")
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    help="For the bucket and the queue.",
)
@click.option(
    "--run", "execute", is_flag=True, help="Make the calls. Without it they are only printed."
)
@click.option(
    "--allow-changes", is_flag=True, help="Run even if root access is enabled: it is restored."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="For the snapshot and the results.",
)
@click.option(
    "--restore",
    type=click.Path(path_type=Path, exists=True),
    metavar="SNAPSHOT",
    help="Undo a run.",
)
def main(**options: Any) -> None:
    """Compare what centralized-root-access assumes about AWS with a test organization."""
    sys.exit(run(options))


def connect(profile: str | None, region: str) -> Aws:
    """Return the AWS of the environment: the local one if the environment names it."""
    botocore_session = botocore.session.Session(profile=profile)
    # AssumeRoot exists only in a Region's own STS, not in the global one.
    botocore_session.set_config_variable("sts_regional_endpoints", "regional")
    session = boto3.Session(botocore_session=botocore_session, region_name=region)
    if "LOCAL_AWS_ORGANIZATION_URL" in os.environ:
        from acceptance.local import connect_local

        return connect_local(session)
    return Aws(session)


def run(options: dict[str, Any]) -> int:
    """Do what the options ask for, and return the exit code."""
    try:
        if options["restore"] is not None:
            return _restore(options)
        if not options["organization"] or not options["account"]:
            raise click.UsageError("--organization and --account are required.")
        level = Level(options["level"])
        cases = sort_cases(case for case in all_cases() if level.includes(case.level))
        if not options["execute"]:
            return _show_plan(cases, level)
        return _run(options, level, cases)
    except (
        guards.RunRefusedError,
        SnapshotError,
        RestoreError,
        BotoCoreError,
        ClientError,
    ) as error:
        click.echo(str(error), err=True)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _show_plan(cases: Sequence[Case], level: Level) -> int:
    """Print what each case of a level calls and may change, and return the exit code."""
    click.echo("\n".join(line for case in cases for line in _plan_lines(case)))
    fields = () if level is Level.READ else tuple(StateField)
    changed = (
        ", ".join(SUBJECTS[field] for field in fields if level.includes(field.level)) or "nothing"
    )
    click.echo(f"\nThe {len(cases)} cases of the level {level} change, and restore: {changed}.")
    click.echo("Nothing was called. Add --run.")
    return EXIT_SAME


def _plan_lines(case: Case) -> Iterator[str]:
    """Yield the lines that say what a case is given, calls and may change."""
    yield f"{case.name} ({case.level}, {case.source})"
    if case.given:
        yield f"    given: {', '.join(case.given)}"
    changed = field_changed_by(case.call)
    effect = "changes nothing" if changed is None else f"may change {SUBJECTS[changed]}"
    yield f"    calls {case.call.operation} as {case.caller}; {case.risk or effect}"


def _run(options: dict[str, Any], level: Level, cases: Sequence[Case]) -> int:
    """Run the cases in the organization that the options name, and return the exit code."""
    aws = connect(options["profile"], options["region"])
    names = Names(
        organization_id=options["organization"],
        management=options["account"],
        member=options["member"],
        delegate=options["delegate"],
        run=secrets.token_hex(6),
        region=options["region"],
        role=options["role"],
    )
    callers = Callers(aws, names)
    state = guards.check_organization(callers, level, allow_changes=options["allow_changes"])
    risks = "".join(f", which {case.risk}," for case in cases if case.risk)
    _confirm(names, f"Runs {len(cases)} cases of the level {level}{risks}")
    folder: Path = options["folder"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"acceptance-{names.run}"
    snapshot = path.with_suffix(".snapshot.json")
    click.echo(f"If the run is killed: python -m acceptance --restore {snapshot}")
    results: list[Result] = []

    def report(result: Result) -> None:
        results.append(result)
        click.echo(f"{result.verdict:<9} {result.case.name}")

    try:
        run_cases(
            cases,
            Scene(callers, state=state),
            level,
            report=report,
            keep=lambda before: Snapshot(names=names, level=level, before=before).write(snapshot),
            restored=lambda: snapshot.unlink(missing_ok=True),
        )
    finally:
        # Also of a run that was interrupted, or that could not restore everything.
        where = "the local AWS" if aws.is_local else "AWS"
        _write_results(
            results, level=level, path=path, where=where, is_whole=len(results) == len(cases)
        )
        if snapshot.exists():
            click.echo(f"Restore it: python -m acceptance --restore {snapshot}", err=True)
    click.echo("Everything is restored.")
    different = any(result.verdict is Verdict.DIFFERENT for result in results)
    return EXIT_DIFFERENT if different else EXIT_SAME


def _confirm(names: Names, what: str) -> None:
    """Ask a person to type the organization's ID.

    Raises:
        RunRefusedError: Something else was typed.
    """
    click.echo(
        f"{what} in the organization {names.organization_id}: "
        f"management account {names.management}, member account {names.member or 'none'}, "
        f"account to register {names.delegate or 'none'}. Type the organization's id to start:"
    )
    if sys.stdin.readline().strip() != names.organization_id:
        raise guards.RunRefusedError(guards.Refusal.NOT_CONFIRMED)


def _write_results(
    results: Sequence[Result], *, level: Level, path: Path, where: str, is_whole: bool
) -> None:
    """Write the recording and the summary for an issue, and print the results."""
    versions = {name: version(name) for name in _PACKAGES}
    run = f"an acceptance run of the level {level}"
    if not is_whole:
        run = f"a part of {run}"
    origin = f"Recorded from {where} by {run}; ids replaced, names left out."
    if not is_whole:
        where += ", which ended early"
    for suffix, text in (
        (".issue.txt", summary.to_issue(results, level=level, where=where, versions=versions)),
        (".recording.json", summary.to_recording(results, origin=origin)),
    ):
        path.with_suffix(suffix).write_text(text)
    click.echo(f"\n{summary.to_text(results)}\n")
    click.echo(
        f"The recording is {path.with_suffix('.recording.json')}, "
        f"the summary for an issue {path.with_suffix('.issue.txt')}."
    )


def _restore(options: dict[str, Any]) -> int:
    """Restore what a run that was killed has changed, and return the exit code."""
    path: Path = options["restore"]
    snapshot = read_snapshot(path)
    names, level = snapshot.names, snapshot.level
    callers = Callers(connect(options["profile"], names.region), names)
    guards.check_identity(callers)
    guards.check_roles(callers)
    scene = Scene(callers, state=state_after_kill(level))
    scene.observe()
    changed = scene.state.differences(snapshot.before)
    what = [SUBJECTS[field] for field in changed]
    if not scene.state.trusted_access:
        what.append("features that are hidden now")
    _confirm(names, f"Restores the state before the run: {', '.join(what) or 'nothing'}")
    scene.restore(snapshot.before)
    path.unlink()
    click.echo("Everything is restored.")
    return EXIT_SAME


if __name__ == "__main__":
    main()
