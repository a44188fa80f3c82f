"""What runs in AWS for root tasks: select accounts, run one task in each, report."""
