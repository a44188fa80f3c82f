"""Root credentials that stay on purpose, and e-mail addresses outside of the domains."""

import functools
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from root_tasks.messages import ACCEPTANCE_UNKNOWN, ACCEPTANCE_UNREAD
from root_tasks.model.report_schema import (
    AccountResult,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
)
from root_tasks.model.run_documents import AcceptedCredentials
from root_tasks.report.accepted import with_acceptance
from support import reports
from support.accounts import MEMBER, OTHER_MEMBER
from support.reports import access_key, account_result, inaccessible_account
from support.root_tasks import DeployedSettings, RootTasks

ROOT_ID, UNIT_ID, INNER_UNIT_ID = "r-a1b2", "ou-a1b2-11111111", "ou-a1b2-22222222"
UNTIL = date(2027, 3, 31)
LAST_MINUTE = datetime(2027, 3, 31, 23, 59, 59, tzinfo=UTC)
PASSWORD_AND_MFA = AcceptedCredentials(
    target_id=MEMBER,
    types=(ItemType.PASSWORD, ItemType.MFA_DEVICE),
    reason="billing",
    until=UNTIL.isoformat(),
)
KEY_ALONE = replace(PASSWORD_AND_MFA, types=(ItemType.ACCESS_KEY,), reason="a script")
member_with = functools.partial(reports.account_with_credentials, MEMBER)
ACCEPTED_REASON = "Accepted until 2027-03-31: billing."


def with_acceptance_applied(
    found: AccountResult,
    accepted: dict[str, AcceptedCredentials] | None = None,
    *,
    unit_path: str | None = f"{ROOT_ID}/{UNIT_ID}/{INNER_UNIT_ID}",
    named: bool = False,
) -> AccountResult:
    """Return a result as a report has it, in the last minute in which anything is accepted.

    By default the account's own password and MFA are accepted, and its unit is known.
    """
    if accepted is None:
        accepted = {MEMBER: PASSWORD_AND_MFA}
    return with_acceptance(found, accepted, {}, unit_path=unit_path, at=LAST_MINUTE, named=named)


@pytest.mark.parametrize(
    "found",
    [
        member_with(password=True),
        member_with(password=True, mfa_devices=("a",)),
        member_with(mfa_devices=("a",)),
    ],
    ids=["a password", "both", "MFA"],
)
def test_accepted_kinds_are_accepted_until_the_end_of_the_day(found: AccountResult) -> None:
    accepted = with_acceptance_applied(found)
    assert (accepted.outcome, accepted.reason) == (Outcome.ACCEPTED, ACCEPTED_REASON)
    assert accepted.credentials == found.credentials


@pytest.mark.parametrize(
    ("found", "others"),
    [
        (member_with(password=True, access_keys=(access_key(1),)), "1 access key"),
        (member_with(password=True, mfa_devices=("a", "b")), "1 MFA device"),
        (member_with(password=True, mfa_devices=None), "1 MFA device"),
    ],
    ids=["another kind", "a second one", "an unknown number"],
)
def test_anything_else_makes_it_count_again_and_is_named(found: AccountResult, others: str) -> None:
    counted = with_acceptance_applied(found)
    assert counted.outcome is Outcome.HAS_CREDENTIALS
    assert counted.reason == f"{ACCEPTED_REASON} Not accepted: {others}."


@pytest.mark.parametrize(
    ("accepted", "outcome"),
    [
        ({UNIT_ID: PASSWORD_AND_MFA}, Outcome.ACCEPTED),
        ({ROOT_ID: PASSWORD_AND_MFA}, Outcome.ACCEPTED),
        ({UNIT_ID: KEY_ALONE, INNER_UNIT_ID: PASSWORD_AND_MFA}, Outcome.ACCEPTED),
        ({UNIT_ID: PASSWORD_AND_MFA, MEMBER: KEY_ALONE}, Outcome.HAS_CREDENTIALS),
        ({OTHER_MEMBER: PASSWORD_AND_MFA}, Outcome.HAS_CREDENTIALS),
    ],
    ids=["a unit", "the root", "the nearest unit", "the account first", "another account"],
)
def test_a_unit_stands_for_its_accounts(
    accepted: dict[str, AcceptedCredentials], outcome: Outcome
) -> None:
    assert with_acceptance_applied(member_with(password=True), accepted).outcome is outcome


def test_a_unit_that_is_not_known_accepts_nothing_and_is_the_reason() -> None:
    for accepted, reason in (
        ({UNIT_ID: PASSWORD_AND_MFA}, ACCEPTANCE_UNKNOWN),
        ({OTHER_MEMBER: PASSWORD_AND_MFA}, None),
    ):
        counted = with_acceptance_applied(member_with(password=True), accepted, unit_path=None)
        assert (counted.outcome, counted.reason) == (Outcome.HAS_CREDENTIALS, reason)


def test_what_was_not_audited_and_what_is_clean_stays_as_it_is() -> None:
    for found in (inaccessible_account(MEMBER), account_result(MEMBER)):
        assert with_acceptance_applied(found) == found
        in_a_unit = {UNIT_ID: PASSWORD_AND_MFA}
        assert with_acceptance_applied(found, in_a_unit, unit_path=None) == found


@pytest.mark.parametrize(
    # What a plan lists, and its outcome if it is accepted, and if that is not known.
    ("type_", "details", "if_accepted", "if_unknown"),
    [
        (ItemType.PASSWORD, CredentialDetails(), Outcome.ACCEPTED, Outcome.INACCESSIBLE),
        (ItemType.ACCESS_KEY, CredentialDetails(), Outcome.PLANNED, Outcome.PLANNED),
        (ItemType.PASSWORD, None, Outcome.PLANNED, Outcome.PLANNED),
        (ItemType.BUCKET_POLICY, None, Outcome.PLANNED, Outcome.PLANNED),
    ],
    ids=["to delete it", "to delete another", "to recover", "to unlock"],
)
def test_a_plan_leaves_out_what_is_accepted_or_may_be_unless_its_account_is_named(
    type_: ItemType, details: CredentialDetails | None, if_accepted: Outcome, if_unknown: Outcome
) -> None:
    item = Item(type=type_, outcome=Outcome.PLANNED, credential=details)
    planned = account_result(MEMBER, Outcome.PLANNED, items=(item,))
    accepted = with_acceptance_applied(planned)
    unknown = with_acceptance_applied(planned, {UNIT_ID: PASSWORD_AND_MFA}, unit_path=None)
    for judged, outcome, reason in (
        (accepted, if_accepted, ACCEPTED_REASON),
        (unknown, if_unknown, ACCEPTANCE_UNREAD),
    ):
        is_left_out = outcome is not Outcome.PLANNED
        assert (judged.outcome, judged.items[0].outcome) == (outcome, outcome)
        assert judged.reason == (reason if is_left_out else None)
    # If its account is named, it is planned and marked, but left out if that is not known.
    (item_of_named,) = with_acceptance_applied(planned, named=True).items
    assert item_of_named.outcome is Outcome.PLANNED
    assert item_of_named.accepted is (if_accepted is Outcome.ACCEPTED)
    in_a_unit = {UNIT_ID: PASSWORD_AND_MFA}
    named = with_acceptance_applied(planned, in_a_unit, unit_path=None, named=True)
    assert named == unknown


# In a run


def accept_password(root_tasks: RootTasks, target_id: str, until: date) -> None:
    """Deploy RootTasks again, with an account's or a unit's password as accepted."""
    setting = {
        "targetId": target_id,
        "types": ["PASSWORD"],
        "reason": "billing",
        "until": until.isoformat(),
    }
    root_tasks.settings = DeployedSettings(accepted_credentials=[setting])


def accounts_with_credentials(root_tasks: RootTasks) -> object:
    """Return what the alarm of root credentials gets from the last full audit."""
    return root_tasks.metric_values()["AccountsWithRootCredentials"]


def test_accepted_credentials_are_no_alarm_until_their_date_passes(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    accept_password(root_tasks, MEMBER, root_tasks.now.date())
    # A run uses what is accepted at its start, also if it ends on the next day: this one starts at
    # noon.
    root_tasks.change_before("sts:AssumeRoot", lambda: root_tasks.advance(hours=13))
    audit = root_tasks.run()
    assert root_tasks.outcomes(audit)[MEMBER] == Outcome.ACCEPTED
    assert accounts_with_credentials(root_tasks) == 0
    later = root_tasks.run()
    assert root_tasks.outcomes(later)[MEMBER] == Outcome.HAS_CREDENTIALS
    assert accounts_with_credentials(root_tasks) == 1
    reason = "No longer accepted after 2026-11-24: billing."
    assert root_tasks.results(later)[MEMBER]["reason"] == reason
    assert root_tasks.notices[-1][0] == "Root credentials no longer accepted: 1 account"


def test_the_accounts_of_a_unit_are_accepted_in_a_run(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    accept_password(root_tasks, root_tasks.organization.root_id, UNTIL)
    full, named = root_tasks.run(), root_tasks.run({"accounts": [MEMBER]})
    assert [root_tasks.outcomes(audit)[MEMBER] for audit in (full, named)] == [Outcome.ACCEPTED] * 2
