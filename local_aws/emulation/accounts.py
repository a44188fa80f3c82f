"""Which account a request acts in: an access key id of twelve digits is that account."""

import re

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

_ACCOUNT_ID = re.compile(r"[0-9]{12}")

# moto's own pattern, which wants twenty characters, with twelve digits beside it.
ACCESS_KEY_PATTERN = re.compile(
    r"AWS.*(?P<access_key>(?<![A-Z0-9])(?:[A-Z0-9]{20}|[0-9]{12})(?![A-Z0-9]))[:/]"
)


def is_account_id(value: str) -> bool:
    """Whether a value is an account id."""
    return _ACCOUNT_ID.fullmatch(value) is not None


def account_id_from(access_key: str) -> str:
    """The account that an access key acts in.

    Other than moto's own function, this does not make a backend for every account and partition
    only to look for the key in it.
    """
    if is_account_id(access_key):
        return access_key
    for account_id, partitions in list(iam_backends.items()):
        for backend in list(partitions.values()):
            if access_key in backend.access_keys:
                return str(account_id)
    return str(DEFAULT_ACCOUNT_ID)
