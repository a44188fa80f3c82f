"""The root tasks: what each does in the root session of one account."""
