"""The features of root access."""

from enum import StrEnum


class Feature(StrEnum):
    """A root access feature, in the order in which AWS lists them."""

    ROOT_SESSIONS = "RootSessions"
    ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
