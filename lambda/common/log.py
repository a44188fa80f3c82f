"""Lines of the log. CloudWatch takes metrics from some, in the embedded metric format."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence

import botocore

_NAMESPACE = "CentralizedRootAccess"
ORGANIZATION_ID = "OrganizationId"
STATE_MACHINE_NAME = "StateMachineName"


def write_line(**event: object) -> None:
    """Write one event to the log as a line of JSON."""
    print(json.dumps(event), flush=True)


@functools.cache
def log_sdk_version() -> None:
    """Log the SDK's version, once per cold start: the runtime brings the SDK, and changes it."""
    write_line(event="sdk", botocore=botocore.__version__)


def metric_line(
    *,
    dimension_sets: Sequence[Mapping[str, str]],
    values: Mapping[str, int],
    timestamp: float,
) -> dict[str, object]:
    """Return the members of a log line from which CloudWatch takes metrics.

    Args:
        dimension_sets: The metrics are counted for each of these sets of dimensions.
        values: Each metric's value, a count.
        timestamp: Seconds since 1970.
    """
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    dimensions: dict[str, str] = {}
    for dimension_set in dimension_sets:
        dimensions |= dimension_set
    return {
        "_aws": {
            "Timestamp": int(timestamp * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": _NAMESPACE,
                    "Dimensions": [list(dimension_set) for dimension_set in dimension_sets],
                    "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
                }
            ],
        },
        **dimensions,
        **values,
    }
