"""The stack of the level `deploy`: the real CDK CLI, and what the deployed stack does."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore import xform_name

from acceptance.callers import Callers, ignoring
from acceptance.resources import observe_root_access, policy_types
from acceptance.state import CREDENTIALS, SESSIONS

APP_VARIABLE = "ROOT_ACCESS_ACCEPTANCE_APP"
# The policy that the last execution of a plan removed.
BACKUP = "{backup}"
INTERVAL_MINUTES = 5

_ROOT = Path(__file__).resolve().parents[1]
_CDK = _ROOT / "node_modules" / ".bin" / "cdk"
_DRIFT_CHECK = "RootAccessDriftCheck"
_NO_BUCKET = "NoSuchBucket"
_SCHEDULE = {"detail-type": "Scheduled Event", "source": "aws.events"}
_MAX_PROGRAM_SECONDS = 1800.0
_MAX_WAIT_SECONDS = 1800.0
_PAUSE_SECONDS = 5.0


class DeploymentError(Exception):
    """The CDK CLI or the stack failed."""


class NothingFoundError(Exception):
    """The organization does not have what a case asks for."""


class Deployment:
    """The run's stack in the management account.

    Args:
        callers: The clients.
        log: Where the output of the CDK CLI goes.
        profile: The profile of the AWS configuration that the CDK CLI uses as well.
        run: Runs a process.
    """

    def __init__(
        self,
        callers: Callers,
        log: Path,
        *,
        profile: str | None = None,
        run: Callable[..., subprocess.CompletedProcess[Any]] = subprocess.run,
    ) -> None:
        self._callers = callers
        self._log = log
        self._profile = profile
        self._run_process = run
        self._backup = ""
        self._has_failed = False

    def deploy(self) -> None:
        """Deploy the stack with the CDK CLI, unless it has failed before.

        Raises:
            DeploymentError: The CLI failed.
        """
        if self._has_failed:
            raise DeploymentError("the stack could not be deployed")
        self._has_failed = True
        app = f"{sys.executable} -m acceptance.app"
        with tempfile.TemporaryDirectory(prefix="root-access-acceptance-") as assembly:
            command = ("deploy", "--require-approval", "never", self._callers.names.stack)
            if self._run_program(
                [str(_CDK), *command, "--app", app, "--output", assembly]
            ).returncode:
                raise DeploymentError("`cdk deploy` failed; its output is in the run's log")
        self._has_failed = False

    def destroy(self) -> None:
        """Delete the stack, and the bucket that it retains. It may be in any state, or gone."""
        stack = self._find_stack()
        if stack is not None:
            self._callers.own("cloudformation").delete_stack(StackName=stack["StackId"])
            self._wait(lambda: self._find_stack() is None)
        self._delete_bucket()

    def look(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a case of the deployment compares; the operation names a method of this."""
        look: Callable[..., dict[str, Any]] = getattr(self, f"_{xform_name(operation)}")
        return look(**parameters)

    def _check(self) -> dict[str, Any]:
        """Run the drift check without its schedule, whose own check could come before this one."""
        self._callers.own("events").disable_rule(Name=self._rule_name())
        function = self._resource(f"{_DRIFT_CHECK}Function", "AWS::Lambda::Function")
        response = self._callers.own("lambda").invoke(
            FunctionName=function["PhysicalResourceId"], Payload=json.dumps(_SCHEDULE)
        )
        return {"succeeded": "FunctionError" not in response, "features": self._features()}

    def _rule_name(self) -> str:
        """Return the name of the rule that runs the drift check at intervals."""
        # The physical ID may be the name, the ARN, or begin with the name of the event bus.
        rule = self._resource(f"{_DRIFT_CHECK}Interval", "AWS::Events::Rule")["PhysicalResourceId"]
        return str(rule).rpartition("/")[2].rpartition("|")[2]

    def _execute(self, plan: Sequence[str]) -> dict[str, Any]:
        """Plan a task and execute the plan, by the commands that people use."""
        arguments = [self._backup if argument == BACKUP else argument for argument in plan]
        report = self._report("execute", self._report("plan", *arguments)["runId"], "--yes")
        self._backup = report["results"][0]["items"][0]["backup"] or ""
        return {"outcome": ", ".join(sorted(report["totals"]))}

    def _report(self, *arguments: str) -> dict[str, Any]:
        """Run the project's command line, and return the report that it shows."""
        names = self._callers.names
        options = ("--format", "json", "--stack", names.stack, "--region", names.region)
        finished = self._run_program(
            [sys.executable, "-m", "centralized_root_access", *arguments, *options],
            stdout=subprocess.PIPE,
        )
        with suppress(ValueError):
            report: dict[str, Any] = json.loads(finished.stdout)
            if "runId" in report:
                return report
        raise DeploymentError(f"`{arguments[0]}` shows no report: exit code {finished.returncode}")

    def _publication(self) -> dict[str, Any]:
        """Return whether the drift alarm could publish to the topic, which is encrypted."""
        pages = self._callers.own("cloudwatch").get_paginator("describe_alarm_history")
        name = self._resource(f"{_DRIFT_CHECK}Drift", "AWS::CloudWatch::Alarm")[
            "PhysicalResourceId"
        ]
        actions = [
            item["HistorySummary"]
            for page in pages.paginate(AlarmName=name, HistoryItemType="Action")
            for item in page["AlarmHistoryItems"]
        ]
        return {
            "succeeded": any(summary.startswith("Successfully executed") for summary in actions)
        }

    def _findings(self) -> dict[str, Any]:
        """Return whether Security Hub has findings of the first audits."""
        if not self._has_security_hub():
            raise NothingFoundError("Security Hub is not enabled in the management account")
        own = [{"Value": "centralized-root-access", "Comparison": "PREFIX"}]
        found = self._callers.own("securityhub").get_findings(
            Filters={"GeneratorId": own}, MaxResults=1
        )
        return {"imported": bool(found["Findings"])}

    def _has_security_hub(self) -> bool:
        """Return whether Security Hub is enabled in the management account."""
        with ignoring("InvalidAccessException", "ResourceNotFoundException"):
            return bool(self._callers.own("securityhub").describe_hub())
        return False

    def _sdk(self) -> dict[str, Any]:
        """Return the SDK's version that the functions of the root tasks log once per cold start."""
        function = self._resource("RootTasksStartRun", "AWS::Lambda::Function")
        configuration = self._callers.own("lambda").get_function_configuration(
            FunctionName=function["PhysicalResourceId"]
        )
        pages = self._callers.own("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=configuration["LoggingConfig"]["LogGroup"]):
            for event in page["events"]:
                if '"botocore"' in event["message"]:
                    version = json.loads(event["message"])["botocore"]
                    return {"botocore": version, "runtime": configuration["Runtime"]}
        return {"botocore": None}

    def _features(self) -> list[str]:
        """Return the features that are enabled."""
        observed = observe_root_access(self._callers)
        found = {CREDENTIALS: observed.credentials, SESSIONS: observed.sessions}
        return [name for name, is_enabled in found.items() if is_enabled]

    def _outputs(self) -> dict[str, str]:
        """Return the stack's outputs, by their keys."""
        stack = self._find_stack()
        if stack is None:
            raise DeploymentError("the stack does not exist")
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def _resource(self, logical_prefix: str, type_: str) -> dict[str, Any]:
        """Return the summary of the stack's resource of a type whose logical ID begins so."""
        pages = self._callers.own("cloudformation").get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=self._callers.names.stack):
            for resource in page["StackResourceSummaries"]:
                is_named = resource["LogicalResourceId"].startswith(logical_prefix)
                if is_named and resource["ResourceType"] == type_:
                    return dict(resource)
        raise DeploymentError(f"the stack has no {logical_prefix}")

    def _find_stack(self) -> dict[str, Any] | None:
        """Return the run's stack; None if there is none, or it is deleted."""
        cloudformation, name = self._callers.own("cloudformation"), self._callers.names.stack
        with ignoring("ValidationError"):
            for stack in cloudformation.describe_stacks(StackName=name)["Stacks"]:
                if stack["StackStatus"] != "DELETE_COMPLETE":
                    return dict(stack)
        return None

    def _delete_bucket(self) -> None:
        """Delete the bucket that the stack retains, with its reports."""
        s3, name = self._callers.own("s3"), self._callers.names.report_bucket
        with ignoring(_NO_BUCKET):
            # The policy denies deletions to all but the functions' roles, which are gone; its
            # removal takes a while to be effective.
            s3.delete_bucket_policy(Bucket=name)
            self._wait(lambda: self._is_bucket_deleted(s3, name))

    def _is_bucket_deleted(self, s3: Any, name: str) -> bool:
        """Delete the bucket with its objects; False if a function has just written another one."""
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                object_ = {"Key": version["Key"], "VersionId": version["VersionId"]}
                self._callers.patiently(functools.partial(s3.delete_object, Bucket=name, **object_))
        with ignoring("BucketNotEmpty"):
            s3.delete_bucket(Bucket=name)
            return True
        return False

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is done.

        Raises:
            DeploymentError: It was not done in half an hour.
        """
        aws = self._callers.aws
        deadline = aws.monotonic() + _MAX_WAIT_SECONDS
        while not is_done():
            if aws.monotonic() > deadline:
                raise DeploymentError("the stack was not deleted in time")
            aws.wait(_PAUSE_SECONDS)

    def _run_program(
        self, arguments: list[str], *, stdout: int | None = None
    ) -> subprocess.CompletedProcess[Any]:
        """Run a program with the run's profile and Region; what it prints goes to the log."""
        names = self._callers.names
        app = {
            "names": vars(names),
            "guardrail": "SERVICE_CONTROL_POLICY" in policy_types(self._callers),
            "security_hub": self._has_security_hub(),
        }
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
            ),
            "AWS_REGION": names.region,
            "AWS_DEFAULT_REGION": names.region,
            APP_VARIABLE: json.dumps(app),
        }
        command = list(arguments)
        if self._profile is not None:
            command += ["--profile", self._profile]
        try:
            with self._log.open("ab") as log:
                return self._run_process(
                    command,
                    cwd=_ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log if stdout is None else stdout,
                    stderr=subprocess.STDOUT if stdout is None else log,
                    timeout=_MAX_PROGRAM_SECONDS,
                    check=False,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            # Not its text, which names the stack and the profile.
            raise DeploymentError(f"a program did not end: {type(error).__name__}") from error
