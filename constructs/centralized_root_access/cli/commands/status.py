"""The status command: an organization's root access, compared with the construct's lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ...base.enums import RootAccessFeature
from ..base.command_errors import ExitCode, failures_as
from ..base.options import (
    TargetOptions,
    account_ids,
    caller_options,
    example,
    flatten,
    format_option,
    repeatable_option,
)
from ..base.terminal import JSON, TABLE

if TYPE_CHECKING:
    from root_access.state import DesiredState, RootAccess
    from root_access.steps import Step


FEATURES = tuple(feature.value for feature in RootAccessFeature)
_NOT_COMPARED = (
    "Delegated administrators are not compared, because no option lists them. Each can open root "
    "sessions: see that every one is yours."
)


@click.command(
    short_help="Show what is enabled, and how to correct what differs.",
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
    type=account_ids,
    callback=flatten,
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

    This changes nothing: it prints the commands that correct what differs.

    Exit code: 0 as the options list it; 1 it deviates; 2 root access cannot be read.
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
        observed = Organization(
            aws=find_caller(target).calls(), delegates_managed=delegates_managed
        ).observe()
        if observed.management_account_id in delegated_administrators:
            raise click.UsageError(
                f"--delegated-administrator lists {observed.management_account_id}. The management "
                "account cannot be a delegated administrator. List member accounts."
            )
        # What differs, by the step that corrects it.
        deviations = {step: deviation(step) for step in plan(desired=desired, observed=observed)}
        if format_ == JSON:
            click.echo(_to_json(observed, deviations))
        else:
            click.echo(_to_text(observed, deviations, desired, target=target))
        return ExitCode.NOT_AS_WANTED if deviations else ExitCode.AS_WANTED


def _to_json(observed: RootAccess, deviations: Mapping[Step, str]) -> str:
    """Return root access and what differs as one line of JSON.

    Args:
        observed: Root access, which gets the keys that the stack's output has.
        deviations: What differs, in words, by the step that corrects it.
    """
    document = observed.to_dict()
    document["deviations"] = list(deviations.values())
    document["steps"] = [str(step) for step in deviations]
    return json.dumps(document, separators=(",", ":"))


def _to_text(
    observed: RootAccess,
    deviations: Mapping[Step, str],
    desired: DesiredState,
    *,
    target: TargetOptions,
) -> str:
    """Return root access and what differs in words.

    Args:
        observed: Root access.
        deviations: What differs, in words, by the step that corrects it.
        desired: What the construct lists.
        target: The command's options, which those that it prints get as well.
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
    # What differs, and how to correct it.
    listed = [*sorted(desired.features), *sorted(desired.delegated_administrators or ())]
    lists = enumeration(listed) or "empty lists"
    differs = "nothing differs."
    if deviations:
        differs = "this differs, and each command corrects one line:"
    lines.append(f"Compared with {lists}, {differs}")
    for step, deviation in deviations.items():
        lines += [f"  {deviation}", f"    {target.with_options(step.command)}"]
    if desired.delegated_administrators is None and accounts != ():
        lines.append(_NOT_COMPARED)
    return "\n".join(lines)
