"""The published controls that root credentials decide, and what an audit found of each. Pure.

The IDs and what decides are from the AWS Security Hub User Guide, "Security Hub controls for IAM":
https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.report import Outcome
from .summary import is_audited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model.report import AccountResult, Report, RootCredentials

# What AWS and CIS say of member accounts without root credentials.
NOTES = (
    "Security Hub evaluates IAM.6 and IAM.9 by the presence of root user credentials: in an account without "
    "a root password, both controls pass.",
    "CIS AWS Foundations Benchmark v5.0.0 notes that where centralized root access has removed the root "
    "credentials of a member account, root MFA is neither possible nor necessary there.",
    "This is what the audit read. It is not a finding of Security Hub, which checks the management account "
    "as well.",
)
# In the ARN of a virtual device. A hardware token has a serial number, a security key an ARN with u2f.
_VIRTUAL_DEVICE = ":mfa/"


@dataclass(frozen=True, kw_only=True)
class Control:
    """A control of AWS Security Hub, with the recommendations of CIS that it checks.

    Attributes:
        id: Its ID in Security Hub.
        title: Its title in Security Hub.
        config_rule: The AWS Config rule that it uses.
        cis: The recommendation by version of the CIS AWS Foundations Benchmark, the latest first.
        is_met: Whether root credentials meet it; None where what was read does not decide it.
    """

    id: str
    title: str
    config_rule: str
    cis: tuple[tuple[str, str], ...]
    is_met: Callable[[RootCredentials], bool | None]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an audit found of a control, in numbers of accounts.

    Attributes:
        control: The control.
        met: Where it is met.
        not_met: Where it is not met.
        not_known: Where what was read does not decide it, and where nothing was read.
    """

    control: Control
    met: int
    not_met: int
    not_known: int


def _has_no_keys(has: RootCredentials) -> bool:
    return has.access_keys == ()


def _has_mfa_or_no_password(has: RootCredentials) -> bool:
    return not has.password or has.mfa_devices != ()


def _has_hardware_mfa_or_no_password(has: RootCredentials) -> bool | None:
    if not has.password:
        return True
    if has.mfa_devices is None:
        return None
    return bool(has.mfa_devices) and not any(_VIRTUAL_DEVICE in serial for serial in has.mfa_devices)


CONTROLS: Sequence[Control] = (
    Control(
        id="IAM.4",
        title="IAM root user access key should not exist",
        config_rule="iam-root-access-key-check",
        cis=(("5.0.0", "1.3"), ("3.0.0", "1.4"), ("1.4.0", "1.4"), ("1.2.0", "1.12")),
        is_met=_has_no_keys,
    ),
    Control(
        id="IAM.6",
        title="Hardware MFA should be enabled for the root user",
        config_rule="root-account-hardware-mfa-enabled",
        cis=(("5.0.0", "1.5"), ("3.0.0", "1.6"), ("1.4.0", "1.6"), ("1.2.0", "1.14")),
        is_met=_has_hardware_mfa_or_no_password,
    ),
    Control(
        id="IAM.9",
        title="MFA should be enabled for the root user",
        config_rule="root-account-mfa-enabled",
        cis=(("5.0.0", "1.4"), ("3.0.0", "1.5"), ("1.4.0", "1.5"), ("1.2.0", "1.13")),
        is_met=_has_mfa_or_no_password,
    ),
)


def evidence(report: Report) -> list[Evidence]:
    """Return what an audit found of each control. Skipped accounts do not count."""
    in_scope = [result for result in report.results if result.outcome is not Outcome.SKIPPED]
    found = []
    for control in CONTROLS:
        verdicts = [_verdict(control, result) for result in in_scope]
        met, not_met, not_known = (verdicts.count(verdict) for verdict in (True, False, None))
        found.append(Evidence(control=control, met=met, not_met=not_met, not_known=not_known))
    return found


def _verdict(control: Control, result: AccountResult) -> bool | None:
    if result.credentials is None or not is_audited(result):
        return None
    return control.is_met(result.credentials)
