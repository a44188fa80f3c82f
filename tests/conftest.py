"""Fixtures that several modules share: an emulated organization, and a local AWS."""

from __future__ import annotations

import functools
import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import moto.s3.urls
import pytest
from botocore.client import BaseClient
from botocore.loaders import create_loader
from moto.s3.models import S3Backend

from local_aws.emulation import LocalOrganization, mock_organization
from local_aws.services import LocalAws, running_local_aws
from support.accounts import MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, enable_root_access
from support.client_pool import client_pool
from support.cloudformation import FakeCloudFormation
from support.function import CustomResourceFunction
from support.report_bucket import ReportBuckets
from support.root_tasks import RootTasks

if TYPE_CHECKING:
    # The functions' Python, on which their tests run, too, has no command line.
    from support.command_line import CommandLine

_BOOTSTRAP_STACK = "CDKToolkit"
_SLOWEST_FILES = 10
# It would run alone in the end if the others were not started after it.
_FIRST_FILES = ("test_lambda_runtime.py",)

# What takes long and seldom breaks: `make test-slow` and CI run it. The gate does not even import
# it.
_SLOW_FOLDERS = ("acceptance", "benchmarks", "end_to_end")
_SLOW_FILES = (
    "test_cli_terminal.py",
    "test_deploying.py",
    "test_emulation_server.py",
    "test_examples.py",
    "test_github.py",
    "test_lambda_runtime.py",
    "test_layout.py",
    "test_local_aws.py",
    "test_local_aws_page.py",
    "test_local_deploy.py",
    "test_nag.py",
    "test_plain_templates.py",
    "test_report_page.py",
    "test_site.py",
    "test_typed_in_process.py",
    "test_typed_on_local_aws.py",
    "test_snippets.py",
    "test_terraform_example.py",
    "test_typescript_example.py",
    "test_wheel.py",
)


def _is_slow(path: Path) -> bool:
    return path.name in _SLOW_FILES or path.parent.name in _SLOW_FOLDERS


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is slow as a whole where only the gate's tests are asked for."""
    return True if config.option.markexpr == "not slow" and _is_slow(collection_path) else None


def pytest_configure() -> None:
    """Let a deprecated part of the CDK fail: users would see a warning that they did not cause."""
    os.environ["JSII_DEPRECATED"] = "fail"
    # Its check of each template costs more than the synthesis. `make local-deploy` has it.
    os.environ["CDK_VALIDATION"] = "false"
    os.environ["CDK_DISABLE_STACK_TRACE"] = "true"
    # Some CI systems set it, and tests read what a pipe gets.
    os.environ.pop("FORCE_COLOR", None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, and measure no coverage in single slow tests."""
    places = {name: place for place, name in enumerate(_FIRST_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")
        elif _is_slow(item.path):
            item.add_marker("slow")


@pytest.fixture(scope="module", autouse=True)
def rare_garbage_collection() -> None:
    """Look for garbage once a file, and seldom meanwhile: it took a fifth of the tests' time."""
    gc.set_threshold(50_000, 20, 100)
    gc.collect()
    gc.freeze()


def without_coverage(call: Callable[..., object]) -> Callable[..., object]:
    """Return a call in which coverage traces nothing: the SDK and the emulation.

    That tracing took a third of the tests' time. Of what is measured, such a call only reads
    credentials.
    """

    def call_and_trace_again(*arguments: object, **named: object) -> object:
        trace = sys.gettrace()
        sys.settrace(None)
        try:
            return call(*arguments, **named)
        finally:
            sys.settrace(trace)

    return call_and_trace_again


@pytest.fixture(scope="session", autouse=True)
def shared_sdk() -> Iterator[None]:
    """Parse botocore's descriptions of the services once, and create each client once."""
    with pytest.MonkeyPatch.context() as patch, client_pool(ReportBuckets().serve):
        patch.setattr(botocore.session, "create_loader", functools.cache(create_loader))
        # Certificates of the caller's own would keep each client out of the pool.
        patch.delenv("AWS_CA_BUNDLE", raising=False)
        # With each call moto would import its table of S3's URLs again, for the sake of a variable.
        patch.setattr(S3Backend, "_url_module", moto.s3.urls)
        if sys.gettrace():
            call = BaseClient._make_api_call  # type: ignore[attr-defined]
            patch.setattr(BaseClient, "_make_api_call", without_coverage(call))
        yield


@pytest.fixture
def organization() -> Iterator[LocalOrganization]:
    """Yield a new organization, in which root access is not enabled."""
    with mock_organization() as organization:
        yield organization


@pytest.fixture
def organization_with_root_access(organization: LocalOrganization) -> LocalOrganization:
    """Return the organization with both features, one delegated administrator, and no calls."""
    enable_root_access(
        organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, delegated_administrators=[MEMBER]
    )
    return organization


@pytest.fixture
def root_tasks(organization: LocalOrganization) -> RootTasks:
    """Return the functions of a deployed RootTasks, in an organization with both features."""
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
    return RootTasks(organization=organization)


@pytest.fixture
def other_services_unchanged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test of `organization` that changes another service's access or delegates."""
    if "organization" not in request.fixturenames:
        # The test has an organization of its own.
        yield
        return
    organization: LocalOrganization = request.getfixturevalue("organization")
    before = organization.other_services()
    yield
    assert organization.other_services() == before, "another service was changed"


@pytest.fixture
def function() -> CustomResourceFunction:
    """Return the function of the custom resource."""
    return CustomResourceFunction()


@pytest.fixture
def stack(function: CustomResourceFunction) -> FakeCloudFormation:
    """Return a stack with the custom resource."""
    return FakeCloudFormation(function=function)


@pytest.fixture
def command_line(
    organization: LocalOrganization,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    """Return the command line, in the account of a deployed RootTasks."""
    # Tests that run on the functions' Python have no command line.
    from support.command_line import running_command_line

    return running_command_line(organization, monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture(scope="session")
def running_aws() -> Iterator[LocalAws]:
    """Yield one local AWS for all tests of a worker, without the CDK's bootstrap stack."""
    with running_local_aws() as aws:
        yield aws


@pytest.fixture(scope="session")
def bootstrapped_aws(running_aws: LocalAws) -> LocalAws:
    """Return the same, with the CDK's bootstrap stack."""
    bootstrap = running_aws.bootstrap()
    assert bootstrap.returncode == 0, bootstrap.stdout
    return running_aws


@pytest.fixture
def local_aws(bootstrapped_aws: LocalAws) -> Iterator[LocalAws]:
    """Yield a local AWS to deploy to: a fresh organization, and only the CDK's own stack."""
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
    """Print the slowest files; the reports come from every worker."""
    reports = [
        report
        for outcome in ("", "passed", "failed")
        for report in terminalreporter.getreports(outcome)
    ]
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds[report.location[0]] += report.duration
    terminalreporter.section("slowest files")
    for file, duration in seconds.most_common(_SLOWEST_FILES):
        terminalreporter.write_line(f"{duration:6.1f} s  {file}")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let interrupts arrive: what runs in the background ignores them, with its processes."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)
