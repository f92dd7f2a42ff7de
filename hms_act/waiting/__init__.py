"""The end of waits: for events, for parts, and for other jobs."""
