"""The evaluator on policies that people use, and on some that were made to go wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scp.calls import TaskPolicy
from scp.evaluate import Decision, Reason, evaluate_task
from support.scp import SESSION, Sample, samples

SAMPLES = samples()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_policy_gives_what_is_known_of_it(sample: Sample) -> None:
    verdict = evaluate_task(
        sample.task,
        session=SESSION,
        service_control=sample.levels,
        resource_control=None,
        target=sample.target,
        target_region=sample.target_region,
    )
    assert verdict.decision is sample.decision
    assert bool(verdict.causes) is (sample.decision is not Decision.ALLOWED)


def test_a_denied_sample_names_the_statement_or_the_level_without_an_allow() -> None:
    for sample in SAMPLES:
        if sample.decision is Decision.DENIED:
            verdict = evaluate_task(
                sample.task,
                session=SESSION,
                service_control=sample.levels,
                resource_control=None,
                target=sample.target,
                target_region=sample.target_region,
            )
            for cause in verdict.causes:
                assert cause.level.target_id == "r-ab12"
                if sample.full_access:
                    assert cause.reason is Reason.EXPLICIT_DENY
                    assert cause.policy is not None
                    assert cause.policy.policy_id == "p-sample"
                    assert cause.statement is not None
                else:
                    assert cause.reason is Reason.NO_ALLOW
                    assert cause.policy is None


def test_nine_of_ten_real_policies_are_decided_once_the_target_is_named() -> None:
    """From outside a VPC, as the functions call, with a bucket or a queue in a Region."""
    session = replace(SESSION, outside_vpc=True, region="eu-west-1")
    documents = {sample.policy_name: sample for sample in SAMPLES if sample.is_real}
    decisions = [
        evaluate_task(
            task,
            session=session,
            service_control=sample.levels,
            resource_control=None,
            target="payroll",
            target_region="eu-west-1",
        ).decision
        for sample in documents.values()
        for task in TaskPolicy
    ]
    assert len(documents) >= 20
    assert sum(decision is not Decision.UNKNOWN for decision in decisions) >= 0.9 * len(decisions)


def test_a_function_outside_a_vpc_decides_the_network_perimeter() -> None:
    (sample,) = (
        each
        for each in SAMPLES
        if each.policy_name == "data-perimeter-network" and each.task is TaskPolicy.AUDIT
    )
    verdict = evaluate_task(
        sample.task,
        session=replace(SESSION, outside_vpc=True),
        service_control=sample.levels,
        resource_control=None,
    )
    assert verdict.decision is Decision.ALLOWED
