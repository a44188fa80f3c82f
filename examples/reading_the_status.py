"""Reading the status from the output and a parameter, and the organization's id in another stack.

With the AWS CLI and jq, in one line:

    aws cloudformation describe-stacks --stack-name OrganizationBootstrap \
        --query "Stacks[0].Outputs[?OutputKey=='RootAccessStatus'].OutputValue" --output text | jq
        .status

Programs and other stacks read the parameter, whose `observedAt` says how old it is. An attribute in
another stack becomes an export, and CloudFormation refuses to change an export that is imported:
the next change of the features would fail, and be rolled back. Only `organization_id` is for other
stacks, because it never changes. While a stack imports it, this one cannot drop it.
"""

from aws_cdk import App, Stack
from aws_cdk import aws_ssm as ssm

from centralized_root_access import CentralizedRootAccess

# CDK warns of a reference between stacks as long as the app does not say which kind it wants.
app = App(context={"@aws-cdk/core:defaultCrossStackReferences": "strong"})
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
