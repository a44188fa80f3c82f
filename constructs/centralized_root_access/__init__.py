"""Centralized root access for an AWS organization, as a CDK construct."""
