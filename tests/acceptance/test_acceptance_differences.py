"""An AWS that differs from what is assumed is found, by the case that is about the difference."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from moto.core.responses import ActionResult, EmptyResult

from acceptance.cases import all_cases
from acceptance.model import Verdict
from acceptance.runner import run_cases, sort_cases
from local_aws.emulation import iam, requests, sts
from local_aws.emulation.authorization import access_denied_message
from local_aws.emulation.errors import AwsError
from local_aws.emulation.iam import EmulatedIamResponse, _RootUserResponse
from local_aws.emulation.organizations import EmulatedOrganizationsResponse
from local_aws.emulation.records import IAM_SERVICE_PRINCIPAL, OrganizationRecords
from local_aws.emulation.state import Emulation, current_emulation
from local_aws.emulation.sts import EmulatedStsResponse
from local_aws.emulation.task_policies import TASK_POLICIES, Feature
from support.acceptance import EVERYTHING, enable_policies, scene_of

if TYPE_CHECKING:
    from pathlib import Path

    from local_aws.emulation import LocalOrganization

CASES = {case.name: case for case in all_cases()}
AUDIT = "IAMAuditRootUserCredentials"

Plant = Callable[[pytest.MonkeyPatch], object]


def replace(owner: Any, name: str, value: Any) -> Plant:
    """Return what replaces an attribute."""
    return lambda patch: patch.setattr(owner, name, value)


def features_end_with_trusted_access(patch: pytest.MonkeyPatch) -> None:
    disable = EmulatedOrganizationsResponse.disable_aws_service_access

    def disable_all(self: EmulatedOrganizationsResponse) -> ActionResult:
        response = disable(self)
        self.emulation.features.clear()
        return response

    patch.setattr(EmulatedOrganizationsResponse, "disable_aws_service_access", disable_all)


def disabling_ignores_delegates(self: EmulatedOrganizationsResponse) -> ActionResult:
    self.organization.disable_trusted_access(IAM_SERVICE_PRINCIPAL)
    return ActionResult({})


def delegate_enables(self: EmulatedIamResponse, feature: Feature) -> ActionResult:
    self._require_administrator()
    self.emulation.features.add(feature)
    return self._features()


def only_management_disables(self: EmulatedIamResponse, feature: Feature) -> ActionResult:
    return self._enable(feature) if self.account_id != "111111111111" else disable(self, feature)


def disable(self: EmulatedIamResponse, feature: Feature) -> ActionResult:
    self.emulation.features.discard(feature)
    return self._features()


def enabling_again_fails(self: EmulatedIamResponse, feature: Feature) -> ActionResult:
    if feature in self.emulation.features:
        raise AwsError("ConcurrentModificationException", "It is enabled already.")
    return delegate_enables(self, feature)


def list_nothing(self: EmulatedIamResponse) -> ActionResult:
    return ActionResult({"OrganizationId": self.emulation.organization.id, "EnabledFeatures": []})


def code_without_suffix(patch: pytest.MonkeyPatch) -> None:
    require = EmulatedIamResponse._require_administrator

    def require_administrator(self: EmulatedIamResponse) -> None:
        try:
            require(self)
        except AwsError as error:
            raise AwsError(str(error.code).removesuffix("Exception"), str(error.message)) from error

    patch.setattr(EmulatedIamResponse, "_require_administrator", require_administrator)


def audits_need_root_sessions(patch: pytest.MonkeyPatch) -> None:
    arn = f"arn:aws:iam::aws:policy/root-task/{AUDIT}"
    changed = dataclasses.replace(TASK_POLICIES[arn], needs=Feature.ROOT_SESSIONS)
    patch.setattr(sts, "TASK_POLICIES", {**TASK_POLICIES, arn: changed})


def delegates_are_hidden(patch: pytest.MonkeyPatch) -> None:
    list_them = EmulatedOrganizationsResponse.list_delegated_administrators

    def refuse(self: EmulatedOrganizationsResponse) -> ActionResult:
        if not self.emulation.has_trusted_access:
            raise AwsError("AccessDeniedException", "Trusted access is disabled.")
        return list_them(self)

    patch.setattr(EmulatedOrganizationsResponse, "list_delegated_administrators", refuse)


def accounts_without_status(patch: pytest.MonkeyPatch) -> None:
    describe = OrganizationRecords.describe_accounts

    def describe_accounts(self: Any, account_ids: Any) -> list[dict[str, object]]:
        return [
            {key: value for key, value in account.items() if key != "Status"}
            for account in describe(self, account_ids)
        ]

    patch.setattr(OrganizationRecords, "describe_accounts", describe_accounts)


def root_user_has_a_path(patch: pytest.MonkeyPatch) -> None:
    get_user = _RootUserResponse.get_user

    def with_path(self: _RootUserResponse) -> ActionResult:
        response = get_user(self)
        response.result["User"]["Path"] = "/"
        return response

    patch.setattr(_RootUserResponse, "get_user", with_path)


def second_password_replaces_the_first(self: _RootUserResponse) -> ActionResult:
    self._root_user.password_created_at = self.received_at
    return self._login_profile()


def denial_without_the_policy(**values: Any) -> str:
    reason = str(values["reason"])
    return access_denied_message(**{**values, "reason": reason.partition(": arn:")[0]})


def delete_nothing(self: _RootUserResponse) -> ActionResult:
    del self
    return EmptyResult()


# What lets the emulation differ, and the cases that have to notice.
DIFFERENCES: dict[str, tuple[Plant, *tuple[str, ...]]] = {
    "features end with trusted access": (
        features_end_with_trusted_access,
        "disabling and enabling trusted access restores the features",
    ),
    "trusted access ends with a delegate registered": (
        replace(EmulatedOrganizationsResponse, "disable_aws_service_access", disabling_ignores_delegates),
        "trusted access cannot be disabled while a delegated administrator is registered",
    ),
    "a delegate may enable features": (
        replace(EmulatedIamResponse, "_enable", delegate_enables),
        "a delegated administrator cannot enable RootCredentialsManagement",
        "a delegated administrator cannot enable RootSessions",
    ),
    "a delegate may not disable features": (
        replace(EmulatedIamResponse, "_disable", only_management_disables),
        "a delegated administrator can disable a feature",
        "a delegated administrator can disable RootSessions as well",
    ),
    "enabling twice fails": (
        replace(EmulatedIamResponse, "_enable", enabling_again_fails),
        "enabling RootCredentialsManagement again succeeds",
        "enabling RootSessions again succeeds",
    ),
    "the list of features is empty rather than refused": (
        replace(EmulatedIamResponse, "list_organizations_features", list_nothing),
        "features cannot be listed without trusted access",
        "a plain member cannot list the features",
    ),
    "features are listed in alphabetical order": (
        replace(iam, "in_listed_order", sorted),
        "features are listed neither in the order in which they were enabled nor in alphabetical order",
    ),
    "codes have no suffix": (
        code_without_suffix,
        "features cannot be listed without trusted access",
        "a plain member cannot list the features",
        "enabling RootSessions without trusted access is refused",
    ),
    "audits need the other feature": (
        audits_need_root_sessions,
        f"RootCredentialsManagement alone is enough for {AUDIT}",
        f"RootSessions alone is not enough for {AUDIT}",
    ),
    "sessions may last an hour": (
        replace(sts, "_MAX_SESSION_SECONDS", 3600),
        "a root session is at most 900 seconds long",
        f"RootCredentialsManagement alone is enough for {AUDIT}",
    ),
    "the management account is a target": (
        replace(EmulatedStsResponse, "_require_reach", lambda *_: None),
        "the management account is not a valid target, everything enabled",
        "an account of another organization is not a valid target",
    ),
    "the global endpoint has AssumeRoot": (
        replace(sts, "_GLOBAL_HOST", "sts.example.com"),
        "the global endpoint does not have AssumeRoot",
    ),
    "disabled trusted access is effective at once": (
        replace(Emulation, "is_trusted_access_in_effect", lambda self: self.has_trusted_access),
        "AssumeRoot works 0 seconds after trusted access was disabled",
        "AssumeRoot works 60 seconds after trusted access was disabled",
    ),
    "a deregistered account is never let in again": (
        replace(Emulation, "record_deregistration", lambda *_: None),
        "a deregistered account is allowed AssumeRoot again at 15 seconds",
    ),
    "delegates cannot be listed while trusted access is disabled": (
        delegates_are_hidden,
        "no delegated administrators are listed while trusted access is disabled",
    ),
    "IAM has one delegated administrator at most": (
        lambda _: setattr(current_emulation(), "delegated_administrator_limit", 1),
        "a second account can be registered",
    ),
    "accounts have no Status": (accounts_without_status, "each account still has a Status"),
    "root users have a path": (root_user_has_a_path, "the root user has neither name nor path"),
    "a second password replaces the first": (
        replace(_RootUserResponse, "create_login_profile", second_password_replaces_the_first),
        "a second root password is refused",
        "a session that allows recovery cannot choose the password",
    ),
    "a deletion succeeds without an effect": (
        replace(_RootUserResponse, "delete_login_profile", delete_nothing),
        "a root password can be deleted",
        "deleting a missing password is NoSuchEntity",
    ),
    "task policies allow everything": (
        replace(_RootUserResponse, "_task_policy_allows", lambda *_: True),
        "a session that audits cannot delete the password",
        "a session that deletes cannot get the account's summary",
    ),
    "policies of the organization do not apply to root sessions": (
        replace(requests, "reason_of_policy_denial", lambda *_, **__: None),
        "a policy without the exemption denies an audit, and the response names the policy",
        "a root session counts as one without MFA: BoolIfExists false denies",
        "a policy on the creation of passwords denies the recovery",
    ),
    "a denial does not name its policy": (
        replace(requests, "access_denied_message", denial_without_the_policy),
        "a policy without the exemption denies an audit, and the response names the policy",
    ),
}


def run(organization: LocalOrganization, folder: Path, names: list[str]) -> dict[str, Verdict]:
    enable_policies(organization)
    cases = sort_cases(CASES[name] for name in names)
    results = run_cases(cases, scene_of(organization, folder), EVERYTHING, settling_seconds=0)
    return {result.case.name: result.verdict for result in results}


# moto warns of codes that AWS does not have; one of these differences is about them.
@pytest.mark.filterwarnings("ignore:.*does not match an error shape:UserWarning")
@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_planted_difference_is_found_by_the_cases_about_it(
    organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    plant, *found_by = DIFFERENCES[name]
    plant(monkeypatch)
    assert run(organization, tmp_path, found_by) == dict.fromkeys(found_by, Verdict.DIFFERENT)
