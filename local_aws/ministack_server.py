"""Starts MiniStack, which refuses alarms on metric math in a template: here they are deployed.

Nothing evaluates such an alarm. Run as a file, because the process has no access to this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.app import main
from ministack.services.cloudformation import provisioners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Record = Callable[[str, Mapping[str, Any]], dict[str, Any]]


def accept_metric_math(record: Record) -> Record:
    """Return a function that makes the record of an alarm, also of one on metric math.

    Args:
        record: MiniStack's function, which refuses that.
    """

    def record_any(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        if not properties.get("Metrics"):
            return record(name, properties)
        others = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = record(name, {**others, "MetricName": "metric math", "Namespace": "metric math"})
        # An alarm without a metric is never evaluated.
        return alarm | {"MetricName": "", "Namespace": "", "Metrics": properties["Metrics"]}

    return record_any


if __name__ == "__main__":
    provisioners._cw_metric_alarm_record = accept_metric_math(provisioners._cw_metric_alarm_record)
    main()
