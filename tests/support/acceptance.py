"""The acceptance suite against an emulated organization: no wait is longer than a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from acceptance import __main__ as command
from acceptance.aws import name_host
from acceptance.callers import Callers
from acceptance.local import LocalAws
from acceptance.model import Level
from acceptance.names import Names
from acceptance.resources import observe_root_access
from acceptance.scene import Scene
from local_aws.emulation import LocalOrganization, Organization

from .accounts import MEMBER, OTHER_MEMBER

if TYPE_CHECKING:
    from mypy_boto3_organizations.literals import PolicyTypeType


RUN_ID = "0123456789ab"
POLICY_TYPES: tuple[PolicyTypeType, ...] = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")


class EmulatedAws(LocalAws):
    """An emulated organization as the AWS of a run; its clock is moved instead of waiting.

    Args:
        organization: The organization.
        on_call: Called after each call with its operation.
        on_client: Called with each new client.
        options: Who the run calls as, as `Organization.client` takes it; default: the management
            account.

    Attributes:
        operations: Each call, named as in an IAM policy.
        own_operations: Those with the caller's own credentials, not those of a role.
    """

    def __init__(
        self,
        organization: Organization,
        *,
        on_call: Callable[[str], object] = lambda _: None,
        on_client: Callable[[Any], object] = lambda _: None,
        **options: Any,
    ) -> None:
        super().__init__(boto3.Session(), organization)
        self.on_call = on_call
        self.operations: list[str] = []
        self.own_operations: set[str] = set()
        self.on_client = on_client
        self._options = options

    def client(
        self,
        service: str,
        *,
        credentials: Mapping[str, Any] | None = None,
        host: str | None = None,
        **_: object,
    ) -> Any:
        """Create a client that signs for the host, by default the service's; record its calls."""
        options = {"credentials": credentials} if credentials is not None else self._options
        client: Any = self._organization.client(service, **options)
        if host is not None:
            client.meta.events.register(
                "before-sign", lambda request, **_: name_host(request, host)
            )
        client.meta.events.register(
            "after-call", lambda model, **_: self._record_call(service, model.name)
        )
        # Without the credentials of a role, the run calls as the person who started it.
        if credentials is None:
            client.meta.events.register(
                "before-call", lambda model, **_: self.own_operations.add(f"{service}:{model.name}")
            )
        self.on_client(client)
        return client

    def _record_call(self, service: str, operation: str) -> None:
        """Record a call that AWS has responded to, and tell the test."""
        self.operations.append(f"{service}:{operation}")
        self.on_call(operation)


def run_names(organization: Organization) -> Names:
    """Return what a run calls its accounts and resources in an organization."""
    return Names(
        organization_id=organization.id,
        management=organization.management_account_id,
        member=OTHER_MEMBER,
        delegate=MEMBER,
        run=RUN_ID,
        region="us-east-1",
        role="OrganizationAccountAccessRole",
    )


def run_scene(organization: Organization) -> Scene:
    """Return the scene of a run: its callers, and the root access that it found."""
    callers = Callers(EmulatedAws(organization), run_names(organization))
    return Scene(callers, state=observe_root_access(callers))


def traces_of_run(organization: Organization, *, member: str = OTHER_MEMBER) -> dict[str, Any]:
    """Return everything that a run might leave behind, to compare before and after."""
    root_access = organization.root_access()
    organizations = organization.client("organizations")
    policies = [
        policy["Id"]
        for kind in POLICY_TYPES
        for policy in organizations.list_policies(Filter=kind)["Policies"]
    ]
    attached = organizations.list_policies_for_target(
        TargetId=member, Filter="SERVICE_CONTROL_POLICY"
    )
    return {
        "trusted access": sorted(root_access.trusted_access),
        "features": sorted(root_access.features),
        "delegated administrators": root_access.delegated_administrators,
        "other services": organization.other_services(),
        "root credentials": {
            id_: organization.root_credentials(id_) for id_ in organization.members
        },
        "buckets": organization.client("s3", account_id=member).list_buckets()["Buckets"],
        "queues": organization.client("sqs", account_id=member).list_queues().get("QueueUrls", []),
        "policies": sorted(policies),
        "attached": sorted(policy["Id"] for policy in attached["Policies"]),
    }


class AcceptanceCommand:
    """The acceptance suite's command in this process, on an emulated organization.

    Attributes:
        organization: The organization.
        folder: Where the command writes snapshots and reports.
        connections: The AWS of each run, in order.
        options: How the next runs call it, as `EmulatedAws` takes it.
    """

    def __init__(
        self, organization: LocalOrganization, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.organization = organization
        self.folder = folder
        self.connections: list[EmulatedAws] = []
        self.options: dict[str, Any] = {}
        monkeypatch.setattr(command, "connect", self._connect)

    def _connect(self, profile: str | None, region: str) -> EmulatedAws:
        """Connect the command to the emulated organization, whatever profile it was given."""
        del profile, region
        aws = EmulatedAws(self.organization, **self.options)
        self.connections.append(aws)
        return aws

    def run(self, *arguments: str, typed: str | None = None, **options: str) -> Result:
        """Run the command.

        Args:
            *arguments: Its arguments, after those that name the organization.
            typed: What is typed for the confirmation; default: the organization's id.
            **options: Other values than the organization's own.
        """
        named = {
            "organization": self.organization.id,
            "account": self.organization.management_account_id,
            **options,
        }
        line = [word for name, value in named.items() for word in (f"--{name}", value)]
        confirmation = f"{self.organization.id if typed is None else typed}\n"
        return CliRunner().invoke(
            command.main, [*line, "--folder", str(self.folder), *arguments], input=confirmation
        )

    def run_level(self, level: Level, *arguments: str) -> Result:
        """Run a level with an account to change and one to register."""
        return self.run(
            "--level", level.value, "--run", *arguments, member=OTHER_MEMBER, delegate=MEMBER
        )

    def restore(self, path: Path, *, typed: str | None = None) -> Result:
        """Run the command that restores a snapshot.

        Args:
            path: The snapshot.
            typed: What is typed for the confirmation; default: the organization's id.
        """
        return self.run("--restore", str(path), typed=typed)

    def snapshots(self) -> list[Path]:
        """Return the snapshots in the folder."""
        return sorted(self.folder.glob("*.snapshot.json"))
