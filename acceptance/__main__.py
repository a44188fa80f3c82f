"""The command line: `python -m acceptance --organization o-… --account 111111111111 --level read`."""

from __future__ import annotations

import os
import secrets
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import click

from acceptance import guards, summary
from acceptance.aws import Aws
from acceptance.callers import Callers
from acceptance.cases import all_cases
from acceptance.deployment import Deployment
from acceptance.journal import Journal, JournalError, read_journal
from acceptance.model import Level, Result, Verdict
from acceptance.names import Names
from acceptance.plan import plan_lines, restoration_lines
from acceptance.runner import Possibilities, run_cases, sort_cases
from acceptance.scene import Scene, restore_from_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from acceptance.model import Case

_LOCAL_VARIABLE = "LOCAL_AWS_ORGANIZATION_URL"
_ACCOUNT_ID = r"[0-9]{12}"
_PACKAGES = ("centralized-root-access", "aws-cdk-lib", "boto3")

EXIT_SAME, EXIT_DIFFERENT, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 130


@click.command(context_settings={"max_content_width": 110})
@click.option("--organization", metavar="o-…", help="The organization. It has to be the one of the account.")
@click.option(
    "--account", metavar="ACCOUNT", help="The management account. The credentials have to be its own."
)
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.READ.value,
    show_default=True,
    help="How much the run may change.",
)
@click.option("--member", metavar="ACCOUNT", help="A disposable member account without root credentials.")
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
    "--region", default="us-east-1", show_default=True, help="For the bucket, the queue and the stack."
)
@click.option("--run", "execute", is_flag=True, help="Make the calls. Without it they are only printed.")
@click.option("--allow-changes", is_flag=True, help="Also where root access is enabled: it is restored.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(), help="For the journal and the results."
)
@click.option(
    "--restore", type=click.Path(path_type=Path, exists=True), metavar="JOURNAL", help="Undo a run."
)
def main(**options: Any) -> None:
    """Compare what centralized-root-access assumes about AWS with an organization for tests."""
    sys.exit(run(options, connect=connect))


def connect(profile: str | None, region: str) -> Aws:
    """Return the AWS of the environment: the local one if the environment names it."""
    session = boto3.Session(profile_name=profile, region_name=region)
    if _LOCAL_VARIABLE in os.environ:
        from acceptance.local import connect_local

        return connect_local(session)
    return Aws(session)


def run(options: dict[str, Any], *, connect: Callable[[str | None, str], Aws]) -> int:
    """Do what the options ask for, and return the exit code.

    Args:
        options: The command's options.
        connect: Returns the AWS to call.
    """
    try:
        if options["restore"] is not None:
            return _restore(options, connect)
        if not options["organization"] or not options["account"]:
            raise click.UsageError("--organization and --account are required.")
        level = Level(options["level"])
        cases = sort_cases(case for case in all_cases() if level.includes(case.level))
        if not options["execute"]:
            return _show_plan(cases, level)
        return _run(options, level, cases, connect)
    except (guards.RunRefusedError, JournalError) as error:
        click.echo(str(error), err=True)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _show_plan(cases: Sequence[Case], level: Level) -> int:
    click.echo("\n".join(plan_lines(cases, level)))
    totals = ", ".join(f"{count} {name}" for name, count in summary.level_totals(cases).items() if count)
    click.echo(f"\n{len(cases)} cases of the level {level}: {totals}. Nothing was called. Add --run.")
    return EXIT_SAME


def _run(
    options: dict[str, Any], level: Level, cases: Sequence[Case], connect: Callable[[str | None, str], Aws]
) -> int:
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
    surroundings = guards.check_organization(callers, level, allow_changes=options["allow_changes"])
    _confirm(names, f"Runs {len(cases)} cases of the level {level}")
    folder: Path = options["folder"]
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / f"acceptance-{names.run}.jsonl")
    journal.start(names)
    click.echo(
        f"The journal is {journal.path}. If the run is killed: python -m acceptance --restore {journal.path}"
    )
    deployment = Deployment(callers, journal.path.with_suffix(".log")) if level is Level.DEPLOY else None
    scene = Scene(callers, journal=journal, state=surroundings.state, deployment=deployment)
    try:
        results = run_cases(
            cases,
            scene,
            Possibilities(
                level=level,
                member=names.member is not None,
                delegate=names.delegate is not None,
                policies=surroundings.policies,
                local=aws.is_local,
            ),
            report=_show_result,
        )
    finally:
        if not read_journal(journal.path).restored:
            click.echo(f"Restore it: python -m acceptance --restore {journal.path}", err=True)
    _write_results(results, level=level, path=journal.path, where="the local AWS" if aws.is_local else "AWS")
    different = any(result.verdict is Verdict.DIFFERENT for result in results)
    return EXIT_DIFFERENT if different else EXIT_SAME


def _confirm(names: Names, what: str) -> None:
    click.echo(
        f"{what} in the organization {names.organization_id}: management account {names.management}, "
        f"member account {names.member or 'none'}, account to register {names.delegate or 'none'}. "
        "Type the organization's id to start:"
    )
    if sys.stdin.readline().strip() != names.organization_id:
        raise guards.RunRefusedError(guards.Refusal.NOT_CONFIRMED)


def _show_result(result: Result) -> None:
    click.echo(f"{result.verdict:<9} {result.case.name}")


def _write_results(results: Sequence[Result], *, level: Level, path: Path, where: str) -> None:
    versions = {name: version(name) for name in _PACKAGES}
    origin = f"Recorded from {where} by an acceptance run of the level {level}; ids replaced, names left out."
    for suffix, text in (
        (".json", summary.to_json(results)),
        (".issue.txt", summary.to_issue(results, level=level, where=where, versions=versions)),
        (".recording.json", summary.to_recording(results, origin=origin)),
    ):
        path.with_suffix(suffix).write_text(text)
    click.echo(f"\n{summary.to_text(results)}\n")
    click.echo(
        f"Everything is restored. The recording is {path.with_suffix('.recording.json')}, "
        f"the summary for an issue {path.with_suffix('.issue.txt')}."
    )


def _restore(options: dict[str, Any], connect: Callable[[str | None, str], Aws]) -> int:
    path: Path = options["restore"]
    unfinished = read_journal(path)
    if unfinished.restored:
        click.echo("Everything is restored already.")
        return EXIT_SAME
    names = unfinished.names
    if options["organization"] not in (None, names.organization_id):
        raise JournalError(f"{path} is the journal of a run in another organization.")
    callers = Callers(connect(options["profile"], names.region), names)
    guards.check_organization(
        callers, unfinished.level, allow_changes=options["allow_changes"], of_others=unfinished.of_others
    )
    click.echo("\n".join(restoration_lines(unfinished.before)))
    _confirm(names, "Restores what the run has changed")
    deployment = Deployment(callers, path.with_suffix(".log"))
    touched = restore_from_journal(unfinished, callers, journal=Journal(path), deployment=deployment)
    click.echo(f"Restored: {', '.join(touched) or 'nothing was changed'}.")
    return EXIT_SAME


if __name__ == "__main__":
    main()
