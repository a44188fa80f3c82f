"""The settings of the functions. None has a default: a missing or misspelled one is an error."""

from __future__ import annotations

from dataclasses import dataclass

from common.function_settings import FunctionSettings

from ..model.report_schema import Task
from ..model.run_documents import AcceptedCredentials


@dataclass(frozen=True, kw_only=True)
class _Settings(FunctionSettings):
    bucket: str


@dataclass(frozen=True, kw_only=True)
class StartRunSettings(_Settings):
    """The settings of the function that starts a run.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts in which no run makes changes.
        root_email_domains: The domains that root users' e-mail addresses may have; empty: any.
        allow_policy_override: Whether a plan may replace a policy.
        accepted_credentials: What stays on purpose.
    """

    tasks: tuple[Task, ...]
    protected_accounts: tuple[str, ...]
    accepted_credentials: tuple[AcceptedCredentials, ...]
    root_email_domains: tuple[str, ...]
    allow_policy_override: bool


@dataclass(frozen=True, kw_only=True)
class StartExecutionSettings(_Settings):
    """The settings of the function that starts the execution of a plan.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts in which no run makes changes.
        root_email_domains: The domains that root users' e-mail addresses may have; empty: any.
        allow_policy_override: Whether a plan may replace a policy.
        audit_state_machine_arn: The state machine that creates the plans.
    """

    tasks: tuple[Task, ...]
    protected_accounts: tuple[str, ...]
    root_email_domains: tuple[str, ...]
    allow_policy_override: bool
    audit_state_machine_arn: str


@dataclass(frozen=True, kw_only=True)
class RunBatchSettings(_Settings):
    """The settings of a function that runs tasks in batches of accounts.

    Attributes:
        bucket: The bucket's name.
    """


@dataclass(frozen=True, kw_only=True)
class WriteReportSettings(_Settings):
    """The settings of a function that writes reports.

    Attributes:
        bucket: The bucket's name.
        notification_topic_arn: The SNS topic for notices; None without notices.
        security_hub_findings: Whether a full audit imports its findings into Security Hub.
    """

    notification_topic_arn: str | None
    security_hub_findings: bool
