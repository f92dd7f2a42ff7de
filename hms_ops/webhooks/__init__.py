"""Webhooks: events of jobs and cycles as signed CloudEvents, to the addresses that asked for them."""
