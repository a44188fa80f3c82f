"""The functions of root tasks: select accounts, run one task in each, report."""
