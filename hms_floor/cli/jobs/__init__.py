"""`hms job` and `hms undo`: start, read and change jobs."""
