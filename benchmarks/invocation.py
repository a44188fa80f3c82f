"""Invokes the custom resource's function twice in this process, cold and warm, and prints what it took.

Run in a fresh process, in the environment of a local AWS: `python -m benchmarks.invocation`.
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
    from root_access.clients import Clients

_ARN = "arn:aws:lambda:us-east-1:111111111111:function:RootAccess"
_EVENT = {
    "RequestType": "Create",
    "ResourceProperties": {"Features": ["RootCredentialsManagement", "RootSessions"]},
}


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What the function took.

    Attributes:
        to_first_call: seconds from before the import to the first AWS call, cold.
        cold: seconds from before the import to the answer in which no AWS call was on its way.
        cpu: seconds of a core that all of that took, cold.
        warm: the same of a second invocation.
        memory: the most that the process held, in bytes.
    """

    to_first_call: float
    cold: float
    cpu: float
    warm: float
    memory: int


@dataclass
class Watch:
    """Notes when AWS calls are on their way.

    Attributes:
        flights: when each call left and when its answer was there.
    """

    flights: list[tuple[float, float]] = field(default_factory=list)
    _left: dict[int, float] = field(default_factory=dict)

    def watch(self, client: Any) -> None:
        """Watches a boto3 client's calls."""
        client.meta.events.register("before-send", self._sent)
        client.meta.events.register("response-received", self._answered)

    def _sent(self, **_: object) -> None:
        self._left[threading.get_ident()] = time.perf_counter()

    def _answered(self, **_: object) -> None:
        self.flights.append((self._left.pop(threading.get_ident()), time.perf_counter()))


class Context:
    """Lambda's context object."""

    invoked_function_arn = _ARN

    def get_remaining_time_in_millis(self) -> int:
        """The time until Lambda ends the invocation."""
        return 180_000


def seconds_covered(spans: list[tuple[float, float]]) -> float:
    """Returns how many seconds lie in at least one of the spans."""
    covered = 0.0
    until = float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def peak_memory() -> int:
    """Returns the most that this process has held, in bytes."""
    if sys.platform == "linux":
        # What getrusage tells there begins with what the process had that started this one.
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Invokes the function twice, and prints what it took as JSON."""
    began, cpu_began = time.perf_counter(), time.process_time()
    handler = import_module("root_access.handler")
    runtime = import_module("aws_calls.runtime")
    watch = Watch()

    def clients() -> Clients:
        made: Clients = runtime.clients()
        if not watch.flights:
            watch.watch(made.iam)
            watch.watch(made.organizations)
        return made

    def respond() -> None:
        handler.respond(
            _EVENT,
            Context(),
            clients=clients,
            clock=runtime.system_clock(),
            log=lambda **event: json.dumps(event),
        )

    respond()
    answered, cpu_answered = time.perf_counter(), time.process_time()
    cold_flights = list(watch.flights)
    respond()
    warm = time.perf_counter() - answered
    invocation = Invocation(
        to_first_call=min(cold_flights)[0] - began,
        cold=answered - began - seconds_covered(cold_flights),
        cpu=cpu_answered - cpu_began,
        warm=warm - seconds_covered(watch.flights[len(cold_flights) :]),
        memory=peak_memory(),
    )
    print(json.dumps(asdict(invocation)))


if __name__ == "__main__":
    main()
