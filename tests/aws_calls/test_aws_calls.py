"""How the functions call AWS: what is retried, and how a failure is described."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import botocore
import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from aws_calls.calls import AwsCalls
from aws_calls.failures import CallError, Failure, FailureKind, call_errors
from aws_calls.retry import ATTEMPT_RESERVE_SECONDS, RetryBudget
from support import responding
from support.function import FakeTime

OPERATION = "iam:ListAccessKeys"
client_error = functools.partial(responding.client_error, operation=OPERATION)


def tls_error(reason: str) -> SSLError:
    """Return the SDK's error for a TLS connection that failed for this reason."""
    return SSLError(endpoint_url="https://aws", error=Exception(reason))


def proxy_error(reason: str) -> ProxyConnectionError:
    """Return the SDK's error for a proxy that failed for this reason."""
    return ProxyConnectionError(proxy_url="https://proxy", error=Exception(reason))


def budget_of(time: FakeTime) -> RetryBudget:
    """Return a budget in which attempts start for 60 seconds."""
    return RetryBudget(clock=time.clock(), deadline=60 + ATTEMPT_RESERVE_SECONDS)


class Service:
    """Returns or raises the given responses in turn, and records each call's parameters."""

    def __init__(self, *responses: Mapping[str, Any] | Exception) -> None:
        self._responses = iter(responses)
        self.calls: list[Mapping[str, Any]] = []

    def list_access_keys(self, **parameters: str) -> Mapping[str, Any]:
        """Note the parameters, and return the next response, or raise it if it is an error."""
        self.calls.append(parameters)
        response = next(self._responses)
        if isinstance(response, Exception):
            raise response
        return response


def calls_of(service: Service, *, budget: RetryBudget | None = None) -> AwsCalls:
    """Return calls that reach the service; OPERATION is its only one."""
    return AwsCalls(clients=lambda name: service, budget=budget or budget_of(FakeTime()))


def list_of(service: Service, *, time: FakeTime | None = None) -> Iterator[Any]:
    """Yield the entries of a list whose pages are the service's responses."""
    calls = calls_of(service, budget=budget_of(time or FakeTime()))
    return calls.pages(OPERATION, items="Items", token="Marker", response_token="NextMarker")


# Pages


def test_pages_are_read_to_the_end_and_an_empty_one_is_not_the_end() -> None:
    service = Service(
        {"Items": ["a"], "NextMarker": "1"}, {"Items": [], "NextMarker": "2"}, {"Items": ["b", "c"]}
    )
    assert list(list_of(service)) == ["a", "b", "c"]
    assert service.calls == [{}, {"Marker": "1"}, {"Marker": "2"}]


def test_a_throttled_page_is_repeated_and_the_list_is_not() -> None:
    time = FakeTime()
    throttled = client_error("Throttling")
    service = Service({"Items": ["a"], "NextMarker": "1"}, throttled, throttled, {"Items": ["b"]})
    assert list(list_of(service, time=time)) == ["a", "b"]
    assert service.calls == [{}, {"Marker": "1"}, {"Marker": "1"}, {"Marker": "1"}]
    assert len(time.starts) == 2


def test_a_list_that_does_not_end_is_a_failure() -> None:
    service = Service(*({"Items": [], "NextMarker": token} for token in "abc" * 33))
    with pytest.raises(CallError) as raised:
        list(list_of(service))
    assert raised.value.failure.message == "the list repeats a page"
    # The fourth page has the token of the first one.
    assert len(service.calls) == 4


@pytest.mark.parametrize(
    ("page", "missing"),
    [({"NextMarker": "1"}, "Items"), ({"Items": [], "IsTruncated": True}, "NextMarker")],
    ids=["items", "token"],
)
def test_an_incomplete_page_is_never_taken_for_the_last_one(
    page: Mapping[str, Any], missing: str
) -> None:
    with pytest.raises(CallError) as raised:
        list(list_of(Service(page)))
    assert raised.value.failure.code == "IncompleteResponse"
    # An SDK drops what it does not know, and Lambda's runtime brings it.
    named = f"the response has no {missing} (botocore {botocore.__version__})"
    assert raised.value.failure.message == named


def test_a_list_that_is_not_truncated_ends_regardless_of_its_token() -> None:
    service = Service({"Items": ["a"], "IsTruncated": False, "NextMarker": "1"})
    assert list(list_of(service)) == ["a"]


# Failures


FAILURES = {
    FailureKind.RETRYABLE: [
        client_error("ThrottlingException"),
        client_error("KMSThrottling"),
        client_error("KMS.ThrottlingException"),
        client_error("KmsThrottled"),
        client_error("KmsThrottlingException"),
        client_error("ProvisionedThroughputExceededException"),
        client_error("LimitExceededException", status=429),
        client_error("SlowDown", status=503),
        client_error("ConcurrentModificationException"),
        client_error("OperationAborted", status=409),
        client_error("EntityTemporarilyUnmodifiable"),
        EndpointConnectionError(endpoint_url="https://aws"),
        proxy_error("[Errno 111] Connection refused"),
    ],
    FailureKind.EFFECT_UNKNOWN: [
        client_error("ServiceException"),
        client_error("Anything", status=503),
        client_error("RequestTimeout"),
        ConnectionClosedError(endpoint_url="https://aws"),
        tls_error("EOF occurred in violation of protocol (_ssl.c:2427)"),
        tls_error("[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] x (_ssl.c:1)"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ResponseParserError("cut off"),
    ],
    FailureKind.ACCESS_DENIED: [client_error("AccessDeniedException", status=403)],
    FailureKind.TRUSTED_ACCESS_DISABLED: [
        client_error("ServiceAccessNotEnabledException"),
        client_error("ConstraintViolationException", reason="SERVICE_ACCESS_NOT_ENABLED"),
    ],
    FailureKind.REFUSED: [
        client_error("LimitExceeded", status=409),
        tls_error("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed (_ssl.c:1)"),
        tls_error("hostname 'localhost' doesn't match 'other'"),
        tls_error("[X509: NO_CERTIFICATE_OR_CRL_FOUND] none (_ssl.c:4154)"),
        tls_error("[Errno 2] No such file or directory"),
        proxy_error("CERTIFICATE_VERIFY_FAILED"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "error"),
    [(kind, error) for kind, errors in FAILURES.items() for error in errors],
    ids=lambda value: str(value).removeprefix("SSL validation failed for ")[:40],
)
def test_a_failure_says_whether_to_retry_and_whether_the_call_may_have_taken_effect(
    kind: FailureKind, error: Exception
) -> None:
    with pytest.raises(CallError) as raised, call_errors(OPERATION):
        raise error
    assert raised.value.failure.kind is kind


def test_a_failure_is_described_in_one_sentence_and_one_about_the_retries() -> None:
    failure = Failure(
        operation=OPERATION,
        kind=FailureKind.RETRYABLE,
        code="Throttling",
        message="Rate exceeded.",
        reason="RATE",
        attempts=3,
        waited=41.2,
        timed_out=True,
    )
    what_failed = f"{OPERATION}: Throttling (RATE): Rate exceeded."
    assert str(failure) == f"{what_failed} Gave up after 3 attempts over 41 s."
    tried_once = replace(failure, attempts=1)
    assert str(tried_once) == f"{what_failed} Gave up after 1 attempt over 41 s."
    assert str(replace(tried_once, timed_out=False)) == what_failed
    # AWS's message is cut off at 600 bytes.
    assert len(str(replace(failure, message="x" * 5_000))) < 800


# Retries


def test_a_reserve_ends_a_budget_earlier_and_leaves_the_original_as_it_was() -> None:
    time = FakeTime()
    budget = budget_of(time)
    # Attempts start for 60 seconds in the budget, and for 35 in this one, which ends 25 earlier.
    reserved = budget.within(budget.remaining_seconds - 25)
    with pytest.raises(CallError) as raised:
        calls_of(Service(*[client_error("Throttling")] * 99), budget=reserved).call(OPERATION)
    assert raised.value.failure.timed_out
    assert 25 < time.seconds <= 35
    assert calls_of(Service({}), budget=budget).call(OPERATION).members == {}
    time.seconds = 36
    with pytest.raises(CallError) as raised:
        calls_of(Service({}), budget=reserved).call(OPERATION)
    assert raised.value.failure.kind is FailureKind.OUT_OF_TIME


def test_a_denial_is_retried_while_a_new_policy_may_take_effect_unless_it_is_final() -> None:
    time = FakeTime()
    budget = RetryBudget(clock=time.clock(), deadline=180, new_permissions_until=30)
    denied = client_error("AccessDenied", status=403)
    assert calls_of(Service(denied, {}), budget=budget).call(OPERATION).members == {}
    # Without such a time, a denial is final.
    service = Service(denied, {})
    with pytest.raises(CallError) as raised:
        calls_of(service, budget=replace(budget, new_permissions_until=None)).call(OPERATION)
    assert raised.value.failure.kind is FailureKind.ACCESS_DENIED
    assert raised.value.failure.attempts == len(service.calls) == 1
    assert str(raised.value) == f"{OPERATION}: AccessDenied: This is a test."


def test_a_failure_that_used_up_the_budget_keeps_its_attempts_in_an_outer_attempt() -> None:
    time = FakeTime()
    budget = budget_of(time)

    def outer() -> object:
        return calls_of(Service(*[client_error("Throttling")] * 99), budget=budget).call(OPERATION)

    with pytest.raises(CallError) as raised:
        budget.attempt(outer, operation="outer")
    assert raised.value.failure.operation == OPERATION
    assert raised.value.failure.attempts == len(time.starts) + 1
    assert raised.value.failure.timed_out
