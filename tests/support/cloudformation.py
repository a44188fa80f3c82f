"""A fake CloudFormation in front of the custom resource's function, with CloudFormation's rules.

The function responds by what it puts at the request's URL, and by nothing else. Lambda invokes a
function that raises twice more; a request without a response fails when its time is up. A failed
Create is deleted under the physical id in its response; a failed Update is followed by an Update
with the old properties; a physical id that changes on Update is a replacement, whose Delete
follows; the first response counts; values arrive as strings, and CloudFormation adds properties of
its own.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.function import HandledEvent
from support.response_endpoint import ResponseEndpoint, shared_endpoint

STACK_ID = (
    "arn:aws:cloudformation:us-east-1:111111111111:stack/"
    "OrganizationBootstrap/5c1e0a60-0c7a-11f0-8a3e-0e5b0f6d3c11"
)
FUNCTION_ARN = "arn:aws:lambda:us-east-1:111111111111:function:RootAccess"

# How often Lambda runs an asynchronous event that fails, the first time included.
_INVOCATIONS = 3

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

    function: Callable[[Mapping[str, Any]], HandledEvent]
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
            self.data = {}
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

    def _invoke(
        self, event: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any] | None, Exception | None]:
        """Deliver an event, as Lambda does: again, up to three times, if the function raises.

        Return the first response and the error that made it FAILED, each None if there is none.
        """
        deliveries = 2 if self.delivers_twice else 1
        errors: list[Exception | None] = []
        for _ in range(deliveries):
            for _ in range(_INVOCATIONS):
                try:
                    # What reaches the function has gone through JSON.
                    error = self.function(json.loads(json.dumps(event))).error
                except Exception:
                    continue
                errors.append(error)
                break
        responses = self.endpoint.take(event["RequestId"])
        assert len(responses) <= deliveries, "one response to each event"
        return (responses[0], errors[0]) if responses else (None, None)

    def _accept(
        self, event: Mapping[str, Any], response: Mapping[str, Any] | None, error: Exception | None
    ) -> DeploymentOutcome:
        """Check a response by CloudFormation's rules, and return how the request ended."""
        request_type, current = event["RequestType"], event.get("PhysicalResourceId")
        if response is None:
            return DeploymentOutcome(
                succeeded=False, reason="CloudFormation did not receive a response."
            )
        for key in ("StackId", "RequestId", "LogicalResourceId"):
            assert response[key] == event[key]
        size, physical_id = len(json.dumps(response).encode()), response["PhysicalResourceId"]
        assert physical_id, "a response names the resource"
        if response["Status"] == "FAILED":
            assert response["Reason"], "a failure has a reason"
            assert request_type == "Create" or physical_id == current, "a failure never replaces"
            self.physical_id = physical_id
            return DeploymentOutcome(
                succeeded=False, reason=response["Reason"], response_bytes=size, error=error
            )
        assert response["Status"] == "SUCCESS"
        if request_type == "Delete":
            assert physical_id == current, "DELETE: cannot change the physical resource ID"
            return DeploymentOutcome(succeeded=True)
        self.physical_id, self.data = physical_id, response["Data"]
        if request_type == "Update" and physical_id != current:
            # Another physical ID is another resource: CloudFormation deletes the old one.
            self._invoke({**event, "RequestType": "Delete", "PhysicalResourceId": current})
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
