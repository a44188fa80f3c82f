"""The emulation behind HTTP behaves as it does in process."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest

from local_aws.emulation import Organization, RemoteOrganization, mock_organization, serve_organization
from support.accounts import OTHER, STRANGER, THIRD
from support.emulation import DELEGATE, DELETE, IAM, error_of, open_root_session, register


@contextmanager
def server_process(*, ended_by: signal.Signals = signal.SIGTERM) -> Iterator[RemoteOrganization]:
    """Run a server in a process of its own, which must exit by itself at the signal, without output."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "local_aws.emulation", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as server:
        try:
            deadline = time.monotonic() + 30
            while not is_healthy(port):
                assert server.poll() is None, "The server ended."
                assert time.monotonic() < deadline, "The server did not start."
                time.sleep(0.05)
            yield RemoteOrganization.at(f"http://127.0.0.1:{port}")
            server.send_signal(ended_by)
            _, log = server.communicate(timeout=10)
        finally:
            server.kill()
    assert (server.returncode, log) == (0, b"")


def is_healthy(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
        try:
            connection.request("GET", "/_local_aws/health")
            return connection.getresponse().status == 200
        except OSError:
            return False


def observe_a_lifetime(organization: Organization) -> list[object]:
    """Return all that is observable of an organization in a life with a bit of everything."""
    organizations = organization.client("organizations")
    iam = organization.client("iam")
    seen: list[object] = [organization.id, organization.management_account_id, organization.members]
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    iam.enable_organizations_root_credentials_management()
    register(organization, DELEGATE)
    account_id = organization.add_account(name="new", email="new@example.com", account_id="666666666666")
    organization.set_delegated_administrator_limit(1)
    organization.set_latency(0.001)
    seen.append(
        error_of(organizations.register_delegated_administrator, AccountId=OTHER, ServicePrincipal=IAM)
    )
    organization.put_root_credentials(
        account_id=account_id,
        password=True,
        access_keys=1,
        password_last_used=datetime(2026, 1, 1, tzinfo=UTC),
    )
    session = open_root_session(organization, DELETE, account_id=account_id)
    root = organization.client("iam", credentials=session)
    seen.append(root.get_user()["User"].get("PasswordLastUsed"))
    organization.deny(account_id=account_id, action="iam:DeleteLoginProfile")
    seen.append(error_of(root.delete_login_profile))
    organization.allow(account_id=account_id, action="iam:DeleteLoginProfile")
    root.delete_login_profile()
    organization.advance_clock(900)
    seen.append(error_of(root.get_user))
    organization.suspend(account_id)
    seen.append(organizations.describe_account(AccountId=account_id)["Account"]["State"])
    access = organization.root_access()
    seen += [access.features, access.delegated_administrators, sorted(access.trusted_access)]
    seen += [sorted(organization.other_services().trusted_access), organization.root_credentials(account_id)]
    for wrong_argument, error in (
        (lambda: organization.root_credentials(STRANGER), LookupError),
        (lambda: organization.advance_clock(-1), ValueError),
        (lambda: organization.set_latency(-1), ValueError),
    ):
        with pytest.raises(error) as raised:
            wrong_argument()
        seen.append(str(raised.value))
    seen += [
        (call.service, call.operation, call.account_id, call.parameters, call.error, call.root_session)
        for call in organization.calls
    ]
    organization.clear_calls()
    organization.delete()
    seen += [error_of(organizations.describe_organization), len(organization.calls)]
    organization.reset()
    seen += [organization.members, organization.root_access().features, organization.calls]
    return seen


def test_a_server_in_its_own_process_behaves_as_the_emulation_in_process() -> None:
    with mock_organization() as local:
        expected = observe_a_lifetime(local)

    with server_process() as remote:
        assert observe_a_lifetime(remote) == expected


def test_an_interrupted_server_exits_cleanly() -> None:
    with server_process(ended_by=signal.SIGINT) as remote:
        assert remote.members == (DELEGATE, OTHER, THIRD)


def test_a_server_in_a_thread_behaves_as_the_emulation_in_process() -> None:
    with mock_organization() as local:
        expected = observe_a_lifetime(local)

    with serve_organization() as served:
        assert served.url is not None
        assert observe_a_lifetime(served) == expected
        assert observe_a_lifetime(RemoteOrganization.at(served.url)) == expected


def test_the_control_api_has_no_other_members_and_rejects_requests_of_web_pages() -> None:
    with serve_organization() as served:
        address = str(served.url).removeprefix("http://")
        statuses = []
        for body, content_type in (
            ('{"member": "_apply_seed", "arguments": {}}', "application/json"),
            ('{"member": "reset", "arguments": {}}', "text/plain"),
        ):
            with closing(HTTPConnection(address, timeout=5)) as connection:
                connection.request(
                    "POST", "/_local_aws/control", body=body, headers={"Content-Type": content_type}
                )
                statuses.append(connection.getresponse().status)

    assert statuses == [404, 415]
