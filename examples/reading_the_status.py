"""Reading the status: from the stack's output, from a parameter, and in another stack.

With the AWS CLI and jq, in one line:

    aws cloudformation describe-stacks --stack-name OrganizationBootstrap \
        --query "Stacks[0].Outputs[?OutputKey=='RootAccessStatus'].OutputValue" --output text | jq .status

A program that does not know this stack reads the parameter. Another stack of the same app takes an
attribute, which CloudFormation exports: while that stack imports it, this one cannot remove it.
"""

from aws_cdk import App, Stack
from aws_cdk import aws_ssm as ssm

from centralized_root_access import CentralizedRootAccess

app = App()
bootstrap = Stack(app, "OrganizationBootstrap")
root_access = CentralizedRootAccess(bootstrap, "RootAccess")
ssm.StringParameter(
    bootstrap,
    "RootAccessParameter",
    parameter_name="/organization/root-access",
    string_value=root_access.status_json,
)

reports = Stack(app, "SecurityReports")
ssm.StringParameter(
    reports,
    "OrganizationId",
    parameter_name="/security-reports/organization-id",
    string_value=root_access.organization_id,
)
app.synth()
