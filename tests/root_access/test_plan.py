"""The plan: every observed state against every desired one."""

from datetime import UTC, datetime

import pytest

from root_access.state import DesiredState, Feature, RootAccess
from root_access.steps import Operation, Step, plan
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER

CREDENTIALS = Feature.ROOT_CREDENTIALS_MANAGEMENT
SESSIONS = Feature.ROOT_SESSIONS

# The lists of features by the names that the tables below have for them.
DESIRED = {
    "none": frozenset[Feature](),
    "credentials": frozenset({CREDENTIALS}),
    "sessions": frozenset({SESSIONS}),
    "both": frozenset({CREDENTIALS, SESSIONS}),
}
# "disabled" is disabled trusted access.
OBSERVED = {"disabled": None, **DESIRED}
STEPS = {
    "trusted": Operation.ENABLE_TRUSTED_ACCESS,
    "+credentials": Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT,
    "+sessions": Operation.ENABLE_ROOT_SESSIONS,
    "-sessions": Operation.DISABLE_ROOT_SESSIONS,
    "-credentials": Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT,
}

# observed, desired: the steps, in order
FEATURES = """
disabled     none         trusted
disabled     credentials  trusted +credentials
disabled     sessions     trusted +sessions
disabled     both         trusted +credentials +sessions
none         none
none         credentials  +credentials
none         sessions     +sessions
none         both         +credentials +sessions
credentials  none         -credentials
credentials  credentials
credentials  sessions     +sessions -credentials
credentials  both         +sessions
sessions     none         -sessions
sessions     credentials  +credentials -sessions
sessions     sessions
sessions     both         +credentials
both         none         -sessions -credentials
both         credentials  -sessions
both         sessions     -credentials
both         both
"""

# registered (earliest first), desired: the steps, in order. "-" is an empty list, "unmanaged" no
# argument.
DELEGATED_ADMINISTRATORS = """
-    unmanaged
a    unmanaged
b,a  unmanaged
-    -
-    a          +a
-    a,b        +a +b
a    -          -a
a    a
a    b          +b -a
a    a,b        +b
b,a  -          -b -a
b,a  a          -b
b,a  b          -a
b,a  a,b
b,a  c          +c -b -a
b,a  a,c        +c -b
"""
ACCOUNTS = {"a": MEMBER, "b": OTHER_MEMBER, "c": THIRD_MEMBER}


def observed(*, features: frozenset[str] | None, registered: tuple[str, ...] = ()) -> RootAccess:
    """Return an observed state; without features trusted access is disabled."""
    return RootAccess(
        organization_id="o-8j81brsjuj",
        management_account_id=MANAGEMENT,
        trusted_access=features is not None,
        trusted_access_enabled_at=None if features is None else datetime(2026, 1, 1, tzinfo=UTC),
        features=features or frozenset(),
        delegated_administrators=registered,
        observed_at=datetime(2026, 12, 2, tzinfo=UTC),
    )


def rows_of(table: str) -> list[list[str]]:
    """Return the words of each line of a table."""
    return [line.split() for line in table.strip().splitlines()]


def accounts_named(names: str) -> tuple[str, ...]:
    """Return the accounts of a cell: "a,b" is two, "-" is none."""
    return () if names == "-" else tuple(ACCOUNTS[name] for name in names.split(","))


@pytest.mark.parametrize("row", rows_of(FEATURES), ids=" ".join)
def test_listed_features_are_enabled_before_others_are_disabled(row: list[str]) -> None:
    # Such as "none both +credentials +sessions": observed, desired, and the steps in order.
    was, wanted, *expected = row
    steps = plan(
        desired=DesiredState(features=DESIRED[wanted]), observed=observed(features=OBSERVED[was])
    )
    assert steps == tuple(Step(operation=STEPS[step]) for step in expected)


@pytest.mark.parametrize("row", rows_of(DELEGATED_ADMINISTRATORS), ids=" ".join)
@pytest.mark.parametrize("was", OBSERVED)
def test_delegates_are_registered_after_features_and_before_others_are_deregistered(
    row: list[str], was: str
) -> None:
    # Such as "a b +b -a": a is registered and b is listed, so b is registered and a deregistered.
    registered, wanted, *changes = row
    listed = None
    if wanted != "unmanaged":
        listed = frozenset(accounts_named(wanted))
    steps = plan(
        desired=DesiredState(features=frozenset(Feature), delegated_administrators=listed),
        observed=observed(features=OBSERVED[was], registered=accounts_named(registered)),
    )
    operations = {"+": Operation.REGISTER, "-": Operation.DEREGISTER}
    # A change such as "+b".
    expected = [
        Step(operation=operations[change[0]], account_id=ACCOUNTS[change[1]]) for change in changes
    ]
    assert [step for step in steps if step.account_id] == expected
    assert list(steps[len(steps) - len(expected) :]) == expected, "after all steps of features"


@pytest.mark.parametrize(
    ("was", "status"),
    [
        ("disabled", "DISABLED"),
        ("none", "DISABLED"),
        ("credentials", "PARTIAL"),
        ("sessions", "PARTIAL"),
        ("both", "ENABLED"),
    ],
)
def test_the_status_says_how_many_of_the_features_are_enabled(was: str, status: str) -> None:
    assert observed(features=OBSERVED[was]).to_dict()["status"] == status


def test_a_feature_that_this_version_does_not_know_is_left_unchanged() -> None:
    assert not plan(
        desired=DesiredState(features=frozenset(Feature)),
        observed=observed(features=frozenset({*Feature, "RootSomethingNew"})),
    )
