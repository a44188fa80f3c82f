"""The evaluator next to another one that no one of this project wrote: where ours is certain, both agree.

The other one is `@cloud-copilot/iam-simulate`, from npm, under the AGPL: it runs next to these tests in a
process of its own, and no part of it is in what ships.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from centralized_root_access.preflight.attachments import FULL_ACCESS, RCP_FULL_ACCESS
from centralized_root_access.preflight.calls import call_of
from centralized_root_access.preflight.evaluate import Decision
from root_tasks.tasks import DEFINITIONS
from support.properties import property_test
from support.scp import (
    FULL_ACCESS_DOCUMENT,
    GET_USER,
    OPEN_SESSION,
    SESSION,
    Sample,
    bucket_call,
    decision_with,
    document,
    evaluate_call,
    levels,
    policy_of,
    queue_call,
    resource_policy,
    samples,
    statement,
)
from support.scp_grammar import (
    CALLS,
    conditions_and_contexts,
    disagreement_names,
    disagreements,
    documents,
    statements,
)
from support.scp_oracle import DIRECTORY, Oracle, World, is_installed, worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from centralized_root_access.preflight.calls import Call
    from centralized_root_access.preflight.condition_keys import Value

pytestmark = pytest.mark.skipif(
    not is_installed(),
    reason=f"NOT COMPARED WITH THE ORACLE: it is not installed; run npm ci in tests/{DIRECTORY.name}",
)

DISAGREEMENTS = {disagreement["name"]: disagreement for disagreement in disagreements()}
# Samples that show a known disagreement.
SAMPLES_WITH_DISAGREEMENTS = {
    "arn-operand-no-arn": "policy-value-that-is-not-an-arn",
    "root-by-variable": "variable-in-arn-operator",
    "root-by-variable-no-version": "variable-without-version",
    "unknown-operator": "unknown-operator",
}


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle() as running:
        yield running


def names_in(drawn: dict[str, Any]) -> tuple[str, ...]:
    """Return names of buckets and queues that a policy's patterns match."""
    return tuple(
        resource.rpartition(":")[2].replace("*", "x")
        for element in (drawn["Statement"] if isinstance(drawn["Statement"], list) else [drawn["Statement"]])
        for key in ("Resource", "NotResource")
        for resource in ([element[key]] if isinstance(element.get(key), str) else element.get(key, []))
        if resource.startswith("arn:") and "/" not in resource
    )


COMPARED = [sample for sample in samples() if sample.policy_name not in SAMPLES_WITH_DISAGREEMENTS]


def both(ours: Decision) -> set[Decision]:
    """Return what the oracle says of all worlds: some allow what ours leaves undecided, others deny it."""
    return {Decision.ALLOWED, Decision.DENIED} if ours is Decision.UNKNOWN else {ours}


@pytest.mark.parametrize("sample", COMPARED, ids=lambda sample: sample.name)
def test_of_a_sample_policy_both_say_the_same_of_every_call(oracle: Oracle, sample: Sample) -> None:
    attached = [FULL_ACCESS_DOCUMENT, sample.document] if sample.full_access else [sample.document]
    calls = [
        call_of(action, session=SESSION, target=sample.target, target_region=sample.target_region)
        for action in DEFINITIONS[sample.task].calls
    ]
    for call in (*calls, OPEN_SESSION):
        ours = evaluate_call(call, service_control=sample.levels).decision
        asked = worlds(call, documents=[sample.document], names=names_in(sample.document))
        assert oracle.decisions(call, asked, service_control=[attached]) == both(ours), call.action


@property_test(examples=600, drawn=documents(), call=st.sampled_from(CALLS), full_access=st.booleans())
def test_what_ours_is_certain_of_in_random_policies_is_so_in_every_world(
    oracle: Oracle, drawn: dict[str, Any], call: Call, full_access: bool
) -> None:
    assume(not disagreement_names(drawn))
    attached = [FULL_ACCESS_DOCUMENT, drawn] if full_access else [drawn]
    ours = evaluate_call(
        call, service_control=levels([policy_of(content) for content in attached], (FULL_ACCESS,))
    ).decision
    assume(ours is not Decision.UNKNOWN)
    theirs = oracle.decisions(
        call, worlds(call, documents=[drawn]), service_control=[attached, [FULL_ACCESS_DOCUMENT]]
    )
    assert theirs == {ours}


@property_test(examples=250, drawn=conditions_and_contexts(), effect=st.sampled_from(("Allow", "Deny")))
def test_both_say_the_same_of_every_operator_if_ours_is_certain(
    oracle: Oracle, drawn: tuple[dict[str, Any], dict[str, Value]], effect: str
) -> None:
    condition, context = drawn
    policy = document(statement(effect, Condition=condition))
    assume(not disagreement_names(policy))
    attached: list[dict[str, Any]] = [policy] if effect == "Allow" else [FULL_ACCESS_DOCUMENT, policy]
    ours = decision_with(context, *map(policy_of, attached))
    assume(ours is not Decision.UNKNOWN)
    assert decisions_of(oracle, attached, context) == {ours}


@property_test(
    examples=100,
    drawn=statements(effects=("Deny",)),
    call=st.sampled_from((bucket_call("payroll"), queue_call("jobs"), bucket_call(None), GET_USER)),
)
def test_both_say_the_same_of_resource_control_policies(
    oracle: Oracle, drawn: dict[str, Any], call: Call
) -> None:
    assume("NotAction" not in drawn)
    policy = document({"Principal": "*", **drawn})
    assume(not disagreement_names(policy))
    ours = evaluate_call(
        call,
        service_control=None,
        resource_control=levels((RCP_FULL_ACCESS, resource_policy(drawn)), (RCP_FULL_ACCESS,)),
    ).decision
    assume(ours is not Decision.UNKNOWN)
    theirs = oracle.decisions(
        call,
        worlds(call, documents=[policy]),
        service_control=[[FULL_ACCESS_DOCUMENT]],
        # Resource control policies do not apply to IAM, which the oracle leaves to its caller.
        resource_control=[] if call is GET_USER else [[policy], []],
    )
    assert theirs == {ours}


def decisions_of(oracle: Oracle, attached: list[dict[str, Any]], context: dict[str, Value]) -> set[Decision]:
    world = World(
        resource="arn:aws:iam::222222222222:root",
        context={key: value if isinstance(value, str) else list(value) for key, value in context.items()},
    )
    return oracle.decisions(GET_USER, [world], service_control=[attached])


@pytest.mark.parametrize("disagreement", DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_a_known_disagreement_is_as_written_down(oracle: Oracle, disagreement: dict[str, Any]) -> None:
    """An edition of the oracle that gets one right fails here, and the exception goes."""
    denies = document(statement(Condition=disagreement["condition"]), version=disagreement["version"])
    context = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in disagreement["context"].items()
    }
    ours = decision_with(context, FULL_ACCESS, policy_of(denies))
    assert ours == disagreement["evaluator"]
    assert decisions_of(oracle, [FULL_ACCESS_DOCUMENT, denies], context) == {Decision(disagreement["oracle"])}
