"""What the organization's policies let root sessions do: read, judged by account, and what to change."""
