"""The sentences about the steps of an invocation that failed.

The data behind them is tested elsewhere.
"""

from dataclasses import replace

import pytest

from aws_calls.failures import Failure, FailureKind
from root_access.root_access_errors import ConvergenceError
from root_access.steps import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER

REGISTRATION = Step(operation=Operation.REGISTER, account_id=OTHER_MEMBER)
REFUSED = Failure(
    operation=Operation.REGISTER, kind=FailureKind.REFUSED, code="Refused", message="No."
)
# A read that failed before anything was applied.
ERROR = ConvergenceError(
    failure=REFUSED,
    step=None,
    account_id=MANAGEMENT,
    applied=(),
    possibly_applied=(),
    not_applied=(),
    retry_advice="Deploy again.",
)


def test_the_error_says_what_failed_what_was_applied_and_what_was_not() -> None:
    error = replace(
        ERROR,
        failure=replace(REFUSED, reason="BECAUSE", attempts=3, waited=41.0),
        step=REGISTRATION,
        applied=[
            Step(operation=Operation.ENABLE_TRUSTED_ACCESS),
            Step(operation=Operation.DEREGISTER, account_id=MEMBER),
        ],
        possibly_applied=[Step(operation=Operation.ENABLE_ROOT_SESSIONS)],
        not_applied=[REGISTRATION],
    )
    register = "organizations:RegisterDelegatedAdministrator"
    assert str(error) == (
        f"{register}({OTHER_MEMBER}) failed in account {MANAGEMENT}: Refused (BECAUSE): No. "
        "Gave up after 3 attempts over 41 s. "
        f"Check {OTHER_MEMBER} in delegated_administrators. "
        "Applied by this invocation: organizations:EnableAWSServiceAccess, "
        f"organizations:DeregisterDelegatedAdministrator({MEMBER}). "
        "May have been applied (no response): iam:EnableOrganizationsRootSessions. "
        f"Not applied: {register}({OTHER_MEMBER})."
    )


@pytest.mark.parametrize(
    ("error", "nothing_was_changed"),
    [
        (ERROR, True),
        (replace(ERROR, not_applied=[REGISTRATION]), True),
        (replace(ERROR, applied=[REGISTRATION]), False),
        (replace(ERROR, possibly_applied=[REGISTRATION]), False),
    ],
    ids=["a read", "not applied", "applied", "possibly applied"],
)
def test_nothing_was_changed_only_if_no_step_was_or_may_have_been_applied(
    error: ConvergenceError, *, nothing_was_changed: bool
) -> None:
    assert ("Nothing was changed by this invocation." in str(error)) == nothing_was_changed
