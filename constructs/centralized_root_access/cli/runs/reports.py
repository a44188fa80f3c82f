"""The reports of a deployment's runs: each is checked by what Step Functions holds of its run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from aws_calls.failures import CallError
from root_tasks.aws.checksums import sha256
from root_tasks.aws.report_bucket import Bucket
from root_tasks.aws.run_store import EXECUTION_MARK, REPORT_JSON
from root_tasks.aws.storage import Storage
from root_tasks.model.codec import DecodingError, decode
from root_tasks.model.outcome import Outcome
from root_tasks.model.report_schema import Report
from root_tasks.model.run_documents import RUN_ID, ExecutionMark, Finding, Run
from root_tasks.report.facts import executable_until
from root_tasks.report.render import as_json
from root_tasks.run.collect import collect_results
from root_tasks.run.make_report import make_report

from ..base.caller import MAX_WAIT_SECONDS
from ..base.command_errors import CommandError, NoReportError, RunNotFoundError
from .deployed_runs import Runs
from .deployment import AUDIT_FOLDER, EXECUTE_FOLDER
from .plan_state import PlanState
from .step_functions import RUN_SHA256, RunExecution, run_failed_error
from .stored_report import Doubt, StoredReport

_MAX_READS_IN_PARALLEL = 8
# A call for each batch, of which an organization can have a thousand.
_MAX_SECONDS_FOR_RESULTS = 300.0
_NOT_STARTED = "Not started: the run ended before this account's turn."
_UNNAMED_EXECUTION = "an execution that its mark does not name"


def report_of_execution(runs: Runs, execution: RunExecution) -> StoredReport:
    """Return the report of an execution that has ended; if it has none, what its results say.

    Raises:
        CommandError: The run ended before it had accounts, the caller may not read the report,
            or the report is not the one that the run wrote.
        CallError: The results cannot be read.
        ChecksumMismatchError: The stored run is not the one whose hash Step Functions holds.
        DecodingError: It is damaged, or of another version.
    """
    if not execution.has_report:
        return _report_of_results(runs, execution)
    key = f"{execution.folder}/{execution.run_id}/{REPORT_JSON}"
    stored = StoredReport.parse(_read(runs, key), input_=execution.input)
    return _verified(runs, stored, execution, key=key)


def report_of_run(runs: Runs, run: str) -> StoredReport:
    """Return the report of a run, when it has ended.

    Args:
        runs: The runs of the deployment.
        run: Its name, which may follow the folder of its state machine and a slash.

    Raises:
        CommandError: There is no such run, either of two may be meant, it ended before it had
            accounts, or it did not write the report that is there.
        InterruptedRunError: A person interrupted the command.
    """
    execution_or_doubt = runs.wait_for(run)
    if isinstance(execution_or_doubt, RunExecution):
        return report_of_execution(runs, execution_or_doubt)
    # Without its execution, the run is known by its report in the bucket alone.
    errors: list[CommandError] = []
    if execution_or_doubt is Doubt.EXECUTION_GONE:
        errors.append(RunNotFoundError(run))
    folders = [run]
    if "/" not in run:
        folders = [f"{AUDIT_FOLDER}/{run}", f"{EXECUTE_FOLDER}/{run}"]
    for folder in folders:
        try:
            stored = StoredReport.parse(_read(runs, f"{folder}/{REPORT_JSON}"))
            return stored.with_doubt(execution_or_doubt)
        except NoReportError as error:
            errors.append(error)
    # If AWS has no such run, that says more than that its report is missing.
    raise errors[0]


def latest_report(runs: Runs) -> StoredReport:
    """Return the report of the latest full audit.

    Raises:
        CommandError: There is none, the caller may not read it, or its run did not write it.
        DecodingError: It is damaged, or of another version.
        CallError: The execution of its run cannot be read.
    """
    key = f"latest/{REPORT_JSON}"
    stored = StoredReport.parse(_read(runs, key))
    # The run may not have ended yet: it goes on for a moment after it has written the report.
    execution_or_doubt = runs.wait_for(f"{AUDIT_FOLDER}/{stored.report.run_id}")
    if isinstance(execution_or_doubt, Doubt):
        return stored.with_doubt(execution_or_doubt)
    return _verified(runs, stored, execution_or_doubt, key=key)


def find_plan_state(runs: Runs, report: Report) -> PlanState | None:
    """Return whether the plan of a report can still be executed; None if it has no such plan."""
    expires_at = executable_until(report)
    if expires_at is None:
        return None
    now = runs.target.clock.utc_now()
    claimed_by = _find_execution_of_plan(runs, report.run_id)
    return PlanState(now=now, expires_at=expires_at, claimed_by=claimed_by)


def find_plan_states(runs: Runs, executions: Sequence[RunExecution]) -> dict[str, PlanState]:
    """Return the states of the plans among executions, by their names."""
    # An execution that ended without a report may have ended before it used up its plan: the
    # plan's mark says so.
    executed = {run.plan: run.run_id for run in executions if run.running or run.has_report}
    expiries = {
        run.run_id: run.plan_expires_at for run in executions if run.plan_expires_at is not None
    }
    now = runs.target.clock.utc_now()

    def find_state_of(plan: str) -> PlanState:
        # Only a plan without a listed execution costs a call.
        claimed_by = executed.get(plan) or _find_execution_of_plan(runs, plan)
        return PlanState(now=now, expires_at=expiries[plan], claimed_by=claimed_by)

    with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
        return dict(zip(expiries, pool.map(find_state_of, expiries), strict=True))


def _find_execution_of_plan(runs: Runs, run_id: str) -> str | None:
    """Return the execution that a plan is marked with, or a phrase if the mark names none.

    An execution marks the plan that it begins to execute. None if no mark can be read.
    """
    try:
        mark = decode(ExecutionMark, _read(runs, f"{AUDIT_FOLDER}/{run_id}/{EXECUTION_MARK}"))
    except (CallError, NoReportError):
        # This is only shown: a second execution of a marked plan is refused when it starts.
        return None
    except DecodingError:
        return _UNNAMED_EXECUTION
    # The last part of its ARN is its name.
    name = mark.execution_arn.rpartition(":")[2]
    return name if RUN_ID.fullmatch(name) else _UNNAMED_EXECUTION


def _verified(
    runs: Runs, stored: StoredReport, execution: RunExecution, *, key: str
) -> StoredReport:
    """Return a report if the execution's run wrote it, or with a doubt if that is not known.

    Raises:
        CommandError: It did not write it.
    """
    if execution.report_sha256 is None:
        return stored.with_doubt(Doubt.HASH_NOT_HELD)
    if execution.report_sha256 != sha256(stored.body):
        raise CommandError(
            f"s3://{runs.deployment.bucket}/{key} was altered: its SHA-256 is not the one that its "
            "execution holds. Do not act on it, and find out who can write to the bucket."
        )
    return stored


def _report_of_results(runs: Runs, execution: RunExecution) -> StoredReport:
    """Return the report of an execution that ended without one.

    Step Functions holds the hash of the run, the batches that started, and the hashes of their
    results. The bucket decides nothing by itself.
    """
    # What Step Functions holds: the hash of the run, and its batches.
    output_of_start = runs.executions.output_of_start(execution)
    # It ended before it had accounts: there is nothing to report but why.
    if not output_of_start:
        raise run_failed_error(execution)
    outputs_by_batch = runs.executions.batches(execution)
    # What the bucket has of them, where the hashes agree.
    storage = Storage(_bucket(runs, seconds=_MAX_SECONDS_FOR_RESULTS))
    store = storage.runs
    if execution.folder == EXECUTE_FOLDER:
        store = storage.executions
    run = store.read(Run, execution.run_id, checksum=output_of_start[RUN_SHA256])
    aws = runs.caller.aws(seconds=_MAX_SECONDS_FOR_RESULTS)
    results = collect_results(
        aws, store, run, list(outputs_by_batch.values()), backups=storage.backups
    )
    findings = dict(results.findings)
    # A batch claims its accounts before it begins. One that has just started may not be listed yet.
    started_batches = outputs_by_batch.keys() | store.batches_with_a_claim(run)
    for number, account_ids in enumerate(run.batches):
        if number not in started_batches:
            for id_ in account_ids:
                findings[id_] = Finding(
                    account_id=id_, outcome=Outcome.SKIPPED, reason=_NOT_STARTED
                )
    # As the run itself would have written it.
    report = make_report(
        run,
        findings,
        finished_at=results.finished_at,
        warnings=(str(run_failed_error(execution)), *results.warnings),
    )
    stored = StoredReport.parse(as_json(report), input_=execution.input)
    return stored.with_doubt(Doubt.ENDED_WITHOUT_REPORT)


def _bucket(runs: Runs, *, seconds: float = MAX_WAIT_SECONDS) -> Bucket:
    """Return the bucket of the reports, whose calls are retried for so many seconds from now on."""
    return Bucket(
        aws=runs.caller.calls(seconds=seconds),
        name=runs.deployment.bucket,
        account_id=runs.deployment.account_id,
    )


def _read(runs: Runs, key: str) -> bytes:
    """Return an object of the bucket, such as runs/NAME/report.json.

    Raises:
        NoReportError: There is none, or the caller may not read it.
        CallError: S3 did not respond in time.
    """
    try:
        return _bucket(runs).read(key)
    except CallError as error:
        # Without permission to list the bucket, S3 denies what does not exist.
        if error.failure.name not in ("NoSuchKey", "AccessDenied"):
            raise
        raise NoReportError(
            f"There is no s3://{runs.deployment.bucket}/{key}, or these credentials may not read "
            f"it ({error.failure.code}). It needs grant_read_reports; the latest report is there "
            "once a full audit has ended. A RootTasks that was deleted and deployed "
            "again, renamed or moved starts with an empty bucket."
        ) from error
