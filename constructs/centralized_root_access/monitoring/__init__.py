"""Alarms when a root user is used, and a dashboard."""
