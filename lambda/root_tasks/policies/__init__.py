"""What the organization's policies let root tasks do: read, checked by account, and what to change."""
