"""The sentences about the steps of an invocation that failed.

The data behind them is tested elsewhere.
"""

from typing import Any

import pytest

from aws_calls.failures import Failure, FailureKind
from root_access.root_access_errors import ConvergenceError
from root_access.steps import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER

REGISTRATIONS = [
    Step(operation=Operation.REGISTER, account_id=f"{number:012}") for number in range(1, 11)
]


def refused_registration(**values: Any) -> Failure:
    """Return AWS's refusal to register an account."""
    return Failure(
        operation=Operation.REGISTER,
        kind=FailureKind.REFUSED,
        code="Refused",
        message="No.",
        **values,
    )


def sentence_of(**values: Any) -> str:
    """Return the sentence of an error; without values, of a read before anything was applied."""
    nothing: dict[str, Any] = {
        "step": None,
        "applied": (),
        "possibly_applied": (),
        "not_applied": (),
    }
    about = {
        "failure": refused_registration(),
        "account_id": MANAGEMENT,
        "retry_advice": "Deploy again.",
    }
    return str(ConvergenceError(**{**about, **nothing, **values}))


def test_the_error_says_what_failed_what_was_applied_and_what_was_not() -> None:
    text = sentence_of(
        failure=refused_registration(reason="BECAUSE", attempts=3, waited=41.0),
        step=Step(operation=Operation.REGISTER, account_id=OTHER_MEMBER),
        applied=[
            Step(operation=Operation.ENABLE_TRUSTED_ACCESS),
            Step(operation=Operation.DEREGISTER, account_id=MEMBER),
        ],
        possibly_applied=[Step(operation=Operation.ENABLE_ROOT_SESSIONS)],
        not_applied=[Step(operation=Operation.REGISTER, account_id=OTHER_MEMBER)],
    )
    register = "organizations:RegisterDelegatedAdministrator"
    assert text == (
        f"{register}({OTHER_MEMBER}) failed in account {MANAGEMENT}: Refused (BECAUSE): No. "
        "Gave up after 3 attempts over 41 s. "
        f"Check {OTHER_MEMBER} in delegated_administrators. "
        "Applied by this invocation: organizations:EnableAWSServiceAccess, "
        f"organizations:DeregisterDelegatedAdministrator({MEMBER}). "
        "May have been applied (no response): iam:EnableOrganizationsRootSessions. "
        f"Not applied: {register}({OTHER_MEMBER})."
    )


@pytest.mark.parametrize("applied", [[], REGISTRATIONS[:1]], ids=["nothing applied", "applied"])
@pytest.mark.parametrize(
    "possibly_applied", [[], REGISTRATIONS[1:2]], ids=["no doubt", "possibly applied"]
)
@pytest.mark.parametrize(
    "not_applied", [[], REGISTRATIONS[2:3]], ids=["nothing left", "not applied"]
)
def test_nothing_was_changed_only_if_no_step_was_or_may_have_been_applied(
    applied: list[Step], possibly_applied: list[Step], not_applied: list[Step]
) -> None:
    text = sentence_of(applied=applied, possibly_applied=possibly_applied, not_applied=not_applied)
    assert ("Nothing was changed by this invocation." in text) == (
        not applied and not possibly_applied
    )
