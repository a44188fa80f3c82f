"""The published controls that root credentials decide, and what an audit found of each. Pure.

The IDs and what decides are from the AWS Security Hub User Guide, "Security Hub controls for IAM":
https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..model.report_schema import Outcome, Report, RootCredentials, Task
from .summary import is_audited


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An audit's numbers of accounts for a control.

    Attributes:
        control: Its ID in Security Hub.
        met: It is met.
        not_met: It is not met.
        not_known: What was read does not decide it, or nothing was read.
    """

    control: str
    met: int
    not_met: int
    not_known: int


def _has_hardware_mfa_or_no_password(has: RootCredentials) -> bool | None:
    if not has.password:
        return True
    if has.mfa_devices is None:
        return None
    # Virtual devices have this in their ARN; hardware tokens a serial number, security keys an ARN
    # with u2f.
    return bool(has.mfa_devices) and not any(":mfa/" in serial for serial in has.mfa_devices)


# True if root credentials meet the control; None if what was read does not decide it.
CONTROLS: Mapping[str, Callable[[RootCredentials], bool | None]] = {
    "IAM.4": lambda has: has.access_keys == (),
    "IAM.6": _has_hardware_mfa_or_no_password,
    "IAM.9": lambda has: not has.password or has.mfa_devices != (),
}


def evidence(report: Report) -> tuple[Evidence, ...]:
    """Return what an audit found of each control in member accounts; nothing of another run.

    Skipped accounts do not count.
    """
    if report.task is not Task.AUDIT:
        return ()
    in_scope = [
        result
        for result in report.results
        if result.outcome is not Outcome.SKIPPED
        and result.account_id != report.management_account_id
    ]
    # What was read of each account; None if nothing was.
    read = [result.credentials if is_audited(result) else None for result in in_scope]
    found = []
    for control, is_met in CONTROLS.items():
        verdicts = [is_met(has) for has in read if has is not None]
        met, not_met = verdicts.count(True), verdicts.count(False)
        not_known = len(in_scope) - met - not_met
        found.append(Evidence(control=control, met=met, not_met=not_met, not_known=not_known))
    return tuple(found)
