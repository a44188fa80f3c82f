"""The drift check: is the organization as the stack lists it? A repair enables what has been disabled."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from aws_calls.calls import call, require
from aws_calls.errors import RootAccessError
from aws_calls.failures import CallError, Failure, describe_response
from aws_calls.metrics import NAMESPACE, ORGANIZATION_ID, metric_line, write_line
from aws_calls.retry import Clock, RetryBudget
from aws_calls.runtime import FunctionArn, LambdaContext, one_attempt, system_clock
from aws_calls.settings import read_settings

from .converge import Convergence
from .deviations import deviation, plan_repair
from .drift_notice import UNKNOWN, Notice, RecordedCall, drift_notice, repair_notice
from .errors import describe_step
from .organization import Clients, Organization, create_clients
from .plan import Step, plan
from .state import desired_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from .state import DesiredState, RootAccess

IN_DESIRED_STATE = "InDesiredState"

SCHEDULED = "Scheduled Event"
RECORDED = "AWS API Call via CloudTrail"
_INTERVAL = "interval"

DESCRIBE_STACKS = "cloudformation:DescribeStacks"
PUBLISH = "sns:Publish"

# The end of a check belongs to its notice: one attempt, and the wait before a second one.
_NOTICE_RESERVE_SECONDS = 25.0

# CloudFormation's throttling must not take the time of the check itself.
_MAX_STACK_READ_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The state of a stack, as CloudFormation has it.

    Attributes:
        status: The status, such as UPDATE_COMPLETE.
        updated_at: When its last update began; None: it was only created.
    """

    status: str
    updated_at: datetime | None = None


class DescribeStack(Protocol):
    """Reads the state of a stack."""

    def __call__(self, stack_id: str, *, budget: RetryBudget) -> StackState:
        """Return the state, or raise CallError."""


class Publish(Protocol):
    """Publishes a notice."""

    def __call__(self, notice: Notice, *, topic_arn: str, budget: RetryBudget) -> None:
        """Publish it, or raise CallError."""


@dataclass(eq=False, kw_only=True)
class CheckFailedError(RootAccessError):
    """Raised where the drift check could not read root access or, to repair it, the state of the stack."""

    failure: Failure
    account_id: str

    def __str__(self) -> str:
        failed = describe_step(self.failure, account_id=self.account_id)
        unread = "the state of its stack" if self.failure.operation == DESCRIBE_STACKS else "root access"
        return f"The drift check could not read {unread}: {failed}"


@dataclass(eq=False, kw_only=True)
class NotPublishedError(RootAccessError):
    """Raised where the topic did not accept a notice."""

    failure: Failure
    account_id: str
    topic_arn: str

    def __str__(self) -> str:
        return (
            f"The drift check in account {self.account_id} could not publish to {self.topic_arn}: "
            f"{describe_response(self.failure)} Allow {self.failure.operation} in the topic's policy, and "
            "the use of its key in the key's policy. The check itself succeeded: the log has its result."
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the construct configures.

    Attributes:
        desired: What the stack lists.
        repaired_stack_id: The stack, where the check repairs; None: it only reports.
        notification_topic_arn: The topic for notices; None: there are none.
    """

    desired: DesiredState
    repaired_stack_id: str | None
    notification_topic_arn: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in the function's environment variables.

        Raises:
            SettingsError: A key is missing or unknown.
            InvalidValueError: A list, a feature or an account ID is not valid.
        """
        settings = read_settings(
            environment,
            keys=("features", "delegatedAdministrators", "repairedStackId", "notificationTopicArn"),
        )
        return cls(
            desired=desired_state(
                features=settings["features"], delegated_administrators=settings["delegatedAdministrators"]
            ),
            repaired_stack_id=settings["repairedStackId"],
            notification_topic_arn=settings["notificationTopicArn"],
        )


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a check works with.

    Attributes:
        clients: Returns the boto3 clients.
        describe_stack: Reads the state of the stack.
        publish: Publishes a notice.
        clock: The time, for waiting.
        wall_clock: Seconds since 1970, for the metric.
        log: Takes one event as keyword arguments.
    """

    clients: Callable[[], Clients]
    describe_stack: DescribeStack
    publish: Publish
    clock: Clock
    wall_clock: Callable[[], float]
    log: Callable[..., None]


def on_check(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Check once; the function's entry point.

    Args:
        event: EventBridge's event: of the schedule, or of a call that CloudTrail has recorded.
        context: Lambda's context.

    Raises:
        RootAccessError: As for `check`.
    """
    services = Services(
        clients=create_clients,
        describe_stack=describe_stack,
        publish=publish,
        clock=system_clock(),
        wall_clock=time.time,
        log=write_line,
    )
    check(event, context, settings=Settings.from_environment(os.environ), services=services)


def check(event: object, context: LambdaContext, *, settings: Settings, services: Services) -> None:
    """Check once, with everything that it works with passed in.

    Args:
        event: EventBridge's event.
        context: Lambda's context.
        settings: What the construct configures.
        services: What the check works with.

    Raises:
        CheckFailedError: Root access, or for a repair the state of the stack, could not be read.
        NotPublishedError: The topic did not accept the notice. The metric was written before.
        RootAccessError: The repair failed.
    """
    account_id = FunctionArn.parse(context.invoked_function_arn).account_id
    deadline = services.clock.now() + context.get_remaining_time_in_millis() / 1000
    budget = RetryBudget(clock=services.clock, deadline=deadline)
    _Check(settings=settings, services=services, account_id=account_id, budget=budget).run(event)


@dataclass(eq=False, kw_only=True)
class _DeploymentError(Exception):
    """Raised before a write of the repair: the stack has been deployed, or is being deployed.

    Attributes:
        reason: What stops the repair.
        is_lasting: Whether it stops each later repair, too, until somebody does something about it.
    """

    reason: str
    is_lasting: bool = False

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, kw_only=True)
class _Repair:
    """Applies steps as long as the stack stays as it was, and keeps account of them.

    Attributes:
        organization: The organization.
        budget: How long to retry.
        stack: The state of the stack at the beginning of the check.
        describe_stack: Returns its state now.
        applied: The steps that AWS confirmed.
        possibly_applied: The steps whose response may have been lost.
    """

    organization: Organization
    budget: RetryBudget
    stack: StackState
    describe_stack: Callable[[], StackState]
    applied: list[Step] = field(default_factory=list)
    possibly_applied: list[Step] = field(default_factory=list)

    def apply(self, step: Step, budget: RetryBudget | None = None) -> frozenset[str] | None:
        """Apply a step, as Organization.apply does.

        Raises:
            _DeploymentError: The stack is not as it was.
            CheckFailedError: Its state could not be read.
            CallError: The step failed.
        """
        attempts = 0

        def is_abandoned() -> bool:
            nonlocal attempts
            self._require_same_stack()
            attempts += 1
            return False

        try:
            features = self.organization.apply(step, (budget or self.budget).until(is_abandoned))
        except CallError as error:
            if error.failure.may_have_taken_effect:
                self.possibly_applied.append(step)
            raise
        except (CheckFailedError, _DeploymentError):
            # Raised before a second attempt: the response of the first one may have been lost.
            if attempts:
                self.possibly_applied.append(step)
            raise
        self.applied.append(step)
        if step in self.possibly_applied:
            self.possibly_applied.remove(step)
        return features

    def _require_same_stack(self) -> None:
        now = self.describe_stack()
        if not now.status.endswith("_COMPLETE"):
            # This function's list may not be the current one.
            raise _DeploymentError(
                reason=f"the stack is in {now.status}", is_lasting=not now.status.endswith("_IN_PROGRESS")
            )
        if now != self.stack:
            raise _DeploymentError(reason="the stack was deployed during the check")


class _Check:
    """One invocation."""

    def __init__(
        self, *, settings: Settings, services: Services, account_id: str, budget: RetryBudget
    ) -> None:
        self._settings = settings
        self._services = services
        self._account_id = account_id
        self._notice_budget = budget
        self._budget = (
            budget.reserving(_NOTICE_RESERVE_SECONDS) if settings.notification_topic_arn else budget
        )
        self._organization = Organization(
            clients=services.clients(),
            account_id=account_id,
            budget=self._budget,
            delegates_managed=settings.desired.delegated_administrators is not None,
        )

    def run(self, event: object) -> None:
        members = event if isinstance(event, Mapping) else {}
        detail_type = members.get("detail-type")
        if detail_type == SCHEDULED:
            self._check_on_interval()
        elif detail_type == RECORDED:
            self._check_after(RecordedCall.parse(members.get("detail")))
        else:
            self._report(self._observe(), trigger=UNKNOWN)

    def _check_after(self, recorded: RecordedCall) -> None:
        """Report, and publish who made the call, where it can have led to a deviation."""
        observed = self._observe()
        steps = self._report(
            observed,
            trigger=recorded.name,
            caller=recorded.caller,
            calledAt=recorded.time,
            cloudTrailEventId=recorded.event_id,
        )
        caused = [step for step in steps if recorded.may_have_caused(step)]
        if caused:
            repairs = self._settings.repaired_stack_id is not None and bool(self._plan_repair(observed))
            self._publish(
                drift_notice(
                    organization_id=observed.organization_id,
                    deviations=[deviation(step) for step in caused],
                    others=[deviation(step) for step in steps if step not in caused],
                    call=recorded,
                    will_be_repaired=repairs,
                )
            )

    def _check_on_interval(self) -> None:
        stack_id = self._settings.repaired_stack_id
        if stack_id is None:
            self._report(self._observe(), trigger=_INTERVAL)
            return
        # Read first: every later deployment differs from this, also one that ends before the repair.
        before = self._stack_before(stack_id)
        observed = self._observe()
        steps = self._report(observed, trigger=_INTERVAL, can_repair=not isinstance(before, CheckFailedError))
        if self._plan_repair(observed):
            self._repair(observed, steps, stack_id=stack_id, before=before)
        elif isinstance(before, CheckFailedError):
            raise before

    def _stack_before(self, stack_id: str) -> StackState | CheckFailedError:
        """Return the state of the stack, or why it could not be read: the check reports in both cases."""
        try:
            return self._describe_stack(stack_id, budget=self._budget.ending_in(_MAX_STACK_READ_SECONDS))
        except CheckFailedError as error:
            return error

    def _repair(
        self,
        observed: RootAccess,
        steps: Sequence[Step],
        *,
        stack_id: str,
        before: StackState | CheckFailedError,
    ) -> None:
        """Enable what is missing, report again, and publish what was applied, or why it was not.

        Nothing remembers what an earlier check has published: a repair that cannot take place is published by
        each scheduled check, for as long as somebody has to do something about it. A deployment ends by
        itself, and what it is about to change is not drift: a repair that waits for it is in the log alone.
        """
        applied: list[Step] = []
        possibly_applied: list[Step] = []
        remaining: Sequence[Step] | None = None
        reason = ""
        is_worth_publishing = True
        error: RootAccessError | None = None
        try:
            if isinstance(before, CheckFailedError):
                raise before
            repair = _Repair(
                organization=self._organization,
                budget=self._budget,
                stack=before,
                describe_stack=lambda: self._describe_stack(stack_id, budget=self._budget),
                applied=applied,
                possibly_applied=possibly_applied,
            )
            repaired = Convergence(
                organization=self._organization,
                plan=self._plan_repair,
                apply=repair.apply,
                account_id=self._account_id,
                budget=self._budget,
                log=self._services.log,
            ).run()
            remaining = self._report(repaired, trigger=_INTERVAL)
            is_worth_publishing = bool(applied or possibly_applied)
        except _DeploymentError as deployment:
            self._services.log(event="repair_skipped", reason=deployment.reason)
            reason = f"It stopped because {deployment.reason}." + (
                " Bring the stack to a status that ends in _COMPLETE, or enable by hand what is disabled."
                if deployment.is_lasting
                else ""
            )
            is_worth_publishing = deployment.is_lasting or bool(applied or possibly_applied)
        except RootAccessError as raised:
            error = raised
            reason = str(raised)
        try:
            if is_worth_publishing:
                self._publish(
                    repair_notice(
                        organization_id=observed.organization_id,
                        found=[deviation(step) for step in steps],
                        applied=applied,
                        possibly_applied=possibly_applied,
                        remaining=None if remaining is None else [deviation(step) for step in remaining],
                        reason=reason,
                    )
                )
        finally:
            if error:
                raise error

    def _observe(self) -> RootAccess:
        try:
            return self._organization.observe()
        except CallError as error:
            raise CheckFailedError(failure=error.failure, account_id=self._account_id) from error

    def _describe_stack(self, stack_id: str, *, budget: RetryBudget) -> StackState:
        try:
            return self._services.describe_stack(stack_id, budget=budget)
        except CallError as error:
            raise CheckFailedError(failure=error.failure, account_id=self._account_id) from error

    def _plan_repair(self, observed: RootAccess) -> tuple[Step, ...]:
        return plan_repair(desired=self._settings.desired, observed=observed)

    def _report(
        self, root_access: RootAccess, *, trigger: str, can_repair: bool = True, **recorded: str
    ) -> tuple[Step, ...]:
        """Write the line of the log that has the deviations, and the metric; return what would correct them.

        A check that could not repair drift has not succeeded: it reports drift, but not that all is well, so
        that the alarm for checks that stopped counts it.
        """
        steps = plan(desired=self._settings.desired, observed=root_access)
        metric = (
            metric_line(
                namespace=NAMESPACE,
                dimensions={ORGANIZATION_ID: root_access.organization_id},
                values={IN_DESIRED_STATE: int(not steps)},
                timestamp=self._services.wall_clock(),
            )
            if steps or can_repair
            else {}
        )
        self._services.log(
            **metric,
            event="checked",
            trigger=trigger,
            **recorded,
            **root_access.to_dict(),
            deviations=[deviation(step) for step in steps],
        )
        return steps

    def _publish(self, notice: Notice) -> None:
        topic_arn = self._settings.notification_topic_arn
        if topic_arn is None:
            return
        try:
            self._services.publish(notice, topic_arn=topic_arn, budget=self._notice_budget)
        except CallError as error:
            failure = error.failure
            self._services.log(event="not_published", topicArn=topic_arn, code=failure.code)
            raise NotPublishedError(
                failure=failure, account_id=self._account_id, topic_arn=topic_arn
            ) from error


def describe_stack(stack_id: str, *, budget: RetryBudget) -> StackState:
    """Return the state of a stack.

    Raises:
        CallError: CloudFormation did not return it.
    """
    import boto3

    cloudformation = boto3.client("cloudformation", config=one_attempt())
    response = call(
        functools.partial(cloudformation.describe_stacks, StackName=stack_id),
        operation=DESCRIBE_STACKS,
        budget=budget,
    )
    (stack,) = response.require("Stacks")
    return StackState(
        status=require(stack, "StackStatus", operation=DESCRIBE_STACKS),
        updated_at=stack.get("LastUpdatedTime"),
    )


def publish(notice: Notice, *, topic_arn: str, budget: RetryBudget) -> None:
    """Publish a notice.

    Raises:
        CallError: SNS did not accept it.
    """
    import boto3

    sns = boto3.client("sns", config=one_attempt())
    call(
        lambda: sns.publish(TopicArn=topic_arn, Subject=notice.subject, Message=notice.message),
        operation=PUBLISH,
        budget=budget,
    )
