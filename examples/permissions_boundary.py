"""A bootstrap app with a permissions boundary, an encryption key and a retention of logs.

CDK attaches the boundary to every role of the stack, whichever construct created it. It allows
every action of docs/reference/permissions.md, by the argument that needs it: leave out
what you do not use. An action that is missing is denied, and the error names it. Here another stack
creates the boundary: deploy that one first. In many organizations it exists, and only its name is
needed.
"""

from aws_cdk import Annotations, App, Environment, PermissionsBoundary, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks

BOUNDARY = "organization-bootstrap-boundary"
MANAGEMENT = Environment(account="111111111111", region="eu-central-1")


class Boundary(Stack):
    """The most that a role of the bootstrap stack may do, regardless of its own policy."""

    def __init__(self, scope: Construct, id: str, *, env: Environment) -> None:
        """Build the stack."""
        super().__init__(scope, id, env=env)
        iam.ManagedPolicy(
            self,
            "Boundary",
            managed_policy_name=BOUNDARY,
            statements=[
                iam.PolicyStatement(
                    resources=["*"],
                    actions=[
                        # CentralizedRootAccess, RootTasks, RootUseAlarm
                        "logs:CreateLogStream",
                        "logs:PutLogEvents",
                        # CentralizedRootAccess, RootTasks
                        "iam:ListOrganizationsFeatures",
                        "organizations:DescribeOrganization",
                        # CentralizedRootAccess
                        "iam:EnableOrganizationsRootCredentialsManagement",
                        "iam:EnableOrganizationsRootSessions",
                        "organizations:EnableAWSServiceAccess",
                        "organizations:ListAWSServiceAccessForOrganization",
                        "organizations:ListDelegatedAdministrators",
                        # a feature that is left out
                        "iam:DisableOrganizationsRootCredentialsManagement",
                        "iam:DisableOrganizationsRootSessions",
                        # delegated_administrators
                        "organizations:DeregisterDelegatedAdministrator",
                        "organizations:RegisterDelegatedAdministrator",
                        # the drift check, with repair
                        "cloudformation:DescribeStacks",
                        # RootTasks
                        "iam:GetAccountSummary",
                        "lambda:InvokeFunction",
                        "organizations:DescribeAccount",
                        "organizations:DescribeOrganizationalUnit",
                        "organizations:ListAccounts",
                        "organizations:ListAccountsForParent",
                        "organizations:ListOrganizationalUnitsForParent",
                        "organizations:ListRoots",
                        "s3:GetObject",
                        "s3:GetObjectVersion",
                        "s3:ListBucket",
                        "s3:ListBucketVersions",
                        "s3:PutObject",
                        "states:DescribeExecution",
                        "states:GetExecutionHistory",
                        "states:RedriveExecution",
                        "states:StartExecution",
                        "states:StopExecution",
                        "sts:AssumeRoot",
                        # an encryption_key of RootTasks, and an encrypted topic
                        "kms:Decrypt",
                        "kms:GenerateDataKey",
                        "kms:GenerateDataKey*",
                        # notification_topic
                        "sns:Publish",
                        # security_hub_findings
                        "securityhub:BatchImportFindings",
                    ],
                )
            ],
        )


class OrganizationBootstrap(Stack):
    """An existing stack, to which centralized root access was added."""

    def __init__(self, scope: Construct, id: str, *, env: Environment) -> None:
        """Build the stack."""
        super().__init__(
            scope, id, env=env, permissions_boundary=PermissionsBoundary.from_name(BOUNDARY)
        )
        key = kms.Key(self, "Key", enable_key_rotation=True)
        retention = logs.RetentionDays.TEN_YEARS
        root_access = CentralizedRootAccess(
            self, "RootAccess", encryption_key=key, log_retention=retention
        )
        root_access.add_drift_check(repair=True)
        RootTasks(
            self, "RootTasks", tasks=list(RootTask), encryption_key=key, log_retention=retention
        )
        Annotations.of(self).acknowledge_warning(
            "centralized-root-access:noAlarmAction", "audit.py shows who hears the alarms."
        )


app = App()
Boundary(app, "Boundary", env=MANAGEMENT)
OrganizationBootstrap(app, "OrganizationBootstrap", env=MANAGEMENT)
app.synth()
