"""`hms recipe` and what it checks and writes."""
