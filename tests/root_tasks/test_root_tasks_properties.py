"""Audits, plans and executions in any order: what holds whatever others and faults do."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from moto.moto_api._internal import mock_random

from local_aws.emulation import LocalOrganization, mock_organization
from local_aws.emulation.state import AccessKey, Emulation, current_emulation
from root_tasks.aws.executions import REPORT_SHA256
from root_tasks.aws.stores import sha256
from root_tasks.model.report_schema import Outcome, Task
from root_tasks.model.run import Mode
from root_tasks.refusals import RefusalReason, RunRefusedError
from root_tasks.run.batch import BatchClaimedError
from support import root_tasks as running
from support.accounts import MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, SESSIONS, add_unit, enable_root_access
from support.root_tasks_ledger import Drive, Ledger, Shown, at
from support.state_machine import ExecutionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

pytestmark = pytest.mark.no_cover

T = TypeVar("T")

MEMBERS = (MEMBER, OTHER)
PROTECTED = THIRD
BUCKETS = {account_id: f"bucket-{account_id}" for account_id in MEMBERS}
LIFETIME = timedelta(hours=24)
# Step Functions allows a name again after it, and a redrive until then.
NAME_REUSE, REDRIVE = timedelta(days=90), timedelta(days=14)
_LAMBDA_DIED = "Lambda.Unknown"
RUNS = 3


class FunctionDiedError(BaseException):
    """Lambda has ended a function in the middle of its work."""


class ExecutionAbortedError(BaseException):
    """An operator has stopped the execution."""


class Fault(Enum):
    """What happens to an invocation, or to the execution."""

    DIE = "the function dies"
    ABORT = "an operator stops the execution"


class ServiceFault(Enum):
    """What Lambda responds instead of the function."""

    NOT_STARTED = "Lambda.TooManyRequestsException"
    ERROR_AFTER = "Lambda.ServiceException"
    TIMEOUT_AFTER = "States.Timeout"


class Change(Enum):
    """What others change in an account."""

    ADD_KEY = "add an access key"
    DELETE_KEYS = "delete the access keys"
    REPLACE_PASSWORD = "set another password"
    DELETE_PASSWORD = "delete the password"
    ADD_MFA = "add an MFA device"
    DELETE_MFA = "delete the MFA devices"
    ADD_CERTIFICATE = "add a signing certificate"
    DELETE_CERTIFICATES = "delete the signing certificates"
    CHANGE_POLICY = "change the bucket's policy"
    DELETE_POLICY = "delete the bucket's policy"
    DENY = "deny what the root user reads, or allow it again"
    MOVE = "move the account to another unit"
    SUSPEND = "suspend the account"


DELETIONS = (Change.DELETE_PASSWORD, Change.DELETE_KEYS, Change.DELETE_CERTIFICATES, Change.DELETE_MFA)


@dataclass(frozen=True, kw_only=True)
class ChangeByOthers:
    """A change in an account."""

    change: Change
    account_id: str


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Time that passes."""

    hours: int


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What happens during an execution.

    Attributes:
        timing: Before or after the call.
        kind: A call of an invocation, or an attempt to change a member account, in the execution.
        invocation: The number of the invocation; of no meaning for attempts.
        number: The number of the call or attempt.
        event: What happens.
    """

    timing: Literal["before", "after"]
    kind: Literal["call", "write"] = "call"
    invocation: int = 0
    number: int = 0
    event: Fault | ChangeByOthers


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an operator plans."""

    kind: Literal["delete", "recover", "unlock", "restore"]
    accounts: Sequence[str]


class ImmediateExecutor(Executor):
    """A thread pool without threads: calls that really run in parallel have no order that can be repeated."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a task."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@dataclass(kw_only=True)
class World:
    """What all examples share, because clients take long to create.

    Attributes:
        organization: The organization.
        root_tasks: The functions.
        situations: How often each kind of situation occurred.
        lifecycle: The example that runs.
    """

    organization: LocalOrganization
    root_tasks: running.RootTasks
    situations: Counter[str] = field(default_factory=Counter)
    lifecycle: AnyOrder | None = None

    def watch(self) -> None:
        """Let the example see each call of the functions."""

        def keep(*, params: Mapping[str, Any], context: Any, **_: object) -> None:
            context["parameters"] = dict(params)

        def before(*, model: Any, context: Any, **_: object) -> None:
            assert self.lifecycle is not None
            self.lifecycle.before_call(model.name, context)

        def after(*, model: Any, context: Any, http_response: Any, **_: object) -> None:
            assert self.lifecycle is not None
            self.lifecycle.after_call(model.name, context, succeeded=http_response.status_code < 300)

        self.root_tasks.on_event("provide-client-params", keep)
        # By service: what responds in place of S3 lets no less specific handler see the call.
        for service in ("iam", "organizations", "s3", "sts"):
            self.root_tasks.on_event(f"before-call.{service}", before)
        self.root_tasks.on_event("after-call", after)


account_ids = st.sampled_from(MEMBERS)
changes = st.builds(ChangeByOthers, change=st.sampled_from(Change), account_id=account_ids)
waits = st.builds(Wait, hours=st.sampled_from((12, 25)))
reasons_not_to_execute = st.one_of(
    account_ids.map(
        lambda account_id: tuple(
            ChangeByOthers(change=change, account_id=account_id)
            for change in (Change.REPLACE_PASSWORD, Change.CHANGE_POLICY)
        )
    ),
    st.tuples(st.builds(ChangeByOthers, change=st.just(Change.ADD_KEY), account_id=account_ids)),
)
events = st.one_of(st.sampled_from(Fault), changes)
timings = st.sampled_from(("before", "after"))
approvals = st.sampled_from((True, True, False))
disturbances = st.lists(
    st.one_of(
        st.builds(
            Disturbance, timing=timings, invocation=st.integers(0, 4), number=st.integers(0, 14), event=events
        ),
        st.builds(Disturbance, timing=timings, kind=st.just("write"), number=st.integers(0, 4), event=events),
    ),
    max_size=2,
)
ends_at_a_change = st.builds(
    Disturbance,
    timing=timings,
    kind=st.just("write"),
    number=st.integers(0, 3),
    event=st.sampled_from((Fault.ABORT, Fault.ABORT, Fault.DIE)),
)
service_faults = st.dictionaries(st.integers(0, 4), st.sampled_from(ServiceFault), max_size=1)
some_accounts = st.sampled_from(([MEMBER], [OTHER], [*MEMBERS], [*MEMBERS, PROTECTED]))
places = st.integers(0, 5)
requests = st.builds(
    Request,
    kind=st.sampled_from(("delete", "delete", "unlock", "unlock", "restore", "recover")),
    accounts=some_accounts,
)


class AnyOrder(RuleBasedStateMachine):
    """One deployed RootTasks, in an organization that other people change too."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        world.lifecycle = self
        self.organization = world.organization
        self.root_tasks = world.root_tasks
        self.drives: list[Drive] = []
        self.plans: dict[str, Shown] = {}
        self.references: list[str] = []
        self.policies = 0
        self.ids = 0
        self.denied: set[str] = set()
        self.disturbances: list[Disturbance] = []
        self.faults: dict[int, ServiceFault] = {}
        self.fatal: type[BaseException] | None = None
        self.is_watching = False
        self.counts: Counter[Any] = Counter()
        self.violations: list[str] = []
        self._arrange()

    def _arrange(self) -> None:
        # The IDs of units, and the tokens of the claims.
        mock_random.seed(0)
        self.root_tasks.now = running.RootTasks.now
        self.organization.reset()
        enable_root_access(self.organization, CREDENTIALS, SESSIONS)
        self.root_tasks.executions.clear()
        self.root_tasks.log.clear()
        self.root_tasks.requests.clear()
        self.root_tasks.notices.clear()
        self.root_tasks.time.seconds = 0.0
        self.ledger = Ledger(lifetime=LIFETIME, now=self.root_tasks.now)
        running.create_report_bucket(self.root_tasks.client("s3"))
        self.units = [add_unit(self.organization, name) for name in ("One", "Two")]
        for account_id in MEMBERS:
            self._s3(account_id).create_bucket(Bucket=BUCKETS[account_id])
            for change in (Change.ADD_KEY, Change.CHANGE_POLICY):
                self.change_account(ChangeByOthers(change=change, account_id=account_id))
        for change in (Change.REPLACE_PASSWORD, Change.ADD_MFA):
            self.change_account(ChangeByOthers(change=change, account_id=MEMBER))
        self.change_account(ChangeByOthers(change=Change.ADD_KEY, account_id=PROTECTED))

    # Runs

    @rule(
        accounts=st.one_of(st.none(), some_accounts),
        cleaned=st.one_of(st.none(), account_ids),
        during=disturbances,
        faults=service_faults,
    )
    def audit(
        self,
        accounts: list[str] | None,
        cleaned: str | None,
        during: Sequence[Disturbance],
        faults: Mapping[int, ServiceFault],
    ) -> None:
        if cleaned is not None:
            for change in DELETIONS:
                self.change_account(ChangeByOthers(change=change, account_id=cleaned))
        self.start_looking({} if accounts is None else {"accounts": accounts}, during, faults)

    @rule(request=requests, during=disturbances, faults=service_faults)
    def plan(
        self, request: Request, during: Sequence[Disturbance], faults: Mapping[int, ServiceFault]
    ) -> None:
        self.start_looking(self._input(request), during, faults)

    @rule(
        request=requests,
        between=st.one_of(
            st.lists(st.one_of(changes, waits), max_size=2),
            reasons_not_to_execute,
        ),
        # A batch that has acted is invoked once more if its execution ends at a change.
        during=st.one_of(disturbances, st.tuples(ends_at_a_change)),
        faults=service_faults,
        hours=st.sampled_from((0, 0, 0, 12, 25)),
        again=st.one_of(st.none(), disturbances),
        approves=approvals,
    )
    def plan_and_execute(
        self,
        request: Request,
        between: Sequence[ChangeByOthers | Wait],
        during: Sequence[Disturbance],
        faults: Mapping[int, ServiceFault],
        hours: int,
        again: Sequence[Disturbance] | None,
        approves: bool,
    ) -> None:
        """Plan, execute, and redrive or execute once more: what people do, which chance alone seldom does."""
        plan = self.start_looking(self._input(request))
        if plan.run_id not in self.plans:
            return
        for event in between:
            self._happen(event)
        drive = self.execute(plan.run_id, approves=approves, during=during, faults=faults)
        self.time_passes(hours)
        if again is not None:
            self.execute(plan.run_id, approves=approves, during=again)
        if drive in self._redrivable():
            self.resume(drive)

    @precondition(lambda self: self.plans)
    @rule(place=places, during=disturbances, approves=approvals)
    def execute_an_earlier_plan(self, place: int, during: Sequence[Disturbance], approves: bool) -> None:
        run_id = list(self.plans)[-1 - place % len(self.plans)]
        self.execute(run_id, approves=approves, during=during)

    @precondition(lambda self: self._redrivable())
    @rule(place=places, during=disturbances)
    def redrive(self, place: int, during: Sequence[Disturbance]) -> None:
        drives = self._redrivable()
        drive = drives[-1 - place % len(drives)]
        self.world.situations["redriven"] += 1
        self.resume(drive, during=during)

    @precondition(lambda self: self.drives)
    @rule(place=places, accounts=some_accounts)
    def use_a_name_again(self, place: int, accounts: list[str]) -> None:
        if not self._reusable():
            self.time_passes(24 * 92)
        drives = self._reusable()
        drive = drives[-1 - place % len(drives)]
        self.world.situations["name used again"] += 1
        machine = running.EXECUTE_MACHINE if drive.acts else running.AUDIT_MACHINE
        input_ = drive.input_ if drive.acts else {"task": Task.DELETE_CREDENTIALS, "accounts": accounts}
        self.start(machine, input_, name=drive.run_id)

    # Others

    @rule(hours=st.sampled_from((1, 13, 25, 24 * 92)))
    def time_passes(self, hours: int) -> None:
        self.root_tasks.advance(hours=hours)
        self.ledger.now = self.root_tasks.now

    def teardown(self) -> None:
        """Check what must hold in the end."""
        for drive in self.drives:
            self.ledger.check_backups(drive)
        self.world.lifecycle = None

    # How it is done

    def _redrivable(self) -> list[Drive]:
        return [
            drive
            for drive in self.drives
            if self.execution_of(drive).status != "SUCCEEDED"
            and self.execution_of(drive).started_at == drive.started_at
            and self.root_tasks.now - drive.started_at < REDRIVE
        ]

    def _reusable(self) -> list[Drive]:
        return [drive for drive in self.drives if self.root_tasks.now - drive.started_at > NAME_REUSE]

    def execution_of(self, drive: Drive) -> running.FinishedExecution:
        return self.root_tasks.executions[drive.arn]

    def start_looking(
        self,
        input_: Mapping[str, object],
        during: Sequence[Disturbance] = (),
        faults: Mapping[int, ServiceFault] | None = None,
    ) -> Drive:
        return self.start(running.AUDIT_MACHINE, input_, during=during, faults=faults or {})

    def execute(
        self,
        run_id: str,
        *,
        approves: bool = True,
        during: Sequence[Disturbance] = (),
        faults: Mapping[int, ServiceFault] | None = None,
    ) -> Drive:
        """Execute a plan.

        Args:
            run_id: Its run.
            approves: Whether an operator approves what its report.json shows, as the command lets them.
            during: What happens meanwhile.
            faults: What Lambda responds, by the number of the invocation.
        """
        input_ = {"plan": run_id}
        if approves:
            input_[REPORT_SHA256] = sha256(self.root_tasks.read(f"runs/{run_id}/report.json"))
        return self.start(running.EXECUTE_MACHINE, input_, during=during, faults=faults)

    def _input(self, request: Request) -> dict[str, object]:
        accounts = [id_ for id_ in request.accounts if id_ in MEMBERS]
        match request.kind:
            case "delete":
                return {"task": Task.DELETE_CREDENTIALS, "accounts": [*request.accounts]}
            case "recover":
                return {"task": Task.ALLOW_PASSWORD_RECOVERY, "accounts": accounts}
            case "restore" if self.references:
                return {"task": Task.UNLOCK_BUCKET_POLICY, "restore": self.references[-1:]}
        return {"task": Task.UNLOCK_BUCKET_POLICY, "buckets": {id_: [BUCKETS[id_]] for id_ in accounts}}

    def _happen(self, event: ChangeByOthers | Wait) -> None:
        match event:
            case ChangeByOthers():
                self.change_account(event)
            case Wait():
                self.time_passes(event.hours)

    def start(
        self,
        machine: str,
        input_: Mapping[str, object],
        *,
        name: str | None = None,
        during: Sequence[Disturbance] = (),
        faults: Mapping[int, ServiceFault] | None = None,
    ) -> Drive:
        self.root_tasks.advance(seconds=1)
        name = name or f"run-{len(self.drives)}"
        drive = Drive(
            run_id=name,
            arn=self.root_tasks.arn(name, machine=machine),
            input_=input_,
            started_at=self.root_tasks.now,
            acts=machine == running.EXECUTE_MACHINE,
            plan=self.plans.get(str(input_.get("plan"))),
        )
        self.drives.append(drive)
        self.root_tasks.begin(name, input_, machine=machine)
        self.resume(drive, during=during, faults=faults or {})
        return drive

    def resume(
        self,
        drive: Drive,
        *,
        during: Sequence[Disturbance] = (),
        faults: Mapping[int, ServiceFault] | None = None,
    ) -> None:
        execution = self.execution_of(drive)
        self.ledger.drive, self.ledger.now = drive, self.root_tasks.now
        self.disturbances, self.faults = [*during], dict(faults or {})
        self.counts.clear()
        definition = self.root_tasks.template.definitions[execution.machine]
        try:
            self.root_tasks.run_definition(execution, definition, self._invoke, history=drive.history)
            if isinstance(execution.error, RunRefusedError):
                self.world.situations[f"refused: {execution.error.reason}"] += 1
        except ExecutionAbortedError:
            execution.status = "ABORTED"
            self.world.situations["aborted"] += 1
        assert not self.violations, self.violations
        self.ledger.check_report(drive)
        if "planSha256" in execution.output:
            assert drive.report is not None
            self.plans[drive.run_id] = Shown.of_report(drive.report)
            self.world.situations[f"plan of {drive.report['task']}"] += 1
        self._note_situations(drive)

    def _note_situations(self, drive: Drive) -> None:
        if drive.report is None:
            return
        kind = "execution" if drive.acts else "look"
        for result in drive.report["results"]:
            self.world.situations[f"{kind}: {result['outcome']}"] += 1
            for item in result["items"]:
                if item["backup"] is not None and item["backup"] not in self.references:
                    self.references.append(item["backup"])
        self.world.situations["policy removed"] += len(drive.removed)
        if REPORT_SHA256 in drive.input_:
            self.world.situations["changed as approved"] += len(drive.changed)

    def _invoke(self, resource: str, payload: Any) -> Any:
        number = self.counts["invocation"]
        self.counts["invocation"] += 1
        self.ledger.begin_invocation()
        fault = self.faults.get(number)
        if fault is ServiceFault.NOT_STARTED:
            raise ExecutionFailedError(fault.value, "")
        self.fatal, self.is_watching = None, True
        try:
            result = self.root_tasks.invoke(self.root_tasks.template.handlers[resource], payload)
        except FunctionDiedError as error:
            self.world.situations["function died"] += 1
            raise ExecutionFailedError(_LAMBDA_DIED, "") from error
        except BatchClaimedError:
            self.world.situations["batch claimed before"] += 1
            raise
        finally:
            self.is_watching = False
        if fault is not None:
            self.world.situations[fault.value] += 1
            raise ExecutionFailedError(fault.value, "")
        return result

    # What the functions call

    def before_call(self, operation: str, context: Any) -> None:
        """Disturb a call of a function, or check it."""
        account_id = self.root_tasks.sessions.acting
        if not self.is_watching:
            return
        self._require_alive()
        if threading.current_thread() is not threading.main_thread():
            self.violations.append(f"{operation} is called in a thread, whose order cannot be repeated")
        parameters = context["parameters"]
        invocation = self.counts["invocation"] - 1
        context["numbers"] = {("call", invocation, self.counts["call", invocation])}
        self.counts["call", invocation] += 1
        if account_id is not None and not operation.startswith(("Get", "List", "Head")):
            context["numbers"].add(("write", 0, self.counts["write"]))
            self.counts["write"] += 1
        if operation == "PutObject":
            self.ledger.forget_looks()
        self._disturb("before", context)
        if account_id is not None:
            try:
                drive = self.ledger.running
                audits = not drive.acts and drive.input_.get("task", Task.AUDIT) == Task.AUDIT
                assert account_id in (*MEMBERS, *([PROTECTED] if audits else [])), (
                    f"a session in {account_id}"
                )
                self.ledger.note_call(account_id, operation, parameters)
            except AssertionError as error:
                # Raised here, it would be one account's surprise.
                self.violations.append(str(error))

    def after_call(self, operation: str, context: Any, *, succeeded: bool) -> None:
        """Note a call of a function that took effect, and disturb it."""
        if not self.is_watching:
            return
        account_id, parameters = self.root_tasks.sessions.acting, context["parameters"]
        if succeeded and account_id is not None:
            self.ledger.note_success(account_id, operation, parameters)
        elif succeeded and operation == "PutObject":
            self.ledger.note_object(parameters["Key"], parameters["Body"])
        self._disturb("after", context)

    def _require_alive(self) -> None:
        if self.fatal is not None:
            raise self.fatal

    def _disturb(self, timing: str, context: Any) -> None:
        for planned in self.disturbances:
            place = planned.kind, planned.invocation, planned.number
            if planned.timing == timing and place in context["numbers"]:
                match planned.event:
                    case Fault.DIE:
                        self.fatal = FunctionDiedError
                    case Fault.ABORT:
                        self.fatal = ExecutionAbortedError
                    case event:
                        self._happen(event)
        self._require_alive()

    # What others do

    @rule(change=changes)
    def change_account(self, change: ChangeByOthers) -> None:
        account_id = change.account_id
        watching, self.is_watching = self.is_watching, False
        self.ledger.note_touch(account_id)
        self.ids += 1
        self._change_credentials(change.change, account_id)
        match change.change:
            case Change.CHANGE_POLICY:
                self._put_policy(account_id)
            case Change.DELETE_POLICY:
                self._s3(account_id).delete_bucket_policy(Bucket=BUCKETS[account_id])
                self.ledger.policies[BUCKETS[account_id]] = None
            case Change.DENY:
                self._toggle_denial(account_id)
            case Change.MOVE:
                self._move(account_id)
            case Change.SUSPEND if account_id == OTHER:
                self.organization.suspend(account_id)
        self.is_watching = watching

    def _change_credentials(self, change: Change, account_id: str) -> None:
        user = current_emulation().root_user(account_id)
        match change:
            case Change.ADD_KEY if len(user.access_keys) < 2:
                key = AccessKey(id=f"AKIA{account_id}{self.ids:04}", created_at=at(self.ids), last_use=None)
                user.access_keys[key.id] = key
            case Change.DELETE_KEYS:
                user.access_keys.clear()
            case Change.REPLACE_PASSWORD:
                user.password_created_at = at(self.ids)
            case Change.DELETE_PASSWORD:
                user.password_created_at = None
            case Change.ADD_MFA if len(user.mfa_devices) < 2:
                serial_number = f"arn:aws:iam::{account_id}:mfa/device-{self.ids}"
                user.mfa_devices[serial_number] = at(self.ids)
            case Change.DELETE_MFA:
                user.mfa_devices.clear()
            case Change.ADD_CERTIFICATE if len(user.certificates) < 2:
                user.certificates[f"CERT{account_id}{self.ids:016}"] = at(self.ids)
            case Change.DELETE_CERTIFICATES:
                user.certificates.clear()

    def _s3(self, account_id: str) -> Any:
        return self.root_tasks.client("s3", account_id=account_id)

    def _put_policy(self, account_id: str) -> None:
        bucket = BUCKETS[account_id]
        statement = {
            "Sid": f"Policy{self.ids}",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._s3(account_id).put_bucket_policy(Bucket=bucket, Policy=text)
        self.ledger.policies[bucket] = text

    def _toggle_denial(self, account_id: str) -> None:
        if account_id in self.denied:
            self.denied.remove(account_id)
            self.organization.allow(account_id=account_id, action="iam:Get*")
        else:
            self.denied.add(account_id)
            self.organization.deny(account_id=account_id, action="iam:Get*")

    def _move(self, account_id: str) -> None:
        organizations = self.organization.client("organizations")
        (parent,) = organizations.list_parents(ChildId=account_id)["Parents"]
        target = next(unit for unit in self.units if unit != parent["Id"])
        organizations.move_account(
            AccountId=account_id, SourceParentId=parent["Id"], DestinationParentId=target
        )


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch, mock_organization() as organization:
        deployed = running.RootTasks(
            organization=organization,
            settings=running.Settings(protected_accounts=frozenset([PROTECTED])),
        )
        for module in ("accounts", "batch", "collect", "directory", "start", "units"):
            monkeypatch.setattr(
                f"root_tasks.run.{module}.ThreadPoolExecutor", lambda **_: ImmediateExecutor()
            )
        # So that one of them can be lost.
        monkeypatch.setattr("root_tasks.run.prepare.ACCOUNTS_PER_BATCH", dict.fromkeys(Mode, 1))
        monkeypatch.setattr(Emulation, "now", lambda _: deployed.now)
        # When an account joined is a part of a run.
        monkeypatch.setattr("moto.organizations.models.utcnow", lambda: deployed.now.replace(tzinfo=None))
        monkeypatch.setattr("root_tasks.run.batch.uuid", SimpleNamespace(uuid4=mock_random.uuid4))
        world = World(
            organization=organization,
            root_tasks=deployed,
        )
        world.watch()
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.situations.clear()
    return shared_world


def run_any_order(world: World, *, examples: int, steps: int) -> None:
    """Run examples, always the same ones, in several runs: within one they resemble each other."""

    class OfThisWorld(AnyOrder):
        def __init__(self) -> None:
            super().__init__(world)

    for number in range(RUNS):
        run_state_machine_as_test(
            seed(number)(OfThisWorld),
            settings=settings(
                max_examples=examples // RUNS,
                stateful_step_count=steps,
                deadline=None,
                derandomize=True,
                report_multiple_bugs=False,
                print_blob=True,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )


# What the examples have to come across.
SITUATIONS = {
    "aborted",
    "batch claimed before",
    "changed as approved",
    "execution: DONE",
    "execution: FAILED",
    "execution: UNKNOWN",
    "function died",
    "look: CLEAN",
    "look: HAS_CREDENTIALS",
    "look: INACCESSIBLE",
    "look: PLANNED",
    "policy removed",
    "redriven",
    f"refused: {RefusalReason.NAME_ALREADY_USED}",
    f"refused: {RefusalReason.PLAN_ALREADY_EXECUTED}",
    f"refused: {RefusalReason.PLAN_EXPIRED}",
}


def test_no_order_of_runs_faults_and_changes_breaks_a_promise(world: World) -> None:
    run_any_order(world, examples=6, steps=8)
    assert {"execution: DONE", "look: HAS_CREDENTIALS", "look: PLANNED"} <= set(world.situations)


@pytest.mark.slow
def test_no_order_breaks_a_promise_in_many_more_examples(world: World) -> None:
    run_any_order(world, examples=150, steps=12)
    assert not SITUATIONS - set(world.situations)


# What chance comes across seldom


def outcomes(drive: Drive) -> dict[str, str]:
    assert drive.report is not None
    return {result["accountId"]: result["outcome"] for result in drive.report["results"]}


@pytest.fixture
def any_order(world: World) -> Iterator[AnyOrder]:
    example = AnyOrder(world)
    yield example
    example.teardown()


DELETE_BOTH: dict[str, object] = {"task": Task.DELETE_CREDENTIALS, "accounts": [*MEMBERS]}
UNLOCK: dict[str, object] = {"task": Task.UNLOCK_BUCKET_POLICY, "buckets": {MEMBER: [BUCKETS[MEMBER]]}}


def execute_and_stop(example: AnyOrder, input_: Mapping[str, object]) -> Drive:
    """Execute a plan, and stop the execution after its first change."""
    plan = example.start_looking(input_)
    stop = Disturbance(timing="after", kind="write", event=Fault.ABORT)
    return example.execute(plan.run_id, during=[stop])


@pytest.mark.parametrize(
    ("hours", "of_other", "changed"), [(0, Outcome.DONE, {OTHER}), (25, Outcome.FAILED, set())]
)
def test_a_redrive_makes_in_time_only_changes_that_were_not_attempted(
    any_order: AnyOrder, hours: int, of_other: Outcome, changed: set[str]
) -> None:
    drive = execute_and_stop(any_order, DELETE_BOTH)
    attempted = {(MEMBER, "PASSWORD", None)}
    assert drive.changed == attempted
    any_order.time_passes(hours)
    any_order.resume(drive)
    assert outcomes(drive) == {MEMBER: Outcome.UNKNOWN, OTHER: of_other}
    assert {account_id for account_id, *_ in drive.changed - attempted} == changed


@pytest.mark.parametrize("hours", [0, 25])
def test_a_backup_of_a_stopped_execution_is_named_whenever_it_is_redriven(
    any_order: AnyOrder, hours: int
) -> None:
    drive = execute_and_stop(any_order, UNLOCK)
    assert len(drive.removed) == 1
    any_order.time_passes(hours)
    any_order.resume(drive)
    assert outcomes(drive) == {MEMBER: Outcome.UNKNOWN}
    assert drive.report is not None
    (reference,) = [key for key in any_order.ledger.stored if key.startswith("backups/")]
    assert reference in drive.report["results"][0]["reason"]


def test_an_execution_that_failed_in_accounts_repeats_nothing_when_redriven(any_order: AnyOrder) -> None:
    plan = any_order.start_looking(DELETE_BOTH)
    any_order.change_account(ChangeByOthers(change=Change.REPLACE_PASSWORD, account_id=MEMBER))
    drive = any_order.start(running.EXECUTE_MACHINE, {"plan": plan.run_id})
    changed, invocations = set(drive.changed), any_order.ledger.invocation
    assert any_order.execution_of(drive).status == "FAILED"
    any_order.resume(drive)
    assert any_order.execution_of(drive).status == "FAILED"
    assert (drive.changed, any_order.ledger.invocation) == (changed, invocations)


def test_a_redrive_writes_the_report_that_the_execution_did_not_get_to(any_order: AnyOrder) -> None:
    plan = any_order.start_looking(DELETE_BOTH)
    stop_before_report = Disturbance(timing="before", invocation=3, event=Fault.ABORT)
    drive = any_order.execute(plan.run_id, during=[stop_before_report])
    changed, invocations = set(drive.changed), any_order.ledger.invocation
    assert (drive.report, {account_id for account_id, *_ in changed}) == (None, {*MEMBERS})
    any_order.resume(drive)
    assert outcomes(drive) == {MEMBER: Outcome.DONE, OTHER: Outcome.DONE}
    assert drive.report is not None
    assert drive.report["warnings"] == []
    assert (drive.changed, any_order.ledger.invocation) == (changed, invocations + 1), "no batch is repeated"
