"""A step while it runs, and a job while it waits: progress, and events."""
