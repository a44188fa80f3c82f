"""The custom resource's response: one for each event, in time, in any case."""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from common.errors import RootAccessError
from local_aws.emulation import LocalOrganization
from root_access.handler import NOT_CREATED, ResponseNotDeliveredError, respond
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import enable_root_access
from support.function import BOTH_FEATURES, CustomResourceFunction, FakeContext, FakeTime
from support.processes import run_successfully
from support.response_endpoint import SIGNATURE, Behavior, ResponseEndpoint, response_endpoint

LAMBDA = Path(__file__).parents[2] / "lambda"
# The function keeps the last 14 seconds of an invocation for the response.
JUST_LONGER_THAN_THE_RESPONSE_TAKES = 14.2
# What a handler returns if the organization is as listed.
HANDLED = {"PhysicalResourceId": "o-a1b2c3d4e5", "Data": {"Status": "ENABLED"}}


@pytest.fixture
def endpoint() -> Iterator[ResponseEndpoint]:
    """The server to which CloudFormation lets the response be put."""
    with response_endpoint() as endpoint:
        yield endpoint


def event_for(
    endpoint: ResponseEndpoint, request_type: str = "Create", **more: object
) -> dict[str, Any]:
    """Return CloudFormation's request, whose response goes to the endpoint."""
    return {
        "RequestType": request_type,
        "RequestId": "1",
        "StackId": "stack",
        "LogicalResourceId": "RootAccess",
        "ResponseURL": endpoint.url("1"),
        "ResourceProperties": {"Features": list(BOTH_FEATURES)},
        **more,
    }


def responses_and_log(
    endpoint: ResponseEndpoint,
    event: Mapping[str, Any],
    *,
    outcome: Any = None,
    seconds: float = 180.0,
) -> tuple[list[dict[str, Any]], list[dict[str, object]]]:
    """Handle a request, and return the responses that the endpoint got, and what was logged.

    Args:
        endpoint: The server that gets the response.
        event: The request.
        outcome: What the handler raises, or a function in its place; default: it succeeds.
        seconds: How long the invocation may take.
    """
    time, log = FakeTime(), []
    respond(
        event,
        FakeContext(time=time, ends_at=seconds),
        handle=Mock(side_effect=outcome, return_value=HANDLED),
        sleep=time.sleep,
        log=lambda **line: log.append(line),
    )
    return endpoint.take("1"), log


# The PUT


@pytest.mark.parametrize(
    "behaviors",
    [[], [Behavior.SERVER_ERROR], [Behavior.RESET, Behavior.RESET, Behavior.SERVER_ERROR]],
    ids=["at once", "5xx", "resets"],
)
def test_the_response_arrives_once_though_the_put_fails_at_first(
    endpoint: ResponseEndpoint, behaviors: list[Behavior]
) -> None:
    endpoint.misbehave(*behaviors)
    (response,), _ = responses_and_log(endpoint, event_for(endpoint))
    assert response["Status"] == "SUCCESS"
    assert response["Data"] == {"Status": "ENABLED"}
    assert endpoint.attempts == len(behaviors) + 1


def test_a_slow_endpoint_is_given_up_and_tried_again(endpoint: ResponseEndpoint) -> None:
    # It does not respond to the first attempt; four seconds leave time for a second one.
    endpoint.misbehave(Behavior.HANG)
    (response,), log = responses_and_log(endpoint, event_for(endpoint), seconds=4.0)
    assert response["Status"] == "SUCCESS"
    assert [line["problem"] for line in log] == ["TimeoutError"]


def test_a_response_that_stays_refused_is_raised_so_that_lambda_runs_the_event_again(
    endpoint: ResponseEndpoint,
) -> None:
    # HTTP 403: another attempt with the same URL would be refused as well.
    endpoint.misbehave(Behavior.REFUSE)
    with pytest.raises(ResponseNotDeliveredError) as raised:
        responses_and_log(endpoint, event_for(endpoint))
    assert raised.value.problem == "HTTP 403"
    assert endpoint.attempts == 1


def test_the_put_is_given_up_before_the_invocation_ends(endpoint: ResponseEndpoint) -> None:
    endpoint.misbehave(*[Behavior.SERVER_ERROR] * 100)
    with pytest.raises(ResponseNotDeliveredError):
        responses_and_log(endpoint, event_for(endpoint), seconds=20.0)
    # In growing intervals of two seconds at most, which leave no time for one more.
    assert endpoint.attempts == 12


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        f"ftp://h/?{SIGNATURE}",
        "http://",
        "https://[",
        f"http://h:x/?{SIGNATURE}",
        f"http://h/ /?{SIGNATURE}",
        f"http://h/ü?{SIGNATURE}",
        None,
    ],
)
def test_an_event_without_a_usable_url_is_not_handled_and_no_error_has_the_url(
    endpoint: ResponseEndpoint, url: str | None
) -> None:
    with pytest.raises(ResponseNotDeliveredError) as raised:
        responses_and_log(
            endpoint,
            event_for(endpoint, ResponseURL=url),
            outcome=AssertionError("handled"),
        )
    assert SIGNATURE not in str(raised.value)
    assert "ResponseURL" in raised.value.problem
    assert raised.value.__context__ is None


def test_an_error_that_quotes_the_url_is_named_by_its_type_alone(
    endpoint: ResponseEndpoint,
) -> None:
    # No name of a host has an empty part: encoding it fails with an error that has the URL in it.
    event = event_for(endpoint, ResponseURL=f"http://a..b/?{SIGNATURE}")
    with pytest.raises(ResponseNotDeliveredError) as raised:
        responses_and_log(endpoint, event)
    assert raised.value.problem.startswith("Unicode")
    assert raised.value.__context__ is None


# What fails


def test_a_sentence_for_people_is_the_reason(endpoint: ResponseEndpoint) -> None:
    (response,), log = responses_and_log(
        endpoint, event_for(endpoint), outcome=RootAccessError("What to do.")
    )
    assert (response["Status"], response["Reason"]) == ("FAILED", "What to do.")
    assert log == []


@pytest.mark.parametrize(
    "error",
    [KeyError("Features"), SystemExit(1)],
    ids=["an exception", "no Exception"],
)
def test_every_exception_is_answered_with_a_sentence_and_logged_with_its_trace(
    endpoint: ResponseEndpoint, error: BaseException
) -> None:
    (response,), log = responses_and_log(endpoint, event_for(endpoint), outcome=error)
    assert response["Status"] == "FAILED"
    assert type(error).__name__ in response["Reason"]
    assert "Deploy again" in response["Reason"]
    assert [line["event"] for line in log] == ["crashed"]


def test_an_import_error_is_answered_because_the_entry_point_needs_no_package(
    tmp_path: Path,
) -> None:
    """In a process that can import only the entry point and the standard library."""
    package = tmp_path / "root_access"
    package.mkdir()
    for name in ("__init__.py", "handler.py"):
        (package / name).write_text((LAMBDA / "root_access" / name).read_text())
    with response_endpoint() as endpoint:
        code = (
            "import json, sys\n"
            f"sys.path.insert(0, {str(tmp_path)!r})\n"
            "from root_access.handler import on_event\n"
            "class Context:\n"
            "    invoked_function_arn = "
            "'arn:aws:lambda:us-east-1:111111111111:function:RootAccess'\n"
            "    def get_remaining_time_in_millis(self): return 60000\n"
            "on_event(json.loads(sys.argv[1]), Context())"
        )
        run_successfully(sys.executable, "-I", "-S", "-c", code, json.dumps(event_for(endpoint)))
        (response,) = endpoint.take("1")
    assert response["Status"] == "FAILED"
    assert "ModuleNotFoundError" in response["Reason"]


def test_a_call_that_hangs_cannot_keep_the_response_back_and_no_call_starts_after_it(
    endpoint: ResponseEndpoint,
) -> None:
    started, released = threading.Event(), threading.Event()
    abandoned_at_the_end: list[bool] = []

    def hang(
        event: Mapping[str, Any], context: object, *, abandoned: threading.Event
    ) -> dict[str, Any]:
        started.set()
        released.wait(30)
        abandoned_at_the_end.append(abandoned.is_set())
        return {"PhysicalResourceId": "too late"}

    (response,), _ = responses_and_log(
        endpoint, event_for(endpoint), outcome=hang, seconds=JUST_LONGER_THAN_THE_RESPONSE_TAKES
    )
    released.set()
    assert started.is_set()
    assert response["Status"] == "FAILED"
    assert "ran out of time" in response["Reason"]
    # The thread that was abandoned ends a moment after the response.
    for _ in range(100):
        if abandoned_at_the_end:
            break
        time.sleep(0.01)
    assert abandoned_at_the_end == [True]
    assert endpoint.take("1") == []


# Physical ids and sizes


@pytest.mark.parametrize(
    ("request_type", "physical_id", "expected"),
    [
        ("Create", None, NOT_CREATED),
        ("Update", "o-a1b2c3d4e5", "o-a1b2c3d4e5"),
        ("Update", None, NOT_CREATED),
    ],
    ids=["create", "update", "update without an ID"],
)
def test_a_failure_never_names_another_physical_id(
    endpoint: ResponseEndpoint, request_type: str, physical_id: str | None, expected: str
) -> None:
    event = event_for(endpoint, request_type, PhysicalResourceId=physical_id)
    (response,), _ = responses_and_log(endpoint, event, outcome=ValueError())
    assert response["PhysicalResourceId"] == expected


def test_a_delete_succeeds_for_any_physical_id_without_being_handled(
    endpoint: ResponseEndpoint,
) -> None:
    event = event_for(endpoint, "Delete", PhysicalResourceId="anything")
    (response,), _ = responses_and_log(endpoint, event, outcome=AssertionError("handled"))
    assert (response["Status"], response["PhysicalResourceId"]) == ("SUCCESS", "anything")


@pytest.mark.parametrize(
    "text",
    ["x" * 100_000, "😀" * 5_000],
    ids=["ASCII", "surrogate pairs"],
)
def test_a_reason_of_any_length_fits_into_a_response(endpoint: ResponseEndpoint, text: str) -> None:
    long_ids = {
        "StackId": "s" * 300,
        "LogicalResourceId": "l" * 255,
        "PhysicalResourceId": "p" * 1000,
    }
    (response,), _ = responses_and_log(
        endpoint,
        event_for(endpoint, "Update", **long_ids),
        outcome=RootAccessError(text),
    )
    # The whole response may have 4,096 bytes; a reason may fill 2,500 of them.
    assert len(json.dumps(response["Reason"])) <= 2500
    assert response["Reason"].startswith(text[:100])
    assert {key: response[key] for key in long_ids} == long_ids


# Malformed events


@pytest.mark.parametrize(
    ("change", "mentioned"),
    [
        ({"RequestType": None}, "RequestType must be Create, Update or Delete"),
        ({"ResourceProperties": None}, "failed unexpectedly: KeyError: 'ResourceProperties'"),
        ({"ResourceProperties": {}}, "Features must be a list"),
        (
            {"ResourceProperties": {"Features": {"RootSessions": "false"}}},
            "Features must be a list",
        ),
        ({"ResourceProperties": {"Features": [["RootSessions"]]}}, "Features must be a list"),
        (
            {"ResourceProperties": {"Features": ["RootPasswords"]}},
            "Features must be a list of RootCredentialsManagement, RootSessions, got "
            "['RootPasswords']",
        ),
        (
            {
                "ResourceProperties": {
                    "Features": list(BOTH_FEATURES),
                    "DelegatedAdministrators": "",
                }
            },
            "DelegatedAdministrators must be a list",
        ),
        (
            {
                "ResourceProperties": {
                    "Features": list(BOTH_FEATURES),
                    "DelegatedAdministrators": [MEMBER, "1"],
                }
            },
            "DelegatedAdministrators must be a list of 12-digit account IDs, got ['1']",
        ),
    ],
    ids=str,
)
def test_a_malformed_event_is_answered_with_a_sentence_before_any_call(
    endpoint: ResponseEndpoint,
    organization: LocalOrganization,
    change: dict[str, Any],
    mentioned: str,
) -> None:
    # A member that is changed to None is left out.
    event = {
        name: value for name, value in event_for(endpoint, **change).items() if value is not None
    }
    CustomResourceFunction()(event)
    (response,) = endpoint.take("1")
    assert response["Status"] == "FAILED"
    assert mentioned in response["Reason"]
    assert organization.calls == ()


def test_nothing_sensitive_is_logged(
    endpoint: ResponseEndpoint, organization: LocalOrganization
) -> None:
    """Neither the URL's signature, nor the names and e-mail addresses that AWS returns."""
    enable_root_access(organization, delegated_administrators=[MEMBER])
    organization.deny(MANAGEMENT, "iam:EnableOrganizationsRootSessions")
    function = CustomResourceFunction()
    endpoint.misbehave(Behavior.RESET, Behavior.SERVER_ERROR)
    function(event_for(endpoint))
    function(event_for(endpoint, ResourceProperties=None))
    assert {"observed", "applied", "failed", "response_not_delivered"} <= {
        line["event"] for line in function.log
    }
    # Those of the accounts in the emulated organization.
    account_name, email = "workload-a", "@example.com"
    for secret in (SIGNATURE, account_name, email):
        assert secret not in json.dumps(function.log)
