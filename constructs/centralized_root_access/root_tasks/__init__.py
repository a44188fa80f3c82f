"""Audit, plan and execute root tasks in member accounts."""
