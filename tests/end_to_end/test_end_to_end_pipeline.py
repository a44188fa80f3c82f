"""The workflow that plans, waits for an approval, and executes: its commands, by two principals."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from aws_cdk import Stack

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks
from local_aws.services import LocalAws
from support.accounts import MEMBER, OTHER_MEMBER
from support.apps import REPOSITORY
from support.deploying import Deployer, assert_succeeded
from support.pages import code_blocks
from support.processes import run_process

JOBS = yaml.safe_load((REPOSITORY / "examples" / "root-tasks-workflow.yml").read_text())["jobs"]


def build(stack: Stack) -> None:
    """Add root access, and the tasks of the workflow."""
    CentralizedRootAccess(stack, "RootAccess")
    RootTasks(stack, "RootTasks", tasks=[RootTask.AUDIT, RootTask.DELETE])


class Pipeline:
    """A run of the workflow, with one folder for the files that its jobs pass on.

    Args:
        aws: The local AWS.
        folder: The folder.
        accounts: What the person who starts it types as the accounts.
    """

    def __init__(self, aws: LocalAws, folder: Path, *, accounts: str) -> None:
        self._aws = aws
        self._accounts = accounts
        self.folder = folder
        self.summary = folder / "summary.md"
        self.outputs = folder / "outputs"
        self.errors = ""

    def run(self, job: str, event: str = "workflow_dispatch") -> int:
        """Run a job's commands as the role that it assumes, and return how the last one ends."""
        steps = JOBS[job]["steps"]
        variables = {
            "ACCOUNTS": self._accounts,
            "GITHUB_OUTPUT": str(self.outputs),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }
        for step in steps:
            variables |= self._credentials(step.get("with", {}).get("role-to-assume"))
        # Not what pip would install, nor the steps without commands: they are actions of others.
        commands = [
            step["run"]
            for step in steps
            if event in step.get("if", event) and not step.get("run", "pip").startswith("pip")
        ]
        ended = run_process(
            *("bash", "-e", "-c", "\n".join(commands)),
            cwd=self.folder,
            env=self._aws.environment | variables,
        )
        self.errors = ended.stderr
        return ended.returncode

    def _credentials(self, role: str | None) -> Mapping[str, str]:
        """Return what configure-aws-credentials sets for a role; nothing where there is none."""
        if role is None:
            return {}
        session = self._aws.client("sts").assume_role(RoleArn=role, RoleSessionName="GitHubActions")
        return {
            "AWS_ACCESS_KEY_ID": session["Credentials"]["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["Credentials"]["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["Credentials"]["SessionToken"],
        }


def test_the_workflows_commands_lead_from_an_audit_that_fails_to_an_executed_plan(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    assert_succeeded(Deployer(local_aws, tmp_path).deploy(build))
    organization = local_aws.organization
    for account_id in (MEMBER, OTHER_MEMBER):
        organization.put_root_credentials(account_id, password=True)
    many = [
        organization.add_account(name=f"workload-{number}", email=f"{number}@example.com")
        for number in range(398)
    ]
    # In so many accounts there is always one that cannot be read.
    organization.deny(many[0], "iam:*")
    accounts = ",".join([MEMBER, OTHER_MEMBER, *many])
    pipeline = Pipeline(local_aws, tmp_path, accounts=accounts)

    assert pipeline.run("look", event="schedule") == 1, "an audit that finds credentials fails"
    assert pipeline.run("look") == 0, pipeline.errors
    assert pipeline.run("summary") == 0
    summary = pipeline.summary.read_text()
    assert "To be deleted in 2 of 400 accounts: 2 passwords." in summary
    assert f"| ` {many[0]} ` |" in summary, "the approver reads what was left out"
    assert pipeline.outputs.read_text() == "accounts=2\n"

    report = tmp_path / "report" / "report.json"
    approved = report.read_text()
    report.write_text(approved.replace(OTHER_MEMBER, MEMBER))
    assert pipeline.run("execute") == 2
    assert "The report that was approved is not that of plan" in pipeline.errors
    assert organization.root_credentials(MEMBER).password

    report.write_text(approved)
    assert pipeline.run("execute") == 0, pipeline.errors
    assert pipeline.run("result") == 0
    principals = [
        f"assumed-role/root-tasks-{role}/GitHubActions" for role in ("executor", "planner")
    ]
    assert re.search(".*; planned by .*".join(principals), pipeline.summary.read_text())
    assert not organization.root_credentials(MEMBER).password
    assert not organization.root_credentials(OTHER_MEMBER).password


def test_the_guide_shows_the_workflows_commands() -> None:
    guide = [block for block in code_blocks("yaml") if block.page.name == "pipelines.md"]
    shown = [yaml.safe_load(block.text)["run"] for block in guide]
    commands = [step.get("run") for job in JOBS.values() for step in job["steps"]]
    assert len(shown) == 3
    assert set(shown) <= set(commands)


def test_the_jobs_that_show_something_have_no_credentials() -> None:
    shown = [name for name, job in JOBS.items() if "STEP_SUMMARY" in str(job)]
    assert shown == ["summary", "result"]
    for name in shown:
        assert JOBS[name]["permissions"] == {}
        assert "configure-aws-credentials" not in str(JOBS[name]["steps"])
