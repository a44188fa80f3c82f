"""The sandboxes of Lambda in which the functions of an audit run, one event after another."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class AuditFailedError(Exception):
    """An audit failed or had a wrong result, so its numbers would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class FunctionInvocation:
    """An invocation of a function.

    Attributes:
        response: What it returned.
        log: The events that it logged.
        seconds: How long it took; the first one in a sandbox includes the import.
        cpu: Its CPU time.
        memory: The peak memory of its process so far, in bytes.
    """

    response: Any
    log: Sequence[Mapping[str, Any]]
    seconds: float
    cpu: float
    memory: int


class Sandboxes:
    """The sandboxes of one function, each of which runs one invocation at a time."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def invoke(self, events: Sequence[Mapping[str, Any]]) -> list[FunctionInvocation]:
        """Invoke the function for each event, as many at once as there are sandboxes."""
        free: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        for process in self._processes:
            free.put(process)

        def invoke(event: Mapping[str, Any]) -> FunctionInvocation:
            process = free.get()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(event) + "\n")
                process.stdin.flush()
                return FunctionInvocation(**_read_line(process))
            finally:
                free.put(process)

        with ThreadPoolExecutor(len(self._processes)) as threads:
            return list(threads.map(invoke, events))


@contextlib.contextmanager
def running_sandboxes(
    entry_point: str, count: int = 1, *, environment: Mapping[str, str]
) -> Iterator[Sandboxes]:
    """Run sandboxes of a function until the block ends.

    Args:
        entry_point: The name of the function in the handlers.
        count: How many.
        environment: Their environment variables.
    """
    arguments = [sys.executable, "-m", "benchmarks.function", entry_point]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(count)
        ]
        for process in processes:
            # On leaving, the standard input is closed, and with it the process ends.
            stack.callback(_close, process)
            _read_line(process)
        yield Sandboxes(processes)


def _read_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AuditFailedError("A function failed. Its traceback is above.")
    value: dict[str, Any] = json.loads(line)
    return value


def _close(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
