"""Steering queues from outside."""
