"""The drift check as Lambda runs it, with an emulated organization, a stack and a topic."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3

from aws_calls.notices import PUBLISH
from aws_calls.security_hub import IMPORT_FINDINGS
from root_access.drift import check
from root_access.drift.check import DriftCheckSettings
from root_access.drift.repair import DESCRIBE_STACKS
from support.accounts import MANAGEMENT
from support.function import BOTH_FEATURES, CustomResourceFunction
from support.notices import Published
from support.policies import PolicyRequest, request_of_task_call
from support.responding import client_error, respond_to

STACK_ID = "arn:aws:cloudformation:us-east-1:111111111111:stack/OrganizationBootstrap/5c1e0a60"
TOPIC_ARN = "arn:aws:sns:us-east-1:111111111111:SecurityNews"
CALLER_ARN = "arn:aws:sts::111111111111:assumed-role/Administrator/jane"
STABLE_STACK = {
    "StackStatus": "UPDATE_COMPLETE",
    "LastUpdatedTime": datetime(2026, 11, 1, tzinfo=UTC),
}
RECENTLY_DEPLOYED_STACK = STABLE_STACK | {"LastUpdatedTime": datetime(2026, 11, 24, tzinfo=UTC)}
STACK_IN_PROGRESS = RECENTLY_DEPLOYED_STACK | {"StackStatus": "UPDATE_IN_PROGRESS"}
SCHEDULED_EVENT = {"detail-type": "Scheduled Event", "source": "aws.events"}


def cloudtrail_event(**detail: object) -> dict[str, Any]:
    """Return EventBridge's event of a call that CloudTrail recorded."""
    call = {
        "eventSource": "iam.amazonaws.com",
        "eventName": "DisableOrganizationsRootSessions",
        "eventTime": "2026-11-24T12:00:00Z",
        "eventID": "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002",
        "userIdentity": {"type": "AssumedRole", "accountId": MANAGEMENT, "arn": CALLER_ARN},
    }
    return {
        "version": "0",
        "id": "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.iam",
        "account": MANAGEMENT,
        "time": "2026-11-24T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": call | detail,
    }


CLOUDTRAIL_EVENT = cloudtrail_event()


@dataclass(kw_only=True)
class NoticePublisher:
    """A function that publishes notices.

    Attributes:
        publishes: Whether the topic accepts notices.
        log: The lines of its log.
        published: The notices that the topic accepted.
        requests: What it requested of AWS.
    """

    publishes: bool = True
    log: list[Mapping[str, Any]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    requests: list[PolicyRequest] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """Return a client of the function, whose calls `respond` responds to.

        It is a real one, so that the SDK checks the parameters.
        """
        client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            # To moto, an access key ID of twelve digits is an account.
            aws_access_key_id=MANAGEMENT,
            aws_secret_access_key="secret",
        )
        respond_to(client, self.respond)
        return client

    def respond(self, operation: str, parameters: dict[str, Any]) -> Mapping[str, Any] | None:
        """Respond to a call, or raise what the SDK does; None: moto is to respond."""
        if operation != "Publish":
            return None
        self.requests.append(PolicyRequest(action=PUBLISH, resource=parameters.pop("TopicArn")))
        if not self.publishes:
            raise client_error("AccessDenied", "denied", operation=operation)
        self.published.append(Published(publication=parameters))
        return {}

    def write_log_line(self, **line: object) -> None:
        """Write a line of the log."""
        self.log.append(json.loads(json.dumps(line)))


@dataclass(kw_only=True)
class DriftCheck(NoticePublisher):
    """The deployed drift check.

    Attributes:
        features: The features that the stack lists.
        delegated_administrators: The accounts that it lists.
        repair: Whether it repairs.
        topic: Whether it has a topic.
        security_hub_findings: Whether it imports findings.
        settings: Its settings instead of these.
        stack: What CloudFormation returns of the stack, or raises, each time; the last one stays.
        seconds: The time of a check, since 1970.
        function: The custom resource's function, which lends the check its clients of the
            organization and its time.
    """

    features: tuple[str, ...] = BOTH_FEATURES
    delegated_administrators: tuple[str, ...] | None = None
    repair: bool = False
    topic: bool = True
    security_hub_findings: bool = False
    settings: DriftCheckSettings | None = None
    stack: list[Mapping[str, object] | Exception] = field(default_factory=lambda: [STABLE_STACK])
    seconds: float = 1_800_000_000.5
    function: CustomResourceFunction = field(default_factory=CustomResourceFunction)

    def __call__(self, event: object = SCHEDULED_EVENT) -> list[Mapping[str, Any]]:
        """Run the check on an event, and return the lines that its checks have logged so far."""
        time = self.function.time
        time.utc_now = lambda: datetime.fromtimestamp(self.seconds, tz=UTC)
        # Lambda lets the function run for three minutes.
        aws = time.invocation(self.client, seconds=180, log=self.write_log_line)
        check.DriftCheck(settings=self.settings or self._settings(), aws=aws).run(event)
        return self.checks()

    def checks(self) -> list[Mapping[str, Any]]:
        """Return the lines of its checks."""
        return [line for line in self.log if line["event"] == "checked"]

    def client(self, service: str) -> Any:
        """Return a client of the check.

        `function`, the custom resource's, lends those of the organization; the others respond as
        the test says.
        """
        return (
            self.function.client(service)
            if service in ("iam", "organizations")
            else super().client(service)
        )

    def respond(self, operation: str, parameters: dict[str, Any]) -> Mapping[str, Any] | None:
        """Respond to DescribeStacks from `stack`, and to other calls as every publisher does."""
        if operation == "BatchImportFindings":
            self.requests.append(request_of_task_call(IMPORT_FINDINGS, parameters))
        if operation != "DescribeStacks":
            return super().respond(operation, parameters)
        self.requests.append(
            PolicyRequest(action=DESCRIBE_STACKS, resource=parameters["StackName"])
        )
        state = self.stack.pop(0) if len(self.stack) > 1 else self.stack[0]
        if isinstance(state, Exception):
            raise state
        return {"Stacks": [state]}

    def _settings(self) -> DriftCheckSettings:
        """Return the settings that the stack gives the function."""
        return DriftCheckSettings(
            features=self.features,
            delegated_administrators=self.delegated_administrators,
            repaired_stack_id=STACK_ID if self.repair else None,
            notification_topic_arn=TOPIC_ARN if self.topic else None,
            security_hub_findings=self.security_hub_findings,
        )
