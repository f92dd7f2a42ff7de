"""Schedules: what is started by itself, when, and what came of each run."""
