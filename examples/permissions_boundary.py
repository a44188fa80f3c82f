"""In a bootstrap app that has rules of its own: a permissions boundary, and how long logs are kept.

Neither is an argument of the construct. CDK puts the boundary on every role of the stack, and an aspect
sets the retention of every log group, whoever made them. The boundary must allow what the README's
Permissions list; else the deployment fails, and the error names the call that was denied.
"""

import jsii
from aws_cdk import App, Aspects, Environment, IAspect, PermissionsBoundary, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct, IConstruct

from centralized_root_access import CentralizedRootAccess


@jsii.implements(IAspect)
class LogRetention:
    """Keeps the events of every log group for as many days as the organization has decided."""

    def __init__(self, *, days: int) -> None:
        """Takes a number of days that CloudWatch Logs knows."""
        self._days = days

    def visit(self, node: IConstruct) -> None:
        """Sets the retention, if this is a log group."""
        if isinstance(node, logs.CfnLogGroup):
            node.retention_in_days = self._days


class OrganizationBootstrap(Stack):
    """What was there before, and centralized root access."""

    def __init__(self, scope: Construct, id: str, *, env: Environment) -> None:
        """Builds the stack."""
        super().__init__(
            scope,
            id,
            env=env,
            permissions_boundary=PermissionsBoundary.from_name("organization-bootstrap-boundary"),
        )
        sns.Topic(self, "SecurityNews", enforce_ssl=True)
        CentralizedRootAccess(self, "RootAccess")


app = App()
stack = OrganizationBootstrap(
    app, "OrganizationBootstrap", env=Environment(account="111111111111", region="eu-central-1")
)
Aspects.of(stack).add(LogRetention(days=3653))
app.synth()
