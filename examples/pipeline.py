"""A CDK Pipelines app: the pipeline runs in one account and deploys to the management account.

Bootstrap both accounts; the management account trusts the pipeline's:

    cdk bootstrap aws://999999999999/us-east-1
    cdk bootstrap aws://111111111111/us-east-1 --trust 999999999999 \
        --cloudformation-execution-policies arn:aws:iam::111111111111:policy/organization-bootstrap

Each run of the pipeline looks at the organization again and corrects it, because its build is the
revision. The price: `cdk diff` always shows a difference. After the deployment the pipeline asks
what is enabled now, and fails if it is not what is listed.
"""

import os

from aws_cdk import App, Environment, Stack, Stage, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from constructs import Construct

from centralized_root_access import CentralizedRootAccess

PIPELINE = Environment(account="999999999999", region="us-east-1")
MANAGEMENT = Environment(account="111111111111", region="us-east-1")
CONNECTION = (
    "arn:aws:codeconnections:us-east-1:999999999999:connection/11111111-2222-3333-4444-555555555555"
)

# The role of `cdk bootstrap` by which the pipeline's account may read.
LOOKUP_ROLE = "arn:aws:iam::111111111111:role/cdk-hnb659fds-lookup-role-111111111111-us-east-1"

# Pinned: what deploys to the management account must not change by itself.
CDK_CLI = "2.1148.1"


class Management(Stage):
    """The deployment to the management account."""

    def __init__(self, scope: Construct, id: str, *, env: Environment) -> None:
        """Build the stage's one stack."""
        super().__init__(scope, id, env=env)
        # None where the app is not built by CodeBuild, such as on a laptop.
        revision = os.environ.get("CODEBUILD_BUILD_ID")
        stack = Stack(self, "OrganizationBootstrap")
        CentralizedRootAccess(stack, "RootAccess", revision=revision)


app = App()
stack = Stack(app, "OrganizationPipeline", env=PIPELINE)
source = pipelines.CodePipelineSource.connection(
    "example/organization", "main", connection_arn=CONNECTION
)
pipeline = pipelines.CodePipeline(
    stack,
    "Pipeline",
    pipeline_type=codepipeline.PipelineType.V2,
    cross_account_keys=True,
    enable_key_rotation=True,
    cli_version=CDK_CLI,
    # The image's default may be older than this library needs.
    code_build_defaults=pipelines.CodeBuildOptions(
        partial_build_spec=codebuild.BuildSpec.from_object(
            {"phases": {"install": {"runtime-versions": {"python": "3.12"}}}}
        )
    ),
    synth=pipelines.ShellStep(
        "Synth",
        input=source,
        commands=["pip install -r requirements.txt", f"npx --yes aws-cdk@{CDK_CLI} synth"],
    ),
)
management = Management(app, "Management", env=MANAGEMENT)
pipeline.add_stage(
    management,
    post=[
        pipelines.CodeBuildStep(
            "RootAccessIsEnabled",
            input=source,
            env={"AWS_CONFIG_FILE": "aws-config"},
            commands=[
                "pip install -r requirements.txt",
                "printf '[profile management]\nrole_arn=%s\ncredential_source=EcsContainer\n' "
                f"{LOOKUP_ROLE} >aws-config",
                "centralized-root-access status --profile management",
            ],
            role_policy_statements=[
                iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[LOOKUP_ROLE])
            ],
        )
    ],
)

# CDK grants the use of the connection by the service's former name alone, codestar-connections. The
# ARN has the new name, for which there is an action of its own.
pipeline.build_pipeline()
for construct in pipeline.pipeline.node.find_child("Source").node.find_all():
    if isinstance(construct, iam.Role):
        construct.add_to_policy(
            iam.PolicyStatement(actions=["codeconnections:UseConnection"], resources=[CONNECTION])
        )
app.synth()
