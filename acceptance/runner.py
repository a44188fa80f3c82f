"""Runs cases one after the other, and restores the organization however the run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from acceptance.comparison import differences
from acceptance.model import MEASUREMENT, Case, Level, Response, Result, Source, Verdict
from acceptance.policies import POLICIES
from acceptance.resources import field_changed_by
from acceptance.scene import Scene
from acceptance.state import State, StateField, is_time_bound, parse_step, split_steps

# AWS documents no bound for how long a change takes to be effective; nothing recorded took longer.
MAX_SETTLING_SECONDS = 240.0
_FIRST_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 16.0


def find_obstacle(case: Case, scene: Scene, level: Level) -> str | None:
    """Return why a run of a level cannot see a case, or None if it can."""
    names = scene.callers.names
    if case.not_shown_locally is not None and scene.callers.aws.is_local:
        return f"the local AWS does not show it: {case.not_shown_locally}"
    if case.needs_member and names.member is None:
        return "it needs --member"
    if case.needs_delegate and names.delegate is None:
        return "it needs --delegate"
    for step in map(parse_step, case.given):
        if step.resource is StateField.POLICY and step.value:
            type_ = POLICIES[str(step.value)].type
            if type_ not in scene.policy_types:
                return f"policies of the type {type_} are not enabled in the organization"
    if level is Level.READ:
        changed = scene.state.differences(split_steps(case.given)[0])
        if changed:
            return f"the organization is in another state: {', '.join(changed)}"
    return None


def sort_cases(cases: Iterable[Case]) -> list[Case]:
    """Return cases by level, first what would hurt most, then so that the state changes seldom.

    What risks something comes last. A run may be interrupted, or a level take too long.
    """

    def order(case: Case) -> tuple[object, ...]:
        """Return what cases are sorted by."""
        state, steps = split_steps(case.given)
        values = [str(getattr(state, resource) or "") for resource in reversed(StateField)]
        return (
            list(Level).index(case.level),
            case.risk is not None,
            not _may_hurt(case),
            values,
            bool(steps),
        )

    return sorted(cases, key=order)


def _may_hurt(case: Case) -> bool:
    """Return whether it is about a change to which AWS's response is not recorded yet."""
    return case.source is not Source.RECORDED and field_changed_by(case.call) is not None


def run_cases(
    cases: Sequence[Case],
    scene: Scene,
    level: Level,
    *,
    settling_seconds: float = MAX_SETTLING_SECONDS,
    report: Callable[[Result], None] = lambda _: None,
    keep: Callable[[State], object] = lambda _: None,
    restored: Callable[[], object] = lambda: None,
) -> list[Result]:
    """Run cases, and restore the state that the organization had before.

    Args:
        cases: The cases of the run's level, sorted.
        scene: The organization.
        level: The run's level.
        settling_seconds: How long to wait for a response that a change before may not have reached
            yet.
        report: Called with each result.
        keep: Called with the state before the run, before the first change, and once the features
            are known.
        restored: Called once that state is restored, also if the run was interrupted.
    """

    def results() -> list[Result]:
        """Run each case, report its result, and return all of them."""
        seen = []
        for case in cases:
            seen.append(_run_case(case, scene, level, settling_seconds))
            report(seen[-1])
        return seen

    if level is Level.READ:
        return results()
    before = scene.state
    keep(before)
    try:
        scene.reveal_features()
        before = replace(before, credentials=scene.state.credentials, sessions=scene.state.sessions)
        keep(before)
        return results()
    finally:
        scene.restore(before)
        restored()


def _run_case(case: Case, scene: Scene, level: Level, settling_seconds: float) -> Result:
    """Return the result of one case, which no error of AWS keeps from being one."""
    obstacle = find_obstacle(case, scene, level)
    if obstacle is not None:
        return Result(case=case, verdict=Verdict.NOT_SEEN, differences=(obstacle,))
    try:
        if level is not Level.READ:
            scene.arrange(case)
        return _compare(case, scene, settling_seconds)
    except ValueError as error:
        return Result(case=case, verdict=Verdict.NOT_SEEN, differences=(str(error),))
    except (BotoCoreError, ClientError) as error:
        what = (
            error.response["Error"]["Code"]
            if isinstance(error, ClientError)
            else type(error).__name__
        )
        return Result(
            case=case, verdict=Verdict.NOT_SEEN, differences=(f"it could not be arranged: {what}",)
        )


def _compare(case: Case, scene: Scene, settling_seconds: float) -> Result:
    """Make the call, and again while the response is not the expected one, and compare it.

    A call is repeated because a change before it may not be visible yet; not one that changes
    something, or whose response depends on the time.
    """
    aws = scene.callers.aws
    may_repeat = field_changed_by(case.call) is None and not is_time_bound(case.given)
    if case.call.operation.startswith(MEASUREMENT):
        may_repeat = False
    started, pause = aws.monotonic(), _FIRST_PAUSE_SECONDS
    while True:
        response = scene.call(case)
        found = differences(response, case.response, moment=aws.moment())
        seconds = aws.monotonic() - started
        if not found or not may_repeat or seconds + pause > settling_seconds:
            break
        aws.wait(pause)
        pause = min(2 * pause, _MAX_PAUSE_SECONDS)
    return _result(case, scene, response, found, seconds)


def _result(
    case: Case, scene: Scene, response: Response, found: tuple[str, ...], seconds: float
) -> Result:
    """Return the result of a response with these differences, and with what there is afterwards."""
    afterwards = None
    if case.afterwards is not None:
        afterwards = scene.afterwards(case.afterwards)
        found += tuple(
            f"afterwards {key}: {afterwards[key]}, expected {wanted}"
            for key, wanted in case.afterwards.items()
            if afterwards[key] != wanted
        )
    return Result(
        case=case,
        verdict=Verdict.DIFFERENT if found else Verdict.SAME,
        response=response,
        differences=found,
        seconds=seconds,
        afterwards=afterwards,
    )
