"""Emulates what moto lacks for root access: one organization, in process or behind HTTP.

moto knows Organizations, IAM and STS, but neither `iam.amazonaws.com` as a trusted service, nor
IAM's organization-level operations, nor AssumeRoot, nor a root user's credentials. This package adds
them, and the rules on which AWS is stricter than moto. Importing it changes nothing.
"""

from .handle import Call, Organization, OtherServices, RootAccess, RootCredentials
from .local import LocalOrganization, Seed, mock_organization
from .remote import RemoteOrganization
from .server import serve_organization

__all__ = [
    "Call",
    "LocalOrganization",
    "Organization",
    "OtherServices",
    "RemoteOrganization",
    "RootAccess",
    "RootCredentials",
    "Seed",
    "mock_organization",
    "serve_organization",
]
