"""A random organization, and an operator who pastes what is printed, step by step."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Any

from botocore import xform_name

from local_aws.emulation import LocalOrganization, RootCredentials
from root_tasks.model.report_schema import Outcome
from support.accounts import MANAGEMENT
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    add_unit,
    enable_root_access,
    paste,
)
from support.command_line import CommandLine, CommandOutput
from support.root_tasks import DeployedSettings, RootTasks

MAX_STEPS = 12
_PROGRAM = "centralized-root-access"
_COMMAND = re.compile(r"(?:^|[\s`])((?:centralized-root-access|aws) [a-z][^`\n]*)")
_ACCEPTED_UNTIL = "2030-01-01"
# What a walk counts, by the words that reports and mails have for it.
_TYPES = ("password", "access key", "signing certificate", "MFA device")


class Credentials(StrEnum):
    """What a root user has, and how old that is."""

    NONE = auto()
    OLD_PASSWORD = auto()
    OLD_OF_EACH_TYPE = auto()
    KEY_IN_USE = auto()
    CREATED_TODAY = auto()


class Situation(StrEnum):
    """What else is so of an account."""

    PLAIN = auto()
    PROTECTED = auto()
    ACCEPTED = auto()
    ACCEPTED_BY_UNIT = auto()
    SUSPENDED = auto()
    DENIED = auto()
    DENIED_IN_PART = auto()
    RECOVERED = auto()
    RECOVERY_OVERDUE = auto()
    RECOVERY_CLOSED = auto()


class ManagementRootUser(StrEnum):
    """What the management account's root user has."""

    WITH_MFA = auto()
    WITHOUT_MFA = auto()
    WITH_KEY = auto()


class Entrance(StrEnum):
    """Where the operator begins."""

    AUDIT = auto()
    MAIL = auto()
    PAGE = auto()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An organization, and where the walk through it begins.

    Attributes:
        members: The credentials and the situation of each member account.
        management: The management account's root user.
        disabled: The features that are not enabled.
        units_are_denied: Whether no one may list the units.
        entrance: Where the operator begins.
    """

    members: tuple[tuple[Credentials, Situation], ...]
    management: ManagementRootUser
    disabled: frozenset[str]
    units_are_denied: bool
    entrance: Entrance


@dataclass(frozen=True)
class Step:
    """A step that was printed.

    Attributes:
        text: What stands before the command, or the whole sentence.
        command: The command to paste; None if a person has to do something elsewhere.
    """

    text: str
    command: str | None


@dataclass(kw_only=True)
class Operator:
    """Someone who pastes each step that is printed, and does what a sentence asks for.

    Attributes:
        command_line: The command line.
        scene: The organization, as it was at first.
        members: The accounts, in the order of the scene.
        pasted: What was pasted.
    """

    command_line: CommandLine
    scene: Scene
    members: list[str] = field(default_factory=list)
    pasted: list[str] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _left_to_person: set[tuple[str, str]] = field(default_factory=set)

    @property
    def organization(self) -> LocalOrganization:
        """The organization."""
        return self.command_line.organization

    @property
    def root_tasks(self) -> RootTasks:
        """The deployed RootTasks."""
        return self.command_line.root_tasks

    # The organization

    def arrange(self) -> None:
        """Bring the organization into the scene's state."""
        organization, scene = self.organization, self.scene
        organization.reset()
        enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
        services = self.command_line.services
        services.root_tasks = RootTasks(organization=organization)
        services.requests.clear()
        self._set_time(organization._emulation.now())
        self.members = [*organization.members]
        while len(self.members) < len(scene.members):
            name = f"team-{len(self.members)}"
            self.members.append(organization.add_account(name=name, email=f"{name}@example.com"))
        in_situation = {
            situation: [id_ for id_, (_, each) in self._accounts() if each is situation]
            for situation in Situation
        }
        unit = add_unit(organization, "Appliances", *in_situation[Situation.ACCEPTED_BY_UNIT])
        ids = [*in_situation[Situation.ACCEPTED], unit]
        types = ["PASSWORD", "ACCESS_KEY", "SIGNING_CERTIFICATE", "MFA_DEVICE"]
        self.root_tasks.settings = DeployedSettings(
            protected_accounts=in_situation[Situation.PROTECTED],
            accepted_credentials=[
                {"targetId": id_, "types": types, "reason": "appliance", "until": _ACCEPTED_UNTIL}
                for id_ in ids
            ],
        )
        for id_, (credentials, situation) in self._accounts():
            self._recover(id_, situation)
            if situation not in (Situation.RECOVERED, Situation.RECOVERY_OVERDUE):
                self._put_credentials(id_, credentials)
        self._put_management_credentials()
        for id_ in in_situation[Situation.SUSPENDED]:
            organization.suspend(id_)
        for id_ in in_situation[Situation.DENIED]:
            organization.deny(id_, "iam:*")
        for id_ in in_situation[Situation.DENIED_IN_PART]:
            organization.deny(id_, "iam:ListMFADevices")
        if scene.units_are_denied:
            organization.deny(MANAGEMENT, "organizations:ListOrganizationalUnitsForParent")
        iam = organization.client("iam")
        for feature in scene.disabled:
            getattr(iam, xform_name(f"DisableOrganizations{feature}"))()
        self.pass_time(minutes=1)

    def _accounts(self) -> Iterator[tuple[str, tuple[Credentials, Situation]]]:
        """Yield the member accounts, each with its credentials and its situation."""
        yield from zip(self.members, self.scene.members, strict=True)

    def _put_credentials(self, account_id: str, credentials: Credentials) -> None:
        """Give a root user what the scene says."""
        now = self.command_line.now
        long_ago = now - timedelta(days=1000)
        match credentials:
            case Credentials.OLD_PASSWORD:
                has: dict[str, Any] = {"password": True, "created_at": long_ago}
            case Credentials.OLD_OF_EACH_TYPE:
                has = {"password": True, "access_keys": 2, "mfa_devices": 1, "certificates": 1}
                has["created_at"] = long_ago
            case Credentials.KEY_IN_USE:
                has = {"password": True, "access_keys": 1, "created_at": long_ago}
                has["access_key_last_used"] = now - timedelta(days=3)
            case Credentials.CREATED_TODAY:
                has = {"password": True, "mfa_devices": 1, "created_at": now - timedelta(hours=2)}
            case _:
                has = {}
        self.organization.put_root_credentials(account_id, **has)

    def _put_management_credentials(self) -> None:
        """Give the management account's root user what the scene says."""
        kind = self.scene.management
        self.organization.put_root_credentials(
            MANAGEMENT,
            password=True,
            mfa_devices=int(kind is not ManagementRootUser.WITHOUT_MFA),
            access_keys=int(kind is ManagementRootUser.WITH_KEY),
        )

    def _recover(self, account_id: str, situation: Situation) -> None:
        """Recover an account, set its password, and let the recovery end if the scene says so."""
        if situation not in (
            Situation.RECOVERED,
            Situation.RECOVERY_OVERDUE,
            Situation.RECOVERY_CLOSED,
        ):
            return
        until = {Situation.RECOVERED: "20d"}.get(situation, "8h")
        plan = self.root_tasks.run(
            {"task": "recover", "accounts": [account_id], "until": until, "reason": "CHG0012345"}
        )
        execution = self.root_tasks.execute(plan)
        assert execution.status == "SUCCEEDED", execution.cause
        now = self.command_line.now
        self.organization.put_root_credentials(
            account_id, password=True, mfa_devices=1, created_at=now, password_last_used=now
        )
        if situation is Situation.RECOVERY_CLOSED:
            close = {"task": "delete", "accounts": [account_id], "includeInUse": True}
            assert self.root_tasks.execute(self.root_tasks.run(close)).status == "SUCCEEDED"
        self.pass_time(hours={Situation.RECOVERED: 1}.get(situation, 10))

    def _set_time(self, now: datetime) -> None:
        """Set the time of the functions and of the command line."""
        self.command_line.now = self.root_tasks.now = now

    def pass_time(self, **time: float) -> None:
        """Let time pass for everything."""
        duration = timedelta(**time)
        self._set_time(self.command_line.now + duration)
        self.organization.advance_clock(duration.total_seconds())

    def credentials(self) -> dict[str, RootCredentials]:
        """Return what each root user of a member account has."""
        return {id_: self.organization.root_credentials(id_) for id_ in self.members}

    def _state(self) -> str:
        """Return what commands may change: credentials, features, settings and denials."""
        access = self.organization.root_access()
        denials = self.organization._emulation.denials
        features = sorted(access.features)
        own = self.organization.root_credentials(MANAGEMENT)
        settings = self.root_tasks.settings
        return f"{own} {self.credentials()} {features} {settings} {sorted(denials)}"

    # The walk

    def walk(self) -> None:
        """Paste the first step that is printed, then the next, until no step is left."""
        steps = self._enter()
        left = MAX_STEPS
        while steps and left:
            left -= 1
            step = steps.pop(0)
            if step.command is None or not self._condition_holds(step):
                state = self._state()
                if not self._do_by_hand(step):
                    # A person has to do something elsewhere.
                    return
                # From here on it is another organization, to begin with again.
                left = MAX_STEPS
                self._seen.clear()
                if step.command is None:
                    again = Step("", f"{_PROGRAM} audit")
                    if self._state() != state and again not in steps:
                        steps.append(again)
                    continue
            assert step.command is not None
            words = shlex.split(step.command)
            # It is a step of an older report, or what it left out is for a person to decide.
            if self._was_pasted(words) or self._key(words) in self._left_to_person:
                continue
            before = self.credentials()
            printed = self._paste(words)
            if "were left out" in printed.stderr:
                self._left_to_person.add(self._key(words))
            new = self._steps_of(printed)
            if printed.exit_code == 2 and new:
                # It was refused: what it asks for comes first, and then the same again.
                self.pasted.remove(step.command)
                new.append(step)
            steps = [*new, *(old for old in steps if old not in new)]
            self._check(words, printed, before=before)
        self._check_end(steps)

    def _enter(self) -> list[Step]:
        """Return the first steps: of the terminal, of a mail, or of a report's page."""
        if self.scene.entrance is Entrance.AUDIT:
            return [Step("", f"{_PROGRAM} audit")]
        self.pass_time(minutes=1)
        execution = self.root_tasks.run({}, name="nightly")
        if execution.status != "SUCCEEDED" or not self.root_tasks.notices:
            # No report was written, or nothing is to be told.
            return [Step("", f"{_PROGRAM} audit")]
        if self.scene.entrance is Entrance.MAIL:
            subject, text = self.root_tasks.notices[-1]
            self._check_subject(subject)
            steps = _steps_of_mail(text)
        else:
            printed = self.root_tasks.report(execution)["nextSteps"]
            steps = [Step(step["what"], step.get("command")) for step in printed]
        # A query is a look in the console.
        return [step for step in steps if not (step.command or "").startswith("fields ")]

    def _check_subject(self, subject: str) -> None:
        """Check the number of a mail's subject against the organization."""
        appeared = re.search(r"appeared: ([\d,]+) account", subject)
        assert appeared is None, f"nothing appeared before a first audit: {subject}"

    def _steps_of(self, printed: CommandOutput) -> list[Step]:
        """Return the steps that a command has printed, in their order."""
        steps: list[Step] = []
        in_steps = False
        for line in printed.stderr.splitlines():
            in_steps = in_steps or line.startswith("Next, ")
            command = _COMMAND.search(line)
            if line.startswith(("Exit code", "To keep the report")):
                in_steps = False
            # Before the steps there are notes, such as how to follow a run. A refusal has no steps.
            elif command is not None and (in_steps or _is_asked_for(command[1], printed)):
                text = line[: command.start(1)].rstrip(" :`")
                steps.append(Step(text, command[1].rstrip(".")))
            elif in_steps:
                steps.append(Step(line, None))
        return steps

    def _condition_holds(self, step: Step) -> bool:
        """Return whether a step can be taken at once, and not only when something is so."""
        conditions = ("when the cause is fixed", "once no one uses", "if ", "when the work is done")
        return not step.text.lower().removeprefix("next, ").startswith(conditions)

    def _do_by_hand(self, step: Step) -> bool:
        """Do what a sentence asks for; return whether this operator can do it."""
        text = step.text.lower()
        if "when the cause is fixed" in text:
            self.organization._emulation.denials.clear()
        elif "protected_accounts" in text:
            settings = self.root_tasks.settings
            accepted = settings.accepted_credentials
            self.root_tasks.settings = DeployedSettings(accepted_credentials=accepted)
        elif "mfa" in text and "sign in" in text:
            self.organization.put_root_credentials(MANAGEMENT, password=True, mfa_devices=1)
        else:
            return False
        return True

    def _key(self, words: list[str]) -> tuple[str, str]:
        """Return a command without the names of runs, and the state in which it is pasted."""
        return re.sub(r"-\d{8}-\d{4}-\w{4}", "", shlex.join(words)), self._state()

    def _was_pasted(self, words: list[str]) -> bool:
        """Return whether a step that was printed before was taken in this state already."""
        return shlex.join(words) in self.pasted and self._key(words) in self._seen

    def _paste(self, words: list[str]) -> CommandOutput:
        """Run a command, and check that it neither fails nor is printed again for nothing."""
        key = self._key(words)
        assert key not in self._seen, f"printed again: {self._said(words)}"
        self._seen.add(key)
        self.pasted.append(shlex.join(words))
        self.pass_time(minutes=1)
        if words[0] == "aws":
            paste(self.organization, self.pasted[-1])
            assert self._state() != key[1], f"changes nothing: {self._said(words)}"
            return CommandOutput(exit_code=0, stdout="", stderr="")
        arguments = words[1:]
        if arguments[0] == "execute":
            arguments.append("--yes")
        printed = self.command_line.run(*arguments)
        assert printed.exit_code != 2 or self._says_why(printed), f"{self._said(words)}\n{printed}"
        return printed

    def _says_why(self, printed: CommandOutput) -> bool:
        """Return whether a command without a result says what to do, or what a person decides."""
        return "were left out" in printed.stderr or bool(self._steps_of(printed))

    def _said(self, words: list[str]) -> str:
        """Return the walk for the message of a failed check."""
        return "\n".join([*self.pasted, shlex.join(words), repr(self.scene)])

    # What is said against what is so

    def _check(
        self, words: list[str], printed: CommandOutput, *, before: Mapping[str, RootCredentials]
    ) -> None:
        """Check each number and verdict of a run's report against the organization."""
        if words[0] == "aws" or words[1] not in ("audit", "plan", "execute"):
            return
        execution = list(self.root_tasks.executions.values())[-1]
        if execution.status != "SUCCEEDED" or "refused" in execution.output:
            return
        report = self.root_tasks.report(execution)
        results = {result["accountId"]: result for result in report["results"]}
        said = self._said(words)
        for id_, result in results.items():
            if id_ in self.members:
                self._check_result(result, before[id_], said=f"{said}\n{result}")
        counted = Counter(result["outcome"] for result in results.values())
        assert report["totals"] == counted, said
        after = self.credentials()
        if words[1] == "execute":
            gone = _counts(before) - _counts(after)
            done = Counter(
                item["type"].replace("_", " ").lower().replace("mfa", "MFA")
                for result in results.values()
                for item in result["items"]
                if item["outcome"] == Outcome.DONE
            )
            assert gone, f"changes nothing: {said}"
            assert gone == done, f"{gone} {done} {said}"
            # What was planned is what is done, in the words of the screen.
            assert all(f"{count} {type_}" in printed.stdout for type_, count in done.items()), (
                f"{done} {printed.stdout} {said}"
            )
        else:
            assert after == before, f"it changes nothing: {said}"

    def _check_result(self, result: Mapping[str, Any], has: RootCredentials, *, said: str) -> None:
        """Check the verdict on an account."""
        outcome = Outcome(result["outcome"])
        is_empty = has == RootCredentials(
            password=False, access_keys=(), mfa_devices=(), certificates=()
        )
        if outcome is Outcome.CLEAN:
            assert is_empty, said
        if outcome in (Outcome.HAS_CREDENTIALS, Outcome.ACCEPTED, Outcome.PLANNED, Outcome.IN_USE):
            assert not is_empty, said
        found = result.get("credentials")
        if found is not None:
            assert found["password"] == has.password, said
            if found["accessKeys"] is not None:
                ids = sorted(key["accessKeyId"] for key in found["accessKeys"])
                assert tuple(ids) == has.access_keys, said
        situation = dict(self._accounts())[result["accountId"]][1]
        if outcome is Outcome.ACCEPTED:
            expected = (Situation.ACCEPTED, Situation.ACCEPTED_BY_UNIT, Situation.RECOVERED)
            assert situation in expected, said
        if outcome is Outcome.INACCESSIBLE:
            assert self.organization._emulation.denials, said

    def _check_end(self, steps: list[Step]) -> None:
        """Check that the walk has ended, and that what is left is there for a known reason."""
        said = self._said([])
        assert not steps, f"more than {MAX_STEPS} steps: {steps} {said}"
        left = {id_ for id_, has in self.credentials().items() if has.password or has.access_keys}
        for id_, (credentials, situation) in self._accounts():
            known = situation in (
                Situation.SUSPENDED,
                Situation.ACCEPTED,
                Situation.ACCEPTED_BY_UNIT,
                Situation.RECOVERED,
            ) or credentials in (Credentials.KEY_IN_USE, Credentials.CREATED_TODAY)
            assert id_ not in left or known, f"{id_} is left: {said}"


def _steps_of_mail(text: str) -> list[Step]:
    """Return the steps of a mail: each is numbered, and its command has a line of its own."""
    steps = []
    for what, command in re.findall(r"^\d+\. (.*)(?:\n   (.*))?$", text, re.MULTILINE):
        steps.append(Step(what.rstrip(":"), command or None))
    return steps


def _counts(credentials: Mapping[str, RootCredentials]) -> Counter[str]:
    """Return how many credentials of each type there are."""
    counts: Counter[str] = Counter()
    for has in credentials.values():
        numbers = (has.password, has.access_keys, has.certificates, has.mfa_devices)
        for type_, number in zip(_TYPES, numbers, strict=True):
            counts[type_] += number if isinstance(number, bool) else len(number)
    return +counts


def _is_asked_for(command: str, printed: CommandOutput) -> bool:
    """Return whether a refusal asks for a command, which a note about a run does not."""
    return printed.exit_code == 2 and not command.startswith(f"{_PROGRAM} report ")
