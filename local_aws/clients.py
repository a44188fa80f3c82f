"""boto3 clients of a local AWS, which no setting of the user can lead elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.session import Session

from local_aws.environment import SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from local_aws.environment import LocalAddresses

# As botocore has them, but without the variable or the file that each would be read from.
_NO_USERS_SETTINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def client(service: str, addresses: LocalAddresses, *, account_id: str) -> Any:
    """A client that acts as an account.

    Args:
        service: The service, as boto3 names it.
        addresses: The local AWS to call.
        account_id: The account whose credentials it has.
    """
    session = boto3.Session(
        aws_access_key_id=account_id,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        region_name=addresses.region,
        botocore_session=Session(session_vars=_NO_USERS_SETTINGS),
    )
    return session.client(  # type: ignore[call-overload]
        service,
        endpoint_url=addresses.url_of(service),
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
