"""The settings of the functions. None has a default: one that is missing or misspelt is an error."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from aws_calls.settings import SettingsError, read_settings

from ..model.report import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(eq=False, kw_only=True)
class InvalidSettingError(SettingsError):
    """Raised for a setting that has a value of another type.

    Attributes:
        key: The setting.
        value: Its value.
        expected: What it must be.
    """

    key: str
    value: object
    expected: str

    def __str__(self) -> str:
        return (
            f"The setting {self.key} must be {self.expected}, got {self.value!r}. "
            "Deploy the construct and its function in the same version."
        )


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """How a setting is written, and read.

    Attributes:
        key: Its key.
        type: The type of its value in JSON.
        parse: Returns it from such a value, or raises ValueError.
        expected: What its value must be.
        optional: Whether its value may be null.
    """

    key: str
    type: type
    parse: Callable[[Any], Any] = lambda value: value
    expected: str = ""
    optional: bool = False

    def read(self, value: object) -> Any:
        """Return the setting from its value in JSON.

        Raises:
            InvalidSettingError: It is of another type.
        """
        if value is None and self.optional:
            return None
        try:
            # Not isinstance: true is an int.
            if type(value) is self.type:
                return self.parse(value)
        except ValueError:
            pass
        expected = self.expected or f"a value of type {self.type.__name__}"
        raise InvalidSettingError(key=self.key, value=value, expected=expected)


_SETTINGS: Mapping[str, _Setting] = {
    "bucket": _Setting(key="bucket", type=str),
    "tasks": _Setting(
        key="tasks",
        type=list,
        parse=lambda names: tuple(map(Task, names)),
        expected=f"a list of {', '.join(Task)}",
    ),
    "protected_accounts": _Setting(key="protectedAccounts", type=list, parse=frozenset),
    "allow_policy_override": _Setting(key="allowPolicyOverride", type=bool),
    "plan_lifetime": _Setting(
        key="planLifetimeSeconds", type=int, parse=lambda seconds: timedelta(seconds=seconds)
    ),
    "audit_state_machine_arn": _Setting(key="auditStateMachineArn", type=str),
    "security_hub_findings": _Setting(key="securityHubFindings", type=bool),
    "notification_topic_arn": _Setting(key="notificationTopicArn", type=str, optional=True),
}


@dataclass(frozen=True, kw_only=True)
class _Settings:
    bucket: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = {field.name: _SETTINGS[field.name] for field in dataclasses.fields(cls)}
        values = read_settings(environment, keys=[setting.key for setting in settings.values()])
        return cls(**{name: setting.read(values[setting.key]) for name, setting in settings.items()})


@dataclass(frozen=True, kw_only=True)
class StartRunSettings(_Settings):
    """The settings of the function that starts a run.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts that are excluded from every task.
        allow_policy_override: Whether the input may give a corrected policy.
    """

    tasks: tuple[Task, ...]
    protected_accounts: frozenset[str]
    allow_policy_override: bool


@dataclass(frozen=True, kw_only=True)
class StartExecutionSettings(_Settings):
    """The settings of the function that starts the execution of a plan.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts that are excluded from every task.
        plan_lifetime: The maximum age of a plan that is executed.
        audit_state_machine_arn: The state machine that creates the plans.
    """

    tasks: tuple[Task, ...]
    protected_accounts: frozenset[str]
    plan_lifetime: timedelta
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
        notification_topic_arn: The SNS topic for notices; None where nobody is notified.
        security_hub_findings: Whether a full audit imports its findings into Security Hub.
        plan_lifetime: How long a plan can be executed, for its page.
    """

    notification_topic_arn: str | None
    security_hub_findings: bool
    plan_lifetime: timedelta
