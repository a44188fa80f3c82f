"""Root sessions share clients, connections and AWS's limits, and nothing else."""

from __future__ import annotations

import functools
import io
import random
import re
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.session import Session

from aws_calls.failures import CallError, FailureKind
from aws_calls.retry import ATTEMPT_RESERVE_SECONDS, RetryBudget
from aws_calls.runtime import one_attempt
from common.arn import Arn
from common.clock import Clock
from local_aws.emulation import LocalOrganization
from root_tasks.aws.clients import RunClients
from root_tasks.aws.invocation import Aws
from root_tasks.aws.session_clients import NoRootSessionError, SessionClients
from root_tasks.aws.sessions import RootSession, open_session
from root_tasks.model.report_schema import Task
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import call_counts
from support.function import FakeTime
from support.responding import client_error
from support.root_tasks import RootTasks, calls_in_root_sessions

if TYPE_CHECKING:
    from mypy_boto3_sts.type_defs import CredentialsTypeDef


THREADS = 32


# The function has ten minutes, the last of them for the results.
DEADLINE = 540.0
MEMBER_KEY = f"ASIA{MEMBER}"


# Who signs


class StreamedBody(io.BytesIO):
    """The body of a response, as the SDK reads it."""

    def stream(self) -> Iterator[bytes]:
        """Yield the body at once."""
        yield self.read()


@dataclass(kw_only=True)
class SignatureRecorder:
    """Responds to IAM's requests in place of AWS.

    Attributes:
        clients: The clients whose requests it gets.
        signed: For each request the key that it names, the key that it is signed with, and the
            token.
    """

    clients: SessionClients
    signed: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def iam(self) -> Any:
        """The client of all sessions."""
        return self.clients.client("iam", region="us-east-1")

    def respond(self, request: Any, **_: object) -> AWSResponse:
        """Note for which session a request is meant, and the key and the token that signed it.

        The response to it is empty.
        """
        # The request names the key of the session that it is meant for: `last_use_of_key`.
        meant: str = urllib.parse.parse_qs(request.body)["AccessKeyId"][0]
        key = re.search(rb"Credential=([^/]+)/", request.headers["Authorization"])
        assert key is not None
        signed = (meant.encode(), key[1], request.headers["X-Amz-Security-Token"])
        self.signed.append(tuple(part.decode() for part in signed))
        name = "GetAccessKeyLastUsed"
        xml = f"<{name}Response><{name}Result/></{name}Response>"
        return AWSResponse(request.url, 200, HTTPHeaders(), StreamedBody(xml.encode()))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> SignatureRecorder:
    """Records the keys of each request to IAM, and responds to it."""
    # The keys of the function itself: no request of a root session may be signed with it.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "the-function")
    recorder = SignatureRecorder(clients=session_clients())
    recorder.iam.meta.events.register("before-send.iam", recorder.respond)
    return recorder


def session_clients() -> SessionClients:
    """Return new clients of root sessions, as a function has them."""
    return SessionClients(Session(), config=one_attempt())


def credentials_of(account_id: str) -> CredentialsTypeDef:
    """Return the credentials of the session in an account, as AssumeRoot returns them."""
    return {  # type: ignore[typeddict-item] # nothing reads when they expire
        "AccessKeyId": key_of_session(account_id),
        "SecretAccessKey": "secret",
        "SessionToken": key_of_session(account_id),
    }


def key_of_session(account_id: str) -> str:
    """Return the ID of the key with which the session in an account signs."""
    return f"ASIA{account_id}"


def session_in(
    account_id: str, clients: SessionClients, executor: ThreadPoolExecutor
) -> RootSession:
    """Return an open session in an account, which makes its parallel calls by the executor."""
    return RootSession(
        account_id=account_id,
        credentials=credentials_of(account_id),
        clients=functools.partial(clients.client, region="us-east-1"),
        sessions=clients,
        executor=executor,
        budget=RetryBudget(clock=FakeTime().clock(), deadline=1000),
    )


def aws_with_sts(sts: Any, clock: Clock) -> Aws:
    """Return what a function works with, whose client of STS is this one.

    The function ends a minute after DEADLINE.
    """
    # The functions register a handler that names the run in each call: here it does nothing.
    sts.meta = SimpleNamespace(events=SimpleNamespace(register_first=lambda *_, **__: None))
    return Aws(
        find_function=lambda: Arn(
            partition="aws", region="us-east-1", account_id=MANAGEMENT, resource=""
        ),
        clients=RunClients(lambda service: sts, sessions=session_clients()),
        log=lambda **event: None,
        budget=RetryBudget(clock=clock, deadline=DEADLINE + 60),
    )


def open_audit_session(sts: Any, clock: Clock, executor: ThreadPoolExecutor) -> RootSession:
    """Open a session to audit MEMBER, in a function that ends at the deadline."""
    return open_session(
        aws_with_sts(sts, clock),
        MEMBER,
        run_id="run-1",
        task=Task.AUDIT,
        deadline=DEADLINE,
        executor=executor,
    )


def last_use_of_key(session: RootSession) -> None:
    """Make a call in a session; the key that it names says for which session it is meant."""
    session.call("iam:GetAccessKeyLastUsed", AccessKeyId=key_of_session(session.account_id))


def test_no_request_of_many_threads_is_signed_with_the_keys_of_another_account(
    recorder: SignatureRecorder,
) -> None:
    with ThreadPoolExecutor(THREADS) as accounts, ThreadPoolExecutor(THREADS) as calls:
        sessions = [session_in(f"{number:012}", recorder.clients, calls) for number in range(30)]

        def call_in_turns(seed: int) -> None:
            """Make calls for one account after another, alone and several in parallel."""
            for session in random.Random(seed).choices(sessions, k=6):
                last_use_of_key(session)
                session.in_parallel([functools.partial(last_use_of_key, session)] * 3)

        list(accounts.map(call_in_turns, range(THREADS)))
    # Six sessions in each thread, with one call alone and three in parallel.
    assert len(recorder.signed) == THREADS * 6 * 4
    # A session's key and token are the same text, which each of its calls names as well.
    assert [signed for signed in recorder.signed if len(set(signed)) > 1] == []
    assert len({meant for meant, _, _ in recorder.signed}) == len(sessions)


def test_a_request_outside_of_a_session_is_not_signed_and_not_sent(
    recorder: SignatureRecorder,
) -> None:
    clients, iam = recorder.clients, recorder.iam
    with pytest.raises(NoRootSessionError):
        iam.get_access_key_last_used(AccessKeyId=MEMBER_KEY)
    with clients.acting_as(credentials_of(MEMBER)):
        iam.get_access_key_last_used(AccessKeyId=MEMBER_KEY)
    with pytest.raises(NoRootSessionError):
        iam.get_access_key_last_used(AccessKeyId=MEMBER_KEY)
    assert recorder.signed == [(MEMBER_KEY, MEMBER_KEY, MEMBER_KEY)]


def test_reading_a_list_leaves_the_thread_without_a_session_between_its_pages(
    recorder: SignatureRecorder,
) -> None:
    clients, iam = recorder.clients, recorder.iam
    pages: Iterator[dict[str, Any]] = iter(
        [
            {"Items": [1], "IsTruncated": True, "Marker": "next"},
            {"Items": [2], "IsTruncated": False},
        ]
    )

    def list_page(**_: str) -> dict[str, Any]:
        iam.get_access_key_last_used(AccessKeyId=MEMBER_KEY)
        return next(pages)

    # The session's client lists two pages, each by a request that has to be signed.
    with ThreadPoolExecutor(1) as executor:
        listing = SimpleNamespace(list_access_keys=list_page)
        session = session_in(MEMBER, clients, executor)
        session = replace(session, clients=lambda service: listing)
        for _ in session.pages("iam:ListAccessKeys", items="Items", token="Marker"):
            with pytest.raises(NoRootSessionError):
                iam.get_access_key_last_used(AccessKeyId=MEMBER_KEY)
    assert recorder.signed == [(MEMBER_KEY, MEMBER_KEY, MEMBER_KEY)] * 2


def test_a_region_has_one_client_and_their_number_has_a_bound() -> None:
    clients = session_clients()
    sqs = clients.client("sqs", region="eu-west-1")
    assert clients.client("sqs", region="eu-west-1") is sqs
    assert clients.client("sqs", region="us-east-1") is not sqs
    # More clients than are kept, which is 48: those of the other regions are forgotten.
    for number in range(60):
        clients.client("sqs", region=f"xx-nowhere-{number}")
    assert clients.client("sqs", region="eu-west-1") is not sqs


def throttled(operation: str) -> Mock:
    """Return a function of a client that AWS always throttles."""
    return Mock(side_effect=client_error("Throttling", operation=operation))


def test_the_calls_in_a_session_end_before_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    time, sts = FakeTime(), Mock()
    sts.assume_root.return_value = {"Credentials": credentials_of(MEMBER)}
    iam = SimpleNamespace(get_user=throttled("GetUser"))
    monkeypatch.setattr(SessionClients, "client", lambda *_, **__: iam)
    with ThreadPoolExecutor(1) as executor:
        session = open_audit_session(sts, time.clock(), executor)
        with pytest.raises(CallError):
            session.call("iam:GetUser")
    duration = sts.assume_root.call_args.kwargs["DurationSeconds"]
    # The last attempt and the call that opened the session take up to 20 seconds each.
    assert time.starts[-1] + 40 < duration
    assert duration <= 300, "no longer than it is needed: AWS allows 900"


def throttled_attempts(*, jitter: float = 0.5) -> list[float]:
    """Return when AssumeRoot is attempted again, if AWS always throttles it."""
    time, sts = FakeTime(), Mock(assume_root=throttled("AssumeRoot"))
    clock = replace(time.clock(), random=lambda: jitter)
    with ThreadPoolExecutor(1) as executor, pytest.raises(CallError) as raised:
        open_audit_session(sts, clock, executor)
    assert raised.value.failure.kind is FailureKind.RETRYABLE
    return time.starts


def test_a_session_is_opened_while_there_is_time_for_its_calls() -> None:
    # A minute before the deadline is kept for the calls in the session, and the time of an attempt
    # before it. The throttled call is repeated until then, every few seconds.
    assert 400 < throttled_attempts()[-1] < DEADLINE - ATTEMPT_RESERVE_SECONDS - 30


def test_accounts_that_were_throttled_together_are_not_attempted_together_again() -> None:
    """Otherwise few accounts of many would get a session where batches share a limit of STS."""
    early, late = (throttled_attempts(jitter=jitter)[0] for jitter in (0.0, 0.9))
    assert late > 1.5 * early


# Calls in parallel


def test_the_first_failure_of_parallel_calls_is_raised_once_all_have_ended() -> None:
    ended: list[str] = []

    def end(name: str, error: Exception | None) -> str:
        ended.append(name)
        if error:
            raise error
        return name

    with ThreadPoolExecutor(4) as executor:
        session = session_in(MEMBER, session_clients(), executor)
        with pytest.raises(KeyError):
            session.in_parallel(
                [
                    functools.partial(end, "a", None),
                    functools.partial(end, "b", KeyError()),
                    functools.partial(end, "c", ValueError()),
                ]
            )
        assert sorted(ended) == ["a", "b", "c"]
        assert session.in_parallel([]) == []


def test_an_account_with_every_credential_takes_three_round_trips(
    root_tasks: RootTasks, organization: LocalOrganization
) -> None:
    organization.put_root_credentials(
        MEMBER, password=True, access_keys=2, mfa_devices=2, certificates=2
    )
    running = Counter[str]()
    trips: list[Any] = []

    def begin(model: Any, **_: object) -> None:
        # What starts while nothing else runs begins a round trip.
        if not running.total():
            trips.append(model.name)
        running[model.name] += 1

    def end(model: Any, **_: object) -> None:
        running[model.name] -= 1

    def wait_for_others(model: Any, **_: object) -> None:
        begin(model)
        # Time for the others to begin as well.
        time.sleep(0.25)

    root_tasks.on_event("before-call.iam", wait_for_others, account_id=MEMBER)
    root_tasks.on_event("after-call.iam", end, account_id=MEMBER)
    root_tasks.run({"accounts": [MEMBER]})
    assert len(trips) == 3
    trips.clear()
    root_tasks.run({"task": Task.DELETE, "accounts": [MEMBER]})
    assert len(trips) == 3
    calls = Counter(call.partition(" ")[2] for call in calls_in_root_sessions(organization))
    # Those of two keys, once in the audit and once in the plan.
    assert calls["GetAccessKeyLastUsed"] == 4


# The start of a run


@pytest.mark.parametrize(
    ("input_", "operation"),
    [({}, "ListAccounts"), ({"organizationalUnits": ["Root"]}, "ListAccountsForParent")],
    ids=["all accounts", "a unit"],
)
def test_a_run_that_is_refused_lists_no_accounts(
    root_tasks: RootTasks, organization: LocalOrganization, input_: object, operation: str
) -> None:
    organization.client("iam").disable_organizations_root_credentials_management()
    assert root_tasks.run(input_).status == "FAILED"
    assert call_counts(organization)[operation] == 0
