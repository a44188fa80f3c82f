"""Measurements of what AWS does not document. Each asks gently, and has a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from acceptance.callers import AUDIT, TASK_POLICY, UNLOCK_BUCKET, Callers, call_operation, ignoring
from acceptance.resources import set_bucket

# Slower than AWS's own script for audits, which waits 0.1 s between accounts, up to twice as fast.
_RATES_PER_SECOND = (2.0, 5.0, 10.0, 20.0)
_CALLS_AT_EACH_RATE = 10
_THROTTLED = ("Throttling", "ThrottlingException", "TooManyRequests")
_EFFECTIVE_AFTER_SECONDS = 30.0


def measure_assume_root(callers: Callers) -> dict[str, Any]:
    """Return at which rate AssumeRoot was throttled first; stop there, or after forty calls."""
    # One attempt per call: the client's own repetitions would hide what is measured.
    sts = callers.aws.client("sts", repeat=False)
    audit = {"TargetPrincipal": callers.names.member, "TaskPolicyArn": {"arn": TASK_POLICY + AUDIT}}
    passed = 0.0
    for rate in _RATES_PER_SECOND:
        for _ in range(_CALLS_AT_EACH_RATE):
            with ignoring(*_THROTTLED):
                sts.assume_root(**audit)
                callers.aws.wait(1 / rate)
                continue
            return {"throttledAt": rate, "notThrottledAt": passed}
        passed = rate
    return {"throttledAt": None, "notThrottledAt": passed}


def measure_confirmed_policy(callers: Callers) -> dict[str, Any]:
    """Return how S3 responds to root that gives up changing a policy, and then deletes it."""
    name = f"{callers.names.own_name}-confirmed"
    try:
        set_bucket(callers, "locked", name=name, ConfirmRemoveSelfBucketAccess=True)
        # A policy takes a moment to be effective.
        callers.aws.wait(_EFFECTIVE_AFTER_SECONDS)
    finally:
        root = callers.root("s3", UNLOCK_BUCKET)
        code = (
            call_operation(root, "DeleteBucketPolicy", {"Bucket": name})
            .get("Error", {})
            .get("Code")
        )
        if code is None:
            set_bucket(callers, None, name=name)
    return {"DeleteBucketPolicy": code}


MEASUREMENTS: Mapping[str, Callable[[Callers], dict[str, Any]]] = {
    "AssumeRoot": measure_assume_root,
    "ConfirmedPolicy": measure_confirmed_policy,
}
