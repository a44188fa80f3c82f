"""What can be checked before a run is started: a typing error then starts none.

The run itself decides: what these credentials may not read is left to it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from aws_calls.calls import call
from aws_calls.failures import CallError
from root_tasks.model.report import Task
from root_tasks.refusals import RefusalReason, RunRefusedError
from root_tasks.run.request import parse_request
from root_tasks.run.units import UnitTree
from root_tasks.tasks import DEFINITIONS

from .deployment import EXECUTE_FOLDER
from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .aws import Caller
    from .deployment import Deployment

_DESCRIBE_ACCOUNT = "organizations:DescribeAccount"
_MAX_SECONDS = 5.0
# One call each: of more accounts the run itself finds the wrong one as fast.
_MAX_ACCOUNTS = 20


def require_startable(caller: Caller, deployment: Deployment, input_: Mapping[str, object]) -> None:
    """Refuse an input of the Audit state machine that its run would surely refuse.

    Args:
        caller: The caller.
        deployment: The deployment.
        input_: The input.

    Raises:
        CommandError: The input is unclear, or names an account, a unit or a task that is not there.
    """
    executes = EXECUTE_FOLDER in deployment.state_machine_arns
    try:
        scope = parse_request(
            input_,
            tasks=[task for task in Task if executes or not DEFINITIONS[task].makes_changes],
            allow_policy_override=True,
            partition=caller.partition,
        ).scope
        _require_units(caller, (*scope.organizational_units, *scope.unit_exclusions))
    except RunRefusedError as error:
        raise CommandError(str(error)) from error
    assigned = {assignment.account_id for assignment in scope.assignments}
    _require_members(caller, assigned | scope.member_ids)


def _require_units(caller: Caller, units: Iterable[str]) -> None:
    tree = UnitTree(aws=caller.aws(seconds=_MAX_SECONDS))
    for unit in units:
        try:
            tree.names_in(tree.id_of(unit))
        except CallError as error:
            if error.failure.name != "ParentNotFound":
                return
            raise RunRefusedError(RefusalReason.UNIT_NOT_FOUND, unit=unit) from error


def _require_members(caller: Caller, account_ids: Collection[str]) -> None:
    if len(account_ids) > _MAX_ACCOUNTS:
        return
    describe = caller.client("organizations").describe_account
    budget = caller.budget(seconds=_MAX_SECONDS)
    for account_id in sorted(account_ids):
        try:
            call(
                functools.partial(describe, AccountId=account_id), operation=_DESCRIBE_ACCOUNT, budget=budget
            )
        except CallError as error:
            if error.failure.name != "AccountNotFound":
                return
            raise CommandError(f"Not in the organization: {account_id}. No run was started.") from error
