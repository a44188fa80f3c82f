"""Kills acceptance runs after every call, and restores the organization from the journal each time.

A process of its own, because it forks: at a call the child is the killed run and its successor in one. It has
the organization and the journal as they are at this moment, forgets everything else, and restores.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceptance import guards
from acceptance.callers import Callers
from acceptance.cases import all_cases
from acceptance.deployment import Deployment
from acceptance.journal import Journal, read_journal
from acceptance.model import Level
from acceptance.resources import SETTERS, observe_root_access
from acceptance.runner import run_cases, sort_cases
from acceptance.scene import Scene, field_changed_by, restore_from_journal
from acceptance.state import State, StateField, split_case
from local_aws.emulation import LocalOrganization, mock_organization
from support.acceptance import EVERYTHING, EmulatedAws, enable_policies, names_of, snapshot
from support.arrange import enable_root_access
from support.client_pool import client_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from acceptance.model import Case
    from acceptance.names import Names

_READS = ("Assume", "Describe", "Get", "List")


class EmulatedDeployment(Deployment):
    """A stack in moto, of a bucket that is retained; enabling root access is a call of its own, as in AWS."""

    def look(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Destroy the stack; nothing else changes anything."""
        del parameters
        return {"exitCode": self._cdk("destroy")} if operation == "Destroy" else {}

    def _cdk(self, *arguments: str) -> int:
        cloudformation, name = self._callers.own("cloudformation"), self._callers.names.stack
        if arguments[0] == "destroy":
            cloudformation.delete_stack(StackName=name)
            return 0
        bucket = {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "Properties": {"BucketName": f"{name.lower()}-reports"},
        }
        cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps({"Resources": {"Reports": bucket}})
        )
        for enabled in (StateField.TRUSTED_ACCESS, StateField.CREDENTIALS, StateField.SESSIONS):
            SETTERS[enabled](self._callers, True)
        return 0


class Killer:
    """Kills a copy of the run wherever it leaves another organization or another journal behind.

    After other calls a restoration would find exactly what it has found before.
    """

    def __init__(self, organization: LocalOrganization, names: Names, journal: Path, level: Level) -> None:
        self._organization = organization
        self._names = names
        self._journal = journal
        self._level = level
        self._before = self.snapshot()
        self.aws = EmulatedAws(organization, on_call=self._after_call)
        self.calls = self.kills = 0
        self.failures: list[str] = []

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a run might leave behind."""
        found = snapshot(self._organization, self._names)
        if self._level is Level.DEPLOY:
            stacks: Any = self._organization.client("cloudformation")
            found["stacks"] = stacks.describe_stacks()["Stacks"]
            found["reports"] = self._organization.client("s3").list_buckets()["Buckets"]
        return found

    @property
    def is_restored(self) -> bool:
        """Whether everything is as it was before the run."""
        return self.snapshot() == self._before

    def deployment(self, callers: Callers) -> Deployment | None:
        """Return the stack of a run, if its level has one."""
        return EmulatedDeployment(callers, Path(os.devnull)) if self._level is Level.DEPLOY else None

    def kill(self, where: str) -> None:
        """Kill the run here, and note if a restoration leaves anything behind."""
        self.kills += 1
        # Otherwise a collection in the child would copy all memory.
        gc.freeze()
        child = os.fork()
        if child == 0:
            os._exit(self._restore())
        _, status = os.waitpid(child, 0)
        if status:
            self.failures.append(where)

    def _after_call(self, operation: str) -> None:
        self.calls += 1
        if not operation.startswith(_READS):
            self.kill(f"after call {self.calls}, {operation}")

    def _restore(self) -> int:
        try:
            journal = self._journal.with_suffix(f".{self.kills}")
            shutil.copy(self._journal, journal)
            unfinished = read_journal(journal)
            self.aws.on_call = lambda _: None
            callers = Callers(self.aws, unfinished.names)
            deployment = self.deployment(callers)
            guards.check_organization(
                callers, unfinished.level, allow_changes=False, of_others=unfinished.of_others
            )
            restore_from_journal(unfinished, callers, journal=Journal(journal), deployment=deployment)
            if self.is_restored and read_journal(journal).restored:
                return 0
            print(f"{self._before}\n{self.snapshot()}", file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        return 1


class KilledJournal(Journal):
    """A journal after each of whose lines the run is killed: what the line announces has not happened yet."""

    kill: Callable[[str], object] = staticmethod(lambda _: None)

    def _write(self, line: Mapping[str, Any]) -> None:
        super()._write(line)
        self.kill(f"after the line {line}")


def sample(cases: Iterable[Case], *, step: int) -> list[Case]:
    """Return every so many cases, the first that changes each resource, and all that deploy."""
    found = []
    seen: set[StateField | None] = set()
    for number, case in enumerate(cases):
        state, steps = split_case(case)
        changed = {
            *state.differences(State()),
            *(step.resource for step in steps),
            field_changed_by(case.call),
        }
        if case.local is not None:
            continue
        if number % step == 0 or case.level is Level.DEPLOY or changed - seen:
            found.append(case)
            seen |= changed
    return found


def kill_everywhere(*, level: str, hidden: Sequence[str] = (), step: int = 1) -> dict[str, Any]:
    """Run the cases of a level, and of those below, and kill the run at each point.

    Args:
        level: The level of the run.
        hidden: The features that were enabled before, and hidden by disabling trusted access.
        step: Run a sample of every so many cases.
    """
    with mock_organization() as organization, tempfile.TemporaryDirectory() as folder:
        enable_policies(organization)
        if hidden:
            enable_root_access(organization, *hidden, hidden=True)
        if level == Level.DEPLOY:
            stacks: Any = organization.client("cloudformation")
            stacks.create_stack(StackName="CDKToolkit", TemplateBody='{"Resources": {}}')
        names = names_of(organization)
        journal = KilledJournal(Path(folder) / "journal.jsonl")
        killer = Killer(organization, names, journal.path, Level(level))
        journal.start(names)
        journal.kill = killer.kill
        callers = Callers(killer.aws, names)
        scene = Scene(
            callers,
            journal=journal,
            state=observe_root_access(callers),
            deployment=killer.deployment(callers),
        )
        possibilities = replace(EVERYTHING, level=Level(level))
        cases = [case for case in all_cases() if possibilities.level.includes(case.level)]
        cases = sample(sort_cases(cases), step=step)
        results = run_cases(cases, scene, possibilities, settling_seconds=0)
        return {
            "kills": killer.kills,
            "failures": killer.failures,
            "unlike": sorted(r.case.name for r in results if r.verdict == "different"),
            "restored": killer.is_restored,
            "changed": sorted(read_journal(journal.path).before),
        }


if __name__ == "__main__":
    with client_pool(lambda _: None):
        print(json.dumps(kill_everywhere(**json.loads(sys.argv[1]))))
