"""`centralized-root-access status`: the root access of an organization, and a dry run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local_aws.emulation import LocalOrganization, serve_organization
from support.accounts import MANAGEMENT, MEMBER, OTHER
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access, set_feature, writes
from support.function import BOTH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def served() -> Iterator[LocalOrganization]:
    with serve_organization() as organization:
        yield organization


@pytest.fixture
def organization(served: LocalOrganization) -> LocalOrganization:
    served.reset()
    return served


def status(
    organization: LocalOrganization, *arguments: str, account_id: str | None = MANAGEMENT, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a process of its own, without Node on its path."""
    environment = {
        "AWS_ENDPOINT_URL": str(organization.url),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": path,
    }
    if account_id:
        environment |= {"AWS_ACCESS_KEY_ID": account_id, "AWS_SECRET_ACCESS_KEY": "secret"}
    return subprocess.run(
        [sys.executable, "-m", "centralized_root_access", "status", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_organization_as_listed_exits_0_and_shows_since_when(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    result = status(organization)
    since = organization.root_access().trusted_access[PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"ENABLED: organization {organization.id}, management account {MANAGEMENT}",
        f"  trusted access for iam.amazonaws.com  enabled since {since}",
        "  RootCredentialsManagement             enabled",
        "  RootSessions                          enabled",
        f"  delegated administrators              {MEMBER}",
        "With RootCredentialsManagement and RootSessions, a deployment would change nothing.",
    ]
    assert writes(organization) == []


def test_what_the_construct_would_change_is_shown_and_exits_1(organization: LocalOrganization) -> None:
    enable_root_access(organization, SESSIONS, delegated_administrators=[OTHER])
    result = status(organization, "--feature", CREDENTIALS, "--delegated-administrator", MEMBER)
    assert result.returncode == 1
    assert [line.split()[0] for line in result.stdout.splitlines()[-4:]] == [
        "iam:EnableOrganizationsRootCredentialsManagement",
        "iam:DisableOrganizationsRootSessions",
        f"organizations:RegisterDelegatedAdministrator({MEMBER})",
        f"organizations:DeregisterDelegatedAdministrator({OTHER})",
    ]
    assert writes(organization) == [], "a dry run changes nothing"


def test_json_is_one_line_with_the_outputs_keys_and_what_would_change(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    result = status(organization, "--format", "json")
    assert result.returncode == 1
    (line,) = result.stdout.splitlines()
    shown = json.loads(line)
    assert list(shown) == [
        "status",
        "organizationId",
        "managementAccountId",
        "trustedAccessEnabledAt",
        "features",
        "delegatedAdministrators",
        "deviations",
        "steps",
    ]
    assert shown["status"] == "PARTIAL"
    assert shown["deviations"] == ["RootSessions is disabled"]
    assert shown["steps"] == ["iam:EnableOrganizationsRootSessions"]


def test_empty_lists_are_given_as_the_construct_takes_them(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[MEMBER])
    result = status(organization, "--no-features", "--no-delegated-administrators", "--format", "json")
    assert json.loads(result.stdout)["deviations"] == [
        "RootCredentialsManagement is enabled but not listed",
        f"{MEMBER} is registered but not listed",
    ]


@pytest.mark.parametrize(
    ("account_id", "arguments", "message"),
    [
        (MEMBER, [], f"credentials of the management account {MANAGEMENT}"),
        (None, [], "Unable to locate credentials"),
        (MANAGEMENT, ["--feature", "RootPasswords"], "'RootPasswords' is not one of"),
        (MANAGEMENT, ["--delegated-administrator", "123"], "'123' is not a 12-digit account ID"),
    ],
    ids=["member account", "no credentials", "unknown feature", "not an account ID"],
)
def test_root_access_that_cannot_be_read_is_one_sentence_and_exits_2(
    organization: LocalOrganization, account_id: str | None, arguments: list[str], message: str
) -> None:
    result = status(organization, *arguments, account_id=account_id)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_denied_read_exits_2_with_awss_code_and_is_not_shown_as_disabled(
    organization: LocalOrganization,
) -> None:
    organization.deny(account_id=MANAGEMENT, action="iam:ListOrganizationsFeatures")
    result = status(organization)
    assert result.returncode == 2
    assert "Unable to read root access: iam:ListOrganizationsFeatures: AccessDenied" in result.stderr


def test_what_a_delegated_administrator_disabled_is_shown(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    set_feature(organization, SESSIONS, enabled=False, account_id=MEMBER)
    assert "RootSessions is disabled" in status(organization).stdout


def test_no_node_is_started(organization: LocalOrganization, tmp_path: Path) -> None:
    """The CDK's Python packages start Node when they are imported. The command must not need it."""
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nexit 1\n")
    node.chmod(0o755)
    assert status(organization, path=str(tmp_path)).returncode == 1
