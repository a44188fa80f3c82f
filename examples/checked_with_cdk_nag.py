"""An app that cdk-nag 3 checks: what its AwsSolutions rules find in the constructs is acknowledged.

`pip install cdk-nag`; this library does not need it. Each acknowledgment is for one finding, with
one value, in one resource, and has its reason, which cdk-nag's report shows. What an app adds to a
role is still found.
"""

from aws_cdk import App, Duration, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks
from centralized_root_access.nag import acknowledge_nag

app = App()
stack = Stack(app, "OrganizationBootstrap")
root_access = CentralizedRootAccess(stack, "RootAccess", delegated_administrators=["222222222222"])
root_access.add_drift_check(repair=True)
RootTasks(stack, "RootTasks", tasks=list(RootTask), audit_interval=Duration.days(1))

Validations.of(app).add_plugins(AwsSolutionsChecks(app))
acknowledge_nag(app)
app.synth()
