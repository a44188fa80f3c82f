"""The drift check's repair: enable what is missing, as long as the stack does not change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from aws_calls.calls import require
from aws_calls.failures import CallError, Failure
from aws_calls.invocation import Invocation
from common.errors import RootAccessError

from ..converge import Convergence
from ..root_access_errors import describe_step
from ..state import RootAccess
from ..steps import Step

DESCRIBE_STACKS = "cloudformation:DescribeStacks"

# CloudFormation's throttling must not take the time of the check itself.
_MAX_STACK_READ_SECONDS = 30.0


@dataclass(eq=False, kw_only=True)
class CheckFailedError(RootAccessError):
    """The drift check could not read root access or, to repair it, the state of the stack.

    Attributes:
        unread: What could not be read, in words.
        failure: The read that failed.
        account_id: The account of the drift check.
    """

    unread: str
    failure: Failure
    account_id: str

    def __str__(self) -> str:
        failed = describe_step(self.failure, account_id=self.account_id)
        return f"The drift check could not read {self.unread}: {failed}"


@dataclass(eq=False, kw_only=True)
class _DeploymentError(Exception):
    """The stack was deployed during the check, or is being deployed, so no step is applied.

    Attributes:
        reason: What stops the repair.
        is_lasting: Whether it also stops each later repair, until an operator acts.
    """

    reason: str
    is_lasting: bool = False

    def __str__(self) -> str:
        sentence = f"It stopped because {self.reason}."
        if self.is_lasting:
            sentence += (
                " Bring the stack to a status that ends in _COMPLETE, or enable by hand what is "
                "disabled."
            )
        return sentence


@dataclass(kw_only=True)
class WatchedStack:
    """The stack whose lists a repair applies.

    Its state is read at the beginning of a check: every later deployment differs from that, even
    one that ends before the repair.

    Attributes:
        stack_id: The ARN of the stack.
        aws: The function.
        error: Why its state could not be read at the beginning; None: it could.
        _before: Its status at the beginning, and when its last update began.
    """

    stack_id: str
    aws: Invocation
    error: CheckFailedError | None = field(default=None, init=False)
    _before: tuple[str, datetime | None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        # The error is kept, not raised: the check reports what it finds even if it cannot repair.
        try:
            self._before = self._read(self.aws.within(_MAX_STACK_READ_SECONDS))
        except CheckFailedError as error:
            self.error = error

    def require_unchanged(self) -> None:
        """Read its state again.

        Raises:
            CheckFailedError: It could not be read.
            _DeploymentError: The stack was deployed since, or is being deployed.
        """
        now = self._read(self.aws)
        status, _ = now
        if not status.endswith("_COMPLETE"):
            # During a deployment, or after one that failed, this function may have lists that are
            # not the current ones.
            raise _DeploymentError(
                reason=f"the stack is in {status}", is_lasting=not status.endswith("_IN_PROGRESS")
            )
        if now != self._before:
            raise _DeploymentError(reason="the stack was deployed during the check")

    def _read(self, aws: Invocation) -> tuple[str, datetime | None]:
        """Return the stack's status, and when its last update began; None: it was only created."""
        try:
            (stack,) = aws.call(DESCRIBE_STACKS, StackName=self.stack_id).require("Stacks")
            status = require(stack, "StackStatus", operation=DESCRIBE_STACKS)
            return status, stack.get("LastUpdatedTime")
        except CallError as error:
            raise CheckFailedError(
                unread="the state of its stack", failure=error.failure, account_id=aws.account_id
            ) from error


@dataclass(eq=False, kw_only=True)
class Repair(Convergence):
    """The loop of a repair, which stops if the stack is deployed meanwhile.

    Attributes:
        root_access: What AWS reports at the end; None: the repair did not finish.
        deployment: The deployment that stopped it.
        error: The failure that ended it.
    """

    stack: WatchedStack
    # Each scheduled check tries again.
    retry_advice: str = ""
    root_access: RootAccess | None = field(default=None, init=False)
    deployment: _DeploymentError | None = field(default=None, init=False)
    error: RootAccessError | None = field(default=None, init=False)

    @property
    def is_worth_publishing(self) -> bool:
        """True if it changed something, or an operator has to act.

        Checks keep no state, so each scheduled check publishes a repair that cannot take place. One
        that only waits for a deployment, which ends by itself, is logged.
        """
        may_have_changed = self.applied or self.possibly_applied
        return bool(
            may_have_changed or self.error or (self.deployment and self.deployment.is_lasting)
        )

    def attempt(self) -> None:
        """Enable what is missing, and keep the result, or what stopped it."""
        try:
            # Without the stack's state no one knows whether the lists that this function has are
            # the current ones.
            if self.stack.error:
                raise self.stack.error
            self.root_access = self.run()
        except _DeploymentError as deployment:
            self.organization.aws.log(event="repair_skipped", reason=deployment.reason)
            self.deployment = deployment
        except RootAccessError as error:
            self.error = error

    def apply_step(self, step: Step) -> bool:
        """Apply a step, unless the stack is being deployed or was deployed since the check began.

        Raises:
            CallError: AWS refused the call, or it did not succeed in time.
            CheckFailedError: The state of the stack could not be read.
            _DeploymentError: The stack is not as it was.
        """
        self.stack.require_unchanged()
        return super().apply_step(step)
