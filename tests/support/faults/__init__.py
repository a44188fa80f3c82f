"""Faults of AWS calls, injected at a boto client."""
