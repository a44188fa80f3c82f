"""Audits of organizations of several sizes: by the functions of RootTasks, and by a simple loop."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.candidates import State, reset_to
from benchmarks.invocation import peak_memory
from benchmarks.table import format_count, format_megabytes, format_seconds, table
from root_tasks.model.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from local_aws.emulation import Call, Organization
    from local_aws.services import LocalAws

SIZES = (100, 1_000, 10_000)
LATENCY_SECONDS = 0.3

# The speed of a loop does not depend on the number of accounts.
_LOOP_ACCOUNTS = 30
_BUCKET = "root-tasks"
_SETTINGS = {
    "start_run": {
        "bucket": _BUCKET,
        "tasks": ["IAMAuditRootUserCredentials"],
        "protectedAccounts": [],
        "allowPolicyOverride": False,
    },
    "run_batch": {"bucket": _BUCKET},
    "write_report": {"bucket": _BUCKET, "notificationTopicArn": None, "planLifetimeSeconds": 86_400},
}
_MAX_CONCURRENCY = 10
_ONE_IN_N_HAS_CREDENTIALS = 50
# For each account: AssumeRoot and GetAccountSummary. An audit looks at details only where it has to.
_MAX_CALLS_OF_A_CLEAN_ACCOUNT = 2

_MEMORY_GIB = 1.0
_STEPS_OF_A_BATCH = 3
_STEPS_OF_A_RUN = 5
# List prices in us-east-1, in US dollars: a GB-second of arm64, a request, a transition, an S3 PUT and GET.
_GB_SECOND, _REQUEST, _TRANSITION, _PUT, _GET = 13.3334e-6, 0.2e-6, 25e-6, 5e-6, 0.4e-6

# The two calls: a root session, and the summary of its credentials.
_LOOP = """
import sys, boto3
sts = boto3.client("sts", region_name="us-east-1")
for account_id in sys.argv[1:]:
    keys = sts.assume_root(
        TargetPrincipal=account_id,
        TaskPolicyArn={"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"},
    )["Credentials"]
    boto3.client(
        "iam",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    ).get_account_summary()
"""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The measurements of one audit.

    Attributes:
        accounts: The number of audited accounts.
        seconds: From its start to its report.
        calls: The number of calls to IAM, Organizations and STS.
        memory: The peak memory of one function's process, in bytes.
        batches: The number of batches.
        function_seconds: The total duration of the functions.
    """

    accounts: int
    seconds: float
    calls: int
    memory: int
    batches: int
    function_seconds: float

    @property
    def dollars(self) -> float:
        """The cost on AWS."""
        invocations = self.batches + 2
        return (
            self.function_seconds * _MEMORY_GIB * _GB_SECOND
            + invocations * _REQUEST
            + (self.batches * _STEPS_OF_A_BATCH + _STEPS_OF_A_RUN) * _TRANSITION
            # A batch checks for a result, reads its work and writes its result, which the report reads.
            + self.batches * (_PUT + 3 * _GET)
        )


class AuditFailedError(Exception):
    """An audit had a wrong result, so its numbers would mean nothing."""


def measure_audit(aws: LocalAws, *, accounts: int) -> Audit:
    """Audit an organization with the functions of RootTasks, each in a process of its own.

    Args:
        aws: The local AWS.
        accounts: The number of member accounts.

    Raises:
        AuditFailedError: An account is missing in the report or has a wrong outcome, or an account
            without credentials took too many calls.
    """
    _arrange(aws, accounts=accounts)
    functions = ProcessPoolExecutor(
        _MAX_CONCURRENCY,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_environment,
        initargs=(dict(aws.environment),),
    )
    with functions:
        started_at = time.monotonic()
        started = functions.submit(_invoke, "start_run", _execution_input()).result()
        run = started.response
        numbers = run["batches"]
        batches = list(
            functions.map(
                _invoke,
                ["run_batch"] * len(numbers),
                [{"runId": run["runId"], "workSha256": run["workSha256"], "batch": it} for it in numbers],
            )
        )
        finished = functions.submit(
            _invoke,
            "write_report",
            {
                "runId": run["runId"],
                "runSha256": run["runSha256"],
                "results": [it.response for it in batches],
            },
        ).result()
        seconds = time.monotonic() - started_at
    calls = aws.organization.calls
    expected = _correct_outcomes(aws.organization)
    check_results(json.loads(_read(aws, f"runs/{run['runId']}/report.json"))["results"], expected=expected)
    check_calls(calls, expected=expected)
    invocations = [started, *batches, finished]
    return Audit(
        accounts=accounts,
        seconds=seconds,
        calls=len(calls),
        memory=max(it.memory for it in invocations),
        batches=len(batches),
        function_seconds=sum(it.seconds for it in invocations),
    )


def measure_loop(aws: LocalAws) -> Audit:
    """Audit a few accounts one after another, in one process."""
    _arrange(aws, accounts=_LOOP_ACCOUNTS)
    started_at = time.monotonic()
    subprocess.run([sys.executable, "-c", _LOOP, *aws.organization.members], env=aws.environment, check=True)
    return Audit(
        accounts=_LOOP_ACCOUNTS,
        seconds=time.monotonic() - started_at,
        calls=len(aws.organization.calls),
        memory=0,
        batches=0,
        function_seconds=0.0,
    )


def check_results(results: Sequence[Mapping[str, Any]], *, expected: Mapping[str, Outcome]) -> None:
    """Check that a report has exactly one result for each account, with the expected outcome.

    Raises:
        AuditFailedError: It does not.
    """
    outcomes = {result["accountId"]: result["outcome"] for result in results}
    if outcomes != expected or len(results) != len(expected):
        wrong = sorted(id_ for id_ in {**outcomes, **expected} if outcomes.get(id_) != expected.get(id_))
        raise AuditFailedError(
            f"{len(results)} results for {len(expected)} accounts; accounts with a wrong outcome: {wrong}"
        )


def check_calls(calls: Iterable[Call], *, expected: Mapping[str, Outcome]) -> None:
    """Check that an audit makes no unnecessary calls in accounts without credentials.

    Raises:
        AuditFailedError: It makes more than two.
    """
    calls_of = Counter(
        str(call.parameters["TargetPrincipal"]) if call.operation == "AssumeRoot" else call.account_id
        for call in calls
        if call.root_session or call.operation == "AssumeRoot"
    )
    most = max(calls_of[account_id] for account_id, outcome in expected.items() if outcome is Outcome.CLEAN)
    if most > _MAX_CALLS_OF_A_CLEAN_ACCOUNT:
        raise AuditFailedError(f"An audit made {most} calls in an account without credentials.")


def section(audits: Sequence[Audit], loop: Audit) -> str:
    """Return the section of the page about audits."""
    return "\n".join(
        [
            "## Audit\n",
            table(
                (
                    "accounts",
                    "RootTasks",
                    "accounts a second",
                    "calls an account",
                    "memory of a function",
                    "cost",
                    "a loop",
                    "loop ÷ RootTasks",
                ),
                _rows(audits, loop),
            ),
            f"At {LATENCY_SECONDS * 1000:.0f} ms a call. {_MAX_CONCURRENCY} batches run at once, each "
            "invocation in a process of its own. The cost includes Step Functions, which are not measured, "
            "and is by list prices of us-east-1. The loop calls AssumeRoot and GetAccountSummary for one "
            f"account after another in one process; it was measured with {loop.accounts} accounts.\n",
        ]
    )


def speedup(audit: Audit, loop: Audit) -> float:
    """Return the speed of an audit as a multiple of the loop's."""
    return (audit.accounts / audit.seconds) / (loop.accounts / loop.seconds)


def _rows(audits: Iterable[Audit], loop: Audit) -> Iterable[Sequence[str]]:
    for audit in audits:
        yield (
            format_count(audit.accounts),
            format_seconds(audit.seconds),
            f"{audit.accounts / audit.seconds:.1f}",
            f"{audit.calls / audit.accounts:.2f}",
            format_megabytes(audit.memory),
            f"${audit.dollars:.4f}",
            format_seconds(loop.seconds / loop.accounts * audit.accounts),
            f"{speedup(audit, loop):.0f}",
        )


def _arrange(aws: LocalAws, *, accounts: int) -> None:
    organization = aws.organization
    reset_to(State.ENABLED, organization, latency=0.0)
    for number in range(len(organization.members), accounts):
        organization.add_account(
            name=f"team-{number}",
            email=f"team-{number}@example.com",
            account_id=f"{100_000_000_000 + number}",
        )
    for account_id in organization.members[::_ONE_IN_N_HAS_CREDENTIALS]:
        organization.put_root_credentials(account_id=account_id, password=True, access_keys=1)
    s3 = aws.client("s3")
    if _BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=_BUCKET)
    organization.clear_calls()
    organization.set_latency(LATENCY_SECONDS)


def _correct_outcomes(organization: Organization) -> dict[str, Outcome]:
    members = organization.members
    return {
        organization.management_account_id: Outcome.SKIPPED,
        **dict.fromkeys(members, Outcome.CLEAN),
        **dict.fromkeys(members[::_ONE_IN_N_HAS_CREDENTIALS], Outcome.HAS_CREDENTIALS),
    }


def _read(aws: LocalAws, key: str) -> bytes:
    body: bytes = aws.client("s3").get_object(Bucket=_BUCKET, Key=key)["Body"].read()
    return body


def _execution_input() -> dict[str, Any]:
    name = f"audit-{time.time_ns()}"
    return {
        "input": {},
        "execution": {
            "id": f"arn:aws:states:us-east-1:111111111111:execution:RootTasks:{name}",
            "name": name,
            "startedAt": datetime.now(UTC).isoformat(),
        },
    }


# The rest runs in the processes of the functions.


@dataclass(frozen=True, kw_only=True)
class _Invocation:
    response: Any
    seconds: float
    memory: int


class _Context:
    """Lambda's context object."""

    invoked_function_arn = "arn:aws:lambda:us-east-1:111111111111:function:RootTasks"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda terminates the invocation."""
        return 900_000


def _set_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _invoke(entry_point: str, event: dict[str, Any]) -> _Invocation:
    started_at = time.monotonic()
    # Here, because Lambda imports it at the first invocation.
    from root_tasks import handlers

    os.environ["SETTINGS"] = json.dumps(_SETTINGS[entry_point])
    with contextlib.redirect_stdout(io.StringIO()):
        response = getattr(handlers, entry_point)(event, _Context())
    return _Invocation(response=response, seconds=time.monotonic() - started_at, memory=peak_memory())
