"""A report names the objects among those of its run that others stored, and follows none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from root_tasks.aws.stores import sha256
from root_tasks.model.codec import encode
from root_tasks.model.report_schema import Outcome, Task
from root_tasks.model.run import BatchResult, Finding
from support.accounts import MEMBER

if TYPE_CHECKING:
    from support.root_tasks import RootTasks

FORGED = encode(BatchResult(findings=(Finding(account_id=MEMBER, outcome=Outcome.CLEAN),)))
HASHED = f"00000-{sha256(FORGED)}.json"
DELETE = {"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER]}


@pytest.fixture
def root_tasks(root_tasks: RootTasks) -> RootTasks:
    root_tasks.organization.put_root_credentials(account_id=MEMBER, password=True)
    return root_tasks


def audit(root_tasks: RootTasks, *objects: str) -> list[str]:
    """Return the warnings of an audit named audit-1 with these objects among its results."""
    for key in objects:
        root_tasks.write(key, FORGED)
    finished = root_tasks.run(name="audit-1")
    assert root_tasks.outcomes(finished)[MEMBER] == "has credentials"
    warnings: list[str] = root_tasks.report(finished)["warnings"]
    return warnings


def test_a_run_of_its_own_objects_alone_has_no_warnings(root_tasks: RootTasks) -> None:
    assert audit(root_tasks) == []
    plan = root_tasks.run(DELETE)
    assert root_tasks.report(plan)["warnings"] == []
    assert root_tasks.report(root_tasks.execute(plan))["warnings"] == []


def test_each_object_that_the_run_has_not_written_is_reported_and_not_followed(root_tasks: RootTasks) -> None:
    names = [
        "00000.json",  # of no task
        "00007.json",
        f"{Task.DELETE_CREDENTIALS}/{HASHED}",  # of another task
        f"{Task.AUDIT}/00001-{sha256(FORGED)}.json",  # of no batch
        f"{Task.AUDIT}/00000.json",  # without a hash
        f"{Task.AUDIT}/00000.claim",
        f"{Task.AUDIT}/{HASHED}.copy",
    ]
    keys = sorted(f"runs/audit-1/results/{name}" for name in names)
    warnings = audit(root_tasks, *keys)
    assert [key in warning for key, warning in zip(keys, warnings, strict=True)] == [True] * len(keys)
    (event,) = (event for event in root_tasks.log if event.get("event") == "foreign_results")
    assert (event["runId"], event["count"]) == ("audit-1", len(keys))


def test_a_second_result_of_a_batch_that_looks_can_be_the_runs_own(root_tasks: RootTasks) -> None:
    """Step Functions retries such a batch, and a lost response leaves a result that is never read."""
    assert audit(root_tasks, f"runs/audit-1/results/{Task.AUDIT}/{HASHED}") == []


def test_a_second_result_of_a_batch_that_acts_is_reported(root_tasks: RootTasks) -> None:
    plan = root_tasks.run(DELETE)
    key = f"executions/execution-1/results/{Task.DELETE_CREDENTIALS}/{HASHED}"
    root_tasks.write(key, FORGED)
    execution = root_tasks.execute(plan, name="execution-1")
    assert root_tasks.outcomes(execution) == {MEMBER: "done"}
    (warning,) = root_tasks.report(execution)["warnings"]
    assert warning.startswith("executions/execution-1/results/")


def test_many_objects_of_others_take_a_bounded_part_of_the_report(root_tasks: RootTasks) -> None:
    warnings = audit(root_tasks, *(f"runs/audit-1/results/{number}" for number in range(50)))
    assert (len(warnings), warnings[-1]) == (21, "There are more such objects.")


def test_the_text_of_a_key_is_bounded_and_stays_out_of_the_log(root_tasks: RootTasks) -> None:
    (warning,) = audit(root_tasks, "runs/audit-1/results/\x1b[2J\u202e" + "x" * 900)
    assert len(warning) < 300
    assert "\x1b" not in warning
    assert "xxx" not in str(root_tasks.log)


def test_what_else_is_stored_is_unknown_if_it_cannot_be_listed(root_tasks: RootTasks) -> None:
    root_tasks.fail("s3:ListObjectsV2", "AccessDenied", url="results")
    (warning,) = audit(root_tasks, f"runs/audit-1/results/{Task.DELETE_CREDENTIALS}/{HASHED}")
    assert "AccessDenied" in warning
