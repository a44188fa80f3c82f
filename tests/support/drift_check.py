"""The drift check as Lambda runs it, on an emulated organization, with a stack and a topic of the test's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3

from aws_calls.failures import CallError, Failure, FailureKind
from aws_calls.notices import PUBLISH
from aws_calls.security_hub import IMPORT_FINDINGS
from root_access.drift import comparison
from root_access.drift.comparison import Settings
from root_access.drift.repair import DESCRIBE_STACKS, DescribeStack, StackState
from support.accounts import MANAGEMENT
from support.function import BOTH, FakeContext, Function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_calls.notices import Notice
    from aws_calls.retry import RetryBudget

STACK_ID = "arn:aws:cloudformation:us-east-1:111111111111:stack/OrganizationBootstrap/5c1e0a60"
TOPIC_ARN = "arn:aws:sns:us-east-1:111111111111:SecurityNews"
CALLER = "arn:aws:sts::111111111111:assumed-role/Administrator/jane"
STABLE = StackState(status="UPDATE_COMPLETE", updated_at=datetime(2026, 11, 1, tzinfo=UTC))
DEPLOYED_SINCE = StackState(status="UPDATE_COMPLETE", updated_at=datetime(2026, 11, 24, tzinfo=UTC))
IN_PROGRESS = StackState(status="UPDATE_IN_PROGRESS", updated_at=datetime(2026, 11, 24, tzinfo=UTC))
BY_INTERVAL = {"detail-type": "Scheduled Event", "source": "aws.events"}


def by_event(**detail: object) -> dict[str, object]:
    """Return EventBridge's event of a call that CloudTrail recorded."""
    call = {
        "eventSource": "iam.amazonaws.com",
        "eventName": "DisableOrganizationsRootSessions",
        "eventTime": "2026-11-24T12:00:00Z",
        "eventID": "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002",
        "userIdentity": {"type": "AssumedRole", "accountId": MANAGEMENT, "arn": CALLER},
    }
    return {"detail-type": "AWS API Call via CloudTrail", "source": "aws.iam", "detail": call | detail}


BY_EVENT = by_event()


@dataclass(kw_only=True)
class Publisher:
    """A function that publishes notices.

    Attributes:
        publishes: Whether the topic accepts notices.
        log: The lines of its log.
        published: The notices that the topic accepted.
        requests: What it requested of AWS: the call, and its resource.
    """

    publishes: bool = True
    log: list[Mapping[str, Any]] = field(default_factory=list)
    published: list[Notice] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def _publish(self, notice: Notice, *, topic_arn: str, budget: RetryBudget) -> None:
        def attempt() -> None:
            if not self.publishes:
                raise denial_of(PUBLISH)

        self.requests.append((PUBLISH, topic_arn))
        budget.attempt(attempt, operation=PUBLISH)
        self.published.append(notice)


def denial_of(operation: str) -> CallError:
    """Return the error of a call that AWS denied."""
    return CallError(
        Failure(operation=operation, kind=FailureKind.ACCESS_DENIED, code="AccessDenied", message="denied")
    )


def stack_states(*states: StackState) -> DescribeStack:
    """Return a stack that has these states one after the other, and then stays in the last one."""
    left = list(states)

    def describe_stack(stack_id: str, *, budget: RetryBudget) -> StackState:
        return left.pop(0) if len(left) > 1 else left[0]

    return describe_stack


@dataclass(kw_only=True)
class DriftCheck(Publisher):
    """The deployed drift check.

    Attributes:
        features: The features that the stack lists.
        delegated_administrators: The accounts that it lists.
        repair: Whether it repairs.
        topic: Whether it has a topic.
        security_hub_findings: Whether it imports findings.
        settings: Its settings instead of these.
        describe_stack: Returns the state of the stack.
        now: Returns the seconds since 1970.
        function: The organization's clients, and the time that passes in a check.
    """

    features: tuple[str, ...] = BOTH
    delegated_administrators: tuple[str, ...] | None = None
    repair: bool = False
    topic: bool = True
    security_hub_findings: bool = False
    settings: Settings | None = None
    describe_stack: DescribeStack = field(default=lambda stack_id, *, budget: STABLE)
    now: Callable[[], float] = lambda: 1_800_000_000.5
    function: Function = field(default_factory=Function)

    def __call__(self, event: object = BY_INTERVAL) -> list[Mapping[str, Any]]:
        """Run it, and return the lines of its checks."""
        comparison.DriftCheck(
            context=FakeContext(
                invoked_function_arn=f"arn:aws:lambda:us-east-1:{self.function.account_id}:function:Drift",
                remaining_seconds=180,
            ),
            settings=self.settings or self._settings(),
            clients=self.function.clients,
            describe_stack=self._describe_stack,
            publish=self._publish,
            security_hub=self._security_hub,
            clock=self.function.time.clock(),
            now=self.now,
            log=lambda **line: self.log.append(json.loads(json.dumps(line))),
        ).run(event)
        return self.checks()

    def checks(self) -> list[Mapping[str, Any]]:
        """Return the lines of its checks."""
        return [line for line in self.log if line["event"] == "checked"]

    def _settings(self) -> Settings:
        return Settings(
            features=self.features,
            delegated_administrators=self.delegated_administrators,
            repaired_stack_id=STACK_ID if self.repair else None,
            notification_topic_arn=TOPIC_ARN if self.topic else None,
            security_hub_findings=self.security_hub_findings,
        )

    def _describe_stack(self, stack_id: str, *, budget: RetryBudget) -> StackState:
        self.requests.append((DESCRIBE_STACKS, stack_id))
        return self.describe_stack(stack_id, budget=budget)

    def _security_hub(self) -> Any:
        client: Any = boto3.client(
            "securityhub",
            region_name="us-east-1",
            # To moto, an access key ID of twelve digits is an account.
            aws_access_key_id=self.function.account_id,
            aws_secret_access_key="secret",
        )

        def record(params: dict[str, Any], **_: object) -> None:
            self.requests.append((IMPORT_FINDINGS, params["Findings"][0]["ProductArn"]))

        client.meta.events.register("provide-client-params.securityhub.BatchImportFindings", record)
        return client
