"""The end of waits for events."""
