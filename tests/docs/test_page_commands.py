"""Each command that the pages let a reader type is run by a test, or says why not."""

from support.apps import REPOSITORY
from support.page_commands import (
    RUNS_NAMED,
    RUNS_PAGE,
    reason_not_to_run,
    runner_of,
    typed,
    typed_in_process,
    typed_on_local_aws,
)


def test_each_command_of_a_page_is_run_by_a_test_or_says_why_not() -> None:
    run = [*typed_in_process(), *typed_on_local_aws()]
    neither = [
        str(step)
        for step in typed()
        if step not in run and not reason_not_to_run(step) and not runner_of(step)
    ]
    assert neither == [], (
        "Let a test run it, or list it in tests/support/page_commands.py. A block that shows what "
        "is printed begins with ```text."
    )
    assert len(run) > 60


def test_each_block_with_a_name_is_run_by_the_test_of_its_page() -> None:
    named = {(step.block.page.name, step.block.name) for step in typed() if step.block.name}
    assert {page for page, _ in named} == set(RUNS_NAMED)
    for page, name in named:
        assert f'"{name}"' in (REPOSITORY / RUNS_NAMED[page]).read_text(), (page, name)
    for page, test in RUNS_PAGE.items():
        assert page.partition(":")[0] in (REPOSITORY / test).read_text(), page
