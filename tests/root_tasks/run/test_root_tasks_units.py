"""Organizational units: which accounts a run selects by them, and how reports show them."""

from collections.abc import Mapping

import pytest

from local_aws.emulation import LocalOrganization
from root_tasks.refusals import RefusalReason
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import add_unit
from support.root_tasks import Execution, RootTasks, calls_in_root_sessions, refusal_reason_and_data


@pytest.fixture
def unit_ids(organization: LocalOrganization) -> Mapping[str, str]:
    """The IDs of units by path: two are called Prod, and an empty one has a slash in its name.

    The management account is in the root, MEMBER in Root/Workloads, OTHER_MEMBER in
    Root/Workloads/Prod, and THIRD_MEMBER in Root/Sandbox/Prod.
    """
    ids = {"Root": organization.root_id}
    for parent, name, *account_ids in (
        ("Root", "Workloads", MEMBER),
        ("Root", "Sandbox"),
        ("Root", "Sand/box"),
        ("Root/Workloads", "Prod", OTHER_MEMBER),
        ("Root/Sandbox", "Prod", THIRD_MEMBER),
    ):
        ids[f"{parent}/{name}"] = add_unit(organization, name, *account_ids, parent_id=ids[parent])
    return ids


def test_a_unit_is_named_by_its_path_or_the_end_of_it(
    root_tasks: RootTasks, unit_ids: Mapping[str, str]
) -> None:
    for names, account_ids in (
        (["Root/Workloads"], [MEMBER, OTHER_MEMBER]),
        (["Workloads"], [MEMBER, OTHER_MEMBER]),
        (["Root/Workloads/Prod"], [OTHER_MEMBER]),
        (["Workloads/Prod"], [OTHER_MEMBER]),
        (["Sandbox/Prod"], [THIRD_MEMBER]),
        (["Root/Sandbox/Prod", "Workloads/Prod"], [OTHER_MEMBER, THIRD_MEMBER]),
        (["Root"], [MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER]),
        (["Sand/box"], []),
    ):
        execution = root_tasks.run({"organizationalUnits": names})
        assert sorted(root_tasks.outcomes(execution)) == account_ids, names


def test_accounts_and_units_are_left_out_and_the_run_is_then_not_a_full_audit(
    root_tasks: RootTasks, unit_ids: Mapping[str, str]
) -> None:
    for input_, account_ids in (
        ({"exclude": ["Root/Workloads"]}, [MANAGEMENT, THIRD_MEMBER]),
        ({"exclude": [OTHER_MEMBER, unit_ids["Root/Sandbox"]]}, [MANAGEMENT, MEMBER]),
        ({"organizationalUnits": ["Root/Workloads"], "exclude": ["Workloads/Prod"]}, [MEMBER]),
        ({"accounts": [MEMBER, OTHER_MEMBER], "exclude": [MEMBER]}, [OTHER_MEMBER]),
    ):
        execution = root_tasks.run(input_)
        assert sorted(root_tasks.outcomes(execution)) == account_ids, input_
        assert root_tasks.report(execution)["full"] is False


def test_what_is_left_out_has_to_exist(root_tasks: RootTasks, unit_ids: Mapping[str, str]) -> None:
    strangers = [OUTSIDE_ORGANIZATION, "999999999998"]
    reason, data = refusal_reason_and_data(root_tasks.run({"exclude": strangers}))
    assert (reason, data["account_ids"]) == (RefusalReason.NOT_MEMBERS, sorted(strangers))
    assert (
        refusal_reason_and_data(root_tasks.run({"exclude": ["Root/Typo"]}))[0]
        is RefusalReason.UNIT_NOT_FOUND
    )
    assert not calls_in_root_sessions(root_tasks.organization)


def test_a_name_that_several_units_have_is_refused_with_their_ids(
    root_tasks: RootTasks, unit_ids: Mapping[str, str]
) -> None:
    reason, data = refusal_reason_and_data(root_tasks.run({"organizationalUnits": ["Prod"]}))
    assert reason is RefusalReason.SEVERAL_UNITS
    assert data["candidates"] == sorted(
        f"{unit_ids[path]} ({path})" for path in ("Root/Sandbox/Prod", "Root/Workloads/Prod")
    )
    assert not calls_in_root_sessions(root_tasks.organization)


def test_a_name_that_is_not_a_units_is_refused_and_not_taken_for_an_empty_unit(
    root_tasks: RootTasks, unit_ids: Mapping[str, str]
) -> None:
    for name in ("prod", "orkloads", "Root/Prod", "Workloads/", "ou-none-1", "/"):
        refused = root_tasks.run({"organizationalUnits": ["Workloads", name]})
        assert refusal_reason_and_data(refused) == (RefusalReason.UNIT_NOT_FOUND, {"unit": name})


def test_an_id_that_is_not_a_units_is_refused_and_not_taken_for_an_empty_unit(
    root_tasks: RootTasks, unit_ids: Mapping[str, str]
) -> None:
    for key in ("organizationalUnits", "exclude"):
        refused = root_tasks.run({key: [unit_ids["Root/Workloads"], "ou-a1b2-c3d4e5f6"]})
        assert refusal_reason_and_data(refused) == (
            RefusalReason.UNIT_NOT_FOUND,
            {"unit": "ou-a1b2-c3d4e5f6"},
        )
    assert not root_tasks.outcomes(
        root_tasks.run({"organizationalUnits": [unit_ids["Root/Sand/box"]]})
    )


def test_the_report_has_the_names_of_each_accounts_units(
    root_tasks: RootTasks, unit_ids: Mapping[str, str]
) -> None:
    expected = {
        MANAGEMENT: "Root",
        MEMBER: "Root/Workloads",
        OTHER_MEMBER: "Root/Workloads/Prod",
        THIRD_MEMBER: "Root/Sandbox/Prod",
    }
    assert unit_names_in_report(root_tasks, root_tasks.run()) == expected
    chosen = root_tasks.run({"organizationalUnits": ["Sandbox"], "accounts": [MEMBER]})
    assert unit_names_in_report(root_tasks, chosen) == {
        id_: expected[id_] for id_ in (MEMBER, THIRD_MEMBER)
    }


@pytest.mark.parametrize("code", ["AccessDeniedException", "TooManyRequestsException"])
def test_an_audit_does_without_the_names_of_units_that_cannot_be_read(
    root_tasks: RootTasks, unit_ids: Mapping[str, str], code: str
) -> None:
    root_tasks.fail_calls("organizations:ListOrganizationalUnitsForParent", code)
    execution = root_tasks.run()
    outcomes = {
        MANAGEMENT: "PROTECTED",
        MEMBER: "CLEAN",
        OTHER_MEMBER: "CLEAN",
        THIRD_MEMBER: "CLEAN",
    }
    assert root_tasks.outcomes(execution) == outcomes
    # The root is known without a list of units.
    expected_names = {MANAGEMENT: "Root", MEMBER: None, OTHER_MEMBER: None, THIRD_MEMBER: None}
    assert unit_names_in_report(root_tasks, execution) == expected_names
    (event,) = [
        event for event in root_tasks.log if event.get("event") == "organizational_units_unread"
    ]
    assert code in str(event["reason"])
    # What is denied for good delays no run, and what is throttled for two minutes at most.
    was_retried = "Gave up" in str(event["reason"])
    assert was_retried == (code == "TooManyRequestsException")
    assert root_tasks.time.seconds <= 120


def test_a_unit_that_is_moved_during_the_start_of_a_run_costs_its_names_alone(
    root_tasks: RootTasks, unit_ids: Mapping[str, str]
) -> None:
    def move_account_and_delete_its_unit(**_: object) -> None:
        organizations = root_tasks.organization.client("organizations")
        organizations.move_account(
            AccountId=THIRD_MEMBER,
            SourceParentId=unit_ids["Root/Sandbox/Prod"],
            DestinationParentId=unit_ids["Root/Workloads"],
        )
        organizations.delete_organizational_unit(OrganizationalUnitId=unit_ids["Root/Sandbox/Prod"])

    root_tasks.on_event("after-call.organizations.ListAccounts", move_account_and_delete_its_unit)
    names = unit_names_in_report(root_tasks, root_tasks.run())
    assert (names[THIRD_MEMBER], names[OTHER_MEMBER]) == (None, "Root/Workloads/Prod")


def unit_names_in_report(root_tasks: RootTasks, execution: Execution) -> dict[str, str | None]:
    """Return where each account of a report is: the names of its units from the root down."""
    return {
        id_: result["organizationalUnit"] for id_, result in root_tasks.results(execution).items()
    }
