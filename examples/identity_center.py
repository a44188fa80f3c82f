"""Root tasks for people who sign in by IAM Identity Center, with a policy for each permission set.

A permission set's role cannot be changed, but a permission set can name a customer managed policy
of the account that it is assigned in. Here that is the account of this stack.
"""

from aws_cdk import Annotations, App, Environment, Stack
from aws_cdk import aws_iam as iam

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks

app = App()
stack = Stack(
    app, "OrganizationBootstrap", env=Environment(account="111111111111", region="us-east-1")
)
CentralizedRootAccess(stack, "RootAccess")
root_tasks = RootTasks(stack, "RootTasks", tasks=[RootTask.AUDIT, RootTask.DELETE])
planner = iam.ManagedPolicy(stack, "Planner", managed_policy_name="RootTasksPlanner")
executor = iam.ManagedPolicy(stack, "Executor", managed_policy_name="RootTasksExecutor")
root_tasks.grant_plan(planner)
root_tasks.grant_execute(executor)
root_tasks.grant_stop(executor)
for reader in (planner, executor):
    root_tasks.grant_read_reports(reader)
Annotations.of(root_tasks).acknowledge_warning(
    "centralized-root-access:noAlarmAction", "audit.py shows who hears the alarms."
)
app.synth()
