"""What is measured because AWS does not document it. Each asks gently, and has a bound."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError

from acceptance.callers import AUDIT, TASK_POLICY, Callers
from acceptance.model import ROOT_SESSION
from root_tasks.aws.authorization_ids import keep_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Slower than AWS's own script for audits, which waits 0.1 s between accounts, up to twice as fast.
_RATES_PER_SECOND = (2.0, 5.0, 10.0, 20.0)
_CALLS_AT_EACH_RATE = 10
_DENIALS = ("AccessDenied", "AccessDeniedException")
# What no audit may call, of each service that has root tasks.
DENIED_CALLS = ("iam:ListUsers", "s3:ListBuckets", "sqs:ListQueues")


def measure_assume_root(callers: Callers) -> dict[str, Any]:
    """Return at which rate AssumeRoot was throttled first; it stops there, and after forty calls."""
    # One attempt a call: the client's own repetitions would hide what is measured.
    sts = callers.aws.client("sts", repeat=False)
    passed = 0.0
    for rate in _RATES_PER_SECOND:
        for _ in range(_CALLS_AT_EACH_RATE):
            if _is_throttled(lambda: sts.assume_root(**_audit_of(callers))):
                return {"throttledAt": rate, "notThrottledAt": passed}
            callers.aws.wait(1 / rate)
        passed = rate
    return {"throttledAt": None, "notThrottledAt": passed}


def _audit_of(callers: Callers) -> dict[str, Any]:
    return {"TargetPrincipal": callers.names.member, "TaskPolicyArn": {"arn": TASK_POLICY + AUDIT}}


def _is_throttled(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("Throttling", "ThrottlingException", "TooManyRequests"):
            raise
        return True
    return False


def measure_filled_metric(callers: Callers) -> dict[str, Any]:
    """Return what FILL makes of three periods of a metric that has never had a value."""
    end = callers.aws.moment().at.replace(minute=0, second=0, microsecond=0)
    metric = {"Namespace": "CentralizedRootAccess", "MetricName": callers.names.own_name}
    queries = [
        {
            "Id": "checks",
            "MetricStat": {"Metric": metric, "Period": 300, "Stat": "SampleCount"},
            "ReturnData": False,
        },
        {"Id": "filled", "Expression": "FILL(checks, 0)"},
    ]
    [filled] = callers.own("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=end - timedelta(minutes=15), EndTime=end
    )["MetricDataResults"]
    return {"values": filled["Values"]}


def measure_authorization_ids(callers: Callers) -> dict[str, Any]:
    """Return which denied calls in a root session that audits carry an ID as a report keeps it."""
    return {operation: _carries_id(callers, *operation.split(":")) for operation in DENIED_CALLS}


def _carries_id(callers: Callers, service: str, operation: str) -> bool:
    ids: list[str] = []
    call = keep_apart(getattr(callers.of_case(ROOT_SESSION, service), xform_name(operation)), ids)
    try:
        # A new session is not valid at once.
        callers.patiently(lambda: dict(call()), final=_DENIALS)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _DENIALS:
            raise
        return bool(ids)
    raise ValueError(f"{service}:{operation} is not denied in a root session that audits.")


MEASUREMENTS: Mapping[str, Callable[[Callers], dict[str, Any]]] = {
    "AssumeRoot": measure_assume_root,
    "AuthorizationIds": measure_authorization_ids,
    "FilledMetric": measure_filled_metric,
}
