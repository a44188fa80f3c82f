"""The command line, which imports no aws_cdk."""
