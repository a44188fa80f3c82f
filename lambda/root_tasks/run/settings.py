"""The settings of the functions. None has a default: one that is missing or misspelled is an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_calls.settings_reader import FunctionSettings, setting

from ..model.report_schema import ItemType, Task
from ..model.run import AcceptedCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping


def _read_acceptance(accepted: Mapping[str, Any]) -> tuple[AcceptedCredentials, ...]:
    return tuple(
        AcceptedCredentials(
            target_id=target_id,
            types=tuple(map(ItemType, entry["types"])),
            reason=entry["reason"],
            until=entry["until"],
        )
        for target_id, entry in accepted.items()
    )


_TASKS = setting(list, parse=lambda names: tuple(map(Task, names)), expected=f"a list of {', '.join(Task)}")
_SET = setting(list, parse=frozenset)
_ACCEPTANCE = setting(dict, parse=_read_acceptance, expected="what is accepted by account or unit")
_LIFETIME = setting(int, key="planLifetimeSeconds", parse=lambda seconds: timedelta(seconds=seconds))


@dataclass(frozen=True, kw_only=True)
class _Settings(FunctionSettings):
    bucket: str = field(metadata=setting(str))


@dataclass(frozen=True, kw_only=True)
class StartRunSettings(_Settings):
    """The settings of the function that starts a run.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts in which no run makes changes.
        root_email_domains: The domains that root users' e-mail addresses may have; empty: any.
        allow_policy_override: Whether the input may give a corrected policy.
        accepted_credentials: What stays on purpose.
    """

    tasks: tuple[Task, ...] = field(metadata=_TASKS)
    protected_accounts: frozenset[str] = field(metadata=_SET)
    accepted_credentials: tuple[AcceptedCredentials, ...] = field(metadata=_ACCEPTANCE)
    root_email_domains: frozenset[str] = field(metadata=_SET)
    allow_policy_override: bool = field(metadata=setting(bool))


@dataclass(frozen=True, kw_only=True)
class StartExecutionSettings(_Settings):
    """The settings of the function that starts the execution of a plan.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts in which no run makes changes.
        plan_lifetime: The maximum age of a plan that is executed.
        audit_state_machine_arn: The state machine that creates the plans.
    """

    tasks: tuple[Task, ...] = field(metadata=_TASKS)
    protected_accounts: frozenset[str] = field(metadata=_SET)
    plan_lifetime: timedelta = field(metadata=_LIFETIME)
    audit_state_machine_arn: str = field(metadata=setting(str))


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
        plan_lifetime: How long a plan can be executed, for its page.
    """

    notification_topic_arn: str | None = field(metadata=setting(str, optional=True))
    security_hub_findings: bool = field(metadata=setting(bool))
    plan_lifetime: timedelta = field(metadata=_LIFETIME)
