"""Committed templates, which show what a change does in AWS.

`python -m support.snapshots` writes them.
"""

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from aws_cdk import App, Stack

from centralized_root_access import RootAccessDashboard, RootSessionGuardrail, RootUserGuardrail
from support.apps import REPOSITORY, Assembly, synthesize
from support.many_apps import MANAGEMENT_ENVIRONMENT, add_all_arguments

SNAPSHOTS = REPOSITORY / "tests" / "snapshots"

# The hash of an asset changes with each line of a function's code.
_ASSET = re.compile(r"[0-9a-f]{64}")
_MAX_CHARACTERS_IN_A_LINE = 100


def current_templates(folder: Path) -> dict[str, dict[str, str]]:
    """Return the templates of each app as they are committed, by the names of their files.

    Args:
        folder: Where the cloud assemblies are written.
    """
    everything = App(outdir=str(folder / "everything"), analytics_reporting=False)
    stack = Stack(everything, "OrganizationBootstrap", env=MANAGEMENT_ENVIRONMENT)
    _, root_tasks, _ = add_all_arguments(stack)
    RootAccessDashboard(stack, "Dashboard", root_tasks=root_tasks)
    RootUserGuardrail(
        stack,
        "Guardrail",
        targets=["r-a1b2"],
        allow_organization_root=True,
        exempt_accounts=["555555555555"],
    )
    RootSessionGuardrail(
        stack,
        "SessionGuardrail",
        session_roles=[
            *root_tasks.session_roles,
            "arn:aws:iam::222222222222:role/centralized-root-access/*",
        ],
        delegated_administrators=["222222222222"],
        targets=["r-a1b2"],
    )
    everything.synth()
    return {
        "defaults": _committed_templates(
            synthesize(REPOSITORY / "examples" / "smallest.py", folder / "defaults")
        ),
        "everything": _committed_templates(Assembly(folder=folder / "everything")),
    }


def write_snapshots() -> None:
    """Write the templates of each app."""
    shutil.rmtree(SNAPSHOTS, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name, templates in current_templates(Path(temporary)).items():
            (SNAPSHOTS / name).mkdir(parents=True)
            for file, text in templates.items():
                (SNAPSHOTS / name / file).write_text(text)


def _committed_templates(assembly: Assembly) -> dict[str, str]:
    """Return the templates of an assembly as they are committed, without hashes of code."""
    return {
        file.name: json.dumps(
            _readable(json.loads(_ASSET.sub("asset", file.read_text()))), indent=1
        )
        + "\n"
        for file in assembly.template_files
    }


def _readable(value: Any) -> Any:
    """Return a value with long texts as lists, so that a change shows in one line."""
    match value:
        case dict():
            return {key: _readable(member) for key, member in value.items()}
        case list():
            return [_readable(element) for element in value]
        case str() if len(value) > _MAX_CHARACTERS_IN_A_LINE:
            return re.split(r"(?<=[}\]],)", value)
    return value


if __name__ == "__main__":
    write_snapshots()
