"""Full audits that overlap, are redriven or repeated: what counts is what a later look found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from aws_calls.failures import CallError
from common.typed_json import format_time
from local_aws.emulation import LocalOrganization
from root_tasks.aws.stores import WriteContentionError, sha256
from root_tasks.model.codec import encode
from root_tasks.model.report_schema import Outcome, RootCredentials
from root_tasks.model.run_documents import BatchResult, Finding
from root_tasks.run.finish import OutdatedRunError
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, enable_root_access
from support.properties import property_test
from support.root_tasks import DeployedSettings, RootTasks

APPEARED = "Root credentials appeared: 1 account"
DISAPPEARED = "Root credentials disappeared: 1 account"
NOT_COMPARED = "Root credentials: full audit without a comparison"


@dataclass
class Audits:
    """Full audits whose parts run in any order, a minute apart.

    A step is what happens, and to which audit: "begin A", "look A", "rest A" (its last batch ends),
    "end A" (its report is written, or written again), "fail A" (the same, but its notice is
    refused), and "appear" or "disappear", of the credentials of a member account.

    Attributes:
        root_tasks: The deployed RootTasks.
        runs: The audits that have begun, by their names.
        results: What their batches returned.
    """

    root_tasks: RootTasks
    runs: dict[str, Any] = field(default_factory=dict)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(self, steps: str) -> None:
        """Take steps, which are separated by commas."""
        for step in steps.split(", "):
            self.root_tasks.advance(minutes=1)
            what, _, name = step.partition(" ")
            getattr(self, what)(*filter(None, [name]))

    def begin(self, name: str) -> None:
        arn, now = self.root_tasks.arn(name), self.root_tasks.now
        self.runs[name] = self.root_tasks.start_run({}, arn=arn, started_at=now)

    def look(self, name: str) -> None:
        run = self.runs[name]
        self.results[name] = [self.root_tasks.run_batch(run, batch=0)]

    def rest(self, name: str) -> None:
        """Let the last batch of an audit end now. It has read other accounts."""
        folder = f"runs/{name}/results/audit/00000-"
        (result,) = self.results[name]
        body = json.loads(self.root_tasks.read_object(f"{folder}{result['sha256']}.json"))
        body["finishedAt"] = format_time(self.root_tasks.now)
        written = json.dumps(body).encode()
        self.root_tasks.write_object(f"{folder}{sha256(written)}.json", written)
        self.results[name] = [{"batch": 0, "sha256": sha256(written)}]

    def end(self, name: str) -> None:
        self.root_tasks.write_report(self.runs[name], results=self.results[name])

    def fail(self, name: str) -> None:
        """Let SNS refuse the notice at the end of an audit."""
        self.root_tasks.notices_to_refuse = 1
        with pytest.raises(CallError):
            self.end(name)

    def appear(self) -> None:
        self.root_tasks.organization.put_root_credentials(account_id=MEMBER, password=True)

    def disappear(self) -> None:
        self.root_tasks.organization.put_root_credentials(account_id=MEMBER)

    @property
    def latest(self) -> dict[str, Any]:
        """The latest report."""
        report: dict[str, Any] = json.loads(self.root_tasks.read_object("latest/report.json"))
        return report

    @property
    def numbers(self) -> list[int]:
        """The accounts with root credentials, as the metrics count them."""
        return [line["AccountsWithRootCredentials"] for line in self.root_tasks.metrics()]


@pytest.fixture
def audits(root_tasks: RootTasks) -> Audits:
    """Audits after one that found nothing."""
    audits = Audits(root_tasks)
    audits.take("begin before, look before, end before")
    root_tasks.notices.clear()
    root_tasks.log.clear()
    return audits


def test_an_unprotected_root_user_sets_off_its_alarm_and_ends_no_other(audits: Audits) -> None:
    audits.take("begin B, begin A, look B, appear, look A, end A")
    audits.root_tasks.organization.put_root_credentials(account_id=MANAGEMENT, access_keys=1)
    audits.take("end B")
    own, members = "ManagementRootUserUnprotected", "AccountsWithRootCredentials"
    *_, of_a, of_b = audits.root_tasks.metrics()
    assert (of_a[members], of_b[own], members in of_b) == (1, 1, False)
    assert audits.latest["runId"] == "A"


@pytest.mark.parametrize(
    ("steps", "latest", "numbers", "subjects"),
    [
        pytest.param(
            "appear, begin A, look A, end A, disappear, begin B, look B, end B",
            "B",
            [1, 0],
            [APPEARED, DISAPPEARED],
            id="one after the other",
        ),
        pytest.param(
            "begin A, begin B, look B, appear, look A, end B, end A",
            "A",
            [0, 1],
            [NOT_COMPARED],
            id="the one that found some ends last",
        ),
        pytest.param(
            "begin B, begin A, look B, appear, look A, end A, end B",
            "A",
            [1],
            [APPEARED],
            id="the one that found none ends last",
        ),
        pytest.param(
            "begin B, begin A, look B, appear, look A, rest B, end A, end B",
            "A",
            [1],
            [APPEARED],
            id="the one that found none looked at other accounts last",
        ),
        pytest.param(
            "begin A, begin B, appear, look A, look B, end A, end B",
            "B",
            [1, 1],
            [APPEARED, NOT_COMPARED],
            id="both found some",
        ),
        pytest.param(
            "begin A, begin B, look A, look B, end B, end A", "B", [0], [], id="both found none"
        ),
        pytest.param(
            "begin A, appear, look A, disappear, begin B, look B, end B, end A",
            "A",
            [0, 1],
            [NOT_COMPARED],
            id="the report of the one that found some is late",
        ),
        pytest.param(
            "begin A, look A, appear, begin B, look B, end B, end A",
            "B",
            [1],
            [APPEARED],
            id="the report of the one that found none is late",
        ),
        pytest.param(
            "appear, begin A, look A, begin B, look B, end B, begin C, disappear, look C, "
            "end A, end C",
            "A",
            [1, 1],
            [APPEARED, NOT_COMPARED],
            id="three",
        ),
        pytest.param(
            "appear, begin A, look A, fail A, end A",
            "A",
            [1, 1],
            [APPEARED],
            id="redriven after its notice was refused",
        ),
        pytest.param(
            "appear, begin A, look A, fail A, disappear, begin B, look B, end B",
            "B",
            [1, 0],
            [DISAPPEARED],
            id="not redriven after its notice was refused",
        ),
        pytest.param(
            "begin A, look A, end A, end A",
            "A",
            [0, 0],
            ["Root credentials: full audit, published again"],
            id="repeated without changes",
        ),
        pytest.param(
            "begin A, look A, end A, appear, begin B, look B, end B, end A",
            "B",
            [0, 1],
            [APPEARED],
            id="repeated after a later one",
        ),
        pytest.param(
            "appear, begin A, look A, end A, disappear, begin B, end A, look B, end B",
            "B",
            [1, 1, 0],
            [APPEARED, APPEARED, DISAPPEARED],
            id="repeated while another one looks",
        ),
    ],
)
def test_a_later_look_is_never_replaced_by_an_earlier_one(
    audits: Audits, steps: str, latest: str, numbers: list[int], subjects: list[str]
) -> None:
    audits.take(steps)
    assert audits.latest["runId"] == latest
    assert audits.numbers == numbers
    assert [subject for subject, _ in audits.root_tasks.notices] == subjects
    if numbers[-1] == 0 and 1 in numbers:
        assert audits.latest["rootFree"]["audits"] == 1, "one that found some ends the count"
    files = ("report.json", "report.csv", "report.html")
    for file in files:
        own = audits.root_tasks.read_object(f"runs/{latest}/{file}")
        assert audits.root_tasks.read_object(f"latest/{file}") == own


# The minutes in which an audit begins, reads two accounts, and writes its report once or twice.
MINUTES = st.lists(st.integers(0, 60), min_size=4, max_size=5, unique=True).map(sorted)


@property_test(
    examples=150,
    audits=st.lists(MINUTES, min_size=2, max_size=4),
    # In which minutes each account gets credentials, and loses them.
    changes=st.tuples(*[st.sets(st.integers(0, 60), max_size=4)] * 2),
    # How many minutes the clock of the batches is behind.
    behind=st.sampled_from([0, 0, 90]),
    # Which the audits report as well, and which must not matter.
    own_mfa_devices=st.integers(0, 1),
)
def test_credentials_that_were_published_are_never_followed_by_a_zero_of_an_older_look(
    organization: LocalOrganization,
    audits: list[list[int]],
    changes: tuple[set[int], set[int]],
    behind: int,
    own_mfa_devices: int,
) -> None:
    organization.reset()
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    organization.put_root_credentials(account_id=MANAGEMENT, mfa_devices=own_mfa_devices)
    root_tasks = RootTasks(organization=organization)
    noon = root_tasks.now
    runs: dict[int, dict[str, Any]] = {}
    # The looks of published audits that found credentials: the account, and in which minute.
    found: list[tuple[int, int]] = []
    # The audits without credentials that were published since.
    free: set[int] = set()
    for minute, number in sorted(
        (minute, number) for number, own in enumerate(audits) for minute in own
    ):
        began, *looks = audits[number][:3]
        root_tasks.now = noon + timedelta(minutes=minute)
        if minute == began:
            arn = root_tasks.arn(f"audit-{number}")
            runs[number] = root_tasks.start_run({}, arn=arn, started_at=root_tasks.now)
        if minute <= looks[-1]:
            continue

        # Write its report, with what each account had when the audit read it.
        has = [
            len([change for change in changes[account] if change <= look]) % 2 == 1
            for account, look in enumerate(looks)
        ]
        result = store_result(
            root_tasks, runs[number], has, at=noon + timedelta(minutes=looks[-1] - behind)
        )
        root_tasks.log.clear()
        root_tasks.write_report(runs[number], results=[result])
        name = "AccountsWithRootCredentials"
        counted = [line[name] for line in root_tasks.metrics() if name in line]
        if not counted:
            assert not any(has), "what was found is published"
            continue
        assert counted == [sum(has)]
        latest = json.loads(root_tasks.read_object("latest/report.json"))
        assert latest["runId"] == f"audit-{number}"
        if any(has):
            found += [(account, look) for account, look in enumerate(looks) if has[account]]
            free = set()
        else:
            assert [(account, look) for account, look in found if look > looks[account]] == []
            free.add(number)
            assert latest["rootFree"]["audits"] == len(free)


def store_result(
    root_tasks: RootTasks, run: Mapping[str, Any], has: Sequence[bool], *, at: datetime
) -> dict[str, object]:
    """Store the result of an audit's batch, and return what the batch returns."""
    findings = [
        Finding(
            account_id=account_id,
            outcome=Outcome.HAS_CREDENTIALS if password else Outcome.CLEAN,
            credentials=RootCredentials(password=password),
        )
        for account_id, password in zip(
            (MEMBER, OTHER_MEMBER, THIRD_MEMBER), (*has, False), strict=True
        )
    ]
    body = encode(BatchResult(findings=tuple(findings), finished_at=at))
    root_tasks.write_object(f"runs/{run['runId']}/results/audit/00000-{sha256(body)}.json", body)
    return {"batch": 0, "sha256": sha256(body)}


def test_an_audit_that_is_withheld_imports_nothing_and_says_so(audits: Audits) -> None:
    root_tasks = audits.root_tasks
    root_tasks.client("securityhub").enable_security_hub()
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    audits.take("begin B, look B, appear, begin A, look A, end A, end B")
    assert root_tasks.findings()[MEMBER]["Compliance"] == {"Status": "FAILED"}
    report = json.loads(root_tasks.read_object("runs/B/report.json"))
    (warning,) = report["warnings"]
    assert warning.startswith("Another full audit was published after this one had begun")
    assert (report["changes"], report["publishedAt"], report["rootFree"]) == (None, None, None)


def test_an_audit_that_another_one_overtakes_while_it_is_published_is_judged_again(
    audits: Audits,
) -> None:
    audits.take("begin B, look B, appear, begin A, look A")
    audits.root_tasks.change_before(
        "s3:PutObject", lambda: audits.end("A"), url="latest/report.json"
    )
    audits.take("end B")
    assert (audits.latest["runId"], audits.numbers) == ("A", [1])


def test_endless_contention_for_the_latest_report_fails_the_audit(audits: Audits) -> None:
    audits.root_tasks.fail_calls(
        "s3:PutObject", "PreconditionFailed", status=412, url="latest/report.json"
    )
    with pytest.raises(WriteContentionError) as refused:
        audits.take("begin A, look A, end A")
    assert str(refused.value).startswith("Too many full audits end at once. Redrive this")


@pytest.mark.parametrize(
    "input_", [{}, {"task": "delete", "accounts": ["all"]}], ids=["audit", "plan"]
)
def test_a_run_that_is_over_a_day_old_fails(root_tasks: RootTasks, input_: object) -> None:
    root_tasks.before_report = lambda: root_tasks.advance(hours=24, seconds=1)
    outdated = root_tasks.run(input_, name="old")
    assert isinstance(outdated.error, OutdatedRunError)
    assert outdated.cause == (
        "Run old started at 2026-11-24 12:00 UTC, over a day ago: its results are outdated, so no "
        "report was written. Start a new run."
    )
    assert (root_tasks.metrics(), root_tasks.notices) == ([], [])
    assert root_tasks.object_keys("runs/old/report") == root_tasks.object_keys("latest/") == []


def test_a_result_that_could_not_be_read_is_read_by_the_redrive(audits: Audits) -> None:
    audits.take("appear, begin A, look A, fail A")
    audits.root_tasks.fail_calls(
        "s3:GetObject", "AccessDenied", status=403, url="/results/", times=1
    )
    with pytest.raises(CallError):
        audits.end("A")
    published = audits.latest
    audits.take("end A")
    assert (audits.latest["results"], audits.numbers) == (published["results"], [1, 1])


def test_an_audit_counts_although_the_clock_of_its_batch_is_behind(audits: Audits) -> None:
    audits.take("appear, begin A")
    audits.root_tasks.advance(hours=-2)
    audits.take("look A")
    audits.root_tasks.advance(hours=2)
    audits.take("end A")
    assert audits.numbers == [1]
    assert audits.latest["finishedAt"] == audits.latest["startedAt"]
