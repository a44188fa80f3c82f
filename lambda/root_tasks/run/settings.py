"""The settings of the functions. None has a default: one that is missing or misspelt is an error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from aws_calls.settings import SettingsError, read_settings

from ..model.report import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class InvalidSettingError(SettingsError):
    """Raised for a setting that has a value of another type.

    Attributes:
        key: The setting.
        value: Its value.
    """

    def __init__(self, *, key: str, value: object, expected: str) -> None:
        super().__init__(
            f"The setting {key} must be {expected}, got {value!r}. "
            "Deploy the construct and its function in the same version."
        )
        self.key = key
        self.value = value


@dataclass(frozen=True, kw_only=True)
class StartRunSettings:
    """The settings of the function that starts a run.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts that are excluded from every task.
        allow_policy_override: Whether the input may give a corrected policy.
    """

    bucket: str
    tasks: tuple[Task, ...]
    protected_accounts: frozenset[str]
    allow_policy_override: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StartRunSettings:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = read_settings(
            environment, keys=("bucket", "tasks", "protectedAccounts", "allowPolicyOverride")
        )
        return cls(
            bucket=_setting(settings, "bucket", str),
            tasks=_tasks(settings),
            protected_accounts=frozenset(_setting(settings, "protectedAccounts", list)),
            allow_policy_override=_setting(settings, "allowPolicyOverride", bool),
        )


@dataclass(frozen=True, kw_only=True)
class StartExecutionSettings:
    """The settings of the function that starts the execution of a plan.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts that are excluded from every task.
        plan_lifetime: The maximum age of a plan that is executed.
        audit_state_machine_arn: The state machine that creates the plans.
    """

    bucket: str
    tasks: tuple[Task, ...]
    protected_accounts: frozenset[str]
    plan_lifetime: timedelta
    audit_state_machine_arn: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StartExecutionSettings:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = read_settings(
            environment,
            keys=("bucket", "tasks", "protectedAccounts", "planLifetimeSeconds", "auditStateMachineArn"),
        )
        return cls(
            bucket=_setting(settings, "bucket", str),
            tasks=_tasks(settings),
            protected_accounts=frozenset(_setting(settings, "protectedAccounts", list)),
            plan_lifetime=timedelta(seconds=_setting(settings, "planLifetimeSeconds", int)),
            audit_state_machine_arn=_setting(settings, "auditStateMachineArn", str),
        )


@dataclass(frozen=True, kw_only=True)
class RunBatchSettings:
    """The settings of a function that runs tasks in batches of accounts.

    Attributes:
        bucket: The bucket's name.
    """

    bucket: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> RunBatchSettings:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = read_settings(environment, keys=("bucket",))
        return cls(bucket=_setting(settings, "bucket", str))


@dataclass(frozen=True, kw_only=True)
class WriteReportSettings:
    """The settings of a function that writes reports.

    Attributes:
        bucket: The bucket's name.
        notification_topic_arn: The SNS topic for notices; None where nobody is notified.
        plan_lifetime: How long a plan can be executed, for its page.
    """

    bucket: str
    notification_topic_arn: str | None
    plan_lifetime: timedelta

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> WriteReportSettings:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = read_settings(environment, keys=("bucket", "notificationTopicArn", "planLifetimeSeconds"))
        topic_arn = settings["notificationTopicArn"]
        return cls(
            bucket=_setting(settings, "bucket", str),
            notification_topic_arn=None
            if topic_arn is None
            else _setting(settings, "notificationTopicArn", str),
            plan_lifetime=timedelta(seconds=_setting(settings, "planLifetimeSeconds", int)),
        )


def _tasks(settings: Mapping[str, Any]) -> tuple[Task, ...]:
    tasks = _setting(settings, "tasks", list)
    if unknown := [name for name in tasks if name not in list(Task)]:
        raise InvalidSettingError(key="tasks", value=unknown, expected=f"a list of {', '.join(Task)}")
    return tuple(Task(name) for name in tasks)


def _setting(settings: Mapping[str, Any], key: str, type_: type[T]) -> T:
    value = settings[key]
    # Not isinstance: true is an int.
    if type(value) is not type_:
        raise InvalidSettingError(key=key, value=value, expected=f"a value of type {type_.__name__}")
    return value
