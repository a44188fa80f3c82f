"""boto3 clients of a local AWS that ignore the user's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.session import Session

from local_aws.emulation.handle import WITHOUT_USER_SETTINGS

if TYPE_CHECKING:
    from local_aws.environment import LocalAddresses


def client(service: str, addresses: LocalAddresses, *, account_id: str) -> Any:
    """Create a client with the credentials of an account.

    Args:
        service: The service's name in boto3.
        addresses: The local AWS to call.
        account_id: The account.
    """
    session = boto3.Session(
        aws_access_key_id=account_id,
        aws_secret_access_key=addresses.secret_access_key,
        region_name=addresses.region,
        botocore_session=Session(session_vars=WITHOUT_USER_SETTINGS),
    )
    return session.client(  # type: ignore[call-overload]
        service,
        endpoint_url=addresses.url_of(service),
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
