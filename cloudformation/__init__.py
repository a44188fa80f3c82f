"""A plain CloudFormation template of a CDK app, for pipelines that cannot run the CDK."""
