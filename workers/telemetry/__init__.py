"""Telemetry of a worker's steps: events, logs and traces."""
