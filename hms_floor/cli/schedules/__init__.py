"""`hms schedule`."""
