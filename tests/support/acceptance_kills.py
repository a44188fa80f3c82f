"""Kills an acceptance run after every call, and restores the organization from its journal each time.

A process of its own, because it forks: at a call the child is the killed run and its successor in one. It has
the organization and the journal as they are at this moment, forgets everything else, and restores.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acceptance.callers import Callers
from acceptance.cases import all_cases
from acceptance.journal import Journal, read_journal
from acceptance.model import Level
from acceptance.resources import observe_root_access
from acceptance.restoration import restore_from_journal
from acceptance.runner import Possibilities, run_cases, sort_cases
from acceptance.scene import Scene
from local_aws.emulation import LocalOrganization, mock_organization
from support.acceptance import EmulatedAws, enable_policies, names_of, snapshot

if TYPE_CHECKING:
    from acceptance.names import Names

_READS = ("Assume", "Describe", "Get", "List")
_MEMBER = Possibilities(level=Level.MEMBER, member=True, delegate=True, policies=True, local=True)


class Killer:
    """Kills a copy of the run after each call that leaves another organization or another journal behind.

    After other calls a restoration would find exactly what it has found before.
    """

    def __init__(self, organization: LocalOrganization, names: Names, journal: Path) -> None:
        self._organization = organization
        self._names = names
        self._journal = journal
        self._before = snapshot(organization, names)
        self._journal_size = -1
        self.aws = EmulatedAws(organization, on_call=self)
        self.calls = self.kills = 0
        self.failures: list[str] = []

    def __call__(self, operation: str) -> None:
        self.calls += 1
        size = self._journal.stat().st_size
        if operation.startswith(_READS) and size == self._journal_size:
            return
        self._journal_size = size
        self.kills += 1
        child = os.fork()
        if child == 0:
            os._exit(self._restore())
        _, status = os.waitpid(child, 0)
        if status:
            self.failures.append(f"killed after call {self.calls}, {operation}")

    def _restore(self) -> int:
        try:
            journal = self._journal.with_suffix(f".{self.kills}")
            shutil.copy(self._journal, journal)
            unfinished = read_journal(journal)
            self.aws.on_call = lambda _: None
            callers = Callers(self.aws, unfinished.names)
            restore_from_journal(unfinished, callers, journal=Journal(journal))
            after = snapshot(self._organization, self._names)
            if after == self._before:
                return 0
            print(f"{self._before}\n{after}", file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        return 1


def kill_after_every_call(features: frozenset[str]) -> dict[str, Any]:
    """Run every case up to the level member, and kill the run after each call.

    Args:
        features: The features that were enabled before, and hidden by disabling trusted access.
    """
    with mock_organization() as organization, tempfile.TemporaryDirectory() as folder:
        enable_policies(organization)
        for feature in features:
            hide_feature(organization, feature)
        names = names_of(organization)
        path = Path(folder) / "journal.jsonl"
        journal = Journal(path)
        journal.start(names)
        killer = Killer(organization, names, path)
        callers = Callers(killer.aws, names)
        scene = Scene(callers, journal=journal, state=observe_root_access(callers))
        cases = sort_cases(case for case in all_cases() if _MEMBER.level.includes(case.level))
        results = run_cases(cases, scene, _MEMBER)
        return {
            "calls": killer.calls,
            "kills": killer.kills,
            "failures": killer.failures,
            "verdicts": sorted({result.verdict for result in results}),
            "restored": snapshot(organization, names) == killer._before,
        }


def hide_feature(organization: LocalOrganization, feature: str) -> None:
    """Enable a feature, and hide it."""
    from support.arrange import PRINCIPAL, set_feature

    organizations = organization.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal=PRINCIPAL)
    set_feature(organization, feature, enabled=True)
    organizations.disable_aws_service_access(ServicePrincipal=PRINCIPAL)


if __name__ == "__main__":
    print(json.dumps(kill_after_every_call(frozenset(sys.argv[1:]))))
