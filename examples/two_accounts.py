"""Two accounts: the management account enables root access, and the security account runs the root tasks.

AWS recommends keeping daily work out of the management account. For `cdk deploy --all` with credentials of
that account, bootstrap the security account with `--trust 111111111111`.
"""

from aws_cdk import App, Duration, Environment, Stack

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks

MANAGEMENT = "111111111111"
SECURITY = "222222222222"

app = App()
bootstrap = Stack(app, "OrganizationBootstrap", env=Environment(account=MANAGEMENT, region="us-east-1"))
CentralizedRootAccess(bootstrap, "RootAccess", delegated_administrators=[SECURITY])

security = Stack(app, "RootTasks", env=Environment(account=SECURITY, region="us-east-1"))
# Only a delegated administrator may open root sessions.
security.node.add_dependency(bootstrap)
RootTasks(
    security,
    "RootTasks",
    tasks=[RootTask.AUDIT, RootTask.DELETE_CREDENTIALS],
    protected_accounts=[SECURITY],
    audit_interval=Duration.days(1),
)
app.synth()
