"""Measurements of what AWS does not document. Each asks gently, and has a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from acceptance.callers import AUDIT, TASK_POLICY

if TYPE_CHECKING:
    from collections.abc import Callable

    from acceptance.callers import Callers

# Slower than AWS's own script for audits, which waits 0.1 s between accounts, up to twice as fast.
_RATES_PER_SECOND = (2.0, 5.0, 10.0, 20.0)
_CALLS_AT_EACH_RATE = 10


def measure_assume_root(callers: Callers) -> dict[str, Any]:
    """Return at which rate AssumeRoot was throttled first; it stops there, and after forty calls."""
    # One attempt per call: the client's own repetitions would hide what is measured.
    sts = callers.aws.client("sts", repeat=False)
    audit = {"TargetPrincipal": callers.names.member, "TaskPolicyArn": {"arn": TASK_POLICY + AUDIT}}
    passed = 0.0
    for rate in _RATES_PER_SECOND:
        for _ in range(_CALLS_AT_EACH_RATE):
            if _is_throttled(lambda: sts.assume_root(**audit)):
                return {"throttledAt": rate, "notThrottledAt": passed}
            callers.aws.wait(1 / rate)
        passed = rate
    return {"throttledAt": None, "notThrottledAt": passed}


def _is_throttled(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("Throttling", "ThrottlingException", "TooManyRequests"):
            raise
        return True
    return False
