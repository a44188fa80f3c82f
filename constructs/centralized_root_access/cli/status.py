"""The status command: an organization's root access, and what the construct would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..enums import RootAccessFeature
from .failures import failures_as
from .options import JSON, TABLE, AccountId, caller_options, format_option
from .waiting import waiting_line

if TYPE_CHECKING:
    from .environment import Environment
    from .exit_code import ExitCode

FEATURES = tuple(str(feature) for feature in RootAccessFeature)


@click.command(short_help="Show what is enabled, and what the construct would change.")
@click.option(
    "--feature",
    "features",
    multiple=True,
    type=click.Choice(FEATURES),
    help="A feature that the construct lists. Repeatable. Default: both.",
)
@click.option("--no-features", is_flag=True, help="The construct lists no features.")
@click.option(
    "--delegated-administrator",
    "delegated_administrators",
    multiple=True,
    type=AccountId(),
    metavar="ACCOUNT",
    help="A delegated administrator that the construct lists. Repeatable. Default: not managed.",
)
@click.option("--no-delegated-administrators", is_flag=True, help="The construct lists none.")
@format_option(TABLE, JSON)
@caller_options
@click.pass_obj
def status(
    environment: Environment,
    *,
    features: tuple[str, ...],
    no_features: bool,
    delegated_administrators: tuple[str, ...],
    no_delegated_administrators: bool,
    format_: str,
    profile: str | None,
    region: str | None,
) -> ExitCode:
    """Show an organization's root access, with credentials of its management account. This changes nothing.

    Exit code: 0 as the construct lists it, 1 it deviates, 2 root access cannot be read.
    """
    if features and no_features:
        raise click.UsageError("Use either --feature or --no-features.")
    if delegated_administrators and no_delegated_administrators:
        raise click.UsageError("Use either --delegated-administrator or --no-delegated-administrators.")
    with failures_as("Unable to read root access", as_json=format_ == JSON):
        from .exit_code import ExitCode

        with waiting_line("Reading root access ..."):
            from . import observation
            from .aws import find_caller

            desired = observation.desired_state(
                features=() if no_features else features or FEATURES,
                delegated_administrators=(
                    delegated_administrators
                    if delegated_administrators or no_delegated_administrators
                    else None
                ),
            )
            caller = find_caller(profile=profile, region=region, environment=environment)
            observed = observation.read_root_access(
                caller, delegates_managed=desired.delegated_administrators is not None
            )
        steps = observation.plan(desired=desired, observed=observed)
        if format_ == JSON:
            click.echo(observation.to_json(observed, steps))
        else:
            click.echo(observation.to_text(observed, steps, desired))
        return ExitCode.NOT_AS_WANTED if steps else ExitCode.AS_WANTED
