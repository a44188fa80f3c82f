"""`centralized-root-access status`: the root access of an organization, and what differs."""

import json
import re
from typing import Any

import pytest

from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import (
    IAM_PRINCIPAL,
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    enable_root_access,
    paste,
    write_calls,
)
from support.command_line import CommandLine, change_each_client
from support.drift_check import DriftCheck, cloudtrail_event
from support.faults.clients import omit_member
from support.function import BOTH_FEATURES
from support.notices import text_by_mail


@pytest.fixture
def organization(organization: LocalOrganization, command_line: CommandLine) -> LocalOrganization:
    """Return the organization before root access was enabled in it."""
    organization.reset()
    return organization


def test_an_organization_as_listed_exits_0_and_shows_since_when(
    organization: LocalOrganization, command_line: CommandLine
) -> None:
    enable_root_access(organization, *BOTH_FEATURES, delegated_administrators=[MEMBER])
    organization.clear_calls()
    shown = command_line.run("status")
    since = organization.root_access().trusted_access[IAM_PRINCIPAL].strftime("%Y-%m-%d %H:%M UTC")
    assert shown.exit_code == 0, shown.stderr
    assert shown.lines == [
        f"ENABLED: organization {organization.id}, management account {MANAGEMENT}",
        f"  trusted access for iam.amazonaws.com  enabled since {since}",
        "  RootCredentialsManagement             enabled",
        "  RootSessions                          enabled",
        f"  delegated administrators              {MEMBER}",
        "Compared with RootCredentialsManagement and RootSessions, nothing differs.",
        "Delegated administrators are not compared, because no option lists them. Each can open "
        "root sessions: see that every one is yours.",
    ]
    assert write_calls(organization) == []


def test_an_account_without_an_organization_is_told_whose_credentials_to_use(
    organization: LocalOrganization, command_line: CommandLine
) -> None:
    organization.delete()
    said = command_line.refusal("status")
    assert f"Account {MANAGEMENT} is not a member of an organization." in said
    # Nothing is being deployed.
    assert "deploy" not in said


def test_what_cannot_be_seen_is_not_shown_as_disabled_or_not_registered(
    organization: LocalOrganization, command_line: CommandLine
) -> None:
    # Nothing is enabled yet, not even trusted access.
    features = [line.split(maxsplit=1)[1] for line in command_line.run("status").lines[2:4]]
    assert features == ["disabled, or hidden while trusted access is disabled"] * 2
    enable_root_access(organization, *BOTH_FEATURES)
    for said in ("none is registered", "unknown (could not be read)"):
        shown = command_line.run("status")
        assert (shown.exit_code, shown.lines[4].rpartition("  ")[2]) == (0, said)
        organization.deny(MANAGEMENT, "organizations:ListDelegatedAdministrators")


def test_trusted_access_since_an_unknown_time_is_not_shown_as_disabled(
    organization: LocalOrganization, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def omit_time(client: Any, service: str) -> None:
        action = "organizations:ListAWSServiceAccessForOrganization"
        omit_member(client.meta.events.register, action, "EnabledServicePrincipals", "DateEnabled")

    change_each_client(monkeypatch, omit_time)
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    lines = command_line.run("status").lines[1:4]
    assert [line.rpartition("  ")[2] for line in lines] == ["enabled", "enabled", "disabled"]


def test_what_differs_is_shown_with_the_command_that_corrects_it_and_exits_1(
    organization: LocalOrganization, command_line: CommandLine
) -> None:
    enable_root_access(organization, ROOT_SESSIONS, delegated_administrators=[OTHER_MEMBER])
    organization.clear_calls()
    lists = ("--feature", ROOT_CREDENTIALS_MANAGEMENT, "--delegated-administrator", MEMBER)
    shown = command_line.run("status", *lists, "--region", "us-west-2")
    assert (shown.exit_code, shown.lines[2].split()) == (
        1,
        [ROOT_CREDENTIALS_MANAGEMENT, "disabled"],
    )
    assert write_calls(organization) == [], "it changes nothing"
    commands = re.findall(r"^ +(aws .*) --region us-west-2$", shown.stdout, re.MULTILINE)
    for command in commands:
        paste(organization, command)
    assert organization.root_access().features == {ROOT_CREDENTIALS_MANAGEMENT}
    assert organization.root_access().delegated_administrators == (MEMBER,)


def test_json_is_one_line_with_the_outputs_keys_and_what_differs(
    organization: LocalOrganization, command_line: CommandLine
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    shown = command_line.run("status", "--format", "json")
    assert shown.exit_code == 1
    (line,) = shown.lines
    since = organization.root_access().trusted_access[IAM_PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert list(json.loads(line).items()) == [
        ("status", "PARTIAL"),
        ("organizationId", organization.id),
        ("managementAccountId", MANAGEMENT),
        ("trustedAccessEnabledAt", since),
        ("features", [ROOT_CREDENTIALS_MANAGEMENT]),
        ("delegatedAdministrators", []),
        ("observedAt", f"{command_line.now:%Y-%m-%dT%H:%M:%SZ}"),
        ("deviations", ["RootSessions is disabled"]),
        ("steps", ["iam:EnableOrganizationsRootSessions"]),
    ]


@pytest.mark.parametrize(
    ("features", "delegates"),
    [(BOTH_FEATURES, None), ((), ()), ((ROOT_SESSIONS,), (MEMBER, THIRD_MEMBER))],
    ids=["defaults", "empty lists", "other lists"],
)
def test_the_command_in_a_notice_of_drift_shows_what_the_check_found(
    organization: LocalOrganization,
    command_line: CommandLine,
    features: tuple[str, ...],
    delegates: tuple[str, ...] | None,
) -> None:
    enable_root_access(
        organization, ROOT_CREDENTIALS_MANAGEMENT, delegated_administrators=[OTHER_MEMBER]
    )
    drift_check = DriftCheck(features=features, delegated_administrators=delegates)
    (line,) = drift_check(cloudtrail_event(eventName="unknown"))
    (notice,) = drift_check.published
    (command,) = re.findall(" centralized-root-access (status.*)", text_by_mail(notice.publication))
    shown = command_line.run(*command.split(), "--format", "json")
    assert shown.json["deviations"] == line["deviations"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Unable to read root access: iam:ListOrganizationsFeatures: AccessDenied"),
        (["--feature", ROOT_SESSIONS, "--no-features"], "either --feature or --no-features"),
    ],
    ids=["denied", "both options"],
)
def test_root_access_that_cannot_be_read_is_one_sentence_and_exits_2(
    organization: LocalOrganization, command_line: CommandLine, arguments: list[str], message: str
) -> None:
    organization.deny(MANAGEMENT, "iam:ListOrganizationsFeatures")
    assert message in command_line.refusal("status", *arguments)


def test_credentials_of_another_account_are_told_which_ones_to_use(
    organization: LocalOrganization, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", MEMBER)
    assert f"credentials of the management account {MANAGEMENT}" in command_line.refusal("status")


def test_the_management_account_is_refused_as_a_delegated_administrator(
    organization: LocalOrganization, command_line: CommandLine
) -> None:
    said = command_line.refusal("status", "--delegated-administrator", MANAGEMENT)
    assert (
        f"lists {MANAGEMENT}. The management account cannot be a delegated administrator." in said
    )
