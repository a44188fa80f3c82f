"""A sandbox of Lambda: one process that runs a function of RootTasks for one event after another.

Run it in the environment of the stand-in: `python -m benchmarks.function ENTRY_POINT`. It reads an event a
line, and prints what each invocation took as a line of JSON. Like Lambda, it imports the handlers with the
first event, and nothing else before.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "root-tasks"

_SETTINGS: dict[str, dict[str, Any]] = {
    "start_run": {
        "bucket": BUCKET,
        "tasks": ["IAMAuditRootUserCredentials"],
        "protectedAccounts": [],
        "allowPolicyOverride": False,
    },
    "run_batch": {"bucket": BUCKET},
    "write_report": {"bucket": BUCKET, "notificationTopicArn": None, "planLifetimeSeconds": 86_400},
}


class Context:
    """Lambda's context object."""

    invoked_function_arn = "arn:aws:lambda:us-east-1:111111111111:function:RootTasks"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation."""
        return 600_000


def invoke(entry_point: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke a function, and return its response, its log, and what it took."""
    started_at, cpu_started_at = time.monotonic(), time.process_time()
    from root_tasks import handlers

    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        response = getattr(handlers, entry_point)(event, Context())
    return {
        "response": response,
        "log": [json.loads(line) for line in log.getvalue().splitlines()],
        "seconds": time.monotonic() - started_at,
        "cpu": time.process_time() - cpu_started_at,
        "memory": _peak_memory(),
    }


def _peak_memory() -> int:
    from benchmarks.invocation import peak_memory

    return peak_memory()


def main(entry_point: str) -> None:
    """Invoke a function for each event of the standard input."""
    os.environ["SETTINGS"] = json.dumps(_SETTINGS[entry_point])
    # It is ready, as a sandbox is once its runtime has started.
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        print(json.dumps(invoke(entry_point, json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
