"""The drift check: is the organization as the stack lists it? A repair enables what has been disabled."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError
from aws_calls.metrics import NAMESPACE, ORGANIZATION_ID, metric_line, write_line
from aws_calls.notices import NotPublishedError, publish
from aws_calls.retry import Clock, RetryBudget
from aws_calls.runtime import FunctionArn, LambdaContext, one_attempt, system_clock
from aws_calls.security_hub import import_findings
from aws_calls.settings import read_settings
from aws_calls.text import UNKNOWN

from .deviations import deviation, plan_repair
from .finding import drift_finding
from .notice import RecordedCall, contradiction_notice, drift_notice, repair_notice
from .repair import CheckFailedError, Repair, WatchedStack, describe_stack
from ..organization import Organization, RootAccessClients, create_clients
from ..steps import Step, plan
from ..state import desired_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aws_calls.notices import Notice, Publish
    from aws_calls.security_hub import SecurityFinding, SecurityHubClient

    from .repair import DescribeStack
    from ..state import DesiredState, RootAccess

IN_DESIRED_STATE = "InDesiredState"

SCHEDULED = "Scheduled Event"
RECORDED = "AWS API Call via CloudTrail"
_INTERVAL = "interval"

# The end of a check belongs to its notice: one attempt, and the wait before a second one.
_NOTICE_RESERVE_SECONDS = 25.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the construct configures.

    Attributes:
        desired: What the stack lists.
        repaired_stack_id: The stack, where the check repairs; None: it only reports.
        notification_topic_arn: The topic for notices; None: there are none.
        security_hub_findings: Whether each check imports its finding into Security Hub.
    """

    desired: DesiredState
    repaired_stack_id: str | None
    notification_topic_arn: str | None
    security_hub_findings: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in the function's environment variables.

        Raises:
            SettingsError: A key is missing or unknown.
            InvalidValueError: A list, a feature or an account ID is not valid.
        """
        settings = read_settings(
            environment,
            keys=(
                "features",
                "delegatedAdministrators",
                "repairedStackId",
                "notificationTopicArn",
                "securityHubFindings",
            ),
        )
        return cls(
            desired=desired_state(
                features=settings["features"], delegated_administrators=settings["delegatedAdministrators"]
            ),
            repaired_stack_id=settings["repairedStackId"],
            notification_topic_arn=settings["notificationTopicArn"],
            security_hub_findings=settings["securityHubFindings"],
        )


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a check works with.

    Attributes:
        clients: Returns the boto3 clients.
        describe_stack: Reads the state of the stack.
        publish: Publishes a notice.
        security_hub: Returns a client of Security Hub that makes one attempt a call.
        clock: The time, for waiting.
        wall_clock: Seconds since 1970, for the metric.
        log: Takes one event as keyword arguments.
    """

    clients: Callable[[], RootAccessClients]
    describe_stack: DescribeStack
    publish: Publish
    security_hub: Callable[[], SecurityHubClient]
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
        security_hub=create_security_hub_client,
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
    _Check(context, settings=settings, services=services).run(event)


class _Check:
    """One invocation."""

    def __init__(self, context: LambdaContext, *, settings: Settings, services: Services) -> None:
        self._settings = settings
        self._services = services
        self._function = FunctionArn.parse(context.invoked_function_arn)
        self._account_id = self._function.account_id
        self._finding: SecurityFinding | None = None
        deadline = services.clock.now() + context.get_remaining_time_in_millis() / 1000
        self._notice_budget = RetryBudget(clock=services.clock, deadline=deadline)
        reserved = _NOTICE_RESERVE_SECONDS if settings.notification_topic_arn else 0.0
        self._budget = self._notice_budget.reserving(reserved)
        self._organization = Organization(
            clients=services.clients(),
            account_id=self._account_id,
            budget=self._budget,
            delegates_managed=settings.desired.delegated_administrators is not None,
        )

    def run(self, event: object) -> None:
        try:
            self._run(event)
        finally:
            # Last, and also after a repair that failed: metric and notice do not wait for it.
            self._import_finding()

    def _run(self, event: object) -> None:
        members = event if isinstance(event, Mapping) else {}
        detail_type = members.get("detail-type")
        stack_id = self._settings.repaired_stack_id
        if detail_type == RECORDED:
            self._check_after(RecordedCall.parse(members.get("detail")))
        elif detail_type == SCHEDULED and stack_id:
            self._check_and_repair(stack_id)
        else:
            self._report(self._observe(), trigger=_INTERVAL if detail_type == SCHEDULED else UNKNOWN)

    def _check_after(self, recorded: RecordedCall) -> None:
        """Report, and publish who made the call, where it led to a deviation, or to one that is undone."""
        observed = self._observe()
        steps = self._report(
            observed,
            trigger=recorded.name,
            caller=recorded.caller,
            calledAt=recorded.time,
            cloudTrailEventId=recorded.event_id,
        )
        caused = [step for step in steps if recorded.may_have_caused(step)]
        others = [step for step in steps if step not in caused]
        if caused:
            self._publish(
                drift_notice(
                    organization_id=observed.organization_id,
                    caused=caused,
                    others=others,
                    call=recorded,
                    will_be_repaired=bool(self._settings.repaired_stack_id and self._plan_repair(observed)),
                )
            )
        elif contradictions := recorded.contradictions(self._settings.desired, observed):
            self._publish(
                contradiction_notice(
                    organization_id=observed.organization_id,
                    contradictions=contradictions,
                    others=others,
                    call=recorded,
                )
            )

    def _check_and_repair(self, stack_id: str) -> None:
        stack = WatchedStack(
            stack_id=stack_id,
            describe=self._services.describe_stack,
            account_id=self._account_id,
            budget=self._budget,
        )
        observed = self._observe()
        steps = self._report(observed, trigger=_INTERVAL, can_repair=stack.error is None)
        if self._plan_repair(observed):
            self._repair(observed, steps, stack)
        elif stack.error:
            raise stack.error

    def _repair(self, observed: RootAccess, steps: Sequence[Step], stack: WatchedStack) -> None:
        """Enable what is missing, report again, and publish what was applied, or why it was not."""
        repair = Repair(
            organization=self._organization,
            stack=stack,
            plan=self._plan_repair,
            log=self._services.log,
        )
        repair.run()
        after = repair.root_access
        remaining = self._report(after, trigger=_INTERVAL) if after else None
        notice = repair_notice(
            repair, organization_id=observed.organization_id, found=steps, remaining=remaining
        )
        try:
            if repair.is_worth_publishing:
                self._publish(notice)
        finally:
            if repair.error:
                raise repair.error

    def _observe(self) -> RootAccess:
        try:
            return self._organization.observe()
        except CallError as error:
            raise CheckFailedError(
                unread="root access", failure=error.failure, account_id=self._account_id
            ) from error

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
        metric = metric_line(
            namespace=NAMESPACE,
            dimensions={ORGANIZATION_ID: root_access.organization_id},
            values={IN_DESIRED_STATE: int(not steps)},
            timestamp=self._services.wall_clock(),
        )
        self._services.log(
            **(metric if steps or can_repair else {}),
            event="checked",
            trigger=trigger,
            **recorded,
            **root_access.to_dict(),
            deviations=[deviation(step) for step in steps],
        )
        checked_at = datetime.fromtimestamp(self._services.wall_clock(), tz=UTC)
        self._finding = drift_finding(root_access, steps, account_id=self._account_id, checked_at=checked_at)
        return steps

    def _import_finding(self) -> None:
        """Import the finding of the last look. Where Security Hub refuses it, the check has succeeded."""
        if self._finding is None or not self._settings.security_hub_findings:
            return
        result = import_findings(
            [self._finding],
            client=self._services.security_hub(),
            importer=self._function,
            budget=self._notice_budget,
        )
        reason = next(iter(result.refused.values()), None)
        self._services.log(event="finding_imported" if reason is None else "finding_refused", reason=reason)

    def _publish(self, notice: Notice) -> None:
        topic_arn = self._settings.notification_topic_arn
        if topic_arn is None:
            return
        try:
            self._services.publish(notice, topic_arn=topic_arn, budget=self._notice_budget)
        except CallError as error:
            self._services.log(event="not_published", topicArn=topic_arn, code=error.failure.code)
            raise NotPublishedError(
                failure=error.failure,
                account_id=self._account_id,
                topic_arn=topic_arn,
                publisher="The drift check",
                consequence="The check itself succeeded: the log has its result.",
            ) from error


def create_security_hub_client() -> SecurityHubClient:
    """Return a client of Security Hub that makes one attempt a call."""
    import boto3

    return boto3.client("securityhub", config=one_attempt())  # type: ignore[no-any-return]
