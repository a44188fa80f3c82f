"""The page on the pre-flight shows what the command prints."""

import re
import shlex

import pytest

from local_aws.emulation import LocalOrganization
from local_aws.seed import seed_organization
from support.apps import read_page
from support.command_line import CommandLine

GUIDE = read_page("guides/preflight.md")
REFERENCE = read_page("reference/machine-interface.md")
# What a reader would type, and what is printed then.
SHOWN = re.findall(
    r"^```console\n\$ (centralized-root-access preflight.*?)\n(.*?)^```",
    GUIDE,
    re.MULTILINE | re.DOTALL,
)
# Organizations chooses them.
_POLICY_ID = re.compile(r"\bp-[a-z0-9]{8}\b")


@pytest.fixture
def seeded(command_line: CommandLine, organization: LocalOrganization) -> CommandLine:
    """The command line of the organization that the local AWS is filled with."""
    seed_organization(organization)
    return command_line


@pytest.mark.parametrize(("typed", "printed"), SHOWN)
def test_the_page_shows_what_a_command_prints(
    seeded: CommandLine, typed: str, printed: str
) -> None:
    command, _, exit_code = typed.partition("; echo ")
    shown = seeded.run(*shlex.split(command.removeprefix("centralized-root-access ")))
    output = _POLICY_ID.sub("p-a1b2c3d4", shown.stdout) + (
        f"{shown.exit_code}\n" if exit_code else ""
    )
    assert output == printed


def test_the_page_has_examples() -> None:
    assert len(SHOWN) == 2


def test_the_page_lists_every_member_of_the_json(seeded: CommandLine) -> None:
    found = seeded.run("preflight", "--format", "json").json
    (denied,) = [account for account in found["accounts"] if account["causes"]]
    members = found | denied | denied["causes"][0] | found["fixes"][0]
    section = REFERENCE.partition("## The pre-flight")[2].partition("\n## ")[0]
    assert members.keys() <= set(re.findall(r"`(\w+)`", section))
