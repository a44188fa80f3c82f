"""The status command: an organization's root access, and what the construct would change."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import click

from ...enums import RootAccessFeature
from ..errors import ExitCode, failures_as
from ..options import JSON, TABLE, account_id, caller_options, format_option, repeatable_option
from ..terminal import waiting_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from root_access.state import DesiredState, RootAccess
    from root_access.steps import Step

    from ..target import TargetOptions

FEATURES = tuple(feature.value for feature in RootAccessFeature)


@click.command(short_help="Show what is enabled, and what the construct would change.")
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
@click.option("--no-delegated-administrators", is_flag=True, help="The construct lists none.")
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
    """Show an organization's root access, with credentials of its management account. This changes nothing.

    Exit code: 0 as the construct lists it; 1 it deviates; 2 root access cannot be read.
    """
    if features and no_features:
        raise click.UsageError("Use either --feature or --no-features.")
    if delegated_administrators and no_delegated_administrators:
        raise click.UsageError("Use either --delegated-administrator or --no-delegated-administrators.")
    with failures_as("Unable to read root access", as_json=format_ == JSON):
        with waiting_line("Reading root access ..."):
            from root_access.organization import Organization
            from root_access.state import desired_state
            from root_access.steps import plan

            from ..aws import find_caller

            listed = delegated_administrators or no_delegated_administrators
            desired = desired_state(
                features=() if no_features else features or FEATURES,
                delegated_administrators=delegated_administrators if listed else None,
            )
            caller = find_caller(target)
            observed = Organization(
                client=caller.client,
                account_id=caller.account_id,
                budget=caller.budget(),
                delegates_managed=bool(listed),
            ).observe()
        if observed.management_account_id in delegated_administrators:
            raise click.UsageError(
                f"--delegated-administrator lists {observed.management_account_id}. The management account "
                "cannot be a delegated administrator. List member accounts."
            )
        steps = plan(desired=desired, observed=observed)
        click.echo(_to_json(observed, steps) if format_ == JSON else _to_text(observed, steps, desired))
        return ExitCode.NOT_AS_WANTED if steps else ExitCode.AS_WANTED


def _to_json(observed: RootAccess, steps: Sequence[Step]) -> str:
    """Return root access and what would change as one line of JSON, with the keys of the stack's output."""
    import json

    from root_access.drift.deviations import deviation

    return json.dumps(
        {
            **observed.to_dict(),
            "deviations": [deviation(step) for step in steps],
            "steps": [str(step) for step in steps],
            "sdk": _sdk(),
        },
        separators=(",", ":"),
    )


def _to_text(observed: RootAccess, steps: Sequence[Step], desired: DesiredState) -> str:
    """Return root access and what would change in words."""
    from root_access.drift.deviations import deviation
    from root_access.state import SERVICE_PRINCIPAL, Feature

    since = observed.trusted_access_enabled_at
    hidden = "disabled" if since else "disabled, or hidden while trusted access is disabled"
    rows: dict[str, str] = {
        f"trusted access for {SERVICE_PRINCIPAL}": (
            f"enabled since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if since else "disabled"
        ),
        **{feature: "enabled" if feature in observed.features else hidden for feature in Feature},
        "delegated administrators": _join_accounts(observed.delegated_administrators),
    }
    width = max(map(len, rows))
    lines = [
        f"{observed.status}: organization {observed.organization_id}, "
        f"management account {observed.management_account_id}",
        *(f"  {name:<{width}}  {value}" for name, value in rows.items()),
    ]
    listed = _list_text(desired)
    if steps:
        lines += [
            f"With {listed}, a deployment would apply these changes:",
            *(f"  {step}  ({deviation(step)})" for step in steps),
        ]
    else:
        lines.append(f"With {listed}, a deployment would change nothing.")
    lines.append(f"Read with {_sdk()}.")
    return "\n".join(lines)


def _sdk() -> str:
    import botocore

    return f"botocore {botocore.__version__}"


def _list_text(desired: DesiredState) -> str:
    listed = [" and ".join(sorted(desired.features)) or "no features"]
    if desired.delegated_administrators is not None:
        accounts = " ".join(sorted(desired.delegated_administrators))
        listed.append(f"delegated administrators {accounts}" if accounts else "no delegated administrators")
    return ", ".join(listed)


def _join_accounts(account_ids: Sequence[str] | None) -> str:
    if account_ids is None:
        return "unknown (could not be read)"
    return ", ".join(account_ids) or "none is registered"
