"""The drift check: what it reports, what it repairs, and what it leaves unchanged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from aws_calls.errors import SettingsError
from aws_calls.failures import CallError, Failure, FailureKind
from local_aws.emulation import LocalOrganization, mock_organization
from root_access.desired import desired_state
from root_access.drift import DESCRIBE_STACKS, Services, Settings, StackStatus, check
from root_access.errors import (
    CheckFailedError,
    ConvergenceError,
    NotInAnOrganizationError,
    NotTheManagementAccountError,
    UnknownFeatureError,
)
from support.accounts import MANAGEMENT, MEMBER, OTHER
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access, set_feature, writes
from support.faults.clients import change_before, inject, omit_member
from support.faults.vocabulary import TRUSTED_ACCESS_NOT_VISIBLE
from support.function import BOTH, FakeContext, Function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_calls.retry import RetryBudget

pytestmark = pytest.mark.usefixtures("other_services_unchanged")

STACK_ID = "arn:aws:cloudformation:us-east-1:111111111111:stack/OrganizationBootstrap/5c1e0a60"
BY_INTERVAL = {"detail-type": "Scheduled Event", "source": "aws.events"}
BY_EVENT = {
    "detail-type": "AWS API Call via CloudTrail",
    "source": "aws.iam",
    "detail": {"eventSource": "iam.amazonaws.com", "eventName": "DisableOrganizationsRootSessions"},
}


@dataclass(kw_only=True)
class DriftCheck:
    """The deployed drift check."""

    features: tuple[str, ...] = BOTH
    delegated_administrators: tuple[str, ...] | None = None
    repair: bool = False
    stack_status: StackStatus = field(default=lambda stack_id, *, budget: "UPDATE_COMPLETE")
    function: Function = field(default_factory=Function)
    log: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, event: Mapping[str, Any] = BY_INTERVAL) -> list[Mapping[str, Any]]:
        """Run it, and return the lines of its checks."""
        check(
            event,
            FakeContext(
                invoked_function_arn=f"arn:aws:lambda:us-east-1:{self.function.account_id}:function:Drift",
                remaining_seconds=180,
            ),
            settings=Settings(
                desired=desired_state(
                    features=self.features, delegated_administrators=self.delegated_administrators
                ),
                repaired_stack_id=STACK_ID if self.repair else None,
            ),
            services=Services(
                clients=self.function.clients,
                stack_status=self.stack_status,
                clock=self.function.time.clock(),
                wall_clock=lambda: 1_800_000_000.5,
                log=lambda **line: self.log.append(json.loads(json.dumps(line))),
            ),
        )
        return self.checks()

    def checks(self) -> list[Mapping[str, Any]]:
        """Return the lines of its checks."""
        return [line for line in self.log if line["event"] == "checked"]


def test_an_organization_as_listed_is_one_line_with_the_metric_at_1(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    (line,) = DriftCheck(delegated_administrators=(MEMBER,))()
    since = organization.root_access().trusted_access[PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert line == {
        "_aws": {
            "Timestamp": 1_800_000_000_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "CentralizedRootAccess",
                    "Dimensions": [["OrganizationId"]],
                    "Metrics": [{"Name": "InDesiredState", "Unit": "Count"}],
                }
            ],
        },
        "OrganizationId": organization.id,
        "InDesiredState": 1,
        "event": "checked",
        "trigger": "interval",
        "status": "ENABLED",
        "organizationId": organization.id,
        "managementAccountId": MANAGEMENT,
        "trustedAccessEnabledAt": since,
        "features": sorted(BOTH),
        "delegatedAdministrators": [MEMBER],
        "deviations": [],
    }
    assert writes(organization) == []


def test_each_deviation_is_reported_in_words(organization: LocalOrganization) -> None:
    enable_root_access(organization, SESSIONS, delegated_administrators=[OTHER])
    (line,) = DriftCheck(features=(CREDENTIALS,), delegated_administrators=(MEMBER,))()
    assert line["InDesiredState"] == 0
    assert line["deviations"] == [
        "RootCredentialsManagement is disabled",
        "RootSessions is enabled but not listed",
        f"{MEMBER} is listed but not registered",
        f"{OTHER} is registered but not listed",
    ]


def test_trusted_access_that_is_disabled_is_a_deviation(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH, hidden=True)
    (line,) = DriftCheck()()
    assert line["deviations"][0] == "trusted access for iam.amazonaws.com is disabled"
    assert line["status"] == "DISABLED"


def test_what_a_delegated_administrator_disabled_is_noticed(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    set_feature(organization, SESSIONS, enabled=False, account_id=MEMBER)
    (line,) = DriftCheck()()
    assert line["deviations"] == ["RootSessions is disabled"]


@pytest.mark.parametrize("event", [BY_INTERVAL, BY_EVENT], ids=["interval", "event"])
def test_without_repair_nothing_is_written(organization: LocalOrganization, event: Mapping[str, Any]) -> None:
    DriftCheck()(event)
    assert writes(organization) == []


def test_an_event_checks_and_reports_and_does_not_repair(organization: LocalOrganization) -> None:
    (line,) = DriftCheck(repair=True)(BY_EVENT)
    assert line["trigger"] == "DisableOrganizationsRootSessions"
    assert line["InDesiredState"] == 0
    assert writes(organization) == []


def test_the_interval_repairs_and_reports_before_and_after(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    set_feature(organization, SESSIONS, enabled=False)
    organization.clear_calls()
    before, after = DriftCheck(repair=True)()
    assert (before["InDesiredState"], after["InDesiredState"]) == (0, 1)
    assert before["deviations"] == ["RootSessions is disabled"]
    assert after["deviations"] == []
    assert writes(organization) == ["EnableOrganizationsRootSessions"]


def test_repair_enables_trusted_access_and_leaves_an_unlisted_feature_that_comes_back_with_it(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, hidden=True)
    _, after = DriftCheck(features=(CREDENTIALS,), repair=True)()
    assert writes(organization) == ["EnableAWSServiceAccess"]
    assert after["deviations"] == ["RootSessions is enabled but not listed"]
    assert after["InDesiredState"] == 0


def test_repair_changes_no_delegated_administrator(organization: LocalOrganization) -> None:
    """Somebody may have removed one on purpose, in an incident."""
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[OTHER])
    DriftCheck(delegated_administrators=(MEMBER,), repair=True)()
    assert organization.root_access().delegated_administrators == (OTHER,)
    assert writes(organization) == ["EnableOrganizationsRootSessions"]


def test_repair_disables_nothing(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    DriftCheck(features=(), repair=True)()
    assert organization.root_access().features == set(BOTH)
    assert writes(organization) == []


@pytest.mark.parametrize(
    "status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"]
)
def test_repair_waits_for_the_stack(organization: LocalOrganization, status: str) -> None:
    drift_check = DriftCheck(repair=True, stack_status=lambda stack_id, *, budget: status)
    drift_check()
    assert writes(organization) == []
    assert drift_check.log[-1] == {"event": "repair_skipped", "reason": f"the stack is in {status}"}


def test_a_repair_in_parallel_with_somebody_elses_change_converges_all_the_same(
    organization: LocalOrganization,
) -> None:
    drift_check = DriftCheck(repair=True)
    enable_root_access(organization, CREDENTIALS)
    change_before(
        drift_check.function.on_event,
        "iam:EnableOrganizationsRootSessions",
        lambda: set_feature(organization, CREDENTIALS, enabled=False),
    )
    drift_check()
    assert organization.root_access().features == set(BOTH)


def test_a_repair_that_is_denied_says_which_call(organization: LocalOrganization) -> None:
    organization.deny(account_id=MANAGEMENT, action="organizations:EnableAWSServiceAccess")
    with pytest.raises(ConvergenceError) as raised:
        DriftCheck(repair=True)()
    assert raised.value.failure.operation == "organizations:EnableAWSServiceAccess"
    assert raised.value.failure.kind is FailureKind.ACCESS_DENIED


@pytest.mark.parametrize(
    "action", ["iam:ListOrganizationsFeatures", "organizations:ListDelegatedAdministrators"]
)
def test_a_denied_read_is_a_failed_check_and_no_metric(organization: LocalOrganization, action: str) -> None:
    organization.deny(account_id=MANAGEMENT, action=action)
    drift_check = DriftCheck(repair=True)
    with pytest.raises(CheckFailedError, match=r"could not read root access: .* AccessDenied") as raised:
        drift_check()
    assert raised.value.failure.operation == action
    assert raised.value.account_id == MANAGEMENT
    assert drift_check.log == []
    assert writes(organization) == []


def test_the_wrong_account_is_a_failed_check(organization: LocalOrganization) -> None:
    drift_check = DriftCheck(function=Function(account_id=MEMBER))
    with pytest.raises(NotTheManagementAccountError):
        drift_check()
    assert drift_check.log == []


def test_an_organization_that_is_gone_is_a_failed_check() -> None:
    with mock_organization() as organization:
        organization.delete()
        drift_check = DriftCheck()
        with pytest.raises(NotInAnOrganizationError):
            drift_check()
        assert drift_check.log == []


def test_contradictory_reads_are_unknown_and_not_disabled(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(repair=True)
    inject(drift_check.function.on_event, "iam:ListOrganizationsFeatures", TRUSTED_ACCESS_NOT_VISIBLE)
    with pytest.raises(CheckFailedError) as raised:
        drift_check()
    assert raised.value.failure.kind is FailureKind.INCONSISTENT_READS
    assert drift_check.log == []
    assert writes(organization) == []


def test_a_stack_whose_status_cannot_be_read_is_not_repaired(
    organization: LocalOrganization,
) -> None:
    def deny(stack_id: str, *, budget: RetryBudget) -> str:
        raise CallError(
            Failure(
                operation=DESCRIBE_STACKS,
                kind=FailureKind.ACCESS_DENIED,
                code="AccessDenied",
                message=stack_id,
            )
        )

    with pytest.raises(CheckFailedError) as raised:
        DriftCheck(repair=True, stack_status=deny)()
    assert raised.value.failure.operation == DESCRIBE_STACKS
    assert writes(organization) == []


def test_features_that_are_missing_in_the_response_are_unknown_and_not_repaired(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(repair=True)
    omit_member(drift_check.function.on_event, "iam:ListOrganizationsFeatures", "EnabledFeatures")
    with pytest.raises(CheckFailedError, match="unknown, which is not the same as disabled") as raised:
        drift_check()
    assert raised.value.failure.kind is FailureKind.INCOMPLETE_RESPONSE
    assert drift_check.log == []
    assert writes(organization) == []


SETTINGS = {"features": ["RootSessions"], "delegatedAdministrators": [MEMBER], "repairedStackId": STACK_ID}


def test_the_settings_come_from_the_functions_environment() -> None:
    assert Settings.from_environment({"SETTINGS": json.dumps(SETTINGS)}) == Settings(
        desired=desired_state(features=[SESSIONS], delegated_administrators=[MEMBER]),
        repaired_stack_id=STACK_ID,
    )


def test_delegated_administrators_and_repair_may_be_null() -> None:
    settings = SETTINGS | {"delegatedAdministrators": None, "repairedStackId": None}
    assert Settings.from_environment({"SETTINGS": json.dumps(settings)}) == Settings(
        desired=desired_state(features=[SESSIONS]), repaired_stack_id=None
    )


@pytest.mark.parametrize("key", SETTINGS)
def test_a_missing_setting_is_an_error_and_has_no_default(key: str) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != key}
    with pytest.raises(SettingsError, match=f"has no {key}"):
        Settings.from_environment({"SETTINGS": json.dumps(settings)})


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(SettingsError, match="unknown keys: repaired"):
        Settings.from_environment({"SETTINGS": json.dumps(SETTINGS | {"repaired": True})})


def test_an_unknown_feature_in_the_settings_is_an_error() -> None:
    with pytest.raises(UnknownFeatureError):
        Settings.from_environment({"SETTINGS": json.dumps(SETTINGS | {"features": ["RootPasswords"]})})
