"""The audit of accounts that join: which events start it, what it does with them, and who hears of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from moto.events.models import EventPattern

from root_tasks.model.report_schema import Outcome
from support import root_tasks as running
from support.accounts import MANAGEMENT as MANAGEMENT_ID
from support.accounts import MEMBER, OTHER, STRANGER
from support.arrange import CREDENTIALS, SESSIONS, enable_root_access
from support.notices import read_or_write_golden, rendering, text_by_mail
from support.state_machine import ExecutionFailedError, StateMachine
from support.templates import new_topic, only_resource, root_tasks_template, state_machine_definition

if TYPE_CHECKING:
    from local_aws.emulation import LocalOrganization

# Events as CloudTrail delivers them to EventBridge. What the second one has in `serviceEventDetails` is not
# documented in full: the account is looked for on top and one level down.
CREATED: dict[str, Any] = {
    "source": "aws.organizations",
    "detail-type": "AWS Service Event via CloudTrail",
    "detail": {
        "eventSource": "organizations.amazonaws.com",
        "eventName": "CreateAccountResult",
        "eventType": "AwsServiceEvent",
        "userIdentity": {"accountId": MANAGEMENT_ID, "invokedBy": "organizations.amazonaws.com"},
        "serviceEventDetails": {
            "createAccountStatus": {
                "id": "car-examplecreateaccountrequestid111",
                "state": "SUCCEEDED",
                "accountName": "****",
                "accountId": MEMBER,
                "requestedTimestamp": "Nov 20, 2026 4:10:00 AM",
                "completedTimestamp": "Nov 20, 2026 4:10:40 AM",
            }
        },
    },
}
INVITED: dict[str, Any] = {
    **CREATED,
    "detail": {
        **CREATED["detail"],
        "eventName": "AccountJoinedOrganization",
        "serviceEventDetails": {
            "accountId": MEMBER,
            "joinedMethod": "Invited",
            "joinedTime": "Nov 20, 2026 4:10:00 AM",
        },
    },
}


def with_details(event: dict[str, Any], /, **details: object) -> dict[str, Any]:
    return {**event, "detail": {**event["detail"], "serviceEventDetails": details}}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return root_tasks_template(audit_new_accounts=True, notification_topic=new_topic)


# Which events start it


@pytest.mark.parametrize(
    ("event", "starts"),
    [
        (CREATED, True),
        (INVITED, True),
        ({**INVITED, "detail-type": "AWS API Call via CloudTrail"}, True),
        (with_details(CREATED, createAccountStatus={"state": "FAILED", "failureReason": "EMAIL"}), False),
        (with_details(CREATED, createAccountStatus={"state": "IN_PROGRESS"}), False),
        ({**CREATED, "source": "example.com"}, False),
        ({**CREATED, "detail": {**CREATED["detail"], "eventName": "CloseAccountResult"}}, False),
        ({**CREATED, "detail": {**CREATED["detail"], "eventName": "AccountDepartedOrganization"}}, False),
    ],
    ids=["created", "invited", "other detail type", "failed", "in progress", "source", "closed", "departed"],
)
def test_an_account_that_has_joined_starts_it(
    whole: dict[str, Any], event: dict[str, Any], starts: bool
) -> None:
    pattern = only_resource(whole, "AWS::Events::Rule")["Properties"]["EventPattern"]
    assert EventPattern.load(json.dumps(pattern)).matches_event(cast("Any", event)) == starts


# What it does


@dataclass
class Deployed:
    """The template's state machine, with the audits of this process.

    Attributes:
        whole: The template.
        root_tasks: What audits.
        publications: What was published.
        waits: The seconds before each retry.
        between: What happens before each retry.
        lost: How many publications SNS does not accept.
    """

    whole: dict[str, Any]
    root_tasks: running.RootTasks
    publications: list[dict[str, Any]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    between: Any = lambda: None
    lost: int = 0
    audits: list[running.FinishedExecution] = field(default_factory=list)

    def receive(self, event: dict[str, Any]) -> None:
        """Run an execution that an event has started."""
        (target,) = only_resource(self.whole, "AWS::Events::Rule")["Properties"]["Targets"]
        assert target["InputPath"] == "$.detail"
        definition = state_machine_definition(self.whole, "NewAccount")
        machine = StateMachine(definition=definition, invoke=self.invoke, wait=self.wait)
        machine.run(event["detail"], execution={})

    def wait(self, seconds: float) -> None:
        """Note a wait."""
        self.waits.append(seconds)
        self.between()

    def invoke(self, resource: str, payload: Any) -> Any:
        """Audit, or publish."""
        if resource.endswith(":states:::sns:publish"):
            if self.lost:
                self.lost -= 1
                raise ExecutionFailedError("SNS.InternalErrorException", "Try again.")
            # Step Functions makes text of an object.
            self.publications.append({**payload, "Message": json.dumps(payload["Message"])})
            return {}
        assert resource.endswith(":states:::states:startExecution.sync:2")
        assert payload["StateMachineArn"] == "${RootTasksAuditStateMachine0B495170}"
        audit = self.root_tasks.run(payload["Input"])
        self.audits.append(audit)
        if audit.status != "SUCCEEDED":
            raise ExecutionFailedError("States.TaskFailed", audit.cause)
        return {"Output": audit.output}

    def outcomes(self) -> list[dict[str, str]]:
        """Return the outcomes of each audit, by account."""
        return [self.root_tasks.outcomes(audit) for audit in self.audits]


@pytest.fixture
def deployed(whole: dict[str, Any], organization: LocalOrganization) -> Deployed:
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    return Deployed(whole, running.RootTasks(organization=organization))


@pytest.mark.parametrize("event", [CREATED, INVITED], ids=["created", "invited"])
def test_an_account_without_credentials_is_audited_alone_without_a_notice(
    deployed: Deployed, event: dict[str, Any]
) -> None:
    deployed.receive(event)
    assert deployed.outcomes() == [{MEMBER: Outcome.CLEAN}]
    assert not deployed.publications
    assert not deployed.root_tasks.keys("latest/")
    assert not [line for line in deployed.root_tasks.log if "_aws" in line]


def test_an_account_whose_credentials_are_all_accepted_was_audited(
    deployed: Deployed, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, password=True)
    setting = {"types": ["password"], "reason": "billing", "until": "2099-12-31"}
    deployed.root_tasks.settings = replace(
        deployed.root_tasks.settings, accepted_credentials={MEMBER: setting}
    )
    deployed.receive(INVITED)
    assert deployed.outcomes() == [{MEMBER: Outcome.ACCEPTED}]
    assert not deployed.publications


def notice(deployed: Deployed) -> str:
    """Return the one notice as people read it, with the name of the last audit replaced."""
    (publication,) = deployed.publications
    assert len(publication["Subject"]) <= 100
    return rendering(publication).replace(deployed.audits[-1].run_id, "RUN")


def test_credentials_of_an_account_that_has_joined_are_published(
    deployed: Deployed, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1, password=True)
    deployed.receive(INVITED)
    text = notice(deployed)
    assert text == read_or_write_golden("new-account-with-credentials", text)
    (publication,) = deployed.publications
    assert deployed.audits[0].output["report"] in text_by_mail(publication)


def test_a_notice_that_sns_does_not_accept_at_first_is_published_later(
    deployed: Deployed, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)
    deployed.lost = 5
    deployed.receive(INVITED)
    assert len(deployed.publications) == len(deployed.audits) == 1


def test_an_account_is_looked_for_one_level_down_in_an_event_of_another_form(deployed: Deployed) -> None:
    deployed.receive(with_details(INVITED, accountStatus={"accountId": MEMBER}, joinedMethod="Invited"))
    assert deployed.outcomes() == [{MEMBER: Outcome.CLEAN}]


@pytest.mark.parametrize("method", ["Created", "CREATED"])
def test_an_account_that_was_created_is_audited_for_one_of_its_two_events(
    deployed: Deployed, method: str
) -> None:
    deployed.receive(with_details(INVITED, accountId=MEMBER, joinedMethod=method))
    assert not deployed.audits


def test_an_account_that_is_denied_at_first_is_audited_later(
    deployed: Deployed, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, password=True)
    organization.deny(account_id=MEMBER, action="iam:*")

    def end_quarantine() -> None:
        if len(deployed.waits) == 3:
            organization.allow(account_id=MEMBER, action="iam:*")

    deployed.between = end_quarantine
    deployed.receive(CREATED)
    inaccessible = {MEMBER: Outcome.INACCESSIBLE}
    assert deployed.outcomes() == [
        inaccessible,
        inaccessible,
        inaccessible,
        {MEMBER: Outcome.HAS_CREDENTIALS},
    ]
    assert deployed.publications[0]["Subject"] == f"Root credentials in new account {MEMBER}"


def test_an_account_that_stays_inaccessible_for_more_than_a_day_is_published(
    deployed: Deployed, organization: LocalOrganization
) -> None:
    organization.deny(account_id=MEMBER, action="iam:*")
    with pytest.raises(ExecutionFailedError) as failed:
        deployed.receive(CREATED)
    assert failed.value.error == "AccountNotAudited"
    assert deployed.outcomes() == [{MEMBER: Outcome.INACCESSIBLE}] * 8
    assert deployed.waits == sorted(deployed.waits)
    assert 24 * 3600 < sum(deployed.waits) < 48 * 3600
    text = notice(deployed)
    assert text == read_or_write_golden("new-account-not-audited", text)


def test_an_account_that_is_skipped_at_first_is_audited_later(
    deployed: Deployed, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(account_id=MEMBER, access_keys=1)

    def is_pending(parsed: dict[str, Any], **_: object) -> None:
        if parsed["Account"]["Id"] == MEMBER and len(deployed.waits) < 2:
            parsed["Account"]["State"] = "PENDING_ACTIVATION"

    deployed.root_tasks.on_event("after-call.organizations.DescribeAccount", is_pending)
    deployed.receive(INVITED)
    skipped = {MEMBER: Outcome.SKIPPED}
    assert deployed.outcomes() == [skipped, skipped, {MEMBER: Outcome.HAS_CREDENTIALS}]
    assert deployed.publications[0]["Subject"] == f"Root credentials in new account {MEMBER}"


def test_an_account_that_is_not_listed_yet_is_audited_later(
    deployed: Deployed, organization: LocalOrganization
) -> None:
    deployed.between = lambda: organization.add_account(
        name="new", email="new@example.com", account_id=STRANGER
    )
    deployed.receive(with_details(CREATED, createAccountStatus={"accountId": STRANGER}))
    assert [audit.output.get("refused") for audit in deployed.audits] == ["NOT_MEMBERS", None]
    assert not deployed.publications


def test_why_each_audit_of_an_account_was_refused_is_published(deployed: Deployed) -> None:
    with pytest.raises(ExecutionFailedError):
        deployed.receive(with_details(CREATED, createAccountStatus={"accountId": STRANGER}))
    (publication,) = deployed.publications
    assert f"AuditRefused\n\n{deployed.audits[-1].output['cause']}\n" in text_by_mail(publication)


@pytest.mark.parametrize(
    "detail",
    [
        {"serviceEventDetails": {"joinedMethod": "Invited"}},
        {"serviceEventDetails": {"account": {"id": MEMBER}}},
        {},
    ],
    ids=["no account", "other name", "no details"],
)
def test_an_event_without_an_account_fails_the_execution(
    deployed: Deployed, detail: dict[str, object]
) -> None:
    others = {key: value for key, value in INVITED["detail"].items() if key != "serviceEventDetails"}
    with pytest.raises(ExecutionFailedError) as failed:
        deployed.receive({**INVITED, "detail": {**others, **detail}})
    assert failed.value.error == "NoAccountInEvent"
    assert not deployed.audits


@pytest.mark.parametrize("account_id", ["all", f"{MEMBER}\n", [OTHER], {"x": OTHER}, 222222222222, None])
def test_what_is_not_an_account_id_is_never_audited(deployed: Deployed, account_id: object) -> None:
    with pytest.raises(ExecutionFailedError):
        deployed.receive(with_details(INVITED, accountId=account_id))
    assert {audit.output["refused"] for audit in deployed.audits} == {"INVALID_ENTRY"}
