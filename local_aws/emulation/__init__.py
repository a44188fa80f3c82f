"""The root-access APIs that moto lacks: one organization, in process or behind HTTP.

moto has Organizations, IAM and STS, but not `iam.amazonaws.com` as a trusted service, IAM's
organization-level operations, AssumeRoot, or a root user's credentials. This package adds them, and
the rules in which AWS is stricter than moto. Importing it changes nothing.
"""

from .control import RemoteOrganization
from .handle import Organization, Seed
from .local import LocalOrganization, mock_organization
from .server import serve_organization
from .values import Call, RootCredentials

__all__ = [
    "Call",
    "LocalOrganization",
    "Organization",
    "RemoteOrganization",
    "RootCredentials",
    "Seed",
    "mock_organization",
    "serve_organization",
]
