"""The audit command: which root users have credentials."""

from __future__ import annotations

import click
from click.core import ParameterSource

from ..base.command_errors import CommandError, ExitCode, NoDeploymentError, failures_as
from ..base.options import (
    Output,
    Selection,
    TargetOptions,
    example,
    output_options,
    selection_options,
    target_options,
)
from ..base.terminal import TABLE, print_note, progress_bar, run_name


@click.command(
    short_help="Audit the root users of member accounts.",
    epilog=example("audit --account 222222222222,333333333333"),
)
@selection_options(all_accounts=False, default_outcomes=("inaccessible", "failed", "unknown"))
@click.option(
    "--from-here",
    is_flag=True,
    help="Without a deployment: audit from this machine, with these credentials. They must be of "
    "the management account, or of a delegated administrator for IAM.",
)
@output_options
@target_options
def audit(
    *, selection: Selection, from_here: bool, output: Output, target: TargetOptions
) -> ExitCode:
    """Audit which root users have credentials. This changes nothing.

    Without accounts and organizational units, it audits every account of the organization.

    Exit code: 0 no root credentials, or only accepted ones; 1 root credentials were found that are
    not accepted, or the management account's root user is unprotected; 2 neither was found, but an
    account could not be read, one that was named was skipped, or none was audited.
    """
    # A stack that an environment variable names for all commands is no contradiction.
    source_of_stack = click.get_current_context().get_parameter_source("stack")
    if from_here and source_of_stack is ParameterSource.COMMANDLINE:
        raise click.UsageError("--from-here works without a stack: use it without --stack.")
    if from_here and selection.from_report is not None:
        raise click.UsageError(
            "--from-report reads a run of a deployment: use it without --from-here."
        )
    if from_here:
        return _audit_from_here(selection.input, output=output, target=target)
    with failures_as("Unable to audit", starts_run=True):
        from ..runs.deployed_runs import Runs
        from ..runs.report_output import show_result
        from ..runs.selected_accounts import accounts_of_report

        try:
            runs = Runs.find(target)
        except NoDeploymentError as error:
            raise CommandError(
                f"{error} To audit without a deployment, use `audit --from-here`."
            ) from error
        # An audit also reads protected accounts, which a plan leaves out.
        from_report = accounts_of_report(runs, selection, with_protected=True)
        execution = runs.run("audit", selection.input | from_report)
    return show_result(runs, execution, output=output)


def _audit_from_here(
    input_: dict[str, object], *, output: Output, target: TargetOptions
) -> ExitCode:
    """Audit on this machine what an execution's input names, and show the report."""
    with failures_as("Unable to audit"):
        from ..base.caller import load_caller

        # The imports take as long as AWS's response about whose the credentials are.
        caller = load_caller(target)
        from root_tasks.refusals import RefusalReason, RunRefusedError
        from root_tasks.report.next_steps import next_steps
        from root_tasks.report.render import as_json

        from ..runs.from_here import audit_from_here
        from ..runs.report_output import end_with_report, print_steps, show_report
        from ..runs.stored_report import StoredReport

        name = run_name("audit", clock=target.clock)
        try:
            with progress_bar(name, of="accounts") as update:
                report = audit_from_here(caller, input_, name=name, show=update)
        except RunRefusedError as error:
            if error.reason is not RefusalReason.NOT_AN_ADMINISTRATOR:
                raise
            # Most likely a profile was forgotten: no account has to be registered, as the refusal
            # says.
            raise CommandError(
                "These credentials are of account {account_id}, which cannot open root sessions. "
                "Use credentials of the management account {management_account_id} (--profile), or "
                "of a delegated administrator for IAM.".format(**error.data)
            ) from error
        stored = StoredReport.parse(as_json(report, stored=False), input_=input_)
        # Nothing else has this report, so it is shown even if it cannot be saved.
        show_report(stored, output=output)
    if output.format == TABLE:
        print_steps(next_steps(report, stored=False), target=target)
        if not output.open and not output.path:
            print_note("To keep the report: --output FILE. To read it as a page: --open.")
    return end_with_report(stored, output=output)
