"""What runs in AWS: observes an organization's root access, plans, applies."""
