"""Celery events and the event log: every step that began or ended is noticed once."""
