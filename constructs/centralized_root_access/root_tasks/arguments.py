"""The checks of the arguments that only RootTasks has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from aws_cdk import Annotations, Stack, Token
from aws_cdk.region_info import RegionInfo

from ..base.arguments import parse_account_ids, require_known
from ..base.enums import RootTask

if TYPE_CHECKING:
    from constructs import Construct

_MAX_CONCURRENCY = 1000
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_PATH = r"(?=.{1,512}$)/([A-Za-z0-9+=,.@_-]+/)*"

# Lambda allows 4,096 characters of variables, measured as JSON, in which the quotation marks of the
# settings are escaped. Everything but these lists takes less than 538. A role's inline policy has
# room for more.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_SETTINGS_CHARACTERS = 4096 - 538
MAX_PROTECTED_ACCOUNTS = _MAX_SETTINGS_CHARACTERS // len(r"\"111111111111\",")


def parse_protected_accounts(account_ids: Iterable[str]) -> list[str]:
    """Return the account IDs, sorted, each once, or the list token of a parameter as it is.

    Raises:
        ValueError: An account ID is not 12 digits.
        TypeError: The argument is not a list, a tuple or a set.
    """
    if isinstance(account_ids, list) and Token.is_unresolved(account_ids):
        return account_ids
    return parse_account_ids("protected_accounts", account_ids)


def parse_role_path(path: str) -> str:
    """Return the IAM path of roles.

    Raises:
        ValueError: It is not the path of a role.
    """
    require_known("role_path", path)
    if not isinstance(path, str) or not re.fullmatch(_PATH, path):
        raise ValueError(
            "role_path must be an IAM path of at most 512 characters that begins and ends with a "
            f"slash, got {path!r}. Write /security/root-access/, for example."
        )
    return path


def require_room(settings: Mapping[str, object]) -> None:
    """Refuse arguments for which a function's environment has no room.

    Raises:
        ValueError: They are too long.
    """
    # As Lambda measures them: the settings are a text in JSON.
    characters = 0
    for value in settings.values():
        text = json.dumps(value, separators=(",", ":"))
        characters += len(json.dumps(text)) - len('""')
    if characters > _MAX_SETTINGS_CHARACTERS:
        given = " and ".join(name for name, value in settings.items() if value)
        raise ValueError(
            f"{given} would have {characters} characters in a function's environment, which has "
            f"room for {_MAX_SETTINGS_CHARACTERS}: for {MAX_PROTECTED_ACCOUNTS} protected accounts "
            "and nothing else, for example. List less."
        )


def require_audit(argument: str, *, tasks: Iterable[RootTask]) -> None:
    """Refuse an argument for audits if none can be started.

    Raises:
        ValueError: The audit is not listed.
    """
    if RootTask.AUDIT not in tasks:
        raise ValueError(f"{argument} needs the audit. Add RootTask.AUDIT to tasks.")


def require_max_concurrency(max_concurrency: object) -> None:
    """Refuse a concurrency that a Distributed Map is not to have.

    Raises:
        ValueError: It is not an int from 1 to 1,000.
    """
    # True is an int as well.
    if type(max_concurrency) is not int or not 1 <= max_concurrency <= _MAX_CONCURRENCY:
        raise ValueError(
            f"max_concurrency is {max_concurrency!r}. Write a number from 1 to {_MAX_CONCURRENCY}."
        )


def warn_of_opt_in_region(construct: Construct) -> None:
    """Warn of a Region in which AWS refuses root sessions in the members that have not enabled it.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
    """
    region = Stack.of(construct).region
    if not Token.is_unresolved(region) and RegionInfo.get(region).is_opt_in_region:
        Annotations.of(construct).add_warning_v2(
            "centralized-root-access:optInRegion",
            f"The Region is {region}, which is disabled by default: AWS refuses root sessions in "
            "member accounts that have not enabled it. Use a Region that is enabled by default.",
        )
