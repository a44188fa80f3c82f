"""The cases of a real deployment. Their calls are names of what `deployment.py` looks at."""

from __future__ import annotations

from functools import partial

from acceptance.cases._build import case, succeeds
from acceptance.model import MEMBER, Level, Source

CHECKED = "stack checked deployed"
_case = partial(case, level=Level.DEPLOY, source=Source.ASSUMED, given=(CHECKED,))
_DISABLED = "RootSessions disabled"
_BOTH = ["RootCredentialsManagement", "RootSessions"]
_NO_METRICS = "MiniStack makes no metrics of log lines"
_NO_TRAIL = "MiniStack has no CloudTrail"
_NO_SCHEDULE = "it does not wait for a schedule"

# In the order in which they run: a schedule's first audit comes before any other, an alarm is new once, and
# the schedule stops before the stack is deleted.
CASES = (
    _case(
        "deployment:Status",
        "the stack enables root access and says so in its output",
        succeeds({"status": "ENABLED", "features": _BOTH}),
    ),
    _case(
        "deployment:DeployAgain",
        "deploying again changes nothing",
        succeeds({"exitCode": 0, "writes": False}),
    ),
    _case(
        "deployment:Check",
        "the drift check finds the organization as the stack lists it",
        succeeds({"InDesiredState": 1, "repaired": False, "features": _BOTH}),
    ),
    _case(
        "deployment:FirstCheck",
        "the schedule runs the first check after one interval at the latest",
        succeeds({"withinInterval": True}),
        local=_NO_SCHEDULE,
        measures="time until a schedule runs the first check",
        max_seconds=900,
    ),
    _case(
        "deployment:FirstAudit",
        "the schedule's first audit succeeds, although its roles are new",
        succeeds({"status": "SUCCEEDED"}),
        local=_NO_SCHEDULE,
        max_seconds=900,
    ),
    _case(
        "deployment:Alarms",
        "no alarm of a new stack fires in its first four intervals",
        succeeds({"haveFired": []}),
    ),
    _case(
        "deployment:DriftAlarm",
        "the drift alarm fires on the first check that finds drift",
        succeeds({"state": "ALARM"}),
        given=(CHECKED, _DISABLED),
        local=_NO_METRICS,
        measures="time until the drift alarm fires",
        max_seconds=900,
    ),
    _case(
        "deployment:Check",
        "the drift check finds a disabled feature and repairs it where the stack asks for that",
        succeeds({"InDesiredState": 0, "repaired": True, "features": _BOTH}),
        given=(CHECKED, _DISABLED),
    ),
    _case(
        "deployment:Audit",
        "the state machine audits the member account",
        succeeds({"status": "SUCCEEDED", "outcome": "clean"}),
    ),
    _case(
        "deployment:EventNames",
        "CloudTrail names the calls that change root access as the API does",
        succeeds(
            {
                "eventNames": [
                    "DisableOrganizationsRootCredentialsManagement",
                    "DisableOrganizationsRootSessions",
                    "EnableOrganizationsRootCredentialsManagement",
                    "EnableOrganizationsRootSessions",
                ]
            }
        ),
        local=_NO_TRAIL,
        measures="time until CloudTrail lists a call",
        max_seconds=1200,
    ),
    # After the one before: what was recorded is listed by now.
    _case(
        "cloudtrail:LookupEvents",
        "AssumeRoot is recorded in the caller's account alone",
        succeeds({"Events": []}),
        caller=MEMBER,
        local=_NO_TRAIL,
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AssumeRoot"}],
    ),
    _case(
        "deployment:StoppedAlarm",
        "the alarm of a stopped check fires after about three intervals",
        succeeds({"state": "ALARM"}),
        local=_NO_METRICS,
        measures="time until the alarm of a stopped check fires, at an interval of five minutes",
        # Three intervals, and one for metrics that come late.
        max_seconds=1200,
    ),
    _case(
        "deployment:Destroy",
        "destroying the stack leaves root access as it is",
        succeeds({"exitCode": 0, "features": _BOTH, "trustedAccess": True}),
    ),
)
