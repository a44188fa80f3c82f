"""The drift check: is the organization as the stack lists it? A repair enables what is not."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aws_calls.failures import CallError
from aws_calls.invocation import Invocation
from aws_calls.notices import Notice, publish_or_fail
from aws_calls.runtime import LambdaContext, create_clients
from aws_calls.security_hub import SecurityFinding, import_findings
from common.function_settings import FunctionSettings
from common.log import ORGANIZATION_ID, metric_line
from common.next_step import NextStep
from common.untrusted import UNKNOWN, members

from ..organization import Organization
from ..state import DesiredState, RootAccess, desired_state
from ..steps import Step, plan
from .deviations import deviation, plan_repair, status_command
from .notice import contradiction_notice, drift_finding, drift_notice, repair_notice
from .recorded_call import RecordedCall
from .repair import CheckFailedError, Repair, WatchedStack

IN_DESIRED_STATE = "InDesiredState"

SCHEDULED = "Scheduled Event"
RECORDED = "AWS API Call via CloudTrail"
_INTERVAL = "interval"

# Time for the last write's response and for the notice: one attempt, and the wait before a second
# one.
_NOTICE_RESERVE_SECONDS = 45.0


@dataclass(frozen=True, kw_only=True)
class DriftCheckSettings(FunctionSettings):
    """The settings that the construct writes.

    Attributes:
        delegated_administrators: The accounts that the stack lists; None: they are not managed.
        repaired_stack_id: The stack, if the check repairs; None: it only reports.
        notification_topic_arn: The topic for notices; None: there are none.
    """

    features: tuple[str, ...]
    delegated_administrators: tuple[str, ...] | None
    repaired_stack_id: str | None
    notification_topic_arn: str | None
    security_hub_findings: bool


def on_check(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Check once; the function's entry point.

    Args:
        event: EventBridge's event: of the schedule, or of a call that CloudTrail has recorded.
        context: Lambda's context.

    Raises:
        RootAccessError: As for `DriftCheck.run`.
    """
    DriftCheck(
        settings=DriftCheckSettings.from_environment(os.environ),
        aws=Invocation.begin(context, clients=create_clients()),
    ).run(event)


@dataclass(kw_only=True)
class DriftCheck:
    """One check, with everything that it works with.

    Attributes:
        settings: What the construct configures.
        aws: The function, whose account manages the organization.
        _checked_at: The time of all its metrics: a later 1 would end the alarm that a 0 set off.
    """

    settings: DriftCheckSettings
    aws: Invocation
    _checked_at: datetime = field(init=False)
    _finding: SecurityFinding | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._checked_at = self.aws.clock.utc_now()

    @functools.cached_property
    def _desired(self) -> DesiredState:
        """What the stack lists."""
        return desired_state(
            features=self.settings.features,
            delegated_administrators=self.settings.delegated_administrators,
        )

    @functools.cached_property
    def _organization(self) -> Organization:
        """The organization, which is observed and repaired in time to publish a notice of it."""
        seconds = self.aws.budget.remaining_seconds
        if self.settings.notification_topic_arn:
            seconds -= _NOTICE_RESERVE_SECONDS
        return Organization(
            aws=self.aws.within(seconds),
            delegates_managed=self.settings.delegated_administrators is not None,
        )

    def run(self, event: object) -> None:
        """Check once.

        Raises:
            CheckFailedError: Root access, or for a repair the state of the stack, could not be
                read.
            NotPublishedError: The topic did not accept the notice. The metric was written before.
            RootAccessError: The repair failed.
        """
        delivered = members(event)
        detail_type = delivered.get("detail-type")
        stack_id = self.settings.repaired_stack_id
        try:
            if detail_type == RECORDED:
                self._check_after(RecordedCall.parse(delivered.get("detail")))
            elif detail_type == SCHEDULED and stack_id:
                self._check_and_repair(stack_id)
            elif detail_type == SCHEDULED:
                self._report(self._observe(), trigger=_INTERVAL)
            else:
                # Someone has invoked the function.
                self._report(self._observe(), trigger=UNKNOWN)
        finally:
            # Last, even after a repair that failed: metric and notice do not wait for it.
            self._import_finding()

    def _check_after(self, recorded: RecordedCall) -> None:
        """Report; publish who made the call, if it left a deviation or was undone."""
        # Report first: the alarm matters more than the notice.
        observed = self._observe()
        steps = self._report(
            observed,
            trigger=recorded.name,
            caller=recorded.caller,
            calledAt=recorded.time,
            cloudTrailEventId=recorded.event_id,
        )
        # Enabling trusted access restores the features, so another call disabled what is disabled
        # now.
        is_undone = recorded.name == "DisableAWSServiceAccess" and observed.trusted_access
        caused = [step for step in steps if recorded.may_have_caused(step) and not is_undone]
        others = [step for step in steps if step not in caused]
        contradictions = recorded.contradictions(self._desired, observed)

        # Publish what the call left, or what it did before it was undone.
        if caused:
            repairs = self.settings.repaired_stack_id is not None
            self._publish(
                drift_notice(
                    observed.organization_id,
                    caused=caused,
                    others=others,
                    call=recorded,
                    will_be_repaired=repairs and bool(self._plan_repair(observed)),
                )
            )
        elif contradictions:
            self._publish(
                contradiction_notice(
                    observed.organization_id,
                    contradictions=contradictions,
                    others=others,
                    call=recorded,
                )
            )

    def _check_and_repair(self, stack_id: str) -> None:
        """Report, and enable what is missing, unless the stack is deployed meanwhile.

        Raises:
            CheckFailedError: Root access or the state of the stack could not be read.
            RootAccessError: The repair failed.
        """
        # The state of the stack is read first: a deployment that begins later is noticed.
        stack = WatchedStack(stack_id=stack_id, aws=self._organization.aws)
        observed = self._observe()
        steps = self._report(observed, trigger=_INTERVAL, can_repair=stack.error is None)
        if self._plan_repair(observed):
            self._repair(observed, steps, stack)
        elif stack.error:
            raise stack.error

    def _repair(self, observed: RootAccess, steps: Sequence[Step], stack: WatchedStack) -> None:
        """Enable what is missing, report again, and publish what was applied, or why it was not."""
        repair = Repair(organization=self._organization, stack=stack, plan=self._plan_repair)
        repair.attempt()
        # Only a repair that finished has a result to report.
        if repair.root_access:
            self._report(repair.root_access, trigger=_INTERVAL)

        # A failed repair fails the check, whether or not its notice is published.
        left = plan(desired=self._desired, observed=repair.observed or observed)
        try:
            if repair.is_worth_publishing:
                self._publish(
                    repair_notice(observed.organization_id, repair=repair, found=steps, left=left)
                )
        finally:
            if repair.error:
                raise repair.error

    def _observe(self) -> RootAccess:
        """Return the organization's root access.

        Raises:
            CheckFailedError: It could not be read.
        """
        try:
            return self._organization.observe()
        except CallError as error:
            raise CheckFailedError(
                unread="root access", failure=error.failure, account_id=self.aws.account_id
            ) from error

    def _plan_repair(self, observed: RootAccess) -> tuple[Step, ...]:
        """Return the steps of a repair: they enable what the stack lists and is disabled."""
        return plan_repair(desired=self._desired, observed=observed)

    def _report(
        self, root_access: RootAccess, *, trigger: str, can_repair: bool = True, **recorded: str
    ) -> tuple[Step, ...]:
        """Log the deviations, with the metric, and return the steps that would correct them.

        A check that cannot read the state of its stack could not have repaired drift. If it finds
        none, it logs no metric: so the alarm for checks that stopped, which looks for missing
        metrics, tells that something is wrong.
        """
        steps = plan(desired=self._desired, observed=root_access)
        metric: dict[str, object] = {}
        if steps or can_repair:
            metric = metric_line(
                dimension_sets=[{ORGANIZATION_ID: root_access.organization_id}],
                values={IN_DESIRED_STATE: int(not steps)},
                timestamp=self._checked_at.timestamp(),
            )
        self.aws.log(
            **metric,
            event="checked",
            trigger=trigger,
            **recorded,
            **root_access.to_dict(),
            deviations=[deviation(step) for step in steps],
        )
        self._finding = drift_finding(root_access, steps, checked_at=self._checked_at)
        return steps

    def _import_finding(self) -> None:
        """Import the finding of the last look; the check succeeds even if it is refused."""
        if self._finding is None or not self.settings.security_hub_findings:
            return
        result = import_findings([self._finding], aws=self.aws)
        # One finding was imported, so at most one was refused.
        reason = next(iter(result.refusals), None)
        event = "finding_imported"
        if reason is not None:
            event = "finding_refused"
        self.aws.log(event=event, reason=reason)

    def _publish(self, notice: Notice) -> None:
        """Publish a notice, with how to see what differs now; without a topic there are none."""
        if self.settings.notification_topic_arn is None:
            return
        see_status = NextStep(what="See what differs now", command=status_command(self._desired))
        publish_or_fail(
            replace(notice, next_steps=[see_status] + list(notice.next_steps)),
            aws=self.aws,
            topic_arn=self.settings.notification_topic_arn,
            consequence="The drift check itself succeeded: the log has its result.",
        )
