"""The deployed RootTasks of a command, found by the outputs and the resources of its stack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws_calls.failures import CallError, FailureKind
from common.arn import Arn
from root_tasks.messages import HOW_TO_DEPLOY

from ...base.enums import TASK_IDS
from ..base.caller import Caller
from ..base.command_errors import CommandError, NoDeploymentError

_MAX_SECONDS = 120.0
# Folders of the bucket, for the runs of each state machine.
AUDIT_FOLDER, EXECUTE_FOLDER = ("runs", "executions")
_AUDIT_SUFFIX = "AuditStateMachineArn"
_STATE_MACHINE_SUFFIXES = {AUDIT_FOLDER: _AUDIT_SUFFIX, EXECUTE_FOLDER: "ExecuteStateMachineArn"}
_BUCKET_SUFFIX = "Bucket"
# The roles of the functions that open root sessions; those that unlock plan in sessions of their
# own.
_SESSION_ROLE_SUFFIXES = tuple(
    f"{plan}{id_}RoleArn" for id_ in TASK_IDS.values() for plan in ("", "Plan")
)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A RootTasks construct, as its stack's outputs name it.

    Attributes:
        stack: The stack's name.
        stack_id: Its ARN.
        construct_id: What the outputs' keys begin with.
        state_machine_arns: The state machines, by their folder: one for read-only runs and, if a
            task makes changes, one for these.
        bucket: The bucket of the reports.
        session_role_arns: The roles that open root sessions.
    """

    stack: str
    stack_id: str
    construct_id: str
    state_machine_arns: Mapping[str, str]
    bucket: str
    session_role_arns: tuple[str, ...]

    @property
    def account_id(self) -> str:
        """The account that owns the state machines and the bucket."""
        return Arn.parse(self.state_machine_arns[AUDIT_FOLDER]).account_id


def find_deployment(caller: Caller, *, stack: str | None) -> Deployment:
    """Return the one RootTasks of a stack, or of all stacks of the caller's account and Region.

    Args:
        caller: The caller.
        stack: A stack by its name or ARN, or with the construct in it as stack:construct; None to
            look at all.

    Raises:
        CallError: The stacks cannot be read.
        NoDeploymentError: There is none.
        CommandError: There is more than one, the stack does not have what its outputs name, or the
            caller may not read all stacks.
    """
    words = (stack or "").split(":")
    # The ARN of a stack has five colons of its own.
    words_of_stack = 6 if words[0] == "arn" else 1
    name, construct_id = ":".join(words[:words_of_stack]), ":".join(words[words_of_stack:])
    # The keys of outputs have only the letters and digits of an ID.
    id_in_outputs = re.sub("[^A-Za-z0-9]", "", construct_id)
    deployments = [
        deployment
        for deployment in _deployments(_stacks(caller, name))
        if id_in_outputs in ("", deployment.construct_id)
    ]
    # A command works with one; of several, a person has to say which.
    if len(deployments) == 1:
        _require_resources(caller, deployments[0])
        return deployments[0]
    if deployments:
        names = (
            f"--stack {deployment.stack}:{deployment.construct_id}" for deployment in deployments
        )
        raise CommandError(
            f"RootTasks is deployed more than once. Choose one: {' or '.join(names)}"
        )
    missing = f"RootTasks in stack {stack}" if stack else "RootTasks"
    raise NoDeploymentError(
        f"There is no {missing} of account {caller.account_id} in {caller.region}. It may be "
        "in the delegated administrator's account: use --profile and --region for where it is "
        f"deployed. If it is not deployed yet, deploy it. {HOW_TO_DEPLOY}"
    )


def _require_resources(caller: Caller, deployment: Deployment) -> None:
    """Refuse a stack without what its outputs name: its creator can write anything there.

    Raises:
        CommandError: A state machine or the bucket is not one of the stack's resources.
        CallError: The resources cannot be read.
    """
    listed = caller.calls(seconds=_MAX_SECONDS).pages(
        "cloudformation:ListStackResources",
        items="StackResourceSummaries",
        StackName=deployment.stack_id,
    )
    resources = {
        (resource["ResourceType"], resource.get("PhysicalResourceId")) for resource in listed
    }
    # The roles may be precreated, so they are not among these.
    named = {
        ("AWS::StepFunctions::StateMachine", arn) for arn in deployment.state_machine_arns.values()
    }
    named.add(("AWS::S3::Bucket", deployment.bucket))
    foreign = sorted(name for _, name in named - resources)
    if foreign:
        raise CommandError(
            f"The outputs of stack {deployment.stack} in {caller.region} name "
            f"{' and '.join(foreign)}, which the stack does not have: this is not a stack of "
            "RootTasks. Choose another one: --stack STACK."
        )


def _stacks(caller: Caller, name: str) -> Iterator[Any]:
    """Yield a stack as AWS describes it, or without a name all stacks of the account and Region.

    There is none if AWS has no stack of this name.
    """
    chosen = {"StackName": name} if name else {}
    try:
        yield from caller.calls(seconds=_MAX_SECONDS).pages(
            "cloudformation:DescribeStacks", items="Stacks", **chosen
        )
    except CallError as error:
        if not name and error.failure.kind is FailureKind.ACCESS_DENIED:
            raise CommandError(
                "These credentials may not read all stacks, which is right for those of "
                "grant_plan, grant_execute and grant_read_reports. Name the stack: --stack STACK."
            ) from error
        # AWS has this error for a name that no stack has.
        if not name or error.failure.name != "ValidationError":
            raise


def _deployments(stacks: Iterable[Mapping[str, Any]]) -> Iterator[Deployment]:
    """Yield each RootTasks of stacks.

    For example, outputs with the keys TasksAuditStateMachineArn and TasksBucket are those of the
    construct with the ID Tasks.
    """
    for stack in stacks:
        outputs = {
            output["OutputKey"]: output.get("OutputValue", "")
            for output in stack.get("Outputs", ())
        }
        # Each RootTasks in it has outputs whose keys begin with its ID.
        for construct_id in (
            key.removesuffix(_AUDIT_SUFFIX) for key in outputs if key.endswith(_AUDIT_SUFFIX)
        ):
            # Such as Bucket, of the key TasksBucket.
            outputs_by_suffix = {
                key.removeprefix(construct_id): value for key, value in outputs.items()
            }
            # Without a bucket, the output of another construct happens to be called so.
            if not outputs_by_suffix.get(_BUCKET_SUFFIX):
                continue
            arns = {
                folder: outputs_by_suffix[key]
                for folder, key in _STATE_MACHINE_SUFFIXES.items()
                if key in outputs_by_suffix
            }
            yield Deployment(
                stack=stack["StackName"],
                stack_id=stack["StackId"],
                construct_id=construct_id,
                state_machine_arns=arns,
                bucket=outputs_by_suffix[_BUCKET_SUFFIX],
                session_role_arns=tuple(
                    outputs_by_suffix[key]
                    for key in _SESSION_ROLE_SUFFIXES
                    if key in outputs_by_suffix
                ),
            )
