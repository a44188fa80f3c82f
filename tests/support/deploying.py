"""Deploys one stack again and again with the real CDK CLI, as a pipeline does."""

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
    """Deploys one stack.

    The app is synthesized in this process, into a folder that the CLI deploys: the CLI would start
    Python and Node anew for each deployment.

    Args:
        aws: where to deploy.
        folder: where to synthesize.
    """

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._aws = aws
        self._folder = folder
        self._deployments = 0

    def deploy(self, build: Callable[[Stack], object]) -> subprocess.CompletedProcess[str]:
        """Deploys the stack with what is built in it."""
        self._deployments += 1
        app = App(outdir=str(self._folder / f"{self._deployments}.out"), analytics_reporting=False)
        build(Stack(app, STACK, env=MANAGEMENT))
        app.synth()
        return self._cdk("deploy", "--require-approval", "never")

    def destroy(self) -> subprocess.CompletedProcess[str]:
        """Destroys the stack."""
        return self._cdk("destroy", "--force")

    def _cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assembly = str(self._folder / f"{self._deployments}.out")
        return self._aws.cdk(*arguments, STACK, "--app", assembly, folder=self._folder)


def succeeded(deployment: subprocess.CompletedProcess[str]) -> None:
    """Asserts that the CLI succeeded; what it printed is shown if not."""
    assert deployment.returncode == 0, deployment.stdout
