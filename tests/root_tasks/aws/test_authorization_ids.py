"""AWS's own reason for a denied call: its ID is kept apart, and the same denial has the same reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from aws_calls.failures import CallError, call_errors
from root_tasks.aws.authorization_ids import keep_apart
from root_tasks.model.report_schema import Task
from support.accounts import MEMBER, OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.root_tasks import RootTasks

DENIED = (
    "User: arn:aws:iam::222222222222:root is not authorized to perform: iam:GetAccountSummary on resource: * "
    "with an explicit deny in a service control policy: arn:aws:organizations::111111111111:policy/p-example"
)
_CALL = "or call the GetRequestAuthorizationDetails API with the following authorization id: {id}"
ENDS = [
    ". Go to https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1#/authorization-details/{id} "
    f"for complete details,\n{_CALL}",
    f", {_CALL}.",
]
# With capitals, as on AWS's page: its API knows small letters alone.
ID = "EXAMPLE1a2b3c4d5e6f7g8h9i0j"


@pytest.mark.parametrize("action", ["sts:AssumeRoot", "iam:GetAccountSummary"])
@pytest.mark.parametrize("end", ENDS)
def test_the_id_of_a_denied_call_is_kept_apart_from_its_reason(
    root_tasks: RootTasks, action: str, end: str
) -> None:
    account_id = "" if action == "sts:AssumeRoot" else MEMBER
    root_tasks.fail(action, "AccessDenied", message=DENIED + end.format(id=ID), account_id=account_id)
    result = root_tasks.results(root_tasks.run({"accounts": [MEMBER]}))[MEMBER]
    assert result["authorizationId"] == ID
    assert result["reason"] == f"{action}: AccessDenied: {DENIED}."
    assert "service control policy" in result["hint"]


# A run of one account does not wait for the summary to list its credentials.
@pytest.mark.parametrize("accounts", [[MEMBER], [MEMBER, OTHER]], ids=["one account", "two accounts"])
def test_the_id_of_a_detail_that_could_not_be_read_is_kept_too(
    root_tasks: RootTasks, accounts: list[str]
) -> None:
    root_tasks.organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    message = "Denied" + ENDS[0].format(id=ID)
    root_tasks.fail("iam:ListAccessKeys", "AccessDenied", message=message)
    member, *others = root_tasks.results(root_tasks.run({"accounts": accounts})).values()
    assert (member["outcome"], member["authorizationId"]) == ("has credentials", ID)
    assert ID not in member["reason"]
    assert [other["authorizationId"] for other in others] == [None] * len(others)


@pytest.mark.parametrize(
    ("task", "outcome"), [(Task.AUDIT, "clean"), (Task.DELETE_CREDENTIALS, "nothing to do")]
)
def test_a_denied_list_of_what_does_not_exist_is_no_finding(
    root_tasks: RootTasks, task: Task, outcome: str
) -> None:
    message = "Denied" + ENDS[0].format(id=ID)
    root_tasks.fail("iam:ListAccessKeys", "AccessDenied", message=message)
    result = root_tasks.results(root_tasks.run({"task": task, "accounts": [MEMBER]}))[MEMBER]
    assert (result["outcome"], result["reason"], result["authorizationId"]) == (outcome, None, None)


@pytest.mark.parametrize("message", [DENIED, "with the following authorization id: not an id!", ""])
def test_a_message_without_an_id_stays_as_it_is(root_tasks: RootTasks, message: str) -> None:
    root_tasks.fail("sts:AssumeRoot", "AccessDenied", message=message)
    result = root_tasks.results(root_tasks.run({"accounts": [MEMBER]}))[MEMBER]
    assert result["authorizationId"] is None
    assert message in result["reason"]


@pytest.mark.parametrize("error", [{}, {"Code": "Denied"}, {"Code": "Denied", "Message": None}], ids=str)
def test_an_error_without_a_message_stays_as_it_is(error: Mapping[str, Any]) -> None:
    def fail() -> Mapping[str, Any]:
        raise ClientError({"Error": error}, "AssumeRoot")  # type: ignore[typeddict-item]

    ids: list[str] = []
    with pytest.raises(CallError) as raised, call_errors("sts:AssumeRoot"):
        keep_apart(fail, ids)()
    assert (str(raised.value), ids) == (f"sts:AssumeRoot: {error.get('Code', 'Unknown')}.", [])
