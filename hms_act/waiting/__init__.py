"""The end of waits: for events, and for parts."""
