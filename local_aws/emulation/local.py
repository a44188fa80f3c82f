"""The emulated organization of this process."""

from collections.abc import Iterator
from contextlib import contextmanager

from moto import mock_aws

from .extension import extend_moto
from .handle import Organization, Seed


class LocalOrganization(Organization):
    """The emulated organization of this process."""


@contextmanager
def mock_organization(*, seed: Seed | None = None) -> Iterator[LocalOrganization]:
    """Emulate an organization for the boto3 clients of this process.

    Args:
        seed: Its initial state; default: the management account 111111111111, the members
            222222222222, 333333333333 and 444444444444, and trusted access for CloudTrail.

    Yields:
        The handle on the organization. At the end the emulation is undone.
    """
    with extend_moto(), mock_aws():
        organization = LocalOrganization(seed=seed)
        organization.reset()
        yield organization
