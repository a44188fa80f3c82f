"""A cold and a warm invocation of the custom resource's function in this process.

Run it in a fresh process, in the environment of a local AWS: `python -m benchmarks.invocation RESPONSE_URL`.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from root_access.custom_resource import CustomResource
    from root_access.organization import RootAccessClients

_ARN = "arn:aws:lambda:us-east-1:111111111111:function:RootAccess"
_EVENT = {
    "RequestType": "Create",
    "StackId": "arn:aws:cloudformation:us-east-1:111111111111:stack/OrganizationBootstrap/1",
    "RequestId": "1",
    "LogicalResourceId": "RootAccess",
    "ResourceProperties": {"Features": ["RootCredentialsManagement", "RootSessions"]},
}


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """The time and the memory of the function.

    Attributes:
        to_first_call: Seconds from before the import to the first AWS call, cold.
        cold: Seconds from before the import to the response, without those spent in AWS calls.
        cpu: CPU seconds from before the import to the response.
        warm: Seconds of a second invocation, without those spent in AWS calls.
        memory: The process's peak memory in bytes.
    """

    to_first_call: float
    cold: float
    cpu: float
    warm: float
    memory: int


@dataclass
class CallTimes:
    """A recorder of the times that are spent in AWS calls.

    Attributes:
        spans: When each call was sent, and when its response arrived.
    """

    spans: list[tuple[float, float]] = field(default_factory=list)
    _sent_at: dict[int, float] = field(default_factory=dict)

    def watch(self, client: Any) -> None:
        """Record a boto3 client's calls."""
        client.meta.events.register("before-send", self._start)
        client.meta.events.register("response-received", self._end)

    def _start(self, **_: object) -> None:
        self._sent_at[threading.get_ident()] = time.perf_counter()

    def _end(self, **_: object) -> None:
        self.spans.append((self._sent_at.pop(threading.get_ident()), time.perf_counter()))


class Context:
    """Lambda's context object."""

    invoked_function_arn = _ARN

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda terminates the invocation."""
        return 180_000


def union_seconds(spans: list[tuple[float, float]]) -> float:
    """Return how many seconds lie in at least one of the spans."""
    total = 0.0
    until = float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def peak_memory() -> int:
    """Return this process's peak memory in bytes."""
    if sys.platform == "linux":
        # On Linux, getrusage includes the memory of the parent process before the exec.
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(response_url: str) -> None:
    """Invoke the function twice, and print the measurements as JSON.

    Args:
        response_url: Where the function puts its response.
    """
    started_at, cpu_started_at = time.perf_counter(), time.process_time()
    # Nothing else that the function imports is imported before it: that is a part of its cold start.
    handler = import_module("root_access.handler")
    times = CallTimes()

    def watch_clients() -> RootAccessClients:
        clients: RootAccessClients = import_module("root_access.organization").create_clients()
        if not times.spans:
            times.watch(clients.iam)
            times.watch(clients.organizations)
        return clients

    def log(**event: object) -> None:
        json.dumps(event)

    def handle(event: Mapping[str, Any], context: Context, *, abandoned: threading.Event) -> CustomResource:
        resource: CustomResource = import_module("root_access.custom_resource").apply_request(
            event,
            context,
            clients=watch_clients,
            clock=import_module("aws_calls.runtime").system_clock(),
            log=log,
            abandoned=abandoned,
        )
        return resource

    def respond() -> None:
        handler.respond(
            {**_EVENT, "ResponseURL": response_url}, Context(), handle=handle, sleep=time.sleep, log=log
        )

    respond()
    responded_at, cpu_responded_at = time.perf_counter(), time.process_time()
    cold_spans = list(times.spans)
    respond()
    warm = time.perf_counter() - responded_at
    invocation = Invocation(
        to_first_call=min(cold_spans)[0] - started_at,
        cold=responded_at - started_at - union_seconds(cold_spans),
        cpu=cpu_responded_at - cpu_started_at,
        warm=warm - union_seconds(times.spans[len(cold_spans) :]),
        memory=peak_memory(),
    )
    print(json.dumps(asdict(invocation)))


if __name__ == "__main__":
    main(sys.argv[1])
