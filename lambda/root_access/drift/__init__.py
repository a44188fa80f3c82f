"""The drift check: compare the organization with the stack, report, and repair."""
