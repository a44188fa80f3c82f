"""What runs in AWS for root tasks: selects accounts, performs one task in each, reports."""
