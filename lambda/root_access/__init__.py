"""Centralized root access: the custom resource and the drift check."""
