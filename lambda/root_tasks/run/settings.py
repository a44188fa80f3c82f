"""The settings of the functions. None has a default: a missing or misspelled one is an error."""

from __future__ import annotations

from dataclasses import dataclass

from common.function_settings import FunctionSettings

from ..model.report_schema import Task
from ..model.run_documents import AcceptedCredentials


@dataclass(frozen=True, kw_only=True)
class RunBatchSettings(FunctionSettings):
    """The settings of a function that runs tasks in batches of accounts, and of all others.

    Attributes:
        bucket: The bucket's name.
    """

    bucket: str


@dataclass(frozen=True, kw_only=True)
class _StartSettings(RunBatchSettings):
    """The settings of both functions that start something.

    Attributes:
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts in which no run makes changes.
        allow_policy_override: Whether a plan may replace a policy.
    """

    tasks: tuple[Task, ...]
    protected_accounts: tuple[str, ...]
    allow_policy_override: bool


@dataclass(frozen=True, kw_only=True)
class StartRunSettings(_StartSettings):
    """The settings of the function that starts a run.

    Attributes:
        accepted_credentials: What stays on purpose.
    """

    accepted_credentials: tuple[AcceptedCredentials, ...]


@dataclass(frozen=True, kw_only=True)
class StartExecutionSettings(_StartSettings):
    """The settings of the function that starts the execution of a plan.

    Attributes:
        audit_state_machine_arn: The state machine that creates the plans.
    """

    audit_state_machine_arn: str


@dataclass(frozen=True, kw_only=True)
class WriteReportSettings(RunBatchSettings):
    """The settings of a function that writes reports.

    Attributes:
        notification_topic_arn: The SNS topic for notices; None without notices.
        security_hub_findings: Whether a full audit imports its findings into Security Hub.
    """

    notification_topic_arn: str | None
    security_hub_findings: bool
