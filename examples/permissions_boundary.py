"""A bootstrap app with rules of its own: a permissions boundary, and a retention of logs.

Neither is an argument of the construct. CDK attaches the boundary to every role of the stack, and an aspect
sets the retention of every log group, whichever construct created them. The boundary must allow what the
README lists under Permissions; otherwise the deployment fails, and the error names the denied call.
"""

import jsii
from aws_cdk import App, Aspects, Environment, IAspect, PermissionsBoundary, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct, IConstruct

from centralized_root_access import CentralizedRootAccess


@jsii.implements(IAspect)
class LogRetention:
    """The retention that the organization requires for every log group."""

    def __init__(self, *, days: int) -> None:
        """Take a number of days that CloudWatch Logs supports."""
        self._days = days

    def visit(self, node: IConstruct) -> None:
        """Set the retention, if this is a log group."""
        if isinstance(node, logs.CfnLogGroup):
            node.retention_in_days = self._days


class OrganizationBootstrap(Stack):
    """An existing stack, to which centralized root access was added."""

    def __init__(self, scope: Construct, id: str, *, env: Environment) -> None:
        """Build the stack."""
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
