"""The callers: an access key id of twelve digits is an account."""

import re

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from .state import current_emulation

_ACCOUNT_ID = re.compile(r"[0-9]{12}")

# moto's own pattern takes twenty characters only; this one takes twelve digits as well.
ACCESS_KEY_PATTERN = re.compile(
    r"AWS.*(?P<access_key>(?<![A-Z0-9])(?:[A-Z0-9]{20}|[0-9]{12})(?![A-Z0-9]))[:/]"
)


def is_account_id(value: str) -> bool:
    """Return whether a value is an account id."""
    return _ACCOUNT_ID.fullmatch(value) is not None


def account_id_from(access_key: str) -> str:
    """Return the account of an access key.

    Unlike moto's own function, this one does not create a backend for every account and partition
    to search for the key.
    """
    if is_account_id(access_key):
        return access_key
    root_user = current_emulation().account_of_root_key(access_key)
    if root_user is not None:
        return root_user
    for account_id, partitions in list(iam_backends.items()):
        for backend in list(partitions.values()):
            if access_key in backend.access_keys:
                return str(account_id)
    return str(DEFAULT_ACCOUNT_ID)
