"""Full audits that overlap, are redriven or repeated: what counts is what a later look found."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import strategies as st

from aws_calls.failures import CallError
from common.typed_json import format_time
from local_aws.emulation import LocalOrganization
from root_tasks.aws.latest_report_store import WriteContentionError
from root_tasks.model.codec import encode
from root_tasks.model.report_schema import Outcome, RootCredentials, Task
from root_tasks.model.run_documents import BatchResult, Finding
from root_tasks.report.asff import MEMBER_CHECK
from root_tasks.run.finish import OutdatedRunError
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, enable_root_access
from support.properties import property_test
from support.reports import account_result, report_of
from support.root_tasks import DeployedSettings, RootTasks

APPEARED = "Root credentials appeared: 1 account"
DISAPPEARED = "Root credentials disappeared: 1 account"
NOT_COMPARED = "Root credentials: full audit without a comparison"
PUBLISHED_AGAIN = "Root credentials: full audit, published again"
OVERTAKEN = "Another full audit was published after this one had begun."
# What Security Hub has of a finding that failed and is not archived.
OPEN_FAILURE = ({"Status": "FAILED"}, "ACTIVE")
# Metrics of a full audit.
WITH_CREDENTIALS, UNPROTECTED = "AccountsWithRootCredentials", "ManagementRootUserUnprotected"


@dataclass
class Audits:
    """Full audits whose parts run in any order, a minute apart.

    A step is what happens, and to which audit:

    - "start A": the audit A starts, and selects its accounts
    - "read A": its batch reads the accounts
    - "end_batch A": its batch ends only now, because it has read other accounts since
    - "report A": its report is written, or written again by a redrive
    - "report_unheard A": the same, but SNS refuses its notice
    - "report_once_written A": the same, but the function ends once latest/report.json is written
    - "credentials appear" or "credentials disappear": those of a member account

    Attributes:
        root_tasks: The deployed RootTasks.
        runs: The audits that have started, by their names.
        results: What their batches returned.
    """

    root_tasks: RootTasks
    runs: dict[str, Any] = field(default_factory=dict)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(self, steps: str) -> None:
        """Take steps, a minute apart, such as "start A, credentials appear, read A".

        The first word of a step is a method of this class, and the second one its argument.
        """
        for step in steps.split(", "):
            self.root_tasks.advance(minutes=1)
            method, name = step.split()
            getattr(self, method)(name)

    def start(self, name: str) -> None:
        """Start an audit now."""
        arn, now = self.root_tasks.arn(name), self.root_tasks.now
        self.runs[name] = self.root_tasks.start_run({}, arn=arn, started_at=now)

    def read(self, name: str) -> None:
        """Let the only batch of an audit read the accounts."""
        run = self.runs[name]
        self.results[name] = [self.root_tasks.run_batch(run, batch=0)]

    def end_batch(self, name: str) -> None:
        """Store the result of an audit's batch again, as if the batch ended now."""
        folder = f"runs/{name}/results/audit/"
        (result,) = self.results[name]
        body = self.root_tasks.read_json(f"{folder}00000-{result['sha256']}.json")
        body["finishedAt"] = format_time(self.root_tasks.now)
        self.results[name] = [self.root_tasks.write_result(folder, json.dumps(body).encode())]

    def report(self, name: str) -> None:
        """Let the last function of an audit write its report, and publish it."""
        self.root_tasks.write_report(self.runs[name], results=self.results[name])

    def report_unheard(self, name: str) -> None:
        """Write the report of an audit, whose notice SNS refuses: its last function then fails."""
        self.root_tasks.notices_to_refuse = 1
        with pytest.raises(CallError):
            self.report(name)

    def report_once_written(self, name: str) -> None:
        """Write the report of an audit, whose last function ends right after it is the latest."""
        end = Mock(side_effect=itertools.chain([KeyboardInterrupt], itertools.repeat(None)))
        self.root_tasks.on_event("after-call.s3.PutObject", end)
        with pytest.raises(KeyboardInterrupt):
            self.report(name)

    def credentials(self, event: str) -> None:
        """Give a member account a password, or remove its credentials."""
        self.root_tasks.organization.put_root_credentials(MEMBER, password=event == "appear")

    @property
    def latest(self) -> dict[str, Any]:
        """The latest report."""
        report: dict[str, Any] = self.root_tasks.read_json("latest/report.json")
        return report

    @property
    def metric_values(self) -> list[int]:
        """The values of the metric that the alarm about root credentials looks at, in order."""
        lines = self.root_tasks.metrics()
        return [line[WITH_CREDENTIALS] for line in lines if WITH_CREDENTIALS in line]


@pytest.fixture
def audits(root_tasks: RootTasks) -> Audits:
    """Audits after a published one that found nothing."""
    audits = Audits(root_tasks)
    audits.take("start before, read before, report before")
    root_tasks.notices.clear()
    root_tasks.log.clear()
    return audits


def test_an_unprotected_root_user_sets_off_its_alarm_and_ends_no_other(audits: Audits) -> None:
    audits.take("start B, start A, read B, credentials appear, read A, report A")
    audits.root_tasks.organization.put_root_credentials(MANAGEMENT, access_keys=1)
    # B found no credentials, and is withheld because A did. Its look at the own root user is new.
    audits.take("report B")
    *_, of_b = audits.root_tasks.metrics()
    assert of_b[UNPROTECTED] == 1
    assert audits.metric_values == [1]
    assert audits.latest["runId"] == "A"


@pytest.mark.parametrize(
    ("steps", "latest", "metric_values", "notices"),
    [
        pytest.param(
            "credentials appear, start A, read A, report A, credentials disappear, start B, "
            "read B, report B",
            "B",
            [1, 0],
            [APPEARED, DISAPPEARED],
            id="one after the other",
        ),
        pytest.param(
            "start A, start B, read B, credentials appear, read A, report B, report A",
            "A",
            [0, 1],
            [APPEARED],
            id="the one that found some ends last",
        ),
        pytest.param(
            "start B, start A, read B, credentials appear, read A, report A, report B",
            "A",
            [1],
            [APPEARED],
            id="the one that found none ends last",
        ),
        pytest.param(
            "start B, start A, read B, credentials appear, read A, end_batch B, report A, report B",
            "A",
            [1],
            [APPEARED],
            id="the one that found none looked at other accounts last",
        ),
        pytest.param(
            "start A, start B, credentials appear, read A, read B, report A, report B",
            "B",
            [1, 1],
            [APPEARED],
            id="both found some",
        ),
        pytest.param(
            "start A, start B, read A, read B, report B, report A",
            "B",
            [0],
            [],
            id="both found none",
        ),
        pytest.param(
            "start A, credentials appear, read A, credentials disappear, start B, read B, "
            "report B, report A",
            "A",
            [0, 1],
            [APPEARED],
            id="the report of the one that found some is late",
        ),
        pytest.param(
            "start A, read A, credentials appear, start B, read B, report B, report A",
            "B",
            [1],
            [APPEARED],
            id="the report of the one that found none is late",
        ),
        pytest.param(
            "credentials appear, start A, read A, start B, read B, report B, start C, "
            "credentials disappear, read C, "
            "report A, report C",
            "A",
            [1, 1],
            [APPEARED],
            id="three",
        ),
        pytest.param(
            "credentials appear, start A, read A, report_unheard A, report A",
            "A",
            [1, 1],
            [APPEARED],
            id="redriven after its notice was refused",
        ),
        pytest.param(
            "credentials appear, start A, read A, report_unheard A, credentials disappear, "
            "start B, read B, report B",
            "B",
            [1, 0],
            [DISAPPEARED],
            id="not redriven after its notice was refused",
        ),
        pytest.param(
            "start A, read A, report A, report A",
            "A",
            [0, 0],
            [PUBLISHED_AGAIN],
            id="repeated without changes",
        ),
        pytest.param(
            "start A, read A, report A, credentials appear, start B, read B, report B, report A",
            "B",
            [0, 1],
            [APPEARED],
            id="a clean one is redriven after a later one",
        ),
        pytest.param(
            "credentials appear, start A, read A, report_unheard A, credentials disappear, "
            "start B, read B, report B, report A",
            "B",
            [1, 0, 1],
            [DISAPPEARED, APPEARED],
            id="one that found some is redriven after a later one",
        ),
        pytest.param(
            "credentials appear, start A, read A, report A, credentials disappear, start B, "
            "report A, read B, report B",
            "B",
            [1, 1, 0],
            [APPEARED, APPEARED, DISAPPEARED],
            id="repeated while another one looks",
        ),
    ],
)
def test_a_later_look_is_never_replaced_by_an_earlier_one(
    audits: Audits, steps: str, latest: str, metric_values: list[int], notices: list[str]
) -> None:
    audits.take(steps)
    assert audits.latest["runId"] == latest
    assert audits.metric_values == metric_values
    assert [subject for subject, _ in audits.root_tasks.notices] == notices
    if metric_values[-1] == 0 and 1 in metric_values:
        assert audits.latest["rootFree"]["audits"] == 1, "an audit that found some ends the count"
    of_run = audits.root_tasks.read_object(f"runs/{latest}/report.json")
    assert audits.root_tasks.read_object("latest/report.json") == of_run


# The minutes in which an audit starts, reads one account and then another, and writes its report,
# once or twice.
MINUTES_OF_AUDIT = st.lists(st.integers(0, 60), min_size=4, max_size=5, unique=True).map(sorted)


def damage(root_tasks: RootTasks) -> None:
    """Let the latest report be one that no release can read."""
    root_tasks.write_object("latest/report.json", b"{}")


def replace_by_another_organizations(root_tasks: RootTasks) -> None:
    """Let the latest report be one of another organization, with credentials everywhere."""
    found = account_result(MEMBER, Outcome.HAS_CREDENTIALS)
    foreign = replace(report_of(found), organization_id="o-foreign000")
    root_tasks.write_object("latest/report.json", encode(foreign))


def deny_once(root_tasks: RootTasks) -> None:
    """Deny the next read of a latest report."""
    root_tasks.fail_calls(
        "s3:GetObject", "AccessDenied", status=403, url="latest/report.json", times=1
    )


@property_test(
    examples=150,
    audits=st.lists(MINUTES_OF_AUDIT, min_size=2, max_size=4),
    # In which minutes each of two accounts gets credentials, loses them, gets them again.
    changes=st.tuples(*[st.sets(st.integers(0, 60), max_size=4)] * 2),
    # Whether the first account was recovered, until minute 30: an audit that starts later finds
    # that the recovery is overdue.
    is_recovered=st.booleans(),
    # What happens to the latest report, by the minute.
    spoiled=st.dictionaries(
        st.integers(0, 60),
        st.sampled_from([damage, replace_by_another_organizations, deny_once]),
        max_size=2,
    ),
    # How many minutes the clock of the batches is behind.
    behind=st.sampled_from([0, 0, 90]),
    # Audits report these as well, and they must not matter.
    own_mfa_devices=st.integers(0, 1),
)
def test_credentials_that_were_published_are_never_followed_by_a_clean_look_of_before(
    organization: LocalOrganization,
    audits: list[list[int]],
    changes: tuple[set[int], set[int]],
    is_recovered: bool,
    spoiled: dict[int, Callable[[RootTasks], None]],
    behind: int,
    own_mfa_devices: int,
) -> None:
    organization.reset()
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    organization.put_root_credentials(MANAGEMENT, mfa_devices=own_mfa_devices)
    root_tasks = RootTasks(
        organization=organization, settings=DeployedSettings(security_hub_findings=True)
    )
    root_tasks.client("securityhub").enable_security_hub()
    noon = root_tasks.now
    if is_recovered:
        root_tasks.advance(minutes=-30)
        recovery = {"task": Task.RECOVER, "accounts": [MEMBER], "reason": "CHG1", "until": "1h"}
        root_tasks.execute(root_tasks.run(recovery))

    history = History(root_tasks=root_tasks, faults=frozenset(spoiled.values()))
    runs: dict[int, dict[str, Any]] = {}
    events = [(minute, number) for number, minutes in enumerate(audits) for minute in minutes]
    for minute, number in sorted([*events, *((minute, -1) for minute in spoiled)]):
        root_tasks.now = noon + timedelta(minutes=minute)
        if number == -1:
            spoiled[minute](root_tasks)
            continue
        # Any later minutes of it are those in which it writes its report.
        start_minute, *read_minutes = audits[number][:3]
        if minute == start_minute:
            arn = root_tasks.arn(f"audit-{number}")
            runs[number] = root_tasks.start_run({}, arn=arn, started_at=root_tasks.now)
        if minute <= read_minutes[-1]:
            continue

        # Write its report, with what each account had when the audit read it.
        has_password = [
            len([change for change in changes[account] if change <= read]) % 2 == 1
            for account, read in enumerate(read_minutes)
        ]
        accepted = [is_recovered and start_minute <= 30, False]
        ended_at = noon + timedelta(minutes=read_minutes[-1] - behind)
        result = store_result(root_tasks, runs[number], has_password, at=ended_at)
        history.write_report(
            runs[number],
            result,
            looks=dict(zip((MEMBER, OTHER_MEMBER), read_minutes, strict=True)),
            found={
                account_id
                for account_id, has, is_accepted in zip(
                    (MEMBER, OTHER_MEMBER), has_password, accepted, strict=True
                )
                if has and not is_accepted
            },
        )


@dataclass(kw_only=True)
class History:
    """What full audits have published, and what has to be so whenever one writes its report.

    Attributes:
        root_tasks: The deployed RootTasks.
        faults: What happens to the latest report.
        finds: The looks by which published audits have found credentials that nothing accepts: the
            account and the minute.
        root_free_audits: The audits that found none and were published since.
        published: The reports that were published, by their runs: a redrive publishes no other.
    """

    root_tasks: RootTasks
    faults: Set[Callable[[RootTasks], None]]
    finds: list[tuple[str, int]] = field(default_factory=list)
    root_free_audits: set[str] = field(default_factory=set)
    published: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write_report(
        self,
        run: Mapping[str, Any],
        result: object,
        *,
        looks: Mapping[str, int],
        found: Set[str],
    ) -> None:
        """Let an audit write its report, and check all that it says.

        Args:
            run: What the start of the audit returned.
            result: What its batch returned.
            looks: The minute in which it has read each account.
            found: The accounts in which it has found credentials that nothing accepts.
        """
        self.root_tasks.log.clear()
        self.root_tasks.notices.clear()
        output = self.root_tasks.write_report(run, results=[result])
        run_id = run["runId"]
        report = self.root_tasks.read_json(f"runs/{run_id}/report.json")
        lines = [line for line in self.root_tasks.metrics() if WITH_CREDENTIALS in line]
        is_latest = self.root_tasks.read_json("latest/report.json").get("runId") == run_id

        # Bad news is always published, and at once.
        if found:
            (line,) = lines
            assert report["publishedAt"] is not None
            assert line[WITH_CREDENTIALS] == len(found)
            assert line["_aws"]["Timestamp"] == self.root_tasks.now.timestamp() * 1000
        # Good news that is older than bad news never is.
        contradicted = {
            account_id
            for account_id, minute in self.finds
            if account_id not in found and minute > looks[account_id]
        }
        if contradicted:
            assert found or not (lines or is_latest)
            self.check_what_is_sent(contradicted)
        if contradicted and run_id not in self.published:
            self.check_report(report, contradicted)
            assert "in a row" not in output["summary"]
        self.note_publication(report, looks=looks, found=found, is_latest=is_latest)

    def check_what_is_sent(self, contradicted: Set[str]) -> None:
        """Check notices and findings about accounts in which a later look found credentials."""
        for _, message in self.root_tasks.notices:
            assert "disappeared" not in message.lower()
            assert "credentials accepted" not in message.lower()
        findings = self.root_tasks.findings(MEMBER_CHECK)
        for account_id in contradicted:
            finding = findings[account_id]
            assert (finding["Compliance"], finding["RecordState"]) == OPEN_FAILURE

    def check_report(self, report: Mapping[str, Any], contradicted: Set[str]) -> None:
        """Check the new report of an audit, and its page, in the same way."""
        assert report["rootFree"] is None
        for change in report["changes"] or ():
            if change["accountId"] in contradicted:
                assert change["type"] not in ("CREDENTIALS_DISAPPEARED", "CREDENTIALS_ACCEPTED")
        assert OVERTAKEN in " ".join(report["warnings"])
        page = self.root_tasks.read_object(f"runs/{report['runId']}/report.html").decode()
        assert OVERTAKEN in page

    def note_publication(
        self,
        report: dict[str, Any],
        *,
        looks: Mapping[str, int],
        found: Set[str],
        is_latest: bool,
    ) -> None:
        """Remember a report that was published, and check that it stays as it is."""
        run_id = report["runId"]
        if run_id in self.published:
            # One that cannot be read is published again, if it found credentials.
            assert deny_once in self.faults or report == self.published[run_id]
            return
        if report["publishedAt"] is None:
            return
        self.published[run_id] = report
        self.root_free_audits.add(run_id)
        if found:
            self.finds += [(account_id, looks[account_id]) for account_id in found]
            self.root_free_audits.clear()
        elif not self.faults:
            assert is_latest
            assert report["rootFree"]["audits"] == len(self.root_free_audits)


def store_result(
    root_tasks: RootTasks, run: Mapping[str, Any], has_password: Sequence[bool], *, at: datetime
) -> dict[str, object]:
    """Store the result of an audit's batch, and return what the batch returns.

    Args:
        root_tasks: The deployed RootTasks.
        run: What the start of the audit returned.
        has_password: Whether each of two members has a password; the third one has none.
        at: When the batch ended.
    """
    findings = [
        Finding(
            account_id=account_id,
            outcome=Outcome.HAS_CREDENTIALS if has else Outcome.CLEAN,
            credentials=RootCredentials(password=has),
        )
        for account_id, has in zip(
            (MEMBER, OTHER_MEMBER, THIRD_MEMBER), (*has_password, False), strict=True
        )
    ]
    body = encode(BatchResult(findings=tuple(findings), finished_at=at))
    return root_tasks.write_result(f"runs/{run['runId']}/results/audit/", body)


def test_an_audit_that_is_withheld_imports_nothing_and_says_so(audits: Audits) -> None:
    root_tasks = audits.root_tasks
    root_tasks.client("securityhub").enable_security_hub()
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    # B looked before A did, and found nothing; its report comes after the one of A.
    audits.take("start B, read B, credentials appear, start A, read A, report A, report B")
    assert root_tasks.findings()[MEMBER]["Compliance"] == {"Status": "FAILED"}
    report = root_tasks.read_json("runs/B/report.json")
    (warning,) = report["warnings"]
    assert warning.startswith("Another full audit was published after this one had begun")
    assert (report["changes"], report["publishedAt"], report["rootFree"]) == (None, None, None)


def test_an_audit_that_is_overtaken_imports_no_finding_as_passed(audits: Audits) -> None:
    root_tasks = audits.root_tasks
    root_tasks.client("securityhub").enable_security_hub()
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    # B found something else, so it is published, although A looked later.
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, password=True)
    audits.take("start B, read B, credentials appear, start A, read A, report A, report B")
    assert audits.latest["runId"] == "B"
    findings = root_tasks.findings(MEMBER_CHECK)
    assert findings[MEMBER]["Compliance"] == {"Status": "FAILED"}
    assert audits.latest["changes"] == []


def test_an_audit_that_is_overtaken_calls_no_overdue_recovery_accepted(audits: Audits) -> None:
    root_tasks = audits.root_tasks
    recovery = {"task": Task.RECOVER, "accounts": [MEMBER], "reason": "CHG1", "until": "1h"}
    root_tasks.execute(root_tasks.run(recovery))
    root_tasks.organization.put_root_credentials(OTHER_MEMBER, password=True)
    # B starts in time, and A after the end of the recovery.
    audits.take("start B, read B")
    root_tasks.advance(hours=1)
    audits.take("start A, read A, report A, report B")
    assert audits.latest["runId"] == "B"
    assert audits.latest["changes"] == []


def test_a_redrive_sends_all_that_is_missing_after_the_latest_report_was_written(
    audits: Audits,
) -> None:
    root_tasks = audits.root_tasks
    root_tasks.client("securityhub").enable_security_hub()
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    audits.take("credentials appear, start A, read A, report_once_written A")
    published = root_tasks.read_object("latest/report.json")
    assert (audits.latest["runId"], audits.metric_values, root_tasks.notices) == ("A", [], [])
    audits.take("report A")
    assert audits.metric_values == [1]
    assert [subject for subject, _ in root_tasks.notices] == [APPEARED]
    assert root_tasks.findings(MEMBER_CHECK)[MEMBER]["Compliance"] == {"Status": "FAILED"}
    for key in ("latest/report.json", "runs/A/report.json"):
        assert root_tasks.read_object(key) == published


def test_an_audit_that_was_published_stays_so_and_its_redrive_sends_what_is_missing(
    audits: Audits,
) -> None:
    audits.root_tasks.organization.deny(OTHER_MEMBER, "iam:*")
    audits.take("start A, read A, report_unheard A")
    published = audits.root_tasks.read_object("latest/report.json")
    audits.take("start B, read B, report B, report A")
    assert audits.latest["runId"] == "B"
    assert audits.root_tasks.read_object("runs/A/report.json") == published
    ((subject, message),) = audits.root_tasks.notices
    assert subject == "Root credentials no longer audited: 1 account"
    assert "Another full audit was published after this one had begun." in message


def test_a_withheld_audit_still_counts_inaccessible_accounts(audits: Audits) -> None:
    audits.take("start B, start A, credentials appear, read A, report A")
    audits.root_tasks.organization.deny(MEMBER, "iam:*")
    audits.take("read B, report B")
    assert (audits.latest["runId"], audits.metric_values) == ("A", [1])
    assert audits.root_tasks.metrics()[-1]["AccountsInaccessible"] == 1


@pytest.mark.parametrize("fault", ["it is of another version", "S3 denies it"])
def test_no_older_clean_audit_replaces_a_report_that_cannot_be_read(
    audits: Audits, fault: str
) -> None:
    audits.take("start B, read B, credentials appear, start A, read A, report A")
    root_tasks = audits.root_tasks
    if fault == "S3 denies it":
        root_tasks.fail_calls(
            "s3:GetObject", "AccessDenied", status=403, url="latest/report.json", times=1
        )
    else:
        root_tasks.write_object("latest/report.json", b"{}")
    audits.take("report B")
    assert audits.metric_values == [1]
    assert root_tasks.read_json("runs/B/report.json")["publishedAt"] is None
    assert root_tasks.read_object("latest/report.json") != root_tasks.read_object(
        "runs/B/report.json"
    )


def test_an_audit_that_another_one_overtakes_while_it_is_published_is_judged_again(
    audits: Audits,
) -> None:
    audits.take("start B, read B, credentials appear, start A, read A")
    audits.root_tasks.change_before(
        "s3:PutObject", lambda: audits.report("A"), url="latest/report.json"
    )
    audits.take("report B")
    assert (audits.latest["runId"], audits.metric_values) == ("A", [1])


def test_endless_contention_for_the_latest_report_fails_the_audit(audits: Audits) -> None:
    audits.root_tasks.fail_calls(
        "s3:PutObject", "PreconditionFailed", status=412, url="latest/report.json"
    )
    with pytest.raises(WriteContentionError) as refused:
        audits.take("start A, read A, report A")
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
    audits.take("credentials appear, start A, read A, report_unheard A")
    audits.root_tasks.fail_calls(
        "s3:GetObject", "AccessDenied", status=403, url="/results/", times=1
    )
    with pytest.raises(CallError):
        audits.report("A")
    published = audits.latest
    audits.take("report A")
    assert (audits.latest["results"], audits.metric_values) == (published["results"], [1, 1])


def test_an_audit_counts_although_the_clock_of_its_batch_is_behind(audits: Audits) -> None:
    audits.take("credentials appear, start A")
    audits.root_tasks.advance(hours=-2)
    audits.take("read A")
    audits.root_tasks.advance(hours=2)
    audits.take("report A")
    assert audits.metric_values == [1]
    assert audits.latest["finishedAt"] == audits.latest["startedAt"]
