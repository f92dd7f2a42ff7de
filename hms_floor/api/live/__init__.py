"""Clients that wait: for new metrics, and for a job to reserve."""
