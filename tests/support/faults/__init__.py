"""Faults of AWS calls: one vocabulary, injected at a boto client or at the wire, and the fault matrix."""
