"""A fake CloudFormation in front of the custom resource's function, with CloudFormation's rules.

The function responds by what it puts at the request's URL, and by nothing else: once to each event.
A failed Create is deleted under the physical id in its response; a failed Update is followed by an
Update with the old properties; the physical id never changes; the first response counts; values
arrive as strings, and CloudFormation adds properties of its own.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.response_endpoint import ResponseEndpoint, shared_endpoint

STACK_ID = (
    "arn:aws:cloudformation:us-east-1:111111111111:stack/"
    "OrganizationBootstrap/5c1e0a60-0c7a-11f0-8a3e-0e5b0f6d3c11"
)
FUNCTION_ARN = "arn:aws:lambda:us-east-1:111111111111:function:RootAccess"

_REQUEST_NUMBERS: Iterator[int] = itertools.count(1)


def is_request_for(event: Mapping[str, Any], properties: Mapping[str, object]) -> bool:
    """Return whether an event has just these properties and those that CloudFormation adds."""
    added = {"ServiceToken", "ServiceTimeout"}
    given = {
        name: value for name, value in event["ResourceProperties"].items() if name not in added
    }
    return given == properties


@dataclass(frozen=True, kw_only=True)
class DeploymentOutcome:
    """How one operation on the stack ended.

    Attributes:
        succeeded: Whether it did.
        reason: The message of a failure.
        response_bytes: How many bytes the response had.
        error: Why the response was FAILED.
    """

    succeeded: bool
    reason: str = ""
    response_bytes: int = 0
    error: Exception | None = None


@dataclass(kw_only=True)
class FakeCloudFormation:
    """One stack with the custom resource in it.

    Attributes:
        function: The Lambda function.
        endpoint: Where it puts its responses.
        properties: The properties that the resource has now; None while it does not exist.
        physical_id: Its physical id.
        data: Its attributes.
        rolled_back: How the rollback after a failed Update ended.
        delivers_twice: Whether each event reaches the function twice, as it may with Lambda.
    """

    function: Callable[[Mapping[str, Any]], Exception | None]
    endpoint: ResponseEndpoint = field(default_factory=shared_endpoint)
    properties: Mapping[str, Any] | None = None
    physical_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    rolled_back: DeploymentOutcome | None = None
    delivers_twice: bool = False

    def create(self, **properties: object) -> DeploymentOutcome:
        """Create the resource. After a failure the rollback deletes what the response named."""
        assert self.properties is None, "the resource exists"
        outcome = self._send("Create", properties)
        if outcome.succeeded:
            self.properties = properties
        else:
            deleted = self._send("Delete", properties)
            assert deleted.succeeded, "the rollback deletes it"
            self.physical_id = None
        return outcome

    def update(self, **properties: object) -> DeploymentOutcome:
        """Update the resource. After a failure its old properties are sent."""
        assert self.properties is not None, "the resource does not exist"
        old = self.properties
        if properties == old:
            return DeploymentOutcome(succeeded=True)
        outcome = self._send("Update", properties, old=old)
        if outcome.succeeded:
            self.properties = properties
            self.rolled_back = None
        else:
            self.rolled_back = self._send("Update", old, old=properties)
        return outcome

    def delete(self) -> DeploymentOutcome:
        """Delete the resource, as if it had no DeletionPolicy."""
        assert self.properties is not None, "the resource does not exist"
        outcome = self._send("Delete", self.properties)
        if outcome.succeeded:
            self.properties = self.physical_id = None
        return outcome

    def _send(
        self,
        request_type: str,
        properties: Mapping[str, Any],
        *,
        old: Mapping[str, Any] | None = None,
    ) -> DeploymentOutcome:
        """Send a request to the function as CloudFormation does, and return how it ended."""
        request_id = f"request-{next(_REQUEST_NUMBERS)}"
        event: dict[str, Any] = {
            "RequestType": request_type,
            "RequestId": request_id,
            "StackId": STACK_ID,
            "ResponseURL": self.endpoint.url(request_id),
            "ServiceToken": FUNCTION_ARN,
            "ResourceType": "Custom::CentralizedRootAccess",
            "LogicalResourceId": "RootAccess0F443845",
            "ResourceProperties": _as_strings(
                {"ServiceToken": FUNCTION_ARN, "ServiceTimeout": 900, **properties}
            ),
        }
        if request_type != "Create":
            event["PhysicalResourceId"] = self.physical_id
        if old is not None:
            event["OldResourceProperties"] = _as_strings(old)
        return self._accept(event, *self._invoke(event))

    def _invoke(self, event: Mapping[str, Any]) -> tuple[Mapping[str, Any], Exception | None]:
        """Deliver an event; return the first response, and the error if that made it FAILED."""
        deliveries = 1 + self.delivers_twice
        # What reaches the function has gone through JSON.
        errors = [self.function(json.loads(json.dumps(event))) for _ in range(deliveries)]
        responses = self.endpoint.take(event["RequestId"])
        assert len(responses) == deliveries, "one response to each event"
        return responses[0], errors[0]

    def _accept(
        self, event: Mapping[str, Any], response: Mapping[str, Any], error: Exception | None
    ) -> DeploymentOutcome:
        """Check a response by CloudFormation's rules, and return how the request ended."""
        for key in ("StackId", "RequestId", "LogicalResourceId"):
            assert response[key] == event[key]
        size, physical_id = len(json.dumps(response).encode()), response["PhysicalResourceId"]
        assert physical_id, "a response names the resource"
        # Another physical ID would be another resource: CloudFormation would delete the old one.
        assert physical_id == event.get("PhysicalResourceId", physical_id), "never replaced"
        self.physical_id = physical_id
        if response["Status"] == "FAILED":
            assert response["Reason"], "a failure has a reason"
            return DeploymentOutcome(
                succeeded=False, reason=response["Reason"], response_bytes=size, error=error
            )
        assert response["Status"] == "SUCCESS"
        self.data = response.get("Data", {})
        return DeploymentOutcome(succeeded=True, response_bytes=size)


def _as_strings(value: Any) -> Any:
    """Return the values as a custom resource gets them: numbers and booleans are strings."""
    match value:
        case dict():
            return {key: _as_strings(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_as_strings(inner) for inner in value]
        case bool():
            return str(value).lower()
        case _:
            return str(value)
