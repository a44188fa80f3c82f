"""Repeated deployments of one stack with the real CDK CLI, like those of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import App, Stack

from .templates import MANAGEMENT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from local_aws.services import LocalAws

STACK = "OrganizationBootstrap"


class Deployer:
    """A deployer of one stack.

    The app is synthesized in this process, into a folder that the CLI deploys, because the CLI would start
    new Python and Node processes for each deployment.

    Args:
        aws: The local AWS.
        folder: The folder for the cloud assemblies.
    """

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._aws = aws
        self._folder = folder
        self._deployments = 0

    def deploy(self, build: Callable[[Stack], object]) -> subprocess.CompletedProcess[str]:
        """Deploy the stack with the constructs that `build` adds to it."""
        self._deployments += 1
        app = App(outdir=str(self._folder / f"{self._deployments}.out"), analytics_reporting=False)
        build(Stack(app, STACK, env=MANAGEMENT))
        app.synth()
        return self._cdk("deploy", "--require-approval", "never")

    def destroy(self) -> subprocess.CompletedProcess[str]:
        """Destroy the stack."""
        return self._cdk("destroy", "--force")

    def _cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assembly = str(self._folder / f"{self._deployments}.out")
        return self._aws.cdk(*arguments, STACK, "--app", assembly, folder=self._folder)


def assert_succeeded(deployment: subprocess.CompletedProcess[str]) -> None:
    """Assert that the CLI succeeded, and show its output if not."""
    assert deployment.returncode == 0, deployment.stdout
