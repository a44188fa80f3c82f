"""The status command: print an organization's root access, and what the construct would change."""

from __future__ import annotations

import argparse
import json
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

import boto3

from aws_calls.errors import RootAccessError
from aws_calls.failures import CallError, call_errors, describe
from aws_calls.retry import ATTEMPT_RESERVE_SECONDS, RetryBudget
from aws_calls.runtime import one_attempt, system_clock
from root_access.clients import Clients
from root_access.desired import desired_state
from root_access.deviations import deviation
from root_access.errors import InvalidAccountIdError, NotTheManagementAccountError
from root_access.organization import Organization
from root_access.plan import plan
from root_access.state import SERVICE_PRINCIPAL, Feature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from root_access.plan import Step
    from root_access.state import DesiredState, RootAccess

# A person waits at a terminal.
_MAX_WAIT_SECONDS = 20.0


class ExitCode(IntEnum):
    """The command's exit code."""

    AS_LISTED = 0
    DEVIATES = 1
    INACCESSIBLE = 2


def run(arguments: Sequence[str]) -> ExitCode:
    """Read the root access of the credentials' organization, and print it.

    Args:
        arguments: The command's arguments.

    Returns:
        0 where the construct would change nothing, 1 where it would, 2 where root access cannot be read.
    """
    options = _parser().parse_args(arguments)
    try:
        desired = desired_state(
            features=options.features, delegated_administrators=options.delegated_administrators
        )
        observed = _read_root_access(delegates_managed=desired.delegated_administrators is not None)
    except CallError as error:
        return _print_failure(describe(error.failure))
    except NotTheManagementAccountError as error:
        return _print_failure(
            f"These credentials are of account {error.account_id}. Use credentials of the management account "
            f"{error.management_account_id} of organization {error.organization_id}."
        )
    except RootAccessError as error:
        return _print_failure(str(error))
    except Exception as error:
        # The SDK raises what it meets: a credential process that is not there, a damaged cache, a bad URL.
        # Python's own exit code for an exception is 1, which says that the organization deviates.
        return _print_failure(f"The SDK could not call AWS: {type(error).__name__}: {error}")
    steps = plan(desired=desired, observed=observed)
    print(_to_json(observed, steps) if options.json else _to_text(observed, steps, desired))
    return ExitCode.DEVIATES if steps else ExitCode.AS_LISTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m centralized_root_access")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    status = commands.add_parser(
        "status",
        help="show what is enabled, since when, and what the construct would change",
        description="Show an organization's root access, with credentials of its management account. "
        "This changes nothing. Exit code: 0 as listed, 1 deviates, 2 unable to read root access.",
    )
    status.add_argument("--json", action="store_true", help="print one line of JSON")
    status.add_argument(
        "--features",
        nargs="*",
        choices=[str(feature) for feature in Feature],
        default=[str(feature) for feature in Feature],
        metavar="FEATURE",
        help=f"the features that the construct lists; default: {' '.join(Feature)}",
    )
    status.add_argument(
        "--delegated-administrators",
        nargs="*",
        type=_account_id,
        metavar="ACCOUNT",
        help="the delegated administrators that the construct lists; default: not managed",
    )
    return parser


def _account_id(argument: str) -> str:
    try:
        desired_state(features=(), delegated_administrators=[argument])
    except InvalidAccountIdError as error:
        raise argparse.ArgumentTypeError(f"{error.account_id!r} is not a 12-digit account ID") from error
    return argument


def _read_root_access(*, delegates_managed: bool) -> RootAccess:
    config = one_attempt()
    with call_errors("sts:GetCallerIdentity"):
        # The SDK needs a Region, though the services are global.
        region = boto3.Session().region_name or "us-east-1"
        account_id = boto3.client("sts", region_name=region, config=config).get_caller_identity()["Account"]
        clients = Clients(
            iam=boto3.client("iam", region_name=region, config=config),
            organizations=boto3.client("organizations", region_name=region, config=config),
        )
    clock = system_clock()
    budget = RetryBudget(clock=clock, deadline=clock.now() + _MAX_WAIT_SECONDS + ATTEMPT_RESERVE_SECONDS)
    return Organization(
        clients=clients, account_id=account_id, budget=budget, delegates_managed=delegates_managed
    ).observe()


def _to_json(observed: RootAccess, steps: Sequence[Step]) -> str:
    return json.dumps(
        {
            **observed.to_dict(),
            "deviations": [deviation(step) for step in steps],
            "steps": [str(step) for step in steps],
        },
        separators=(",", ":"),
    )


def _to_text(observed: RootAccess, steps: Sequence[Step], desired: DesiredState) -> str:
    rows = [
        (
            f"trusted access for {SERVICE_PRINCIPAL}",
            f"enabled since {observed.trusted_access_since}" if observed.trusted_access else "disabled",
        )
    ]
    for feature in Feature:
        if observed.trusted_access:
            rows.append((feature, "enabled" if feature in observed.features else "disabled"))
        else:
            rows.append((feature, "disabled, or hidden while trusted access is disabled"))
    rows.append(("delegated administrators", _join_accounts(observed.delegated_administrators)))
    width = max(len(name) for name, _ in rows)
    lines = [
        f"{observed.status}: organization {observed.organization_id}, "
        f"management account {observed.management_account_id}",
        *(f"  {name:<{width}}  {value}" for name, value in rows),
    ]
    listed = [" ".join(sorted(desired.features)) or "no features"]
    if desired.delegated_administrators is not None:
        accounts = " ".join(sorted(desired.delegated_administrators))
        listed.append(f"delegated administrators {accounts}" if accounts else "no delegated administrators")
    if steps:
        lines += [
            f"A deployment of {', '.join(listed)} would apply these changes:",
            *(f"  {step}  ({deviation(step)})" for step in steps),
        ]
    else:
        lines.append(f"A deployment of {', '.join(listed)} would change nothing.")
    return "\n".join(lines)


def _print_failure(sentence: str) -> ExitCode:
    print(f"Unable to read root access: {sentence}", file=sys.stderr)
    return ExitCode.INACCESSIBLE


def _join_accounts(account_ids: Sequence[str] | None) -> str:
    if account_ids is None:
        return "unknown (could not be read)"
    return ", ".join(account_ids) or "none"
