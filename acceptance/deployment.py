"""The stack of the level that deploys: the real CDK CLI, and what the stack does once it is there."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from acceptance.resources import observe_root_access
from acceptance.state import CREDENTIALS, SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from acceptance.callers import Callers

STACK_VARIABLE = "ROOT_ACCESS_ACCEPTANCE_STACK"
INTERVAL_MINUTES = 5
CHECKED = "checked"
# The warm-up of those that report what stopped is three.
_INTERVALS_OF_A_NEW_ALARM = 4

_ROOT = Path(__file__).resolve().parents[1]
_CDK = _ROOT / "node_modules" / ".bin" / "cdk"
_DRIFT_CHECK = "RootAccessDriftCheck"
_RULE = "AWS::Events::Rule"
_ALARM = "AWS::CloudWatch::Alarm"
# Not those of what an audit finds in the accounts.
_QUIET_ALARMS = (
    f"{_DRIFT_CHECK}Drift",
    f"{_DRIFT_CHECK}Stopped",
    "RootTasksAuditsStopped",
    "RootTasksFailed",
    "RootTasksNotStarted",
)
# CloudTrail has the events of IAM and Organizations in this Region alone.
_GLOBAL_EVENTS_REGION = "us-east-1"
_EVENT_NAMES = (
    "DisableOrganizationsRootCredentialsManagement",
    "DisableOrganizationsRootSessions",
    "EnableOrganizationsRootCredentialsManagement",
    "EnableOrganizationsRootSessions",
)
_SCHEDULE = {"detail-type": "Scheduled Event", "source": "aws.events"}
_MAX_CDK_SECONDS = 1800.0
_MAX_WAIT_SECONDS = 1800.0
_PAUSE_SECONDS = 5.0


class DeploymentError(Exception):
    """Raised where the CDK CLI or the stack failed."""


class Deployment:
    """The run's stack in the management account.

    Args:
        callers: The clients.
        log: Where the output of the CDK CLI goes.
    """

    def __init__(self, callers: Callers, log: Path) -> None:
        self._callers = callers
        self._log = log
        self._invoked = False
        self._is_schedule_disabled = False
        self._assembly = tempfile.TemporaryDirectory(prefix="root-access-acceptance-")
        self._is_synthesized = False

    def deploy(self, variant: str) -> None:
        """Deploy the stack with the CDK CLI.

        Raises:
            DeploymentError: The CLI failed.
        """
        if variant != CHECKED:
            raise ValueError(f"There is no stack {variant!r}.")
        if self._cdk("deploy", "--require-approval", "never") != 0:
            raise DeploymentError("`cdk deploy` failed; its output is in the run's log")

    def destroy(self) -> None:
        """Delete the stack, and the bucket that it retains. It may be in any state, or gone."""
        cloudformation = self._callers.own("cloudformation")
        stack = self._find_stack()
        if stack is not None:
            cloudformation.delete_stack(StackName=stack["StackId"])
            self._wait(lambda: self._find_stack() is None)
        self._delete_buckets()

    def find(self) -> str | None:
        """Return which stack there is, or that only its bucket is left; None for nothing."""
        found = self._find_stack() is not None or next(self._buckets(), None) is not None
        return CHECKED if found else None

    def arrange(self) -> None:
        """Forget what was invoked for the case before."""
        self._invoked = False

    def look(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a case of the deployment compares."""
        del parameters
        looks: dict[str, Callable[[], dict[str, Any]]] = {
            "Status": self._status,
            "DeployAgain": self._deploy_again,
            "Check": self._check,
            "Audit": self._audit,
            "Alarms": self._alarms,
            "DriftAlarm": self._drift_alarm,
            "StoppedAlarm": self._alarm_of_stopped_check,
            "EventNames": self._event_names,
            "FirstAudit": self._first_audit,
            "FirstCheck": self._first_check,
            "Destroy": self._destroy_with_cdk,
        }
        return looks[operation]()

    def _status(self) -> dict[str, Any]:
        status = json.loads(self._outputs()["RootAccessStatus"])
        return {"status": status["status"], "features": sorted(status["features"])}

    def _deploy_again(self) -> dict[str, Any]:
        before = self._find_stack() or {}
        exit_code = self._cdk("deploy", "--require-approval", "never")
        after = self._find_stack() or {}
        return {
            "exitCode": exit_code,
            "writes": before.get("LastUpdatedTime") != after.get("LastUpdatedTime"),
        }

    def _check(self) -> dict[str, Any]:
        checks = self._invoke_check()
        return {
            "InDesiredState": checks[0]["InDesiredState"],
            "repaired": len(checks) > 1,
            "features": self._features(),
        }

    def _invoke_check(self) -> list[dict[str, Any]]:
        self._invoked = True
        response = self._callers.own("lambda").invoke(
            FunctionName=self._physical_id(f"{_DRIFT_CHECK}Function", "AWS::Lambda::Function"),
            Payload=json.dumps(_SCHEDULE),
            LogType="Tail",
        )
        log = base64.b64decode(response["LogResult"]).decode()
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        checks = [line for line in lines if line.get("event") == "checked"]
        if not checks:
            raise DeploymentError("the drift check wrote no result to its log")
        return checks

    def _audit(self) -> dict[str, Any]:
        step_functions = self._callers.own("stepfunctions")
        input_ = {"task": "IAMAuditRootUserCredentials", "accounts": [self._callers.names.member]}
        arn = step_functions.start_execution(
            stateMachineArn=self._outputs()["RootTasksAuditStateMachineArn"], input=json.dumps(input_)
        )["executionArn"]
        self._wait(lambda: step_functions.describe_execution(executionArn=arn)["status"] != "RUNNING")
        execution = step_functions.describe_execution(executionArn=arn)
        totals = json.loads(execution.get("output") or "{}").get("totals", {})
        return {"status": execution["status"], "outcome": ", ".join(sorted(totals))}

    def _alarms(self) -> dict[str, Any]:
        return {"haveFired": [name for name in _QUIET_ALARMS if self._has_fired(name)]}

    def _has_fired(self, name: str) -> bool:
        """Return whether a new alarm was in alarm in its first intervals; it waits until they are over."""
        aws = self._callers.aws
        alarm = self._resource(name, _ALARM)
        end = alarm["LastUpdatedTimestamp"] + timedelta(minutes=_INTERVALS_OF_A_NEW_ALARM * INTERVAL_MINUTES)
        aws.wait(max((end - aws.moment().at).total_seconds(), 0.0))
        pages = self._callers.own("cloudwatch").get_paginator("describe_alarm_history")
        changes = pages.paginate(AlarmName=alarm["PhysicalResourceId"], HistoryItemType="StateUpdate")
        return any(
            json.loads(item["HistoryData"])["newState"]["stateValue"] == "ALARM"
            for page in changes
            for item in page["AlarmHistoryItems"]
        )

    def _drift_alarm(self) -> dict[str, Any]:
        if not self._invoked:
            self._invoke_check()
        return {"state": self._alarm_state("Drift")}

    def _alarm_of_stopped_check(self) -> dict[str, Any]:
        if not self._is_schedule_disabled:
            rule = self._physical_id(f"{_DRIFT_CHECK}Interval", _RULE)
            # It ends with the stack.
            self._callers.own("events").disable_rule(Name=rule)
            self._is_schedule_disabled = True
        return {"state": self._alarm_state("Stopped")}

    def _alarm_state(self, name: str) -> str:
        physical_id = self._physical_id(f"{_DRIFT_CHECK}{name}", _ALARM)
        [alarm] = self._callers.own("cloudwatch").describe_alarms(AlarmNames=[physical_id])["MetricAlarms"]
        return str(alarm["StateValue"])

    def _event_names(self) -> dict[str, Any]:
        cloudtrail = self._callers.client("cloudtrail", region=_GLOBAL_EVENTS_REGION)
        found = set()
        for name in _EVENT_NAMES:
            attribute = {"AttributeKey": "EventName", "AttributeValue": name}
            events = cloudtrail.lookup_events(LookupAttributes=[attribute], MaxResults=1)["Events"]
            found |= {event["EventName"] for event in events}
        return {"eventNames": sorted(found)}

    def _first_audit(self) -> dict[str, Any]:
        pages = self._callers.own("stepfunctions").get_paginator("list_executions")
        arn = self._outputs()["RootTasksAuditStateMachineArn"]
        executions = [run for page in pages.paginate(stateMachineArn=arn) for run in page["executions"]]
        first = min(executions, key=lambda run: run["startDate"], default={"status": None})
        return {"status": first["status"]}

    def _first_check(self) -> dict[str, Any]:
        stack = self._find_stack() or {}
        rule = self._resource(f"{_DRIFT_CHECK}Interval", _RULE)
        points = self._callers.own("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName="Invocations",
            Dimensions=[{"Name": "RuleName", "Value": rule["PhysicalResourceId"]}],
            StartTime=stack["CreationTime"],
            EndTime=self._callers.aws.moment().at,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        times = [point["Timestamp"] for point in points if point["Sum"]]
        if not times:
            return {"withinInterval": False}
        seconds = (min(times) - rule["LastUpdatedTimestamp"]).total_seconds()
        # The time of a data point is the minute that it begins.
        return {"withinInterval": seconds <= INTERVAL_MINUTES * 60, "seconds": max(seconds, 0.0)}

    def _destroy_with_cdk(self) -> dict[str, Any]:
        exit_code = self._cdk("destroy", "--force")
        observed = observe_root_access(self._callers)
        return {
            "exitCode": exit_code,
            "features": self._features(),
            "trustedAccess": observed.trusted_access,
        }

    def _features(self) -> list[str]:
        observed = observe_root_access(self._callers)
        found = {CREDENTIALS: observed.credentials, SESSIONS: observed.sessions}
        return [name for name, is_enabled in found.items() if is_enabled]

    def _outputs(self) -> dict[str, str]:
        stack = self._find_stack()
        if stack is None:
            raise DeploymentError("the stack does not exist")
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def _physical_id(self, logical_prefix: str, type_: str) -> str:
        return str(self._resource(logical_prefix, type_)["PhysicalResourceId"])

    def _resource(self, logical_prefix: str, type_: str) -> dict[str, Any]:
        pages = self._callers.own("cloudformation").get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=self._callers.names.stack):
            for resource in page["StackResourceSummaries"]:
                is_named = resource["LogicalResourceId"].startswith(logical_prefix)
                if is_named and resource["ResourceType"] == type_:
                    return dict(resource)
        raise DeploymentError(f"the stack has no {logical_prefix}")

    def _find_stack(self) -> dict[str, Any] | None:
        try:
            stacks = self._callers.own("cloudformation").describe_stacks(StackName=self._callers.names.stack)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            return None
        [stack] = stacks["Stacks"] or [None]
        return None if stack is None or stack["StackStatus"] == "DELETE_COMPLETE" else dict(stack)

    def _buckets(self) -> Iterator[str]:
        # CloudFormation names it after the stack, and nobody else's stack has this run's name.
        prefix = f"{self._callers.names.stack.lower()}-"
        for bucket in self._callers.own("s3").list_buckets()["Buckets"]:
            if bucket["Name"].startswith(prefix):
                yield bucket["Name"]

    def _delete_buckets(self) -> None:
        s3 = self._callers.own("s3")
        for name in self._buckets():
            # It denies deletions to everybody but the functions' roles, which are gone.
            s3.delete_bucket_policy(Bucket=name)
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
                for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
            s3.delete_bucket(Bucket=name)

    def _wait(self, is_done: Callable[[], bool]) -> None:
        aws = self._callers.aws
        deadline = aws.monotonic() + _MAX_WAIT_SECONDS
        while not is_done():
            if aws.monotonic() > deadline:
                raise DeploymentError("the stack or the execution did not end in time")
            aws.wait(_PAUSE_SECONDS)

    def _cdk(self, *arguments: str) -> int:
        stack = self._callers.names.stack
        # The app is synthesized once: that takes longer than a deployment without changes.
        app = self._assembly.name if self._is_synthesized else f"{sys.executable} -m acceptance.app"
        output = () if self._is_synthesized else ("--output", self._assembly.name)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        with self._log.open("ab") as log:
            finished = subprocess.run(  # noqa: S603 - the arguments are this module's own
                [str(_CDK), *arguments, stack, "--app", app, *output],
                cwd=_ROOT,
                env={**os.environ, "PATH": path, "PYTHONPATH": str(_ROOT), STACK_VARIABLE: stack},
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_MAX_CDK_SECONDS,
                check=False,
            )
        self._is_synthesized = self._is_synthesized or finished.returncode == 0
        return finished.returncode
