"""The cases of a real deployment. Their calls are names of what `deployment.py` looks at."""

from __future__ import annotations

from functools import partial

from acceptance.cases._build import PASSWORD, case, succeeds
from acceptance.deployment import BACKUP
from acceptance.model import MEMBER, Level, Source

_DEPLOYED = "stack deployed"
_case = partial(case, level=Level.DEPLOY, source=Source.ASSUMED, given=(_DEPLOYED,))
_DISABLED = "RootSessions disabled"
_BOTH = ["RootCredentialsManagement", "RootSessions"]
_RECOVERY = ["recover", "--account", MEMBER]
_NO_METRICS = "MiniStack makes no metrics of log lines"
_NO_SDK = "its functions run with the SDK of this machine"

_SDK = _case(
    "deployment:Sdk",
    "the functions' log names the SDK of the runtime",
    succeeds({"botocore": "{text}", "runtime": "{text}"}),
    not_shown_locally=_NO_SDK,
    measures="the SDK of the functions' runtime",
    max_seconds=300,
)

_FINDINGS = _case(
    "deployment:Findings",
    "Security Hub imports the findings of an audit",
    succeeds({"imported": True}),
    not_shown_locally="Security Hub is not enabled in it",
    max_seconds=900,
)

_CHECKS = (
    [
        _case(
            "deployment:Check",
            "the drift check finds the organization as the stack lists it",
            succeeds({"succeeded": True, "features": _BOTH}),
        ),
        _case(
            "deployment:Check",
            "the drift check repairs a disabled feature if the stack asks for that",
            succeeds({"succeeded": True, "features": _BOTH}),
            given=(_DEPLOYED, _DISABLED),
        ),
    ]
    +  # The schedule is disabled by now.
    [
        _case(
            "cloudwatch:DescribeAlarms",
            name,
            succeeds({"MetricAlarms": [{"StateValue": "ALARM", "{and more}": True}]}),
            not_shown_locally=_NO_METRICS,
            measures=f"time until {measured}",
            max_seconds=max_seconds,
            AlarmNamePrefix=f"{{stack}}-RootAccessDriftCheck{alarm}",
        )
        for alarm, name, measured, max_seconds in (
            (
                "Drift",
                "the drift alarm fires on the first check that finds drift",
                "the drift alarm fires",
                900,
            ),
            # Three intervals, and two for a missed look and for metrics that come late.
            (
                "Stopped",
                "the alarm of a stopped check fires after about three intervals",
                "the alarm of a stopped check fires, at an interval of five minutes",
                1500,
            ),
        )
    ]
    + [
        _case(
            "deployment:Publication",
            "an alarm publishes to an encrypted topic",
            succeeds({"succeeded": True}),
            not_shown_locally=_NO_METRICS,
            max_seconds=300,
        ),
    ]
)

_UNLOCK = ["unlock-bucket", "--bucket", f"{MEMBER}:{{bucket}}"]
_TASKS = [
    _case(
        "deployment:Execute",
        f"the plan of {what} is executed, under the guardrail",
        succeeds({"outcome": "DONE"}),
        given=(_DEPLOYED, *given),
        afterwards={"AccountPasswordPresent": password},
        parameters={"plan": plan},
    )
    for what, given, password, plan in (
        ("the recovery of a password", (), 1, _RECOVERY),
        ("the deletion of a password", (PASSWORD,), 0, ["delete", "--account", MEMBER]),
        ("unlocking a bucket", ("bucket locked",), 0, _UNLOCK),
        (
            "giving a bucket its policy back",
            ("bucket open",),
            0,
            [*_UNLOCK, "--policy", BACKUP],
        ),
        ("unlocking a queue", ("queue locked",), 0, ["unlock-queue", "--queue", "{queue arn}"]),
    )
]

# In the order in which they run: a schedule's first audit comes before any other.
CASES = [_SDK, _FINDINGS] + _CHECKS + _TASKS
