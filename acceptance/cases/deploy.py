"""The cases of a real deployment. Their calls are names of what `deployment.py` looks at."""

from __future__ import annotations

from functools import partial

from acceptance.cases._build import case, succeeds
from acceptance.model import Level, Source

_case = partial(case, level=Level.DEPLOY, source=Source.ASSUMED)

CHECKED = "stack checked deployed"
_DISABLED = "RootSessions disabled"
_BOTH = ["RootCredentialsManagement", "RootSessions"]
_NO_METRICS = "MiniStack makes no metrics of log lines"
_NO_TRAIL = "MiniStack has no CloudTrail"
_NO_SCHEDULE = "it does not wait for a schedule"

# In the order in which they run: an alarm is new once, and the schedule stops before the stack is deleted.
CASES = (
    _case(
        "the stack enables root access and says so in its output",
        "deployment:Status",
        succeeds({"status": "ENABLED", "features": _BOTH}),
        given=(CHECKED,),
    ),
    _case(
        "a new alarm is not in alarm",
        "deployment:Alarms",
        succeeds({"inAlarm": []}),
        given=(CHECKED,),
    ),
    _case(
        "deploying again changes nothing",
        "deployment:DeployAgain",
        succeeds({"exitCode": 0, "writes": False}),
        given=(CHECKED,),
    ),
    _case(
        "the drift check finds the organization as the stack lists it",
        "deployment:Check",
        succeeds({"InDesiredState": 1, "repaired": False, "features": _BOTH}),
        given=(CHECKED,),
    ),
    _case(
        "the schedule runs the first check after one interval at the latest",
        "deployment:FirstCheck",
        succeeds({"withinInterval": True}),
        given=(CHECKED,),
        local=_NO_SCHEDULE,
        measures="time until a schedule runs the first check",
        max_seconds=900,
    ),
    _case(
        "the drift alarm fires on the first check that finds drift",
        "deployment:DriftAlarm",
        succeeds({"state": "ALARM"}),
        given=(CHECKED, _DISABLED),
        local=_NO_METRICS,
        measures="time until the drift alarm fires",
        max_seconds=900,
    ),
    _case(
        "the drift check finds a disabled feature and repairs it where the stack asks for that",
        "deployment:Check",
        succeeds({"InDesiredState": 0, "repaired": True, "features": _BOTH}),
        given=(CHECKED, _DISABLED),
    ),
    _case(
        "the state machine audits the member account",
        "deployment:Audit",
        succeeds({"status": "SUCCEEDED", "outcome": "clean"}),
        given=(CHECKED,),
    ),
    _case(
        "CloudTrail names the calls that change root access as the API does",
        "deployment:EventNames",
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
        given=(CHECKED,),
        local=_NO_TRAIL,
        measures="time until CloudTrail lists a call",
        max_seconds=1200,
    ),
    _case(
        "the alarm of a stopped check fires after about four intervals",
        "deployment:StoppedAlarm",
        succeeds({"state": "ALARM"}),
        given=(CHECKED,),
        local=_NO_METRICS,
        measures="time until the alarm of a stopped check fires, at an interval of five minutes",
        max_seconds=3600,
    ),
    _case(
        "destroying the stack leaves root access as it is",
        "deployment:Destroy",
        succeeds({"exitCode": 0, "features": _BOTH, "trustedAccess": True}),
        given=(CHECKED,),
    ),
)
