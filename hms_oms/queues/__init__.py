"""Queues: how they stand, their SLAs and dispatch windows."""
