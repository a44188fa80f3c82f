"""Two accounts and the runbook of root use, by the pages' own commands on one local AWS."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.emulation import RemoteOrganization
from local_aws.services import LocalAws, running_local_aws
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.apps import REPOSITORY
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS
from support.deploying import STACK_NAME, rule_and_target, stack_names, subscribed_inbox
from support.emulation import (
    AUDIT_TASK_POLICY,
    RECOVER_TASK_POLICY,
    error_raised_by,
    open_root_session,
)
from support.pages import code_blocks
from support.processes import run_with_aws_cli
from support.root_events import SIGN_IN_EVENT, identity_of_root_user

SECURITY = MEMBER
TASKS_STACK = "RootTasks"
LOG_GROUP = "organization-trail"
ROLE = "Administrator"


def block_of(page: str, name: str) -> str:
    """Return a block of a page by its name."""
    (commands,) = (
        block.text
        for block in code_blocks("", "sh")
        if (block.page.stem, block.name) == (page, name)
    )
    return commands


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The example, deployed by the page's commands once for all tests here.

    Attributes:
        aws: The local AWS.
        folder: The reader's folder.
    """

    aws: LocalAws
    folder: Path

    @property
    def organization(self) -> RemoteOrganization:
        """The organization."""
        return self.aws.organization

    def run(self, page: str, name: str, **values: str) -> subprocess.CompletedProcess[str]:
        """Run a block of a page, with values for what the reader fills in: p_a1b2c3d4="p-..."."""
        profiles, commands = block_of("local-aws", "profiles"), block_of(page, name)
        for placeholder, value in values.items():
            commands = commands.replace(placeholder.replace("_", "-"), value)
        # Each of them asks, and there is no terminal.
        commands = commands.replace("cdk deploy", "cdk deploy --require-approval never")
        commands = re.sub(r"(access execute \S+)", r"\1 --yes", commands)
        commands = commands.replace("--profile caller", "--profile management")
        return run_with_aws_cli(profiles + commands, local_aws=self.aws, folder=self.folder)

    def run_successfully(self, page: str, name: str, **values: str) -> str:
        """Run a block of commands of a page that have to succeed, and return what they print."""
        ran = self.run(page, name, **values)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def delete_credentials(self, name: str) -> None:
        """Plan and execute a deletion by a block of the runbook."""
        # The block plans and executes: no plan has this ID, so it only plans.
        planned = self.run("operating", name, PLAN="plan-none")
        (plan,) = set(re.findall(r"execute (plan-delete-[\w-]+)", planned.stderr))
        # The block again, now that the plan has an ID.
        self.run_successfully("operating", name, PLAN=plan)

    def policies_of(self, account_id: str) -> set[str]:
        """Return the service control policies that are attached to an account."""
        listed = self.aws.client("organizations").list_policies_for_target(
            TargetId=account_id, Filter="SERVICE_CONTROL_POLICY"
        )
        return {policy["Id"] for policy in listed["Policies"]}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy the example once for all tests of this file; one root user has a password."""
    folder = tmp_path_factory.mktemp("two-accounts")
    shutil.copy(REPOSITORY / "examples" / "two_accounts.py", folder)
    with running_local_aws() as aws:
        example = Deployed(aws=aws, folder=folder)
        aws.organization.put_root_credentials(OTHER_MEMBER, password=True)
        example.run_successfully("two-accounts", "two accounts")
        yield example


@pytest.fixture(scope="module")
def inbox(deployed: Deployed) -> Callable[[], list[str]]:
    """Return what receives the messages of the example's topic."""
    return subscribed_inbox(deployed.aws, "SecurityNews")


def notice_of(deployed: Deployed, inbox: Callable[[], list[str]], event: dict[str, Any]) -> str:
    """Return the notice that a subscriber gets of an event in the trail's log group."""
    logs = deployed.aws.client("logs")
    described = logs.describe_subscription_filters(logGroupName=LOG_GROUP)
    (subscription,) = described["subscriptionFilters"]
    # MiniStack delivers an event that has every word of the pattern.
    event = event | {"userAgent": subscription["filterPattern"]}
    log_stream = f"{deployed.organization.id}_{MANAGEMENT}_CloudTrail_us-east-1"
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=log_stream)
    logs.put_log_events(
        logGroupName=LOG_GROUP,
        logStreamName=log_stream,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": json.dumps(event)}],
    )
    deadline = time.monotonic() + 60
    # The alarms notify the topic as well.
    while not (notices := [message for message in inbox() if message.startswith("Root use")]):
        assert time.monotonic() < deadline, "no notice arrives"
        time.sleep(0.1)
    (notice,) = notices
    return notice


def test_root_tasks_in_a_delegate_audit_all_and_no_one_else_opens_root_sessions(
    deployed: Deployed,
) -> None:
    aws, organization = deployed.aws, deployed.organization
    organization.clear_calls()
    looked = deployed.run("two-accounts", "look")
    assert looked.returncode == 1, looked.stdout + looked.stderr
    assert f"Stack {TASKS_STACK} in us-east-1, account {SECURITY}" in looked.stderr
    # A narrow terminal breaks lines elsewhere.
    shown = " ".join(looked.stdout.split())
    assert re.findall(r"has credentials (\d{12})", shown) == [OTHER_MEMBER]
    assert "1 of the 3 accounts that were audited has root credentials" in shown
    deployed.run_successfully("two-accounts", "subscribe")
    deployed.run_successfully("two-accounts", "trail")

    assert organization.root_access().delegated_administrators == (SECURITY,)
    assert stack_names(aws, account_id=MANAGEMENT) == {STACK_NAME}
    assert stack_names(aws, account_id=SECURITY) == {TASKS_STACK}
    for account_id in (MANAGEMENT, SECURITY):
        listed = aws.client("sns", account_id=account_id).list_subscriptions()["Subscriptions"]
        subscribed = {subscription["Endpoint"] for subscription in listed}
        assert {"security@example.com", "on-call@example.com"} <= subscribed

    sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
    assert {call.account_id for call in sessions} == {SECURITY}
    for administrator in (MANAGEMENT, SECURITY):
        client = aws.client("sts", account_id=administrator)
        with pytest.raises(
            ClientError, match=r"explicit deny in a (service|resource) control policy"
        ):
            client.assume_root(TargetPrincipal=OTHER_MEMBER, TaskPolicyArn=AUDIT_TASK_POLICY)
    denied = deployed.run("two-accounts", "denied").stderr
    assert "with an explicit deny in a resource control policy" in denied


# The runbook


@pytest.mark.parametrize("deployed_before", [True, False], ids=["in the notice", "created now"])
def test_a_members_root_user_is_contained_and_released_as_the_runbook_says(
    deployed: Deployed, inbox: Callable[[], list[str]], deployed_before: bool
) -> None:
    organization = deployed.organization
    organization.put_root_credentials(THIRD_MEMBER, password=True, access_keys=1)
    root_user = organization.client("iam", account_id=THIRD_MEMBER, root_user=True)
    root_user.get_user()
    before = deployed.policies_of(THIRD_MEMBER)
    if deployed_before:
        notice = notice_of(deployed, inbox, SIGN_IN_EVENT | identity_of_root_user(THIRD_MEMBER))
        assert (
            f"account {THIRD_MEMBER}: ConsoleLogin of signin.amazonaws.com from 192.0.2.7" in notice
        )
        (policy,) = re.findall(
            rf"attach-policy --policy-id (\S+) --target-id {THIRD_MEMBER}", notice
        )
    else:
        policy = deployed.run_successfully("operating", "create policy").strip()
        again = deployed.run("operating", "create policy")
        assert "DuplicatePolicyException" in again.stderr

    deployed.run_successfully("operating", "deny", p_a1b2c3d4=policy)
    again = deployed.run("operating", "deny", p_a1b2c3d4=policy)
    assert "DuplicatePolicyAttachmentException" in again.stderr
    assert error_raised_by(root_user.get_user)["code"] == "AccessDenied"
    assert organization.root_id in deployed.run_successfully("operating", "unit")

    deployed.delete_credentials("delete")
    left = organization.root_credentials(THIRD_MEMBER)
    assert (left.password, left.access_keys) == (False, ())

    deployed.run_successfully("operating", "undo", p_a1b2c3d4=policy)
    again = deployed.run("operating", "undo", p_a1b2c3d4=policy)
    assert "PolicyNotAttachedException" in again.stderr
    assert deployed.policies_of(THIRD_MEMBER) == before


def test_the_management_accounts_root_user_is_looked_at_as_the_runbook_says(
    deployed: Deployed,
) -> None:
    deployed.organization.put_root_credentials(MANAGEMENT, password=True, mfa_devices=1)
    for _ in range(2):
        # The commands only look, so they show the same again.
        shown = deployed.run_successfully("operating", "management")
        assert "root user with a password, MFA and no access key" in shown
        assert "nothing differs" in shown


def test_a_root_session_of_another_is_ended_and_its_effect_undone_as_the_runbook_says(
    deployed: Deployed,
) -> None:
    organization = deployed.organization
    intruder = open_root_session(organization, RECOVER_TASK_POLICY, account_id=THIRD_MEMBER)
    organization.client("iam", credentials=intruder).create_login_profile()
    assert organization.root_credentials(THIRD_MEMBER).password

    deployed.run_successfully("drift", "stop the repair")
    interval, _ = rule_and_target(deployed.aws, "RootAccessDriftCheckInterval")
    assert interval["State"] == "DISABLED"
    for _ in range(2):
        deployed.run_successfully("operating", "disable")
    assert organization.root_access().features == frozenset()
    refused = error_raised_by(
        lambda: open_root_session(organization, RECOVER_TASK_POLICY, account_id=THIRD_MEMBER)
    )
    assert "not enabled" in refused["message"]

    iam = organization.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    for _ in range(2):
        deployed.run_successfully("operating", "revoke", ROLE=ROLE)
    (name,) = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    policy: Any = iam.get_role_policy(RoleName=ROLE, PolicyName=name)
    (statement,) = policy["PolicyDocument"]["Statement"]
    revoked_before = statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    assert datetime.now(UTC) - datetime.fromisoformat(revoked_before) < timedelta(minutes=5)

    deployed.delete_credentials("enable")
    assert organization.root_access().features == {ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS}
    assert not organization.root_credentials(THIRD_MEMBER).password
    deployed.run_successfully("operating", "sessions over")
