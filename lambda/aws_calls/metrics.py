"""CloudWatch metrics as lines of the log, in the embedded metric format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "CentralizedRootAccess"
ORGANIZATION_ID = "OrganizationId"


def metric_line(
    *, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, int], timestamp: float
) -> dict[str, object]:
    """Return the members of a log line from which CloudWatch takes metrics.

    Args:
        namespace: The metrics' namespace.
        dimensions: The metrics' one set of dimensions.
        values: Each metric's value, a count.
        timestamp: Seconds since 1970.
    """
    return {
        "_aws": {
            "Timestamp": int(timestamp * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace,
                    "Dimensions": [list(dimensions)],
                    "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
                }
            ],
        },
        **dimensions,
        **values,
    }
