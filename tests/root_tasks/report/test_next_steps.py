"""What to do after a run: the one list that the page, the terminal and the notice show."""

import functools
import shlex
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from root_tasks.model.report_schema import (
    DEFAULT_UNUSED_FOR_DAYS,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    PlanSelection,
    Report,
    Task,
)
from root_tasks.report.management_root_user import PROTECT_OWN
from root_tasks.report.next_steps import KEY_QUERY, approval_step, next_steps
from root_tasks.report.risk import RECENT
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER
from support.pages import parse_command_line
from support.reports import (
    STARTED_AT,
    accepted_account,
    access_key,
    account_result,
    account_with_credentials,
    example_audit,
    example_execution,
    example_plan,
    example_unlock,
    inaccessible_account,
    report_of,
)

PROGRAM = "centralized-root-access"
BOTH = f"{MEMBER},{OTHER_MEMBER}"
EXPIRES = STARTED_AT + timedelta(hours=24)
executed_recovery = functools.partial(
    report_of,
    task=Task.RECOVER,
    executed_plan="plan",
    run_id="run",
)


def inaccessible_plan(**selection: Any) -> Report:
    """A plan of everything that could not read the only account."""
    report = report_of(inaccessible_account(MEMBER), task=Task.DELETE)
    return replace(report, selection=PlanSelection(all_accounts=True, **selection))


def program_commands(report: Report, *, stored: bool = True) -> list[str]:
    """The commands of a report's next steps, each of which the command line understands."""
    commands_and_queries = [step.command or "" for step in next_steps(report, stored=stored)]
    found = [
        command.removeprefix(f"{PROGRAM} ")
        for command in commands_and_queries
        if command.startswith(PROGRAM)
    ]
    for command in found:
        parse_command_line(shlex.split(command))
    return found


def account_ids(number: int) -> list[str]:
    """Return the IDs of so many accounts."""
    return [f"{300000000001 + place}" for place in range(number)]


def audit_with_credentials_and_denials(number: int) -> Report:
    """Return an audit with so many accounts that have credentials, and as many inaccessible."""
    ids = account_ids(number)
    return report_of(
        *(account_with_credentials(id_, password=True) for id_ in ids),
        *map(inaccessible_account, [f"4{id_[1:]}" for id_ in ids]),
    )


def with_accepted_keys(plan: Report) -> Report:
    """Return a plan whose items are accepted: listed for an account that it names, or left out."""
    return replace(
        plan,
        results=tuple(
            replace(
                result,
                items=tuple(replace(item, accepted=True) for item in result.items),
            )
            for result in plan.results
        ),
    )


FIVE_WITH_CREDENTIALS, FIVE_INACCESSIBLE = (
    ",".join(f"{first}0000000000{place}" for place in range(1, 6)) for first in "34"
)
AUDIT_ID = report_of().run_id


@pytest.mark.parametrize(
    # How many accounts of each kind: up to five are named, and more are taken from the report. An
    # audit on the reader's own machine stores none, so what follows it is about all accounts.
    ("number", "stored", "expected"),
    [
        (
            5,
            True,
            [
                f"plan delete --account {FIVE_WITH_CREDENTIALS}",
                f"audit --account {FIVE_INACCESSIBLE}",
            ],
        ),
        (
            6,
            True,
            [
                f"plan delete --from-report {AUDIT_ID}",
                f"audit --from-report {AUDIT_ID} --outcome inaccessible",
            ],
        ),
        (
            5,
            False,
            [
                f"plan delete --account {FIVE_WITH_CREDENTIALS}",
                f"audit --from-here --account {FIVE_INACCESSIBLE}",
            ],
        ),
        (6, False, ["plan delete --account all", "audit --from-here"]),
    ],
    ids=["few", "many", "few from here", "many from here"],
)
def test_an_audit_is_followed_by_a_plan_and_by_an_audit_of_the_inaccessible(
    number: int, stored: bool, expected: list[str]
) -> None:
    assert program_commands(audit_with_credentials_and_denials(number), stored=stored) == expected


def test_the_root_user_that_no_policy_limits_comes_first() -> None:
    unprotected = account_result(MANAGEMENT, Outcome.UNPROTECTED)
    first, *others = next_steps(
        report_of(
            unprotected,
            account_with_credentials(MEMBER, access_keys=(access_key(1, used=1),)),
            inaccessible_account(OTHER_MEMBER),
        )
    )
    assert first.what == PROTECT_OWN
    assert len(others) == 3


def test_a_plan_is_for_what_is_neither_accepted_nor_protected() -> None:
    protected = replace(account_with_credentials(OTHER_MEMBER, password=True), protected=True)
    accepted = accepted_account("300000000003")
    assert program_commands(
        report_of(account_with_credentials(MEMBER, password=True), protected, accepted)
    ) == [f"plan delete --account {MEMBER}"]
    assert program_commands(report_of(protected, accepted)) == []
    # A plan that names an account lists what is accepted in it, too.
    reason = "Accepted until 2027-03-31: billing. Not accepted: 1 access key."
    in_part = replace(account_with_credentials(MEMBER, password=True), reason=reason)
    assert program_commands(report_of(in_part)) == [f"plan delete --from-report {AUDIT_ID}"]


@pytest.mark.parametrize(
    ("report", "asked"),
    [
        (example_audit(), True),
        # The end of the audit counts: its start may be a day earlier, if it was redriven.
        (
            report_of(
                account_with_credentials(MEMBER, access_keys=(access_key(1, used=RECENT.days),))
            ),
            False,
        ),
        (example_plan(), True),
        (report_of(), False),
        (
            report_of(
                replace(
                    account_with_credentials(MEMBER, access_keys=(access_key(1, used=1),)),
                    outcome=Outcome.ACCEPTED,
                )
            ),
            False,
        ),
        (with_accepted_keys(example_plan()), False),
    ],
    ids=["an audit", "long ago", "a plan", "nothing", "accepted", "a plan of an accepted key"],
)
def test_keys_in_use_lead_last_to_the_query_for_their_users(report: Report, asked: bool) -> None:
    commands = [step.command for step in next_steps(report)]
    assert (KEY_QUERY in commands[-1:]) == asked
    assert KEY_QUERY not in commands[:-1]


def test_a_key_that_a_plan_leaves_out_or_lists_although_it_is_in_use_leads_to_the_query_too() -> (
    None
):
    item = Item(
        type=ItemType.ACCESS_KEY, id="AKIA", outcome=Outcome.IN_USE, credential=CredentialDetails()
    )
    plan = report_of(account_result(MEMBER, Outcome.IN_USE, items=(item,)), task=Task.DELETE)
    step, query = next_steps(plan)
    assert query.command == KEY_QUERY
    again = f"plan delete --from-report {plan.run_id} --outcome in-use --include-in-use"
    assert step.command == f"{PROGRAM} {again}"
    used = CredentialDetails(last_used_at=STARTED_AT)
    listed = replace(item, outcome=Outcome.PLANNED, credential=used)
    plan = report_of(account_result(MEMBER, Outcome.PLANNED, items=(listed,)), task=Task.DELETE)
    assert KEY_QUERY in [step.command for step in next_steps(plan)]


def test_a_plan_is_executed_as_a_second_person_has_read_it() -> None:
    plan = replace(example_plan(), plan_expires_at=EXPIRES)
    assert program_commands(plan) == [f"execute {plan.run_id}"]
    approval = approval_step(plan, report_sha256="0" * 64)
    assert approval
    assert approval.command == f"{PROGRAM} execute {plan.run_id} --approved-report {'0' * 64}"
    assert approval_step(example_audit(), report_sha256="0" * 64) is None


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        # Its run did not end.
        (
            replace(example_plan(), plan_expires_at=None),
            ["plan delete --from-report plan-2026-11-20 --outcome in-use --include-in-use"],
        ),
        (report_of(account_result(MEMBER, Outcome.NOTHING_TO_DO), task=Task.DELETE), []),
        (
            report_of(inaccessible_account(MEMBER), task=Task.DELETE),
            [f"plan delete --account {MEMBER}"],
        ),
        (
            report_of(*map(inaccessible_account, account_ids(6)), task=Task.DELETE),
            [f"plan delete --from-report {AUDIT_ID} --outcome inaccessible"],
        ),
        (
            inaccessible_plan(credential_types=(ItemType.ACCESS_KEY,), unused_for_days=30),
            [f"plan delete --account {MEMBER} --credential-type access-key --unused-for-days 30"],
        ),
        (
            inaccessible_plan(unused_for_days=None),
            [f"plan delete --account {MEMBER} --include-in-use"],
        ),
        (
            inaccessible_plan(unused_for_days=DEFAULT_UNUSED_FOR_DAYS),
            [f"plan delete --account {MEMBER}"],
        ),
        (
            executed_recovery(
                account_result(MEMBER, Outcome.DONE),
                account_result(OTHER_MEMBER, Outcome.NOTHING_TO_DO),
                account_result("300000000003", Outcome.UNKNOWN),
                account_result("300000000004", Outcome.FAILED),
            ),
            [
                f"plan delete --include-in-use --account {BOTH}",
                "audit --account 300000000003",
            ],
        ),
        (
            executed_recovery(*(account_result(id_, Outcome.DONE) for id_ in account_ids(6))),
            # Those of a report would not be named, and what a recovery brought is accepted.
            [f"plan delete --include-in-use --account {','.join(account_ids(6))}"],
        ),
    ],
    ids=[
        "a plan whose run did not end",
        "a plan of nothing",
        "a plan that could read nothing",
        "a plan that could read nothing of many accounts",
        "a plan of some credentials that could read nothing",
        "a plan of what is in use that could read nothing",
        "a plan by default that could read nothing",
        "a recovery",
        "many recoveries",
    ],
)
def test_a_run_ends_in_the_command_that_comes_next(report: Report, expected: list[str]) -> None:
    assert program_commands(report) == expected


@pytest.mark.parametrize(
    ("selection", "audit"),
    [
        (PlanSelection(all_accounts=True), "audit"),
        (
            PlanSelection(all_accounts=False, accounts=(MEMBER, OTHER_MEMBER)),
            f"audit --account {BOTH}",
        ),
        (PlanSelection(all_accounts=False, accounts=tuple(account_ids(6))), "audit"),
        (PlanSelection(all_accounts=False, accounts=(MEMBER,), from_report="audit-1"), "audit"),
        (
            PlanSelection(
                all_accounts=False, accounts=(MEMBER,), organizational_units=("Workloads",)
            ),
            "audit",
        ),
    ],
    ids=["of all", "of a few", "of many", "of a report", "of a unit as well"],
)
def test_a_deletion_is_followed_by_an_audit_of_all_that_its_plan_was_about(
    selection: PlanSelection, audit: str
) -> None:
    executed = replace(example_execution(), selection=selection)
    assert program_commands(executed) == [audit]


@pytest.mark.parametrize(
    "outcome", [Outcome.DONE, Outcome.UNKNOWN, Outcome.FAILED, Outcome.NOTHING_TO_DO]
)
def test_each_policy_that_may_have_changed_has_the_command_that_brings_it_back(
    outcome: Outcome,
) -> None:
    unlock = example_unlock()
    first, second = unlock.results
    item = replace(first.items[0], outcome=outcome)
    first = replace(first, outcome=outcome, items=(item,))
    # The second policy was removed, and the first one as well or perhaps, or not.
    changed = [first] * (outcome in (Outcome.DONE, Outcome.UNKNOWN)) + [second]
    executed = replace(unlock, results=(first, second))
    assert program_commands(executed) == [
        f"plan unlock-queue --queue {each.items[0].id} --policy {each.items[0].backup}"
        for each in changed
    ]
    # Only a plan shows whether the policy is still there.
    more = outcome in (Outcome.UNKNOWN, Outcome.FAILED)
    assert len(next_steps(executed)) == len(changed) + more
