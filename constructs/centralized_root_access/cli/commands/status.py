"""The status command: an organization's root access, and what the construct would change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ...base.enums import RootAccessFeature
from ..base.command_errors import ExitCode, failures_as
from ..base.options import (
    TargetOptions,
    account_id,
    caller_options,
    example,
    format_option,
    repeatable_option,
)
from ..base.terminal import JSON, TABLE

if TYPE_CHECKING:
    from root_access.state import DesiredState, RootAccess


FEATURES = tuple(feature.value for feature in RootAccessFeature)


@click.command(
    short_help="Show what is enabled, and what the construct would change.",
    epilog=example("status --delegated-administrator 222222222222"),
)
@repeatable_option(
    "feature",
    type=click.Choice(FEATURES),
    help="A feature that the construct lists. Repeatable. Default: both.",
)
@click.option("--no-features", is_flag=True, help="The construct lists no features.")
@repeatable_option(
    "delegated-administrator",
    type=account_id,
    metavar="ACCOUNT",
    help="A delegated administrator that the construct lists. Repeatable. Default: not managed.",
)
@click.option(
    "--no-delegated-administrators",
    is_flag=True,
    help="The construct's list of delegated administrators is empty.",
)
@format_option(TABLE, JSON)
@caller_options
def status(
    *,
    features: tuple[str, ...],
    no_features: bool,
    delegated_administrators: tuple[str, ...],
    no_delegated_administrators: bool,
    format_: str,
    target: TargetOptions,
) -> ExitCode:
    """Show an organization's root access, with credentials of its management account.

    This changes nothing.

    Exit code: 0 as the construct lists it; 1 it deviates; 2 root access cannot be read.
    """
    if features and no_features:
        raise click.UsageError("Use either --feature or --no-features.")
    if delegated_administrators and no_delegated_administrators:
        raise click.UsageError(
            "Use either --delegated-administrator or --no-delegated-administrators."
        )
    with failures_as("Unable to read root access"):
        from root_access.drift.deviations import deviation
        from root_access.organization import Organization
        from root_access.state import desired_state
        from root_access.steps import plan

        from ..base.caller import find_caller

        # Without options, the features that the construct lists without arguments.
        if not features and not no_features:
            features = FEATURES
        # Without options, as without arguments, delegated administrators stay as they are.
        delegates_managed = bool(delegated_administrators or no_delegated_administrators)
        desired = desired_state(
            features=features,
            delegated_administrators=delegated_administrators if delegates_managed else None,
        )
        caller = find_caller(target)
        observed = Organization(
            aws=caller.calls(),
            account_id=caller.account_id,
            delegates_managed=delegates_managed,
        ).observe()
        if observed.management_account_id in delegated_administrators:
            raise click.UsageError(
                f"--delegated-administrator lists {observed.management_account_id}. The management "
                "account cannot be a delegated administrator. List member accounts."
            )
        # What differs, by the step of a deployment that would change it.
        deviations = {
            str(step): deviation(step) for step in plan(desired=desired, observed=observed)
        }
        if format_ == JSON:
            click.echo(_to_json(observed, deviations))
        else:
            click.echo(_to_text(observed, deviations, desired))
        return ExitCode.NOT_AS_WANTED if deviations else ExitCode.AS_WANTED


def _to_json(observed: RootAccess, deviations: Mapping[str, str]) -> str:
    """Return root access and what would change as one line of JSON.

    Args:
        observed: Root access, which gets the keys that the stack's output has.
        deviations: What differs, in words, by the step that would change it.
    """
    document = observed.to_dict()
    document["deviations"] = list(deviations.values())
    document["steps"] = list(deviations)
    return json.dumps(document, separators=(",", ":"))


def _to_text(observed: RootAccess, deviations: Mapping[str, str], desired: DesiredState) -> str:
    """Return root access and what would change in words.

    Args:
        observed: Root access.
        deviations: What differs, in words, by the step that would change it.
        desired: What the construct lists.
    """
    from root_access.state import SERVICE_PRINCIPAL, Feature
    from root_tasks.messages import enumeration
    from root_tasks.report.words import minute

    # What is enabled.
    trusted_access, disabled_feature = "enabled", "disabled"
    if not observed.trusted_access:
        trusted_access = "disabled"
        # AWS shows no features then.
        disabled_feature = "disabled, or hidden while trusted access is disabled"
    enabled_at = observed.trusted_access_enabled_at
    if enabled_at is not None:
        trusted_access += f" since {minute(enabled_at)}"
    rows: dict[str, str] = {f"trusted access for {SERVICE_PRINCIPAL}": trusted_access}
    for feature in Feature:
        rows[feature] = "enabled" if feature in observed.features else disabled_feature
    accounts = observed.delegated_administrators
    if accounts is None:
        rows["delegated administrators"] = "unknown (could not be read)"
    else:
        rows["delegated administrators"] = ", ".join(accounts) or "none is registered"

    width = max(map(len, rows))
    lines = [
        f"{observed.status}: organization {observed.organization_id}, management account "
        f"{observed.management_account_id}"
    ]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows.items()]
    # What a deployment would do about it.
    changes = "apply these changes:" if deviations else "change nothing."
    listed = [*sorted(desired.features), *sorted(desired.delegated_administrators or ())]
    lists = enumeration(listed) or "empty lists"
    lines.append(f"With {lists}, a deployment would {changes}")
    lines += [f"  {step}  ({deviation})" for step, deviation in deviations.items()]
    return "\n".join(lines)
