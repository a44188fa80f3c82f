"""`python -m centralized_root_access status`: the manual check as one command, and the dry run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local_aws.emulation import LocalOrganization, serve_organization
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access, set_feature, writes
from support.function import BOTH

if TYPE_CHECKING:
    from collections.abc import Iterator

MANAGEMENT, MEMBER, OTHER = "111111111111", "222222222222", "333333333333"


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
    """Runs the command as a user does, in a process of its own, without Node on its path."""
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


def test_an_organization_as_listed_exits_0_and_says_since_when(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    looked = status(organization)
    since = organization.root_access().trusted_access[PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert looked.returncode == 0, looked.stderr
    assert looked.stdout.splitlines() == [
        f"ENABLED: organization {organization.id}, management account {MANAGEMENT}",
        f"  trusted access for iam.amazonaws.com  on since {since}",
        "  RootCredentialsManagement             on",
        "  RootSessions                          on",
        f"  delegated administrators              {MEMBER}",
        "A deployment of RootCredentialsManagement RootSessions would change nothing.",
    ]
    assert writes(organization) == []


def test_what_the_construct_would_change_is_shown_and_exits_1(organization: LocalOrganization) -> None:
    enable_root_access(organization, SESSIONS, delegated_administrators=[OTHER])
    looked = status(organization, "--features", CREDENTIALS, "--delegated-administrators", MEMBER)
    assert looked.returncode == 1
    assert [line.split()[0] for line in looked.stdout.splitlines()[-4:]] == [
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
    looked = status(organization, "--json")
    assert looked.returncode == 1
    (line,) = looked.stdout.splitlines()
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
    assert shown["deviations"] == ["RootSessions is off"]
    assert shown["steps"] == ["iam:EnableOrganizationsRootSessions"]


def test_empty_lists_are_given_as_the_construct_takes_them(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[MEMBER])
    looked = status(organization, "--features", "--delegated-administrators", "--json")
    assert json.loads(looked.stdout)["deviations"] == [
        "RootCredentialsManagement is on but not listed",
        f"{MEMBER} is registered but not listed",
    ]


@pytest.mark.parametrize(
    ("account_id", "arguments", "told"),
    [
        (MEMBER, [], f"credentials of the management account {MANAGEMENT}"),
        (None, [], "Unable to locate credentials"),
        (MANAGEMENT, ["--features", "RootPasswords"], "invalid choice: 'RootPasswords'"),
        (MANAGEMENT, ["--delegated-administrators", "123"], "'123' is not an account id of 12 digits"),
    ],
    ids=["member account", "no credentials", "unknown feature", "no account id"],
)
def test_who_cannot_look_is_told_in_one_sentence_and_exits_2(
    organization: LocalOrganization, account_id: str | None, arguments: list[str], told: str
) -> None:
    looked = status(organization, *arguments, account_id=account_id)
    assert looked.returncode == 2
    assert told in looked.stderr
    assert "Traceback" not in looked.stderr
    assert looked.stdout == ""


def test_a_denied_look_exits_2_with_awss_code_and_not_as_off(organization: LocalOrganization) -> None:
    organization.deny(account_id=MANAGEMENT, action="iam:ListOrganizationsFeatures")
    looked = status(organization)
    assert looked.returncode == 2
    assert "iam:ListOrganizationsFeatures failed: AccessDenied" in looked.stderr


def test_what_a_delegated_administrator_switched_off_is_seen(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    set_feature(organization, SESSIONS, enabled=False, account_id=MEMBER)
    assert "RootSessions is off" in status(organization).stdout


def test_no_node_is_started(organization: LocalOrganization, tmp_path: os.PathLike[str]) -> None:
    """The CDK's Python packages start Node when they are imported; this command must not need it."""
    node = os.path.join(tmp_path, "node")
    with open(node, "w") as script:
        script.write("#!/bin/sh\nexit 1\n")
    os.chmod(node, 0o755)
    assert status(organization, path=str(tmp_path)).returncode == 1
