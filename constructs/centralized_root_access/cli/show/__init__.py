"""Tables and lists of reports and of what policies deny."""
