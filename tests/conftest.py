"""The local AWS of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_aws.services import LocalAws, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOOTSTRAP_STACK = "CDKToolkit"


@pytest.fixture(scope="session")
def running_aws() -> Iterator[LocalAws]:
    """One local AWS for all tests of a worker, without the CDK's bootstrap stack."""
    with running_local_aws() as aws:
        yield aws


@pytest.fixture(scope="session")
def bootstrapped_aws(running_aws: LocalAws) -> LocalAws:
    """The same, with the CDK's bootstrap stack."""
    bootstrap = running_aws.cdk("bootstrap", running_aws.cdk_environment)
    assert bootstrap.returncode == 0, bootstrap.stdout
    return running_aws


@pytest.fixture
def local_aws(bootstrapped_aws: LocalAws) -> Iterator[LocalAws]:
    """A local AWS to deploy to: a fresh organization, and no stack but the CDK's own."""
    bootstrapped_aws.organization.reset()
    yield bootstrapped_aws
    cloudformation = bootstrapped_aws.client("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        if stack["StackName"] != _BOOTSTRAP_STACK:
            cloudformation.delete_stack(StackName=stack["StackId"])
            cloudformation.get_waiter("stack_delete_complete").wait(
                StackName=stack["StackId"], WaiterConfig={"Delay": 1}
            )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many faults were tried; the reports come from every worker."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    tried = {report.nodeid: dict(report.user_properties).get("fault_cases", 0) for report in reports}
    if total := sum(tried.values()):
        terminalreporter.write_line(f"Fault matrix: {total} cases, each one fault at one call on one path.")
