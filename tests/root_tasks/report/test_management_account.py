"""The management account's own root user, which no task reaches: audits say what it has."""

from typing import Any

import pytest

from root_tasks.model.task import Task
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import IAM_PRINCIPAL
from support.emulation import DELEGATE
from support.root_tasks import DeployedSettings, Execution, RootTasks

GET_ACCOUNT_SUMMARY = "iam:GetAccountSummary"


@pytest.fixture
def root_tasks(root_tasks: RootTasks) -> RootTasks:
    """A deployed RootTasks that imports findings, in an account that has enabled Security Hub."""
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    root_tasks.client("securityhub").enable_security_hub()
    return root_tasks


def give_own_root_user(root_tasks: RootTasks, **credentials: Any) -> None:
    """Give the management account's root user these credentials and no others."""
    root_tasks.organization.put_root_credentials(MANAGEMENT, **credentials)


def page_of(root_tasks: RootTasks, execution: Execution) -> str:
    """Return the page of a run's report."""
    return root_tasks.read_object(f"runs/{execution.run_id}/report.html").decode()


def test_the_management_account_has_its_own_row_and_is_no_member(root_tasks: RootTasks) -> None:
    give_own_root_user(root_tasks, password=True, access_keys=1, certificates=1)
    audit = root_tasks.run()
    assert audit.totals == {"CLEAN": 3, "UNPROTECTED": 1}
    assert root_tasks.results(audit)[MANAGEMENT]["credentials"] == {
        "password": True,
        "passwordLastUsedAt": None,
        "passwordLastUseUnread": True,
        # There are some, and which ones is not read.
        "accessKeys": None,
        "mfaDevices": [],
        "signingCertificates": None,
    }


def test_the_report_does_not_wait_for_it_for_long(root_tasks: RootTasks) -> None:
    root_tasks.fail_calls(GET_ACCOUNT_SUMMARY, "Throttling", account_id=MANAGEMENT)
    assert root_tasks.run().totals == {"CLEAN": 3, "INACCESSIBLE": 1}
    # It is read for a minute at most, and nothing else of the run has to wait.
    assert root_tasks.time.seconds < 100


def test_only_an_audit_of_it_reads_it(root_tasks: RootTasks) -> None:
    give_own_root_user(root_tasks, password=True)
    for input_ in (
        {"accounts": [MEMBER]},
        {"task": Task.DELETE, "accounts": [MANAGEMENT, MEMBER]},
    ):
        assert (
            "The management account's root user"
            not in root_tasks.report(root_tasks.run(input_))["summary"]
        )
    assert GET_ACCOUNT_SUMMARY not in own_calls(root_tasks)
    audit = root_tasks.run({"accounts": [MANAGEMENT, MEMBER]})
    assert root_tasks.results(audit)[MANAGEMENT]["credentials"]["password"] is True


def own_calls(root_tasks: RootTasks) -> set[str]:
    """Return the calls that the functions made in their own account."""
    return {request.action for _, request in root_tasks.requests}


def test_a_delegated_administrator_says_that_it_was_not_looked_at(root_tasks: RootTasks) -> None:
    root_tasks.client("organizations").register_delegated_administrator(
        AccountId=DELEGATE, ServicePrincipal=IAM_PRINCIPAL
    )
    root_tasks.account_id = DELEGATE
    root_tasks.client("securityhub", account_id=DELEGATE).enable_security_hub()
    audit = root_tasks.run()
    assert GET_ACCOUNT_SUMMARY not in own_calls(root_tasks)
    not_looked_at = "root user was not looked at: the audit did not run in its account."
    assert not_looked_at in page_of(root_tasks, audit)
    assert not_looked_at in root_tasks.notices[0][1]
    assert DELEGATE not in root_tasks.report(audit)["summary"]
    assert "ManagementRootUserUnprotected" not in root_tasks.metric_values()
    assert MANAGEMENT not in root_tasks.findings()
