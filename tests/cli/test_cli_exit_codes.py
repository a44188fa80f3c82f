"""How commands that show a report end: never with 0 where what was asked for was not done."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st

from centralized_root_access.cli.base.command_errors import ExitCode
from centralized_root_access.cli.runs.exit_codes import exit_code, explicit_accounts
from root_tasks.model.report_schema import Item, ItemType, Outcome, Report, Task
from support.accounts import MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.command_line import PLAN_DELETE, PLAN_RUN, CommandLine, give_root_credentials
from support.properties import property_test
from support.reports import account_result, report_of
from support.root_tasks import DeployedSettings

ACCOUNT_IDS = (MEMBER, OTHER_MEMBER, THIRD_MEMBER)
NOT_DONE = {Outcome.UNKNOWN, Outcome.FAILED, Outcome.INACCESSIBLE}
NOT_AS_WANTED = {Outcome.HAS_CREDENTIALS, Outcome.UNKNOWN, Outcome.FAILED}
AUDITED = {Outcome.CLEAN, Outcome.ACCEPTED, Outcome.HAS_CREDENTIALS}
AS_PLANNED = {Outcome.DONE, Outcome.NOTHING_TO_DO}
# The outcomes that an account may have.
OUTCOMES_OF_AUDITS = sorted(NOT_DONE | AUDITED | {Outcome.SKIPPED})
OUTCOMES_OF_PLANS = sorted(
    NOT_DONE | {Outcome.PLANNED, Outcome.IN_USE, Outcome.NOTHING_TO_DO, Outcome.SKIPPED}
)


@st.composite
def any_report(draw: st.DrawFn) -> Report:
    """Return an audit, a plan or an execution of up to three accounts, with up to three items."""
    task = draw(st.sampled_from(Task))
    executed_plan, outcomes = None, OUTCOMES_OF_PLANS
    if task is Task.AUDIT:
        outcomes = OUTCOMES_OF_AUDITS
    elif draw(st.booleans()):
        # The report of an execution names its plan.
        executed_plan, outcomes = "plan", list(Outcome)
    up_to_three = st.lists(st.sampled_from(outcomes), max_size=3)
    results = []
    for account_id, outcome in zip(ACCOUNT_IDS, draw(up_to_three), strict=False):
        # The results of an audit have credentials instead of items.
        outcomes_of_items = [] if task is Task.AUDIT else draw(up_to_three)
        items = tuple(Item(type=ItemType.ACCESS_KEY, outcome=each) for each in outcomes_of_items)
        results.append(account_result(account_id, outcome, items=items))
    return report_of(*results, task=task, executed_plan=executed_plan, full=False)


@property_test(examples=1_000, written=any_report(), named=st.sets(st.sampled_from(ACCOUNT_IDS)))
def test_no_report_ends_with_0_if_a_named_account_or_a_planned_item_is_missing(
    written: Report, named: set[str]
) -> None:
    """Whoever names an account wants a result for it, so it may be neither skipped nor missing."""
    code, reasons = exit_code(written, named_accounts=named)
    accounts = {found.account_id: found.outcome for found in written.results}
    outcomes_of_items = {item.outcome for found in written.results for item in found.items}
    all_outcomes = outcomes_of_items.union(accounts.values())
    if code is ExitCode.NO_RESULT:
        assert reasons
    if written.executed_plan is None and written.task is not Task.AUDIT:
        # A plan that can be executed is one, whatever else could not be read or planned.
        assert code in (ExitCode.AS_WANTED, ExitCode.NO_RESULT)
        if Outcome.PLANNED in accounts.values():
            assert code is ExitCode.AS_WANTED
            return
        if code is ExitCode.AS_WANTED:
            assert all_outcomes <= {Outcome.NOTHING_TO_DO, Outcome.SKIPPED}
            assert Outcome.NOTHING_TO_DO in all_outcomes
    elif written.executed_plan is None:
        assert (code is ExitCode.NOT_AS_WANTED) is not NOT_AS_WANTED.isdisjoint(accounts.values())
    if code is not ExitCode.AS_WANTED:
        return
    assert not reasons
    assert NOT_DONE.isdisjoint(all_outcomes)
    if written.executed_plan is not None:
        assert AS_PLANNED.issuperset(accounts.values())
        # The plan has left out what is skipped.
        assert AS_PLANNED | {Outcome.SKIPPED} >= outcomes_of_items
        assert Outcome.DONE in all_outcomes
    elif written.task is not Task.AUDIT:
        assert Outcome.SKIPPED not in {accounts.get(id_, Outcome.SKIPPED) for id_ in named}
    else:
        audited = set(accounts.values()) - {Outcome.SKIPPED}
        assert audited
        assert audited <= {Outcome.CLEAN, Outcome.ACCEPTED}
        assert {accounts.get(id_) for id_ in named} <= audited


@pytest.mark.parametrize(
    ("input_", "named"),
    [
        ({"accounts": [MEMBER, OTHER_MEMBER]}, {MEMBER, OTHER_MEMBER}),
        # The report is without an account that the input leaves out.
        ({"accounts": [MEMBER, THIRD_MEMBER], "exclude": [THIRD_MEMBER]}, {MEMBER}),
        ({"accounts": ["all"]}, set()),
        ({}, set()),
        (None, {MEMBER, OTHER_MEMBER}),
    ],
    ids=["both", "one is excluded", "all", "none", "the input is not known"],
)
def test_an_account_is_named_if_its_input_lists_it_and_does_not_leave_it_out(
    input_: dict[str, object] | None, named: set[str]
) -> None:
    of_two_accounts = report_of(account_result(MEMBER), account_result(OTHER_MEMBER), full=False)
    assert explicit_accounts(input_, of_two_accounts) == named
    # The input of a task that unlocks names each bucket and queue with its account.
    unlock = replace(of_two_accounts, task=Task.UNLOCK_BUCKET)
    assert explicit_accounts(input_, unlock) == {MEMBER, OTHER_MEMBER}
    # Nobody names the accounts of a full audit.
    assert explicit_accounts(None, report_of(account_result(MEMBER))) == set()


def test_what_was_not_in_the_plan_is_not_missing_in_its_execution() -> None:
    # An execution skips an item that its plan does not have.
    items = [Item(type=ItemType.PASSWORD, outcome=end) for end in (Outcome.DONE, Outcome.SKIPPED)]
    execution = report_of(
        account_result(MEMBER, Outcome.DONE, items=tuple(items)),
        task=Task.DELETE,
        executed_plan="plan",
    )
    assert exit_code(execution) == (ExitCode.AS_WANTED, "")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.NOTHING_TO_DO, (ExitCode.AS_WANTED, "")),
        (
            Outcome.INACCESSIBLE,
            (ExitCode.NO_RESULT, "Not everything could be read. Nothing is planned."),
        ),
        (
            Outcome.IN_USE,
            (
                ExitCode.NO_RESULT,
                "Nothing is planned. Credentials that are in use or accepted were left out.",
            ),
        ),
    ],
)
def test_a_plan_of_nothing_ends_with_0_only_if_there_is_nothing_to_do(
    outcome: Outcome, expected: tuple[ExitCode, str]
) -> None:
    assert exit_code(report_of(account_result(MEMBER, outcome), task=Task.DELETE)) == expected


def test_an_account_that_was_named_and_skipped_never_ends_with_0(command_line: CommandLine) -> None:
    command_line.root_tasks.settings = DeployedSettings(protected_accounts=[MEMBER])
    give_root_credentials(command_line)
    planned = command_line.run(*PLAN_DELETE)
    assert planned.exit_code == 2
    assert "Exit code 2: 1 account that you named was skipped." in planned.stderr
    again = command_line.run("report", PLAN_RUN)
    assert (again.exit_code, again.stderr) == (planned.exit_code, planned.stderr)
