"""Who runs each command that the pages let a reader type: a test, or nobody, and why."""

import re
from collections.abc import Iterator

from .apps import REPOSITORY
from .pages import Step, code_blocks, steps

COMMAND_LINE = "centralized-root-access"

# The beginning of a command that no test runs as it stands there, and why.
NOT_RUN = {
    "python3 -m venv": "it is about the reader's machine; a test installs the wheel into one",
    "source ~/root-access/bin/activate": "so does this",
    "python3 app.py": "the page's test synthesizes the app before the command that comes next",
    "pip ": "packages come from an index; a test installs the wheel",
    "npm ": "packages come from a registry; the tests have them already",
    "git clone ": "the repository has no address yet",
    "cd ~/centralized-root-access": "it is about the reader's machine",
    "mkdir ~/first-look": "so is this",
    "cd ~/first-look": "so is this",
    "~/centralized-root-access/.venv/bin/local-aws ": "a test types the page on such a local AWS",
    "alias ": "it is about the reader's shell; the tests run the program that it names",
    "make ": "the tests run in what it sets up; one looks for the target",
    "terraform ": "the tests have no Terraform; they read its files as it does",
    "local-aws run --seed -- sh -c 'cdk bootstrap && cdk deploy --all --require-approval never && "
    "pytest ": "a test runs the same with another last command; these tests are the reader's",
    "aws account ": "the local AWS does not change e-mail addresses",
    "aws controltower ": "the local AWS has no Control Tower",
}
# The test that runs all commands of a page, or those of its blocks that have a name.
RUNS_PAGE = {
    "README.md:console": "tests/cli/test_cli_cycle.py",
    "README.md:sh": "tests/local_aws/test_local_deploy.py",
    "getting-started.md:console": "tests/end_to_end/test_end_to_end_getting_started.py",
    "machine-interface.md:console": "tests/docs/test_typed_in_process.py",
}
RUNS_NAMED = {
    "drift.md": "tests/end_to_end/test_end_to_end_two_accounts.py",
    "local-aws.md": "tests/docs/test_local_aws_page.py",
    "operating.md": "tests/end_to_end/test_end_to_end_two_accounts.py",
    "two-accounts.md": "tests/end_to_end/test_end_to_end_two_accounts.py",
}
# What the local AWS answers for the AWS CLI, where tests/docs/test_typed_on_local_aws.py types it.
SERVICES = (
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "events",
    "iam",
    "logs",
    "organizations",
    "s3",
    "s3api",
    "securityhub",
    "sns",
    "sts",
)
# Other programs that it runs there.
PROGRAMS = ("cd", "cdk", "cp", "export", "jq")


_PAGES = (
    "README.md",
    "docs/background/alternatives.md",
    "docs/reference/command-line.md",
    "docs/reference/machine-interface.md",
)


def typed() -> Iterator[Step]:
    """Yield each command of the README, the tutorial, the guides, and a few reference pages."""
    for block in code_blocks("", "console", "sh"):
        page = block.page.relative_to(REPOSITORY)
        if str(page) in _PAGES or page.parent.name in ("start", "guides"):
            yield from steps(block)


def reason_not_to_run(step: Step) -> str | None:
    """Return why no test runs a command; None if one does."""
    return next(
        (why for start, why in NOT_RUN.items() if step.command.startswith(start)),
        None,
    )


def runner_of(step: Step) -> str | None:
    """Return the test that runs the command for the sake of its page; None if there is none."""
    page = step.block.page.name
    if step.block.name:
        return RUNS_NAMED[page]
    return RUNS_PAGE.get(f"{page}:{step.block.language}")


def _is_of_others(step: Step) -> bool:
    """Return whether the two tests below leave a command to the test of its page, or to nobody."""
    return reason_not_to_run(step) is not None or runner_of(step) is not None


def typed_in_process() -> list[Step]:
    """Return what tests/docs/test_typed_in_process.py types: commands of the command line."""
    return [step for step in typed() if step.program == COMMAND_LINE and not _is_of_others(step)]


def typed_on_local_aws() -> list[Step]:
    """Return what tests/docs/test_typed_on_local_aws.py types: commands of other programs."""
    return [
        step
        for step in typed()
        if not _is_of_others(step)
        and (step.program in PROGRAMS or re.search(rf"\baws ({'|'.join(SERVICES)}) ", step.command))
    ]
