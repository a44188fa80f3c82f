"""The report of a run: JSON, CSV, HTML, and what changed since the last one."""
