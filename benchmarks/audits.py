"""Audits organizations of several sizes: RootTasks' functions, and the loop that one would write."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.candidates import State, bring_about
from benchmarks.invocation import peak_memory
from benchmarks.table import counted, in_megabytes, in_seconds, table
from root_tasks.model.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from local_aws.services import LocalAws

SIZES = (100, 1_000, 10_000)
LATENCY = 0.3

# A loop has the same speed however many accounts there are.
_LOOP_ACCOUNTS = 30
_BUCKET = "root-tasks"
_SETTINGS = {
    "start_run": {
        "bucket": _BUCKET,
        "tasks": ["IAMAuditRootUserCredentials"],
        "protectedAccounts": [],
        "planLifetimeSeconds": 86_400,
        "allowPolicyOverride": False,
    },
    "run_batch": {"bucket": _BUCKET},
    "write_report": {"bucket": _BUCKET, "notificationTopicArn": None, "planLifetimeSeconds": 86_400},
}
_BATCHES_AT_A_TIME = 10
# One root user in so many has credentials.
_HAVING = 50

_MEMORY_GIB = 1.0
_STEPS_OF_A_BATCH = 3
_STEPS_OF_A_RUN = 5
# List prices in us-east-1, in US dollars: a GB-second of arm64, a request, a transition, an S3 PUT and GET.
_GB_SECOND, _REQUEST, _TRANSITION, _PUT, _GET = 13.3334e-6, 0.2e-6, 25e-6, 5e-6, 0.4e-6

# The two steps: a root session, and the one call that tells of every credential.
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
    """What one audit took.

    Attributes:
        accounts: how many accounts were looked at.
        seconds: from its beginning to its report.
        calls: the calls of IAM, Organizations and STS.
        memory: the most that one function's process held, in bytes.
        batches: how many batches there were.
        function_seconds: how long the functions ran, together.
    """

    accounts: int
    seconds: float
    calls: int
    memory: int
    batches: int
    function_seconds: float

    @property
    def dollars(self) -> float:
        """What AWS would bill for it."""
        invocations = self.batches + 2
        return (
            self.function_seconds * _MEMORY_GIB * _GB_SECOND
            + invocations * _REQUEST
            + (self.batches * _STEPS_OF_A_BATCH + _STEPS_OF_A_RUN) * _TRANSITION
            # A batch leaves its result; it looks for one first, reads its work, and is read for the report.
            + self.batches * (_PUT + 3 * _GET)
        )


class AuditFailedError(Exception):
    """Raised where an account is missing from the report."""


def measured_audit(aws: LocalAws, *, accounts: int) -> Audit:
    """Audits an organization by the functions of RootTasks, each in a process of its own.

    Args:
        aws: the local AWS.
        accounts: how many member accounts there are.

    Raises:
        AuditFailedError: an account is missing from the report.
    """
    _arrange(aws, accounts=accounts)
    functions = ProcessPoolExecutor(
        _BATCHES_AT_A_TIME,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_become_a_function,
        initargs=(dict(aws.environment),),
    )
    with functions:
        began = time.monotonic()
        begun = functions.submit(_invoke, "start_run", _selection()).result()
        run = begun.answer
        items = json.loads(_read(aws, run["itemsKey"]))
        performed = list(
            functions.map(
                _invoke,
                ["run_batch"] * len(items),
                [{"runId": run["runId"], "workSha256": run["workSha256"], **item} for item in items],
            )
        )
        concluded = functions.submit(_invoke, "write_report", {"runId": run["runId"]}).result()
        seconds = time.monotonic() - began
    report = json.loads(_read(aws, f"runs/{run['runId']}/report.json"))
    looked_at = sum(
        result["outcome"] in (Outcome.CLEAN, Outcome.HAS_CREDENTIALS) for result in report["results"]
    )
    if looked_at != accounts:
        raise AuditFailedError(f"{looked_at} of {accounts} accounts were looked at.")
    invocations = [begun, *performed, concluded]
    return Audit(
        accounts=accounts,
        seconds=seconds,
        calls=len(aws.organization.calls),
        memory=max(it.memory for it in invocations),
        batches=len(items),
        function_seconds=sum(it.seconds for it in invocations),
    )


def measured_loop(aws: LocalAws) -> Audit:
    """Looks at a few accounts one after another, in one process."""
    _arrange(aws, accounts=_LOOP_ACCOUNTS)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _LOOP, *aws.organization.members], env=aws.environment, check=True)
    return Audit(
        accounts=_LOOP_ACCOUNTS,
        seconds=time.monotonic() - began,
        calls=len(aws.organization.calls),
        memory=0,
        batches=0,
        function_seconds=0.0,
    )


def section(audits: Sequence[Audit], loop: Audit) -> str:
    """Returns the section of the page that tells of audits."""
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
                    "AWS's bill",
                    "a loop",
                    "loop ÷ RootTasks",
                ),
                _rows(audits, loop),
            ),
            f"At {LATENCY * 1000:.0f} ms a call. The functions run as they are, {_BATCHES_AT_A_TIME} batches "
            "at a time, each in a process of its own. Step Functions is not measured, but is in the bill, "
            "which goes by list prices of us-east-1. The loop assumes root and gets the account's summary, "
            f"one account after another in one process; it was measured with {loop.accounts} accounts.\n",
        ]
    )


def times_as_fast(audit: Audit, loop: Audit) -> float:
    """Returns how many times as fast as the loop an audit is."""
    return (audit.accounts / audit.seconds) / (loop.accounts / loop.seconds)


def _rows(audits: Iterable[Audit], loop: Audit) -> Iterable[Sequence[str]]:
    for audit in audits:
        yield (
            counted(audit.accounts),
            in_seconds(audit.seconds),
            f"{audit.accounts / audit.seconds:.1f}",
            f"{audit.calls / audit.accounts:.2f}",
            in_megabytes(audit.memory),
            f"${audit.dollars:.4f}",
            in_seconds(loop.seconds / loop.accounts * audit.accounts),
            f"{times_as_fast(audit, loop):.0f}",
        )


def _arrange(aws: LocalAws, *, accounts: int) -> None:
    organization = aws.organization
    bring_about(State.ALL_ON, organization, latency=0.0)
    for number in range(len(organization.members), accounts):
        organization.add_account(
            name=f"team-{number}",
            email=f"team-{number}@example.com",
            account_id=f"{100_000_000_000 + number}",
        )
    for account_id in organization.members[::_HAVING]:
        organization.put_root_credentials(account_id=account_id, password=True, access_keys=1)
    s3 = aws.client("s3")
    if _BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=_BUCKET)
    organization.clear_calls()
    organization.set_latency(LATENCY)


def _read(aws: LocalAws, key: str) -> bytes:
    body: bytes = aws.client("s3").get_object(Bucket=_BUCKET, Key=key)["Body"].read()
    return body


def _selection() -> dict[str, Any]:
    name = f"audit-{time.time_ns()}"
    return {
        "input": {},
        "execution": {
            "id": f"arn:aws:states:us-east-1:111111111111:execution:RootTasks:{name}",
            "name": name,
            "startedAt": datetime.now(UTC).isoformat(),
        },
    }


# What follows runs in the functions' processes.


@dataclass(frozen=True, kw_only=True)
class _Invoked:
    answer: Any
    seconds: float
    memory: int


class _Context:
    """Lambda's context object."""

    invoked_function_arn = "arn:aws:lambda:us-east-1:111111111111:function:RootTasks"

    def get_remaining_time_in_millis(self) -> int:
        """The time until Lambda ends the invocation."""
        return 900_000


def _become_a_function(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _invoke(entry_point: str, event: dict[str, Any]) -> _Invoked:
    began = time.monotonic()
    # Here, as Lambda loads it.
    from root_tasks import handlers

    os.environ["SETTINGS"] = json.dumps(_SETTINGS[entry_point])
    with contextlib.redirect_stdout(io.StringIO()):
        answer = getattr(handlers, entry_point)(event, _Context())
    return _Invoked(answer=answer, seconds=time.monotonic() - began, memory=peak_memory())
