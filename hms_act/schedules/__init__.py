"""Starts what is due by a schedule, beside the dispatcher."""
