"""A fake CloudFormation with the Provider framework in front of the function, rules included.

The rules are those of the framework's runtime and of CloudFormation's custom resource contract:
a failed Create gets no Delete; a failed Update is followed by an Update with the old properties; a
physical id that changes on Update is a replacement, whose Delete follows; any error of an invocation
makes the framework invoke once more; values arrive as strings; a response has at most 4,096 bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RESPONSE_URL = "https://cloudformation-custom-resource-response.example/signed?X-Amz-Signature=secret"
STACK_ID = (
    "arn:aws:cloudformation:us-east-1:111111111111:stack/"
    "OrganizationBootstrap/5c1e0a60-0c7a-11f0-8a3e-0e5b0f6d3c11"
)
_MAX_RESPONSE_BYTES = 4096

# The framework adds the JavaScript stack and a guess of the log group to a Python error's message.
_FRAMEWORK_ADDS_BYTES = 900


@dataclass(frozen=True, kw_only=True)
class DeploymentOutcome:
    """How one operation on the stack ended.

    Attributes:
        succeeded: Whether it did.
        reason: The message of a failure.
        response_bytes: How many bytes the response had.
        error: What the function raised.
    """

    succeeded: bool
    reason: str = ""
    response_bytes: int = 0
    error: Exception | None = None


@dataclass(kw_only=True)
class FakeCloudFormation:
    """One stack with the custom resource in it.

    Attributes:
        function: The Lambda function; takes an event, returns its result or raises.
        properties: The properties that the resource has now; None while it does not exist.
        physical_id: Its physical id.
        data: Its attributes.
        events: The events that reached the function, in order.
        rolled_back: How the rollback after a failed Update ended.
    """

    function: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    properties: Mapping[str, Any] | None = None
    physical_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    rolled_back: DeploymentOutcome | None = None
    _deliver_twice: bool = False

    def deliver_each_event_twice(self) -> None:
        """Have each event reach the function twice, as when a response to the framework is lost."""
        self._deliver_twice = True

    def create(self, **properties: object) -> DeploymentOutcome:
        """Create the resource. After a failure it does not exist, and no event follows."""
        assert self.properties is None, "the resource exists"
        outcome = self._send("Create", properties)
        if outcome.succeeded:
            self.properties = properties
        else:
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

    def deploy(self, **properties: object) -> DeploymentOutcome:
        """Create or update the resource, as `cdk deploy` does."""
        if self.properties is None:
            return self.create(**properties)
        return self.update(**properties)

    def delete(self) -> DeploymentOutcome:
        """Delete the resource, as if it had no DeletionPolicy."""
        assert self.properties is not None, "the resource does not exist"
        outcome = self._send("Delete", self.properties)
        if outcome.succeeded:
            self.forget()
        return outcome

    def forget(self) -> None:
        """Remove the resource from the stack, as with DeletionPolicy Retain: no event."""
        self.properties = self.physical_id = None
        self.data = {}

    def _send(
        self,
        request_type: str,
        properties: Mapping[str, Any],
        *,
        old: Mapping[str, Any] | None = None,
    ) -> DeploymentOutcome:
        event: dict[str, Any] = {
            "RequestType": request_type,
            "RequestId": f"request-{len(self.events)}",
            "StackId": STACK_ID,
            "ResponseURL": RESPONSE_URL,
            "ServiceToken": "arn:aws:lambda:us-east-1:111111111111:function:framework",
            "ResourceType": "Custom::CentralizedRootAccess",
            "LogicalResourceId": "RootAccess0F443845",
            "ResourceProperties": _as_strings(properties),
        }
        if request_type != "Create":
            event["PhysicalResourceId"] = self.physical_id
        if old is not None:
            event["OldResourceProperties"] = _as_strings(old)
        try:
            result = self._invoke(event)
        except Exception as error:
            message = str(error)
            size = len(json.dumps(message)) + _FRAMEWORK_ADDS_BYTES
            assert size <= _MAX_RESPONSE_BYTES, "Response object is too long."
            return DeploymentOutcome(succeeded=False, reason=message, response_bytes=size, error=error)
        return self._accept(event, result)

    def _invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        def invoke() -> Mapping[str, Any]:
            self.events.append(event)
            # What reaches the function has gone through JSON, and so has what it returns.
            return dict(json.loads(json.dumps(self.function(json.loads(json.dumps(event))))))

        try:
            if self._deliver_twice:
                invoke()
            return invoke()
        except Exception:
            if self._deliver_twice:
                raise
            return invoke()

    def _accept(self, event: Mapping[str, Any], result: Mapping[str, Any]) -> DeploymentOutcome:
        request_type, current = event["RequestType"], event.get("PhysicalResourceId")
        physical_id = result.get("PhysicalResourceId") or current or event["RequestId"]
        if request_type == "Delete":
            assert physical_id == current, "DELETE: cannot change the physical resource ID"
            return DeploymentOutcome(succeeded=True)
        response = {
            "Status": "SUCCESS",
            "Reason": "SUCCESS",
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "PhysicalResourceId": physical_id,
            "LogicalResourceId": event["LogicalResourceId"],
            "Data": result.get("Data", {}),
        }
        size = len(json.dumps(response).encode())
        assert size <= _MAX_RESPONSE_BYTES, "Response object is too long."
        self.physical_id, self.data = physical_id, response["Data"]
        if request_type == "Update" and physical_id != current:
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
