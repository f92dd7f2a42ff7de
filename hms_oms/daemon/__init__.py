"""Daemons: leader election by leases, heartbeats to probes, and failures that are isolated."""
